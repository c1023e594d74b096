"""What is said at the terminal: that a Node works at once, that it doesn't when that lasts, and nothing twice."""

from __future__ import annotations

import asyncio

import pytest

from masq.core.view import VerdictView
from masq.shell import herald
from masq.shell.herald import FIRST, STEADY, Herald, proclaim

WORKS = VerdictView(True, "works: browsing over 3 hops", None)
FAILS = VerdictView(False, "does not work: no neighbor answers", "see `masq doctor`")
SAID_OF_IT = "does not work: no neighbor answers; do: see `masq doctor`"


def test_good_news_at_once_bad_when_it_lasts_and_nothing_twice() -> None:
    said: list[str] = []
    one = Herald(said.append)
    one.hear(FAILS, 0.0)
    one.hear(FAILS, FIRST - 0.1)
    assert said == []
    one.hear(FAILS, FIRST)
    one.hear(FAILS, FIRST + 1)
    assert said == [SAID_OF_IT]
    one.hear(WORKS, 40.0)
    one.hear(WORKS, 41.0)
    assert said == [SAID_OF_IT, WORKS.words]
    one.hear(FAILS, 50.0)
    one.hear(WORKS, 51.0)
    one.hear(FAILS, 52.0)
    assert len(said) == 2, "for a moment"
    one.hear(VerdictView(False, "does not work", None), 52.0 + STEADY)
    assert said[2] == "does not work"


def test_it_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(herald, "EVERY", 0.001)
    said: list[str] = []
    times = iter(range(1000))

    async def until_it_works() -> None:
        running = asyncio.create_task(
            proclaim(lambda: WORKS if len(said) else FAILS, said.append, lambda: float(next(times)))
        )
        while len(said) < 2:
            await asyncio.sleep(0.001)
        running.cancel()

    asyncio.run(asyncio.wait_for(until_it_works(), 30))
    assert said == [SAID_OF_IT, WORKS.words]
