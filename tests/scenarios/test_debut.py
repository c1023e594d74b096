"""Scenarios D (neighborhood.md 11): who debuts, and what becomes of it. Others are in tests/core/network."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.network_ends import Ours, Peer, peers, told_keys, told_record

from masq.core.limits import FRESH, MAX_LEAVES, MAX_VISITORS
from masq.types import Endpoint, NodeAddress
from masq.wire.message import Gossip, GossipFailure, GossipRecord

ALPHA, BETA = peers(2)
NEW = Peer(50)


def is_pass(message: Gossip | GossipFailure, ours: Ours) -> bool:
    return isinstance(message, Gossip) and all(item.record.public_key != ours.key for item in message.records)


def test_D3_a_debuter_without_a_listener_is_answered_at_the_port_that_it_came_from() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    source = Endpoint("200.200.200.200", 2_000)
    debut = Gossip((NEW.hidden(accepts=False),))
    (answer,) = ours._take(ours.core.receive(debut, source, ours.now))
    assert (answer.key, answer.endpoint) == (NEW.key, source)
    assert told_keys(answer) == [ours.key, ALPHA.key]
    assert ours.graph.address(NEW.key) == NodeAddress(source.ip, (source.port,))


def test_D4_with_neighbors_as_well_placed_as_we_are_the_least_connected_is_introduced() -> None:
    ours = Ours(random=random.Random(1).randbytes)
    one, _, other = ours.befriends_degrees(2, 3, 2)
    (answer,) = ours.hears(NEW, NEW.shown())
    assert told_keys(answer)[0] == ours.key
    assert told_keys(answer)[1] in (one.key, other.key)


def test_D5_a_better_placed_neighbor_with_more_than_two_of_its_own_is_named_in_a_pass() -> None:
    ours = Ours(random=random.Random(1).randbytes)
    _, one, other, _ = ours.befriends_degrees(2, 3, 3, 2)
    before = ours.record
    (answer,) = ours.hears(NEW, NEW.shown())
    (named,) = told_keys(answer)
    assert named in (one.key, other.key)
    assert not ours.knows(NEW)
    assert ours.record == before


@pytest.mark.parametrize(("degrees", "with_room"), [((2, 2, 2, 2, 1), 5), ((2, 5, 5, 5, 5), 1)])
def test_D6_with_five_neighbors_a_pass_names_one_with_room_drawn_at_random(
    degrees: tuple[int, ...], with_room: int
) -> None:
    """0.9.1 always names the least connected one: a crowd of newcomers would all be sent to it."""
    drawn = random.Random(1).randbytes
    ours = Ours(random=drawn)
    five = ours.befriends_degrees(*degrees)
    before = ours.record
    named = set()
    for visitor in peers(60, 300):
        (answer,) = ours.hears(visitor, visitor.shown())
        named |= set(told_keys(answer))
        assert not ours.knows(visitor)
    assert ours.record == before
    assert named == {peer.key for peer in five[:with_room]}


def test_D8_a_debuter_that_lists_all_our_neighbors_is_told_of_all_in_a_round() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.befriends(BETA)
    tells = {tell.key: tell for tell in ours.hears(NEW, NEW.shown(ALPHA.key, BETA.key))}
    assert tells.keys() == {ALPHA.key, BETA.key, NEW.key}
    assert set(told_keys(tells[NEW.key])) == {ours.key, ALPHA.key, BETA.key}
    assert told_record(tells[NEW.key], ours.key).record.neighbors == {ALPHA.key, BETA.key, NEW.key}


def test_D9_a_debuter_that_lists_one_of_two_neighbors_is_told_in_a_round_and_introduced_to_nobody() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.befriends(BETA)
    tells = {tell.key: tell for tell in ours.hears(NEW, NEW.shown(BETA.key))}
    assert tells.keys() == {ALPHA.key, BETA.key, NEW.key}
    assert told_record(tells[NEW.key], ALPHA.key).address is None


def test_D10_D12_a_neighbor_that_has_not_listed_us_yet_is_not_introduced() -> None:
    ours = Ours()
    ours.hears(ALPHA, ALPHA.shown())
    assert ours.lists(ALPHA)
    assert ALPHA.key not in ours.full
    (answer,) = ours.hears(NEW, NEW.shown())
    assert told_keys(answer) == [ours.key]
    assert told_record(answer, ours.key).record.neighbors == {NEW.key}


def test_D13_visitors_that_never_confirm_give_way_and_the_one_full_neighbor_is_introduced() -> None:
    """0.9.1 keeps any number of them. Of ours the fifth waits ten seconds for the place of the first."""
    ours = Ours()
    full = Peer(40)
    ours.befriends(full)
    for visitor in peers(5):
        ours.hears(visitor, visitor.shown())
        if len(ours.record.neighbors) == 1 + MAX_VISITORS:
            ours.waits(FRESH + 1.0)
    (answer,) = ours.hears(NEW, NEW.shown())
    assert told_keys(answer) == [ours.key, full.key]
    assert ours.lists(NEW)
    assert len(ours.record.neighbors) == 1 + MAX_VISITORS


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(NEW.hidden(), id="D14 it accepts connections, and doesn't say where"),
        pytest.param(replace(NEW.shown(), address=NodeAddress(NEW.ip, ())), id="D15 no ports"),
        pytest.param(NEW.shown(accepts=False), id="D16 it accepts no connections, and says where"),
    ],
)
def test_D14_D15_D16_a_debut_that_contradicts_itself_is_dropped_with_a_warning(item: GossipRecord) -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    before, known = ours.record, len(ours.graph)
    assert ours.hears(NEW, item) == []
    assert [(log.level, log.event) for log in ours.logs] == [("warning", "gossip_refused")]
    assert (ours.record, len(ours.graph)) == (before, known)


def test_D17_a_linked_node_that_repeats_itself_is_met_with_silence() -> None:
    """One that isn't linked both ways asks anew, and is answered: `tests/core/network/test_gossip.py`."""
    ours = Ours()
    ours.befriends(ALPHA)
    before = ours.record
    assert ours.hears(ALPHA, ALPHA.shown(ours.key, version=2)) == []
    assert ours.waits(10.0) == []
    assert ours.record == before


def test_D18_a_linked_node_s_newer_record_is_taken_its_time_renewed_and_a_round_follows() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3))
    (known,) = (known for known in ours.graph if known.record.public_key == ALPHA.key)
    assert known.record == ALPHA.record(ours.key, BETA.key, version=3)
    assert known.updated == ours.now
    assert [tell.key for tell in ours.waits(1.0)] == [ALPHA.key]


@pytest.mark.parametrize(
    ("degrees", "listed"),
    [
        pytest.param((1, 2, 2, 1), (), id="none has more than two"),
        pytest.param((4, 4, 5, 4), (), id="none has fewer than we have"),
        pytest.param((3, 1, 1, 1), (1,), id="the debuter lists it already"),
    ],
)
def test_D19_where_no_neighbor_is_placed_better_nobody_is_passed_on(
    degrees: tuple[int, ...], listed: tuple[int, ...]
) -> None:
    ours = Ours()
    ours.befriends_degrees(*degrees)
    tells = ours.hears(NEW, NEW.shown(*(Peer(number).key for number in listed)))
    assert tells
    assert not any(is_pass(tell.message, ours) for tell in tells)
    assert ours.lists(NEW)


def test_D19_nobody_is_passed_on_to_a_neighbor_that_accepts_no_connections() -> None:
    ours = Ours()
    ours.befriends(Peer(40), *(peer.key for peer in peers(2, 100)), accepts=False)
    ours.befriends_degrees(1, 1, 1, 1)
    assert ours.graph.degree(Peer(40).key) == 3 < ours.graph.degree(ours.key)
    (answer,) = ours.hears(NEW, NEW.shown())
    assert told_keys(answer)[0] == ours.key


def test_D20_six_that_accept_no_connections_find_places_beside_one_that_does() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    leaves = peers(MAX_LEAVES, 20)
    for peer in leaves:
        ours.befriends(peer, accepts=False)
    assert set(ours.full) == {ALPHA.key, *(peer.key for peer in leaves)}
    assert len(leaves) == 6
