"""The operator's rate: what is read in any time is bounded by it, and nobody is held for longer than it takes."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from masq.shell.traffic import BURST, SMALLEST, Traffic


def test_without_a_rate_everything_is_counted_and_nobody_waits() -> None:
    traffic = Traffic()
    assert traffic.piece == sys.maxsize
    assert [traffic.read(10**9, 0.0) for _ in range(3)] == [0.0] * 3
    assert traffic.received == 3 * 10**9


@given(
    st.integers(50_000, 10**9),
    st.lists(st.tuples(st.integers(1, 70_000), st.floats(0, 1)), min_size=1, max_size=50),
)
def test_readers_that_wait_as_they_are_told_stay_below_the_rate(rate: int, reads: list[tuple[int, float]]) -> None:
    traffic, now, read = Traffic(rate), 0.0, 0
    for size, later in reads:
        wait = traffic.read(size, now)
        read += size
        assert wait >= 0
        now += wait
        # By the time that the next may be read, no more has come than the rate allows, and the burst.
        assert read <= rate * (now + BURST) * 1.001 + 1
        now += later


def test_several_readers_share_the_rate() -> None:
    traffic = Traffic(100_000)
    waits = [traffic.read(50_000, 0.0) for _ in range(4)]
    assert waits == [0.5 - BURST, 1.0 - BURST, 1.5 - BURST, 2.0 - BURST]


def test_pieces_are_smaller_where_the_rate_is_slow_and_another_rate_counts_at_once() -> None:
    traffic = Traffic(1_000_000)
    assert traffic.piece == 50_000
    traffic.read(10_000_000, 0.0)
    traffic.slow_down(2_000)
    assert traffic.piece == SMALLEST
    assert traffic.read(100, 0.0) == 0.0
    traffic.slow_down(0)
    assert (traffic.read(10**9, 0.0), traffic.piece) == (0.0, sys.maxsize)
