"""Look-ups for others at the exit: payers take turns, so many go on at once, and each name is asked for once.

Those that are paid for come first: of the turns the others get one in four, while both wait.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Protocol

from masq.core.failure import SERVER, Cause, Failure, FailureError
from masq.core.limits import (
    LOOK_UP_PATIENCE,
    LOOK_UPS,
    LOOK_UPS_EACH,
    LOOK_UPS_PER_MINUTE,
    LOOK_UPS_PER_SECOND,
    LOOK_UPS_WAITING,
    LOOK_UPS_WAITING_EACH,
)
from masq.types import Address
from masq.wire.circuit import Addresses

MAX_CACHED: Final = 4_096
"""Names, of which the oldest go first."""
LONGEST_CACHED: Final = 60
"""Seconds that an answer is kept, however long it holds. So short, a stranger who measures how fast answers come learns
little of what others have asked."""
MISSING_CACHED: Final = 30
"""Seconds that it is kept that a name doesn't exist."""
FAILED_CACHED: Final = 5
"""Seconds that it is kept that a name could not be looked up."""
MAX_PAYERS: Final = 8_192
"""Payers whose look-ups of the last minute are counted; who asked first goes first."""

FREE_TURN: Final = 4
"""Of so many turns one is of look-ups that nobody pays for: older Nodes can't say that they would."""

OURS: Final = b""
"""Who pays for a zero-hop Node's own user: nobody, so nobody counts."""

Found = Addresses | Failure


class Source(Protocol):
    """What is asked: `resolve.Resolver`, in the one program."""

    def known(self, host: str) -> Addresses | None:
        """What nobody has to be asked for."""

    async def look_up(self, host: str) -> Addresses:
        """FailureError if there is nothing."""


@dataclass(slots=True)
class _Allowance:
    """So many of something in some time, and as many at once."""

    most: float
    per_second: float
    left: float
    at: float

    def wait(self, now: float) -> float:
        """Seconds until there is one; 0: now."""
        self.left = min(self.most, self.left + (now - self.at) * self.per_second)
        self.at = now
        return max(0.0, 1 - self.left) / self.per_second


@dataclass(slots=True, eq=False)
class _Wish:
    name: str
    answer: asyncio.Future[Found]
    free: bool = False
    """Whether nobody pays for it."""


@dataclass(slots=True, eq=False)
class _Question:
    """A name that is under way."""

    payer: Address
    since: float
    wishes: list[_Wish] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class LookUps:
    """All look-ups of an exit."""

    def __init__(self, source: Source, at_once: int = LOOK_UPS) -> None:
        """`at_once`: names that may be under way at the same time."""
        self._source = source
        self._at_once = at_once
        self._waiting: tuple[dict[Address, deque[_Wish]], ...] = {}, {}
        """By payer, in the order of their turns: those that are paid for, and the free ones."""
        self._turns = 0
        self._count = 0
        """Wishes that wait."""
        self._under_way: dict[str, _Question] = {}
        """By name, in the order in which they began."""
        self._tasks: set[asyncio.Task[None]] = set()
        """What holds sockets: those under way, and those that are just being given up."""
        self._of_payer: dict[Address, int] = {}
        self._asked: dict[Address, _Allowance] = {}
        self._together = _Allowance(LOOK_UPS_PER_SECOND, LOOK_UPS_PER_SECOND, LOOK_UPS_PER_SECOND, 0.0)
        self._cache: dict[str, tuple[float, Found]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def addresses(self, host: str, payer: Address | None) -> list[str]:
        """All addresses of a host, IPv4 first. FailureError if there are none."""
        return [address for address, _ in await self.look_up(host, payer)]

    async def look_up(self, host: str, payer: Address | None, paid: bool = True) -> Addresses:
        """The same, with the seconds that they hold. FailureError if there are none, or too much was asked."""
        known = self._source.known(host)
        if known is not None:
            return known
        name = host.lower().rstrip(".")
        found = self._cached(name)
        if found is None:
            wish = _Wish(name, asyncio.get_running_loop().create_future(), not paid)
            found = await self._turn(wish, payer or OURS)
        if isinstance(found, Failure):
            raise FailureError(found)
        return found

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for question in list(self._under_way.values()):
            if question.task is not None:
                question.task.cancel()

    # --- turns ---

    async def _turn(self, wish: _Wish, payer: Address) -> Found:
        question = self._under_way.get(wish.name)
        if question is not None:
            question.wishes.append(wish)
        else:
            self._queue(wish, payer)
            self._go_on()
        try:
            return await wish.answer
        except asyncio.CancelledError:
            self._withdraw(wish, payer)
            raise

    def _queue(self, wish: _Wish, payer: Address) -> None:
        crowd = self._waiting[wish.free]
        own = crowd.get(payer)
        if own is not None and len(own) >= LOOK_UPS_WAITING_EACH:
            _answer(wish, _too_much(f"{LOOK_UPS_WAITING_EACH} look-ups of this wallet wait already"))
            return
        if self._count >= LOOK_UPS_WAITING:
            others = self._waiting[True] or crowd
            worst = max(others, key=lambda each: len(others[each]), default=payer)
            if others is crowd and (own is not None or len(others.get(worst, ())) < 2):
                _answer(wish, _too_much("too many look-ups wait"))
                return
            _answer(self._take(others, worst, last=True), _too_much("too many look-ups wait"))
        crowd.setdefault(payer, deque()).append(wish)
        self._count += 1

    def _take(self, crowd: dict[Address, deque[_Wish]], payer: Address, last: bool = False) -> _Wish:
        """The next wish of a payer, whose next turn comes after everybody's; or the last one."""
        own = crowd[payer] if last else crowd.pop(payer)
        wish = own.pop() if last else own.popleft()
        self._count -= 1
        if own:
            crowd[payer] = own
        else:
            crowd.pop(payer, None)
        return wish

    def _withdraw(self, wish: _Wish, payer: Address) -> None:
        """Whoever wished for it is gone: a name that nobody waits for any more is asked for no longer."""
        crowd = self._waiting[wish.free]
        own = crowd.get(payer)
        if own is not None and wish in own:
            own.remove(wish)
            self._count -= 1
            if not own:
                del crowd[payer]
            return
        question = self._under_way.get(wish.name)
        if question is not None and wish in question.wishes:
            question.wishes.remove(wish)
            if not question.wishes and question.task is not None:
                question.task.cancel()

    def _go_on(self) -> None:
        """Begin what may begin; come back when something may give way for the rest."""
        now = asyncio.get_running_loop().time()
        while not self._closed and (turn := self._next_turn()) is not None:
            crowd, payer = turn
            later = self._make_room(now)
            if later > now:
                self._come_back(later)
                return
            self._turns += 1
            wish = self._take(crowd, payer)
            found = self._cached(wish.name)
            if found is not None:
                _answer(wish, found)
            elif wish.name in self._under_way:
                self._under_way[wish.name].wishes.append(wish)
            elif not self._may_ask(payer, now):
                _answer(wish, _too_much(f"more than {LOOK_UPS_PER_MINUTE} names a minute were asked for"))
            else:
                self._begin(wish, payer, now)

    def _next_turn(self) -> tuple[dict[Address, deque[_Wish]], Address] | None:
        """Whose turn it is. Few can have as many under way as one may have, so this looks at few."""
        for crowd in self._waiting if self._turns % FREE_TURN else reversed(self._waiting):
            for payer in crowd:
                if self._of_payer.get(payer, 0) < LOOK_UPS_EACH:
                    return crowd, payer
        return None

    def _make_room(self, now: float) -> float:
        """When another name may begin. What has gone on for long gives way."""
        wait = self._together.wait(now)
        if wait:
            return now + wait
        if len(self._tasks) < self._at_once:
            return now
        if len(self._tasks) > len(self._under_way):
            return now + LOOK_UP_PATIENCE  # Sooner, when one of those that were given up is gone.
        name, oldest = next(iter(self._under_way.items()))
        if now - oldest.since < LOOK_UP_PATIENCE:
            return oldest.since + LOOK_UP_PATIENCE
        words = f"{name} can't be resolved: its servers are slow, and other names wait"
        self._end(name, oldest, Failure(Cause.OVERLOADED, SERVER, words))
        if oldest.task is not None:
            oldest.task.cancel()
        return now + LOOK_UP_PATIENCE

    def _come_back(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._go_on)

    def _may_ask(self, payer: Address, now: float) -> bool:
        if payer == OURS:
            return True
        asked = self._asked.pop(payer, None)
        if asked is None:
            if len(self._asked) >= MAX_PAYERS:
                self._asked.pop(next(iter(self._asked)))
            asked = _Allowance(LOOK_UPS_PER_MINUTE, LOOK_UPS_PER_MINUTE / 60, LOOK_UPS_PER_MINUTE, now)
        self._asked[payer] = asked
        if asked.wait(now):
            return False
        asked.left -= 1
        return True

    # --- what is under way ---

    def _begin(self, wish: _Wish, payer: Address, now: float) -> None:
        self._together.left -= 1
        question = self._under_way[wish.name] = _Question(payer, now, [wish])
        self._of_payer[payer] = self._of_payer.get(payer, 0) + 1
        task = question.task = asyncio.get_running_loop().create_task(self._ask(wish.name, question))
        self._tasks.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._go_on()

    async def _ask(self, name: str, question: _Question) -> None:
        found: Found = Failure(Cause.STOPPED, SERVER, "the look-up was given up")
        try:
            found = await self._source.look_up(name)
            self._remember(name, found)
        except FailureError as error:
            found = error.failure
            self._remember(name, found)
        finally:
            self._end(name, question, found)

    def _end(self, name: str, question: _Question, found: Found) -> None:
        """A name is under way no more. It may have been ended before, to make room."""
        if self._under_way.get(name) is not question:
            return
        del self._under_way[name]
        left = self._of_payer[question.payer] - 1
        if left:
            self._of_payer[question.payer] = left
        else:
            del self._of_payer[question.payer]
        for wish in question.wishes:
            _answer(wish, found)
        question.wishes.clear()

    # --- the cache ---

    def _cached(self, name: str) -> Found | None:
        until, found = self._cache.get(name, (-math.inf, ()))
        return found if until > asyncio.get_running_loop().time() else None

    def _remember(self, name: str, found: Found) -> None:
        if isinstance(found, Failure):
            ttl = MISSING_CACHED if found.cause is Cause.NO_SUCH_NAME else FAILED_CACHED
        else:
            ttl = min(LONGEST_CACHED, *(ttl for _, ttl in found))
        self._cache.pop(name, None)
        if len(self._cache) >= MAX_CACHED:
            self._cache.pop(next(iter(self._cache)))
        if ttl > 0:
            self._cache[name] = asyncio.get_running_loop().time() + ttl, found


def _answer(wish: _Wish, found: Found) -> None:
    if not wish.answer.done():
        wish.answer.set_result(found)


def _too_much(words: str) -> Failure:
    return Failure(Cause.OVERLOADED, SERVER, words)
