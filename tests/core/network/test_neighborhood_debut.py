"""Debuts that we hear: who is taken up, passed on or turned away, and what it is told (neighborhood.md 2.3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.network_ends import ROOT, Ours, Peer, peers, told_keys, told_record

from masq.core.limits import FRESH, MAX_DEGREE, MAX_LISTED, MAX_VISITORS
from masq.core.network.neighborhood import CONFIRM
from masq.core.network.rounds import WITHHOLD
from masq.types import NodeAddress
from masq.wire.message import GossipFailure

ALPHA, BETA, GAMMA, DELTA = peers(4)
NEW = Peer(50)


def full_house(*, accepts: bool = True) -> Ours:
    """As many full neighbors as we take."""
    ours = Ours()
    for peer in peers(MAX_DEGREE):
        ours.befriends(peer, accepts=accepts)
    return ours


# --- accepted ---


def test_the_first_debut_is_answered_with_our_record_alone() -> None:
    """D1."""
    ours = Ours(version=7)
    (answer,) = ours.hears(ALPHA, ALPHA.shown())
    assert (answer.key, answer.endpoint) == (ALPHA.key, ALPHA.address.endpoint)
    assert told_keys(answer) == [ours.key]
    told = told_record(answer, ours.key)
    assert told.record.neighbors == {ALPHA.key}
    assert told.record.version == 8
    assert told.address == ours.graph.root_address
    assert told.record.verify(ROOT.keys)
    assert ours.record.neighbors == {ALPHA.key}
    assert ours.graph.address(ALPHA.key) == ALPHA.address


def test_a_debuter_without_a_listener_is_answered_where_it_came_from() -> None:
    ours = Ours()
    (answer,) = ours.hears(ALPHA, ALPHA.hidden(accepts=False))
    assert answer.endpoint == ALPHA.source
    assert ours.lists(ALPHA)


def test_a_second_debuter_is_introduced_to_the_first() -> None:
    """D2."""
    ours = Ours()
    ours.befriends(ALPHA)
    version = ours.record.version
    (answer,) = ours.hears(NEW, NEW.shown())
    assert ours.record.version == version + 1
    assert ours.graph.address(NEW.key) == NEW.address
    assert answer.endpoint == NEW.address.endpoint
    assert told_keys(answer) == [ours.key, ALPHA.key]
    assert told_record(answer, ours.key).record.neighbors == {ALPHA.key, NEW.key}
    assert told_record(answer, ours.key).address == ours.graph.root_address
    assert told_record(answer, ALPHA.key).address == ALPHA.address


def test_the_least_connected_neighbor_is_introduced() -> None:
    ours = Ours()
    ours.befriends(ALPHA, Peer(40).key)
    ours.befriends(BETA)
    (answer,) = ours.hears(NEW, NEW.shown())
    assert told_keys(answer) == [ours.key, BETA.key]


def test_who_does_not_accept_connections_is_not_introduced() -> None:
    """D11."""
    ours = Ours()
    ours.befriends(ALPHA, accepts=False)
    (answer,) = ours.hears(NEW, NEW.shown())
    assert told_keys(answer) == [ours.key]
    assert told_record(answer, ours.key).record.neighbors == {NEW.key}, "shortened, as 0.9.1 expects"


def test_after_a_shortened_record_the_next_round_has_a_higher_version() -> None:
    ours = Ours()
    ours.befriends(ALPHA, accepts=False)
    (answer,) = ours.hears(NEW, NEW.shown())
    ours.hears(NEW, NEW.shown(ours.key, version=2))
    for tell in ours.waits(0.1):
        told = told_record(tell, ours.key).record
        assert told.neighbors == {ALPHA.key, NEW.key}
        assert told.version > told_record(answer, ours.key).record.version


def test_a_debuter_that_lists_somebody_is_answered_with_a_round_at_once() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    tells = ours.hears(NEW, NEW.shown(ALPHA.key))
    assert {tell.key for tell in tells} == {ALPHA.key, NEW.key}
    for tell in tells:
        assert told_record(tell, ours.key).record.neighbors == {ALPHA.key, NEW.key}


def test_a_known_node_that_comes_back_is_answered_as_if_it_were_new() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.loses(ALPHA)
    (answer,) = ours.hears(ALPHA, ALPHA.shown(version=0))
    assert told_record(answer, ours.key).record.neighbors == {ALPHA.key}
    ours.hears(ALPHA, ALPHA.shown(ours.key, version=1))
    assert ours.full == [ALPHA.key]


def test_a_node_that_starts_anew_with_another_record_loses_its_place_to_nobody() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    (answer,) = ours.hears(ALPHA, ALPHA.shown(version=0))
    assert answer.key == ALPHA.key
    assert ours.graph.record(ALPHA.key) == ALPHA.record(version=0)


# --- the introducee is kept back ---


def test_the_newcomer_does_not_hear_of_the_introducee_in_rounds_for_a_while() -> None:
    """B25."""
    ours = Ours()
    ours.befriends(ALPHA)
    ours.hears(NEW, NEW.shown())
    ours.hears(NEW, NEW.shown(ours.key, version=2))
    (first,) = (tell for tell in ours.waits(0.1) if tell.key == NEW.key)
    assert told_keys(first) == [ours.key]
    (later,) = (tell for tell in ours.waits(WITHHOLD + 1.0) if tell.key == NEW.key)
    assert told_keys(later) == [ours.key, ALPHA.key]


def test_the_newcomer_hears_of_the_introducee_once_it_lists_it() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.hears(NEW, NEW.shown())
    ours.hears(NEW, NEW.shown(ours.key, ALPHA.key, version=2))
    (tell,) = (tell for tell in ours.waits(0.1) if tell.key == NEW.key)
    assert told_keys(tell) == [ours.key, ALPHA.key]
    assert told_record(tell, ALPHA.key).address == ALPHA.address


def test_everybody_else_hears_of_everybody() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.hears(NEW, NEW.shown())
    ours.hears(NEW, NEW.shown(ours.key, version=2))
    (tell,) = (tell for tell in ours.waits(0.1) if tell.key == ALPHA.key)
    assert told_keys(tell) == [ours.key, NEW.key]


# --- passed on ---


def test_a_better_placed_neighbor_is_named_in_a_pass() -> None:
    ours = Ours()
    ours.befriends(ALPHA, Peer(40).key, Peer(41).key)
    for peer in (BETA, GAMMA, DELTA):
        ours.befriends(peer)
    assert (ours.graph.degree(ALPHA.key), ours.graph.degree(ours.key)) == (3, 4)
    (answer,) = ours.hears(NEW, NEW.shown())
    assert told_keys(answer) == [ALPHA.key]
    assert told_record(answer, ALPHA.key).address == ALPHA.address
    assert answer.endpoint == NEW.address.endpoint
    assert not ours.lists(NEW)
    assert not ours.knows(NEW)


def test_who_comes_back_from_a_better_placed_neighbor_found_no_place_there() -> None:
    ours = Ours()
    ours.befriends(ALPHA, Peer(40).key, Peer(41).key)
    for peer in (BETA, GAMMA, DELTA):
        ours.befriends(peer)
    ours.hears(NEW, NEW.shown())
    assert not ours.lists(NEW)
    ours.waits(8.0)
    assert ours.hears(NEW, NEW.shown())
    assert ours.lists(NEW), "sent there again it would run in circles"


@pytest.mark.parametrize("friends", [[], [BETA, GAMMA]])
def test_who_is_placed_no_better_than_we_are_is_not(friends: list[Peer]) -> None:
    ours = Ours()
    ours.befriends(ALPHA, Peer(40).key, Peer(41).key)
    for peer in friends:
        ours.befriends(peer)
    ours.hears(NEW, NEW.shown())
    assert ours.lists(NEW)


def test_whom_the_debuter_has_already_is_no_one_to_be_passed_to() -> None:
    ours = Ours()
    ours.befriends(ALPHA, Peer(40).key, Peer(41).key)
    for peer in (BETA, GAMMA, DELTA):
        ours.befriends(peer)
    assert ours.hears(NEW, NEW.shown(ALPHA.key))
    assert ours.lists(NEW)


def test_with_five_neighbors_the_debuter_is_passed_to_the_least_connected() -> None:
    ours = Ours()
    for peer in peers(MAX_DEGREE - 1):
        ours.befriends(peer, Peer(40).key)
    last = Peer(MAX_DEGREE)
    ours.befriends(last)
    (answer,) = ours.hears(NEW, NEW.shown())
    assert told_keys(answer) == [last.key]
    assert not ours.lists(NEW)


def test_with_five_neighbors_that_the_debuter_has_it_is_turned_away() -> None:
    """D7."""
    ours = full_house()
    (answer,) = ours.hears(NEW, NEW.shown(*(peer.key for peer in peers(MAX_DEGREE))))
    assert answer.message is GossipFailure.NO_SUITABLE_NEIGHBORS
    assert answer.endpoint == NEW.address.endpoint
    assert not ours.lists(NEW)


def test_neighbors_without_a_listener_do_not_count() -> None:
    ours = full_house(accepts=False)
    ours.hears(NEW, NEW.shown())
    assert ours.lists(NEW)


def test_a_neighbor_whose_address_is_unknown_is_no_one_to_be_passed_to() -> None:
    ours = full_house()
    for peer in peers(MAX_DEGREE):
        ours.graph.forget_address(peer.key)
    (answer,) = ours.hears(NEW, NEW.shown())
    assert answer.message is GossipFailure.NO_SUITABLE_NEIGHBORS


# --- bounds ---


def test_visitors_that_do_not_confirm_have_few_places_and_lose_them_to_others() -> None:
    """B4."""
    ours = Ours()
    for peer in peers(MAX_LISTED):
        ours.hears(peer, peer.shown())
    assert len(ours.record.neighbors) == MAX_VISITORS
    (answer,) = ours.hears(NEW, NEW.shown())
    assert answer.message is GossipFailure.NO_SUITABLE_NEIGHBORS
    ours.waits(FRESH + 1)
    ours.hears(NEW, NEW.shown())
    assert ours.lists(NEW)
    assert not ours.lists(Peer(1)), "who came first goes first"
    assert len(ours.record.neighbors) == MAX_VISITORS


def test_a_debuter_that_does_not_list_us_in_a_minute_is_dropped() -> None:
    ours = Ours()
    ours.hears(NEW, NEW.shown())
    ours.waits(CONFIRM - 1.0)
    assert ours.lists(NEW)
    ours.waits(12.0)
    assert not ours.lists(NEW)


def test_a_debuter_that_lists_us_in_time_stays() -> None:
    ours = Ours()
    ours.hears(NEW, NEW.shown())
    ours.waits(CONFIRM - 1.0)
    ours.hears(NEW, NEW.shown(ours.key, version=2))
    ours.waits(CONFIRM * 2)
    assert ours.full == [NEW.key]


# --- who speaks ---


def test_over_a_secure_link_nobody_debuts_for_another() -> None:
    ours = Ours()
    assert ours.hears(ALPHA, ALPHA.shown(), proven=BETA) == []
    assert ours.events() == ["gossip_refused"]
    assert not ours.knows(ALPHA)
    assert ours.hears(ALPHA, ALPHA.shown(), proven=ALPHA)
    assert ours.lists(ALPHA)


def test_one_bad_signature_drops_the_whole_message() -> None:
    """T15."""
    ours = Ours()
    ours.befriends(ALPHA)
    before = list(ours.graph)
    forged = replace(BETA.record(), signature=ALPHA.record().signature)
    items = [ALPHA.shown(ours.key, BETA.key, version=9), replace(BETA.hidden(), record=forged)]
    assert ours.hears(ALPHA, *items) == []
    assert ours.events() == ["bad_signature"]
    assert list(ours.graph) == before


def test_a_record_that_is_known_byte_for_byte_needs_no_second_look() -> None:
    """B6."""
    ours = Ours()
    ours.befriends(ALPHA)
    altered = replace(ALPHA.record(ours.key, version=2), signature=bytes(64))
    assert ours.hears(ALPHA, replace(ALPHA.shown(), record=altered)) == []
    assert ours.events() == ["bad_signature"], "one that only looks alike does"
    ours.hears(ALPHA, ALPHA.shown(ours.key, version=2))
    assert ours.events() == ["bad_signature"]


def test_an_address_is_that_of_the_debut_and_not_that_of_the_connection() -> None:
    ours = Ours()
    item = replace(ALPHA.shown(), address=NodeAddress(ALPHA.ip, (7_000, 8_000)))
    (answer,) = ours.hears(ALPHA, item)
    assert answer.endpoint.port == 7_000
