"""Proofs of payment: each holds for one Node alone, is made once and checked once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.secure_ends import keys
from tests.strategies import key_pair, public_keys, wallets

import masq.core.proofs as proofs_module
from masq.chain.wallet import Wallet
from masq.core.proofs import Proofs, Unpaid
from masq.crypto import CryptDE
from masq.keccak import keccak256
from masq.wire.package import Component, Hop, Payer

WALLET = Wallet(keccak256(b"who pays"))
READER = key_pair(1, "dev")


def hop(payer: Payer | None) -> Hop:
    return Hop(b"", payer, Component.PROXY_CLIENT)


@given(reader=st.integers(0, 7).map(lambda number: key_pair(number, "dev")), wallet=wallets)
def test_what_one_node_makes_for_another_that_one_believes(reader: CryptDE, wallet: Wallet) -> None:
    payer = Proofs(keys(), wallet).of(reader.public_key)
    assert Proofs(reader, None).payer_of(hop(payer)) == wallet.address


@given(reader=public_keys)
def test_a_proof_for_another_node_is_worth_nothing_here(reader: bytes) -> None:
    payer = Proofs(keys(), WALLET).of(reader)
    with pytest.raises(Unpaid):
        Proofs(keys(), None).payer_of(hop(payer))


def test_a_proof_for_another_chain_is_worth_nothing_here() -> None:
    payer = Proofs(keys(), WALLET).of(READER.public_key)
    elsewhere = key_pair(1, "base-sepolia")
    assert elsewhere.public_key == READER.public_key
    with pytest.raises(Unpaid):
        Proofs(elsewhere, None).payer_of(hop(payer))


def test_somebody_elses_wallet_can_not_be_named() -> None:
    payer = Proofs(keys(), WALLET).of(READER.public_key)
    assert payer
    stolen = replace(payer, address=b"v" * 20)
    with pytest.raises(Unpaid):
        Proofs(READER, None).payer_of(hop(stolen))


def test_who_names_nobody_is_nobody() -> None:
    assert Proofs(keys(), None).payer_of(hop(None)) is None


def test_without_a_wallet_there_is_no_proof() -> None:
    assert Proofs(keys(), None).of(key_pair(1).public_key) is None


def test_a_proof_is_made_once_for_each_node() -> None:
    proofs = Proofs(keys(), WALLET)
    one = proofs.of(key_pair(1).public_key)
    assert proofs.of(key_pair(1).public_key) is one
    assert proofs.of(key_pair(2).public_key) != one


def test_a_proof_that_was_checked_is_believed_the_next_time() -> None:
    theirs, payer = Proofs(READER, None), Proofs(keys(), WALLET).of(READER.public_key)
    for _ in range(2):
        assert theirs.payer_of(hop(payer)) == WALLET.address
    assert theirs._proven == {payer}


def test_a_wrong_proof_is_refused_each_time() -> None:
    proofs, wrong = Proofs(keys(), None), hop(Proofs(keys(), WALLET).of(b"k" * 64))
    for _ in range(2):
        with pytest.raises(Unpaid):
            proofs.payer_of(wrong)
    assert not proofs._proven


def test_only_so_many_proofs_of_either_kind_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs_module, "REMEMBERED", 2)
    ours, theirs = Proofs(keys(), WALLET), Proofs(READER, None)
    for number in range(5):
        ours.of(bytes((number,)) * 64)
        wallet = Wallet(keccak256(bytes((number,))))
        assert theirs.payer_of(hop(Proofs(keys(), wallet).of(READER.public_key))) == wallet.address
        assert len(ours._made) <= 2
        assert len(theirs._proven) <= 2
