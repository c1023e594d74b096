from __future__ import annotations

import math
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masq.core.circuits.pace import DIP_EVERY, FLOOR, GAIN, LONGEST_RTT, NEAR_WINDOW, SPARE, SPREAD, Budget, Pace
from masq.core.limits import MAX_WINDOW, WINDOWS
from masq.errors import MalformedError
from masq.wire.circuit import CIRCUIT_CREDIT, STREAM_CREDIT

MIB = 1024 * 1024


def paced(budget: Budget | None = None, most: int = MAX_WINDOW) -> Pace:
    return Pace(budget or Budget(WINDOWS), True, most)


def answered(pace: Pace, now: float, rtt: float) -> None:
    pace.was_answered(memoryview(pace.ask(now)), now + rtt)


class WayAhead:
    """A way of a rate and a round trip, and a sender that always uses all that it may."""

    def __init__(self, pace: Pace, rate: float, round_trip: float) -> None:
        self.pace, self.rate, self.round_trip, self.now = pace, rate, round_trip, 0.0
        answered(pace, 0.0, round_trip)
        self.now = round_trip

    @property
    def rtt(self) -> float:
        """Of what is sent now: what is under way beyond what fills the way waits."""
        return max(self.round_trip, self.pace.window / self.rate)

    def run(self, seconds: float, step: float = 0.005) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += step
            self.pace.came(int(min(self.rate, self.pace.window / self.rtt) * step))
            if self.now >= self.pace.due:
                self.pace.look(self.now, [])
                if self.pace.wanted:
                    answered(self.pace, self.now - self.rtt, self.rtt)


def with_room(fills: float) -> float:
    """Bytes that are let come where so many fill the way."""
    fills = max(FLOOR, fills)
    return GAIN * fills + math.sqrt(SPREAD * fills) + SPARE


@pytest.mark.parametrize(
    ("rate", "round_trip"), [(25e6, 0.16), (12.5e6, 0.6), (125e6, 0.08), (2.5e6, 0.16), (0.3e6, 0.3)]
)
def test_the_window_becomes_what_fills_the_way_and_little_more(rate: float, round_trip: float) -> None:
    way = WayAhead(paced(), rate, round_trip)
    way.run(max(60, 40 * round_trip), 0.02)
    fills = rate * round_trip
    windows = []
    for _ in range(100):
        way.run(max(0.1, round_trip), 0.02)
        windows.append(way.pace.window)
    assert median(windows) >= min(MAX_WINDOW, fills), "it is less now and then, to see how long the way is"
    assert max(windows) <= 1.1 * with_room(fills)
    assert not way.pace.starting


def test_a_way_that_carries_more_from_some_time_on_is_used_and_one_that_carries_less_is_not_flooded() -> None:
    way = WayAhead(paced(), 5e6, 0.2)
    way.run(8)
    way.rate = 20e6
    way.run(8)
    assert way.pace.window >= 20e6 * 0.2
    way.rate = 2e6
    way.run(20)
    assert way.pace.window <= 1.1 * with_room(2e6 * 0.2)


def test_a_way_that_becomes_longer_is_noticed() -> None:
    way = WayAhead(paced(), 10e6, 0.1)
    way.run(5)
    way.round_trip = 0.3
    way.run(4 * DIP_EVERY)
    assert way.pace.lowest == pytest.approx(0.3, rel=0.1)
    assert way.pace.window >= 10e6 * 0.3


def test_over_a_short_way_windows_are_fixed_and_queues_short() -> None:
    way = WayAhead(paced(), 300e6, 0.002)
    way.run(2)
    assert way.pace.window == NEAR_WINDOW
    assert way.pace.step == NEAR_WINDOW // 2
    assert way.pace.stream_window(STREAM_CREDIT, 0, 300e6, True) == (STREAM_CREDIT, 0)


def test_a_server_that_sends_little_makes_no_window_small() -> None:
    way = WayAhead(paced(), 25e6, 0.16)
    way.run(5)
    before = way.pace.window
    for _ in range(400):
        way.now += 0.2
        way.pace.came(1_000)
        way.pace.look(way.now, [])
        answered(way.pace, way.now - 0.16, 0.16)
    assert way.pace.window >= before / 2


def test_a_reader_who_is_slow_has_a_small_window_and_one_who_is_not_a_large_one() -> None:
    way = WayAhead(paced(), 25e6, 0.16)
    way.run(5)
    window, extra = way.pace.stream_window(STREAM_CREDIT, 0, 20e6, False)
    assert window == way.pace.window
    assert extra == window - STREAM_CREDIT
    assert way.pace.stream_window(window, extra, 1_000, True) == (FLOOR, 0)
    assert way.pace.stream_window(STREAM_CREDIT, 0, 1_000, False) == (STREAM_CREDIT, 0)


def test_where_a_relay_does_not_know_of_it_no_more_than_the_usual_is_under_way() -> None:
    way = WayAhead(paced(most=CIRCUIT_CREDIT), 125e6, 0.2)
    way.run(10)
    assert way.pace.window == CIRCUIT_CREDIT


def test_who_was_asked_knows_that_it_may_ask_and_how_much_may_be_under_way() -> None:
    exit_ = Pace(Budget(WINDOWS))
    assert not exit_.paced
    question = paced(most=6 * MIB).ask(1.0)
    assert exit_.was_asked(memoryview(question)) == question
    assert exit_.paced
    assert exit_.most == 6 * MIB
    assert exit_.was_asked(memoryview(bytes(4) + b"\xff" * 4)) == bytes(4) + b"\xff" * 4
    assert exit_.most == 6 * MIB, "it is agreed upon once"


@pytest.mark.parametrize(("most", "agreed"), [(0, CIRCUIT_CREDIT), (2**32 - 1, MAX_WINDOW), (5 * MIB, 5 * MIB)])
def test_nobody_is_believed_more_than_the_bounds(most: int, agreed: int) -> None:
    pace = Pace(Budget(WINDOWS))
    pace.was_asked(memoryview(bytes(4) + most.to_bytes(4, "big")))
    assert pace.most == agreed


@pytest.mark.parametrize("data", [b"", b"1234567", b"123456789"])
def test_a_question_of_another_size_is_none(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Pace(Budget(0)).was_asked(memoryview(data))


def test_answers_that_nobody_waits_for_count_for_nothing() -> None:
    pace = paced()
    pace.was_answered(memoryview(bytes(8)), 1.0)
    question = pace.ask(2.0)
    pace.was_answered(memoryview(question[:7]), 2.1)
    pace.was_answered(memoryview(b"\xff" * 8), 2.1)
    assert pace.lowest == math.inf
    pace.was_answered(memoryview(question), 2.3)
    assert pace.lowest == pytest.approx(0.3)
    pace.was_answered(memoryview(question), 2.2)
    assert pace.lowest == pytest.approx(0.3), "it was answered already"


@pytest.mark.parametrize("rtt", [-5.0, 0.0, LONGEST_RTT + 1, 1e12])
def test_what_can_be_no_round_trip_is_none(rtt: float) -> None:
    pace = paced()
    answered(pace, 100.0, rtt)
    assert pace.lowest == math.inf
    assert pace.window == CIRCUIT_CREDIT


def test_a_liar_who_answers_late_gets_no_more_than_a_share_of_the_budget() -> None:
    budget = Budget(WINDOWS)
    paces = [paced(budget) for _ in range(40)]
    ways = [WayAhead(pace, 1e9, 9.0) for pace in paces]
    for _ in range(6):
        for way in ways:
            way.run(20, 0.5)
    assert budget.used <= WINDOWS
    assert max(pace.extra for pace in paces) <= MAX_WINDOW - CIRCUIT_CREDIT
    for pace in paces:
        pace.close()
    assert budget.used == 0


def test_one_alone_gets_a_half_of_the_budget_and_gives_back_when_others_come() -> None:
    budget = Budget(1_000)
    first = budget.resize(0, 10_000)
    assert first == 500
    second = 0
    for _ in range(40):
        first = budget.resize(first, 10_000)
        second = budget.resize(second, 10_000)
    assert 320 < second <= first <= 340
    assert budget.used == first + second
    assert budget.resize(first, -5) == 0
    assert budget.resize(second, 0) == 0
    assert budget.used == 0


@pytest.mark.parametrize(
    ("rtts", "rate", "full"),
    [
        pytest.param([0.1], 1e6, False, id="nothing waits: the server sent no more, or the reader took no more"),
        pytest.param([0.3], 1e6, True, id="200 kB wait"),
        pytest.param([0.3, 0.1], 1e6, False, id="at times nothing waited"),
        pytest.param([0.115], 10e6, False, id="a round trip that is hardly longer"),
        pytest.param([0.3], 100e3, False, id="20 kB wait: too little to tell"),
        pytest.param([], 1e6, False, id="nothing is known of late"),
    ],
)
def test_a_way_is_full_if_something_waited_all_the_time(rtts: list[float], rate: float, full: bool) -> None:
    pace = paced()
    assert not pace.is_full(rate, 0.0)
    answered(pace, 0.0, 0.1)
    assert not pace.is_full(rate, 1.0), "there is but one round trip, the shortest"
    for rtt in rtts:
        answered(pace, 2.0, rtt)
    assert pace.is_full(rate, 3.0) is full
    assert not pace.is_full(rate, 4.0), "nothing was asked since"


def test_a_question_that_is_not_answered_yet_waits_on_a_full_way() -> None:
    pace = paced()
    answered(pace, 0.0, 0.1)
    assert not pace.is_full(1e6, 1.0)
    pace.ask(1.0)
    assert not pace.is_full(1e6, 1.1)
    assert pace.is_full(1e6, 2.0)


Event = tuple[str, float, int]
NUMBERS = st.one_of(
    st.floats(-1e9, 1e9, allow_nan=False),
    st.floats(0, 0.5),
    st.sampled_from([0.0, 1e-9, 1e-300, 5.0, 1e15, -1.0]),
)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "answer", "old", "came", "look", "stream"]), NUMBERS, st.integers(0, 2**30))
    ),
    st.sampled_from([CIRCUIT_CREDIT, 5 * MIB, MAX_WINDOW]),
)
def test_whatever_comes_in_any_order_and_however_the_clock_jumps_bounds_hold(events: list[Event], most: int) -> None:
    budget = Budget(20 * MIB)
    pace, other = paced(budget, most), paced(budget)
    now, questions, window, extra = 0.0, [bytes(8)], STREAM_CREDIT, 0
    for kind, step, number in events:
        now += step
        match kind:
            case "ask":
                questions.append(pace.ask(now))
            case "answer":
                pace.was_answered(memoryview(questions[-1]), now)
            case "old":
                pace.was_answered(memoryview(questions[number % len(questions)]), now)
            case "came":
                pace.came(number)
            case "look":
                pace.look(now, [window])
                other.look(now, [])
            case _:
                window, extra = pace.stream_window(window, extra, float(number), number % 2 == 0)
        assert FLOOR <= pace.window <= most
        assert 0 < pace.step <= pace.window
        assert FLOOR <= window <= MAX_WINDOW
        assert 0 < pace.stream_step(window) <= window
        assert 0 <= budget.used == pace.extra + other.extra + extra <= 20 * MIB
        assert pace.lowest > 0
        assert pace.paced
    pace.released(extra)
    pace.close()
    other.close()
    assert budget.used == 0
