"""Circuits of our own: over which Nodes, what each of them may bill, and who failed us (protocol.md 15.3-15.6)."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from masq.core.circuits.blame import Blame
from masq.core.circuits.pace import Budget, Pace
from masq.core.circuits.refusals import Refusals, words_of
from masq.core.circuits.terminal import Terminal
from masq.core.circuits.vigil import Pulse
from masq.core.circuits.ways import Ways
from masq.core.effects import Log, SendFrame, Service, Stated
from masq.core.failure import CLOSE_CAUSES, SOME_HOP, Cause, Failure, Place, printable
from masq.core.failure import hop as hop_at
from masq.core.limits import (
    MAX_WINDOW,
    NOTHING_AT_ALL,
    NOTHING_OF_SENT,
    NOTHING_PER_QUESTION,
    NOTHING_PER_STREAM,
    WINDOWS,
)
from masq.core.network.reputation import Reputation
from masq.core.network.routing import Route, Routes
from masq.core.purses import Purses
from masq.core.tab import Tab
from masq.core.view import ExitView, OverbilledView
from masq.crypto import Keys, Random
from masq.errors import MalformedError, UnavailableError
from masq.types import Address, PublicKey, Wei
from masq.wire import cbor
from masq.wire.circuit import (
    AMOUNT,
    CIRCUIT_CREDIT,
    EXTENSION,
    OPEN_LIFE,
    CellMessage,
    Close,
    Command,
    Control,
    Layer,
    Seal,
    circuit_frame,
    debt_of,
    decode_resolved,
    ending_of,
    paid_bytes,
)
from masq.wire.message import NodeRecord
from masq.wire.package import OPEN_ELEMENTS, Component, Hop
from masq.wire.secure_link import FrameType

LIFE: Final = 600.0
"""Seconds in which a circuit takes new streams, at most: each has a life of its own, drawn when it is opened."""
SHORTEST_LIFE: Final = 300.0
"""At least. Who watches can't tell from the time when an old one ends which new one goes on for it."""
IDLE: Final = 60.0
"""Seconds after its last stream and its life that a circuit is kept."""
CLOSING: Final = 10.0
"""Seconds that the hops have to send their last bills after we closed a circuit."""
BUSY: Final = 512 * 1024
"""Bytes that have come over a circuit of late beyond which a new stream gets a circuit of its own."""
BUSY_FOR: Final = 0.1
"""The same in seconds, at the rate that the way is known to carry."""
MAX_SPREAD: Final = 16
"""Circuits of one group among which streams are spread."""
BULK: Final = 1024 * 1024
"""Bytes that came without a pause, by which the speed of a circuit is judged."""
PAUSED: Final = 0.5
"""Seconds without a cell after which it is taken to have had nothing to carry."""
MAX_STREAMS: Final = 2_048
MOST_LEFT: Final = 16
"""Exits that are avoided as our user has left them."""
OVERBILLED: Final = 0.01
OVERBILLED_CELLS: Final = 4
MAX_AUDIT: Final = 64
"""Nodes whose over-billing is remembered."""


@dataclass(slots=True)
class HopBook:
    """One hop of our circuit: its keys, and what we owe it for this circuit."""

    service: Service
    backward: Layer
    control: Control
    cells: int = 0
    wei: int = 0
    most_cell: int = 0
    """The dearest cell: what one that we have not counted yet may cost."""


@dataclass(slots=True)
class OwnCircuit:
    """A circuit that we opened."""

    terminal: Terminal
    route: Route
    hops: list[HopBook]
    group: str
    opened: float
    active: float
    pulse: Pulse
    next_stream: int = 1
    recent: float = 0.0
    """Bytes received of late, decaying: how busy the circuit is."""
    recent_at: float = 0.0
    overbilled: bool = False
    failure: Failure | None = None
    """Why it ends, as far as we know."""
    suspects: tuple[PublicKey, ...] = ()
    """Who may be to blame for that; empty: nobody knows, so it may be the exit."""
    late: int = 0
    """Bytes that may still come for streams that we have ended: the credit that they had left."""
    asked: dict[int, int] = field(default_factory=dict)
    """Look-ups that will be paid for once they are answered: bytes of the RESOLVE, by stream."""
    nothing: int = 0
    """Bytes of cells that came with nothing in them for our user."""
    bulk: int = 0
    """Bytes that came without a pause since `bulk_since`, to see how fast it is."""
    bulk_since: float = 0.0
    bulk_from: int = 0
    """Bytes that had come over all our circuits by then."""
    slow: bool = False
    """Whether it carries much less than our other ways do."""
    life: float = LIFE
    """Seconds in which it takes new streams."""
    beside: list[OwnCircuit] = field(default_factory=list)
    """Silent circuits whose streams it takes over if it answers before they do."""
    closing: float | None = None
    """Since when we are through with it: what still comes is paid for, and the last bills are waited for."""
    purse: int = 0
    """The number of the consuming wallet that pays for it."""

    def busy(self, now: float) -> float:
        age = now - self.recent_at
        return 0.0 if age > 0.5 else self.recent * (1.0 - 2 * age)

    @property
    def much(self) -> float:
        """Bytes of late beyond which it is busy: on a slow way fewer, as there a stream would wait behind them."""
        pace = self.terminal.pace
        return min(float(BUSY), BUSY_FOR * pace.rate) if pace.far and pace.rate else BUSY

    def place(self, position: int) -> Place:
        """One of the hops, as failures name it."""
        return hop_at(position, len(self.hops), self.hops[position].service.key)

    def wasted(self, size: int) -> None:
        """So many bytes came that are nothing for our user. MalformedError: that is more than an honest exit sends."""
        self.nothing += size
        asked = self.terminal.pace.questions
        most = NOTHING_AT_ALL + self.next_stream * NOTHING_PER_STREAM + asked * NOTHING_PER_QUESTION
        most += self.pulse.sent // NOTHING_OF_SENT
        if self.nothing > most:
            raise MalformedError(f"{self.nothing} bytes of cells with nothing in them")

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """Its hops."""
        return tuple(hop.service.key for hop in self.hops)

    @property
    def exit(self) -> Place:
        return self.place(len(self.hops) - 1)


@dataclass(frozen=True, slots=True)
class OverBilling:
    """A Node that asked for more than we counted, both figures in wei."""

    key: PublicKey
    billed: int
    counted: int
    when: float


@dataclass(frozen=True, slots=True)
class Paying:
    """How hops are paid: the proof that each is given, and where it is booked what we owe."""

    purses: Purses
    tab: Tab
    refusals: Refusals = field(default_factory=Refusals)


class OwnCircuits:
    """All circuits of our own users."""

    def __init__(
        self,
        keys: Keys,
        routes: Routes,
        paying: Paying,
        hops: int,
        random: Random,
        ways: Ways,
        new_id: Callable[[int], int],
        epoch: float,
        paces: Callable[[PublicKey], bool] = lambda _: False,
        reputation: Reputation | None = None,
    ) -> None:
        """`new_id`: an id on a link. `epoch`: unix time at `now` 0. `paces`: whether a Node knows of `PACE`."""
        self.reputation = reputation or Reputation(epoch)
        self._keys = keys
        self._routes = routes
        self._hops = hops
        self._random = random
        self._ways = ways
        self._new_id = new_id
        self._epoch = epoch
        self._paces = paces
        self.windows = Budget(WINDOWS)
        """What our windows are larger by than usual."""
        self._received = 0
        self._circuits: dict[tuple[int, int], OwnCircuit] = {}
        self._groups: dict[str, list[OwnCircuit]] = {}
        self._purses = paying.purses
        self._tab = paying.tab
        self.blame = Blame(self.reputation)
        self.audit: dict[PublicKey, OverBilling] = {}
        self.refusals = paying.refusals
        self._left: tuple[PublicKey, ...] = ()
        """Exits that our user wanted to leave, the last first."""

    def __iter__(self) -> Iterator[OwnCircuit]:
        return iter(self._circuits.values())

    def get(self, link: int, circuit: int) -> OwnCircuit | None:
        return self._circuits.get((link, circuit))

    def over(self, link: int) -> list[OwnCircuit]:
        """The circuits whose first Node is at the other end of a link."""
        return [own for (at, _), own in self._circuits.items() if at == link]

    def view(self, now: float) -> tuple[OverbilledView, ...]:
        return tuple(
            OverbilledView(key.hex(), Wei(found.billed), Wei(found.counted), now - found.when)
            for key, found in self.audit.items()
        )

    def exits(self, now: float, record: Callable[[PublicKey], NodeRecord | None]) -> tuple[ExitView, ...]:
        """The exits that new streams may get without a new circuit, the most used first."""
        count = Counter(own.route.exit.key for group in self._groups.values() for own in group if self._young(own, now))
        return tuple(
            ExitView(key.hex(), known.country if (known := record(key)) else None, circuits)
            for key, circuits in count.most_common()
        )

    def heard(self, now: float) -> float | None:
        """Seconds since an exit in use has said something; None: none ever did."""
        return min((now - own.pulse.heard for own in self if own.pulse.good and own.closing is None), default=None)

    def proven(self, group: str, now: float) -> bool:
        """Whether a new stream of this group gets a circuit whose exit has answered before."""
        return any(own.pulse.good and self._young(own, now) for own in self._groups.get(group, ()))

    @staticmethod
    def _young(own: OwnCircuit, now: float) -> bool:
        return now - own.opened < own.life and not own.overbilled

    def renew(self, leave: bool = True) -> int:
        """New streams get new circuits: how many are left to those they have. `leave`: to other exits, if there are."""
        left = [own for group in self._groups.values() for own in group]
        self._groups.clear()
        for own in left:
            own.opened -= LIFE  # It is closed with its last stream.
        latest = sorted({own.route.exit.key for own in left}) if leave else []
        self._left = tuple(dict.fromkeys([*latest, *self._left]))[:MOST_LEFT]
        return len(left)

    # --- opening ---

    def choose(
        self, group: str, tried: set[PublicKey], now: float, doubted: tuple[PublicKey, ...] = ()
    ) -> tuple[OwnCircuit, list[SendFrame]]:
        """A circuit for a new stream of a group, opened if there is none, or all are busy.

        `tried`: exits that it can't have. `doubted`: Nodes that it is not to go over if there are others.
        UnavailableError: there is no route of Nodes that support circuits.
        """
        usable = [
            own
            for own in self._groups.get(group, ())
            if self._young(own, now) and own.route.exit.key not in tried and len(own.terminal.streams) < MAX_STREAMS
        ]
        sound = [
            own
            for own in usable
            if self._routes.stands(own.route) and not any(key in doubted for key in own.route.over)
        ]
        # The first that isn't busy, not the least busy one: small streams that share a circuit share its cells.
        for own in sound:
            if not own.slow and own.busy(now) <= own.much:
                return own, []
        best = min(sound, key=lambda own: (own.slow, own.busy(now)), default=None)
        if best is not None and len(usable) >= MAX_SPREAD:
            return best, []
        try:
            return self._open(group, tuple(sorted(tried)), doubted, now)
        except UnavailableError:
            best = best or min(usable, key=lambda own: own.busy(now), default=None)
            if best is None:
                raise
            return best, []

    def _open(
        self, group: str, avoid: tuple[PublicKey, ...], doubted: tuple[PublicKey, ...], now: float
    ) -> tuple[OwnCircuit, list[SendFrame]]:
        route, link = self._best_way(avoid, doubted, self.blame.keys(now))
        way = route.over
        circuit = self._new_id(link)
        secrets = [self._random(32) for _ in way[1:]]
        expires = int(self._epoch + now) + OPEN_LIFE
        services = [*route.relays_over, route.exit]
        purse = self._purses.of(group, now)
        proofs = self._purses[purse]
        elements = []
        for position, (reader, secret) in enumerate(zip(way[1:], secrets, strict=True), 1):
            following = way[position + 1] if position + 1 < len(way) else b""
            component = Component.HOPPER if following else Component.PROXY_CLIENT
            creditor = services[position - 1].wallet
            hop = Hop(following, proofs.of(reader), component, secret, expires, *proofs.said_to(reader, creditor, now))
            elements.append(self._keys.seal(reader, hop.encode()))
        # As many for every route, and one more than the longest has: no Node can tell where on it it is.
        missing = max(1, OPEN_ELEMENTS - len(elements))
        elements += [self._keys.garbage(len(elements[0])) for _ in range(missing)]
        backward = [Layer(secret, False) for secret in secrets]
        hops = [
            HopBook(service, layer, Control(secret))
            for service, layer, secret in zip(services, backward, secrets, strict=True)
        ]
        terminal = Terminal(
            link,
            circuit,
            Seal(secrets[-1], True),
            Seal(secrets[-1], False),
            [Layer(secret, True) for secret in reversed(secrets)],
            backward,
            self._pace(route),
        )
        if terminal.pace.paced:
            # It goes with what is said first. So the way is known when the first bytes come.
            terminal.post([(0, Command.ECHO, terminal.pace.ask(now))], math.inf)
        own = OwnCircuit(terminal, route, hops, group, now, now, Pulse(now, granted=now), purse=purse)
        own.life = SHORTEST_LIFE + (LIFE - SHORTEST_LIFE) * int.from_bytes(self._random(4), "big") / 2**32
        self._circuits[link, circuit] = own
        self._groups.setdefault(group, []).append(own)
        return own, [SendFrame(link, circuit_frame(FrameType.OPEN, circuit, cbor.encode(elements)), circuit)]

    def _pace(self, route: Route) -> Pace:
        """How a circuit over a route begins: what one hop doesn't know, the others do without."""
        most = MAX_WINDOW if all(map(self._paces, route.over[1:])) else CIRCUIT_CREDIT
        return Pace(self.windows, self._paces(route.exit.key), most)

    def _best_way(
        self, avoid: tuple[PublicKey, ...], doubted: tuple[PublicKey, ...], blamed: tuple[PublicKey, ...]
    ) -> tuple[Route, int]:
        """A route without all those, or if there is none, one that leaves out as many as it can."""
        # Of a circuit that died the first Node and the exit are avoided before those between them.
        tries = [(*doubted, *blamed), (*doubted[:1], *doubted[-1:], *blamed), blamed] if doubted else [blamed]
        if self._left:
            tries[:0] = [
                (*left, *doubted, *blamed) for left in (self._left, self._left[: MOST_LEFT // 2], self._left[:1])
            ]
        while blamed:
            # The surest come first.
            blamed = blamed[: len(blamed) // 2]
            tries.append(blamed)
        for others in tries[:-1]:
            with contextlib.suppress(UnavailableError):
                return self._way((*avoid, *others))
        return self._way(avoid)

    def _way(self, avoid: tuple[PublicKey, ...]) -> tuple[Route, int]:
        """A route, and our secure link to its first Node. A neighbor whose link was just lost is still known as one."""
        unlinked: tuple[PublicKey, ...] = ()
        while True:
            route = self._routes.find(self._hops, 1_000, (*avoid, *unlinked), EXTENSION)
            link = self._ways.to(route.over[1])
            if link is not None:
                return route, link
            unlinked += (route.over[1],)

    # --- paying ---

    def answered(self, own: OwnCircuit, message: CellMessage) -> None:
        """If a look-up is over: book it, if the exit says that it did. MalformedError if that can't be read.

        Once for each RESOLVE, also if nobody waits for it any more; what wasn't asked for is nobody's debt.
        """
        if message.command not in (Command.RESOLVED, Command.END):
            return
        resolve = own.asked.pop(message.stream, None)
        if resolve is not None and message.command == Command.RESOLVED and decode_resolved(message.data).paid:
            self.owe(own, None, paid_bytes(resolve, len(message.data)))

    def owe(self, own: OwnCircuit, size: int | None, plain: int | None) -> None:
        """Book a cell of `size` bytes per hop, with `plain` bytes that the exit is paid for; None: of those nothing."""
        owed, last = self._tab.of(own.purse), own.hops[-1]
        for hop in own.hops if size is not None else (last,):
            service = hop.service
            if hop is not last and size is not None:
                wei = service.rates.routing_charge(size)
            elif plain is not None:
                wei = service.rates.exit_charge(plain)
            else:
                continue
            hop.cells += 1
            hop.wei += wei
            if wei > hop.most_cell:
                hop.most_cell = wei
            owed[service.wallet] = owed.get(service.wallet, 0) + wei

    def _stated(self, own: OwnCircuit, position: int, bill: dict[str, Any], now: float) -> list[Stated]:
        """A hop's statement of account, if its bill brings one; that it takes vouchers is noted."""
        said, echo = bill.get("statement"), bill.get("echo")
        service = own.hops[position].service
        self._purses[own.purse].taken(service.wallet, bill.get("vouchers"), now)
        if type(said) is not bytes:
            return []
        # Whatever goes over it: what is under way on our circuits isn't in both books.
        over = sum(each.terminal.allowance for each in self if service.key in each.keys) + CIRCUIT_CREDIT
        slack = over * 2 * max(service.rates.routing_byte_rate, service.rates.exit_byte_rate)
        return [Stated(service.key, service.wallet, said, echo if type(echo) is bytes else b"", slack, own.purse)]

    def _check_bill(self, own: OwnCircuit, position: int, bill: dict[str, Any], now: float) -> list[Log]:
        hop = own.hops[position]
        cells, text = bill.get("cells"), bill.get("wei")
        if type(cells) is not int or not isinstance(text, str) or not AMOUNT.fullmatch(text):
            return []
        wei = int(text)
        # What is still under way to us was booked there, and is no fraud.
        slack = max(OVERBILLED_CELLS * hop.most_cell, int(hop.wei * OVERBILLED))
        rates = hop.service.rates
        under_way = own.terminal.allowance * max(rates.routing_byte_rate, rates.exit_byte_rate) * 2
        if own.closing is None:
            slack += under_way
        if wei <= hop.wei + slack:
            return []
        own.overbilled = True
        key = hop.service.key
        self.blame.put(key, Failure(Cause.OVERBILLED, own.place(position)), now)
        if key in self.audit or len(self.audit) < MAX_AUDIT:
            self.audit[key] = OverBilling(key, wei, hop.wei, now)
        text = f"{own.place(position)} bills {wei} wei for {cells} cells, we count {hop.wei} for {hop.cells}"
        return [Log("warning", "overbilled", text)]

    def paced(self, own: OwnCircuit, size: int, now: float) -> None:
        """So many bytes came over a circuit: see how fast it is. To be called before `recent_at` changes."""
        self._received += size
        paused = now - own.recent_at > PAUSED
        own.bulk += size
        if own.bulk < BULK and not paused:
            return
        seconds = max(now - own.bulk_since, 0.001)
        speed = own.bulk / seconds
        full = own.terminal.pace.is_full(speed, now)
        if not paused:
            # What comes over others at the same time may be why: our own line may be full.
            most = (self._received - own.bulk_from) / seconds if full else math.inf
            own.slow = self.reputation.carried(own.route.over, speed, most, now)
        own.bulk, own.bulk_since, own.bulk_from = 0, now, self._received

    # --- what hops say, and ending ---

    def control(self, own: OwnCircuit, data: memoryview, now: float) -> list[Log | Stated] | None:
        """A control message: layer after layer is removed until one hop's key fits. None: it is nobody's."""
        for position, hop in enumerate(own.hops):
            hop.backward.apply(data)
            try:
                value = hop.control.open(bytes(data))
            except MalformedError:
                return None
            if value is None:
                continue
            if isinstance(value.get("bill"), dict):
                bill = value["bill"]
                return [*self._check_bill(own, position, bill, now), *self._stated(own, position, bill, now)]
            reason = ending_of(value)
            cause = Cause.UNKNOWN if reason is None else CLOSE_CAUSES[reason]
            words = printable(value.get("detail", "") if reason is not None else value.get("failed", ""))
            debt = debt_of(value) if reason is Close.DELINQUENT else None
            if debt is None:
                return [self.fail(own, position, cause, words, now)]
            logs = self.refusals.heard(hop.service, own.purse, debt, now)
            return [self.fail(own, position, cause, words_of(debt), now), *logs]
        return None

    def praise(self, own: OwnCircuit, now: float) -> None:
        """A circuit has answered: all its hops serve us."""
        self.blame.praise(own.keys, now)
        self.reputation.worked(own.route.over, now)
        self.refusals.served(own.keys, own.purse, now)

    def settled(self, purse: int, creditors: Collection[Address], now: float) -> None:
        """A consuming wallet has paid these: who refuses it for that is tried again soon."""
        for key in self.refusals.by(creditors, purse):
            self.blame.pardon(key, now)

    def fail(self, own: OwnCircuit, position: int, cause: Cause, detail: str, now: float) -> Log:
        """A hop is why our circuit ends, or ended."""
        # One that says that it can't reach the next one, or that a cell was altered, may be right, or lie: it is the
        # other end of the link then, or anybody before it.
        first = 0 if cause is Cause.TAMPERED else position
        end = position + 2 if cause is Cause.UNREACHABLE else position + 1
        own.suspects = own.keys[first:end]
        own.failure = Failure(cause, own.place(position), detail)
        self.blame.suspect(own.suspects, own.failure, now)
        return Log("info", "circuit_failed", str(own.failure))

    def died(self, own: OwnCircuit, cause: Cause, now: float) -> Log:
        """A circuit gives no answer, or ends without a word of a hop's: any of them may be why."""
        own.suspects = own.keys
        own.failure = Failure(cause, SOME_HOP)
        self.blame.suspect(own.suspects, own.failure, now)
        return Log("info", "circuit_failed", str(own.failure))

    def close(self, own: OwnCircuit, reason: Close, now: float) -> SendFrame:
        """Close a circuit from our side: it takes no streams any more, and waits for its last bills."""
        self._leave_group(own)
        own.closing = now
        terminal = own.terminal
        return SendFrame(
            terminal.link, circuit_frame(FrameType.CLOSE, terminal.circuit, bytes((reason,))), terminal.circuit
        )

    def remove(self, own: OwnCircuit) -> None:
        """A circuit is gone."""
        own.terminal.pace.close()
        self._circuits.pop((own.terminal.link, own.terminal.circuit), None)
        self._leave_group(own)

    def _leave_group(self, own: OwnCircuit) -> None:
        group = self._groups.get(own.group, [])
        if own in group:
            group.remove(own)
            if not group:
                del self._groups[own.group]
