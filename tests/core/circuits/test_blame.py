"""Who is avoided: those that were named, and those that stand out among what failed (protocol.md 15.5)."""

from __future__ import annotations

from random import Random

import pytest

from masq.core.circuits.blame import BLAME_LIFE, MAX_FAILURES, MAX_PRAISED, Blame
from masq.core.failure import SOME_HOP, Cause, Failure

SILENT = Failure(Cause.SILENT, SOME_HOP)
GUARD, THIEF, OTHER = b"guard", b"thief", b"other"


def honest(number: int) -> bytes:
    return b"honest %d" % number


def test_who_was_named_is_avoided_for_a_while() -> None:
    blame = Blame()
    blame.put(THIEF, SILENT, 5.0)
    assert blame.keys(5.0 + BLAME_LIFE - 1) == (THIEF,)
    assert blame.keys(5.0 + BLAME_LIFE) == ()


def test_a_single_suspect_is_as_good_as_named_and_one_of_several_is_nobody() -> None:
    blame = Blame()
    blame.suspect((THIEF,), SILENT, 0.0)
    blame.suspect((GUARD, OTHER), SILENT, 0.0)
    assert blame.keys(0.0) == (THIEF,)


def test_who_was_in_all_that_failed_stands_out_and_those_beside_it_don_t() -> None:
    blame = Blame()
    for number in range(4):
        blame.suspect((honest(2 * number), THIEF, honest(2 * number + 1)), SILENT, 0.0)
    assert blame.keys(0.0) == (THIEF,)
    (view,) = blame.view(7.0)
    assert (view.reason, view.age) == (str(SILENT), 7.0)


def test_who_can_t_be_told_apart_is_avoided_together_until_something_goes_well() -> None:
    blame = Blame()
    for _ in range(2):
        blame.suspect((GUARD, THIEF, OTHER), SILENT, 0.0)
    assert blame.keys(0.0) == (GUARD, THIEF, OTHER)
    blame.praise((GUARD, OTHER), 1.0)
    assert blame.keys(1.0) == (THIEF,)


def test_a_first_hop_of_all_circuits_is_not_taken_for_the_thieves_behind_it() -> None:
    blame = Blame()
    for number in range(20):
        blame.praise((GUARD, honest(number)), 0.0)
    for number in range(6):
        blame.suspect((GUARD, b"thief %d" % (number % 2), honest(30 + number)), SILENT, 0.0)
    assert blame.keys(0.0) == (b"thief 0", b"thief 1")


def test_who_can_be_explained_by_one_that_was_named_is_not_suspected_for_it() -> None:
    blame = Blame()
    for _ in range(5):
        blame.suspect((GUARD, THIEF), SILENT, 0.0)
    blame.put(THIEF, SILENT, 0.0)
    assert blame.keys(0.0) == (THIEF,)


def test_a_few_failures_of_one_that_mostly_works_are_no_reason() -> None:
    blame = Blame()
    for number in range(30):
        blame.praise((GUARD, honest(number)), 0.0)
    for number in range(3):
        blame.suspect((GUARD, honest(number)), SILENT, 0.0)
    assert blame.keys(0.0) == ()


@pytest.mark.parametrize("seed", range(20))
def test_one_thief_among_many_is_found_and_hardly_anybody_else(seed: int) -> None:
    random, blame = Random(seed), Blame()
    nodes = [THIEF, *map(honest, range(13))]
    for _ in range(60):
        avoided = blame.keys(0.0)
        way = tuple(random.sample([node for node in nodes if node not in avoided], 3))
        if THIEF in way:
            blame.suspect(way, SILENT, 0.0)
        else:
            blame.praise(way, 0.0)
    assert THIEF in blame.keys(0.0)
    assert len(blame.keys(0.0)) <= 3


@pytest.mark.parametrize("seed", range(20))
def test_a_liar_about_its_neighbors_is_found(seed: int) -> None:
    random, blame = Random(seed), Blame()
    others = [honest(number) for number in range(6)]
    for _ in range(30):
        if THIEF in blame.keys(0.0):
            break
        blame.suspect((THIEF, random.choice(others)), Failure(Cause.UNREACHABLE), 0.0)
        blame.praise(tuple(random.sample(others, 3)), 0.0)
    assert blame.keys(0.0) == (THIEF,)


def test_what_failed_is_forgotten_with_time_and_bounded() -> None:
    blame = Blame()
    for number in range(3 * MAX_FAILURES):
        blame.suspect((THIEF, honest(number)), SILENT, float(number) / 10)
    assert len(blame._events) == MAX_FAILURES
    assert blame.keys(40.0) == (THIEF,)
    assert blame.keys(40.0 + BLAME_LIFE) == ()
    assert not blame._events


def test_praise_is_bounded_and_fades() -> None:
    blame = Blame()
    for _ in range(9):
        blame.praise((GUARD,), 0.0)
    for number in range(3 * MAX_PRAISED):
        blame.praise((honest(number),), 0.0)
    assert len(blame._good) <= MAX_PRAISED
    assert GUARD in blame._good
    for number in range(2):
        blame.suspect((GUARD, honest(9_000 + number)), SILENT, 10 * BLAME_LIFE)
    assert blame.keys(10 * BLAME_LIFE) == (GUARD,)


@pytest.mark.parametrize(
    ("cause", "pardoned"), [(Cause.DELINQUENT, True), (Cause.UNKNOWN, True), (Cause.SILENT, False)]
)
def test_who_refused_us_for_a_debt_that_is_paid_is_avoided_for_a_first_term_at_most(
    cause: Cause, pardoned: bool
) -> None:
    blame = Blame()
    for now in (0.0, BLAME_LIFE):
        blame.put(THIEF, Failure(cause), now)
    assert blame.keys(3 * BLAME_LIFE) == (THIEF,), "the second term is longer"
    blame = Blame()
    for now in (0.0, BLAME_LIFE):
        blame.put(THIEF, Failure(cause), now)
    blame.pardon(THIEF, BLAME_LIFE)
    blame.pardon(OTHER, BLAME_LIFE)
    assert blame.keys(3 * BLAME_LIFE) == (() if pardoned else (THIEF,))
