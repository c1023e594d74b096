"""Statements of account on the wire: any bytes, and whose signature is whose (protocol.md 15.9)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.secure_ends import DEV, keys

from masq.chain.voucher import SIZE as VOUCHER_SIZE
from masq.chain.wallet import Wallet
from masq.errors import MalformedError
from masq.keccak import keccak256
from masq.wire.package import OPEN_ELEMENT, Component, Hop, Payer
from masq.wire.statement import SIZE, Pair, Statement

WALLET = Wallet(keccak256(b"debtor"))
NODE = keys()
PAIR = Pair(b"c" * 20, WALLET.address, DEV)
OTHERS = (
    Pair(b"d" * 20, WALLET.address, DEV),
    Pair(b"c" * 20, b"d" * 20, DEV),
    Pair(b"c" * 20, WALLET.address, bytes(20)),
)


@given(st.integers(-(2**126), 2**126), st.integers(0, 2**126), st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(owed: int, paid: int, when: int) -> None:
    statement = Statement(owed, paid, when)
    assert Statement.decode(statement.encode()) == statement
    assert len(statement.encode()) == SIZE
    assert statement.charged == owed + paid


@given(st.binary(max_size=2 * SIZE) | st.binary(min_size=SIZE, max_size=SIZE))
def test_any_bytes_are_a_statement_or_malformed(data: bytes) -> None:
    try:
        statement = Statement.decode(data)
    except MalformedError:
        return
    assert statement.encode() == data
    # Whatever it is, nobody has signed it.
    assert not statement.is_by_debtor(PAIR)
    assert not statement.is_by_creditor(PAIR, NODE, NODE.public_key)


@pytest.mark.parametrize("value", [None, 5, "text", [], bytearray(SIZE), b"\x7f" + bytes(SIZE - 1)])
def test_what_is_no_statement_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError):
        Statement.decode(value)


def test_each_side_signs_for_one_account_on_one_chain_and_for_itself_alone() -> None:
    figures = Statement(5, 7, 1_800_000_000)
    debtors = Statement.decode(figures.by_debtor(PAIR, WALLET).encode())
    creditors = Statement.decode(figures.by_creditor(PAIR, NODE).encode())
    assert debtors.is_by_debtor(PAIR)
    assert creditors.is_by_creditor(PAIR, keys(), NODE.public_key)
    for other in OTHERS:
        assert not debtors.is_by_debtor(other)
        assert not creditors.is_by_creditor(other, NODE, NODE.public_key)
    assert not creditors.is_by_creditor(PAIR, NODE, keys().public_key)
    assert not creditors.is_by_debtor(PAIR)
    assert not debtors.is_by_creditor(PAIR, NODE, NODE.public_key)


@pytest.mark.parametrize("at", range(36))
def test_figures_that_were_altered_are_signed_by_nobody(at: int) -> None:
    figures = Statement(5, 7, 1_800_000_000)
    for signed, check in (
        (figures.by_debtor(PAIR, WALLET), Statement.is_by_debtor),
        (figures.by_creditor(PAIR, NODE), lambda each, pair: each.is_by_creditor(pair, NODE, NODE.public_key)),
    ):
        data = bytearray(signed.encode())
        data[at] ^= 1
        assert not check(Statement.decode(bytes(data)), PAIR)


def test_an_element_of_open_is_as_long_with_a_statement_or_a_voucher_as_without() -> None:
    payer = Payer(b"\xff" * 20, 1, b"\xff" * 32, b"\xff" * 32)
    for next_key in (b"", bytes(64)):
        for said, promised in ((b"", b""), (bytes(SIZE), b""), (b"", bytes(VOUCHER_SIZE))):
            hop = Hop(next_key, payer, Component.PROXY_CLIENT, bytes(32), 2**32, said, promised)
            assert len(hop.encode()) == OPEN_ELEMENT
            assert Hop.decode(hop.encode()) == hop
