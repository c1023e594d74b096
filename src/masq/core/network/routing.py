"""Finding routes: the cheapest way of so many hops over full neighbors, in bounded time (neighborhood.md 6)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from masq.core.effects import Service
from masq.core.failure import Cause, Failure, FailureError
from masq.core.network.graph import Graph
from masq.types import DEFAULT_RATE_PACK, PublicKey, RatePack
from masq.wire.circuit import EXTENSION, MAX_DATA
from masq.wire.message import NodeRecord

BUDGET: Final = 20_000
"""Steps of one search. What was found by then is taken; a dense graph without a way can't hold us up."""
RESPONSE_RATIO: Final = 1_000
"""Bytes of response that are expected for a byte of request when prices are compared."""
EXTRA_HOPS: Final = 2
"""The way back may be longer than asked by this much, where the graph's shape demands it."""
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
class Route:
    """A round trip: ourselves, relays, the exit, relays, ourselves."""

    over: tuple[PublicKey, ...]
    back: tuple[PublicKey, ...]
    exit: Service
    relays_over: tuple[Service, ...]
    relays_back: tuple[Service, ...]
    exit_extensions: tuple[str, ...]

    @property
    def per_gb(self) -> int:
        """Wei for a GB of answers, in full cells."""
        cells = -(-GB // MAX_DATA)
        relays = sum(
            GB * each.rates.routing_byte_rate + cells * each.rates.routing_service_rate for each in self.relays_back
        )
        return relays + GB * self.exit.rates.exit_byte_rate + cells * self.exit.rates.exit_service_rate


class Routes:
    """Searches a graph. What the searches need of it is derived once per revision of the graph."""

    def __init__(
        self,
        graph: Graph,
        random: Callable[[int], bytes],
        ceiling: Ceiling = Ceiling(),
        banned: Callable[[PublicKey], bool] = lambda key: False,
    ) -> None:
        """`banned`: whether a Node is no hop of ours, whatever it costs."""
        self._banned = banned
        self._graph = graph
        self._random = random
        self._ceiling = ceiling
        self._revision = -1
        self._neighbors: dict[PublicKey, list[NodeRecord]] = {}

    def pay_at_most(self, ceiling: Ceiling) -> None:
        """Another ceiling, for routes that are looked for from now on."""
        self._ceiling = ceiling
        self._revision = -1

    def find(self, hops: int, size: int, avoid: Collection[PublicKey] = (), extension: str | None = None) -> Route:
        """The cheapest round trip over `hops` (1 to 6) hops each way for a request of `size` bytes.

        The exit of a route of two hops or more is no neighbor of ours. With `extension`, every Node on it advertises
        that. FailureError tells what is missing.
        """
        self._refresh()
        graph, root = self._graph, self._graph.root_key
        over = self._search(root, None, hops, size, avoid, extension)
        if over is None:
            raise FailureError(Failure(Cause.NO_ROUTE, detail=self._why_not(hops)))
        response = size * RESPONSE_RATIO
        back = None
        for length in range(hops, hops + EXTRA_HOPS + 1):
            back = self._search(over[-1], root, length, response, avoid, extension)
            if back is not None:
                break
        if back is None:
            back = over[::-1]  # Links are mutual, so the way over always leads back.
        exit_record = graph.record(over[-1])
        assert exit_record
        route = Route(
            over,
            back,
            _service(exit_record),
            self._services(over[1:-1]),
            self._services(back[1:-1]),
            exit_record.extensions,
        )
        if route.per_gb > self._ceiling.per_gb:
            words = f"the cheapest route costs {route.per_gb} wei per GB, which is more than max-price-per-gb"
            raise FailureError(Failure(Cause.NO_ROUTE, detail=words))
        return route

    def zero_hop(self) -> Route:
        """The route of a Node that is its own exit: from itself to itself and back."""
        root = self._graph.root
        way = (root.public_key, root.public_key)
        return Route(way, way, _service(root), (), (), root.extensions)

    def _services(self, keys: tuple[PublicKey, ...]) -> tuple[Service, ...]:
        return tuple(_service(record) for key in keys if (record := self._graph.record(key)))

    def _refresh(self) -> None:
        if self._revision != self._graph.revision:
            self._revision = self._graph.revision
            self._neighbors = {
                known.record.public_key: [
                    record for record in self._graph.full_neighbors(known.record.public_key) if self._affordable(record)
                ]
                for known in self._graph
            }

    def _affordable(self, record: NodeRecord) -> bool:
        return record.public_key == self._graph.root_key or self._ceiling.allows(record.rates)

    def _search(
        self,
        start: PublicKey,
        target: PublicKey | None,
        hops: int,
        size: int,
        avoid: Collection[PublicKey],
        extension: str | None,
    ) -> tuple[PublicKey, ...] | None:
        """The cheapest simple path of exactly `hops` hops to the target, or to any exit; depth first, bounded."""
        budget = BUDGET
        best: tuple[PublicKey, ...] | None = None
        best_cost = 0
        # Equal prices are ordinary (defaults), so ties are broken at random to spread the load.
        salt = self._random(8)

        def order(record: NodeRecord, last: bool) -> tuple[int, bool, int]:
            cost = record.rates.exit_charge(size) if last and target is None else record.rates.routing_charge(size)
            # At equal cost, Nodes that support circuits: where all of a route do, its streams can use them.
            return cost, EXTENSION not in record.extensions, hash_of(salt, record.public_key)

        # Neighbors of the start that an exit may not be, and that the far end may not list (reference rule).
        near = {record.public_key for record in self._neighbors.get(start, ())}
        stack: list[tuple[tuple[PublicKey, ...], int]] = [((start,), 0)]
        while stack and budget > 0:
            budget -= 1
            path, cost = stack.pop()
            if best is not None and cost >= best_cost:
                continue
            left = hops - (len(path) - 1)
            if left == 0:
                if (target is None or path[-1] == target) and (hops == 1 or path[-1] not in near):
                    best, best_cost = path, cost
                continue
            last = left == 1
            steps = []
            for record in self._neighbors.get(path[-1], ()):
                key = record.public_key
                if key in path or key in avoid or self._banned(key) or (target is not None and (key == target) != last):
                    continue
                if not record.routes_data and key != target:
                    continue
                if extension is not None and extension not in record.extensions:
                    continue
                if last and hops > 1 and key in near:
                    continue
                price = order(record, last)
                steps.append((price, (*path, key), cost + price[0]))
            steps.sort(reverse=True)  # The cheapest is taken from the stack first.
            stack.extend((way, price) for _, way, price in steps)
        return best

    def _why_not(self, hops: int) -> str:
        graph = self._graph
        neighbors = len(graph.full_neighbors(graph.root_key))
        known = len(graph) - 1
        if not neighbors:
            return "no route: this Node has no neighbors yet"
        words = (
            f"no route over {hops} hops: {neighbors} neighbors and {known} Nodes are known, none of them lies that far"
        )
        dear = sum(not self._affordable(each.record) for each in graph)
        return f"{words}; {dear} of them ask for more than max-rate-pack" if dear else words


def hash_of(salt: bytes, key: PublicKey) -> int:
    """An order of keys that differs with the salt and is the same in every run."""
    return int.from_bytes(salt, "big") * (int.from_bytes(key[:8], "big") | 1) & 0xFFFFFFFFFFFFFFFF


def _service(record: NodeRecord) -> Service:
    return Service(record.public_key, record.earning_wallet, record.rates)
