"""Routes: as many hops as asked, the cheapest there are, and none over those who are to be avoided."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.network_ends import ROOT, Peer, graph_of, peers

from masq.core.network.graph import Graph
from masq.core.network.routing import BUDGET, EXTRA_HOPS, RESPONSE_RATIO, Route, Routes, hash_of
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
    ) -> None:
        """`silent` route no data, `unable` know no circuits."""
        self.edges = {frozenset(edge) for edge in edges}
        self.nodes = [ROOT, *peers(max(max(edge) for edge in edges) if edges else 0)]
        self.rates = rates or {}
        self.silent, self.unable = silent, unable
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
    cheap = RatePack(1, 2, 3, 4)
    net = Net(LINE[:2], rates={1: cheap})
    route = net.find(2)
    assert (route.relays_over[0].rates, route.relays_over[0].wallet) == (cheap, bytes(20))
    assert route.exit.rates == DEFAULT_RATE_PACK
    assert route.exit_extensions == (EXTENSION,)


def test_the_exit_of_two_hops_or_more_is_no_neighbor_of_ours() -> None:
    triangle = [(0, 1), (0, 2), (1, 2)]
    assert Net(triangle).over(1) in [(0, 1), (0, 2)]
    with pytest.raises(UnavailableError):
        Net(triangle).over(2)
    assert Net([*triangle, (2, 3)]).over(2) == (0, 2, 3)


def test_no_node_is_passed_twice() -> None:
    with pytest.raises(UnavailableError):
        Net([(0, 1), (1, 2)]).over(3)


def test_half_a_link_carries_nothing() -> None:
    graph = graph_of(ROOT.record(Peer(1).key), Peer(1).hidden())
    with pytest.raises(UnavailableError, match="no neighbors yet"):
        Routes(graph, random.Random(1).randbytes).find(1, SIZE)


def test_who_routes_no_data_is_neither_relay_nor_exit() -> None:
    for silent in (1, 2):
        with pytest.raises(UnavailableError):
            Net(LINE[:2], silent=[silent]).over(2)


def test_one_who_routes_no_data_itself_finds_routes() -> None:
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
    cheap = {1: RatePack(1, 1, 1, 1)}
    assert Net(diamond, unable=[1], rates=cheap).over(2) == (0, 1, 3)
    net = Net(diamond, unable=[1], rates=cheap)
    route = net.find(2, extension=EXTENSION)
    assert net.numbers(route.over) == (0, 2, 3)
    assert net.numbers(route.back) == (3, 2, 0)
    with pytest.raises(UnavailableError):
        Net(diamond, unable=[3]).find(2, extension=EXTENSION)


def test_if_no_way_back_is_found_the_way_over_leads_back() -> None:
    net = Net(LINE[:3], unable=[0])  # We lack ourselves what we ask of others.
    route = net.find(3, extension=EXTENSION)
    assert net.numbers(route.back) == (3, 2, 1, 0)


@pytest.mark.parametrize("silent", [[], [0]])
def test_the_way_back_may_take_cheaper_relays_than_the_way_over(silent: list[int]) -> None:
    # A request is small: charges per package count. Its answer is large: charges per byte do.
    by_byte, by_package = RatePack(1_000, 0, 1, 1), RatePack(1, 2_000_000, 1, 1)
    net = Net([(0, 1), (1, 3), (0, 2), (2, 3)], rates={1: by_byte, 2: by_package}, silent=silent)
    route = net.find(2)
    assert net.numbers(route.over) == (0, 1, 3)
    assert net.numbers(route.back) == (3, 2, 0)
    assert [relay.key for relay in route.relays_back] == [net.key(2)]


def test_the_cheapest_first_step_is_not_taken_where_it_leads_to_a_dear_exit() -> None:
    cheap, dear = RatePack(1, 1, 1, 1), RatePack(1_000, 1_000, 1_000, 1_000)
    net = Net([(0, 1), (1, 3), (0, 2), (2, 4)], rates={1: cheap, 3: dear, 4: cheap})
    assert net.over(2) == (0, 1, 3), "default rates are dearer still"
    net = Net([(0, 1), (1, 3), (0, 2), (2, 4)], rates={1: cheap, 2: RatePack(2, 2, 2, 2), 3: dear, 4: cheap})
    assert net.over(2) == (0, 2, 4)


def test_rates_beyond_64_bits_do_not_wrap() -> None:
    absurd = RatePack(2**64 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1)
    net = Net([(0, 1), (1, 3), (0, 2), (2, 3)], rates={1: absurd})
    assert net.over(2) == (0, 2, 3)


def test_a_new_record_is_used_at_once() -> None:
    net = Net(LINE[:2])
    routes = Routes(net.graph, random.Random(1).randbytes)
    assert routes.find(2, SIZE)
    net.graph.forget(net.key(2))
    with pytest.raises(UnavailableError):
        routes.find(2, SIZE)


def test_a_node_that_is_its_own_exit_has_a_route_without_hops() -> None:
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
    assert {way[1] for way in firsts} == set(range(1, 7)), "the load spreads"


def test_one_search_after_the_other_settles_ties_anew() -> None:
    net = Net(FAN)
    routes = Routes(net.graph, random.Random(1).randbytes)
    assert len({routes.find(2, SIZE).over for _ in range(40)}) > 1


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=64, max_size=64))
def test_the_order_of_keys_is_a_number_of_64_bits(salt: bytes, key: bytes) -> None:
    assert 0 <= hash_of(salt, key) < 2**64
    assert hash_of(salt, key) == hash_of(salt, key)


# --- what a search may cost ---


def test_a_dense_graph_without_an_exit_is_given_up() -> None:
    count = 24  # All are our neighbors, so none can be the exit; there are a hundred million paths of six hops.
    net = Net(list(itertools.combinations(range(count), 2)))
    assert count**6 > 1_000 * BUDGET
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


def charge_over(net: Net, way: Path) -> int:
    rates = [net.rates.get(at, DEFAULT_RATE_PACK) for at in way[1:]]
    return sum(rate.routing_charge(SIZE) for rate in rates[:-1]) + rates[-1].exit_charge(SIZE)


def charge_back(net: Net, way: Path) -> int:
    return sum(net.rates.get(at, DEFAULT_RATE_PACK).routing_charge(SIZE * RESPONSE_RATIO) for at in way[1:])


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
def test_what_is_found_is_the_cheapest_of_all(
    edges: set[tuple[int, int]], rates: tuple[RatePack, ...], silent: set[int], avoid: set[int], hops: int
) -> None:
    net = Net(sorted(edges), rates=dict(enumerate(rates, 1)), silent=silent)
    ways = [way for way in paths(net, 0, hops, avoid) if is_route(net, way)]
    if not ways:
        with pytest.raises(UnavailableError):
            net.find(hops, avoid)
        return
    route = net.find(hops, avoid)
    over, back = net.numbers(route.over), net.numbers(route.back)
    assert over in ways
    assert charge_over(net, over) == min(charge_over(net, way) for way in ways)
    for length in range(hops, hops + EXTRA_HOPS + 1):
        home = [way for way in paths(net, over[-1], length, avoid) if way[-1] == 0]
        if home:
            assert back in home
            assert charge_back(net, back) == min(charge_back(net, way) for way in home)
            break
