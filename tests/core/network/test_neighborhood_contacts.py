"""Contacts: who is debuted to, how often, and neighbors that are lost and found again (neighborhood.md 5)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.network_ends import STEP, Ours, Peer, peers, told_record

from masq.core.limits import MAX_DEGREE, MAX_LISTED
from masq.core.network.contacts import (
    FIRST_RETRY,
    LAST_RETRY,
    OFTEN,
    STEADY_RETRY,
    WANTED_NEIGHBORS,
    Contact,
    remembered,
    retry_after,
)
from masq.types import Endpoint, NodeAddress

ALPHA, BETA, GAMMA, DELTA = peers(4)
HOST, OTHER = peers(2, 30)


def debuts(ours: Ours, to: Peer, seconds: float) -> list[float]:
    """When a peer is debuted to within so many seconds, from now on."""
    start, times = ours.now, []
    while ours.now < start + seconds:
        wake = min(ours.core.next_wake(ours.now) + STEP, start + seconds)
        if any(tell.key == to.key for tell in ours.waits(max(wake - ours.now, STEP))):
            times.append(ours.now - start)
    return times


# --- trying ---


def test_at_the_start_every_contact_is_debuted_to() -> None:
    ours = Ours(HOST.contact(), OTHER.contact())
    assert [tell.endpoint for tell in ours.starts()] == [HOST.address.endpoint, OTHER.address.endpoint]


def test_who_does_not_answer_is_debuted_to_with_growing_pauses() -> None:
    """L5."""
    ours = Ours(HOST.contact())
    ours.starts()
    times = debuts(ours, HOST, 5_000.0)
    pauses = [later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]
    assert pauses == pytest.approx([retry_after(number + 1) for number in range(len(pauses))], abs=0.1)
    assert pauses[:6] == pytest.approx([FIRST_RETRY, 1.0, 2.0, 4.0, STEADY_RETRY, STEADY_RETRY], abs=0.1)
    assert pauses[OFTEN : OFTEN + 2] == pytest.approx([2 * STEADY_RETRY, 4 * STEADY_RETRY], abs=0.1)
    assert pauses[-1] == pytest.approx(LAST_RETRY, abs=0.1), "and no longer than that"


def test_one_without_contacts_debuts_to_nobody() -> None:
    ours = Ours()
    assert ours.starts() == []
    assert ours.waits(1_000.0) == []


def test_with_few_neighbors_contacts_are_debuted_to_though_they_have_answered() -> None:
    ours = Ours(HOST.contact())
    ours.starts()
    ours.hears(HOST, ALPHA.shown())  # A Pass.
    for peer in peers(WANTED_NEIGHBORS - 1):
        ours.befriends(peer)
    assert debuts(ours, HOST, 100.0)


def test_with_enough_neighbors_contacts_that_have_answered_are_left_alone() -> None:
    ours = Ours(HOST.contact())
    ours.starts()
    ours.has_proof(HOST.key, HOST)
    for peer in peers(WANTED_NEIGHBORS):
        ours.befriends(peer, DELTA.key)
    assert debuts(ours, HOST, 1_000.0) == []


def test_who_sees_to_the_end_of_its_network_asks_a_contact_that_is_not_in_it() -> None:
    ours = Ours(HOST.contact())
    ours.starts()
    ours.has_proof(HOST.key, HOST)
    for peer in peers(WANTED_NEIGHBORS):
        ours.befriends(peer)
    assert debuts(ours, HOST, 20.0), "its network may be another one"


def test_a_pass_over_json_is_no_answer_as_anybody_at_that_address_can_send_it() -> None:
    ours = Ours(HOST.contact())
    ours.starts()
    assert ours.hears(HOST, BETA.shown()), "it is followed all the same"
    for peer in peers(WANTED_NEIGHBORS):
        ours.befriends(peer)
    assert debuts(ours, HOST, 1_000.0)


def test_who_has_never_answered_is_debuted_to_until_there_are_five_neighbors() -> None:
    chosen = peers(2, 40)
    ours = Ours(HOST.contact(), *(peer.contact() for peer in chosen))
    ours.starts()
    for peer in (*chosen, *peers(MAX_DEGREE - 3)):
        ours.befriends(peer)
    assert debuts(ours, HOST, 1_000.0)
    ours.befriends(Peer(50))
    assert debuts(ours, HOST, 1_000.0) == []


def test_a_contact_that_is_a_neighbor_is_not_debuted_to() -> None:
    ours = Ours(HOST.contact())
    ours.starts()
    ours.hears(HOST, HOST.shown(ours.key))
    assert ours.full == [HOST.key]
    ours.waits(1.0)
    assert debuts(ours, HOST, 500.0) == []


def test_a_failure_puts_the_contact_off_and_ends_nothing() -> None:
    ours = Ours(HOST.contact(), OTHER.contact())
    ours.starts()
    ours.hears_failure(HOST)
    assert ours.events() == ["gossip_failure"]
    assert debuts(ours, HOST, 0.9) == []
    assert debuts(ours, HOST, 0.2), "a second in all, where it would have been half of one"


def test_a_failure_from_a_stranger_changes_nothing() -> None:
    """L4."""
    ours = Ours(HOST.contact())
    ours.starts()
    for _ in range(20):
        ours.hears_failure(ALPHA)
    assert debuts(ours, HOST, 0.6)


# --- keys of contacts ---


def test_a_contact_known_by_its_descriptor_is_known_wholly_once_its_link_has_proved_it() -> None:
    ours = Ours(HOST.contact(whole_key=False))
    (first,) = ours.starts()
    assert first.key != HOST.key
    ours.has_proof(HOST.key, HOST)
    (second,) = ours.waits(0.6)
    assert second.key == HOST.key


@pytest.mark.parametrize(("key", "at"), [(ALPHA.key, HOST), (HOST.key, ALPHA)])
def test_another_key_or_another_address_proves_nothing_of_a_contact(key: bytes, at: Peer) -> None:
    contact = HOST.contact(whole_key=False)
    before = contact.key
    ours = Ours(contact)
    ours.has_proof(key, at)
    (debut,) = ours.starts()
    assert debut.key == before


# --- losing ---


def test_a_neighbor_whose_link_is_lost_is_no_longer_listed_and_the_others_hear_it() -> None:
    """L1."""
    ours = Ours()
    for peer in (ALPHA, BETA, GAMMA):
        ours.befriends(peer)
    version = ours.record.version
    ours.loses(ALPHA)
    assert ours.record.neighbors == {BETA.key, GAMMA.key}
    assert ours.record.version == version + 1
    assert ours.graph.at(ALPHA.ip) is None
    assert ours.knows(ALPHA)
    tells = ours.waits(0.1)
    assert {tell.key for tell in tells} == {BETA.key, GAMMA.key}
    assert all(told_record(tell, ours.key).record == ours.record for tell in tells)


def test_a_lost_neighbor_is_debuted_to_again_with_growing_pauses() -> None:
    """B10."""
    ours = Ours()
    ours.befriends(ALPHA)
    ours.loses(ALPHA)
    times = debuts(ours, ALPHA, 10.0)
    assert times[0] == pytest.approx(FIRST_RETRY, abs=0.1)
    assert times[1] - times[0] == pytest.approx(2 * FIRST_RETRY, abs=0.1)


def test_a_lost_neighbor_that_is_a_contact_is_put_off() -> None:
    ours = Ours(HOST.contact())
    ours.starts()
    ours.hears(HOST, HOST.shown(ours.key))
    ours.waits(20.0)
    ours.loses(HOST)
    assert not ours.lists(HOST)
    (first, *_) = debuts(ours, HOST, 30.0)
    assert first == pytest.approx(FIRST_RETRY, abs=0.1), "it was a neighbor, so that it is asked soon"


def test_a_lost_neighbor_that_answers_is_one_again() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.loses(ALPHA)
    assert debuts(ours, ALPHA, 1.0)
    ours.hears(ALPHA, ALPHA.shown(ours.key, version=3))
    assert ours.full == [ALPHA.key]


def test_a_lost_neighbor_that_accepts_no_connections_is_not_dialled() -> None:
    ours = Ours()
    ours.befriends(ALPHA, accepts=False)
    ours.loses(ALPHA)
    assert not ours.lists(ALPHA)
    assert debuts(ours, ALPHA, 1_000.0) == []


@pytest.mark.parametrize("peer", [Peer(0), Peer(77)])
def test_to_lose_ourselves_or_a_stranger_is_nothing(peer: Peer) -> None:
    """L2."""
    ours = Ours()
    ours.befriends(ALPHA)
    before = ours.record
    assert ours.loses(peer) == []
    assert ours.record == before
    assert debuts(ours, peer, 20.0) == []


def test_a_known_node_that_is_no_neighbor_is_not_debuted_to_when_it_is_lost() -> None:
    """L2."""
    ours = Ours()
    ours.befriends(ALPHA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3), BETA.hidden(ALPHA.key), GAMMA.hidden())
    ours.graph.learn_address(BETA.key, BETA.address)
    ours.waits(1.0)
    ours.loses(BETA)
    assert ours.knows(BETA)
    assert ours.graph.address(BETA.key) is None
    assert debuts(ours, BETA, 20.0) == []


def test_of_those_lost_no_more_are_kept_than_we_ever_list() -> None:
    ours = Ours()
    crowd = peers(MAX_LISTED + 4)
    for peer in crowd:
        ours.befriends(peer)
        ours.loses(peer)
    asked = {tell.key for tell in ours.waits(1_300.0)}
    assert asked == {peer.key for peer in crowd[4:]}, "the oldest are given up"


def test_a_lost_neighbor_takes_the_place_of_one_lost_before_and_of_nobody_whom_the_operator_named() -> None:
    contacts: list[Contact] = [peer.contact() for peer in peers(MAX_LISTED - 1, 20)]
    ours = Ours(*contacts)
    for peer in (ALPHA, BETA):
        ours.befriends(peer)
        ours.loses(peer)
    asked = {tell.key for tell in ours.waits(2_000.0)}
    assert asked == {BETA.key, *(contact.key for contact in contacts)}


def test_with_contacts_of_the_operator_alone_the_lost_find_no_place() -> None:
    contacts: list[Contact] = [peer.contact() for peer in peers(MAX_LISTED + 3, 20)]
    ours = Ours(*contacts)
    ours.befriends(ALPHA)
    ours.loses(ALPHA)
    asked = {tell.key for tell in ours.waits(2_000.0)}
    assert asked == {contact.key for contact in contacts}


# --- over restarts ---


def test_neighbors_that_were_saved_are_contacts_again() -> None:
    ours = Ours()
    for peer in (ALPHA, BETA):
        ours.befriends(peer)
    assert {(each.key, each.address) for each in remembered(ours.saved[-1])} == {
        (peer.key, peer.address) for peer in (ALPHA, BETA)
    }
    assert remembered(None) == remembered("") == []


def test_an_address_of_ipv6_is_remembered_as_it_is() -> None:
    (one,) = remembered(f"{ALPHA.key.hex()}@{Endpoint('2001:db8::7', 6001)}")
    assert one.address == NodeAddress("2001:db8::7", (6001,))


@given(st.text(st.sampled_from("0123456789abcdef@:.[],x"), max_size=80) | st.text())
def test_whatever_was_saved_of_neighbors_a_node_starts(saved: str) -> None:
    for contact in remembered(saved):
        assert ip_address(contact.address.ip)
        assert contact.key
        assert 0 < contact.address.ports[0] < 65_536


# --- who is close ---


def test_neighbors_are_close_by_their_address_until_a_link_proves_another_key() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    assert ours.close(ALPHA)
    assert ours.close(ALPHA, ALPHA.key)
    assert not ours.close(ALPHA, BETA.key)


def test_a_neighbor_that_has_proved_its_key_is_close_wherever_it_comes_from() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    assert ours.close(BETA, ALPHA.key)


def test_contacts_are_close_by_the_half_of_the_key_that_is_known() -> None:
    ours = Ours(HOST.contact(whole_key=False))
    assert ours.close(HOST)
    assert ours.close(HOST, HOST.key)
    assert not ours.close(HOST, BETA.key)


def test_strangers_are_not_close_nor_those_who_are_merely_known() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3), BETA.hidden(ALPHA.key), GAMMA.hidden())
    ours.graph.learn_address(BETA.key, BETA.address)
    assert not ours.close(BETA)
    assert not ours.close(BETA, BETA.key)
    assert not ours.close(OTHER)
