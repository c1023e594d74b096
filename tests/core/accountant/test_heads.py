"""Which heads are believed: a provider may lie, mistake, or lag behind (accounting.md 4.2)."""

from __future__ import annotations

from masq.chain.head import Head
from masq.core.accountant.heads import AHEAD, BLOCKS_PER_SECOND, FRESH, LEAP, LOOKS, SURE, Heads

CLOCK = 1_800_000_000


def head(number: int, time: int = CLOCK) -> Head:
    return Head(number, time, bytes(32))


def test_a_head_that_leaps_is_believed_only_if_it_is_said_for_long() -> None:
    heads = Heads(None)
    assert heads.problem(head(100), CLOCK, 0.0) is None
    for now in range(LOOKS):
        assert heads.problem(head(999_999_971), CLOCK + now, float(now))
    assert heads.problem(head(101), CLOCK + 9, 9.0) is None
    assert heads.problem(head(999_999_971), CLOCK + 10, 10.0), "it begins anew"
    assert heads.latest == head(101)
    for look in range(LOOKS - 2):
        assert heads.problem(head(999_999_971), CLOCK + 11 + look, 11.0 + look)
    assert heads.problem(head(999_999_971), CLOCK + 200, 200.0) is None


def test_what_was_believed_before_a_restart_counts() -> None:
    heads = Heads(None)
    heads.problem(head(100), CLOCK, 0.0)
    again = Heads(heads.saved)
    most = 100 + LEAP + 60 * BLOCKS_PER_SECOND
    assert again.problem(head(most + 1), CLOCK + 60, 0.0)
    assert again.problem(head(most), CLOCK + 60, 0.0) is None
    for rubbish in ("", "x", "1", ",", "-1,5", "1,2,3"):
        assert Heads(rubbish).problem(head(10**12), CLOCK, 0.0) is None


def test_a_block_of_the_future_is_not_believed() -> None:
    heads = Heads(None)
    problem = heads.problem(head(5, CLOCK + AHEAD + 1), CLOCK, 0.0)
    assert problem
    assert "clock" in problem
    assert heads.problem(head(5, CLOCK + AHEAD), CLOCK, 0.0) is None


def test_a_provider_that_has_fallen_behind_is_noticed() -> None:
    heads = Heads(None)
    assert not heads.fresh(CLOCK)
    assert heads.lag(CLOCK) is None
    heads.problem(head(5), CLOCK, 0.0)
    assert heads.fresh(CLOCK + FRESH)
    assert not heads.fresh(CLOCK + FRESH + 1)
    assert heads.lag(CLOCK + 7) == 7


def test_a_search_that_was_led_astray_is_told_from_a_provider_that_is_behind() -> None:
    heads = Heads(None)
    for look in range(LOOKS):
        assert not heads.wrong_start(head(500, CLOCK - FRESH - 1), 10**9, CLOCK, look * SURE), "that one is behind"
    found = [heads.wrong_start(head(500), 10**9, CLOCK, look * SURE) for look in range(LOOKS)]
    assert found == [False, False, True]
    assert not heads.wrong_start(head(500), 501, CLOCK, 0.0)
