"""Scenarios T (neighborhood.md 11): Standard gossip, believed as far as it may be. Others are in tests/core/network."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.network_ends import ROOT, Ours, Peer, graph_of, kind_of, peers
from tests.node_ends import PORT, Nodes, events, record_of

from masq.core.limits import FRESH, MAX_VISITORS
from masq.core.links.links import GOSSIP_FLOW
from masq.core.network.gossip import GossipKind, patch
from masq.core.network.routing import ExitWish, Routes
from masq.types import Endpoint
from masq.wire.message import Gossip, GossipRecord, encode_message
from masq.wire.package import Package, single_hop

ALPHA, BETA, GAMMA, DELTA = peers(4)
NOISE = Peer(61).hidden()
"""A record that nobody lists: it makes any message a round."""


def linked() -> Ours:
    ours = Ours()
    ours.befriends(ALPHA)
    return ours


def hidden(peer: Peer, country: str, *listed: Peer) -> GossipRecord:
    return GossipRecord(peer.record(*(other.key for other in listed), country=country), None)


def test_T1_records_are_kept_as_they_were_told_and_exits_are_taken_where_they_are_wanted() -> None:
    ours = linked()
    told = [
        ALPHA.shown(ours.key, BETA.key, GAMMA.key, version=3),
        hidden(BETA, "AU", ALPHA),
        hidden(GAMMA, "FR", ALPHA),
    ]
    ours.hears(ALPHA, *told)
    assert [ours.graph.record(peer.key) for peer in (ALPHA, BETA, GAMMA)] == [item.record for item in told]
    routes = Routes(ours.graph, random.Random(1).randbytes)
    routes.exits = ExitWish((frozenset(("AU",)),), fallback=True)
    assert {routes.find(2, 1_000).exit.key for _ in range(40)} == {BETA.key}


def test_T3_a_round_in_which_nobody_is_at_its_speaker_s_address_is_one_all_the_same() -> None:
    graph = graph_of(ROOT.record(ALPHA.key), ALPHA.shown(ROOT.key))
    assert kind_of(graph, DELTA, ALPHA.hidden(version=2), BETA.hidden(), GAMMA.hidden()) is GossipKind.STANDARD


def test_T5_what_becomes_of_nodes_beyond_the_radius_is_no_news() -> None:
    ours = linked()
    line = [ALPHA, *peers(4, 10)]
    around = [[ours.key], *([node.key] for node in line)]
    items = [
        node.shown(*before, after.key, version=3) if node is ALPHA else node.hidden(*before, after.key)
        for node, before, after in zip(line, around, line[1:], strict=False)
    ]
    ours.hears(ALPHA, *items, line[4].hidden(line[3].key))
    ours.waits(6.0)
    known = list(ours.graph)
    assert len(known) == 1 + 3
    farther = [line[3].hidden(line[2].key, line[4].key, GAMMA.key, version=2), GAMMA.hidden(line[3].key)]
    assert ours.hears(ALPHA, *items[:3], *farther) == []
    assert list(ours.graph) == known
    assert ours.waits(10.0) == []


def test_T6_whom_we_list_may_be_missing_in_a_message() -> None:
    graph = graph_of(ROOT.record(ALPHA.key, BETA.key), ALPHA.shown(ROOT.key), BETA.shown(ROOT.key))
    assert patch(Gossip((ALPHA.hidden(version=2), GAMMA.hidden())), graph, 3).keys() == {ALPHA.key}


def test_T10_B24_a_speaker_that_our_neighbor_lists_is_kept_with_its_address_and_listed_and_nobody_beside_it() -> None:
    """0.9.1 lists it at once, whoever waits. Ours keeps ten seconds for those that came before: see D13."""
    ours = linked()
    for visitor in peers(MAX_VISITORS, 40):
        ours.hears(visitor, visitor.shown())
    said = [BETA.shown(ALPHA.key), ALPHA.hidden(ours.key, BETA.key, version=3), GAMMA.hidden()]
    ours.hears(BETA, *said)
    assert ours.graph.address(BETA.key) == BETA.address
    assert not ours.lists(BETA)
    ours.waits(FRESH + 1.0)
    ours.hears(BETA, *said)
    assert ours.lists(BETA)
    assert not ours.knows(GAMMA)


def test_T12_T13_neighbors_are_remembered_anew_when_a_link_is_full_or_lost_by_a_message_and_not_otherwise() -> None:
    """0.9.1 tells its window of the first alone; what ours shows is the stage, which goes down, too (L10)."""
    ours = Ours()
    ours.hears(ALPHA, ALPHA.shown())
    assert (ours.full, ours.saved) == ([], [])
    ours.hears(ALPHA, ALPHA.shown(ours.key, version=2), BETA.hidden())
    assert (ours.full, len(ours.saved)) == ([ALPHA.key], 1)
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3), NOISE)
    assert (ours.full, len(ours.saved)) == ([ALPHA.key], 1)
    ours.hears(ALPHA, ALPHA.shown(BETA.key, version=4), BETA.hidden())
    assert ours.full == []
    assert not ours.lists(ALPHA)


def test_T14_a_message_with_a_record_that_cannot_be_read_is_dropped_whole() -> None:
    nodes = Nodes()
    one, other = nodes.add(), nodes.add()
    nodes.line(one, other)
    own, key = one.node.keys, other.node.keys.public_key
    newer = GossipRecord(record_of(one, frozenset((key, BETA.key))), None)
    whole = BETA.record()
    for record, event, known in (
        (replace(whole, signed_data=whole.signed_data[:-3]), "package_dropped", 2),
        (whole, "", 3),
    ):
        message = encode_message(Gossip((newer, GossipRecord(record, None))))
        package = Package(single_hop(own, key), own.seal(key, message))
        nodes.do(one, one.node.links.send(Endpoint(other.ip, PORT), key, package, GOSSIP_FLOW, True, nodes.now))
        assert events(other) == [event] * bool(event)
        assert len(other.node.neighborhood.graph) == known


def test_T18_with_one_hop_exits_are_in_the_countries_of_neighbors() -> None:
    """0.9.1 would go farther than it was told to; ours never has more hops than are set (decisions.md)."""
    ours = Ours()
    ours.hears(ALPHA, ALPHA.shown())
    ours.hears(
        ALPHA,
        GossipRecord(ALPHA.record(ours.key, BETA.key, version=2, country="US"), ALPHA.address),
        hidden(BETA, "FR", ALPHA),
        NOISE,
    )
    routes = Routes(ours.graph, random.Random(1).randbytes)
    for country, hops, exit in (("US", 1, ALPHA), ("FR", 2, BETA)):
        routes.exits = ExitWish((frozenset((country,)),), fallback=False)
        assert routes.find(hops, 1_000).exit.key == exit.key
