"""Routes: the cheapest first, and of those equally dear one over Nodes that know circuits."""

from __future__ import annotations

import random

import pytest

from masq.core.network.graph import Graph
from masq.core.network.routing import Ceiling, Routes
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
        self.graph = Graph(self.records[0][0], NodeAddress("10.0.0.1", (6001,)), 0.0)
        for records in self.records[1:]:
            for record in records:
                self.graph.add(record, None, 0.0)
        self.routes = Routes(self.graph, source.randbytes)

    def able(self, key: bytes) -> bool:
        record = self.graph.record(key)
        assert record
        return EXTENSION in record.extensions


ALIKE = [(DEFAULT_RATE_PACK, False)] * 3 + [(DEFAULT_RATE_PACK, True)] + [(DEFAULT_RATE_PACK, False)] * 3


@pytest.mark.parametrize("seed", range(8))
def test_at_equal_cost_nodes_that_know_circuits_are_preferred(seed: int) -> None:
    net = Net(seed, ALIKE, ALIKE, ALIKE)
    assert all(net.able(key) for key in net.routes.find(3, 1_000).over)


@pytest.mark.parametrize("seed", range(4))
def test_a_cheaper_node_is_taken_though_it_knows_none(seed: int) -> None:
    net = Net(seed, [(DEFAULT_RATE_PACK, True), (CHEAP, False)], ALIKE)
    over = net.routes.find(2, 1_000).over
    assert not net.able(over[1])
    assert net.able(over[2])


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
