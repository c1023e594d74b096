"""Whole streams over packages: a user's entry, an exit, and packages that take their time, or are lost, in between."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import count, cycle
from typing import Final

from tests.package_ends import Heard, User

from masq.core.effects import CloseSocket, Connect, EndSocket, Forward, Reading, WriteSocket
from masq.core.failure import Failure
from masq.core.packages.entry import PackageEntry
from masq.core.packages.exit import PackageExit
from masq.core.packages.flow import ASIDE
from masq.types import PublicKey
from masq.wire.package import Package

PIECE: Final = 65_000
"""Bytes that a client or server says at once, at most."""
HOUSEKEEPING: Final = 5.0
"""Seconds from one look of a Node at its streams to the next."""
LOSSY: Final = ASIDE[1] - HOUSEKEEPING
"""Seconds after which packages are lost no more, so that the last ones that ends say of their own accord arrive."""
BREATH: Final = 0.001
"""Seconds that a server takes to be reached, and that lie between two pieces of one that speaks."""


@dataclass
class Talker:
    """A client or a server: says so many bytes while it is read, and hears those of the other one."""

    part: PackageEntry | PackageExit
    socket: int
    to_say: int
    ends: bool
    """Whether it ends once all is said."""
    said: int = 0
    heard: int = 0
    read: bool = True
    rests: bool = False
    """Whether it reads nothing just now."""
    congested: bool = False
    ended: bool = False
    heard_end: bool = False
    closed: bool = False
    failure: Failure | None = None


class Streams:
    """A user, an exit with servers, and a clock."""

    def __init__(
        self,
        delays: Sequence[float] = (0.01,),
        lost: Container[int] = (),
        down: Sequence[tuple[float, float]] = (),
        in_order: bool = True,
        answers: int = 0,
        thinks: float = 0.0,
        stays: bool = False,
    ) -> None:
        """`delays`: of one package after the other, in seconds. `lost`: numbers of those that don't arrive, if sent
        before LOSSY; `down`: from when to when none does. `in_order`: answers don't overtake each other.

        `answers`: bytes that a server says, after a moment in which it `thinks`; then it ends, unless it `stays`.
        """
        self.user = User()
        self.exit = self.user.exits[0].exit
        self.clients: list[Talker] = []
        self.servers: list[Talker] = []
        self.reaches = True
        """Whether servers are reached."""
        self._delays, self._lost, self._down, self._in_order = cycle(delays), lost, down, in_order
        self._answers, self._thinks, self._stays = answers, thinks, stays
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers, self._packages = count(), count()
        self._arrived = [0.0, 0.0]
        self._look()
        self._housekeep()

    @property
    def now(self) -> float:
        return self.user.now

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), do))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            self.user.now, _, do = heapq.heappop(self._due)
            do()
        self.user.now = until

    # --- talkers ---

    def open(self, says: int = 5, ends: bool = False) -> Talker:
        """A client that says so many bytes, and ends then if it is to."""
        socket, effects = self.user.entry.open("a.test", 80, "", self.now)
        client = Talker(self.user.entry, socket, says, ends)
        self.clients.append(client)
        self._at_user(effects)
        self._speak(client)
        return client

    def rest(self, talker: Talker, seconds: float) -> None:
        """It reads nothing for a while."""
        talker.rests = True

        def go_on() -> None:
            talker.rests = False
            if talker.congested and not talker.closed:
                talker.congested = False
                self._do(talker, talker.part.drained(talker.socket, self.now))

        self.later(seconds, go_on)

    def hold(self, part: PackageEntry | PackageExit, seconds: float) -> None:
        """The link that an end writes to is congested for a while."""
        key = self.user.relays[0].key
        (self._at_user if part is self.user.entry else self._at_exit)(part.hold(key, True))
        self.later(seconds, lambda: self._hold_off(part, key))

    def _hold_off(self, part: PackageEntry | PackageExit, key: PublicKey) -> None:
        (self._at_user if part is self.user.entry else self._at_exit)(part.hold(key, False))

    def _speak(self, talker: Talker) -> None:
        """Say the next piece, if somebody reads it."""
        if talker.closed or talker.ended or not talker.read:
            return
        left = talker.to_say - talker.said
        if left:
            piece = min(PIECE, left)
            talker.said += piece
            self._do(talker, talker.part.received(talker.socket, memoryview(bytes(piece)), self.now))
            self.later(BREATH, lambda: self._speak(talker))
        elif talker.ends:
            talker.ended = True
            self._do(talker, talker.part.ended(talker.socket, self.now))

    def _do(self, talker: Talker, effects: Iterable[object]) -> None:
        (self._at_user if talker.part is self.user.entry else self._at_exit)(effects)

    def _perform(self, talkers: list[Talker], effect: object) -> None:
        talker = next((each for each in talkers if each.socket == getattr(effect, "socket", None)), None)
        if talker is None or talker.closed:
            return
        match effect:
            case WriteSocket(_, data):
                talker.heard += len(data)
                if talker.rests and not talker.congested:
                    talker.congested = True
                    talker.part.congested(talker.socket)
            case Reading(_, on):
                talker.read = on
                self.later(BREATH, lambda: self._speak(talker))
            case EndSocket():
                talker.heard_end = True
            case CloseSocket(_, failure):
                talker.closed, talker.failure = True, failure
            case _:
                raise AssertionError(f"nobody does this: {effect}")

    # --- the user's Node ---

    def _at_user(self, effects: Iterable[object]) -> None:
        for effect in self.user.carry(effects):
            self._perform(self.clients, effect)
        for heard in self.user.take():
            self._travel(0, lambda heard=heard: self._asked(heard))  # type: ignore[misc]

    def _look(self) -> None:
        self._at_user(self.user.entry.tick(self.now))
        self.later(0.1 if self.now < 1.0 else HOUSEKEEPING / 2, self._look)

    # --- the exit ---

    def _asked(self, heard: Heard) -> None:
        arrival = heard.arrival
        request = self.exit.request(arrival.request, arrival.hop, arrival.package, arrival.payer, self.now)
        self._at_exit(request)

    def _at_exit(self, effects: Iterable[object]) -> None:
        for effect in effects:
            if isinstance(effect, Connect):
                self._connect(effect.socket)
            elif isinstance(effect, Forward):
                self._travel(1, lambda key=effect.key, package=effect.package: self._answered(key, package))  # type: ignore[misc]
            else:
                self._perform(self.servers, effect)

    def _connect(self, socket: int) -> None:
        if not self.reaches:
            return
        server = Talker(self.exit, socket, self._answers, not self._stays)
        self.servers.append(server)
        self.later(BREATH, lambda: self._at_exit(self.exit.connected(socket, "192.0.2.1", self.now)))
        self.later(BREATH + self._thinks, lambda: self._speak(server))

    def _answered(self, key: PublicKey, package: Package) -> None:
        for effect in self.user.back(key, package):
            self._perform(self.clients, effect)
        self._at_user(())

    def _housekeep(self) -> None:
        self._at_exit(self.exit.tick(self.now))
        self.later(HOUSEKEEPING, self._housekeep)

    # --- between them ---

    def _travel(self, direction: int, arrive: Callable[[], None]) -> None:
        delay = next(self._delays)
        lost = next(self._packages) in self._lost and self.now < LOSSY
        if lost or any(since <= self.now < until for since, until in self._down):
            return
        at = self.now + delay
        if self._in_order or direction == 0:  # An exit knows no stream whose first packet was overtaken.
            at = self._arrived[direction] = max(at, self._arrived[direction])
        self.later(at - self.now, arrive)
