"""Finding routes: drawn at random among what a user would pay for and has reason to trust (neighborhood.md 6, 10.5).

A route is drawn hop by hop. Who stands to choice at a hop is weighed by price, reputation and speed; a hop that leads
nowhere is drawn again. So nobody can tell which route it will be, and who invents Nodes gains no more by a thousand of
them than the share of the one Node that vouches for them.
"""

from __future__ import annotations

import ipaddress
import itertools
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from masq.core.effects import Service
from masq.core.failure import Cause, Failure, FailureError
from masq.core.limits import MAX_DEGREE
from masq.core.network.graph import Graph
from masq.core.network.guards import Guards
from masq.core.network.reputation import Reputation
from masq.types import DEFAULT_EARNING_WALLET, DEFAULT_RATE_PACK, PublicKey, RatePack
from masq.wire.circuit import EXTENSION, MAX_DATA
from masq.wire.message import NodeRecord

BUDGET: Final = 3_000
"""Nodes that one search looks at, for three hops: a dense graph without a way can't hold us up for more than 5 ms."""
LONG_BUDGET: Final = 20_000
"""For more hops: ways multiply."""
RESPONSE_RATIO: Final = 1_000
"""Bytes of response that are expected for a byte of request when prices are compared."""
ABLE: Final = 4.0
"""So many times as likely is a Node that knows circuits, where they aren't demanded: it tells how streams end."""
LEFT: Final = 0.02
"""The part of its weight that a Node has which its own neighbors list no more."""
LEAST: Final = 1e-50
"""A weight: the worst come last, but they come."""
GB: Final = 10**9
USUAL: Final = 100
"""So many times the network's own price is what is paid at most, where nothing else is set."""


DEAREST: Final = RatePack(*(USUAL * rate for rate in DEFAULT_RATE_PACK))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What is paid at most: to one Node, and in all. Anybody may name any price."""

    rates: RatePack = DEAREST
    per_gb: int = 10**17
    """Wei for a GB over a whole route."""

    def allows(self, rates: RatePack) -> bool:
        return all(rate <= most for rate, most in zip(rates, self.rates, strict=True))


@dataclass(frozen=True, slots=True)
class ExitWish:
    """In which countries exits are to be: groups of two letters each, the first preferred; nothing: anywhere."""

    groups: tuple[frozenset[str], ...] = ()
    fallback: bool = True
    """Whether another country will do where none of these is there."""


@dataclass(frozen=True, slots=True)
class Route:
    """A round trip: ourselves, relays, the exit, and the same way back, so that no more Nodes learn of it."""

    over: tuple[PublicKey, ...]
    back: tuple[PublicKey, ...]
    exit: Service
    relays_over: tuple[Service, ...]
    relays_back: tuple[Service, ...]
    exit_extensions: tuple[str, ...]
    compromise: str = ""
    """Which rule yields, as there is no other route."""

    @property
    def per_gb(self) -> int:
        """Wei for a GB of answers, in full cells."""
        return _per_gb(self.relays_back, self.exit)


@dataclass(slots=True)
class _Search:
    """What one search is after, and has left."""

    hops: int
    size: int
    avoid: frozenset[PublicKey]
    extension: str | None
    near: frozenset[PublicKey]
    """Who may not be the exit: our neighbors, but for routes of one hop."""
    countries: frozenset[str] | None
    budget: int
    dearest: int | None = None
    """The least that a route would cost that is too dear."""


class Routes:
    """Draws routes over a graph."""

    def __init__(
        self,
        graph: Graph,
        random: Callable[[int], bytes],
        ceiling: Ceiling = Ceiling(),
        banned: Callable[[PublicKey], bool] = lambda key: False,
        reputation: Reputation | None = None,
        diverse: bool = False,
    ) -> None:
        """`banned`: whether a Node is no hop of ours, whatever it costs. `diverse`: whether no two hops may have one
        wallet, or one network of addresses; among Nodes of one house they all do."""
        self._banned = banned
        self._graph = graph
        self._random = random
        self._ceiling = ceiling
        self._reputation = reputation or Reputation()
        self._diverse = diverse
        self.exits = ExitWish()
        self.guards = Guards(self._reputation.saved_guards)
        self._revision = -1
        self._around: dict[PublicKey, list[NodeRecord]] = {}
        self._exits: dict[tuple[PublicKey, int], frozenset[PublicKey]] = {}

    def pay_at_most(self, ceiling: Ceiling) -> None:
        """Another ceiling, for routes that are looked for from now on."""
        self._ceiling = ceiling
        self._revision = -1

    def find(self, hops: int, size: int, avoid: Collection[PublicKey] = (), extension: str | None = None) -> Route:
        """A round trip over `hops` (1 to 6) hops each way for a request of `size` bytes, drawn at random.

        The exit of a route of two hops or more is no neighbor of ours, unless there is no other. With `extension`,
        every Node on it advertises that. FailureError tells what is missing.
        """
        if self._revision != self._graph.revision:
            self._revision = self._graph.revision
            self._around, self._exits = {}, {}
        near = frozenset(record.public_key for record in self._neighbors(self._graph.root_key)) if hops > 1 else ()
        search = _Search(hops, size, frozenset(avoid), extension, frozenset(near), None, 0)
        for compromise, countries, without in self._rules(search.near):
            search.countries, search.near = countries, without
            search.budget = BUDGET if hops <= 3 else LONG_BUDGET
            path: list[NodeRecord] = []
            if self._extend(path, self._graph.root, search):
                return self._route(path, compromise)
        raise FailureError(Failure(Cause.NO_ROUTE, detail=self._why_not(search)))

    def stands(self, route: Route) -> bool:
        """Whether all links of a route are still there, as far as we know, and nobody on it is banned meanwhile."""
        full = self._graph.is_full
        way = (*route.over, *route.back[1:])
        return all(
            one == other or (full(one, other) and not self._banned(other)) for one, other in itertools.pairwise(way)
        )

    def finds_again(self, route: Route, revision: int) -> bool:
        """Whether a route that was drawn without a compromise could be drawn once more: then there is one.

        `revision`: of the graph, when it could.
        """
        if route.compromise:
            return False
        hops, graph = len(route.over) - 1, self._graph
        if graph.unchanged(route.over, revision) and not any(map(self._banned, route.over[1:])):
            return True
        is_near = hops > 1 and graph.is_full(graph.root_key, route.exit.key)
        near = frozenset([route.exit.key] if is_near else [])
        countries = frozenset[str]().union(*self.exits.groups) or None
        search = _Search(hops, 0, frozenset(), None, near, countries, 0)
        path: list[NodeRecord] = []
        for key in route.over[1:]:
            record = graph.record(key)
            if record is None or not record.routes_data or not self._affordable(record):
                return False
            if not self._fits(record, path, len(path) == hops - 1, search):
                return False
            path.append(record)
        return self.stands(route)

    def zero_hop(self) -> Route:
        """The route of a Node that is its own exit: from itself to itself and back."""
        root = self._graph.root
        way = (root.public_key, root.public_key)
        return Route(way, way, _service(root), (), (), root.extensions)

    def _rules(self, near: frozenset[PublicKey]) -> list[tuple[str, frozenset[str] | None, frozenset[PublicKey]]]:
        """What is tried, one after the other: which rule yields, the exit's countries, who may be no exit."""
        wish = self.exits
        wanted: list[tuple[str, frozenset[str] | None]] = [("", group) for group in wish.groups]
        if not wanted:
            wanted = [("", None)]
        elif wish.fallback:
            wanted.append(("no exit of exit-location is known, so it is in another country", None))
        rules = [(words, countries, near) for words, countries in wanted]
        close = "all exits of this length of route are our neighbors, so one of them is taken"
        empty: frozenset[PublicKey] = frozenset()
        if near:
            rules += [(f"{words}; {close}" if words else close, countries, empty) for words, countries in wanted]
        return rules

    def _route(self, path: list[NodeRecord], compromise: str) -> Route:
        over = (self._graph.root_key, *(record.public_key for record in path))
        relays = tuple(_service(record) for record in path[:-1])
        last = path[-1]
        return Route(over, over[::-1], _service(last), relays, relays[::-1], last.extensions, compromise)

    # --- the search ---

    def _neighbors(self, key: PublicKey) -> list[NodeRecord]:
        """Who may follow a Node on a route. Derived once per revision of the graph, for those that are looked at."""
        around = self._around.get(key)
        if around is None:
            around = self._around[key] = [
                record
                for record in self._graph.full_neighbors(key)
                if record.routes_data and record.public_key != self._graph.root_key and self._affordable(record)
            ]
        return around

    def _affordable(self, record: NodeRecord) -> bool:
        return self._ceiling.allows(record.rates)

    def _extend(self, path: list[NodeRecord], at: NodeRecord, search: _Search) -> bool:
        """Lengthen a path to what was asked for: in the order in which hops are drawn, as long as the budget lasts."""
        left = search.hops - len(path)
        if not left:
            return self._within_price(path, search)
        for record in self._drawn(path, at, left, search):
            path.append(record)
            if self._extend(path, record, search):
                return True
            path.pop()
            if search.budget <= 0:
                break
        return False

    def _drawn(self, path: list[NodeRecord], at: NodeRecord, left: int, search: _Search) -> list[NodeRecord]:
        """Who may be the next hop of `left`, in an order drawn by weight."""
        last = left == 1
        around = self._neighbors(at.public_key)
        search.budget -= len(around) + 1
        there = [record for record in around if self._fits(record, path, last, search)]
        if len(there) > 1:
            # Who hears who we are is not chosen by price.
            prices = self._prices(there, last, search) if path or last else [1] * len(there)
            ways = self._ways(there, path, search) if left == 2 and path else [1] * len(there)
            there = self._shuffled(there, at, prices, ways, search)
        if path or not there:
            return there
        beyond = partial(self._beyond, search) if search.hops > 1 else None
        guards = self.guards.among([record.public_key for record in there], beyond)
        return sorted(there, key=lambda record: record.public_key not in guards)

    def _fits(self, record: NodeRecord, path: list[NodeRecord], last: bool, search: _Search) -> bool:
        key = record.public_key
        if key in search.avoid or (search.extension is not None and search.extension not in record.extensions):
            return False
        if last and (key in search.near or (search.countries is not None and record.country not in search.countries)):
            return False
        if self._banned(key) or any(key == hop.public_key for hop in path):
            return False
        return not self._diverse or not any(self._of_one(record, hop) for hop in path)

    def _of_one(self, one: NodeRecord, other: NodeRecord) -> bool:
        """Whether two Nodes seem to have one owner: by the wallet that earns, or by where they are."""
        if one.earning_wallet == other.earning_wallet != DEFAULT_EARNING_WALLET:
            return True
        here, there = self._graph.address(one.public_key), self._graph.address(other.public_key)
        return here is not None and there is not None and network_of(here.ip) == network_of(there.ip)

    def _beyond(self, search: _Search, first: PublicKey) -> frozenset[PublicKey]:
        """The exits that a first hop leads to; on long routes, the Nodes two hops behind it."""
        steps = min(search.hops - 1, 2)
        exits = self._exits.get((first, steps))
        if exits is None:
            edge = {first}
            for _ in range(steps):
                edge = {record.public_key for key in edge for record in self._neighbors(key)}
            exits = self._exits[first, steps] = frozenset(edge) - search.near - {first}
        return exits

    def _ways(self, there: list[NodeRecord], path: list[NodeRecord], search: _Search) -> list[int]:
        """How many exits each of these relays leads to: else the one exit behind a relay is drawn as often as all those
        behind another. Counted as far as an honest Node has neighbors: nobody gains more by inventing some."""
        counts = []
        for relay in there:
            path.append(relay)
            count = 0
            for record in self._neighbors(relay.public_key):
                search.budget -= 1
                count += self._fits(record, path, True, search)
                if count == MAX_DEGREE - 1:
                    break
            counts.append(count)
            path.pop()
        return counts

    @staticmethod
    def _prices(there: list[NodeRecord], last: bool, search: _Search) -> list[int]:
        answer = search.size * RESPONSE_RATIO
        return [record.rates.exit_charge(answer) if last else record.rates.routing_charge(answer) for record in there]

    def _shuffled(
        self, there: list[NodeRecord], at: NodeRecord, prices: list[int], ways: list[int], search: _Search
    ) -> list[NodeRecord]:
        """In a random order in which each comes first as often as its weight says."""
        ordered, middle = sorted(prices), len(prices) // 2
        usual = math.sqrt(ordered[middle] * ordered[-middle - 1])
        drawn = memoryview(self._random(8 * len(there))).cast("Q")
        weigh, beside = self._reputation.weight, at.public_key
        ranked = []
        for record, price, way, chance in zip(there, prices, ways, drawn, strict=True):
            # Nothing is gained by asking for less than half of those to choose from do. Above that, twice the price
            # halves the traffic.
            weight = way * weigh(record, beside) * (usual / price if price > usual else 1.0)
            if search.extension is None and EXTENSION in record.extensions:
                weight *= ABLE
            if self._graph.is_deserted(record.public_key):
                weight *= LEFT
            # Efraimidis and Spirakis, 2006: exponential waiting times.
            ranked.append((-math.log((chance + 1) / 2**64) / max(weight, LEAST), record.public_key, record))
        ranked.sort(key=lambda each: each[:2])
        return [record for _, _, record in ranked]

    def _within_price(self, path: list[NodeRecord], search: _Search) -> bool:
        per_gb = _per_gb([_service(record) for record in path[:-1]], _service(path[-1]))
        if per_gb <= self._ceiling.per_gb:
            return True
        search.dearest = per_gb if search.dearest is None else min(per_gb, search.dearest)
        return False

    def _why_not(self, search: _Search) -> str:
        if search.dearest is not None:
            return f"the cheapest route costs {search.dearest} wei per GB, which is more than max-price-per-gb"
        graph, hops = self._graph, search.hops
        neighbors = len(graph.full_neighbors(graph.root_key))
        known = len(graph) - 1
        if not neighbors:
            return "no route: this Node has no neighbors yet"
        words = (
            f"no route over {hops} hops: {neighbors} neighbors and {known} Nodes are known, none of them lies that far"
        )
        if dear := sum(not self._affordable(each.record) for each in graph):
            words += f"; {dear} of them ask for more than max-rate-pack"
        if self.exits.groups and not self.exits.fallback:
            places = ", ".join(sorted(code for group in self.exits.groups for code in group))
            words += f"; no exit is known in {places}, where exit-location wants it, and fallback-routing is off"
        if self._diverse:
            words += "; no two Nodes of a route may have one wallet or be of one network"
        return words


def network_of(ip: str) -> str:
    """What addresses of one provider share: the /16 of an IPv4 address, the /32 of an IPv6 address."""
    address = ipaddress.ip_address(ip)
    return str(ipaddress.ip_network((address, 16 if address.version == 4 else 32), strict=False))


def _per_gb(relays: Collection[Service], exit: Service) -> int:
    cells = -(-GB // MAX_DATA)
    passed = sum(GB * each.rates.routing_byte_rate + cells * each.rates.routing_service_rate for each in relays)
    return passed + GB * exit.rates.exit_byte_rate + cells * exit.rates.exit_service_rate


def _service(record: NodeRecord) -> Service:
    return Service(record.public_key, record.earning_wallet, record.rates)
