"""How much may be under way on a circuit: what its way carries, as its receiving end measures it (protocol.md 15.8).

Who receives gives credit, so it alone has to know: bytes that came in a round trip, and how long a round trip takes
when nothing waits. Their product, and a little more so that a faster way is noticed, is what fills the slowest link
and leaves its queue short (as BBR and Vegas do in TCP). The other end is asked to answer, never believed.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from masq.core.limits import MAX_WINDOW
from masq.errors import MalformedError
from masq.wire.circuit import CIRCUIT_CREDIT, STREAM_CREDIT

NEAR: Final = 0.01
"""Seconds of a round trip below which windows don't follow the way: all that costs small cells, and gains nothing."""
NEAR_WINDOW: Final = 2 * 1024 * 1024
"""Bytes of a circuit over so short a way: what is more stands in queues, and lets small streams wait behind it."""
GAIN: Final = 1.2
"""Of what fills the way: what is more waits at the slowest link, and shows whether it could carry more."""
SPREAD: Final = 48 * 1024
"""Bytes. The root of these times what fills the way comes on top: in proportion more for who gets less, so that several
at one slow link come to equal shares, whatever it carries."""
START_GAIN: Final = 2.0
"""The same until the rate grows no more: it doubles each round trip."""
GROWTH: Final = 1.25
"""Of the rate in a round trip, that makes the way not full yet."""
PLATEAU: Final = 3
"""Round trips without it until it is."""
QUEUED: Final = 1.5
"""Of the shortest round trip: one that takes longer has waited, so the way is full at once if the rate doesn't grow."""
STREAM_GAIN: Final = 2.0
"""A stream's window doesn't bind unless its reader is slow: the circuit's does."""
SPARE: Final = 32 * 1024
"""Bytes more for each, however slow."""
FLOOR: Final = 132 * 1024
"""The least window: two full cells, one that comes while credit for the other goes back."""
LEAST_STEP: Final = 64 * 1024
"""Bytes that come back at once at least: each return costs a small cell over all hops."""
FAR_STEPS: Final = 8
"""Parts of a window in which credit comes back over a long way: fewer would leave it empty for part of the time."""
NEAR_STEPS: Final = 2
"""The same over a short way. Each is a small cell over all hops: in four steps, a sixth of all CPU time."""
RATES: Final = 10
"""Shortest round trips of which the best rate counts: one that is disturbed doesn't make the window small."""
RATES_FOR: Final = 1.0
"""Seconds of which it counts at least."""
USED: Final = 0.7
"""Part of the window that has to be under way for a round to tell what the way carries, not what the server sent."""
WAITED: Final = 1.2
"""Of the shortest round trip: what takes longer waits somewhere."""
QUEUE: Final = 64 * 1024
"""Bytes that wait at least, if a way is full."""
SHORTEST_ROUND: Final = 0.02
LONGEST_RTT: Final = 10.0
"""Seconds: what takes longer is no round trip, but a Node that stood still, or lies."""
ASK_NEAR: Final = 0.25
"""Seconds between two questions for the round trip of a short way."""
ASK_FAR: Final = 0.05
ASK_EACH: Final = 256 * 1024
"""Bytes that come between two at least: who fetches little is asked once."""
FORGOTTEN: Final = 30.0
"""Seconds after which an answer isn't waited for any more."""
DIP_EVERY: Final = 10.0
"""Seconds without a round trip as short as the shortest, after which less is let come for two, to see how long one
takes if nothing waits. All at the same link see that when one of them does so, and do it together the next time."""
DIP_EACH: Final = 30
"""The same in round trips, at least."""
DIP_FIRST: Final = 5
"""The same for the first time: who came to a queue has not seen yet how short a round trip is."""
DIP: Final = 0.6
"""Of what the way carried in the last round, that is let come then."""
DIP_ROUNDS: Final = 2.25
AS_SHORT: Final = 1.05
"""Of the shortest round trip: one that takes no longer is as short."""
LONGER: Final = 1.5
"""Of the shortest round trip: what it may be longer after one dip than before. What others let wait isn't the way."""
LOST: Final = 0.85
"""Of the best rate: who gets less, though much waits, makes room for somebody who has come, and is to see the way."""
MUCH: Final = 1.4
"""Of the shortest round trip: one that takes longer shows that much waits."""
MANY: Final = 64
"""Streams of one circuit of which it is not summed up any more what they may have."""


class Budget:
    """Bytes that windows may be larger than the usual ones, in all: who reads nothing holds as much of our memory.

    Each may have as much as is left: one alone a half, two a third each. Who has more gives back a part at a time.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.used = 0

    def resize(self, held: int, wanted: int) -> int:
        """What somebody who holds `held` bytes, and wants so many, holds from now on."""
        granted = max(0, min(wanted, max((self._size - self.used + held) // 2, held - held // 8)))
        self.used += granted - held
        return granted


class Pace:
    """The windows of one circuit, of what the other end sends. Times are seconds of this Node's own clock."""

    __slots__ = (
        "_asked",
        "_asked_at",
        "_began",
        "_best",
        "_budget",
        "_came",
        "_dip_at",
        "_dip_until",
        "_dipped",
        "_fresh",
        "_full_at",
        "_last",
        "_least",
        "_number",
        "_plateau",
        "_rate",
        "_rates",
        "_since",
        "due",
        "extra",
        "lowest",
        "most",
        "questions",
        "step",
        "wanted",
        "window",
    )

    def __init__(self, budget: Budget, asks: bool = False, most: int = CIRCUIT_CREDIT) -> None:
        """`asks`: whether the other end is known to answer questions; else it may show so by asking."""
        self._budget = budget
        self.most = most
        """Bytes that may be under way at most, both ways: agreed upon with the other end."""
        self.window = CIRCUIT_CREDIT
        self.step = CIRCUIT_CREDIT // NEAR_STEPS
        """Bytes of the circuit's credit that are returned at once."""
        self.extra = 0
        """Bytes of the window that come out of the budget."""
        self.lowest = math.inf
        """Seconds of the shortest round trip."""
        self.due = 0.0 if asks else math.inf
        """When to look: at the end of a round."""
        self.wanted = False
        """Whether a question is to be sent with what is sent next."""
        self.questions = 0
        """How many were asked."""
        self._last = 0.0
        self._least = math.inf
        """The same of late."""
        self._number = 0
        self._asked: int | None = None
        self._asked_at = -math.inf
        self._came = 0
        self._since = 0
        """Bytes that came since the last question."""
        self._began = -math.inf
        self._rates: deque[tuple[float, float]] = deque()
        self._rate = 0.0
        """Bytes a second that the way carried in the last round that wasn't part of a dip."""
        self._best = 0.0
        self._full_at = 0.0
        self._plateau = 0
        self._dip_at = math.inf
        self._dip_until = -math.inf
        self._dipped = -math.inf
        self._fresh = math.inf

    @property
    def paced(self) -> bool:
        """Whether the other end knows of this, so that its windows may be larger than the usual ones."""
        return self.due < math.inf

    @property
    def far(self) -> bool:
        """Whether windows follow the way."""
        return NEAR <= self.lowest < math.inf

    @property
    def rate(self) -> float:
        """Bytes a second that the way carries, as far as is known."""
        return self._best

    @property
    def round(self) -> float:
        return max(SHORTEST_ROUND, self._last)

    def is_full(self, rate: float, now: float) -> bool:
        """Whether a rate is all that the way carries: a queue stood on it since this was asked last. If not, the server
        may have sent no more, or the reader taken no more."""
        waiting = now - self._asked_at if self._asked is not None else 0.0
        rtt, self._least = self._least if self._least < math.inf else waiting, math.inf
        return rtt > WAITED * self.lowest and rate * (rtt - self.lowest) > QUEUE

    @property
    def _pause(self) -> float:
        """Seconds from one dip to the next."""
        return max(DIP_EVERY, DIP_EACH * self.lowest)

    @property
    def _dips(self) -> bool:
        return self._dip_until > -math.inf

    @property
    def starting(self) -> bool:
        """Whether the rate still grows."""
        return self._plateau < PLATEAU

    # --- questions ---

    def ask(self, now: float) -> bytes:
        """A question to be sent now: a number, and how much we let be under way."""
        self._number = (self._number + 1) & 0xFFFFFFFF
        self._asked, self._asked_at = self._number, now
        self.wanted = False
        self.questions += 1
        self._since = 0
        return self._number.to_bytes(4, "big") + self.most.to_bytes(4, "big")

    def was_asked(self, data: memoryview) -> bytes:
        """The other end asks: what it is answered. MalformedError if it is no question."""
        if len(data) != 8:
            raise MalformedError("an ECHO of 8 bytes expected")
        if self.due == math.inf:  # So it answers, too; and the originator knows what the relays carry.
            self.due = 0.0
            self.most = max(CIRCUIT_CREDIT, min(MAX_WINDOW, int.from_bytes(data[4:], "big")))
        return bytes(data)

    def was_answered(self, data: memoryview, now: float) -> None:
        """An answer came: it counts if it is the one that is waited for."""
        if self._asked is None or len(data) != 8 or int.from_bytes(data[:4], "big") != self._asked:
            return
        asked_at, self._asked = self._asked_at, None
        rtt = now - asked_at
        if rtt <= 0:
            return
        self._last = min(rtt, LONGEST_RTT)
        self._least = min(self._least, rtt)
        if rtt <= AS_SHORT * self.lowest and not self._dips:
            self._dip_at = now + self._pause
        if rtt < min(self.lowest, LONGEST_RTT):
            self.lowest = rtt
        if self._dip_until - self.round <= now and asked_at < self._dip_until:
            self._fresh = min(self._fresh, rtt)
        if self._began == -math.inf and self.lowest < math.inf:
            self._began, self._came, self._dip_at = now, 0, now + DIP_FIRST * self.round
            self.due = min(self.due, now + self.round)

    # --- what comes ---

    def came(self, size: int) -> None:
        """So many bytes came."""
        self._came += size
        self._since += size

    def look(self, now: float, windows: list[int]) -> None:
        """A round is over, or there is none yet. `windows`: those of its streams, as far as they may bind."""
        if now - self._asked_at > FORGOTTEN or now < self._asked_at:
            self._asked = None
        pause = ASK_FAR if self.lowest >= NEAR else ASK_NEAR
        enough = self._since >= ASK_EACH or self.lowest == math.inf or self._dips
        self.wanted = self._asked is None and now - self._asked_at >= pause and enough
        if self._began == -math.inf or not self.far:
            self.due = now + pause
            self._set(NEAR_WINDOW if self.lowest < NEAR else CIRCUIT_CREDIT, NEAR_STEPS)
            return
        elapsed = now - self._began
        rate = self._came / elapsed if elapsed > 0 else 0.0
        limit = min(self.window, sum(windows)) if windows else self.window
        is_limited = elapsed < 4 * self.round and rate * self._last >= USED * limit
        self._measured(rate, is_limited, now)
        self._began, self._came, self.due = now, 0, now + self.round
        if not self._dips:
            self._rate = rate if is_limited else self._best
            lost = self._rate < LOST * self._best and self._last >= MUCH * self.lowest
            if lost and not self.starting and now > self._dipped + self._pause / 2:
                self._dip_at = now
        self._adapt(now)

    def _measured(self, rate: float, is_limited: bool, now: float) -> None:
        """A round's rate; `is_limited`: by the window, so that it tells what the way carries with that."""
        if not is_limited and rate <= self._best:
            return
        rates = self._rates
        # What is no better than a later one will never be the best: so few are kept.
        while rates and rates[-1][1] <= rate:
            rates.pop()
        rates.append((now, rate))
        while not 0 <= now - rates[0][0] <= max(RATES_FOR, RATES * self.lowest):
            rates.popleft()
        self._best = rates[0][1]
        queued = self._last >= QUEUED * self.lowest
        if self._plateau < PLATEAU and (is_limited or queued):
            if rate >= GROWTH * self._full_at:
                self._full_at, self._plateau = rate, 0
            else:
                self._plateau = PLATEAU if queued else self._plateau + 1

    def _adapt(self, now: float) -> None:
        if now >= self._dip_at:
            if not self._dips:
                self._dip_until, self._fresh = now + DIP_ROUNDS * self.round, math.inf
            if now < self._dip_until:
                self._set(int(DIP * min(self._rate, self._best) * self.lowest), FAR_STEPS)
                return
            if self._fresh < math.inf:
                self.lowest = min(self._fresh, LONGER * self.lowest)
            self._dip_at, self._dip_until, self._dipped = now + self._pause, -math.inf, now
        carried = self._best * self.lowest
        if self.starting:
            self._set(max(self.window, int(START_GAIN * carried) + SPARE), FAR_STEPS)
        else:
            self._set(int(GAIN * carried + math.sqrt(SPREAD * carried)) + SPARE, FAR_STEPS)

    def _set(self, window: int, steps: int) -> None:
        window = max(FLOOR, min(window, self.most))
        self.extra = self._budget.resize(self.extra, window - CIRCUIT_CREDIT)
        self.window = min(window, CIRCUIT_CREDIT + self.extra)
        self.step = max(self.window // steps, LEAST_STEP)

    # --- streams ---

    def stream_window(self, window: int, extra: int, rate: float, was_slow: bool) -> tuple[int, int]:
        """A stream's window, and what of it is out of the budget, from those that it has.

        `rate`: bytes a second that its reader took; `was_slow`: whether we had to wait for it.
        """
        if not self.far:
            wanted = STREAM_CREDIT
        else:
            wanted = int(STREAM_GAIN * rate * self.lowest) + SPARE
            if not was_slow:
                wanted = max(wanted, window)
            wanted = max(FLOOR, min(wanted, max(STREAM_CREDIT, self.window)))
        extra = self._budget.resize(extra, wanted - STREAM_CREDIT)
        return min(wanted, STREAM_CREDIT + extra), extra

    def stream_step(self, window: int) -> int:
        """Bytes of a stream's credit that are returned at once."""
        return max(window // FAR_STEPS, LEAST_STEP) if self.far else window // NEAR_STEPS

    def released(self, extra: int) -> int:
        """A stream is over: what it has left of what came out of the budget."""
        return self._budget.resize(extra, 0)

    def close(self) -> None:
        """The circuit is over."""
        self.extra = self._budget.resize(self.extra, 0)
