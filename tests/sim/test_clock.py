"""Virtual time: order, delays, and who is called in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from masq.sim.clock import Clock


@given(st.lists(st.integers(0, 5)))
def test_events_come_by_time_and_those_of_one_moment_in_the_order_of_the_calls(times: list[int]) -> None:
    clock, seen = Clock(lambda: None), []
    for number, when in enumerate(times):
        clock.at(when, lambda number=number: seen.append((clock.now, number)))  # type: ignore[misc]
    clock.run(10)
    assert seen == sorted((when, number) for number, when in enumerate(times))
    assert clock.now == 10


def test_what_is_asked_for_without_delay_comes_after_all_of_this_moment() -> None:
    clock, seen = Clock(lambda: None), []

    def first() -> None:
        clock.later(lambda: seen.append("later"))
        seen.append("first")

    clock.at(1.0, first)
    clock.at(1.0, lambda: seen.append("second"))
    clock.run(1)
    assert seen == ["first", "second", "later"]


def test_a_run_ends_as_soon_as_something_holds_or_when_time_is_over() -> None:
    clock, seen = Clock(lambda: None), []
    for when in (1.0, 2.0, 3.0):
        clock.at(when, lambda when=when: seen.append(when))  # type: ignore[misc]
    assert clock.run_until(lambda: 2.0 in seen, 10)
    assert clock.now == 2.0
    assert not clock.run_until(lambda: len(seen) > 3, 0.5)
    assert clock.now == 2.5
    assert seen == [1.0, 2.0]


def test_the_watch_is_called_every_second_in_which_something_happens_and_at_the_end() -> None:
    seen: list[float] = []
    clock = Clock(lambda: seen.append(clock.now))
    for tenth in range(35):
        clock.at(tenth / 10, lambda: None)
    clock.run(100)
    assert seen == [0.0, 1.0, 2.0, 3.0, 100.0]
