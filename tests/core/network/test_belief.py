"""How many new Nodes are believed on one word: at once, a second, and at most."""

from __future__ import annotations

import pytest
from tests.network_ends import ROOT, graph_of, peers

from masq.core.limits import BELIEVED_AT_ONCE, BELIEVED_PER_SECOND, KNOWN_SHARE, MAX_KNOWN
from masq.core.network.belief import Belief

TELLER, OTHER = b"a", b"b"


def belief(radius: int = 3) -> Belief:
    return Belief(graph_of(ROOT.record()), radius)


def test_each_teller_has_an_allowance_that_comes_back() -> None:
    ours = belief()
    assert ours.left(TELLER, 0.0) == BELIEVED_AT_ONCE
    ours.took(TELLER, BELIEVED_AT_ONCE, 0.0)
    assert ours.left(TELLER, 0.0) == 0
    assert ours.left(OTHER, 0.0) == BELIEVED_AT_ONCE
    assert ours.left(TELLER, 10 / BELIEVED_PER_SECOND) == 10
    assert ours.left(TELLER, 1e9) == BELIEVED_AT_ONCE


@pytest.mark.parametrize(
    ("radius", "at_once"), [(1, BELIEVED_AT_ONCE), (4, 2 * BELIEVED_AT_ONCE), (40, MAX_KNOWN // KNOWN_SHARE)]
)
def test_a_wider_radius_holds_more(radius: int, at_once: int) -> None:
    assert belief(radius).left(TELLER, 0.0) == at_once


def test_nothing_new_costs_nothing() -> None:
    ours = belief()
    ours.took(TELLER, 0, 0.0)
    assert ours.left(TELLER, 0.0) == BELIEVED_AT_ONCE


def test_one_word_stands_for_a_share_of_what_is_known() -> None:
    graph = graph_of(ROOT.record())
    ours = Belief(graph, 3)
    told = peers(MAX_KNOWN // KNOWN_SHARE)
    for peer in told[:-3]:
        graph.add(peer.record(), None, 0.0, TELLER)
    assert ours.left(TELLER, 0.0) == 3
    for peer in told[-3:]:
        graph.add(peer.record(), None, 0.0, TELLER)
    assert ours.left(TELLER, 0.0) == 0
    assert ours.left(OTHER, 0.0) == BELIEVED_AT_ONCE


def test_a_full_table_takes_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("masq.core.network.belief.MAX_KNOWN", 8)
    graph = graph_of(ROOT.record())
    ours = Belief(graph, 3)
    for peer in peers(6):
        graph.add(peer.record(), None, 0.0)
    assert ours.left(TELLER, 0.0) == 1
    for peer in peers(8)[6:]:
        graph.add(peer.record(), None, 0.0)
    assert ours.left(TELLER, 0.0) == 0, "nor is it less than nothing"


def test_who_is_believed_as_anybody_is_forgotten() -> None:
    ours = belief()
    ours.took(TELLER, 5, 0.0)
    ours.took(OTHER, 50, 0.0)
    ours.forget(5 / BELIEVED_PER_SECOND)
    assert set(ours._left) == {OTHER}
    assert ours.left(OTHER, 5 / BELIEVED_PER_SECOND) == BELIEVED_AT_ONCE - 45
