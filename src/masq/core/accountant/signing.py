"""Signs payments: to one creditor by the token's own contract, to several by one that was made for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from masq.chain.transaction import SignedTransaction
from masq.core.accountant.effects import Part, Payment, Variant
from masq.core.accountant.fees import Fee
from masq.types import Address

Signer = Callable[[int, Fee, Address, int], SignedTransaction]
"""Signs a transfer: nonce, fee, recipient, wei. A recipient that is the wallet itself: a transaction of nothing."""
ManySigner = Callable[[int, Fee, Address, Sequence[tuple[Address, int]]], SignedTransaction]
"""Signs a payment to several: nonce, fee, contract, and wei by creditor."""


@dataclass(frozen=True, slots=True)
class Many:
    """How several creditors are paid by one transaction."""

    sign: ManySigner
    contract: Address | None = None
    """By which that is done; None: it isn't wanted, but payments of before may have to be signed again."""


@dataclass(frozen=True, slots=True)
class Signing:
    """By the key of a wallet."""

    wallet: Address
    sign: Signer
    many: Many | None

    def payment(self, group: tuple[Part, ...], nonce: int, fee: Fee, clock: int) -> Payment:
        """To one, or to several by the contract."""
        if len(group) > 1:
            assert self.many is not None
            assert self.many.contract is not None
            creditor, wei, parts = self.many.contract, sum(each.wei for each in group), group
        else:
            [(creditor, wei, _)], parts = group, ()
        variant = self._variant(creditor, wei, parts, nonce, fee, clock)
        return Payment(creditor, wei, nonce, clock, self.wallet, (variant,), parts=parts)

    def again(self, payment: Payment, fee: Fee, clock: int) -> Variant:
        """The same with the same nonce at another price: a chain takes one of them at most."""
        return self._variant(payment.creditor, payment.wei, payment.parts, payment.nonce, fee, clock)

    def _variant(
        self, creditor: Address, wei: int, parts: tuple[Part, ...], nonce: int, fee: Fee, clock: int
    ) -> Variant:
        if parts:
            assert self.many is not None
            signed = self.many.sign(nonce, fee, creditor, [(each.creditor, each.wei) for each in parts])
        else:
            signed = self.sign(nonce, fee, creditor, wei)
        return Variant(signed.raw, signed.hash, fee.most, fee.tip, clock)
