"""Transactions, against recorded ones and eth-account; RLP against the library of the same name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rlp as reference_rlp
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from masq.chain import rlp
from masq.chain.derivation import derive
from masq.chain.erc20 import sign_transfer, transfer_data
from masq.chain.phrase import seed_of
from masq.chain.transaction import gas_limit, sign_fee_market, sign_legacy
from masq.chain.wallet import Wallet
from masq.types import CHAINS

VECTORS = Path(__file__).parents[1] / "vectors" / "money-v0.9.1.json"
WALLET = Wallet(bytes.fromhex("97923d8fd8de4a00f912bfb77ef483141dec551bd73ea59343ef5c4aac965d04"))
RECIPIENT = bytes.fromhex("7788df76bbd9a0c7c3e5bf0f77bb28c60a167a7b")
GWEI = 10**9

ITEMS = st.recursive(st.binary(max_size=80), lambda items: st.lists(items, max_size=5), max_leaves=20)
UINT64 = st.integers(0, 2**64 - 1)
UINT256 = st.integers(0, 2**256 - 1)
ADDRESSES = st.binary(min_size=20, max_size=20)


def case(id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(case for case in json.loads(VECTORS.read_text())["cases"] if case["id"] == id)
    return found


@pytest.mark.parametrize(
    ("chain", "nonce", "gas_price", "gas", "hash"),
    [
        ("polygon-amoy", 4, 50, 72_064, "5e0821ad88c5572935424e60c6b13dc5f8132c770492f26d0caab7a46b4035d2"),
        ("eth-ropsten", 1, 110, 57_064, "a649d826b7b1a645805a9c76e3d8d7cbdc2ea5f47b899599950ba62a160a790b"),
        ("polygon-mainnet", 10, 50, 72_064, "98a4e0325b2d125f0c9529f3b399e00648c02661595afe00fe366e4cfa7a3ee1"),
        ("eth-mainnet", 10, 110, 57_064, "19d225d85bd8a0773702917921fa42af45a09a87a6883d80463ccd9a0edf93bd"),
    ],
)
def test_transfers_on_four_chains(chain: str, nonce: int, gas_price: int, gas: int, hash: str) -> None:
    """S49."""
    row = CHAINS[chain]
    signed = sign_transfer(WALLET, row, nonce=nonce, gas_price=gas_price * GWEI, recipient=RECIPIENT, amount=10**12)
    assert gas_limit(row, transfer_data(RECIPIENT, 10**12)) == gas
    assert (signed.hash.hex(), signed.nonce) == (hash, nonce)


def test_a_transfer_byte_for_byte() -> None:
    signed = sign_transfer(
        WALLET, CHAINS["polygon-amoy"], nonce=4, gas_price=50 * GWEI, recipient=RECIPIENT, amount=10**12
    )
    assert signed.raw.hex() == (
        "f8ad04850ba43b74008301198094d98c3ebd6b7f9b7cda2449ecac00d1e5f47a819380b844a9059cbb"
        "0000000000000000000000007788df76bbd9a0c7c3e5bf0f77bb28c60a167a7b"
        "000000000000000000000000000000000000000000000000000000e8d4a51000"
        "83027127a0ef0873170be31c30f532edf3c97fe8a1d577859fd4045b060007cf9e75bda875"
        "a01e4a3f7e06d12b2268d9889e279643ad8e1d291bca8f9f741bd6ec1aca2c0766"
    )


def test_the_bills_of_a_network_of_nodes() -> None:
    """S56."""
    phrase = (
        "timber cage wide hawk phone shaft pattern movie army dizzy hen tackle "
        "lamp absent write kind term toddler sphere ripple idle dragon curious hold"
    )
    seed = seed_of(phrase)
    payer, *creditors = (Wallet(derive(seed, f"m/44'/60'/0'/0/{index}")) for index in range(4))
    hashes = [
        sign_transfer(
            payer, CHAINS["dev"], nonce=nonce, gas_price=20 * GWEI, recipient=creditor.address, amount=10**17
        ).hash.hex()
        for nonce, creditor in enumerate(creditors, 1)
    ]
    assert hashes == [
        "75a8f185b7fb3ac0c4d1ee6b402a46940c9ae0477c0c7378a1308fb4bf539c5c",
        "384a3bb5bbd9718a97322be2878fa88c7cacacb2ac3416f521a621ca1946ddfc",
        "6bc98d5db61ddd7676de1f25cb537156b3d9e066cec414fef8dbe9c695908215",
    ]


def test_the_transactions_of_a_recorded_node() -> None:
    recorded = case("B1-payables-scan-batch")
    wallet = Wallet(bytes.fromhex(recorded["settings"]["consuming_secret"]))
    assert "0x" + wallet.address.hex() == recorded["settings"]["consuming_wallet"]
    for transaction in recorded["observed"]["transactions"]:
        signed = sign_transfer(
            wallet,
            CHAINS["base-sepolia"],
            nonce=transaction["nonce"],
            gas_price=int(transaction["gasPrice"]),
            recipient=bytes.fromhex(transaction["recipient"][2:]),
            amount=int(transaction["amount_wei"]),
        )
        assert "0x" + signed.raw.hex() == transaction["raw"]
        assert "0x" + signed.hash.hex() == transaction["hash"]


@given(UINT64, UINT256, UINT64, ADDRESSES, UINT256, st.binary(max_size=100), st.integers(1, 2**31))
def test_legacy_transactions_are_those_of_eth_account(
    nonce: int, gas_price: int, gas: int, to: bytes, value: int, data: bytes, chain_id: int
) -> None:
    ours = sign_legacy(WALLET, chain_id, nonce=nonce, gas_price=gas_price, gas=gas, to=to, data=data, value=value)
    theirs = Account.sign_transaction(
        {
            "nonce": nonce,
            "gasPrice": gas_price,
            "gas": gas,
            "to": to,
            "value": value,
            "data": data,
            "chainId": chain_id,
        },
        WALLET.secret,
    )
    assert (ours.raw, ours.hash) == (bytes(theirs.raw_transaction), bytes(theirs.hash))


@given(UINT64, UINT256, UINT64, ADDRESSES, UINT256, st.binary(max_size=100), st.integers(1, 2**31))
def test_fee_market_transactions_are_those_of_eth_account(
    nonce: int, max_fee: int, gas: int, to: bytes, value: int, data: bytes, chain_id: int
) -> None:
    tip = max_fee // 3
    ours = sign_fee_market(
        WALLET, chain_id, nonce=nonce, max_fee=max_fee, max_tip=tip, gas=gas, to=to, data=data, value=value
    )
    theirs = Account.sign_transaction(
        {
            "type": 2,
            "nonce": nonce,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": tip,
            "gas": gas,
            "to": to,
            "value": value,
            "data": data,
            "chainId": chain_id,
        },
        WALLET.secret,
    )
    assert (ours.raw, ours.hash) == (bytes(theirs.raw_transaction), bytes(theirs.hash))


def test_fields_out_of_range_are_refused() -> None:
    fields = {"nonce": 0, "gas_price": 1, "gas": 21_000, "value": 0}
    for wrong in ({"nonce": -1}, {"nonce": 2**64}, {"gas": 2**64}, {"gas_price": 2**256}, {"value": -1}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} -?[0-9]+ of a transaction"):
            sign_legacy(WALLET, 2, to=RECIPIENT, data=b"", **{**fields, **wrong})
    with pytest.raises(ValueError, match="20 bytes, not 19"):
        sign_legacy(WALLET, 2, to=RECIPIENT[1:], nonce=0, gas_price=1, gas=21_000)
    with pytest.raises(ValueError, match="tip"):
        sign_fee_market(WALLET, 2, to=RECIPIENT, nonce=0, max_fee=1, max_tip=2, gas=21_000)


@given(ITEMS)
def test_rlp_can_be_read_back(item: rlp.Item) -> None:
    assert reference_rlp.decode(rlp.encode(item)) == item


@given(UINT256)
def test_rlp_of_numbers_has_no_leading_zeros(number: int) -> None:
    content = reference_rlp.decode(rlp.encode(number))
    assert int.from_bytes(content) == number
    assert not content.startswith(b"\0")
    with pytest.raises(OverflowError):
        rlp.encode(-1 - number)


def test_rlp_of_long_items() -> None:
    for size in (0, 1, 55, 56, 255, 256, 65_536):
        assert reference_rlp.decode(rlp.encode([b"x" * size])) == [b"x" * size]
