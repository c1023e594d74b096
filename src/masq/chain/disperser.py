"""Many creditors in one transaction: the contract of contracts/Disperser.sol, what it is told and what it tells.

It moves the payer's tokens to each creditor by `transferFrom`, so that each gets a Transfer log of its own from the
payer. Of whom the token refuses to pay it tells by a log of its own (accounting.md 4.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from masq.chain.erc20 import word
from masq.chain.transaction import SignedTransaction, sign_call
from masq.chain.wallet import Wallet
from masq.types import Address, Chain

CODE_HASH: Final = bytes.fromhex("1d17fe0f68cf809de71f54f9105f7ffefb648a4610e31bb90316811e1e606ae2")
"""keccak-256 of the code that has to stand at its address."""
UNPAID_TOPIC: Final = bytes.fromhex("8a669340fc5b4413b6c556cf7216ccf5bf61f03eee912feb871f5f0a64e1619b")
"""keccak-256 of `Unpaid(address,address,uint256)`."""
GAS_BASE: Final = 60_000
"""Gas that is allowed for the transaction itself."""
GAS_EACH: Final = 45_000
"""Gas that is allowed for each creditor beside that."""
MOST_PARTS: Final = 50
"""Creditors in one transaction: some 2 million gas, a fraction of a block."""

_DISPERSE: Final = bytes.fromhex("c87b1ae3")
_APPROVE: Final = bytes.fromhex("095ea7b3")
_ALLOWANCE: Final = bytes.fromhex("dd62ed3e")


def gas_limit(parts: int) -> int:
    """Of a transaction that pays so many."""
    return GAS_BASE + parts * GAS_EACH


def disperse_data(token: Address, parts: Sequence[tuple[Address, int]]) -> bytes:
    """Call data: who gets how many wei. OverflowError if an amount isn't one of 256 bits."""
    count = _number(len(parts))
    heads = word(token) + _number(3 * 32) + _number((4 + len(parts)) * 32)
    creditors = b"".join(word(creditor) for creditor, _ in parts)
    amounts = b"".join(_number(wei) for _, wei in parts)
    return _DISPERSE + heads + count + creditors + count + amounts


def allowance_data(owner: Address, spender: Address) -> bytes:
    """The question to a token: how many wei may `spender` move that `owner` has?"""
    return _ALLOWANCE + word(owner) + word(spender)


def sign_disperse(
    wallet: Wallet,
    chain: Chain,
    contract: Address,
    *,
    nonce: int,
    gas_price: int,
    parts: Sequence[tuple[Address, int]],
    tip: int | None = None,
) -> SignedTransaction:
    """The transaction that pays all of them. Without `tip` one of the old kind; see `erc20.sign_transfer`."""
    data, gas = disperse_data(chain.contract, parts), gas_limit(len(parts))
    return sign_call(wallet, chain, nonce=nonce, gas_price=gas_price, tip=tip, gas=gas, to=contract, data=data)


def sign_allow(
    wallet: Wallet, chain: Chain, contract: Address, *, nonce: int, gas_price: int, wei: int, tip: int | None = None
) -> SignedTransaction:
    """The transaction by which the contract may move so many wei of the wallet's tokens; what it might before counts no
    more."""
    data = _APPROVE + word(contract) + _number(wei)
    gas = GAS_BASE + GAS_EACH
    return sign_call(wallet, chain, nonce=nonce, gas_price=gas_price, tip=tip, gas=gas, to=chain.contract, data=data)


def _number(number: int) -> bytes:
    return number.to_bytes(32, "big")
