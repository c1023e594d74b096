"""Wallets that have never paid: what they may owe together, as each costs its owner nothing (accounting.md 2.9)."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nsmallest
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

LOOKED_AT: Final = 100
"""Wallets whose balances are asked for after one search for income: so few that nobody makes us ask more."""
LOOK_EVERY: Final = 60
"""Seconds from one such question to the next, at least."""


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
        self._asked: dict[Address, int] = {}
        """When the balance of each was asked for last, of those that owe more than `each`."""
        self._looked = 0
        self._short: dict[Address, int] = {}
        """Of these, whose balance was less than what they owed, and what it was, in wei."""
        self._poor: dict[Address, int] = {}
        """Those of them for whom no income was found since then: they get no more."""

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

    def look(self, clock: int, coming: Mapping[Address, int], fresh: bool) -> tuple[Address, ...]:
        """Income was searched for; `coming`: what it will be. `fresh`: whether that was up to now.

        From now on who had less than it owes, and has paid nothing, gets no more. The wallets whose balances are to be
        asked for next: those that owe more than `each`, whom nobody has asked about for longest.
        """
        owing = {
            wallet: account.wei - coming.get(wallet, 0)
            for wallet, account in self._books.items()
            if account.wei > self.each and wallet not in self._payers
        }
        self._short = {wallet: wei for wallet, wei in self._short.items() if owing.get(wallet, 0) > wei}
        self._poor = {wallet: wei for wallet, wei in self._short.items() if fresh or wallet in self._poor}
        self._asked = {wallet: when for wallet, when in self._asked.items() if wallet in owing}
        if not owing or 0 <= clock - self._looked < LOOK_EVERY:
            return ()
        self._looked = clock
        found = tuple(nsmallest(LOOKED_AT, owing, key=lambda wallet: self._asked.get(wallet, 0)))
        self._asked |= dict.fromkeys(found, clock)
        return found

    def learned(self, balances: Mapping[Address, int]) -> None:
        """What wallets have on the chain, in wei. Who was asked about and isn't here is judged by what was known."""
        for wallet, wei in balances.items():
            if wallet not in self._asked:
                continue
            account = self._books.get(wallet)
            if account is not None and account.wei > max(wei, self.each):
                self._short[wallet] = wei
            else:
                self._short.pop(wallet, None)
                self._poor.pop(wallet, None)

    def funds(self, wallet: Address) -> int | None:
        """What a wallet has on the chain, in wei, if it gets no more as that is less than it owes."""
        account, wei = self._books.get(wallet), self._poor.get(wallet)
        if wei is None or account is None or wallet in self._payers:
            return None
        return wei if account.wei > max(wei, self.each) else None

    def allowed(self, wallet: Address) -> int:
        """Wei that a wallet which is refused may owe."""
        if self.owed <= self.together:
            return max(self.each, self._poor.get(wallet, 0))
        return 0 if self.owed > 2 * self.together else self.each

    def refused(self, wallet: Address) -> bool:
        """Whether a wallet gets no more, as it is a stranger's."""
        if self.funds(wallet) is not None:
            return True
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
