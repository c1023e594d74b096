"""Scenarios G (neighborhood.md 11): what is told to whom, and when. Others are in tests/core/network."""

from __future__ import annotations

from tests.network_ends import Ours, Peer, peers, told_keys, told_record
from tests.node_ends import Nodes

from masq.core.effects import Log
from masq.types import Mode

ALPHA, BETA = peers(2)
NEW = Peer(50)


def test_G5_who_stays_is_told_of_a_lost_neighbor_without_its_address() -> None:
    ours = Ours()
    ours.befriends(ALPHA, BETA.key)
    ours.befriends(BETA, ALPHA.key)
    version = ours.record.version
    ours.loses(ALPHA)
    (tell,) = (tell for tell in ours.waits(0.1) if tell.key == BETA.key)
    assert told_keys(tell) == [ours.key, ALPHA.key]
    assert told_record(tell, ALPHA.key).address is None
    root = told_record(tell, ours.key).record
    assert root.neighbors == {BETA.key}
    assert root.version == version + 1


def test_G7_a_node_that_is_its_own_exit_tells_nobody_anything() -> None:
    nodes = Nodes()
    other = nodes.add()
    alone = nodes.add(mode=Mode.ZERO_HOP, contacts=[other])
    assert [effect for effect in alone.node.start(0.0) if not isinstance(effect, Log)] == []
    nodes.run(30.0)
    assert (list(alone.node.links), list(other.node.links)) == ([], [])


def test_G8_what_is_accepted_sets_off_a_round_a_debut_is_answered_alone_and_nothing_follows_no_news() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    assert {tell.key for tell in ours.hears(NEW, NEW.shown())} == {NEW.key}
    assert ours.waits(0.1) == []
    ours.hears(NEW, NEW.shown(ours.key, version=2))
    assert {tell.key for tell in ours.waits(0.1)} == {ALPHA.key, NEW.key}
    ours.waits(10.0)
    ours.hears(NEW, NEW.shown(ours.key, version=2))
    assert ours.waits(10.0) == []
