"""What one consuming wallet has promised by vouchers, so that no debt is paid twice (accounting.md 2.13).

A voucher's total is what vouchers have paid already and the debt that is left. What is promised isn't paid by transfer
any more: the creditor redeems it, which the chain shows as a transfer of ours. A promise is saved before it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from masq.chain.voucher import MOST, Deal, Voucher
from masq.chain.wallet import Wallet
from masq.core.accountant.ledger import Ledger
from masq.core.limits import MAX_PROMISES
from masq.types import Address, Chain

CONFIG: Final = "promises"
SIGN_EVERY: Final = 30.0
"""Seconds from one look at what is to be promised to the next."""
SAVED_AFTER: Final = 90.0
"""Seconds after which a promise is on disk: who can't save for a minute serves on no more."""
TAKES_FOR: Final = 3_600.0
"""Seconds that a creditor is promised to after it has said that it takes vouchers."""


@dataclass(frozen=True, slots=True)
class Dealing:
    """By which contract debts are promised, and whether we serve those alone who promise them."""

    chain: Chain
    contract: Address
    asks: bool


@dataclass(slots=True)
class _Promise:
    """Wei in all: promised, of that on disk, and paid by vouchers so far."""

    total: int
    saved: int
    redeemed: int
    when: float = 0.0
    """When `total` was given to be saved."""
    voucher: Voucher | None = None
    """For `saved`, once it was asked for."""


class Promises:
    """Of one consuming wallet, by creditor's wallet."""

    def __init__(self, dealing: Dealing | None, wallet: Wallet | None, ledger: Ledger, saved: str | None) -> None:
        """`saved`: what was saved under CONFIG. Without `dealing` nothing is promised; what was is still owed so."""
        self._dealing = dealing
        self._wallet = wallet
        self._ledger = ledger
        self._made = dict(_recalled(saved))
        self._takers: dict[Address, float] = {}
        """Creditors that take vouchers of our contract: when they said so."""
        self._looked = float("-inf")

    def promised(self, creditor: Address) -> int:
        """Wei that it can redeem yet."""
        promise = self._made.get(creditor)
        return promise.total - promise.redeemed if promise else 0

    def takes(self, creditor: Address) -> bool:
        """Whether it has said lately that it takes vouchers."""
        return creditor in self._takers

    def taken(self, creditor: Address, contract: object, now: float) -> None:
        """A creditor says by which contract it takes vouchers."""
        dealing = self._dealing
        ours = type(contract) is bytes and (dealing is None or contract == dealing.contract)
        if ours and (creditor in self._takers or len(self._takers) < MAX_PROMISES):
            self._takers[creditor] = now

    def voucher(self, creditor: Address) -> bytes:
        """The highest that is on disk, to be sent; empty: none."""
        promise, dealing, wallet = self._made.get(creditor), self._dealing, self._wallet
        if promise is None or dealing is None or wallet is None or not promise.saved:
            return b""
        if promise.voucher is None or promise.voucher.total != promise.saved:
            deal = Deal(dealing.chain, dealing.contract, wallet.address, creditor)
            promise.voucher = Voucher.sign(wallet, deal, promise.saved)
        return promise.voucher.encode()

    def redeemed(self, creditor: Address, wei: int) -> bool:
        """The chain shows a transfer that no payment of ours has made: whether it may be a voucher that was redeemed.
        If so, it is booked as that, and to be saved."""
        promise = self._made.get(creditor)
        if promise is None or promise.total == promise.redeemed:
            return False
        promise.redeemed = min(promise.total, promise.redeemed + wei)
        return True

    def look(self, pays: Callable[[Address], bool], now: float) -> bool:
        """Promise what is owed to those who take it, and isn't being paid. Whether there is something to be saved.

        `pays`: whether a transfer to a creditor is under way.
        """
        if now - self._looked < SIGN_EVERY:
            return False
        self._looked = now
        for promise in self._made.values():
            if now - promise.when >= SAVED_AFTER:
                promise.saved = promise.total
        for creditor in [each for each, at in self._takers.items() if now - at > TAKES_FOR]:
            del self._takers[creditor]
        if self._dealing is None or self._wallet is None:
            return False
        made = [self._promise(creditor, now) for creditor in self._takers if not pays(creditor)]
        return any(made)

    def _promise(self, creditor: Address, now: float) -> bool:
        account, promise = self._ledger.payables.get(creditor), self._made.get(creditor)
        if account is None or (promise is None and len(self._made) >= MAX_PROMISES):
            return False
        if promise is None:
            promise = _Promise(0, 0, 0)
        total = promise.redeemed + account.wei
        if promise.saved != promise.total or not promise.total < total < MOST:
            return False
        promise.total, promise.when = total, now
        self._made[creditor] = promise
        return True

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """What has to be saved."""
        made = {wallet.hex(): [str(each.total), str(each.redeemed)] for wallet, each in self._made.items()}
        return ((CONFIG, json.dumps(made)),)


def _recalled(saved: str | None) -> list[tuple[Address, _Promise]]:
    """What makes no sense is as good as nothing."""
    try:
        made: Any = json.loads(saved or "{}")
        found = []
        for wallet, (total, redeemed) in made.items():
            promised, paid = int(total), int(redeemed)
            if len(creditor := bytes.fromhex(wallet)) == 20 and 0 <= paid <= promised < MOST:
                found.append((creditor, _Promise(promised, promised, paid)))
        return found[:MAX_PROMISES]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []
