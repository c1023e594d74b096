"""What a run of a scenario has besides its world: who was marked, what users asked for, what was seen over time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from masq.errors import UnavailableError
from masq.sim.host import SimNode
from masq.sim.mesh import Graph, graph_of, parts
from masq.sim.workloads.requests import FILES, PATIENCE, Request, Wish
from masq.sim.world import World

FRESH: Final = 5.0
"""Seconds that a user waits for the first route of a Node that was just started."""
WANTED: Final = 3
"""Full neighbors that everybody should have."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something happened: a fault began, or was over. Seconds after the last Node was started."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The network at one time."""

    at: float
    living: int
    parts: int
    fewest: int
    """Full neighbors of who has fewest."""
    most: int
    lonely: int
    """Nodes with fewer than three."""
    routes: int
    """Nodes with a route."""
    asked: int
    """Requests so far."""
    failed: int
    written: int
    """Bytes that all Nodes have written to links so far."""


class Stage:
    """One run. `zero` is the time of the world at which its last Node of the start was started."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.zero = 0.0
        self.marked: dict[str, dict[int, None]] = {}
        """Numbers of Nodes by what they were made: `bad`, `hostile`, `newcomer`, `silent`, `moved`, `debtor` ..."""
        self.marks: list[Mark] = []
        self.troubled: float | None = None
        """When the last trouble that heals was over."""
        self.requests: list[Request] = []
        self.samples: list[Sample] = []
        self.started: dict[int, float] = {}
        """When each Node was started that has had no route yet, by number."""
        self.waited: dict[int, float] = {}
        """Seconds from its start until a Node had a route."""
        self.invented = 0
        """Records of Nodes that don't exist, which were told."""
        self.circuits: dict[tuple[int, int], dict[tuple[int, float], None]] = {}
        """Circuits of each user over each bad Node, by both numbers, that it opened before it avoided that one: what
        they are known by, and when they were opened."""
        self._bad_since: dict[int, float] = {}
        self.found: dict[tuple[int, int], float] = {}
        """When each user began to avoid a marked Node."""

    @property
    def now(self) -> float:
        """Seconds after the last Node of the start was started."""
        return self.world.now - self.zero

    def at(self, when: float, what: Callable[[], None]) -> None:
        self.world.clock.at(self.zero + when, what)

    # --- who ---

    def living(self, *without: str) -> list[SimNode]:
        """Living Nodes that weren't made any of these."""
        avoided = {number for name in without for number in self.marked.get(name, ())}
        return [host for host in self.world.hosts if host.alive and host.number not in avoided]

    def having(self, *names: str) -> list[SimNode]:
        """Nodes that were made one of these."""
        found = {number for name in names for number in self.marked.get(name, ())}
        return [host for host in self.world.hosts if host.number in found]

    def mark(self, name: str, hosts: list[SimNode]) -> None:
        self.marked.setdefault(name, {}).update(dict.fromkeys(host.number for host in hosts))
        if name == "bad":
            self._bad_since |= dict.fromkeys((host.number for host in hosts), self.world.now)

    def tell(self, words: str, heals: bool = True) -> None:
        """Something happened. `heals`: whether the mesh is to recover from it."""
        self.marks.append(Mark(self.now, words))
        if heals:
            self.troubled = self.now

    def add(self, neighbors: list[SimNode], **settings: object) -> SimNode:
        host = self.world.add(neighbors, **settings)  # type: ignore[arg-type]
        self.started[host.number] = self.world.now
        return host

    # --- users ---

    def ask(self, wish: Wish) -> None:
        """A user asks for something. One whose Node is down, was started this moment, or is hostile, asks nothing."""
        host = self.world.hosts[wish.user]
        fresh = self.world.now - self.started.get(wish.user, -FRESH) < FRESH
        if not host.alive or fresh or any(wish.user in self.marked.get(name, ()) for name in ("silent", "hostile")):
            return
        request = Request(host.number, wish.size, lambda: self.world.now, wish.bulk)
        self.requests.append(request)
        try:
            host.open(request, *FILES, wish.group)
        except UnavailableError as error:
            request.fails(str(error))
            return
        request.send(b"%d\n" % wish.size)
        self._follow(host, request)
        self.world.clock.later(request.given_up, PATIENCE)

    def _follow(self, host: SimNode, request: Request) -> None:
        """Find out over which circuit a request goes."""
        for stream in reversed(list(host.node.circuit_entry.streams())):
            if stream.circuit is not None:
                request.way = stream.circuit.route.over[1:]
                return

    # --- what is seen ---

    def look(self) -> None:
        """Take a sample."""
        hosts = self.world.hosts
        graph = graph_of(hosts)
        counts = [len(graph[host.number]) for host in hosts if host.alive]
        living = [host for host in hosts if host.alive]
        self.samples.append(
            Sample(
                at=self.now,
                living=len(living),
                parts=len(parts(graph)),
                fewest=min(counts, default=0),
                most=max(counts, default=0),
                lonely=sum(count < WANTED for count in counts),
                routes=sum(host.node.has_route for host in living),
                asked=len(self.requests),
                failed=sum(request.failed for request in self.requests),
                written=self.world.network.written,
            )
        )

    def glance(self) -> None:
        """What is looked at more often: who has got a route, who is avoided."""
        now = self.world.now
        for number in [number for number in self.started if self.world.hosts[number].node.has_route]:
            self.waited[number] = now - self.started.pop(number)
        for bad in self.having("bad"):
            key = bad.node.keys.public_key
            for host in self.living("bad"):
                pair = (host.number, bad.number)
                if pair in self.found:
                    continue
                since = self._bad_since[bad.number]
                over = [
                    (own.terminal.circuit, own.opened)
                    for own in host.node.own_circuits
                    if own.opened >= since and key in own.keys
                ]
                if over:
                    self.circuits.setdefault(pair, {}).update(dict.fromkeys(over))
                if key in host.node.own_circuits.blame.keys(now):
                    self.found[pair] = self.now

    def graph(self) -> Graph:
        return graph_of(self.world.hosts)
