"""Signed transactions: legacy ones with EIP-155, and those of EIP-1559 (accounting.md 4.3, 4.4)."""

from __future__ import annotations

from dataclasses import dataclass

from masq.chain import rlp
from masq.chain.wallet import Wallet, recover
from masq.keccak import keccak256
from masq.types import Address, Chain

_FEE_MARKET = b"\x02"


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """`raw` is what is sent; `hash` (32 bytes) is what it is known by, before anybody has seen it."""

    raw: bytes
    hash: bytes
    nonce: int


def gas_limit(chain: Chain, data: bytes) -> int:
    """The chain's base and the price of the call data: 4 for a zero byte, 68 for any other (accounting.md 4.4)."""
    zeros = data.count(0)
    return chain.gas_limit_base + 4 * zeros + 68 * (len(data) - zeros)


def sign_legacy(
    wallet: Wallet,
    chain_id: int,
    *,
    nonce: int,
    gas_price: int,
    gas: int,
    to: Address,
    data: bytes = b"",
    value: int = 0,
) -> SignedTransaction:
    """A transaction of nine fields, bound to the chain by EIP-155. ValueError if a field is out of range."""
    _check(to, nonce=nonce, gas=gas, gas_price=gas_price, value=value, chain_id=chain_id)
    fields: list[rlp.Item] = [nonce, gas_price, gas, to, value, data]
    v, r, s = wallet.sign_recoverable(keccak256(rlp.encode([*fields, chain_id, 0, 0])))
    signature = [v + 35 + 2 * chain_id, int.from_bytes(r), int.from_bytes(s)]
    return _signed(rlp.encode([*fields, *signature]), nonce)


def sign_fee_market(
    wallet: Wallet,
    chain_id: int,
    *,
    nonce: int,
    max_fee: int,
    max_tip: int,
    gas: int,
    to: Address,
    data: bytes = b"",
    value: int = 0,
) -> SignedTransaction:
    """A transaction of type 2: at most `max_fee` wei per gas, of which `max_tip` are for the miner."""
    _check(to, nonce=nonce, gas=gas, max_fee=max_fee, max_tip=max_tip, value=value, chain_id=chain_id)
    if max_tip > max_fee:
        raise ValueError(f"the tip of {max_tip} wei is above the whole fee of {max_fee} wei")
    fields: list[rlp.Item] = [chain_id, nonce, max_tip, max_fee, gas, to, value, data, []]
    v, r, s = wallet.sign_recoverable(keccak256(_FEE_MARKET + rlp.encode(fields)))
    signature = [v, int.from_bytes(r), int.from_bytes(s)]
    return _signed(_FEE_MARKET + rlp.encode([*fields, *signature]), nonce)


def sign_call(
    wallet: Wallet, chain: Chain, *, nonce: int, gas_price: int, tip: int | None, gas: int, to: Address, data: bytes
) -> SignedTransaction:
    """A transaction that calls a contract, for `gas_price` wei per gas at most: without `tip` one of the old kind."""
    if tip is None:
        return sign_legacy(wallet, chain.id, nonce=nonce, gas_price=gas_price, gas=gas, to=to, data=data)
    return sign_fee_market(wallet, chain.id, nonce=nonce, max_fee=gas_price, max_tip=tip, gas=gas, to=to, data=data)


def read_legacy(raw: bytes) -> tuple[Address, int]:
    """Who signed a legacy transaction of ours, and the wei per gas that it offers. ValueError if it is none."""
    nonce, price, gas, to, value, data, v, r, s = rlp.decode_strings(raw)
    chain_id, parity = divmod(int.from_bytes(v) - 35, 2)
    unsigned = rlp.encode([nonce, price, gas, to, value, data, chain_id, 0, 0])
    sender = recover(keccak256(unsigned), parity, r.rjust(32, b"\0"), s.rjust(32, b"\0"))
    return sender, int.from_bytes(price)


def _signed(raw: bytes, nonce: int) -> SignedTransaction:
    return SignedTransaction(raw, keccak256(raw), nonce)


def _check(to: Address, **quantities: int) -> None:
    if len(to) != 20:
        raise ValueError(f"a recipient has 20 bytes, not {len(to)}")
    for name, quantity in quantities.items():
        bits = 64 if name in ("nonce", "gas") else 256
        if not 0 <= quantity < 1 << bits:
            raise ValueError(f"{name} {quantity} of a transaction is not in the range of {bits} bits")
