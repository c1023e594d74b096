"""Gossip: which kind a message is and what is refused, what of it is believed, and what a round tells whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.network_ends import ROOT, Peer, graph_of, kind_of, peers

from masq.core.network.gossip import (
    GossipKind,
    GossipRefused,
    classify,
    may_be_dialled,
    parts,
    patch,
    standard_for,
    usable,
)
from masq.core.network.graph import Graph
from masq.core.offence import Rule
from masq.types import NodeAddress, PublicKey
from masq.wire.message import MAX_RECORDS, Gossip, GossipRecord, encode_message

ALPHA, BETA, GAMMA, DELTA = peers(4)
EMPTY = graph_of(ROOT.record())
LINKED = graph_of(ROOT.record(ALPHA.key), ALPHA.shown(ROOT.key))
"""Alpha is our full neighbor."""


def asks(listed: bool, lists_us: bool) -> tuple[Graph, GossipRecord]:
    """Alpha is known, and speaks of itself again: whether we list it, and it lists us."""
    graph = graph_of(ROOT.record(*([ALPHA.key] if listed else [])), ALPHA.shown())
    return graph, ALPHA.shown(*([ROOT.key] if lists_us else []), version=2)


# --- one record ---


def test_an_unknown_node_at_its_address_debuts() -> None:
    assert kind_of(EMPTY, ALPHA, ALPHA.shown()) is GossipKind.DEBUT


def test_an_unknown_node_without_a_listener_debuts_without_address() -> None:
    assert kind_of(EMPTY, ALPHA, ALPHA.hidden(accepts=False)) is GossipKind.DEBUT


@pytest.mark.parametrize("graph", [EMPTY, LINKED])
def test_one_record_with_another_address_is_a_pass_whoever_it_names(graph: Graph) -> None:
    assert kind_of(graph, BETA, ALPHA.shown()) is GossipKind.PASS


def test_a_known_node_that_is_linked_both_ways_says_what_is_new() -> None:
    graph, item = asks(listed=True, lists_us=True)
    assert kind_of(graph, ALPHA, item) is GossipKind.STANDARD


@pytest.mark.parametrize(("listed", "lists_us"), [(False, False), (True, False), (False, True)])
def test_a_known_node_that_is_not_linked_both_ways_debuts_again(listed: bool, lists_us: bool) -> None:
    """D17."""
    graph, item = asks(listed, lists_us)
    assert kind_of(graph, ALPHA, item) is GossipKind.DEBUT


@pytest.mark.parametrize("accepts", [True, False])
def test_a_known_node_may_leave_its_address_out_where_it_is_known(accepts: bool) -> None:
    assert kind_of(LINKED, ALPHA, ALPHA.hidden(ROOT.key, version=2, accepts=accepts)) is GossipKind.STANDARD


def test_a_known_node_that_accepts_connections_may_not_leave_its_address_out_elsewhere() -> None:
    with pytest.raises(GossipRefused, match="no address"):
        kind_of(LINKED, BETA, ALPHA.hidden(ROOT.key, version=2))


def test_a_known_node_without_a_listener_debuts_from_wherever_it_is_now() -> None:
    assert kind_of(LINKED, BETA, ALPHA.hidden(ROOT.key, version=2, accepts=False)) is GossipKind.DEBUT


def test_a_stranger_that_accepts_connections_has_to_say_where() -> None:
    with pytest.raises(GossipRefused, match="no address"):
        kind_of(EMPTY, ALPHA, ALPHA.hidden())


@pytest.mark.parametrize("graph", [EMPTY, LINKED])
def test_who_accepts_no_connections_has_no_address_to_show(graph: Graph) -> None:
    with pytest.raises(GossipRefused, match="accepts no connections"):
        kind_of(graph, ALPHA, ALPHA.shown(accepts=False))


@pytest.mark.parametrize("item", [ROOT.shown(), ROOT.hidden(), ROOT.hidden(accepts=False)])
def test_nobody_tells_us_of_ourselves(item: GossipRecord) -> None:
    with pytest.raises(GossipRefused, match="our own record"):
        kind_of(EMPTY, ALPHA, item)


@pytest.mark.parametrize("others", [(), (BETA.shown(),), (BETA.hidden(), GAMMA.hidden())])
def test_an_address_without_ports_is_refused_in_every_kind(others: tuple[GossipRecord, ...]) -> None:
    item = replace(ALPHA.shown(), address=NodeAddress(ALPHA.ip, ()))
    with pytest.raises(GossipRefused, match="ports"):
        kind_of(EMPTY, ALPHA, *others, item)


# --- two records ---


@pytest.mark.parametrize("turned", [False, True])
def test_two_addresses_one_of_them_the_speakers_introduce(turned: bool) -> None:
    items = [ALPHA.shown(ROOT.key), BETA.shown()]
    assert kind_of(EMPTY, ALPHA, *(reversed(items) if turned else items)) is GossipKind.INTRODUCTION


def test_a_known_introducee_is_introduced_by_one_whom_we_do_not_list() -> None:
    """I6."""
    graph = graph_of(ROOT.record(BETA.key), BETA.shown(ROOT.key))
    assert kind_of(graph, ALPHA, ALPHA.shown(ROOT.key), BETA.shown()) is GossipKind.INTRODUCTION


def test_a_known_introducee_of_a_listed_introducer_is_no_news_but_a_round() -> None:
    """I6."""
    graph = graph_of(ROOT.record(ALPHA.key, BETA.key), ALPHA.shown(ROOT.key), BETA.shown(ROOT.key))
    assert kind_of(graph, ALPHA, ALPHA.shown(ROOT.key), BETA.shown()) is GossipKind.STANDARD


@pytest.mark.parametrize("items", [(ALPHA.shown(), BETA.hidden()), (ALPHA.hidden(), BETA.hidden())])
def test_two_records_without_two_addresses_are_a_round(items: tuple[GossipRecord, ...]) -> None:
    """I7."""
    assert kind_of(EMPTY, ALPHA, *items) is GossipKind.STANDARD


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ((BETA.shown(), GAMMA.shown()), "neither of them the sender's"),
        ((ALPHA.shown(), ROOT.shown()), "our own record"),
        ((replace(ROOT.shown(), address=ALPHA.address), BETA.shown()), "our own record"),
    ],
)
def test_an_introduction_that_cannot_be_is_refused(items: tuple[GossipRecord, ...], why: str) -> None:
    """I8, I10."""
    with pytest.raises(GossipRefused, match=why):
        kind_of(EMPTY, ALPHA, *items)


# --- rounds ---


def test_a_round_that_holds_our_own_record_is_refused_and_held_against_its_sender() -> None:
    with pytest.raises(GossipRefused, match="our own record") as caught:
        kind_of(EMPTY, ALPHA, ALPHA.shown(), GAMMA.hidden(), ROOT.hidden())
    assert caught.value.rule is Rule.DECEPTIVE_GOSSIP


@pytest.mark.parametrize(
    "address", [ROOT.address, GAMMA.address, NodeAddress(BETA.ip, ())], ids=["our own", "of two Nodes", "no ports"]
)
def test_an_address_that_cannot_be_is_left_out_and_the_rest_counts(address: NodeAddress) -> None:
    """T2: whoever sends it may have been told it by somebody who wants it silenced."""
    message = Gossip((ALPHA.shown(), GAMMA.shown(), replace(BETA.shown(), address=address)))
    cleared = usable(message, EMPTY)
    assert [item.record for item in cleared.records] == [item.record for item in message.records]
    assert cleared.records[0] == ALPHA.shown()
    assert cleared.records[2].address is None
    assert classify(cleared, ALPHA.source, EMPTY) is GossipKind.STANDARD


def test_a_round_of_anything_else_is_taken() -> None:
    assert kind_of(EMPTY, ALPHA, ALPHA.shown(), BETA.shown(), GAMMA.hidden()) is GossipKind.STANDARD


@given(st.data())
def test_every_message_is_of_one_kind_or_refused(data: st.DataObject) -> None:
    graph = data.draw(st.sampled_from([EMPTY, LINKED]))
    everybody = [ROOT, ALPHA, BETA, GAMMA]
    items = [
        GossipRecord(
            who.record(*data.draw(st.lists(st.sampled_from([peer.key for peer in everybody])))),
            data.draw(st.sampled_from([None, ROOT.address, who.address, BETA.address, NodeAddress("0.0.0.0", ())])),
        )
        for who in data.draw(st.lists(st.sampled_from(everybody), max_size=4))
    ]
    try:
        kind = kind_of(graph, ALPHA, *items)
    except GossipRefused:
        return
    own = any(item.record.public_key == ROOT.key for item in items)
    assert kind is GossipKind.PASS or not own, "what is believed is never of us"


# --- the patch ---


def chain(*nodes: Peer) -> Gossip:
    """Each lists the next one."""
    following = [[other.key] for other in nodes[1:]] + [[]]
    return Gossip(tuple(node.hidden(*listed) for node, listed in zip(nodes, following, strict=True)))


@pytest.mark.parametrize("radius", range(1, 7))
def test_records_are_believed_as_far_as_the_radius(radius: int) -> None:
    """T4, T7."""
    graph = graph_of(ROOT.record(ALPHA.key), ALPHA.shown(ROOT.key))
    nodes = peers(8)
    assert list(patch(chain(*nodes), graph, radius)) == [node.key for node in nodes[:radius]]


def test_where_we_list_nobody_nothing_is_believed() -> None:
    assert patch(chain(ALPHA, BETA), EMPTY, 3) == {}


def test_lists_that_are_known_from_before_lead_nowhere() -> None:
    graph = graph_of(ROOT.record(ALPHA.key), ALPHA.shown(ROOT.key, BETA.key), BETA.shown(GAMMA.key))
    assert list(patch(Gossip((ALPHA.hidden(version=2), GAMMA.hidden())), graph, 3)) == [ALPHA.key]


def test_records_at_one_distance_are_believed_in_the_order_of_their_keys() -> None:
    crowd = peers(8, 10)
    graph = graph_of(ROOT.record(*(peer.key for peer in crowd)))
    gossip = Gossip(tuple(peer.hidden() for peer in crowd))
    assert list(patch(gossip, graph, 3)) == sorted(peer.key for peer in crowd), "the same in every run"


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_records_with_one_key_the_newer_counts(turned: bool) -> None:
    """T17."""
    items = [ALPHA.hidden(BETA.key, version=2), ALPHA.hidden(GAMMA.key, version=3), BETA.hidden(), GAMMA.hidden()]
    found = patch(Gossip(tuple(items[::-1] if turned else items)), LINKED, 3)
    assert found.keys() == {ALPHA.key, GAMMA.key}
    assert found[ALPHA.key].record.version == 3


@given(st.lists(st.lists(st.integers(0, 5), max_size=5), min_size=6, max_size=6), st.integers(0, 4))
def test_the_patch_is_what_lies_within_the_radius(lists: list[list[int]], radius: int) -> None:
    nodes = [ROOT, *peers(5)]
    listed = [frozenset(nodes[other].key for other in row) - {nodes[at].key} for at, row in enumerate(lists)]
    graph = graph_of(ROOT.record(*listed[0]))
    items = [node.hidden(*listed[at]) for at, node in enumerate(nodes) if at]
    found = patch(Gossip(tuple(items)), graph, radius)
    assert found == patch(Gossip(tuple(items[::-1])), graph, radius)
    within: set[PublicKey] = {ROOT.key}
    for _ in range(radius):
        within |= {key for at, node in enumerate(nodes) if node.key in within for key in listed[at]}
    assert found.keys() == within - {ROOT.key}


# --- what a round tells ---


def told(graph: Graph, target: Peer, withheld: tuple[PublicKey, ...] = ()) -> dict[PublicKey, NodeAddress | None]:
    gossip = standard_for(graph, target.key, withheld)
    assert gossip
    assert gossip.records[0].record == graph.root
    return {item.record.public_key: item.address for item in gossip.records}


def test_a_round_tells_all_that_somebody_lists_but_the_targets_own_record() -> None:
    """G1."""
    graph = graph_of(ROOT.record(ALPHA.key), ALPHA.shown(BETA.key), BETA.hidden(), GAMMA.hidden(ALPHA.key))
    assert told(graph, ALPHA).keys() == {ROOT.key, BETA.key}, "nobody lists gamma"


def test_addresses_are_shown_to_those_who_list_their_nodes() -> None:
    """G1."""
    graph = graph_of(
        ROOT.record(ALPHA.key, BETA.key, GAMMA.key),
        ALPHA.shown(ROOT.key, BETA.key),
        BETA.shown(ROOT.key),
        GAMMA.shown(ROOT.key),
    )
    assert told(graph, ALPHA) == {ROOT.key: ROOT.address, BETA.key: BETA.address, GAMMA.key: None}
    assert told(graph, GAMMA) == {ROOT.key: ROOT.address, ALPHA.key: None, BETA.key: None}


def test_the_address_of_who_accepts_no_connections_is_shown_to_nobody() -> None:
    """G2."""
    root = ROOT.record(ALPHA.key, BETA.key, accepts=False)
    graph = graph_of(root, ALPHA.shown(ROOT.key, BETA.key), BETA.shown(ROOT.key, accepts=False))
    assert told(graph, ALPHA) == {ROOT.key: None, BETA.key: None}


def test_what_is_withheld_is_not_told() -> None:
    graph = graph_of(ROOT.record(ALPHA.key, BETA.key), ALPHA.shown(ROOT.key), BETA.shown(ROOT.key))
    assert told(graph, ALPHA, (BETA.key,)).keys() == {ROOT.key}


def test_whom_we_hold_no_record_of_is_told_nothing() -> None:
    """G3."""
    assert standard_for(graph_of(ROOT.record(ALPHA.key)), ALPHA.key) is None


def crowded() -> tuple[Graph, Gossip]:
    """We know ALPHA and BETA, and BETA 60 Nodes of which each lists 9 more."""
    inner = peers(60, 100)
    outer = {peer: peers(9, 200 + 10 * number) for number, peer in enumerate(inner)}
    records = [BETA.hidden(ROOT.key, *(peer.key for peer in inner))]
    for peer, beyond in outer.items():
        records += [peer.hidden(BETA.key, *(each.key for each in beyond))]
        records += [each.hidden(peer.key) for each in beyond]
    graph = graph_of(ROOT.record(ALPHA.key, BETA.key), ALPHA.shown(ROOT.key), *records)
    gossip = standard_for(graph, ALPHA.key)
    assert gossip
    assert len(gossip.records) == 602
    return graph, gossip


@pytest.mark.parametrize("most", [40_000, 100_000, 512 * 1024])
def test_a_long_round_comes_in_parts_of_which_each_is_believed_whole(most: int) -> None:
    """B8."""
    graph, gossip = crowded()
    target = graph_of(ALPHA.record(ROOT.key), ROOT.shown(ALPHA.key), address=ALPHA.address)
    told: dict[PublicKey, GossipRecord] = {}
    for part in parts(gossip, (ROOT.key,), most):
        assert len(encode_message(part)) <= most
        assert 3 <= len(part.records) <= MAX_RECORDS
        assert part.records[0].record == graph.root
        reached = patch(part, target, 6)
        assert reached.keys() == {item.record.public_key for item in part.records}
        told |= reached
    assert told.keys() == {item.record.public_key for item in gossip.records}


def test_a_short_round_is_one_message() -> None:
    gossip = Gossip((ROOT.shown(ALPHA.key), BETA.hidden()))
    assert parts(gossip, (ROOT.key,)) == [gossip]


def test_records_as_large_as_can_be_fit() -> None:
    keys = [bytes([number]) * 64 for number in range(64)]
    large = [peer.hidden(*keys) for peer in peers(150, 300)]
    first = BETA.hidden(*(item.record.public_key for item in large[:64]))
    second = GAMMA.hidden(*(item.record.public_key for item in large[64:128]))
    gossip = Gossip((ROOT.hidden(ALPHA.key, BETA.key, GAMMA.key), first, second, *large))
    made = parts(gossip, ())
    assert len(made) > 1
    assert max(len(encode_message(part)) for part in made) <= 512 * 1024
    told = {item.record.public_key for part in made for item in part.records}
    assert len(told) == 3 + 128, "what no list leads to is not told"


# --- where a peer may send us ---

PUBLIC, LOCAL, LINK_LOCAL = NodeAddress("10.0.0.9", (6001,)), NodeAddress("127.0.0.1", (6001,)), "169.254.3.4"


@pytest.mark.parametrize(
    ("ip", "port", "own", "may"),
    [
        ("10.0.0.2", 6001, PUBLIC, True),
        ("10.0.0.2", 6001, None, True),
        ("2001:db8::2", 6001, PUBLIC, True),
        ("10.0.0.2", 1025, PUBLIC, True),
        ("10.0.0.2", 1024, PUBLIC, False),
        ("10.0.0.2", 22, None, False),
        ("10.0.0.9", 7000, PUBLIC, False),
        ("224.0.0.1", 6001, PUBLIC, False),
        ("ff02::1", 6001, PUBLIC, False),
        ("0.0.0.0", 6001, PUBLIC, False),
        ("::", 6001, None, False),
        ("127.0.0.2", 6001, PUBLIC, False),
        ("127.0.0.2", 6001, None, False),
        ("::1", 6001, PUBLIC, False),
        ("127.0.0.2", 6001, LOCAL, True),
        ("127.0.0.1", 6001, LOCAL, False),
        (LINK_LOCAL, 6001, PUBLIC, False),
        (LINK_LOCAL, 6001, LOCAL, True),
    ],
)
def test_a_peer_may_send_us_only_to_what_can_be_a_node(ip: str, port: int, own: NodeAddress | None, may: bool) -> None:
    """B3."""
    assert may_be_dialled(NodeAddress(ip, (port,)), own) is may


def test_one_port_that_cannot_be_a_nodes_spoils_the_address() -> None:
    assert not may_be_dialled(NodeAddress("10.0.0.2", (80, 6001)), PUBLIC)
