"""Who serves a wallet of ours no more until it is paid, as it says itself (protocol.md 15.5).

It is shown to our user, and decides nothing: nobody is paid for what is said here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from masq.core.effects import Log, SaveConfig, Service
from masq.core.failure import name_of
from masq.core.limits import MAX_REFUSALS
from masq.core.unsaved import Unsaved
from masq.types import Address, PublicKey, amount_text, time_text
from masq.wire.circuit import Debt

CONFIG: Final = "refusals"
FORGOTTEN: Final = 7 * 86_400.0
"""Seconds after which what wasn't said again is taken to be over: a Node that we meet no more can't take it back."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What one Node has said last."""

    key: PublicKey
    wallet: Address
    """At which it is paid."""
    purse: int
    """The number of the consuming wallet that it doesn't serve."""
    debt: Debt
    when: float


class Refusals:
    """Those that are in force, as far as we know, by Node and consuming wallet."""

    def __init__(self, payers: Sequence[Address] = (b"",), epoch: float = 0.0, saved: str | None = None) -> None:
        """`payers`: the consuming wallets, by their numbers. `saved`: what was saved under CONFIG. `epoch`: unix time
        at `now` 0."""
        self._payers = payers
        self._epoch = epoch
        self._said = {(each.key, each.purse): each for each in self._recalled(saved)}
        self._unsaved = Unsaved()

    def __iter__(self) -> Iterator[Refusal]:
        """The latest last."""
        return iter(self._said.values())

    def heard(self, by: Service, purse: int, debt: Debt, now: float) -> list[Log]:
        """A Node has proven to be the hop that it is said of, and refuses a wallet. Told once until it is over."""
        for place in [place for place, each in self._said.items() if now - each.when > FORGOTTEN]:
            del self._said[place]
        place = by.key, purse
        known = self._said.pop(place, None)
        if known is None and len(self._said) >= MAX_REFUSALS:
            del self._said[next(iter(self._said))]
        self._said[place] = Refusal(by.key, by.wallet, purse, debt, now)
        self._touch(now)
        if known is not None:
            return []
        return [Log("warning", "refused_by", f"Node {name_of(by.key)} serves us no more: {words_of(debt)}")]

    def served(self, keys: Iterable[PublicKey], purse: int, now: float) -> None:
        """These Nodes serve a wallet: what they said before is over."""
        if self._said:
            for key in keys:
                if self._said.pop((key, purse), None):
                    self._touch(now)

    def by(self, wallets: Collection[Address], purse: int) -> list[PublicKey]:
        """The Nodes that refuse a wallet, of those that are paid at `wallets`."""
        return [each.key for each in self if each.purse == purse and each.wallet in wallets]

    # --- memory ---

    def _touch(self, now: float) -> None:
        self._unsaved.touch(now)

    def tick(self, now: float) -> list[SaveConfig]:
        """Save what is new."""
        return self.save() if self._unsaved.is_due(now) else []

    def save(self) -> list[SaveConfig]:
        """Save what is new, at once."""
        if not self._unsaved.take():
            return []
        rows = []
        for each in self:
            owed, since, most, release, funds = each.debt
            who = [each.key.hex(), each.wallet.hex(), self._payers[each.purse].hex()]
            amounts = [owed, most, release] if funds is None else [owed, most, release, funds]
            rows.append([*who, int(self._epoch + each.when), since, *map(str, amounts)])
        return [SaveConfig(CONFIG, json.dumps(rows))]

    def _recalled(self, saved: str | None) -> Iterator[Refusal]:
        """What makes no sense is as good as nothing; who refuses a wallet that we have no more doesn't matter."""
        try:
            rows: Any = json.loads(saved or "[]")
            for key, wallet, payer, when, since, *amounts in rows[-MAX_REFUSALS:]:
                if (paying := bytes.fromhex(payer)) in self._payers:
                    owed, most, release, *funds = map(int, amounts)
                    debt = Debt(owed, int(since), most, release, *funds[:1])
                    purse = self._payers.index(paying)
                    yield Refusal(bytes.fromhex(key), bytes.fromhex(wallet), purse, debt, int(when) - self._epoch)
        except (ValueError, TypeError, LookupError, RecursionError):
            return


def words_of(debt: Debt) -> str:
    """For people: what a creditor counts, and what would do."""
    funds = debt.funds
    seen = "" if funds is None else f", and saw {amount_text(funds)} in the wallet: fund it, so that it can pay"
    return (
        f"it counts {amount_text(debt.owed)} owed, since {time_text(debt.since)}, "
        f"of at most {amount_text(debt.most)}{seen}; "
        f"it serves again at {amount_text(debt.release)}: `masq status` says what to do"
    )
