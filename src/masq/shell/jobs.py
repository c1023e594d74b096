"""What takes longer than an answer at the control socket may: done in a thread, and asked for until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from masq.errors import LocalError
from masq.shell.control import Answer, Command

WORKING: Final[Answer] = {"working": True}


@dataclass(slots=True)
class _Job:
    token: str
    future: asyncio.Future[Answer]


class Jobs:
    """Each kind of job is done one at a time, for whoever asked first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def command(self, work: Callable[[], Answer]) -> Command:
        """Behind the word stands a token, chosen by who asks: the first time it starts the work, then it asks for the
        answer, which is given once."""
        jobs: list[_Job] = []

        def answer(words: Sequence[str]) -> Answer:
            if len(words) != 1 or not words[0].isalnum() or len(words[0]) > 64:
                raise ValueError("behind it comes a word of your choice, the same until there is an answer")
            if jobs and jobs[0].token != words[0]:
                if not jobs[0].future.done():
                    raise LocalError("that is being done for somebody else now: ask again in a moment")
                jobs.pop().future.exception()  # Nobody came back for it.
            if not jobs:
                jobs.append(_Job(words[0], self._loop.run_in_executor(None, work)))
            if not jobs[0].future.done():
                return WORKING
            return jobs.pop().future.result()

        return answer
