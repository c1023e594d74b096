"""Who may open how many circuits here, how fast, and which OPENs were here before (protocol.md 15.3).

An OPEN costs its sender nothing that he has not made beforehand, and us half a dozen public-key operations. So it is
counted for who sent it before it is looked at: a neighbor, or all that comes from one address of anybody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from masq.core.circuits.ways import Peer
from masq.core.limits import (
    CIRCUITS_OF_STRANGERS,
    CIRCUITS_PER_LINK,
    CIRCUITS_PER_STRANGER,
    MAX_CIRCUITS,
    MAX_REFUSED_OPENS,
    MAX_SEEN,
    ONWARD_OPENS,
    ONWARD_SHARE,
    OPENS_OF_NEIGHBOR,
    OPENS_OF_STRANGER,
    REFUSED_OPENS_FORGIVEN,
    SEEN_OF_STRANGERS,
    SEEN_PER_NEIGHBOR,
    SEEN_PER_STRANGER,
    Bucket,
    Pace,
    prefix,
)
from masq.core.offence import Offence, Rule
from masq.types import PublicKey


@dataclass(frozen=True, slots=True)
class Source:
    """Who is held to account for OPENs."""

    name: bytes | str
    """A neighbor's key; an address, or what owners of IPv6 addresses have as a whole."""
    neighbor: bool

    @classmethod
    def of(cls, peer: Peer) -> Source:
        if peer.neighbor:
            return cls(peer.key, True)
        return cls(prefix(peer.ip) if ":" in peer.ip else peer.ip, False)

    @property
    def pace(self) -> Pace:
        return OPENS_OF_NEIGHBOR if self.neighbor else OPENS_OF_STRANGER

    @property
    def most(self) -> int:
        """How many circuits it may have."""
        return CIRCUITS_PER_LINK if self.neighbor else CIRCUITS_PER_STRANGER


_REFUSED: Final = Pace(REFUSED_OPENS_FORGIVEN, MAX_REFUSED_OPENS)

Named = tuple[str, object, object]


class Opens:
    """What is known of the OPENs of late, and of who has how many circuits."""

    def __init__(self) -> None:
        self._buckets: dict[Named, Bucket] = {}
        self._seen: dict[bytes, tuple[int, Source]] = {}
        self._seen_of: dict[Source, int] = {}
        self._seen_of_strangers = 0
        self.circuits_of: dict[Source, int] = {}

    # --- how fast ---

    def may_come(self, source: Source, now: float) -> bool:
        """Whether one more OPEN of a source is looked at."""
        return self._bucket(("from", source, None), source.pace, now).take(now)

    def may_go(self, source: Source, onward: PublicKey, now: float) -> bool:
        """Whether one more OPEN of a source is passed on to a Node: fewer than that takes of us, and a share each."""
        share = self._bucket(("share", source, onward), ONWARD_SHARE, now)
        return share.take(now) and self._bucket(("to", onward, None), ONWARD_OPENS, now).take(now)

    def refused(self, source: Source, peer: Peer, now: float) -> list[Offence]:
        """An OPEN was refused. A neighbor passes on what others made; of anybody else, so many are a flood."""
        if source.neighbor or self._bucket(("refused", source, None), _REFUSED, now).take(now):
            return []
        del self._buckets["refused", source, None]
        detail = f"{MAX_REFUSED_OPENS} circuits that had to be refused"
        return [Offence(Rule.FLOOD, ip=peer.ip, key=peer.key, detail=detail)]

    def _bucket(self, name: Named, pace: Pace, now: float) -> Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(pace, now)
        return bucket

    # --- how many ---

    def is_crowd(self, source: Source) -> bool:
        """Whether a source has all circuits that it may have."""
        return self.circuits_of.get(source, 0) >= source.most

    def is_full(self, source: Source) -> bool:
        """Whether there are as many circuits as there may be: in all, or of all who are no neighbors."""
        counts = self.circuits_of.items()
        if not source.neighbor and sum(count for each, count in counts if not each.neighbor) >= CIRCUITS_OF_STRANGERS:
            return True
        return sum(count for _, count in counts) >= MAX_CIRCUITS

    def heaviest(self, source: Source) -> tuple[Source, int]:
        """Who has most circuits of those among whom there has to be room for one of `source`, and how many."""
        total = sum(self.circuits_of.values()) >= MAX_CIRCUITS
        among = self.circuits_of if total else {each: n for each, n in self.circuits_of.items() if not each.neighbor}
        return max(among.items(), key=lambda each: each[1])

    def added(self, source: Source) -> None:
        self.circuits_of[source] = self.circuits_of.get(source, 0) + 1

    def removed(self, source: Source) -> None:
        count_down(self.circuits_of, source)

    # --- which ---

    def __len__(self) -> int:
        return len(self._seen)

    def has_seen(self, name: bytes) -> bool:
        return name in self._seen

    def remember(self, name: bytes, expires: int, source: Source) -> bool:
        """Remember an OPEN until it expires. False: no more of them can be, so it must not be accepted."""
        share = SEEN_PER_NEIGHBOR if source.neighbor else SEEN_PER_STRANGER
        if self._seen_of.get(source, 0) >= share or len(self._seen) >= MAX_SEEN:
            return False
        if not source.neighbor:
            if self._seen_of_strangers >= SEEN_OF_STRANGERS:
                return False
            self._seen_of_strangers += 1
        self._seen[name] = expires, source
        self._seen_of[source] = self._seen_of.get(source, 0) + 1
        return True

    def tick(self, clock: int, now: float) -> None:
        """Forget what has expired, and who has been quiet for long. `clock`: unix seconds."""
        for name in [name for name, (expires, _) in self._seen.items() if expires < clock]:
            _, source = self._seen.pop(name)
            count_down(self._seen_of, source)
            self._seen_of_strangers -= not source.neighbor
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if not bucket.is_full(now)}


_K = TypeVar("_K")


def count_down(counts: dict[_K, int], key: _K) -> None:
    """One less; what there is none of is not kept."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
