"""Who serves a wallet of ours no more until it is paid, as it says itself (protocol.md 15.5).

It is shown to our user, and decides nothing: nobody is paid for what is said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from masq.core.effects import Log, Service
from masq.core.failure import name_of
from masq.core.limits import MAX_REFUSALS
from masq.types import Address, PublicKey, amount_text
from masq.wire.circuit import Debt

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

    def __init__(self) -> None:
        self._said: dict[tuple[PublicKey, int], Refusal] = {}

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
        if known is not None:
            return []
        return [Log("warning", "refused_by", f"Node {name_of(by.key)} serves us no more: {words_of(debt)}")]

    def served(self, keys: Iterable[PublicKey], purse: int) -> None:
        """These Nodes serve a wallet: what they said before is over."""
        if self._said:
            for key in keys:
                self._said.pop((key, purse), None)


def words_of(debt: Debt) -> str:
    """For people: what a creditor counts, and what would do."""
    since = datetime.fromtimestamp(debt.since, UTC).strftime("%Y-%m-%d %H:%MZ")
    return (
        f"it counts {amount_text(debt.owed)} owed, since {since}, of at most {amount_text(debt.most)}; "
        f"it serves again at {amount_text(debt.release)}: `masq status` says what to do"
    )
