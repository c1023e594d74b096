"""Wallets that have never paid: what they may owe together, as each costs its owner nothing (accounting.md 2.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from masq.core.accountant.ledger import Account
from masq.core.accountant.thresholds import PaymentThresholds
from masq.core.limits import MAX_PAYERS
from masq.types import Address

MASQ: Final = 10**18
TOGETHER: Final = 20
"""So many debts that are never demanded are lent to strangers, before they get little. At least ten MASQ."""
LITTLE: Final = 50
"""The share of such a debt that each of them gets then. At least a hundredth of a MASQ."""
STALE: Final = 30 * 86_400
"""Seconds after which a stranger's debt counts no more: it is lost, and others are to be served."""


class Strangers:
    """Who has ever paid, and what all others owe.

    A Node of 0.9.1 pays nothing before it owes `permanent_debt_allowed`, so it can't be asked to earlier: while
    strangers owe little together, each gets what everybody gets.
    """

    def __init__(self, thresholds: PaymentThresholds, payers: str | None, books: Mapping[Address, Account]) -> None:
        """`payers`: what `payers` was when it was saved; None: older books, whose wallets are taken for payers.
        `books`: the receivables."""
        self.together = max(10 * MASQ, TOGETHER * thresholds.permanent)
        self.each = max(MASQ // 100, thresholds.permanent // LITTLE)
        self._payers: dict[Address, None] = dict.fromkeys(tuple(books) if payers is None else _recalled(payers))
        self._books = books
        self.owed = 0
        """Wei that strangers owe together."""

    @property
    def payers(self) -> str:
        return ",".join(wallet.hex() for wallet in self._payers)

    def paid(self, wallet: Address, wei: int) -> bool:
        """A wallet has paid: whether that is news. Dust is none. Those who paid longest ago are forgotten first."""
        if wei < self.each:
            return False
        new = wallet not in self._payers
        self._payers.pop(wallet, None)
        self._payers[wallet] = None
        if len(self._payers) > MAX_PAYERS:
            del self._payers[next(iter(self._payers))]
        return new

    def charged(self, wallet: Address, wei: int) -> None:
        if wallet not in self._payers:
            self.owed += wei

    def count(self, clock: int) -> None:
        """Look through the books again: `owed` is off by what was forgotten, and by who has paid."""
        self.owed = sum(
            account.wei
            for wallet, account in self._books.items()
            if account.wei > 0 and clock - account.since < STALE and wallet not in self._payers
        )

    @property
    def allowed(self) -> int:
        """Wei that each may owe once they owe too much together."""
        return 0 if self.owed > 2 * self.together else self.each

    def refused(self, wallet: Address) -> bool:
        """Whether a wallet gets no more, as it is a stranger's."""
        if self.owed <= self.together or wallet in self._payers:
            return False
        account = self._books.get(wallet)
        return self.owed > 2 * self.together or (account is not None and account.wei > self.each)


def _recalled(payers: str) -> list[Address]:
    """What makes no sense is as good as nothing."""
    try:
        return [bytes.fromhex(each) for each in payers.split(",") if len(each) == 40]
    except ValueError:
        return []
