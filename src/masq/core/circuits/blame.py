"""Who failed us, and is avoided for a while: those that were named, and those that stand out (protocol.md 15.5)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from masq.core.failure import SOME_HOP, Cause, Failure, name_of
from masq.core.network.reputation import FIRST_TERM, Reputation
from masq.core.view import AvoidedView
from masq.types import PublicKey

BLAME_LIFE: Final = FIRST_TERM
"""Seconds that a Node which failed us is avoided the first time, and that a failure is remembered."""
CERTAIN: Final = 3
"""Failures after which one Node that stands out alone is avoided for a term, whatever goes well over it later."""
OFTEN: Final = 2
"""Failures in which a Node has to be a suspect to stand out: one proves nothing, and newcomers have none."""
STANDS_OUT: Final = 0.2
"""The part of the circuits over a Node that has to have failed."""
MAX_FAILURES: Final = 128
"""Failures that are remembered, of late."""
MAX_PRAISED: Final = 1_024
"""Nodes whose good circuits are remembered; those with the fewest are forgotten first."""


@dataclass(frozen=True, slots=True)
class _Event:
    """A circuit that failed, and who may be why."""

    when: float
    suspects: tuple[PublicKey, ...]
    failure: Failure


class Blame:
    """A Node that is known to have failed us is avoided.

    Of a circuit that just died all hops are suspects, and of a link that is said to be broken both its ends: nobody can
    tell which of them lies. Repetition does. Who was there in most of what failed, measured by what went well over it,
    is avoided, and explains all that it was part of; then the next one is looked for in what is left.
    """

    def __init__(self, reputation: Reputation | None = None) -> None:
        """`reputation` remembers who was avoided how often."""
        self._reputation = reputation or Reputation()
        self.nodes: dict[PublicKey, tuple[float, Failure]] = {}
        """Those that were named, or found out."""
        self._until: dict[PublicKey, float] = {}
        for key, term in self._reputation.terms.items():
            self.nodes[key] = term.since - self._reputation.epoch, Failure(Cause.UNKNOWN, SOME_HOP, term.reason)
            self._until[key] = term.until - self._reputation.epoch
        self._events: deque[_Event] = deque(maxlen=MAX_FAILURES)
        self._good: dict[PublicKey, tuple[float, float]] = {}
        """How many circuits went well over a Node, half of it forgotten in BLAME_LIFE, and as of when."""

    def put(self, key: PublicKey, failure: Failure, now: float) -> None:
        """A Node is why something failed."""
        self.nodes[key] = now, failure
        self._until[key] = self._reputation.sentence(key, str(failure), now)

    def pardon(self, key: PublicKey, now: float) -> None:
        """A Node refused us for a debt, and that is paid: it is avoided only until it has had time to notice."""
        known = self.nodes.get(key)
        # Of a term of before a restart the cause isn't known.
        if known is not None and known[1].cause in (Cause.DELINQUENT, Cause.UNKNOWN):
            self._until[key] = self._reputation.pardon(key, now)

    def suspect(self, keys: tuple[PublicKey, ...], failure: Failure, now: float) -> None:
        """One of these Nodes is why something failed."""
        if len(keys) == 1:
            self.put(keys[0], failure, now)
        else:
            self._events.append(_Event(now, keys, failure))
            self._reputation.failed(keys, now)
            self._convict(failure, now)

    def _convict(self, failure: Failure, now: float) -> None:
        """Who stands out alone and often enough has a term."""
        self._avoided(now)
        left = [event for event in self._events if not any(key in self.nodes for key in event.suspects)]
        worst = self._worst(left, now)
        if len(worst) == 1:
            (key,) = worst
            if sum(key in event.suspects for event in left) >= CERTAIN:
                self.put(key, failure, now)

    def praise(self, keys: tuple[PublicKey, ...], now: float) -> None:
        """A circuit over these Nodes has answered."""
        for key in keys:
            self._good[key] = self._praised(key, now) + 1.0, now
        if len(self._good) > MAX_PRAISED:
            best = sorted(self._good, key=lambda key: self._praised(key, now), reverse=True)
            self._good = {key: self._good[key] for key in best[: MAX_PRAISED // 2]}

    def keys(self, now: float) -> tuple[PublicKey, ...]:
        """Who is avoided: those whose fault is surest come first."""
        return tuple(self._avoided(now))

    def view(self, now: float) -> tuple[AvoidedView, ...]:
        return tuple(
            AvoidedView(name_of(key), str(failure), now - since) for key, (since, failure) in self._avoided(now).items()
        )

    def _avoided(self, now: float) -> dict[PublicKey, tuple[float, Failure]]:
        if self.nodes:
            self.nodes = {key: why for key, why in self.nodes.items() if now < self._until[key]}
            self._until = {key: self._until[key] for key in self.nodes}
        while self._events and now - self._events[0].when >= BLAME_LIFE:
            self._events.popleft()
        found = dict(self.nodes)
        left = [event for event in self._events if not any(key in found for key in event.suspects)]
        while worst := self._worst(left, now):
            for event in left:
                found |= {key: (event.when, event.failure) for key in event.suspects if key in worst}
            left = [event for event in left if not any(key in worst for key in event.suspects)]
        return found

    def _worst(self, left: list[_Event], now: float) -> dict[PublicKey, None]:
        """Who stands out in what isn't explained yet: one Node, or all that can't be told from each other."""
        counts: dict[PublicKey, int] = {}
        for event in left:
            for key in event.suspects:
                counts[key] = counts.get(key, 0) + 1
        parts = {key: count / (self._praised(key, now) + count + 1) for key, count in counts.items() if count >= OFTEN}
        most = max(parts.values(), default=0.0)
        return {key: None for key, part in parts.items() if part == most} if most >= STANDS_OUT else {}

    def _praised(self, key: PublicKey, now: float) -> float:
        count, at = self._good.get(key, (0.0, now))
        return count * float(0.5 ** ((now - at) / BLAME_LIFE))
