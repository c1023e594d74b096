"""The network between Nodes: connections that take time, fill up, break, and are refused."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from masq.core.effects import WriteLink
from masq.sim.clock import Clock
from masq.sim.turn import Turn
from masq.types import Endpoint

HIGH_WATER: Final = 256 * 1024
"""Bytes written and not yet on their way, from which on a Node is told to stop, as the shell's driver tells it, unless
the conditions say otherwise."""
UNANSWERED: Final = 5.0
"""Seconds after which a dial that nobody answers is given up, as the shell's driver gives it up."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the network is like. May be changed at any time; it holds for what happens from then on."""

    latency: float = 0.005
    """Seconds, one way."""
    bandwidth: float | None = None
    """Bytes per second of each direction of each connection; None: no limit."""
    split: bool = False
    """Whether what is written at once may arrive in two parts, cut anywhere."""
    refuse: float = 0.0
    """The probability that a dial is refused."""
    break_every: float = 0.0
    """Mean seconds between losses of one connection, whichever; 0: none is lost."""
    high_water: int = HIGH_WATER
    """Bytes that a connection takes: more over a long way, where what is under way waits in a line's queue, too."""


class Network:
    """All connections that stand, and all Nodes that may be dialled."""

    def __init__(self, clock: Clock, seed: int, conditions: Conditions) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self._conditions = conditions
        self._nodes: dict[str, NodeLinks] = {}
        """By their addresses."""
        self._wires: dict[Wire, None] = {}
        """In the order in which they were laid: which one breaks must not change between runs."""
        self._breaking = False
        self.written = 0
        """Bytes that Nodes have written to links so far."""

    @property
    def conditions(self) -> Conditions:
        return self._conditions

    @conditions.setter
    def conditions(self, conditions: Conditions) -> None:
        self._conditions = conditions
        if conditions.break_every and not self._breaking:
            self._breaking = True
            self._break_later()

    def after_latency(self, what: Callable[[], None]) -> None:
        """Let something happen after the latency, in the order of the calls."""
        self.clock.later(what, self._conditions.latency)

    def join(self, turn: Turn, ip: str) -> NodeLinks:
        """A Node is there, instead of any that had this address before."""
        self._nodes[ip] = NodeLinks(self, turn, ip)
        return self._nodes[ip]

    def dial(self, dialler: NodeLinks, link: int, endpoint: Endpoint) -> None:
        """The dial of a Node has arrived: it stands, or is refused."""
        turn = dialler.turn
        if not turn.alive:
            return
        target = self._nodes.get(endpoint.ip)
        if target is not None and not dialler.reaches(target):
            self.clock.later(lambda: turn.carry(turn.node.dial_failed(link, "no answer", turn.now)), UNANSWERED)
            return
        refused = self._conditions.refuse and self.random.random() < self._conditions.refuse
        theirs = None
        if target is not None and not refused:
            theirs = target.accept(Endpoint(dialler.ip, 40_000 + link % 20_000))
        if target is None or theirs is None:
            turn.carry(turn.node.dial_failed(link, "refused", turn.now))
            return
        near, far = Wire(self, dialler, link), Wire(self, target, theirs)
        near.other, far.other = far, near
        for wire in (near, far):
            self._wires[wire] = None
            wire.owner.wires[wire.link] = wire
        turn.carry(turn.node.dialled(link, turn.now))

    def move(self, links: NodeLinks, ip: str) -> None:
        """A Node has another address. Nothing arrives over its connections any more, and neither end is told."""
        if self._nodes.get(links.ip) is links:
            del self._nodes[links.ip]
        links.ip = ip
        self._nodes[ip] = links
        for wire in links:
            wire.stale = wire.other.stale = True

    def deliver(self) -> None:
        """Silence or a partition is over: what waited for it arrives, as it was sent again and again meanwhile."""
        for wire in tuple(self._wires):
            wire.send_again()
            wire.other.send_again()

    def forget(self, wire: Wire) -> None:
        wire.open = False
        del self._wires[wire]
        del wire.owner.wires[wire.link]

    def _break_later(self) -> None:
        if not self.conditions.break_every:
            self._breaking = False
            return
        self.clock.later(self._break_one, self.random.expovariate(1 / self.conditions.break_every))

    def _break_one(self) -> None:
        if self._wires and self.conditions.break_every:
            self.random.choice(list(self._wires)).cut()
        self._break_later()


class NodeLinks:
    """The links of one Node: its ends of connections, by the ids that it knows them by."""

    def __init__(self, network: Network, turn: Turn, ip: str) -> None:
        self.turn = turn
        self.ip = ip
        self.wires: dict[int, Wire] = {}
        self.bandwidth: float | None = None
        """Bytes per second of each direction of each of them, if this Node differs from the network."""
        self.latency = 0.0
        """Seconds by which it is farther away than the network's latency says."""
        self.silent = False
        """Whether all packets from and to it are lost, without a word."""
        self.side = 0
        """On which side of a partition it is."""
        self._network = network

    @property
    def high_water(self) -> int:
        """Bytes that each of them takes."""
        return self._network.conditions.high_water

    def reaches(self, other: NodeLinks) -> bool:
        """Whether packets from here arrive there."""
        return not (self.silent or other.silent) and self.side == other.side

    def __iter__(self) -> Iterator[Wire]:
        """Those that stand now; they may be closed meanwhile."""
        return iter(tuple(self.wires.values()))

    def accept(self, peer: Endpoint) -> int | None:
        """A peer dials: the id of the link, or None if it is refused."""
        turn = self.turn
        if not turn.alive or not turn.node.rules.mode.accepts_connections:
            return None
        link, effects = turn.node.accept(peer, turn.now)
        turn.carry(effects)
        return link

    def dial(self, link: int, endpoint: Endpoint) -> None:
        self._network.after_latency(lambda: self._network.dial(self, link, endpoint))

    def write(self, link: int, data: bytes | bytearray | memoryview) -> None:
        wire = self.wires.get(link)
        if wire is not None:
            wire.write(bytes(data))

    def close(self, link: int) -> None:
        wire = self.wires.get(link)
        if wire is not None:
            wire.close()

    def read(self, link: int, most: int) -> None:
        wire = self.wires.get(link)
        if wire is not None:
            wire.set_reading(most > 0)

    def close_all(self) -> None:
        for wire in self:
            wire.close()

    def cut_all(self) -> None:
        for wire in self:
            wire.cut()


class Wire:
    """One end of a connection, at a Node."""

    other: Wire

    def __init__(self, network: Network, owner: NodeLinks, link: int) -> None:
        self._network = network
        self._clock = network.clock
        self._turn = owner.turn
        self.owner = owner
        self.link = link
        self.buffered = 0
        self._congested = False
        self._free = 0.0
        """When all that was written is on its way."""
        self._arrival = 0.0
        self.open = True
        self.stale = False
        """Whether it leads to an address that its Node has no more."""
        self._unread: list[bytes | None] | None = None
        """What has arrived while it isn't read; None: it is."""
        self._lost: list[bytes | None] = []
        """What was sent while the other end couldn't be reached."""

    def set_reading(self, on: bool) -> None:
        if not on:
            self._unread = self._unread or []
            return
        unread, self._unread = self._unread, None
        for data in unread or ():
            self.arrive(data)

    def write(self, data: bytes) -> None:
        network = self._network
        network.written += len(data)
        conditions = network.conditions
        bandwidth = conditions.bandwidth if self.owner.bandwidth is None else self.owner.bandwidth
        if bandwidth is not None:
            self._depart(data, bandwidth)
        if conditions.split and len(data) > 1:
            cut = network.random.randrange(1, len(data))
            self._send(data[:cut])
            self._send(data[cut:])
        else:
            self._send(data)

    def close(self) -> None:
        """This end goes; the other one hears of it after what was written before."""
        if self.open:
            self._network.forget(self)
            self._send(None)

    def cut(self) -> None:
        """The connection breaks: both ends notice, and what was under way is lost."""
        for end in (self, self.other):
            if end.open:
                end.lose()

    def _depart(self, data: bytes, bandwidth: float) -> None:
        """It leaves after all that was written before, as quickly as the bandwidth lets it."""
        size = len(data)
        self._free = max(self._free, self._clock.now) + size / bandwidth
        self.buffered += size
        self._clock.at(self._free, lambda: self._departed(size))
        if self.buffered > self.owner.high_water and not self._congested:
            self._congested = True
            turn = self._turn
            turn.carry(turn.node.link_congested(self.link, self._clock.now))

    def _departed(self, size: int) -> None:
        self.buffered -= size
        if self._congested and self.buffered <= self.owner.high_water // 4 and self.open:
            self._congested = False
            while not self._congested and self._drain():
                pass

    def _drain(self) -> bool:
        """Whether something was written, so that there may be more."""
        turn = self._turn
        effects = turn.node.link_drained(self.link, self._clock.now)
        turn.carry(effects)
        return any(isinstance(effect, WriteLink) for effect in effects)

    def _send(self, data: bytes | None) -> None:
        """Let it arrive, after all that was written before; None is the end."""
        clock, other = self._clock, self.other
        if self.stale:
            return
        if self._lost or not self.owner.reaches(other.owner):
            self._lost.append(data)
            return
        latency = self._network.conditions.latency + self.owner.latency + other.owner.latency
        self._arrival = max(self._arrival, max(self._free, clock.now) + latency)
        clock.at(self._arrival, lambda: other.arrive(data))

    def send_again(self) -> None:
        """What was lost arrives now, if it can."""
        if self._lost and self.owner.reaches(self.other.owner):
            lost, self._lost = self._lost, []
            for data in lost:
                self._send(data)

    def arrive(self, data: bytes | None) -> None:
        if not self.open:
            return
        if self._unread is not None:
            self._unread.append(data)
        elif data is None:
            self.lose()
        else:
            turn = self._turn
            turn.carry(turn.node.link_received(self.link, memoryview(bytearray(data)), self._clock.now))

    def lose(self) -> None:
        """This end notices that the connection is over."""
        self._network.forget(self)
        turn = self._turn
        turn.carry(turn.node.link_closed(self.link, self._clock.now))
