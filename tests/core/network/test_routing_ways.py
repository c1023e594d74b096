"""Routes: as many hops as asked, drawn among all there are, and none over those who are to be avoided."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.network_ends import ROOT, Peer, graph_of, peers

from masq.core.network.graph import Graph
from masq.core.network.routing import LONG_BUDGET, Ceiling, ExitWish, Route, Routes
from masq.errors import UnavailableError
from masq.types import DEFAULT_RATE_PACK, PublicKey, RatePack
from masq.wire.circuit import EXTENSION
from masq.wire.message import GossipRecord, NodeRecord

SIZE = 1_000
Edges = Collection[tuple[int, int]]
Path = tuple[int, ...]


class Net:
    """Nodes by number, linked in pairs; 0 is the root. What a Node is not said to be, it is by default."""

    def __init__(
        self,
        edges: Edges,
        *,
        rates: dict[int, RatePack] | None = None,
        silent: Collection[int] = (),
        unable: Collection[int] = (),
        countries: dict[int, str] | None = None,
    ) -> None:
        """`silent` route no data, `unable` know no circuits."""
        self.countries = countries or {}
        self.edges = {frozenset(edge) for edge in edges}
        self.nodes = [ROOT, *peers(max(max(edge) for edge in edges) if edges else 0)]
        self.rates = rates or {}
        self.silent, self.unable = silent, unable
        self.exits = ExitWish()
        self.graph: Graph = graph_of(self._record(0), *(GossipRecord(self._record(at), None) for at in self.others))

    @property
    def others(self) -> range:
        return range(1, len(self.nodes))

    def beside(self, at: int) -> list[int]:
        return [other for other in range(len(self.nodes)) if frozenset((at, other)) in self.edges and other != at]

    def key(self, at: int) -> PublicKey:
        return Peer(at).key

    def numbers(self, way: tuple[PublicKey, ...]) -> Path:
        keys = [node.key for node in self.nodes]
        return tuple(keys.index(key) for key in way)

    def find(self, hops: int, avoid: Collection[int] = (), extension: str | None = None, seed: int = 1) -> Route:
        routes = Routes(self.graph, random.Random(seed).randbytes)
        routes.exits = self.exits
        return routes.find(hops, SIZE, [self.key(at) for at in avoid], extension)

    def over(self, hops: int, avoid: Collection[int] = (), seed: int = 1) -> Path:
        return self.numbers(self.find(hops, avoid, seed=seed).over)

    def _record(self, at: int) -> NodeRecord:
        node: Peer = self.nodes[at]
        return node.record(
            *(self.key(other) for other in self.beside(at)),
            routes=at not in self.silent,
            rates=self.rates.get(at, DEFAULT_RATE_PACK),
            extensions=() if at in self.unable else (EXTENSION,),
            country=self.countries.get(at),
        )


LINE = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]


@pytest.mark.parametrize("hops", range(1, 7))
def test_a_route_has_as_many_hops_as_asked_there_and_back(hops: int) -> None:
    net = Net(LINE)
    route = net.find(hops)
    assert net.numbers(route.over) == tuple(range(hops + 1))
    assert route.back == route.over[::-1]
    assert route.exit.key == net.key(hops)
    assert [relay.key for relay in route.relays_over] == [net.key(at) for at in range(1, hops)]
    assert [relay.key for relay in route.relays_back] == [net.key(at) for at in range(hops - 1, 0, -1)]


def test_a_route_tells_wallets_rates_and_abilities() -> None:
    """R1."""
    cheap = RatePack(1, 2, 3, 4)
    net = Net(LINE[:2], rates={1: cheap})
    route = net.find(2)
    assert (route.relays_over[0].rates, route.relays_over[0].wallet) == (cheap, bytes(20))
    assert route.exit.rates == DEFAULT_RATE_PACK
    assert route.exit_extensions == (EXTENSION,)


def test_the_exit_of_two_hops_or_more_is_no_neighbor_of_ours() -> None:
    """R3, R4."""
    triangle = [(0, 1), (0, 2), (1, 2)]
    assert Net(triangle).over(1) in [(0, 1), (0, 2)]
    route = Net([*triangle, (2, 3)]).find(2)
    assert Net([*triangle, (2, 3)]).numbers(route.over) == (0, 2, 3)
    assert not route.compromise


def test_where_all_exits_are_neighbors_one_of_them_is_taken_and_that_is_said() -> None:
    """R3."""
    net = Net(list(itertools.combinations(range(5), 2)))
    route = net.find(3)
    assert len(set(route.over)) == 4
    assert "our neighbors" in route.compromise
    with pytest.raises(UnavailableError, match="none of them lies that far"):
        net.find(5)


def test_no_node_is_passed_twice() -> None:
    with pytest.raises(UnavailableError):
        Net([(0, 1), (1, 2)]).over(3)


def test_half_a_link_carries_nothing() -> None:
    graph = graph_of(ROOT.record(Peer(1).key), Peer(1).hidden())
    with pytest.raises(UnavailableError, match="no neighbors yet"):
        Routes(graph, random.Random(1).randbytes).find(1, SIZE)


def test_who_routes_no_data_is_neither_relay_nor_exit() -> None:
    """R7, R8."""
    for silent in (1, 2):
        with pytest.raises(UnavailableError):
            Net(LINE[:2], silent=[silent]).over(2)


def test_one_who_routes_no_data_itself_finds_routes() -> None:
    """R7."""
    route = Net(LINE[:2], silent=[0]).find(2)
    assert route.back == route.over[::-1]


def test_who_is_to_be_avoided_is_neither_relay_nor_exit() -> None:
    diamond = [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (2, 4)]
    for seed in range(8):
        assert Net(diamond).over(2, avoid=[1, 3], seed=seed) == (0, 2, 4)
    with pytest.raises(UnavailableError, match="2 neighbors and 4 Nodes are known"):
        Net(diamond).over(2, avoid=[1, 2])


def test_with_an_extension_demanded_all_of_a_route_have_it() -> None:
    diamond = [(0, 1), (0, 2), (1, 3), (2, 3)]
    net = Net(diamond, unable=[1], rates={1: RatePack(1, 1, 1, 1)})
    route = net.find(2, extension=EXTENSION)
    assert net.numbers(route.over) == (0, 2, 3)
    assert net.numbers(route.back) == (3, 2, 0)
    with pytest.raises(UnavailableError):
        Net(diamond, unable=[3]).find(2, extension=EXTENSION)


def test_if_no_way_back_is_found_the_way_over_leads_back() -> None:
    net = Net(LINE[:3], unable=[0])  # We lack ourselves what we ask of others.
    route = net.find(3, extension=EXTENSION)
    assert net.numbers(route.back) == (3, 2, 1, 0)


def test_a_dear_node_is_hardly_taken_and_one_beyond_64_bits_does_not_wrap() -> None:
    """B16."""
    absurd = RatePack(2**64 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1)
    net = Net([(0, 1), (1, 2), (1, 3)], rates={2: absurd})
    routes = Routes(net.graph, random.Random(1).randbytes, Ceiling(absurd, 2**200))
    assert {net.numbers(routes.find(2, SIZE).over) for _ in range(100)} == {(0, 1, 3)}
    assert net.over(2) == (0, 1, 3), "it is beyond what is paid at all"


def test_a_node_that_its_neighbors_leave_is_passed_by_while_others_are_there() -> None:
    """It lists 4 and 5 still, which list it no more: it may be gone, and the one that lists it hasn't noticed yet."""
    edges = [(0, 1), (1, 2), (1, 3), (2, 6), (3, 6), (4, 6), (5, 6)]
    net = Net(edges)
    net.graph.add(net.nodes[2].record(*map(net.key, (1, 4, 5, 6)), extensions=(EXTENSION,)), None, 0.0)
    taken = [net.over(3, seed=seed)[2] for seed in range(200)]
    assert taken.count(2) < 20
    assert {net.over(3, avoid=[3], seed=seed)[2] for seed in range(20)} == {2}, "if there is no other way"


def test_a_route_stands_as_long_as_its_links_do() -> None:
    net = Net(LINE[:3])
    banned: set[PublicKey] = set()
    routes = Routes(net.graph, random.Random(1).randbytes, banned=banned.__contains__)
    route = routes.find(3, SIZE)
    assert routes.stands(route)
    assert routes.stands(routes.zero_hop())
    banned.add(net.key(2))
    assert not routes.stands(route)
    banned.clear()
    net.graph.forget(net.key(3))
    assert not routes.stands(route)


def test_a_new_record_is_used_at_once() -> None:
    """R15."""
    net = Net(LINE[:2])
    routes = Routes(net.graph, random.Random(1).randbytes)
    assert routes.find(2, SIZE)
    net.graph.forget(net.key(2))
    with pytest.raises(UnavailableError):
        routes.find(2, SIZE)


def test_a_node_that_is_its_own_exit_has_a_route_without_hops() -> None:
    """R13."""
    net = Net([])
    route = Routes(net.graph, random.Random(1).randbytes).zero_hop()
    assert route.over == route.back == (ROOT.key, ROOT.key)
    assert route.exit.key == ROOT.key
    assert (route.relays_over, route.relays_back) == ((), ())


# --- ties ---

FAN = [(0, at) for at in range(1, 7)] + [(at, 7) for at in range(1, 7)]


def test_ties_are_settled_at_random_but_the_same_for_one_seed() -> None:
    net = Net(FAN)
    firsts = [net.over(2, seed=seed) for seed in range(40)]
    assert firsts == [net.over(2, seed=seed) for seed in range(40)]
    assert {way[1] for way in firsts} == set(range(1, 7)), "no two Nodes prefer the same ones"


def test_one_search_after_the_other_settles_ties_anew() -> None:
    net = Net(FAN)
    routes = Routes(net.graph, random.Random(1).randbytes)
    assert len({routes.find(2, SIZE).over for _ in range(40)}) > 1


# --- what a search may cost ---


def test_a_dense_graph_without_an_exit_is_given_up() -> None:
    """R17, B14."""
    count = 24  # There are a hundred million paths of six hops, and none of them ends at one of ours.
    net = Net(list(itertools.combinations(range(count), 2)))
    net.find(6)
    net.exits = ExitWish((frozenset(("AT",)),), fallback=False)
    assert count**6 > 1_000 * LONG_BUDGET
    with pytest.raises(UnavailableError, match="no route over 6 hops"):
        net.over(6)


def test_in_a_dense_graph_the_best_found_so_far_is_taken() -> None:
    inner, outer = range(1, 10), range(10, 28)
    edges = [(0, at) for at in inner] + list(itertools.combinations([*inner, *outer], 2))
    way = Net(edges).over(6)
    assert len(set(way)) == 7
    assert way[1] in inner
    assert way[-1] in outer


# --- compared with every path there is ---


def paths(net: Net, start: int, hops: int, avoid: Collection[int]) -> Iterator[Path]:
    """All ways of so many hops on which no Node comes twice and everybody between the ends routes."""
    ways: list[Path] = [(start,)]
    for _ in range(hops):
        ways = [
            (*way, at)
            for way in ways
            for at in net.beside(way[-1])
            if at not in way and at not in avoid and (len(way) == 1 or way[-1] not in (0, *net.silent))
        ]
    yield from ways


def is_route(net: Net, way: Path) -> bool:
    return way[-1] not in net.silent and (len(way) == 2 or way[-1] not in net.beside(0))


pairs = st.sampled_from(list(itertools.combinations(range(7), 2)))
few_rates = st.integers(1, 5).map(lambda rate: RatePack(rate, 10 * rate, 6 - rate, rate))


@given(
    st.sets(pairs, min_size=8),
    st.tuples(*[few_rates] * 6),
    st.sets(st.integers(1, 6), max_size=2),
    st.sets(st.integers(1, 6), max_size=1),
    st.integers(1, 4),
)
def test_what_is_found_is_one_of_all_and_something_is_found_if_there_is_any(
    edges: set[tuple[int, int]], rates: tuple[RatePack, ...], silent: set[int], avoid: set[int], hops: int
) -> None:
    net = Net(sorted(edges), rates=dict(enumerate(rates, 1)), silent=silent)
    near = [way for way in paths(net, 0, hops, avoid) if way[-1] not in net.silent]
    ways = [way for way in near if is_route(net, way)]
    if not near:
        with pytest.raises(UnavailableError):
            net.find(hops, avoid)
        return
    route = net.find(hops, avoid)
    assert net.numbers(route.over) in (ways or near)
    assert bool(route.compromise) == (not ways)
    assert route.back == route.over[::-1]
