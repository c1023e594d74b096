"""Reputation: what is learnt of Nodes, how long it counts, and what is kept of it."""

from __future__ import annotations

import math

import pytest
from tests.network_ends import ROOT, Peer, peers

from masq.core.network.reputation import (
    CONFIG,
    FIRST_TERM,
    GROWTH,
    HALF_LIFE,
    SLOWEST,
    SPEED_HALF_LIFE,
    SUSPECTED,
    UNCERTAIN,
    Reputation,
)

ONE, TWO, THREE, FOUR = peers(4)


def weight(reputation: Reputation, peer: Peer) -> float:
    return reputation.weight(peer.record(), ROOT.key)


def test_who_served_well_is_likelier_than_who_is_unknown_and_half_of_it_is_forgotten_in_a_day() -> None:
    reputation = Reputation()
    assert weight(reputation, ONE) == 0.5
    for _ in range(20):
        reputation.worked((ROOT.key, ONE.key), 0.0)
    assert weight(reputation, ONE) == pytest.approx(21 / 22)
    reputation.worked((ROOT.key, ONE.key), HALF_LIFE)
    assert reputation.view(ONE.key).good == 11


def test_a_failure_is_shared_and_who_did_well_gets_less_of_it() -> None:
    reputation = Reputation()
    for _ in range(20):
        reputation.worked((ROOT.key, ONE.key), 0.0)
    reputation.failed((ONE.key, TWO.key), 1.0)
    assert reputation.view(ONE.key).bad < 0.2 < 0.8 < reputation.view(TWO.key).bad
    assert reputation.view(ONE.key).bad + reputation.view(TWO.key).bad == pytest.approx(1, abs=0.02)


def test_a_suspect_is_hardly_drawn_for_a_minute_or_until_it_does_well() -> None:
    reputation = Reputation(1_000.0)
    reputation.failed((ONE.key, TWO.key), 0.0)
    score = reputation.view(ONE.key).score
    assert reputation.view(ONE.key).weight == pytest.approx(2 * score**2 * SUSPECTED, abs=0.001)
    reputation.worked((ROOT.key, ONE.key), 1.0)
    reputation.tick(UNCERTAIN - 1)
    assert weight(reputation, ONE) > 4 * weight(reputation, TWO)
    reputation.tick(UNCERTAIN + 1)
    assert weight(reputation, TWO) > 0.3


def experienced() -> Reputation:
    """Three ways that carried 3 MB/s: that is typical."""
    reputation = Reputation()
    for way in (THREE,), (FOUR,), (THREE, FOUR):
        assert not reputation.carried((ROOT.key, *(peer.key for peer in way)), 3e6, math.inf, 0.0)
    return reputation


def test_three_ways_tell_what_is_typical() -> None:
    reputation = Reputation()
    for peer in (ONE, TWO):
        assert not reputation.carried((ROOT.key, peer.key), 1.0, 1.0, 0.0)
        assert reputation.typical_speed() is None, "two tell nothing of the others"
    assert not reputation.carried((ROOT.key, THREE.key), 3e6, 3e6, 0.0)
    assert reputation.typical_speed() == 1.0


def test_of_those_on_a_slow_circuit_only_the_one_that_never_does_better_is_slow() -> None:
    reputation = experienced()
    for fast in (ONE, THREE, FOUR):
        assert reputation.carried((ROOT.key, fast.key, TWO.key), 300_000.0, 300_000.0, 1.0)
        assert not reputation.carried((ROOT.key, fast.key), 3e6, math.inf, 1.0)
    assert reputation.typical_speed() == 3e6
    assert [weight(reputation, peer) for peer in (ONE, THREE, FOUR)] == [0.5] * 3
    assert weight(reputation, TWO) == pytest.approx(0.05, rel=0.01)
    assert "slower than most" in reputation.view(TWO.key).why
    assert "slower than most" not in reputation.view(ONE.key).why
    assert not reputation.carried((ROOT.key, TWO.key), 3e6, math.inf, 2.0)
    assert weight(reputation, TWO) == 0.5


def test_one_slow_way_is_held_against_its_nodes_less_than_three_and_again_and_again_the_same_counts_once() -> None:
    reputation = experienced()
    for _ in range(5):
        reputation.carried((ROOT.key, ONE.key, TWO.key), 300_000.0, 300_000.0, 1.0)
    assert weight(reputation, ONE) == weight(reputation, TWO) == pytest.approx(0.5 * 0.1 ** (1 / 3), rel=0.01)


def test_a_way_that_may_carry_more_is_held_against_nobody() -> None:
    """A slow server or reader: nothing waits on the way. Our own line is full: more comes over others."""
    reputation = experienced()
    for most in (math.inf, 2e6):
        for other in (TWO, THREE, FOUR):
            assert not reputation.carried((ROOT.key, ONE.key, other.key), 1_000.0, most, 1.0)
    assert [weight(reputation, peer) for peer in (ONE, TWO, THREE, FOUR)] == [0.5] * 4
    assert reputation.typical_speed() == 3e6


def test_if_all_ways_are_slow_that_is_typical() -> None:
    reputation = experienced()
    for at in range(20):
        reputation.carried((ROOT.key, (ONE, TWO)[at % 2].key, bytes((at,)) * 64), 300_000.0, 300_000.0, 1.0)
    assert reputation.typical_speed() == 300_000.0
    assert weight(reputation, ONE) == weight(reputation, TWO) == 0.5


def test_the_slowest_is_drawn_at_times_and_that_it_is_slow_is_forgotten() -> None:
    reputation = experienced()
    for other in (TWO, THREE, FOUR):
        reputation.carried((ROOT.key, ONE.key, other.key), 1.0, 1.0, 0.0)
    assert weight(reputation, ONE) == 0.5 * SLOWEST
    reputation.tick(SPEED_HALF_LIFE)
    assert weight(reputation, ONE) == pytest.approx(0.5 * SLOWEST**0.5)


def test_what_was_learnt_outlives_a_restart() -> None:
    before = Reputation(1_000.0, guards=lambda: '["61"]')
    before.worked((ROOT.key, ONE.key), 0.0)
    before.carried((ROOT.key, ONE.key), 1e6, math.inf, 0.0)
    until = before.sentence(TWO.key, "it swallows", 0.0)
    (saved,) = before.save(0.0)
    assert saved.name == CONFIG
    assert not before.save(1.0), "there is nothing new"
    after = Reputation(1_000.0, saved.value)
    assert after.view(ONE.key) == before.view(ONE.key)
    assert after.view(TWO.key).avoided == until
    assert after.saved_guards == '["61"]'


@pytest.mark.parametrize("saved", [None, "", "no json", "[]", '{"nodes": [[]]}', '{"terms": 1}', "[" * 100_000])
def test_what_makes_no_sense_is_as_good_as_nothing(saved: str | None) -> None:
    assert weight(Reputation(0.0, saved), ONE) == 0.5


def test_terms_grow_and_who_is_pardoned_has_ten_minutes_left_and_begins_anew() -> None:
    record = TWO.record()
    ours = Reputation(wallet_of=lambda key: record.earning_wallet)
    now = 0.0
    for count in range(3):
        assert ours.sentence(TWO.key, "it swallows", now) == now + FIRST_TERM * GROWTH**count
        assert ours.sentence(TWO.key, "again", now + 1) == now + FIRST_TERM * GROWTH**count, "it is in its term already"
        now += FIRST_TERM * GROWTH**count
    until = ours.sentence(TWO.key, "it swallows", now)
    assert ours.view(TWO.key).bad > 3.5, "four failures, the first of half a day ago"
    assert ours.pardon(TWO.key, now) == now + FIRST_TERM < until
    view = ours.view(TWO.key)
    assert (view.avoided, view.terms) == (FIRST_TERM, 0)
    assert view.bad < 0.01
    assert ours.pardon(TWO.key, now + 5) == now + FIRST_TERM, "a second pardon makes it no longer"
    assert ours.sentence(TWO.key, "it swallows", now + FIRST_TERM) == now + 2 * FIRST_TERM
