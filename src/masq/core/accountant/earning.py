"""Credits what comes in, and bans who owes too much for too long (accounting.md 2.7, 4.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from masq.chain.erc20 import Transfer
from masq.core.accountant.effects import AccountantEffect, AskBalances, AskGone, Earned, Notice, Save
from masq.core.accountant.heads import Heads
from masq.core.accountant.ledger import Ledger
from masq.core.accountant.search import Counted, Search
from masq.core.accountant.strangers import STALE, Strangers
from masq.core.accountant.thresholds import PaymentThresholds
from masq.core.accountant.told import Told
from masq.core.limits import MAX_ACCOUNTS
from masq.types import Address, address_text

DUST: Final = 10_000
"""The share of the debt that is never demanded below which an account is dust: a GB or so at the usual price."""


class Earning:
    """All that is owed to the earning wallet, and who has paid."""

    def __init__(
        self,
        ledger: Ledger,
        income: Search,
        strangers: Strangers,
        banned: Iterable[Address],
        thresholds: PaymentThresholds,
        confirmations: int,
        told: Told,
        *,
        payers_saved: bool,
        covers: Callable[[Address], int] = lambda _: 0,
    ) -> None:
        """`covers`: wei that a wallet's voucher would pay."""
        self._ledger = ledger
        self.income = income
        self.strangers = strangers
        self.banned: dict[Address, None] = dict.fromkeys(banned)
        self._thresholds = thresholds
        self._confirmations = confirmations
        self._told = told
        self._payers_unsaved = not payers_saved
        self._covers = covers
        self._spared: dict[Address, int] = {}
        """When each debtor was last seen to owe nothing that it had to pay: its grace begins then, not with its debt's
        age, as a small one may be old before it grows."""
        self.earned = 0
        """Wei credited since the start."""

    @property
    def searched(self) -> tuple[tuple[str, str], ...]:
        """What has to be saved of the search."""
        return ("start_block", str(self.income.next)), ("known_income", self.income.known)

    def take(
        self, found: Iterable[Transfer], last: int, cut_short: bool, head: int, clock: int, heads: Heads
    ) -> list[AccountantEffect]:
        """Credit what a search has found."""
        before = self.income.next
        new = self.income.take(found, last, cut_short, self._confirmations, head)
        effects: list[AccountantEffect] = []
        earned = []
        payers = self._payers_unsaved
        for each in new:
            self._ledger.settle(False, each.wallet, each.wei, clock)
            self.earned += each.wei
            payers = self.strangers.paid(each.wallet, each.wei) or payers
            earned.append(Earned(each.hash, each.wallet, each.wei, each.block, clock))
            effects.append(Notice("info", f"{each.wei} wei came in from {address_text(each.wallet)}"))
        if new or self.income.next != before or payers:
            config = [*self.searched, ("head", heads.saved)]
            config += [("payers", self.strangers.payers)] if payers else []
            self._payers_unsaved = False
            effects.insert(0, Save(entries=self._ledger.take_changes(), earned=tuple(earned), config=tuple(config)))
        return effects

    def doubts(self) -> list[AccountantEffect]:
        """Ask for what counts and isn't shown any more: a block may have been replaced."""
        return [AskGone(self.income.doubted)] if self.income.doubted else []

    def gone(self, hashes: Iterable[bytes], clock: int) -> list[AccountantEffect]:
        """Transactions that are in no block any more, as theirs was replaced: they have paid nothing."""
        taken: list[Counted] = []
        for hash in hashes:
            taken += self.income.undo(hash)
        if not taken:
            return []
        for each in taken:
            self._ledger.unsettle(False, each.wallet, each.wei, clock)
            self.earned -= each.wei
        earned = tuple(Earned(each.hash, each.wallet, -each.wei, each.block, clock) for each in taken)
        save = Save(entries=self._ledger.take_changes(), earned=earned, config=self.searched)
        notices = [
            Notice("warning", f"{each.wei} wei from {address_text(each.wallet)} are undone: their block was replaced")
            for each in taken
        ]
        return [save, *notices]

    def judge(self, heads: Heads, clock: int, now: float) -> list[AccountantEffect]:
        """Release who has paid, and ban who owes too much for too long.

        Nobody is banned on the word of a provider that has fallen behind, or while a block holds what would do, though
        it doesn't count yet; nor before the grace period is over, since the debt had to be paid.
        """
        effects = self.forgive(clock)
        self.strangers.count(clock)
        thresholds, visible = self._thresholds, self.income.coming()
        asked = self.strangers.look(clock, visible, heads.fresh(clock))
        effects += [AskBalances(asked)] if asked else []
        banned, released, spared = [], [], {}
        for wallet, account in self._ledger.receivables.items():
            age = clock - account.since
            owed = account.wei - self._covers(wallet)
            if wallet in self.banned:
                if thresholds.to_be_released(owed):
                    released.append(wallet)
                    spared[wallet] = clock
                continue
            if not thresholds.to_be_paid(owed, age):
                spared[wallet] = clock
                continue
            since = min(clock, self._spared.get(wallet, account.since))
            spared[wallet] = since
            coming = visible.get(wallet, 0)
            in_grace = clock - since <= thresholds.payment_grace_period_sec
            if not in_grace and thresholds.to_be_banned(owed - coming, age):
                banned.append(wallet)
        self._spared = spared
        if banned and not heads.fresh(clock):
            text = f"the provider's newest block is {heads.lag(clock)} s old: nobody is banned until it shows another"
            effects += self._told.say("stale", "warning", text, now)
            banned = []
        elif banned:
            self._told.over("stale")
        if not banned and not released:
            return effects
        for wallet in banned:
            self.banned[wallet] = None
        for wallet in released:
            del self.banned[wallet]
        notices = [Notice("warning", f"{address_text(wallet)} is banned until it pays") for wallet in banned]
        notices += [Notice("info", f"{address_text(wallet)} has paid and is served again") for wallet in released]
        save = Save(entries=self._ledger.take_changes(), banned=tuple(banned), released=tuple(released))
        return [*effects, save, *notices]

    def forgive(self, clock: int) -> list[AccountantEffect]:
        """Forget old dust, and, of too many debts, the smallest."""
        dust = self._thresholds.permanent // DUST
        forgotten = self._ledger.forgive(clock, dust, STALE, MAX_ACCOUNTS)
        released = tuple(wallet for wallet in forgotten if self.banned.pop(wallet, wallet) is None)
        return [Save(released=released, forgotten=forgotten)] if forgotten else []
