"""Vouchers are signed as EIP-712 has it, and for one pair, contract and chain alone (accounting.md 4.8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from masq.chain.voucher import MOST, SIZE, Deal, Voucher, redeem_data, redeemed_data
from masq.chain.wallet import Wallet
from masq.errors import MalformedError
from masq.keccak import keccak256
from masq.types import CHAINS

PAYER = Wallet(b"\x01" * 32)
DEAL = Deal(CHAINS["dev"], b"d" * 20, PAYER.address, b"e" * 20)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def typed_data(deal: Deal, total: int) -> dict[str, Any]:
    fields = [("token", "address"), ("payer", "address"), ("payee", "address"), ("total", "uint256")]
    domain = [("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address")]
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in domain],
            "Voucher": [{"name": name, "type": kind} for name, kind in fields],
        },
        "primaryType": "Voucher",
        "domain": {
            "name": "MASQ vouchers",
            "version": "1",
            "chainId": deal.chain.id,
            "verifyingContract": "0x" + deal.contract.hex(),
        },
        "message": {
            "token": "0x" + deal.chain.contract.hex(),
            "payer": "0x" + deal.payer.hex(),
            "payee": "0x" + deal.payee.hex(),
            "total": total,
        },
    }


@pytest.mark.parametrize("total", [1, 10**18, MOST - 1])
@pytest.mark.parametrize("chain", ["dev", "base-mainnet", "polygon-mainnet"])
def test_another_implementation_of_eip_712_signs_the_same(chain: str, total: int) -> None:
    deal = replace(DEAL, chain=CHAINS[chain])
    theirs = Account.sign_message(encode_typed_data(full_message=typed_data(deal, total)), PAYER.secret)
    ours = Voucher.sign(PAYER, deal, total)
    assert ours.signature[1:] + bytes((ours.signature[0] + 27,)) == bytes(theirs.signature)
    assert ours.is_for(deal)


def test_a_voucher_is_for_one_pair_contract_and_chain() -> None:
    voucher = Voucher.sign(PAYER, DEAL, 7)
    others = [
        replace(DEAL, chain=CHAINS["base-mainnet"]),
        replace(DEAL, contract=b"x" * 20),
        replace(DEAL, payee=b"x" * 20),
        replace(DEAL, payer=b"x" * 20),
    ]
    assert [voucher.is_for(deal) for deal in (DEAL, *others)] == [True, False, False, False, False]
    assert not Voucher(8, voucher.signature).is_for(DEAL), "of another total"


def test_the_twin_of_a_signature_and_one_of_nobody_are_refused() -> None:
    voucher = Voucher.sign(PAYER, DEAL, 7)
    v, r, s = voucher.signature[0], voucher.signature[1:33], voucher.signature[33:]
    twin = bytes((1 - v,)) + r + (ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    assert not Voucher(7, twin).is_for(DEAL)
    for rubbish in (bytes(65), bytes((27,)) + r + s, b"\xff" * 65):
        assert not Voucher(7, rubbish).is_for(DEAL)
        assert not Voucher(7, rubbish).is_for(replace(DEAL, payer=bytes(20))), "not the wallet 0 either"


@given(total=st.integers(1, MOST - 1))
def test_a_voucher_is_read_as_it_was_written(total: int) -> None:
    voucher = Voucher.sign(PAYER, DEAL, total)
    assert len(voucher.encode()) == SIZE
    assert Voucher.decode(voucher.encode()) == voucher


@pytest.mark.parametrize(
    "data", [None, "x" * SIZE, b"", bytes(SIZE), b"\1" * (SIZE - 1), b"\1" * (SIZE + 1), b"\xff" * SIZE]
)
def test_what_is_no_voucher_is_refused(data: object) -> None:
    with pytest.raises(MalformedError):
        Voucher.decode(data)


def test_what_can_t_be_promised_is_not_signed() -> None:
    for wallet, total in ((PAYER, 0), (PAYER, MOST), (Wallet(b"\x02" * 32), 1)):
        with pytest.raises(ValueError, match="can't be promised"):
            Voucher.sign(wallet, DEAL, total)


def test_the_contract_is_called_as_its_interface_says() -> None:
    voucher = Voucher.sign(PAYER, DEAL, 7)
    kinds = ["address", "address", "address", "uint256", "uint256", "uint8", "bytes32", "bytes32"]
    values = [DEAL.chain.contract, DEAL.payer, DEAL.payee, 7, 5, 27 + voucher.signature[0]]
    encoded = encode(kinds, [*values, voucher.signature[1:33], voucher.signature[33:]])
    assert redeem_data(DEAL, voucher, 5) == keccak256(f"redeem({','.join(kinds)})".encode())[:4] + encoded
    asked = encode(kinds[:3], values[:3])
    assert redeemed_data(DEAL) == keccak256(b"redeemed(address,address,address)")[:4] + asked
