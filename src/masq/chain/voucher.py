"""Vouchers: debts promised by a signature, and paid by the contract of contracts/Disperser.sol when the creditor
hands one in (accounting.md 4.8).

A voucher's total is all that vouchers ever pay from one wallet to another: of several the highest counts, none pays
twice, and whoever hands it in can't change who pays or who gets it. Signed as EIP-712 has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from masq.chain.erc20 import word
from masq.chain.transaction import SignedTransaction, sign_call
from masq.chain.wallet import Wallet, recover
from masq.errors import CryptoError, MalformedError
from masq.keccak import keccak256
from masq.types import Address, Chain

SIZE: Final = 81
"""Bytes of a voucher, as it goes over the wire: 16 of the total, then v (0 or 1), r and s."""
MOST: Final = 2**126
"""Wei: no total reaches this, as no balance does."""
REDEEM_GAS: Final = 220_000
"""Gas that is allowed for handing one in; accounting.md 4.8 says what it takes."""

_DOMAIN: Final = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_VOUCHER: Final = keccak256(b"Voucher(address token,address payer,address payee,uint256 total)")
_NAME: Final = keccak256(b"MASQ vouchers")
_VERSION: Final = keccak256(b"1")
_REDEEM: Final = bytes.fromhex("ba26ba6e")
_REDEEMED: Final = bytes.fromhex("3031a853")
_MOST_S: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Half of the order of secp256k1: a signature with a higher s is another's twin, and the contract refuses it."""


@dataclass(frozen=True, slots=True)
class Deal:
    """Between whom, and by which contract of which chain: a voucher for one is worth nothing for another."""

    chain: Chain
    contract: Address
    payer: Address
    payee: Address

    def digest(self, total: int) -> bytes:
        """What is signed for a promise of so many wei."""
        domain = keccak256(_DOMAIN + _NAME + _VERSION + self.chain.id.to_bytes(32, "big") + word(self.contract))
        promise = keccak256(
            _VOUCHER + word(self.chain.contract) + word(self.payer) + word(self.payee) + total.to_bytes(32, "big")
        )
        return keccak256(b"\x19\x01" + domain + promise)


@dataclass(frozen=True, slots=True)
class Voucher:
    """`total`: wei that its payer promises, in all, ever. `signature`: v (0 or 1), r and s."""

    total: int
    signature: bytes

    @classmethod
    def sign(cls, wallet: Wallet, deal: Deal, total: int) -> Voucher:
        """ValueError if the wallet isn't the deal's payer, or the total can't be."""
        if wallet.address != deal.payer or not 0 < total < MOST:
            raise ValueError(f"{total} wei can't be promised by that wallet")
        v, r, s = wallet.sign_recoverable(deal.digest(total))
        return cls(total, bytes((v,)) + r + s)

    def is_for(self, deal: Deal) -> bool:
        """Whether the deal's payer has signed it, so that the contract takes it, too."""
        v, r, s = self.signature[0], self.signature[1:33], self.signature[33:]
        if int.from_bytes(s, "big") > _MOST_S:
            return False
        try:
            return recover(deal.digest(self.total), v, r, s) == deal.payer
        except CryptoError:
            return False

    def encode(self) -> bytes:
        return self.total.to_bytes(16, "big") + self.signature

    @classmethod
    def decode(cls, data: object) -> Voucher:
        """MalformedError if it isn't SIZE bytes, or of a total that can't be."""
        if type(data) is not bytes or len(data) != SIZE:
            raise MalformedError(f"a voucher has {SIZE} bytes")
        total = int.from_bytes(data[:16], "big")
        if not 0 < total < MOST:
            raise MalformedError("a voucher of a total that can't be")
        return cls(total, data[16:])


def redeem_data(deal: Deal, voucher: Voucher, wei: int) -> bytes:
    """Call data: so much of what it promises is to be paid now. OverflowError if `wei` isn't one of 256 bits."""
    who = word(deal.chain.contract) + word(deal.payer) + word(deal.payee)
    amounts = voucher.total.to_bytes(32, "big") + wei.to_bytes(32, "big")
    return _REDEEM + who + amounts + (27 + voucher.signature[0]).to_bytes(32, "big") + voucher.signature[1:]


def redeemed_data(deal: Deal) -> bytes:
    """The question to the contract: how many wei have vouchers paid so far?"""
    return _REDEEMED + word(deal.chain.contract) + word(deal.payer) + word(deal.payee)


def sign_redeem(
    wallet: Wallet, deal: Deal, voucher: Voucher, wei: int, *, nonce: int, gas_price: int, tip: int | None = None
) -> SignedTransaction:
    """The transaction that hands a voucher in, from any wallet, which pays the gas alone."""
    data = redeem_data(deal, voucher, wei)
    return sign_call(
        wallet, deal.chain, nonce=nonce, gas_price=gas_price, tip=tip, gas=REDEEM_GAS, to=deal.contract, data=data
    )
