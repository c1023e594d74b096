"""Scenarios P and I (neighborhood.md 11): Passes and Introductions. The others stand in tests/core/network."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.core.network.test_neighborhood_joining import HOST, introduction, joining
from tests.network_ends import ROOT, Ours, Peer, peers, told_record

from masq.core.limits import MAX_VISITORS
from masq.core.network.contacts import SOLICITED
from masq.core.network.routing import ExitWish, Routes
from masq.types import NodeAddress
from masq.wire.message import GossipRecord

ALPHA, BETA = peers(2)


# --- Pass ---


def test_P2_a_pass_to_where_we_were_sent_a_moment_ago_is_ignored_and_the_moment_counts_anew() -> None:
    ours = joining()
    assert ours.hears(HOST, ALPHA.shown())
    for _ in range(3):
        ours.waits(SOLICITED - 1.0)
        assert ours.hears(HOST, ALPHA.shown()) == []
    assert ours.events() == ["pass_loop"] * 3


def test_P4_a_pass_to_a_contact_is_followed_once() -> None:
    """0.9.1 gives up. There, ours is taken: who comes back found no place elsewhere."""
    ours = Ours(HOST.contact(), ALPHA.contact())
    ours.starts()
    (debut,) = ours.hears(HOST, ALPHA.shown())
    assert debut.key == ALPHA.key
    assert ours.hears(HOST, ALPHA.shown()) == []
    assert ours.events() == ["pass_loop"]


@pytest.mark.parametrize("item", [ALPHA.hidden(), replace(ALPHA.shown(), address=NodeAddress(ALPHA.ip, ()))])
def test_P5_a_pass_without_an_address_or_its_ports_is_dropped_with_a_warning(item: GossipRecord) -> None:
    ours = joining()
    assert ours.hears(HOST, item) == []
    assert [(log.level, log.event) for log in ours.logs] == [("warning", "gossip_refused")]
    assert len(ours.graph) == 1


# --- Introduction ---


def test_I3_a_linked_introducer_changes_nothing_of_us_and_its_introducee_is_debuted_to() -> None:
    ours = joining()
    ours.hears(HOST, *introduction(ours, BETA))
    for visitor in peers(MAX_VISITORS, 40):
        ours.hears(visitor, visitor.shown())
    version = ours.record.version
    (debut,) = ours.hears(HOST, *introduction(ours, BETA))
    assert debut.key == BETA.key
    assert ours.record.version == version


def test_I5_an_introducer_that_is_known_elsewhere_is_refused_and_stays_as_it_was() -> None:
    ours = joining()
    ours.befriends(ALPHA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, HOST.key, version=3), HOST.hidden(version=1))
    elsewhere = NodeAddress("10.9.9.9", (6001,))
    ours.graph.learn_address(HOST.key, elsewhere)
    assert ours.hears(HOST, *introduction(ours, BETA, version=2)) == []
    assert ours.logs[-1].event == "gossip_refused"
    assert ours.graph.record(HOST.key) == HOST.record(version=1)
    assert ours.graph.address(HOST.key) == elsewhere
    assert not ours.lists(HOST)


def test_I9_two_nodes_at_the_speaker_s_address_are_no_introduction() -> None:
    """0.9.1 drops the message. Ours leaves the addresses out, as 2.0 has it, and nothing is left to follow."""
    ours = joining()
    introducer, introducee = introduction(ours)
    assert ours.hears(HOST, introducer, replace(introducee, address=HOST.address)) == []
    assert not ours.lists(HOST)
    assert not ours.knows(ALPHA)


@pytest.mark.parametrize(
    ("speaker", "introducer", "introducee"),
    [
        pytest.param(HOST, replace(ROOT.shown(), address=HOST.address), ALPHA.shown(), id="our key"),
        pytest.param(ROOT, replace(HOST.shown(), address=ROOT.address), ALPHA.shown(), id="our address"),
        pytest.param(HOST, replace(HOST.shown(), address=NodeAddress(HOST.ip, ())), ALPHA.shown(), id="no ports"),
        pytest.param(HOST, HOST.shown(), replace(ALPHA.shown(), address=NodeAddress(ALPHA.ip, ())), id="nor the other"),
    ],
)
def test_I10_an_introduction_that_cannot_be_leads_nowhere(
    speaker: Peer, introducer: GossipRecord, introducee: GossipRecord
) -> None:
    ours = joining()
    assert ours.hears(speaker, introducer, introducee) == []
    assert ours.waits(0.1) == []
    assert ours.record.neighbors == frozenset()
    assert not ours.knows(ALPHA)


def test_I11_one_without_a_listener_follows_an_introduction_too() -> None:
    ours = joining(accepts=False)
    (debut,) = ours.hears(HOST, *introduction(ours))
    assert debut.key == ALPHA.key
    assert told_record(debut, ours.key).address is None
    assert ours.full == [HOST.key]


def test_I12_the_introducer_s_country_is_one_where_exits_are() -> None:
    ours = joining()
    _, introducee = introduction(ours)
    ours.hears(HOST, GossipRecord(HOST.record(ours.key, ALPHA.key, country="AU"), HOST.address), introducee)
    routes = Routes(ours.graph, random.Random(1).randbytes)
    routes.exits = ExitWish((frozenset(("AU",)),), fallback=False)
    assert routes.find(1, 1_000).exit.key == HOST.key
