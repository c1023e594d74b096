"""How we join: Debuts of ours, and the Passes and Introductions that answer them (neighborhood.md 2.4, 2.5)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.network_ends import STEP, Ours, Peer, peers, told_keys, told_record

from masq.core.limits import MAX_DEGREE
from masq.core.network.contacts import SOLICITED
from masq.core.network.rounds import TELL_AFTER
from masq.types import NodeAddress, RatePack
from masq.wire.message import GossipRecord

ALPHA, BETA, GAMMA, DELTA = peers(4)
HOST = Peer(30)
"""Whom we debut to."""


def joining(*, accepts: bool = True) -> Ours:
    """We have just debuted to the host."""
    ours = Ours(HOST.contact(), accepts=accepts, address=Peer(0).address if accepts else None)
    (debut,) = ours.starts()
    assert (debut.key, debut.endpoint) == (HOST.key, HOST.address.endpoint)
    return ours


def introduction(ours: Ours, other: Peer = ALPHA, version: int = 1) -> tuple[GossipRecord, GossipRecord]:
    """The host introduces us to another."""
    return HOST.shown(ours.key, other.key, version=version), other.shown(HOST.key)


# --- the Debut ---


@pytest.mark.parametrize("accepts", [True, False])
def test_a_debut_is_our_record_alone_with_an_address_if_we_listen(accepts: bool) -> None:
    """G6."""
    address = Peer(0).address if accepts else None
    ours = Ours(HOST.contact(whole_key=False), accepts=accepts, address=address)
    (debut,) = ours.starts()
    assert debut.key == HOST.contact(whole_key=False).key
    assert told_keys(debut) == [ours.key]
    assert told_record(debut, ours.key).address == address


def test_the_short_answer_makes_two_full_neighbors() -> None:
    ours = joining()
    (round_,) = ours.hears(HOST, HOST.shown(ours.key))
    assert ours.full == [HOST.key]
    assert round_.key == HOST.key
    assert told_record(round_, ours.key).record.neighbors == {HOST.key}


# --- Pass ---


def test_a_pass_leads_to_a_debut_where_it_names() -> None:
    """P1."""
    ours = joining()
    (debut,) = ours.hears(HOST, ALPHA.shown())
    assert (debut.key, debut.endpoint) == (ALPHA.key, ALPHA.address.endpoint)
    assert told_keys(debut) == [ours.key]
    assert not ours.knows(ALPHA)


def test_whom_a_pass_named_may_pass_us_on() -> None:
    ours = joining()
    ours.hears(HOST, ALPHA.shown())
    (debut,) = ours.hears(ALPHA, BETA.shown())
    assert debut.key == BETA.key


def test_a_pass_from_whom_we_did_not_ask_is_ignored() -> None:
    """L9, B2."""
    ours = joining()
    assert ours.hears(ALPHA, BETA.shown()) == []
    assert ours.events() == ["pass_unsolicited"]


def test_a_pass_that_comes_after_a_minute_is_ignored() -> None:
    ours = joining()
    ours.hears(HOST, ALPHA.shown())
    ours.now = SOLICITED + 1.0  # Without a tick, which would debut again.
    assert ours.hears(ALPHA, BETA.shown()) == []
    assert ours.events() == ["pass_unsolicited"]


def test_passes_do_not_go_round_in_circles() -> None:
    ours = joining()
    ours.hears(HOST, ALPHA.shown())
    ours.hears(ALPHA, BETA.shown())
    assert ours.hears(BETA, ALPHA.shown()) == []
    assert ours.events() == ["pass_loop"]


def test_after_a_minute_a_pass_may_name_the_same_again() -> None:
    """P3."""
    ours = joining()
    ours.hears(HOST, ALPHA.shown())
    ours.waits(SOLICITED + 1.0)
    while not any(tell.key == HOST.key for tell in ours.waits(1.0)):
        pass  # It is debuted to again from time to time.
    (debut,) = ours.hears(HOST, ALPHA.shown())
    assert debut.key == ALPHA.key


@pytest.mark.parametrize("ip", ["127.0.0.1", "224.0.0.1", "0.0.0.0", Peer(0).ip])
def test_a_pass_leads_to_no_place_that_cannot_be_a_node(ip: str) -> None:
    ours = joining()
    assert ours.hears(HOST, replace(ALPHA.shown(), address=NodeAddress(ip, (6001,)))) == []
    assert ours.events() == ["pass_refused"]


def test_a_pass_to_a_neighbor_is_ignored() -> None:
    ours = joining()
    ours.befriends(ALPHA)
    ours.waits(1.0)
    assert ours.hears(HOST, ALPHA.shown(ours.key, version=2)) == []
    assert ours.events() == ["pass_refused"]


# --- Introduction ---


@pytest.mark.parametrize("turned", [False, True])
def test_an_introduction_is_followed_by_a_debut_that_lists_the_introducer(turned: bool) -> None:
    """I1."""
    ours = joining()
    items = introduction(ours)
    (debut,) = ours.hears(HOST, *(items[::-1] if turned else items))
    assert (debut.key, debut.endpoint) == (ALPHA.key, ALPHA.address.endpoint)
    assert told_record(debut, ours.key).record.neighbors == {HOST.key}
    assert ours.full == [HOST.key]
    assert ours.record.version == 1
    assert not ours.knows(ALPHA), "that one speaks for itself"


def test_after_an_introduction_the_introducees_round_makes_it_a_neighbor() -> None:
    ours = joining()
    ours.hears(HOST, *introduction(ours))
    ours.hears(ALPHA, ALPHA.shown(HOST.key, ours.key, version=2), HOST.hidden(ours.key, ALPHA.key))
    assert set(ours.full) == {HOST.key, ALPHA.key}
    assert {tell.key for tell in ours.waits(0.1)} == {HOST.key, ALPHA.key}


def test_the_introducer_hears_that_we_list_it_though_the_introducee_says_nothing() -> None:
    ours = joining()
    ours.hears(HOST, *introduction(ours))
    assert ours.waits(TELL_AFTER - 0.1) == []
    (tell,) = (tell for tell in ours.waits(0.2) if tell.key == HOST.key)
    assert told_record(tell, ours.key).record.neighbors == {HOST.key}


def test_an_introduction_from_whom_we_did_not_ask_is_ignored() -> None:
    """B2."""
    ours = joining()
    assert ours.hears(BETA, BETA.shown(ours.key), ALPHA.shown()) == []
    assert ours.events() == ["introduction_unsolicited"]
    assert not ours.lists(BETA)
    assert not ours.knows(BETA)


def test_an_introduction_to_a_place_that_cannot_be_a_node_lists_the_introducer_alone() -> None:
    ours = joining()
    introducer, introducee = introduction(ours)
    nowhere = replace(introducee, address=NodeAddress("127.0.0.1", (6001,)))
    assert ours.hears(HOST, introducer, nowhere) == []
    assert ours.events() == ["introduction_refused"]
    assert ours.full == [HOST.key]


def test_with_five_full_neighbors_an_introduction_is_ignored() -> None:
    """I4."""
    chosen = Peer(MAX_DEGREE)
    ours = Ours(HOST.contact(), chosen.contact())
    ours.starts()
    ours.befriends(chosen)
    for peer in peers(MAX_DEGREE - 1):
        ours.core.own.chosen[peer.key] = None
        ours.befriends(peer)
    ours.waits(100.0)
    assert ours.hears(HOST, *introduction(ours, Peer(40))) == []
    assert not ours.lists(HOST)


def test_a_linked_introducee_is_not_debuted_to_but_the_introducer_is_told_soon() -> None:
    ours = joining()
    ours.befriends(ALPHA)
    ours.hears(HOST, *introduction(ours))
    assert ours.lists(HOST)
    tells = ours.waits(0.1)
    assert HOST.key in {tell.key for tell in tells}
    assert all(len(told_keys(tell)) > 1 for tell in tells), "a round, and no Debut"


def test_of_a_known_introducer_the_newer_record_is_taken() -> None:
    """I2."""
    ours = joining()
    ours.befriends(ALPHA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, HOST.key, version=3), HOST.hidden(ALPHA.key, version=1))
    before = ours.record.version
    ours.hears(HOST, *introduction(ours, BETA, version=2))
    assert ours.record.version == before + 1
    assert ours.lists(HOST)
    assert ours.graph.record(HOST.key) == HOST.record(ours.key, BETA.key, version=2)
    assert ours.graph.address(HOST.key) == HOST.address


def test_of_a_known_introducer_an_address_is_learnt_though_nothing_else_is_new() -> None:
    ours = joining()
    ours.befriends(ALPHA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, HOST.key, version=3), HOST.hidden(ours.key, BETA.key, version=2))
    assert ours.graph.address(HOST.key) is None
    ours.hears(HOST, *introduction(ours, BETA, version=2))
    assert ours.graph.address(HOST.key) == HOST.address
    assert ours.lists(HOST)


def test_an_introducer_that_changes_its_rates_is_refused() -> None:
    ours = joining()
    ours.befriends(ALPHA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, HOST.key, version=3), HOST.hidden(version=1))
    dear = GossipRecord(HOST.record(ours.key, version=2, rates=RatePack(9, 9, 9, 9)), HOST.address)
    assert ours.hears(HOST, dear, BETA.shown()) == []
    assert ours.events()[-1] == "gossip_refused"
    assert not ours.lists(HOST)


def test_over_a_secure_link_nobody_introduces_in_anothers_name() -> None:
    ours = joining()
    assert ours.hears(HOST, *introduction(ours), proven=BETA) == []
    assert ours.events() == ["gossip_refused"]
    assert not ours.lists(HOST)
    assert ours.hears(HOST, *introduction(ours), proven=HOST)


# --- answers that 0.9.1 overlooks ---


def test_who_answers_our_debut_with_a_round_is_taken_up_though_nobody_lists_it() -> None:
    ours = joining()
    ours.befriends(ALPHA)
    ours.hears(HOST, HOST.shown(ours.key, BETA.key), BETA.hidden(HOST.key))
    assert HOST.key in ours.full


def test_who_answers_with_an_older_record_is_taken_up_with_the_newer_one() -> None:
    ours = joining()
    ours.befriends(ALPHA)
    newer = HOST.hidden(ours.key, ALPHA.key, version=9)
    ours.hears(ALPHA, ALPHA.shown(ours.key, HOST.key, version=3), newer, GAMMA.hidden())
    ours.hears(HOST, HOST.shown(ours.key, version=2), BETA.hidden(HOST.key))
    assert HOST.key in ours.full
    assert ours.graph.record(HOST.key) == newer.record


def test_who_sends_a_round_unasked_is_not_taken_up() -> None:
    ours = joining()
    ours.hears(BETA, BETA.shown(ours.key, GAMMA.key), GAMMA.hidden(BETA.key))
    assert not ours.knows(BETA)
    assert ours.record.neighbors == frozenset()


def test_who_answers_without_listing_us_is_not_taken_up() -> None:
    ours = joining()
    ours.hears(HOST, HOST.shown(BETA.key), BETA.hidden(HOST.key))
    assert not ours.knows(HOST)


def test_over_a_secure_link_nobody_is_taken_up_in_anothers_name() -> None:
    ours = joining()
    ours.hears(HOST, HOST.shown(ours.key, BETA.key), BETA.hidden(HOST.key), proven=DELTA)
    assert not ours.lists(HOST)


def test_at_a_next_wake_there_is_something_to_do() -> None:
    ours = joining()
    ours.hears(HOST, *introduction(ours))
    assert ours.core.next_wake(ours.now) > ours.now
    assert ours.core.next_wake(ours.now) <= ours.now + TELL_AFTER + STEP
