"""Look-ups at the exit: everybody's turn, bounds, one question for a name, and what is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from masq.core.failure import SERVER, Cause, Failure, FailureError
from masq.core.limits import (
    LOOK_UP_PATIENCE,
    LOOK_UPS_EACH,
    LOOK_UPS_PER_MINUTE,
    LOOK_UPS_WAITING,
    LOOK_UPS_WAITING_EACH,
)
from masq.shell import look_ups
from masq.shell.look_ups import LookUps
from masq.wire.circuit import Addresses

ONE, TWO = b"1" * 20, b"2" * 20
FOUND = (("192.0.2.1", 60),)


class Names:
    """Answers at once, but for `slow` names, which wait until they are let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.under_way: set[str] = set()
        self.go = asyncio.Event()

    def known(self, host: str) -> Addresses | None:
        return FOUND if host == "known" else None

    async def look_up(self, host: str) -> Addresses:
        self.asked.append(host)
        self.under_way.add(host)
        try:
            if "slow" in host:
                await self.go.wait()
        finally:
            self.under_way.remove(host)
        if "missing" in host:
            raise FailureError(Failure(Cause.NO_SUCH_NAME, SERVER, "no such name"))
        if "broken" in host:
            raise FailureError(Failure(Cause.NOT_RESOLVED, SERVER, "broken"))
        return ((f"192.0.2.{len(host)}", 0 if "fleeting" in host else 300),)


def run(work: Callable[[Names, LookUps], Awaitable[None]], at_once: int = 256) -> None:
    async def all_of_it() -> None:
        names = Names()
        each = LookUps(names, at_once)
        await work(names, each)
        each.close()
        await asyncio.sleep(0)

    asyncio.run(all_of_it())


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_one_payer_s_silent_names_leave_room_for_another_s() -> None:
    async def work(names: Names, each: LookUps) -> None:
        silent = [asyncio.create_task(each.look_up(f"slow{n}", ONE)) for n in range(LOOK_UPS_EACH + 20)]
        await settle()
        assert len(names.under_way) == LOOK_UPS_EACH
        assert await each.addresses("quick", TWO) == ["192.0.2.5"]
        names.go.set()
        assert len(await asyncio.gather(*silent)) == LOOK_UPS_EACH + 20

    run(work)


def test_payers_take_turns() -> None:
    async def work(names: Names, each: LookUps) -> None:
        tasks = [asyncio.create_task(each.look_up(f"slow{n}", ONE)) for n in range(5)]
        await settle()
        tasks += [asyncio.create_task(each.look_up("theirs", TWO))]
        names.go.set()
        await asyncio.gather(*tasks)
        assert names.asked.index("theirs") == 2, "after the one under way, and the one whose turn it was"

    run(work, at_once=1)


def test_more_than_may_wait_fails_at_once() -> None:
    async def work(names: Names, each: LookUps) -> None:
        count = LOOK_UPS_EACH + LOOK_UPS_WAITING_EACH
        waiting = [asyncio.create_task(each.look_up(f"slow{n}", ONE)) for n in range(count)]
        await settle()
        with pytest.raises(FailureError, match="wait already") as caught:
            await each.look_up("one-more", ONE)
        assert caught.value.failure.cause is Cause.OVERLOADED
        assert await each.look_up("quick", TWO)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await settle()
        assert (each._count, each._waiting, each._under_way, each._of_payer) == (0, ({}, {}), {}, {})

    run(work)


def test_when_all_places_are_taken_who_has_most_loses_one_to_who_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_ups, "LOOK_UPS_WAITING", 3)
    assert LOOK_UPS_WAITING > LOOK_UPS_WAITING_EACH

    async def work(names: Names, each: LookUps) -> None:
        tasks = [asyncio.create_task(each.look_up(f"slow{n}", ONE)) for n in range(4)]
        await settle()
        theirs = asyncio.create_task(each.look_up("slow-theirs", TWO))
        await settle()
        assert [task.done() for task in tasks] == [False, False, False, True]
        with pytest.raises(FailureError, match="too many"):
            await each.look_up("slow-again", TWO)
        names.go.set()
        await asyncio.gather(*tasks[:3], theirs)
        await asyncio.gather(tasks[3], return_exceptions=True)

    run(work, at_once=1)


def test_a_slow_name_gives_way_where_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_ups, "LOOK_UP_PATIENCE", 0.05)
    assert LOOK_UP_PATIENCE > 0.05

    async def work(names: Names, each: LookUps) -> None:
        slow = [asyncio.create_task(each.look_up(f"slow{n}", bytes((n,)) * 20)) for n in range(3)]
        await settle()
        async with asyncio.timeout(1):
            assert await each.addresses("quick", ONE) == ["192.0.2.5"]
        with pytest.raises(FailureError, match="other names wait") as caught:
            await slow[0]
        assert caught.value.failure.cause is Cause.OVERLOADED
        await settle()
        names.go.set()
        await asyncio.gather(*slow, return_exceptions=True)
        assert not each._under_way

    run(work, at_once=2)


def test_a_slow_name_is_waited_for_where_nobody_else_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_ups, "LOOK_UP_PATIENCE", 0.01)

    async def work(names: Names, each: LookUps) -> None:
        slow = asyncio.create_task(each.look_up("slow", ONE))
        await asyncio.sleep(0.05)
        names.go.set()
        assert await slow

    run(work, at_once=1)


def test_so_many_names_a_minute() -> None:
    async def work(names: Names, each: LookUps) -> None:
        each._together.left = each._together.most = 10_000
        for n in range(LOOK_UPS_PER_MINUTE):
            await each.look_up(f"n{n}", ONE)
        with pytest.raises(FailureError, match="a minute") as caught:
            await each.look_up("another", ONE)
        assert caught.value.failure.cause is Cause.OVERLOADED
        assert await each.look_up("n1", ONE), "it is remembered, so nobody has to be asked"
        assert await each.look_up("known", ONE)
        assert await each.look_up("another", TWO)
        for n in range(LOOK_UPS_PER_MINUTE + 1):
            await each.look_up(f"own{n}", None)

    run(work)


def test_so_many_names_a_second_in_all_and_the_rest_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(names: Names, each: LookUps) -> None:
        each._together = look_ups._Allowance(2, 50.0, 2, asyncio.get_running_loop().time())
        tasks = [asyncio.create_task(each.look_up(f"n{n}", bytes((n,)) * 20)) for n in range(5)]
        await settle()
        assert len(names.asked) == 2
        async with asyncio.timeout(2):
            await asyncio.gather(*tasks)

    run(work)


def test_a_name_is_asked_for_once() -> None:
    async def work(names: Names, each: LookUps) -> None:
        wishes = [asyncio.create_task(each.look_up(name, payer)) for name in ("Slow.", "slow") for payer in (ONE, TWO)]
        await settle()
        wishes[0].cancel()
        await settle()
        names.go.set()
        assert len({await wish for wish in wishes[1:]}) == 1
        assert names.asked == ["slow"]

    run(work)


def test_what_nobody_waits_for_any_more_is_not_asked_for() -> None:
    async def work(names: Names, each: LookUps) -> None:
        wishes = [asyncio.create_task(each.look_up("slow", payer)) for payer in (ONE, TWO)]
        waiting = asyncio.create_task(each.look_up("slow-too", ONE))
        await settle()
        waiting.cancel()
        wishes[0].cancel()
        await settle()
        assert names.under_way == {"slow"}
        wishes[1].cancel()
        await settle()
        assert names.under_way == set()
        assert names.asked == ["slow"]
        assert (each._count, each._waiting, each._under_way, each._of_payer) == (0, ({}, {}), {}, {})

    run(work, at_once=1)


@pytest.mark.parametrize(("name", "seconds"), [("here", 60), ("missing", 30), ("broken", 5), ("fleeting", 0)])
def test_answers_are_remembered_for_a_while(name: str, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(names: Names, each: LookUps) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(2):
            await asyncio.gather(each.look_up(name, ONE), return_exceptions=True)
        assert len(names.asked) == (1 if seconds else 2)
        begun = loop.time()
        for later, count in ((seconds - 1, 1), (seconds + 1, 2)):
            with monkeypatch.context() as patch:
                patch.setattr(loop, "time", lambda later=later: begun + later)
                assert (each._cached(name) is not None) == (count == 1 and seconds > 0)

    run(work)


def test_few_names_and_few_payers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_ups, "MAX_CACHED", 3)
    monkeypatch.setattr(look_ups, "MAX_PAYERS", 3)

    async def work(names: Names, each: LookUps) -> None:
        for n in range(5):
            await each.look_up(f"n{n}", bytes((n,)) * 20)
        assert list(each._cache) == ["n2", "n3", "n4"]
        assert len(each._asked) == 3

    run(work)
