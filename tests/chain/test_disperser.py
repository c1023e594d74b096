"""Call data for many creditors, and receipts that tell of each (accounting.md 4.7)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.chain.disperser import UNPAID_TOPIC, allowance_data, disperse_data, sign_allow, sign_disperse
from masq.chain.erc20 import TRANSFER_TOPIC
from masq.chain.receipt import parse_receipt
from masq.chain.wallet import Wallet
from masq.types import CHAINS

CHAIN = CHAINS["dev"]
PAYER = Wallet(b"\x01" * 32)
CONTRACT, TOKEN, A, B = b"d" * 20, CHAIN.contract, b"a" * 20, b"b" * 20
HASH = b"h" * 32


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 32], "big") for at in range(4, len(data), 32)]


@given(parts=st.lists(st.tuples(st.binary(min_size=20, max_size=20), st.integers(0, 2**256 - 1)), max_size=60))
def test_call_data_is_a_token_and_two_arrays_of_one_length(parts: list[tuple[bytes, int]]) -> None:
    data = words(disperse_data(TOKEN, parts))
    assert data[0] == int.from_bytes(TOKEN, "big")
    first, second = data[1] // 32, data[2] // 32
    assert data[first] == data[second] == len(parts)
    assert [each.to_bytes(20, "big") for each in data[first + 1 : second]] == [to for to, _ in parts]
    assert data[second + 1 :] == [wei for _, wei in parts]


def test_what_can_t_be_paid_is_not_signed() -> None:
    with pytest.raises(OverflowError):
        disperse_data(TOKEN, [(A, 2**256)])
    with pytest.raises(ValueError, match="20 bytes"):
        disperse_data(TOKEN, [(A + b"x", 1)])


def test_the_contract_is_called_and_the_token_is_told_who_may() -> None:
    paid = sign_disperse(PAYER, CHAIN, CONTRACT, nonce=0, gas_price=9, parts=[(A, 1)])
    assert CONTRACT in paid.raw
    modern = sign_disperse(PAYER, CHAIN, CONTRACT, nonce=0, gas_price=9, tip=1, parts=[(A, 1)])
    assert modern.raw[0] == 2
    allowed = sign_allow(PAYER, CHAIN, CONTRACT, nonce=0, gas_price=9, wei=7)
    assert TOKEN in allowed.raw
    assert allowance_data(A, B).hex().startswith("dd62ed3e")


def word(value: bytes | int) -> str:
    return "0x" + (value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")).hex()


def log(address: bytes, topic: bytes, payer: bytes, creditor: bytes, wei: int) -> dict[str, Any]:
    topics = [word(topic), word(payer), word(creditor)]
    return {"address": "0x" + address.hex(), "topics": topics, "data": word(wei)}


def receipt(*logs: object, **changes: object) -> dict[str, object]:
    told = {"transactionHash": word(HASH), "blockNumber": "0x5", "status": "0x1", "to": "0x" + CONTRACT.hex()}
    return {**told, "logs": list(logs), **changes}


def test_logs_of_the_token_and_of_the_contract_that_was_called_count() -> None:
    told = receipt(
        log(TOKEN, TRANSFER_TOPIC, PAYER.address, A, 5),
        log(CONTRACT, UNPAID_TOPIC, PAYER.address, B, 7),
        log(b"x" * 20, TRANSFER_TOPIC, PAYER.address, b"1" * 20, 1),
        log(b"x" * 20, UNPAID_TOPIC, PAYER.address, b"2" * 20, 1),
        log(CONTRACT, TRANSFER_TOPIC, PAYER.address, b"3" * 20, 1),
        log(TOKEN, UNPAID_TOPIC, PAYER.address, b"4" * 20, 1),
        {**log(TOKEN, TRANSFER_TOPIC, PAYER.address, b"5" * 20, 1), "removed": True},
    )
    found = parse_receipt(HASH, told, TOKEN)
    assert found is not None
    assert (found.paid, found.unpaid) == (frozenset({(PAYER.address, A, 5)}), frozenset({(PAYER.address, B, 7)}))
    alone = parse_receipt(HASH, told)
    assert alone is not None
    assert (alone.paid, alone.unpaid) == (frozenset(), frozenset())
    reverted = parse_receipt(HASH, {**told, "status": "0x0"}, TOKEN)
    assert reverted is not None
    assert not reverted.paid


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=70) | st.just(word(TRANSFER_TOPIC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["address", "topics", "data"]), inner),
    max_leaves=8,
)


@given(logs=ANYTHING, to=st.none() | st.just("0x" + CONTRACT.hex()))
def test_logs_that_are_rubbish_tell_nothing(logs: object, to: str | None) -> None:
    found = parse_receipt(HASH, receipt(logs=logs, to=to), TOKEN)
    assert found is not None
    assert (found.paid, found.unpaid) == (frozenset(), frozenset())
