"""Rounds: what is believed, who is adopted, when ours follow, how they come to rest (neighborhood.md 2.6, 3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.network_ends import STEP, Ours, Peer, peers, told_keys, told_record

from masq.core.limits import MAX_DEGREE, MAX_KNOWN
from masq.core.network.rounds import REFRESH, ROUND_DELAY, ROUND_EVERY
from masq.types import NodeAddress, RatePack
from masq.wire.message import GossipRecord

ALPHA, BETA, GAMMA, DELTA = peers(4)
FAR = Peer(60)


def linked(*friends: Peer) -> Ours:
    ours = Ours()
    for peer in friends or (ALPHA,):
        ours.befriends(peer)
    return ours


# --- what is believed ---


def test_nodes_within_reach_are_taken_in_without_an_address() -> None:
    ours = linked()
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3), BETA.hidden(GAMMA.key), GAMMA.hidden())
    assert ours.knows(BETA)
    assert ours.knows(GAMMA)
    assert ours.graph.address(BETA.key) is None


def test_nodes_that_no_list_leads_to_are_not() -> None:
    ours = linked()
    ours.hears(ALPHA, ALPHA.shown(ours.key, version=3), BETA.hidden(ALPHA.key), GAMMA.hidden(BETA.key))
    assert not ours.knows(BETA)
    assert not ours.knows(GAMMA)


@pytest.mark.parametrize(("radius", "reach"), [(1, 3), (3, 3), (4, 4)])
def test_the_radius_is_at_least_three(radius: int, reach: int) -> None:
    ours = Ours(radius=radius)
    ours.befriends(ALPHA)
    line = [ALPHA, *peers(5, 10)]
    items = [node.hidden(node_after.key) for node, node_after in zip(line[1:], [*line[2:], FAR], strict=True)]
    ours.hears(ALPHA, ALPHA.shown(ours.key, line[1].key, version=3), *items)
    assert [ours.knows(node) for node in line] == [True] * reach + [False] * (6 - reach)


def test_a_neighbor_teaches_us_no_address_of_an_unknown_node() -> None:
    """T8."""
    ours = linked()
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, GAMMA.key, version=3), BETA.shown(), GAMMA.hidden())
    assert not ours.knows(BETA)
    assert ours.knows(GAMMA)


def test_an_older_record_changes_nothing() -> None:
    """T11."""
    ours = linked()
    before = ours.graph.record(ALPHA.key)
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=1), BETA.hidden(), GAMMA.hidden())
    assert ours.graph.record(ALPHA.key) == before
    assert ours.logs == []


def test_a_newer_record_with_other_rates_is_refused_and_the_rest_taken() -> None:
    ours = linked()
    dear = GossipRecord(ALPHA.record(ours.key, BETA.key, version=3, rates=RatePack(9, 9, 9, 9)), ALPHA.address)
    ours.hears(ALPHA, dear, BETA.hidden())
    assert ours.events() == ["update_refused"]
    assert ours.graph.record(ALPHA.key) == ALPHA.record(ours.key, version=2)
    assert ours.knows(BETA)


def test_an_address_where_no_node_can_be_is_not_learnt() -> None:
    ours = linked()
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3), BETA.hidden(ALPHA.key))
    local = replace(BETA.shown(ALPHA.key, version=2), address=NodeAddress("127.0.0.1", (6001,)))
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=4), local)
    assert ours.graph.record(BETA.key) == BETA.record(ALPHA.key, version=2)
    assert ours.graph.address(BETA.key) is None


def test_a_neighbor_is_found_at_its_address_though_its_record_is_not_new() -> None:
    ours = linked()
    ours.graph.forget_address(ALPHA.key)
    ours.hears(ALPHA, ALPHA.shown(ours.key, version=2), BETA.hidden())
    assert ours.graph.address(ALPHA.key) == ALPHA.address


def test_no_more_nodes_are_kept_than_there_is_room_for() -> None:
    """B4."""
    ours = linked()
    ours.now += 1.0
    spare = MAX_KNOWN - len(ours.graph)
    invented = Peer(70).record()
    for number in range(spare):  # Records that are no more than their keys.
        ours.graph.add(replace(invented, public_key=number.to_bytes(64, "big")), None, ours.now)
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3), BETA.hidden(), GAMMA.hidden())
    assert len(ours.graph) == MAX_KNOWN
    assert not ours.knows(BETA)
    assert ours.graph.record(ALPHA.key) == ALPHA.record(ours.key, BETA.key, version=3), "what is known is renewed"


def test_a_round_with_our_own_record_is_dropped() -> None:
    """T2, T16."""
    ours = linked()
    said = ALPHA.shown(ours.key, BETA.key, version=3), BETA.hidden(), Peer(0).hidden()
    assert ours.hears(ALPHA, *said) == []
    assert [(log.level, log.event) for log in ours.logs] == [("warning", "gossip_refused")]
    assert not ours.knows(BETA)


# --- who is adopted ---


def hearsay(ours: Ours, *others: Peer) -> None:
    """Alpha tells of others that it lists."""
    keys = [other.key for other in others]
    ours.hears(ALPHA, ALPHA.shown(ours.key, *keys, version=3), *(other.hidden(ALPHA.key) for other in others), NOISE)
    ours.waits(0.1)


NOISE = Peer(61).hidden()
"""A record that nobody lists: it makes any message a round."""


def test_a_known_node_that_speaks_to_us_is_listed() -> None:
    """B20."""
    ours = linked()
    hearsay(ours, BETA)
    ours.hears(BETA, BETA.shown(ALPHA.key), NOISE, ALPHA.hidden(version=3))
    assert ours.lists(BETA)


def test_with_five_full_neighbors_nobody_is_adopted() -> None:
    """T9."""
    ours = linked(*peers(MAX_DEGREE))
    hearsay(ours, FAR)
    ours.waits(6.0)
    ours.hears(FAR, FAR.shown(ALPHA.key), NOISE, ALPHA.hidden(version=3))
    assert not ours.lists(FAR)
    assert ours.waits(10.0) == [], "nothing else is new"


def test_over_a_secure_link_the_one_whose_key_is_proved_is_adopted() -> None:
    ours = linked()
    hearsay(ours, BETA)
    ours.hears(BETA, BETA.hidden(ALPHA.key), NOISE, ALPHA.hidden(version=3), proven=BETA)
    assert ours.lists(BETA)


def test_over_a_secure_link_of_a_stranger_nobody_else_is_adopted() -> None:
    ours = linked()
    hearsay(ours, BETA)
    ours.graph.learn_address(BETA.key, BETA.address)
    ours.hears(BETA, ALPHA.hidden(version=3), NOISE, GAMMA.hidden(), proven=DELTA)
    assert not ours.lists(BETA)
    assert not ours.lists(DELTA)


def test_a_stranger_is_not_adopted() -> None:
    ours = linked()
    ours.hears(BETA, BETA.shown(ALPHA.key), NOISE, GAMMA.hidden())
    assert not ours.lists(BETA)


# --- when rounds follow ---


def test_changes_are_gathered_and_told_once() -> None:
    """B7."""
    ours = linked(ALPHA, BETA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, GAMMA.key, version=3), GAMMA.hidden(), NOISE)
    ours.hears(BETA, BETA.shown(ours.key, DELTA.key, version=3), DELTA.hidden(), NOISE)
    assert ours.waits(ROUND_DELAY - 2 * STEP) == []
    tells = ours.waits(0.1)
    assert sorted(tell.key for tell in tells) == sorted([ALPHA.key, BETA.key])
    for tell in tells:
        assert {GAMMA.key, DELTA.key} < set(told_keys(tell))


def test_what_is_no_news_is_met_with_silence() -> None:
    """T11."""
    ours = linked()
    items = (ALPHA.shown(ours.key, BETA.key, version=3), BETA.hidden(), NOISE)
    ours.hears(ALPHA, *items)
    assert ours.waits(1.0)
    ours.hears(ALPHA, *items)
    assert ours.waits(10.0) == []


def test_a_full_round_repairs_from_time_to_time_what_was_lost() -> None:
    """B9."""
    ours = linked()
    assert ours.waits(REFRESH - 10.0) == []
    (tell,) = ours.waits(30.0)
    assert tell.key == ALPHA.key
    assert ours.waits(REFRESH - 40.0) == []
    assert len(ours.waits(40.0)) == 1


def test_a_round_does_not_change_our_version() -> None:
    ours = linked()
    version = ours.record.version
    ours.waits(REFRESH + 20.0)
    assert ours.record.version == version


def test_listed_nodes_whose_record_or_address_we_lack_are_told_nothing() -> None:
    ours = linked(ALPHA, BETA)
    ours.graph.forget_address(BETA.key)
    assert {tell.key for tell in ours.waits(REFRESH + 20.0)} == {ALPHA.key}
    ours.graph.forget(ALPHA.key)
    assert ours.waits(REFRESH) == []


@pytest.mark.parametrize(("extensions", "told"), [((), 0), (("flow1",), 1)])
def test_a_lone_record_without_address_is_told_to_those_alone_who_take_it(
    extensions: tuple[str, ...], told: int
) -> None:
    """B21."""
    ours = Ours(ALPHA.contact(), accepts=False, address=None)
    ours.starts()
    answer = GossipRecord(ALPHA.record(ours.key, extensions=extensions), ALPHA.address)
    assert len(ours.hears(ALPHA, answer)) == told
    assert ours.lists(ALPHA)
    ours.hears(ALPHA, replace(answer, record=ALPHA.record(ours.key, BETA.key, version=2)), BETA.hidden(), NOISE)
    (tell,) = ours.waits(ROUND_EVERY + 0.1)
    assert told_keys(tell) == [ours.key, BETA.key]
    assert told_record(tell, ours.key).address is None


# --- forgetting ---


def test_nodes_that_nobody_leads_to_any_more_are_forgotten() -> None:
    ours = linked()
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3), BETA.hidden(GAMMA.key), GAMMA.hidden(BETA.key))
    ours.hears(ALPHA, ALPHA.shown(ours.key, version=4), NOISE)
    ours.waits(10.0)
    assert ours.knows(BETA)
    ours.waits(120.0)
    assert not ours.knows(BETA)
    assert not ours.knows(GAMMA)
    assert ours.full == [ALPHA.key]


# --- what is shown and saved ---


def test_the_view_shows_whom_we_list_and_how() -> None:
    ours = linked()
    ours.hears(BETA, BETA.shown())
    views = {view.key: (view.address, view.full) for view in ours.core.view()}
    assert views == {
        ALPHA.key.hex(): (str(ALPHA.address.endpoint), True),
        BETA.key.hex(): (str(BETA.address.endpoint), False),
    }
    ours.graph.forget_address(ALPHA.key)
    (address,) = (view.address for view in ours.core.view() if view.key == ALPHA.key.hex())
    assert address is None


def test_full_neighbors_are_saved_when_they_change() -> None:
    """L12."""
    ours = linked()
    (one,) = ours.saved
    assert one == f"{ALPHA.key.hex()}@{ALPHA.address.endpoint}"
    ours.befriends(BETA)
    assert set(ours.saved[-1].split(",")) == {one, f"{BETA.key.hex()}@{BETA.address.endpoint}"}
    ours.hears(BETA, BETA.shown(ours.key, version=2))
    assert len(ours.saved) == 2, "what is the same is not saved again"


def test_who_accepts_no_connections_is_not_saved() -> None:
    ours = Ours()
    ours.befriends(ALPHA, accepts=False)
    assert ours.saved == []


def test_no_neighbors_are_nothing_to_save() -> None:
    """L12."""
    ours = linked()
    ours.loses(ALPHA)
    ours.hears(BETA, BETA.shown())
    assert len(ours.saved) == 1
