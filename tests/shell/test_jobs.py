"""Work that takes longer than an answer may: asked for until it is done, and given to who asked first."""

from __future__ import annotations

import asyncio
import threading

import pytest

from masq.errors import LocalError
from masq.shell.control import Answer
from masq.shell.jobs import WORKING, Jobs


def test_it_is_asked_for_until_it_is_done() -> None:
    async def ask() -> None:
        gate = threading.Event()

        def work() -> Answer:
            gate.wait(30)
            return {"done": 1}

        command = Jobs(asyncio.get_running_loop()).command(work)
        assert command(["a"]) == WORKING
        assert command(["a"]) == WORKING
        with pytest.raises(LocalError, match="for somebody else"):
            command(["b"])
        gate.set()
        while (answer := command(["a"])) == WORKING:
            await asyncio.sleep(0.01)
        assert answer == {"done": 1}

    asyncio.run(ask())


def test_what_nobody_came_back_for_is_done_anew_for_the_next() -> None:
    async def ask() -> None:
        count = 0

        def work() -> Answer:
            nonlocal count
            count += 1
            if count == 1:
                raise LocalError("failed")
            return {"count": count}

        command = Jobs(asyncio.get_running_loop()).command(work)
        assert command(["a"]) == WORKING
        while count < 1:
            await asyncio.sleep(0.01)
        while True:
            await asyncio.sleep(0.01)
            try:
                answer = command(["b"])
            except LocalError as error:
                assert "somebody else" in str(error)  # noqa: PT017
                continue
            if answer != WORKING:
                break
        assert answer == {"count": 2}

    asyncio.run(ask())


@pytest.mark.parametrize("words", [[], ["a", "b"], ["../x"], ["a" * 65]])
def test_wrong_words_are_refused(words: list[str]) -> None:
    loop = asyncio.new_event_loop()
    with pytest.raises(ValueError, match="a word of your choice"):
        Jobs(loop).command(dict)(words)
    loop.close()
