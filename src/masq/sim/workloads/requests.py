"""Users who ask servers for something again and again, and what became of each request."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import msgspec

from masq.core.failure import Failure
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import content_of

FILES = ("files.test", 80)
"""The server that sends as many bytes as it is asked for."""
PATIENCE = 60.0
"""Seconds after which a user gives a request up."""

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]


class Request(Application):
    """A client that asks for so many bytes, and counts them. It is done when all of them came as they should be."""

    def __init__(self, user: int, size: int, now: Callable[[], float], bulk: bool) -> None:
        super().__init__()
        self.user, self.size, self.bulk = user, size, bulk
        self._now = now
        self.begun_at = now()
        self.first_at: float | None = None
        self.ended_at: float | None = None
        self.way: tuple[bytes, ...] = ()
        """Public keys of the hops that it was sent over last, the exit at the end."""
        self.problem: str | None = None
        """Why it failed, if it did."""

    @property
    def done(self) -> bool:
        return self.ended_at is not None

    @property
    def failed(self) -> bool:
        return self.problem is not None

    def heard(self, data: bytes) -> None:
        if self.first_at is None:
            self.first_at = self._now()
        super().heard(data)

    def heard_end(self) -> None:
        super().heard_end()
        if self.received != content_of(self.size):
            self.fails(f"{len(self.received)} of {self.size} bytes came")
        elif not self.failed:
            self.ended_at = self._now()
        self.received.clear()
        self.end()

    def heard_close(self, failure: Failure | None) -> None:
        super().heard_close(failure)
        if not self.done:
            self.fails(str(failure or "closed before all had come"))

    def fails(self, why: str) -> None:
        self.problem = self.problem or why

    def given_up(self) -> None:
        """The user has no more patience."""
        if not self.done and not self.failed:
            self.fails(f"nothing more came within {PATIENCE:.0f} s")
            self.abort()


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody asks for so many bytes at some time, in seconds after the last Node was started."""

    at: float
    user: int
    """Which of the users there are, of as many as the workload was planned for."""
    size: int
    bulk: bool
    group: str


class Browse(msgspec.Struct, tag="browse", tag_field="kind", forbid_unknown_fields=True, frozen=True):
    """Users that ask for a page each so many seconds, together or in turn."""

    start: Seconds = 0.0
    length: Seconds | None = None
    """Seconds that it goes on; None: to the end."""
    every: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 1.0
    """Seconds from one request to the next, of all users together."""
    size: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)] = 5_000
    """Bytes of a page."""
    users: Count | None = None
    """How many Nodes have a user who does; None: all."""
    alone: bool = True
    """Whether each request has a circuit of its own, rather than one of its user."""

    bulk = False

    def wishes(self, chance: random.Random, nodes: int, length: float) -> Iterator[Wish]:
        """All of them, in order."""
        users = chance.sample(range(nodes), min(self.users or nodes, nodes))
        end = length if self.length is None else min(length, self.start + self.length)
        at, number = self.start, 0
        while at < end:
            group = f"{number}" if self.alone else ""
            yield Wish(at, users[number % len(users)], self.size, self.bulk, group)
            number += 1
            at = self.start + number * self.every


class Download(Browse, tag="download", tag_field="kind", forbid_unknown_fields=True, frozen=True):
    """Users that fetch large files: what a relay's speed is measured by."""

    every: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 5.0
    size: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)] = 1_000_000

    bulk = True


Workload = Browse | Download
