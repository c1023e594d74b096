"""When a simulated Node is asked, woken and flushed."""

from __future__ import annotations

import math
from typing import Any, cast

from masq.core.effects import Log
from masq.core.node import NodeEffect
from masq.sim.clock import Clock
from masq.sim.turn import ASK_AFTER, WAKE_AFTER, Turn


class Sleeper:
    """A Node that wants to be woken at one time, and flushed at another."""

    def __init__(self) -> None:
        self.due = 10.0
        self.flush_due = math.inf
        self.asked = 0
        self.ticks: list[float] = []
        self.flushes: list[float] = []

    def next_wake(self, now: float) -> float:
        self.asked += 1
        return self.due

    def tick(self, now: float) -> list[NodeEffect]:
        self.ticks.append(now)
        self.due = now + 10.0
        return []

    def flush(self, now: float) -> list[NodeEffect]:
        self.flushes.append(now)
        self.flush_due = math.inf
        return [Log("info", "flushed", "")]


class Bed:
    def __init__(self) -> None:
        self.clock = Clock(lambda: None)
        self.node = Sleeper()
        self.done: list[NodeEffect] = []
        self.turn = Turn(cast(Any, self.node), self.clock, self.clock.later, self.done.append)

    def input(self) -> None:
        self.turn.carry([])


def test_a_node_is_asked_once_after_many_inputs() -> None:
    bed = Bed()
    for _ in range(5):
        bed.input()
        bed.clock.run(0.001)
    bed.clock.run(1.0)
    assert bed.node.asked == 1
    bed.input()
    bed.clock.run(1.0)
    assert bed.node.asked == 2


def test_it_is_woken_just_after_the_time_that_it_wants() -> None:
    bed = Bed()
    bed.input()
    bed.clock.run(25.0)
    first, second = bed.node.ticks
    assert first == 10.0 + WAKE_AFTER
    assert second == first + 10.0 + WAKE_AFTER


def test_an_earlier_time_counts_and_a_later_one_too() -> None:
    bed = Bed()
    bed.input()
    bed.clock.run(1.0)
    bed.node.due = 3.0
    bed.input()
    bed.clock.run(1.0)
    bed.node.due = 5.0
    bed.input()
    bed.clock.run(10.0)
    assert bed.node.ticks == [5.0 + WAKE_AFTER], "neither at 3 nor at 10"


def test_what_is_due_already_is_due_now() -> None:
    bed = Bed()
    bed.clock.run(20.0)
    bed.input()
    bed.clock.run(1.0)
    assert bed.node.ticks == [20.0 + ASK_AFTER + WAKE_AFTER]


def test_it_is_flushed_when_that_is_due() -> None:
    bed = Bed()
    bed.node.flush_due = 0.005
    bed.input()
    bed.input()
    bed.clock.run(1.0)
    assert bed.node.flushes == [0.005]
    assert [type(effect) for effect in bed.done] == [Log]


def test_the_dead_are_neither_asked_nor_woken_nor_flushed() -> None:
    bed = Bed()
    bed.node.flush_due = 0.005
    bed.input()
    bed.turn.alive = False
    bed.clock.run(30.0)
    assert (bed.node.asked, bed.node.ticks, bed.node.flushes) == (0, [], [])
