"""Who is let in, and how much work each address may make us do (docs/security.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from masq.core.limits import (
    CONNECTS_AT_ONCE,
    CONNECTS_PER_SECOND,
    LINKS_PER_ADDRESS,
    LINKS_PER_PREFIX,
    STRANGER_WORK,
    STRANGERS_WORK,
    UNKNOWN_SHARE,
    WORK_SAVED,
    Limits,
    prefix,
)
from masq.types import Endpoint, PublicKey

MAX_METERED: Final = 4_096
"""Addresses whose allowance is remembered; who is forgotten has a full one."""

IsClose = Callable[[str, PublicKey], bool]
"""Whether an address, or the key that its link has proved, is a neighbor's or a contact's of ours."""


class Guest(Protocol):
    """What the door sees of a link."""

    id: int
    peer: Endpoint
    since: float
    outbound: bool

    @property
    def introduced(self) -> bool:
        """Whether it has said who it is."""


@dataclass(slots=True)
class Allowance:
    """What may be taken now, and when that was so: it grows at a rate, up to a bound."""

    left: float
    at: float

    def take(self, amount: float, rate: float, most: float, now: float) -> float:
        """Take something, whether there is enough or not: what is left then, below zero as a debt."""
        self.left = min(most, self.left + (now - self.at) * rate) - amount
        self.at = now
        return self.left


class Door:
    """Neighbors and contacts always find room; strangers share the rest."""

    def __init__(self, limits: Limits, is_close: IsClose, diverse: bool) -> None:
        """`diverse`: whether bounds per prefix hold. In a network on one machine all are of one prefix."""
        self._most = limits.links
        self._is_close = is_close
        self._diverse = diverse
        self._work: dict[str, Allowance] = {}
        self._connects: dict[str, Allowance] = {}
        self._all_work = Allowance(WORK_SAVED, 0.0)

    def is_close(self, ip: str, key: PublicKey = b"") -> bool:
        return self._is_close(ip, key)

    # --- connections ---

    def refusal(self, ip: str, links: Iterable[Guest], now: float) -> str:
        """Why a visitor is not let in; an empty text if it is."""
        there = list(links)
        if len(there) >= self._most:
            return "there are too many links"
        if self._is_close(ip, b""):
            return ""
        if sum(each.peer.ip == ip for each in there) >= LINKS_PER_ADDRESS:
            return f"{LINKS_PER_ADDRESS} links to this address stand"
        if _metered(self._connects, ip, CONNECTS_AT_ONCE, now).take(1, CONNECTS_PER_SECOND, CONNECTS_AT_ONCE, now) < 0:
            return "it connects too often"
        strangers = [each for each in there if not each.outbound and not self._is_close(each.peer.ip, b"")]
        if self._diverse:
            net = prefix(ip)
            if sum(prefix(each.peer.ip) == net for each in strangers) >= LINKS_PER_PREFIX:
                return f"{LINKS_PER_PREFIX} links to its network stand"
        if len(strangers) >= self._most - self._most // 4:
            return "the rest of the links is kept for neighbors"
        return ""

    def surplus(self, links: Iterable[Guest]) -> int | None:
        """A link that has to go, as too many haven't said who they are: the oldest of those who have most of them."""
        unknown = [each for each in links if not each.introduced and not each.outbound]
        if len(unknown) <= self._most // UNKNOWN_SHARE:
            return None
        crowds = Counter(each.peer.ip for each in unknown)
        return min(unknown, key=lambda each: (-crowds[each.peer.ip], each.since)).id

    # --- work ---

    def worked(self, ip: str, seconds: float, now: float) -> bool:
        """Something was done for a stranger, at a nominal cost in seconds of a core: whether that was all for now."""
        own = _metered(self._work, ip, WORK_SAVED, now).take(seconds, STRANGER_WORK, WORK_SAVED, now)
        return self._all_work.take(seconds, STRANGERS_WORK, WORK_SAVED, now) < 0 or own < 0

    def rested(self, ip: str, now: float) -> bool:
        """Whether an address may make us work again."""
        return not self.worked(ip, 0.0, now)


def _metered(meters: dict[str, Allowance], ip: str, most: float, now: float) -> Allowance:
    meter = meters.get(ip)
    if meter is None:
        if len(meters) >= MAX_METERED:
            del meters[next(iter(meters))]
        meter = meters[ip] = Allowance(most, now)
    return meter
