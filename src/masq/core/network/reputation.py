"""What Nodes, and links between two of them, were to us: our own experience alone (neighborhood.md 10.5).

Nobody is asked what he thinks of others, so nobody can praise himself or run another one down. A Node that we don't
know is below average. What it did counts less with each day. A failure that several may be guilty of is shared among
them; who stands out is avoided, for a term that grows each time and outlives a restart (`circuits/blame`).
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from masq.core.effects import SaveConfig
from masq.core.view import ReputationView
from masq.types import DEFAULT_EARNING_WALLET, PublicKey
from masq.wire.message import NodeRecord

HALF_LIFE: Final = 86_400.0
"""Seconds in which half of what was experienced is forgotten."""
MOST: Final = 20.0
"""Good and bad experiences that count at most: a long good past hides no bad day."""
UNCERTAIN: Final = 60.0
"""Seconds after a failure in which its suspects are hardly chosen, unless they have done well since."""
SUSPECTED: Final = 0.1
"""The part of its weight that a suspect has meanwhile."""
FIRST_TERM: Final = 600.0
"""Seconds that a Node which failed us is avoided."""
GROWTH: Final = 4.0
"""So many times as long is each further term."""
LONGEST_TERM: Final = 7 * 86_400.0
FORGIVEN: Final = 30 * 86_400.0
"""Seconds without a further term after which the former ones are forgotten."""
SPEED_HALF_LIFE: Final = 600.0
"""Seconds in which half of what is held against a slow Node is forgotten: networks change."""
SLOWEST: Final = 0.05
"""The part of its weight that the slowest Node keeps."""
SLOW: Final = 0.5
"""Of the typical speed: what carries less is slow."""
SLOW_WAYS: Final = 3
"""Slow ways one after the other until a Node is held to be why: any Node of a single one may be."""
TYPICAL_OF: Final = 16
"""Ways of late, the median of whose speeds is typical."""
NEWEST: Final = 0.25
"""The weight of a new round trip in the average."""
MAX_KNOWN: Final = 2_000
"""Nodes, and as many links, of which something is remembered; those of the longest ago are forgotten first."""
SAVE_EVERY: Final = 60.0
CONFIG: Final = "reputation"
REASON: Final = 200
"""Characters of a reason that are saved."""
SAME_OWNER: Final = 0.02
"""The part of its weight that a Node has which comes with the wallet of one that is avoided."""

K = TypeVar("K")


@dataclass(slots=True)
class Experience:
    """With one Node, or one link. `at`: unix time as of which the counts hold."""

    at: float
    good: float = 0.0
    bad: float = 0.0
    rtt: float | None = None
    """Seconds of a round trip over circuits that it is part of, averaged."""
    speed: float = 0.0
    """Bytes per second that came over it last, or the best of the slow ways."""
    speed_at: float = 0.0
    slow: list[tuple[PublicKey, ...]] = field(default_factory=list)
    """Slow ways over it since the last one that wasn't."""
    suspected: float = 0.0
    """When it was last a suspect without having done well since."""

    def age(self, clock: float) -> None:
        kept = 0.5 ** (max(0.0, clock - self.at) / HALF_LIFE)
        self.good, self.bad, self.at = self.good * kept, self.bad * kept, clock

    def score(self) -> float:
        """From 0 to 1. A Node that nothing is known of has one half."""
        return (self.good + 1) / (self.good + self.bad + 2)

    def pace(self, typical: float | None, clock: float) -> float:
        """From SLOWEST to 1: how fast it is, as far as that is its own doing."""
        if not self.slow or typical is None or self.speed >= SLOW * typical:
            return 1.0
        sure = len(self.slow) / SLOW_WAYS * 0.5 ** (max(0.0, clock - self.speed_at) / SPEED_HALF_LIFE)
        return float(max(SLOWEST, self.speed / typical) ** sure)


@dataclass(slots=True)
class Term:
    """How often a Node was avoided, until when, and why the last time. Unix times."""

    count: int
    since: float
    until: float
    reason: str
    wallet: bytes = b""


_Recalled = tuple[
    dict[PublicKey, Experience], dict[frozenset[PublicKey], Experience], dict[PublicKey, Term], str | None
]


@dataclass(slots=True)
class Reputation:
    """All that was experienced. Times are those of the Node; `epoch` is the unix time at its 0."""

    epoch: float = 0.0
    saved: str | None = None
    """What SaveConfig was given under CONFIG."""
    wallet_of: Callable[[PublicKey], bytes] = lambda key: b""
    """The wallet that a Node earns with, if it is known."""
    guards: Callable[[], str] = lambda: "[]"
    """What `Guards.text` is: saved together with the rest."""
    saved_guards: str | None = None
    terms: dict[PublicKey, Term] = field(default_factory=dict)
    _nodes: dict[PublicKey, Experience] = field(default_factory=dict)
    _links: dict[frozenset[PublicKey], Experience] = field(default_factory=dict)
    _clock: float = 0.0
    _speeds: dict[tuple[PublicKey, ...], float] = field(default_factory=dict)
    """Of the last ways that carried much, bytes per second."""
    _typical: float | None = None
    _changed: bool = False
    _saved_at: float = 0.0
    _wallets: dict[bytes, tuple[PublicKey, float]] = field(default_factory=dict)
    """Those of Nodes that are avoided: of whom, and until when."""

    def __post_init__(self) -> None:
        self._clock = self.epoch
        self._nodes, self._links, self.terms, self.saved_guards = _recalled(self.saved)
        self.saved = None
        self._wallets = {term.wallet: (key, term.until) for key, term in self.terms.items() if term.wallet}

    # --- what happens ---

    def worked(self, way: tuple[PublicKey, ...], now: float) -> None:
        """A circuit over these Nodes has answered. `way` begins with ourselves."""
        for each in self._all(way, now):
            each.good = min(MOST, each.good + 1)
            each.suspected = 0.0

    def failed(self, suspects: tuple[PublicKey, ...], now: float) -> None:
        """One of these Nodes, side by side on a route, or a link between two of them, is why something failed.

        It is shared by how likely each is guilty: who did well so far gets less of it.
        """
        shares = {key: 1.01 - self._of(key, now).score() for key in suspects}
        total = sum(shares.values())
        for key, share in shares.items():
            each = self._of(key, now)
            each.bad = min(MOST, each.bad + share / total)
            each.suspected = self._clock
        for one, other in itertools.pairwise(suspects):
            link = self._link(one, other, now)
            link.bad = min(MOST, link.bad + 1 / len(suspects))

    def answered_in(self, way: tuple[PublicKey, ...], rtt: float, now: float) -> None:
        """A round trip over these Nodes took so many seconds."""
        for key in way[1:]:
            each = self._of(key, now)
            each.rtt = rtt if each.rtt is None else each.rtt + (rtt - each.rtt) * NEWEST

    def carried(self, way: tuple[PublicKey, ...], speed: float, most: float, now: float) -> bool:
        """So many bytes per second came over these Nodes, which carry `most` at most, as far as that tells: whether
        they are slow.

        Any of them may be the slow one: the one that is on slow ways only, one after the other.
        """
        way, enough = way[1:], SLOW * (self._typical or 0.0)
        fast, slow = speed >= enough, most < enough
        if fast or slow:
            self._speeds.pop(way, None)
            self._speeds[way] = speed
            if len(self._speeds) > TYPICAL_OF:
                del self._speeds[next(iter(self._speeds))]
            self._typical = statistics.median(self._speeds.values()) if len(self._speeds) >= 3 else None
        for key in way:
            each = self._of(key, now)
            if fast:
                each.slow, each.speed, each.speed_at = [], speed, self._clock
            elif slow:
                each.speed, each.speed_at = max(speed, each.speed) if each.slow else speed, self._clock
                each.slow = [*[known for known in each.slow if known != way], way][-SLOW_WAYS:]
        return slow

    def sentence(self, key: PublicKey, reason: str, now: float) -> float:
        """A Node is known to have failed us: until when it is avoided, as a time of the Node."""
        clock = self._tell(now)
        term = self.terms.get(key)
        if term is None or clock - term.until > FORGIVEN:
            term = self.terms[key] = Term(0, clock, clock, reason)
        if term.count and term.until > clock:
            return term.until - self.epoch  # One thing after the other: it is in its term already.
        term.until = clock + min(LONGEST_TERM, FIRST_TERM * GROWTH**term.count)
        term.count += 1
        term.since, term.reason = clock, reason
        wallet = self.wallet_of(key)
        if wallet and wallet != DEFAULT_EARNING_WALLET:
            term.wallet = wallet
            self._wallets[wallet] = key, term.until
        experience = self._of(key, now)
        experience.bad = min(MOST, experience.bad + 1)
        return term.until - self.epoch

    def pardon(self, key: PublicKey, now: float) -> float:
        """What a Node was avoided for was ours to mend, and is mended: nothing of it is held against it, and a first
        term is the most that is left. Until when it is avoided, as a time of the Node."""
        clock = self._tell(now)
        term = self.terms[key]
        experience = self._of(key, now)
        experience.bad = max(0.0, experience.bad - term.count)
        term.count, term.until = 0, min(term.until, clock + FIRST_TERM)
        if term.wallet in self._wallets:
            self._wallets[term.wallet] = key, term.until
        return term.until - self.epoch

    # --- what follows ---

    def typical_speed(self) -> float | None:
        """Bytes per second: the median of the ways of late that carried much; None: of fewer than three."""
        return self._typical

    def weight(self, record: NodeRecord, beside: PublicKey) -> float:
        """How likely a Node is to be drawn after another one, compared with others: 1 is the best there is."""
        weight = self._trust(record.public_key)
        if self._wallets and (held := self._wallets.get(record.earning_wallet)):
            key, until = held
            if key != record.public_key and until > self._clock:
                weight *= SAME_OWNER
        link = self._links.get(frozenset((beside, record.public_key)))
        # A link is not known to be better than its ends, only to be worse.
        return weight if link is None else weight * min(1.0, 2 * link.score())

    def _trust(self, key: PublicKey) -> float:
        known = self._nodes.get(key)
        if known is None:
            return 0.5
        score = known.score()
        weight = score if score >= 0.5 else 2 * score * score
        if known.suspected and self._clock - known.suspected < UNCERTAIN:
            weight *= SUSPECTED
        return weight * known.pace(self._typical, self._clock)

    def view(self, key: PublicKey, guard: bool = False) -> ReputationView:
        """The numbers of a Node, and how they came about."""
        known = self._nodes.get(key) or Experience(self._clock)
        term = self.terms.get(key)
        left = max(0.0, term.until - self._clock) if term else 0.0
        return ReputationView(
            score=round(known.score(), 3),
            weight=0.0 if left else round(self._trust(key), 3),
            good=round(known.good, 2),
            bad=round(known.bad, 2),
            round_trip=None if known.rtt is None else round(known.rtt, 4),
            speed=int(known.speed) or None,
            avoided=left,
            terms=term.count if term else 0,
            guard=guard,
            why=self._why(known, term, left),
        )

    def _why(self, known: Experience, term: Term | None, left: float) -> str:
        if term and left:
            return f"avoided, term {term.count}: {term.reason}"
        words = [f"{known.good:.1f} circuits went well, {known.bad:.1f} failures may be its fault"]
        if not known.good and not known.bad:
            words = ["nothing is known of it yet, so it is below average"]
        if known.suspected and self._clock - known.suspected < UNCERTAIN:
            words.append("a suspect of a moment ago")
        if known.pace(self._typical, self._clock) < 1:
            words.append("slower than most")
        if term:
            words.append(f"avoided {term.count} times before")
        return "; ".join(words)

    def tick(self, now: float) -> list[SaveConfig]:
        """Save what has changed."""
        self._tell(now)
        if not self._changed or now - self._saved_at < SAVE_EVERY:
            return []
        return self.save(now)

    def save(self, now: float) -> list[SaveConfig]:
        """Save it now, as before the end, if there is anything new."""
        if not self._changed:
            return []
        self._changed, self._saved_at = False, now
        nodes = [_row(key.hex(), each) for key, each in self._nodes.items()]
        links = [_row(" ".join(sorted(key.hex() for key in pair)), each) for pair, each in self._links.items()]
        terms = [
            [key.hex(), term.count, int(term.since), int(term.until), term.reason[:REASON], term.wallet.hex()]
            for key, term in self.terms.items()
            if self._clock - term.until < FORGIVEN
        ]
        saved = {"nodes": nodes, "links": links, "terms": terms, "guards": self.guards()}
        return [SaveConfig(CONFIG, json.dumps(saved))]

    # --- inside ---

    def _tell(self, now: float) -> float:
        self._clock = max(self._clock, self.epoch + now)
        return self._clock

    def _all(self, way: tuple[PublicKey, ...], now: float) -> Iterable[Experience]:
        yield from [self._of(key, now) for key in way[1:]]
        yield from [self._link(one, other, now) for one, other in itertools.pairwise(way)]

    def _of(self, key: PublicKey, now: float) -> Experience:
        return self._aged(self._nodes, key, now)

    def _link(self, one: PublicKey, other: PublicKey, now: float) -> Experience:
        return self._aged(self._links, frozenset((one, other)), now)

    def _aged(self, known: dict[K, Experience], key: K, now: float) -> Experience:
        clock = self._tell(now)
        self._changed = True
        each = known.get(key)
        if each is None:
            if len(known) >= MAX_KNOWN:
                for old in sorted(known, key=lambda key: known[key].at)[: MAX_KNOWN // 10]:
                    del known[old]
            each = known[key] = Experience(clock)
        each.age(clock)
        return each


def _row(name: str, each: Experience) -> list[Any]:
    rtt = None if each.rtt is None else round(each.rtt, 4)
    return [name, int(each.at), round(each.good, 3), round(each.bad, 3), rtt, int(each.speed), int(each.speed_at)]


def _recalled(saved: str | None) -> _Recalled:
    """What was saved. What makes no sense is as good as nothing."""
    try:
        found: Any = json.loads(saved or "{}")
        nodes = {bytes.fromhex(row[0]): _experience(row) for row in found.get("nodes", [])}
        links = {frozenset(map(bytes.fromhex, row[0].split())): _experience(row) for row in found.get("links", [])}
        terms = {
            bytes.fromhex(key): Term(int(count), float(since), float(until), str(reason), bytes.fromhex(wallet))
            for key, count, since, until, reason, wallet in found.get("terms", [])
        }
        guards = found.get("guards")
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError):
        return {}, {}, {}, None
    return nodes, links, terms, guards if isinstance(guards, str) else None


def _experience(row: list[Any]) -> Experience:
    _, at, good, bad, rtt, speed, speed_at = row
    counts = [min(MOST, max(0.0, float(each))) for each in (good, bad)]
    seconds = None if rtt is None else float(rtt)
    return Experience(float(at), counts[0], counts[1], seconds, max(0.0, float(speed)), float(speed_at))
