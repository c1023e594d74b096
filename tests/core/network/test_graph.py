"""The graph: what is known of whom, who is whose neighbor, and what is forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.network_ends import ROOT, Peer, graph_of, peers

from masq.core.network.graph import ISOLATED_GRACE
from masq.types import NodeAddress, RatePack
from masq.wire.message import NodeRecord
from masq.wire.news import id_of

ALPHA, BETA, GAMMA, DELTA = peers(4)
ELSEWHERE = NodeAddress("10.9.9.9", (6001,))


def test_at_first_only_the_root_is_known() -> None:
    graph = graph_of(ROOT.record())
    assert [known.record for known in graph] == [graph.root]
    assert len(graph) == 1
    assert ROOT.key in graph
    assert graph.at(ROOT.ip) == ROOT.key
    assert graph.root_address == ROOT.address


def test_a_node_without_an_address_is_found_by_none() -> None:
    graph = graph_of(ROOT.record(), address=None)
    assert graph.root_address is None
    assert graph.at(ROOT.ip) is None


def test_of_strangers_nothing_is_known() -> None:
    """X11."""
    graph = graph_of(ROOT.record(ALPHA.key))
    assert ALPHA.key not in graph
    assert graph.record(ALPHA.key) is None
    assert graph.address(ALPHA.key) is None
    assert graph.full_neighbors(ALPHA.key) == []
    assert graph.degree(ALPHA.key) == 0
    assert not graph.is_full(ROOT.key, ALPHA.key)


# --- addresses ---


def test_a_node_is_found_at_the_address_it_was_added_with() -> None:
    """X11."""
    graph = graph_of(ROOT.record(), ALPHA.shown())
    assert graph.at(ALPHA.ip) == ALPHA.key
    assert graph.address(ALPHA.key) == ALPHA.address


def test_an_address_learnt_later_is_found_by() -> None:
    """B20."""
    graph = graph_of(ROOT.record(), ALPHA.hidden())
    assert graph.at(ALPHA.ip) is None
    graph.learn_address(ALPHA.key, ALPHA.address)
    assert graph.at(ALPHA.ip) == ALPHA.key


def test_a_node_added_again_elsewhere_is_found_there_alone() -> None:
    graph = graph_of(ROOT.record(), ALPHA.shown())
    graph.add(ALPHA.record(version=2), ELSEWHERE, 1.0)
    assert graph.at(ALPHA.ip) is None
    assert graph.at(ELSEWHERE.ip) == ALPHA.key


def test_an_address_is_forgotten_but_for_ours() -> None:
    graph = graph_of(ROOT.record(), ALPHA.shown())
    for key in (ALPHA.key, ROOT.key, BETA.key):
        graph.forget_address(key)
    assert graph.at(ALPHA.ip) is None
    assert graph.address(ALPHA.key) is None
    assert graph.root_address == ROOT.address
    assert graph.at(ROOT.ip) == ROOT.key


def test_who_shares_an_address_does_not_take_it_along() -> None:
    graph = graph_of(ROOT.record(), ALPHA.shown(), replace(BETA.shown(), address=ALPHA.address))
    graph.forget(ALPHA.key)
    assert graph.at(ALPHA.ip) == BETA.key


# --- newer records ---


def test_a_newer_record_takes_the_place_of_the_older_one() -> None:
    graph = graph_of(ROOT.record(), ALPHA.shown())
    newer = ALPHA.record(BETA.key, version=2, routes=False, accepts=False)
    assert graph.update(newer, None, 1.0) is None
    assert graph.record(ALPHA.key) == newer
    assert graph.address(ALPHA.key) == ALPHA.address, "an address that is left out is kept"


def test_an_update_teaches_an_address_that_is_not_known() -> None:
    graph = graph_of(ROOT.record(), ALPHA.hidden())
    assert graph.update(ALPHA.record(version=2), ALPHA.address, 1.0) is None
    assert graph.at(ALPHA.ip) == ALPHA.key


@pytest.mark.parametrize(
    ("rates", "address", "why"),
    [(RatePack(1, 1, 1, 1), ALPHA.address, "rate pack"), (ALPHA.record().rates, ELSEWHERE, "address")],
)
def test_rates_and_address_do_not_change_under_one_key(rates: RatePack, address: NodeAddress, why: str) -> None:
    graph = graph_of(ROOT.record(), ALPHA.shown())
    revision = graph.revision
    refusal = graph.update(ALPHA.record(version=2, rates=rates), address, 1.0)
    assert refusal
    assert why in refusal
    assert graph.record(ALPHA.key) == ALPHA.record()
    assert graph.address(ALPHA.key) == ALPHA.address
    assert graph.revision == revision


def test_every_change_of_a_record_changes_the_revision() -> None:
    graph = graph_of(ROOT.record())
    seen = [graph.revision]
    graph.add(ALPHA.record(), None, 0.0)
    seen.append(graph.revision)
    graph.update(ALPHA.record(version=2), None, 0.0)
    seen.append(graph.revision)
    graph.set_root(ROOT.record(ALPHA.key, version=2))
    seen.append(graph.revision)
    graph.forget(ALPHA.key)
    assert len({*seen, graph.revision}) == 5


# --- neighbors ---


@pytest.mark.parametrize(
    ("ours", "theirs", "full"), [(True, True, True), (True, False, False), (False, True, False), (False, False, False)]
)
def test_full_neighbors_list_each_other(ours: bool, theirs: bool, full: bool) -> None:
    graph = graph_of(ROOT.record(*[ALPHA.key] * ours), ALPHA.shown(*[ROOT.key] * theirs))
    assert graph.is_full(ROOT.key, ALPHA.key) is full
    assert graph.is_full(ALPHA.key, ROOT.key) is full
    assert [record.public_key for record in graph.full_neighbors(ROOT.key)] == [ALPHA.key] * full


def test_full_neighbors_come_in_the_order_of_their_keys() -> None:
    crowd = peers(6)
    graph = graph_of(ROOT.record(*(peer.key for peer in crowd)), *(peer.shown(ROOT.key) for peer in crowd))
    assert [record.public_key for record in graph.full_neighbors(ROOT.key)] == sorted(peer.key for peer in crowd)


def test_a_node_that_two_of_its_neighbors_have_left_is_deserted() -> None:
    lists = [peer.record(ROOT.key) for peer in (BETA, GAMMA)]
    graph = graph_of(ROOT.record(), ALPHA.shown(BETA.key, GAMMA.key, DELTA.key))
    for record, deserted in zip(lists, (False, True), strict=True):
        graph.add(record, None, 0.0)  # Of whom we know nothing, nothing is concluded.
        assert graph.is_deserted(ALPHA.key) is deserted
    graph.add(GAMMA.record(ALPHA.key, version=2), None, 0.0)
    assert not graph.is_deserted(ALPHA.key)
    assert not graph.is_deserted(DELTA.key)


def test_the_degree_counts_accepting_full_neighbors_and_unknown_ones() -> None:
    graph = graph_of(
        ROOT.record(ALPHA.key, BETA.key, GAMMA.key, DELTA.key),
        ALPHA.shown(ROOT.key),
        BETA.hidden(ROOT.key, accepts=False),
        GAMMA.shown(),
    )
    assert graph.degree(ROOT.key) == 2, "alpha, which is full, and delta, which is not known"
    assert graph.degree(ALPHA.key) == 1
    assert graph.degree(GAMMA.key) == 0


def test_listed_are_all_that_somebody_lists_and_the_root() -> None:
    graph = graph_of(ROOT.record(ALPHA.key), ALPHA.shown(BETA.key), GAMMA.shown())
    assert [graph.is_listed(peer.key) for peer in (ROOT, ALPHA, BETA, GAMMA)] == [True, True, True, False]


def test_news_are_what_has_changed_or_is_newly_listed_since_the_latest_last() -> None:
    graph = graph_of(ROOT.record(ALPHA.key), ALPHA.shown(BETA.key), BETA.shown(), GAMMA.shown())
    assert [record.public_key for record in graph.news_since(-1)][-2:] == [ALPHA.key, BETA.key]
    before = graph.revision
    assert graph.news_since(before) == []
    graph.update(ALPHA.record(BETA.key, GAMMA.key, version=2), None, 0.0)
    assert [record.public_key for record in graph.news_since(before)] == [GAMMA.key, ALPHA.key]
    graph.forget(ALPHA.key)
    assert graph.news_since(before) == [], "alpha is gone, and nobody lists gamma any more"


# --- forgetting ---


def test_the_root_is_never_forgotten() -> None:
    graph = graph_of(ROOT.record())
    graph.forget(ROOT.key)
    assert graph.cull(1e9, 3) == []
    assert ROOT.key in graph


def test_a_node_out_of_reach_is_forgotten_after_a_while() -> None:
    """G4."""
    graph = graph_of(ROOT.record(ALPHA.key), ALPHA.shown(BETA.key), BETA.shown(), GAMMA.shown(ROOT.key))
    assert graph.cull(ISOLATED_GRACE - 0.1, 3) == []
    assert graph.cull(ISOLATED_GRACE, 3) == [GAMMA.key]
    assert GAMMA.key not in graph
    assert graph.at(GAMMA.ip) is None
    assert ALPHA.key in graph
    assert BETA.key in graph


def test_dead_nodes_that_list_each_other_are_forgotten_too() -> None:
    """G4, B5."""
    graph = graph_of(ROOT.record(), ALPHA.shown(BETA.key), BETA.shown(ALPHA.key))
    assert set(graph.cull(ISOLATED_GRACE, 3)) == {ALPHA.key, BETA.key}


def test_a_record_that_was_renewed_has_its_time_anew() -> None:
    graph = graph_of(ROOT.record(), ALPHA.shown())
    graph.update(ALPHA.record(version=2), None, 20.0)
    assert graph.cull(ISOLATED_GRACE, 3) == []
    assert graph.cull(20.0 + ISOLATED_GRACE, 3) == [ALPHA.key]


@given(st.lists(st.lists(st.integers(0, 6), max_size=4), min_size=7, max_size=7), st.integers(1, 6))
def test_what_is_culled_is_what_lists_do_not_lead_to(lists: list[list[int]], radius: int) -> None:
    """B5."""
    nodes = [ROOT, *peers(6)]
    listed = [[nodes[other].key for other in row] for row in lists]
    graph = graph_of(ROOT.record(*listed[0]), *(node.hidden(*listed[at]) for at, node in enumerate(nodes) if at))
    reached = {0}
    for _ in range(radius):
        reached |= {other for at in reached for other in lists[at]}
    assert set(graph.cull(ISOLATED_GRACE, radius)) == {node.key for at, node in enumerate(nodes) if at not in reached}
    assert graph.cull(1e9, radius) == []


class AnyChanges(RuleBasedStateMachine):
    """Whatever changes in whatever order: the index of addresses and the kept lists of neighbors stay right."""

    some = st.sampled_from([ROOT, *peers(4)])
    others = st.sampled_from(peers(4))
    lists = st.lists(some, max_size=4)
    places = st.sampled_from([None, *(peer.address for peer in peers(4)), ELSEWHERE])

    def __init__(self) -> None:
        super().__init__()
        self.graph = graph_of(ROOT.record())
        self.version = 1

    def _next(self, peer: Peer, listed: list[Peer]) -> NodeRecord:
        self.version += 1
        return peer.record(*(other.key for other in listed if other != peer), version=self.version)

    @rule(peer=others, listed=lists, address=places)
    def add(self, peer: Peer, listed: list[Peer], address: NodeAddress | None) -> None:
        self.graph.add(self._next(peer, listed), address, 0.0)

    @rule(peer=others, listed=lists, address=places)
    def update(self, peer: Peer, listed: list[Peer], address: NodeAddress | None) -> None:
        if peer.key in self.graph:
            self.graph.update(self._next(peer, listed), address, 0.0)

    @rule(listed=lists)
    def set_root(self, listed: list[Peer]) -> None:
        self.graph.set_root(self._next(ROOT, listed))

    @rule(peer=some)
    def forget(self, peer: Peer) -> None:
        self.graph.forget(peer.key)

    @rule(peer=some)
    def forget_address(self, peer: Peer) -> None:
        self.graph.forget_address(peer.key)

    @invariant()
    def the_root_stays(self) -> None:
        assert ROOT.key in self.graph
        assert self.graph.root_address == ROOT.address

    @invariant()
    def who_is_found_at_an_address_is_known_there(self) -> None:
        for ip in (ROOT.ip, ELSEWHERE.ip, *(peer.ip for peer in peers(4))):
            key = self.graph.at(ip)
            if key is not None:
                address = self.graph.address(key)
                assert address
                assert address.ip == ip

    @invariant()
    def full_neighbors_are_as_the_records_say(self) -> None:
        records = {known.record.public_key: known.record for known in self.graph}
        for key, record in records.items():
            full = [other for other in sorted(record.neighbors) if key in getattr(records.get(other), "neighbors", ())]
            assert [other.public_key for other in self.graph.full_neighbors(key)] == full

    @invariant()
    def what_is_derived_is_as_the_records_say(self) -> None:
        records = {known.record.public_key: known.record for known in self.graph}
        listed = {ROOT.key}.union(*(record.neighbors for record in records.values()))
        assert {key for key in (ROOT.key, *(peer.key for peer in peers(4))) if self.graph.is_listed(key)} == listed
        assert {record.public_key for record in self.graph.news_since(-1)} == listed & records.keys()
        assert self.graph.size == len(listed | records.keys())
        reached = {ROOT.key}
        for radius in range(4):
            assert self.graph.within(radius) == reached
            reached |= {other for key in reached if key in records for other in records[key].neighbors}
        for peer in (ROOT, *peers(4)):
            called = self.graph.called(id_of(peer.key))
            assert (called and called.record) == records.get(peer.key)


AnyChanges.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestAnyChanges = AnyChanges.TestCase
