"""The two books: payables by earning wallet, receivables by consuming wallet. Amounts in wei; below zero is credit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from masq.types import Address

LIMIT: Final = 2**126
"""No balance reaches this, whatever rates somebody advertises."""


@dataclass(slots=True)
class Account:
    """`since`: unix seconds from which the age of what is owed counts (accounting.md 1.6)."""

    wei: int
    since: int


@dataclass(frozen=True, slots=True)
class BookEntry:
    """The state of one account, to be stored."""

    payable: bool
    wallet: Address
    wei: int
    since: int


class Ledger:
    """Both books, and which of their accounts have changed since they were last saved."""

    def __init__(self, entries: Iterable[BookEntry] = ()) -> None:
        self.payables: dict[Address, Account] = {}
        self.receivables: dict[Address, Account] = {}
        self._changed: dict[tuple[bool, Address], None] = {}
        self.settled: dict[tuple[bool, Address], int] = {}
        """Wei settled, by book and wallet, since it was last taken and cleared."""
        for entry in entries:
            book = self.payables if entry.payable else self.receivables
            book[entry.wallet] = Account(entry.wei, entry.since)

    @property
    def changed(self) -> bool:
        return bool(self._changed)

    def book(self, payable: bool, wallet: Address, wei: int, now: int) -> bool:
        """Add a charge. False, and nothing booked, if the balance would leave its bounds."""
        book = self.payables if payable else self.receivables
        account = book.get(wallet)
        if account is None:
            if wei >= LIMIT:
                return False
            book[wallet] = Account(wei, now)
        elif account.wei + wei >= LIMIT:
            return False
        else:
            account.wei += wei
        self._changed[payable, wallet] = None
        return True

    def settle(self, payable: bool, wallet: Address, wei: int, when: int) -> None:
        """Subtract what was paid at `when`; what exceeds the debt stays as credit.

        The debt gets younger by the share of it that was paid: dust can't keep it young.
        """
        book = self.payables if payable else self.receivables
        account = book.setdefault(wallet, Account(0, when))
        age = max(0, when - account.since)
        account.since = when if wei >= account.wei else account.since + age * wei // account.wei
        account.wei = max(account.wei - wei, -LIMIT)
        self.settled[payable, wallet] = self.settled.get((payable, wallet), 0) + wei
        self._changed[payable, wallet] = None

    def unsettle(self, payable: bool, wallet: Address, wei: int, when: int) -> None:
        """What was settled at `when` wasn't paid after all: it is owed again, since then at least."""
        book = self.payables if payable else self.receivables
        account = book.setdefault(wallet, Account(0, when))
        account.wei = min(account.wei + wei, LIMIT)
        self.settled[payable, wallet] = self.settled.get((payable, wallet), 0) - wei
        account.since = min(account.since, when)
        self._changed[payable, wallet] = None

    def not_after(self, clock: int) -> None:
        """No debt is from the future: the clock was wrong when it was booked."""
        for payable, book in ((True, self.payables), (False, self.receivables)):
            for wallet, account in book.items():
                if account.since > clock:
                    account.since = clock
                    self._changed[payable, wallet] = None

    def forgive(self, clock: int, below: int, after: int, most: int) -> tuple[Address, ...]:
        """Forget receivables, and credit, below so many wei and older than `after` seconds; and, if there are more than
        `most`, the smallest of all, a tenth at once. Returns whose they were."""
        book = self.receivables
        gone = [wallet for wallet, each in book.items() if abs(each.wei) < below and clock - each.since > after]
        surplus = len(book) - len(gone) - most
        if surplus > 0:
            dust = set(gone)
            rest = sorted((abs(each.wei), wallet) for wallet, each in book.items() if wallet not in dust)
            gone += [wallet for _, wallet in rest[: surplus + most // 10]]
        for wallet in gone:
            del book[wallet]
            self._changed.pop((False, wallet), None)
        return tuple(gone)

    def take_changes(self) -> tuple[BookEntry, ...]:
        """The accounts to be saved; they count as saved from here on."""
        changes = []
        for payable, wallet in self._changed:
            account = (self.payables if payable else self.receivables)[wallet]
            changes.append(BookEntry(payable, wallet, account.wei, account.since))
        self._changed.clear()
        return tuple(changes)
