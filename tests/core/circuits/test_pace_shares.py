"""Several circuits over one link, which serves whoever came first: each comes to its share, and little waits.

Links of our Nodes take turns, but not what is under way: a long way holds more of that than a circuit has to wait.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from statistics import mean

import pytest

from masq.core.circuits.pace import Budget, Pace
from masq.core.limits import WINDOWS
from masq.wire.circuit import STREAM_CREDIT

CELL = 32 * 1024


class OneCircuit:
    """A circuit with one stream, whose sender always has something to send."""

    def __init__(self, line: Line, round_trip: float) -> None:
        self.line = line
        self.round_trip = round_trip
        self.pace = Pace(Budget(WINDOWS), True)
        self.pace.most = 16 * 1024 * 1024
        self.credit = 0
        self.allowance = STREAM_CREDIT
        self.got = 0
        self.window, self.extra, self.moved, self.looked = STREAM_CREDIT, 0, 0, line.now
        self._grant(STREAM_CREDIT, self.pace.ask(line.now))

    def _grant(self, more: int, question: bytes) -> None:
        """Credit, and a question or none, that arrive after a round trip in which nothing waits."""
        self.line.later(lambda: self._granted(more, question), self.round_trip)

    def _granted(self, more: int, question: bytes) -> None:
        if question:
            self.line.put(self, 0, question)
        self.credit += more
        while self.credit >= CELL:
            self.credit -= CELL
            self.line.put(self, CELL, b"")

    def arrived(self, size: int, answer: bytes) -> None:
        """As core/circuits/terminal.py does."""
        pace, now = self.pace, self.line.now
        if answer:
            pace.was_answered(memoryview(answer), now)
            return
        self.got += size
        self.allowance -= size
        self.moved += size
        pace.came(size)
        if now >= pace.due:
            pace.look(now, [self.window])
        if now >= self.looked + pace.round:
            rate = self.moved / (now - self.looked)
            self.window, self.extra = pace.stream_window(self.window, self.extra, rate, False)
            self.moved, self.looked = 0, now
        more = min(pace.window, self.window) - self.allowance
        is_step = more >= min(pace.step, pace.stream_step(self.window))
        if is_step:
            self.allowance += more
        if is_step or pace.wanted:
            self._grant(more if is_step else 0, pace.ask(now) if pace.wanted else b"")


class Line:
    """A link of so many bytes a second."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.now = 0.0
        self.waiting: deque[tuple[OneCircuit, int, bytes]] = deque()
        self._busy = False
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def later(self, what: Callable[[], None], seconds: float) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), what))

    def put(self, circuit: OneCircuit, size: int, answer: bytes) -> None:
        self.waiting.append((circuit, size, answer))
        if not self._busy:
            self._busy = True
            self._serve()

    def _serve(self) -> None:
        circuit, size, answer = self.waiting.popleft()

        def served() -> None:
            self._busy = bool(self.waiting)
            if self._busy:
                self._serve()
            circuit.arrived(size, answer)

        self.later(served, size / self.rate)

    @property
    def delay(self) -> float:
        """Seconds that what comes now has to wait."""
        return sum(size for _, size, _ in self.waiting) / self.rate

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = until


def shares(line: Line, circuits: list[OneCircuit], seconds: float) -> list[float]:
    """What part of all that comes in so many seconds each gets."""
    before = [each.got for each in circuits]
    line.run(seconds)
    got = [each.got - then for each, then in zip(circuits, before, strict=True)]
    return [each / sum(got) for each in got]


@pytest.mark.parametrize("gap", [1.0, 3.0, 12.0], ids=str)
@pytest.mark.parametrize(
    ("rate", "round_trip"), [(2.5e6, 0.45), (12.5e6, 0.45), (25e6, 0.12), (2.5e6, 0.12), (12.5e6, 0.6)]
)
def test_who_comes_later_has_its_share_and_leaves_the_first_one_his(rate: float, round_trip: float, gap: float) -> None:
    line = Line(rate)
    first = OneCircuit(line, round_trip)
    line.run(gap)
    both = [first, OneCircuit(line, round_trip)]
    line.run(20)
    assert 0.4 <= shares(line, both, 30)[0] <= 0.6


def test_four_have_a_share_each() -> None:
    line = Line(5e6)
    four = []
    for _ in range(4):
        four.append(OneCircuit(line, 0.3))
        line.run(1)
    line.run(15)
    assert min(shares(line, four, 40)) >= 0.25 / 2


@pytest.mark.parametrize(("rate", "round_trip"), [(2.5e6, 0.12), (12.5e6, 0.45), (25e6, 0.12), (12.5e6, 0.6)])
def test_one_alone_fills_the_link_and_lets_little_wait(rate: float, round_trip: float) -> None:
    line = Line(rate)
    alone = OneCircuit(line, round_trip)
    line.run(10)
    before, delays = alone.got, []
    for _ in range(300):
        line.run(0.1)
        delays.append(line.delay)
    assert alone.got - before >= 0.93 * rate * 30
    assert mean(delays) <= 0.25 * round_trip + 0.05


def test_a_way_that_becomes_longer_is_used_again_within_half_a_minute() -> None:
    line = Line(10e6)
    alone = OneCircuit(line, 0.1)
    line.run(8)
    alone.round_trip = 0.3
    line.run(25)
    before = alone.got
    line.run(10)
    assert alone.got - before >= 0.8 * 10e6 * 10
