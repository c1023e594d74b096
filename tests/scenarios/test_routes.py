"""Scenarios R and X (neighborhood.md 11): routes, exits by country, questions. Others: tests/core, tests/settings."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from tests.core.network.test_routing_ways import SIZE, Net, paths
from tests.node_ends import Nodes, One, record_of
from tests.package_ends import User

from masq.core.network.routing import ExitWish, Routes
from masq.errors import UnavailableError
from masq.types import DEFAULT_RATE_PACK, RatePack
from masq.wire.package import round_trip

GRID = [
    (5 * row + column, 5 * row + column + step)
    for row, column in itertools.product(range(5), range(5))
    for step in ([1] if column < 4 else []) + ([5] if row < 4 else [])
]
L = 11
"""The Node of a grid of five by five, A to Y, at which searches begin: second in the third row."""


def grid(**settings: object) -> Net:
    """A grid whose Node L is the root: it and A have changed places."""
    places = {0: L, L: 0}
    return Net([(places.get(one, one), places.get(other, other)) for one, other in GRID], **settings)  # type: ignore[arg-type]


def wish(*groups: set[str], fallback: bool = True) -> ExitWish:
    return ExitWish(tuple(map(frozenset, groups)), fallback)


def exits(net: Net, hops: int) -> set[int]:
    """Of many routes."""
    routes = Routes(net.graph, random.Random(1).randbytes)
    routes.exits = net.exits
    return {net.numbers(routes.find(hops, SIZE).over)[-1] for _ in range(200)}


# --- routes ---


def test_R1_each_exit_as_far_as_asked_is_taken_though_one_of_them_is_cheaper() -> None:
    """0.9.1 takes the cheapest, always."""
    net = Net([(0, 1), (1, 2), (2, 3), (1, 4)], rates={2: RatePack(*(rate // 2 for rate in DEFAULT_RATE_PACK))})
    routes = Routes(net.graph, random.Random(1).randbytes)
    found = [routes.find(2, SIZE) for _ in range(50)]
    assert {net.numbers(route.over) for route in found} == {(0, 1, 2), (0, 1, 4)}
    for route in found:
        assert route.back == route.over[::-1]
        assert [relay.key for relay in route.relays_over] == [relay.key for relay in route.relays_back] == [net.key(1)]
        assert route.exit.key == route.over[-1]


@pytest.mark.parametrize("hops", range(1, 7))
def test_R2_a_round_trip_of_n_hops_has_two_elements_for_each_one_more_and_the_last_is_its_number(hops: int) -> None:
    nodes = Nodes()
    chain = [nodes.add(hops=hops) for _ in range(hops + 1)]
    nodes.line(*chain)
    route = chain[0].node.routes.find(hops, SIZE)
    elements = round_trip(chain[0].node.keys, route.over, route.back, lambda key: None, 7)
    assert len(elements) == 2 * (hops + 1)


def test_R9_on_a_grid_every_way_of_three_hops_is_found_and_none_to_a_neighbor() -> None:
    """0.9.1 takes the cheapest way from L to N, which is L, G, H, I, N; ours has no target, and draws."""
    net = grid()
    ways = {way for way in paths(net, 0, 3, ()) if way[-1] not in net.beside(0)}
    assert exits(net, 3) == {way[-1] for way in ways}
    assert {net.over(3, seed=seed) for seed in range(100)} <= ways


@pytest.mark.parametrize(("size", "cheaper"), [(1, 2), (100_000, 3)])
def test_R10_what_a_relay_costs_depends_on_how_much_is_asked_for(size: int, cheaper: int) -> None:
    """One is cheap for each package, the other for each byte. 0.9.1 takes the cheaper one; ours draws it more often."""
    per_package, per_byte = RatePack(1_000, 1, 1, 1), RatePack(1, 5_000_000, 1, 1)
    net = Net([(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)], rates={2: per_package, 3: per_byte})
    routes = Routes(net.graph, random.Random(1).randbytes)
    taken = Counter(net.numbers(routes.find(3, size).over)[2] for _ in range(200))
    assert taken[cheaper] > 120


def test_R11_R12_charges_are_a_service_rate_and_a_rate_for_each_byte() -> None:
    """An exit that could not look a name up costs nothing more: it is left out for that stream (R16)."""
    rates = RatePack(routing_byte_rate=3, routing_service_rate=5, exit_byte_rate=2_348, exit_service_rate=2_745)
    assert rates.exit_charge(1_000) == 2_350_745
    assert rates.routing_charge(1_000) == 3_005


def test_R13_R14_numbers_of_ways_home_grow_by_one_and_begin_again() -> None:
    """0.9.1 begins at 0, and skips it then; ours begins anywhere, so that answers of before a restart are nobody's."""
    user = User()
    user.entry._next_return_id = 0xFFFFFFFF
    for group in "abc":
        user.open(group=group)
    assert [stream.way.return_id for stream in user.entry] == [0xFFFFFFFF, 0, 1]


# --- exits by country ---


X1_COUNTRIES = {1: "CZ", 2: "US", 3: "DE", 4: "SK", 5: "AT", 6: "PL"}
X1_EDGES = [(0, 1), (1, 2), (1, 3), (2, 4), (3, 5), (5, 6)]


@pytest.mark.parametrize(
    ("hops", "there", "missing"),
    [
        pytest.param(3, {4}, (), id="SK is preferred"),
        pytest.param(3, {5}, (4,), id="then AT"),
        pytest.param(4, {6}, (), id="PL is farther than the others"),
        pytest.param(2, {3}, (), id="and DE nearer"),
    ],
)
def test_X1_the_first_group_that_has_an_exit_as_far_as_asked_is_taken(
    hops: int, there: set[int], missing: tuple[int, ...]
) -> None:
    """0.9.1 goes on to PL with three hops, too: see T18."""
    edges = [edge for edge in X1_EDGES if edge[1] not in missing]
    net = Net(edges, countries=X1_COUNTRIES)
    net.exits = wish({"CZ", "SK"}, {"AT", "DE"}, {"PL"})
    assert exits(net, hops) == there
    assert not net.find(hops).compromise


def test_X2_a_wish_for_who_is_too_close_gives_way_to_the_next_one_and_no_wish_to_all() -> None:
    net = Net([(0, 1), (1, 2), (1, 3)], countries={1: "CZ", 2: "FR", 3: "US"})
    routes = Routes(net.graph, random.Random(1).randbytes)
    for groups, there in (((frozenset(("CZ",)), frozenset(("FR",))), {2}), ((), {2, 3})):
        routes.exits = ExitWish(groups, fallback=False)
        assert {net.numbers(routes.find(2, SIZE).over)[-1] for _ in range(50)} == there


def test_X3_where_none_of_the_wanted_countries_is_that_is_said_and_any_other_taken() -> None:
    net = Net([(0, 1), (1, 2)], countries={1: "AU", 2: "FR"})
    net.exits = wish({"CZ"}, {"SK"}, {"IN"})
    assert "exit-location" in net.find(2).compromise
    net.exits = wish({"CZ"}, {"SK"}, {"IN"}, fallback=False)
    with pytest.raises(UnavailableError, match="CZ, IN, SK"):
        net.find(2)


@pytest.mark.parametrize(("hops", "exit"), [(3, 3), (2, None), (1, 1), (4, None)])
def test_X4_how_many_hops_are_set_decides_which_countries_there_are(hops: int, exit: int | None) -> None:
    """0.9.1 finds US with two hops, too: see T18."""
    net = Net([(0, 1), (1, 2), (2, 3)], countries={0: "AU", 1: "FR", 2: "CN", 3: "US"})
    net.exits = wish({"FR"}, {"US"}, fallback=False)
    if exit is None:
        with pytest.raises(UnavailableError, match="FR, US"):
            net.find(hops)
    else:
        assert exits(net, hops) == {exit}


@pytest.mark.parametrize(("country", "there"), [("CZ", {2}), ("DE", set())])
def test_X5_X6_on_a_grid_the_one_exit_of_a_country_is_found_or_none(country: str, there: set[int]) -> None:
    net = grid(countries={2: "CZ", 19: "CZ"})  # C and T, which is four hops away.
    net.exits = wish({country}, fallback=False)
    if there:
        assert exits(net, 3) == there
    else:
        with pytest.raises(UnavailableError, match="no exit is known in DE"):
            net.find(3)


@pytest.mark.parametrize(("country", "fallback"), [("AU", True), ("FR", False)])
def test_X7_X8_B15_an_exit_where_it_is_wanted_is_taken_though_others_are_cheaper(country: str, fallback: bool) -> None:
    cheap, dear = RatePack(1, 1, 1, 1), RatePack(*[100_000] * 4)
    net = Net([(0, 1), (1, 2), (1, 3)], countries={2: country, 3: "DE"}, rates={2: dear, 3: cheap})
    net.exits = wish({country}, fallback=fallback)
    assert exits(net, 2) == {2}


# --- questions ---


def test_X12_the_network_is_shown_with_all_links_between_known_nodes() -> None:
    """0.9.1 gives a text for Graphviz, with unknown Nodes, too; ours gives the values of which pages draw theirs."""
    nodes = Nodes()
    chain = [nodes.add() for _ in range(4)]
    nodes.line(*chain)
    user = chain[0].node

    def listed(one: One) -> set[bytes]:
        record = user.neighborhood.graph.record(one.node.keys.public_key)
        assert record
        return set(record.neighbors)

    last = record_of(chain[3], frozenset((*listed(chain[3]), b"n" * 64)))
    user.neighborhood.graph.add(last, None, nodes.now)
    shown = user.view(nodes.now).nodes
    keys = [one.node.keys.public_key.hex() for one in chain]
    assert sorted(node.key for node in shown) == sorted(keys)
    links = {(node.key, shown[place].key) for node in shown for place in node.neighbors}
    assert links == {pair for one, other in itertools.pairwise(keys) for pair in ((one, other), (other, one))}
    assert len(links) == 6
    assert [node.address for node in shown if node.key == keys[0]] == ["10.0.0.1:6001"]
