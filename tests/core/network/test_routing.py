"""Routes: drawn by price, over few first hops, and rather over Nodes that know circuits."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace

import pytest

from masq.core.network.graph import Graph
from masq.core.network.guards import FEW_EXITS, GUARDS, REMEMBERED, Guards
from masq.core.network.reputation import Reputation
from masq.core.network.routing import Ceiling, ExitWish, Routes
from masq.crypto import CryptDE
from masq.errors import UnavailableError
from masq.types import CHAINS, DEFAULT_RATE_PACK, NodeAddress, RatePack
from masq.wire.circuit import EXTENSION
from masq.wire.message import NodeRecord

CHEAP = RatePack(1, 1, 1, 1)


class Net:
    """Nodes in layers, each linked to all of the layers beside it; the first layer is the root."""

    def __init__(self, seed: int, *layers: list[tuple[RatePack, bool]]) -> None:
        source = random.Random(seed)
        made = [
            [(CryptDE(CHAINS["dev"].contract, source.randbytes), *node) for node in layer]
            for layer in ([(DEFAULT_RATE_PACK, True)], *layers)
        ]
        self.records: list[list[NodeRecord]] = []
        for number, layer in enumerate(made):
            beside = [*(made[number - 1] if number else []), *(made[number + 1] if number + 1 < len(made) else [])]
            neighbors = frozenset(keys.public_key for keys, _, _ in beside)
            self.records.append(
                [
                    NodeRecord.sign(
                        keys, bytes(20), rates, neighbors, True, True, 0, None, (EXTENSION,) if able else ()
                    )
                    for keys, rates, able in layer
                ]
            )
        self._keys = {keys.public_key: keys for layer in made for keys, _, _ in layer}
        self.graph = Graph(self.records[0][0], NodeAddress("10.0.0.1", (6001,)), 0.0)
        for records in self.records[1:]:
            for record in records:
                self.graph.add(record, None, 0.0)
        self.routes = Routes(self.graph, source.randbytes)

    def lists(self, record: NodeRecord, *others: NodeRecord) -> None:
        """A Node lists these alone, from now on."""
        neighbors = frozenset(other.public_key for other in others)
        keys, rates = self._keys[record.public_key], record.rates
        self.graph.update(NodeRecord.sign(keys, bytes(20), rates, neighbors, True, True, 1, None, ()), None, 0.0)

    def able(self, key: bytes) -> bool:
        record = self.graph.record(key)
        assert record
        return EXTENSION in record.extensions


ALIKE = [(DEFAULT_RATE_PACK, False)] * 3 + [(DEFAULT_RATE_PACK, True)] + [(DEFAULT_RATE_PACK, False)] * 3


def test_nodes_that_know_circuits_are_drawn_four_times_as_often() -> None:
    net = Net(1, ALIKE, ALIKE, ALIKE)
    exits = [net.able(net.routes.find(3, 1_000).over[-1]) for _ in range(1_000)]
    assert 340 < sum(exits) < 460, "4 of 10"


def test_who_asks_for_less_than_most_gains_nothing_and_twice_the_price_halves_the_traffic() -> None:
    half, twice = (RatePack(*(int(rate * part) for rate in DEFAULT_RATE_PACK)) for part in (0.5, 2))
    exits = [(half, False), (DEFAULT_RATE_PACK, False), (DEFAULT_RATE_PACK, False), (twice, False)]
    net = Net(2, [(DEFAULT_RATE_PACK, False)], exits)
    taken = Counter(net.routes.find(2, 1_000).over[-1] for _ in range(3_500))
    cheap, one, other, dear = (taken[record.public_key] for record in net.records[2])
    assert all(900 < count < 1_100 for count in (cheap, one, other))
    assert 420 < dear < 580


def test_the_one_exit_behind_a_relay_is_drawn_no_more_often_than_each_of_those_behind_another() -> None:
    net = Net(4, [(DEFAULT_RATE_PACK, False)], [(DEFAULT_RATE_PACK, False)] * 2, [(DEFAULT_RATE_PACK, False)] * 4)
    (first,), relays, exits = net.records[1:]
    for relay, leaves in zip(relays, (exits[:3], exits[3:]), strict=True):
        net.lists(relay, first, *leaves)
        for leaf in leaves:
            net.lists(leaf, relay)
    drawn = Counter(net.routes.find(3, 1_000).over[-1] for _ in range(4_000))
    assert all(880 < drawn[leaf.public_key] < 1_120 for leaf in exits)


def test_first_hops_are_three_and_stay_the_same_over_restarts() -> None:
    net = Net(3, [(DEFAULT_RATE_PACK, False)] * 7, [(DEFAULT_RATE_PACK, False)] * FEW_EXITS)
    first = {net.routes.find(2, 1_000).over[1] for _ in range(200)}
    assert len(first) == GUARDS
    again = Routes(net.graph, random.Random(7).randbytes, reputation=Reputation(saved_guards=None))
    again.guards = Guards(net.routes.guards.text)
    assert {again.find(2, 1_000).over[1] for _ in range(200)} == first
    gone = min(first)
    others = {again.find(2, 1_000, [gone]).over[1] for _ in range(200)}
    assert len(others) == GUARDS
    assert first - {gone} < others
    assert {again.find(2, 1_000).over[1] for _ in range(200)} == first, "who comes back is a guard again"


def test_over_one_hop_three_see_who_we_are_and_what_we_visit() -> None:
    net = Net(3, [(DEFAULT_RATE_PACK, False)] * 7)
    assert len({net.routes.find(1, 1_000).over[1] for _ in range(200)}) == GUARDS


def test_there_are_more_first_hops_while_these_lead_to_few_exits() -> None:
    exits = {bytes([first]): [bytes([first, number]) for number in range(5)] for first in range(6)}
    guards = Guards()
    assert guards.among([*exits], exits.__getitem__) == [*exits][:4], "20 exits"
    exits[b"\x00"] = []
    assert guards.among([*exits], exits.__getitem__) == [*exits][:5]


def test_nobody_becomes_a_first_hop_by_inventing_exits() -> None:
    there = [b"a", b"b", b"c", b"liar"]
    invented = [bytes([number]) for number in range(200)]
    honest = Guards().among(there, lambda key: invented if key == b"liar" else [key + bytes([n]) for n in range(6)])
    assert honest == there[:3]


def test_what_was_saved_of_guards_may_be_anything() -> None:
    assert Guards("no json").among([b"a"], lambda key: ()) == [b"a"]
    assert len(json.loads(Guards(json.dumps(["61"] * 50)).text)) == REMEMBERED


def test_with_the_extension_demanded_there_is_no_way_around_one_that_lacks_it() -> None:
    net = Net(1, [(DEFAULT_RATE_PACK, False)], ALIKE)
    assert net.routes.find(2, 1_000).over
    with pytest.raises(UnavailableError):
        net.routes.find(2, 1_000, (), EXTENSION)


def test_another_ceiling_counts_for_the_next_route() -> None:
    net = Net(1, [(CHEAP, True)])
    assert net.routes.find(1, 1000)
    net.routes.pay_at_most(Ceiling(RatePack(0, 0, 0, 0)))
    with pytest.raises(UnavailableError, match="ask for more than max-rate-pack"):
        net.routes.find(1, 1000)
    net.routes.pay_at_most(Ceiling())
    assert net.routes.find(1, 1000)


def test_a_route_is_found_again_as_long_as_nothing_on_its_way_has_changed_for_the_worse() -> None:
    net = Net(1, ALIKE, ALIKE, ALIKE)
    route = net.routes.find(3, 1_000)
    before = net.graph.revision
    assert net.routes.finds_again(route, -1)
    assert net.routes.finds_again(route, before)
    net.routes.pay_at_most(Ceiling(RatePack(0, 0, 0, 0)))
    assert not net.routes.finds_again(route, -1), "it is too dear"
    net.routes.pay_at_most(Ceiling())
    net.routes.exits = ExitWish((frozenset({"DE"}),))
    assert not net.routes.finds_again(route, -1), "its exit is elsewhere"
    net.routes.exits = ExitWish()
    relay = net.graph.record(route.over[2])
    assert relay
    net.graph.update(replace(relay, routes_data=False, version=1), None, 0.0)
    assert not net.routes.finds_again(route, -1), "a relay serves no more"
    net.graph.update(replace(relay, neighbors=frozenset(), version=2), None, 0.0)
    assert not net.routes.finds_again(route, -1), "it has no neighbors any more"
    assert not net.routes.finds_again(route, before)
    net.graph.forget(relay.public_key)
    assert not net.routes.finds_again(route, net.graph.revision), "it is gone"
    assert not net.routes.finds_again(route, -1), "nobody knows it"


def test_a_compromise_is_not_found_again_but_looked_for() -> None:
    net = Net(1, ALIKE)
    route = net.routes.find(1, 1_000)
    assert net.routes.finds_again(route, -1)
    assert not net.routes.finds_again(replace(route, compromise="an exit that is a neighbor"), 10**6)


def test_a_route_whose_exit_is_our_neighbor_by_now_is_not_found_again() -> None:
    net = Net(1, ALIKE, ALIKE)
    route = net.routes.find(2, 1_000)
    root, exit = net.graph.root, net.graph.record(route.exit.key)
    assert exit
    net.graph.set_root(replace(root, neighbors=root.neighbors | {exit.public_key}))
    net.graph.update(replace(exit, neighbors=exit.neighbors | {root.public_key}, version=1), None, 0.0)
    assert not net.routes.finds_again(route, -1)
    assert net.routes.find(2, 1_000).exit.key != route.exit.key
