"""A Node that is told to end: what waits to be saved has its time, and what is lost is told."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from masq.errors import LocalError
from masq.shell import runtime
from masq.shell.driver import Driver
from masq.shell.key_file import StoreError


class Ending:
    """A driver of which the network, or the disk, may hang."""

    def __init__(self, network: float = 0.0, disk: float = 0.0, problem: LocalError | None = None) -> None:
        self.network, self.disk, self.problem = network, disk, problem
        self.saved = False

    async def stop(self) -> None:
        await asyncio.sleep(self.network)

    async def save(self) -> None:
        await asyncio.sleep(self.disk)
        if self.problem is not None:
            raise self.problem
        self.saved = True


class Exited(Exception):
    """The process has ended."""


def ended(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> list[LocalError]:
    def exit(status: int) -> None:
        raise Exited(status)

    monkeypatch.setattr(runtime, "STOP_TIMEOUT", 0.05)
    monkeypatch.setattr(runtime, "SAVE_TIMEOUT", 0.2)
    monkeypatch.setattr("os._exit", exit)
    problems: list[LocalError] = []
    asyncio.run(runtime._stop(cast(Driver, ending), problems.append))
    return problems


def test_a_network_that_hangs_takes_no_time_from_the_books(monkeypatch: pytest.MonkeyPatch) -> None:
    ending = Ending(network=30, disk=0.1)
    assert ended(ending, monkeypatch) == []
    assert ending.saved


def test_a_disk_that_hangs_ends_the_node_with_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Exited, match="1"):
        ended(Ending(disk=30), monkeypatch)
    assert "what was booked last is lost" in capsys.readouterr().err


def test_what_can_t_be_saved_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = StoreError("the disk is full")
    assert ended(Ending(problem=problem), monkeypatch) == [problem]
