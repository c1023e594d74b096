"""Proposals B (neighborhood.md 10.4) that no other test shows: most are in tests/core/network and tests/attacks."""

from __future__ import annotations

import random

import pytest
from tests.network_ends import ROOT, Ours, Peer, graph_of, peers, told_record

from masq.core.network.routing import ExitWish, Routes
from masq.errors import UnavailableError
from masq.types import DEFAULT_RATE_PACK, NodeAddress
from masq.wire.message import GossipRecord, NodeRecord

ALPHA, BETA, GAMMA, DELTA = peers(4)
NEW = Peer(50)


def test_B13_no_two_nodes_of_a_route_have_one_wallet_or_one_network() -> None:
    """Among Nodes of one house they all do, and nobody minds."""

    def known(peer: Peer, owner: int, ip: str, *listed: Peer) -> GossipRecord:
        keys = frozenset(other.key for other in listed)
        wallet = bytes([owner]) * 20
        record = NodeRecord.sign(peer.keys, wallet, DEFAULT_RATE_PACK, keys, True, True, 1, None, ())
        return GossipRecord(record, NodeAddress(ip, (6001,)))

    def ends(diverse: bool, *exits: GossipRecord) -> set[bytes]:
        relay = known(ALPHA, 1, "198.51.100.1", ROOT, BETA, GAMMA, DELTA)
        routes = Routes(graph_of(ROOT.record(ALPHA.key), relay, *exits), random.Random(1).randbytes, diverse=diverse)
        return {routes.find(2, 1_000).exit.key for _ in range(60)}

    same_owner = known(BETA, 1, "203.0.113.1", ALPHA)
    same_network = known(GAMMA, 2, "198.51.7.7", ALPHA)
    other = known(DELTA, 3, "192.0.2.1", ALPHA)
    assert ends(True, same_owner, same_network, other) == {DELTA.key}
    assert ends(False, same_owner, same_network, other) == {BETA.key, GAMMA.key, DELTA.key}
    with pytest.raises(UnavailableError, match="no two Nodes of a route may have one wallet or be of one network"):
        ends(True, same_owner, same_network)


def test_B17_a_country_is_what_its_node_says() -> None:
    """Of an exit we know no address to hold against it, as it is no neighbor of ours."""
    ours = Ours()
    ours.befriends(ALPHA)
    exit = GossipRecord(BETA.record(ALPHA.key, country="AU"), None)
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3), exit, GAMMA.hidden())
    routes = Routes(ours.graph, random.Random(1).randbytes)
    routes.exits = ExitWish((frozenset(("AU",)),), fallback=False)
    assert routes.find(2, 1_000).exit.key == BETA.key
    assert ours.graph.address(BETA.key) is None


@pytest.mark.parametrize("accepts", [True, False])
def test_B23_who_debuts_and_lists_us_already_is_a_full_neighbor_at_once(accepts: bool) -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    said = NEW.shown(ours.key) if accepts else NEW.hidden(ours.key, accepts=False)
    tells = {tell.key: tell for tell in ours.hears(NEW, said)}
    assert NEW.key in ours.full
    assert tells.keys() == {ALPHA.key, NEW.key}
    assert told_record(tells[NEW.key], ours.key).record.neighbors == {ALPHA.key, NEW.key}


def test_B23_a_debut_of_ours_lists_nobody_whom_we_do_not_list() -> None:
    ours = Ours(ALPHA.contact())
    (debut,) = ours.starts()
    assert told_record(debut, ours.key).record.neighbors == frozenset()
