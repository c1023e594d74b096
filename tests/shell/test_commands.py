"""What each word at the control socket does, and how wrong ones are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from masq.core.accountant.effects import Scan
from masq.errors import LocalError
from masq.shell.commands import commands
from masq.shell.driver import Driver
from masq.shell.reload import Reloading
from masq.shell.status import Status
from masq.shell.store import Store


class Stage:
    """Parts that write down what they are told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.loop = asyncio.new_event_loop()
        node = SimpleNamespace(
            scan=lambda scan, now: [("scan", scan)],
            ban=lambda who, seconds, now: [("ban", who, seconds)],
            bans=SimpleNamespace(lift=lambda who, now: who == "192.0.2.1"),
            renew_routes=lambda: 3,
        )
        turn = SimpleNamespace(node=node, now=1.0, carry=self.told.extend, loop=self.loop)
        status = SimpleNamespace(document=lambda: {"mode": "standard"}, metrics=lambda: b"masq_works 1.0\n")
        reloading = SimpleNamespace(again=lambda: {"changed": []}, sources=SimpleNamespace(given={"chain": "dev"}))
        self.words = commands(
            cast(Driver, SimpleNamespace(turn=turn)),
            cast(Status, status),
            cast(Reloading, reloading),
            cast(Store, SimpleNamespace(snapshot=lambda: "node.snapshot")),
            lambda: self.told.append(("stop",)),
        )

    def say(self, name: str, *words: str) -> dict[str, Any]:
        return self.words[name](words)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.loop.close()


def test_each_word_does_its_work(stage: Stage) -> None:
    assert stage.say("status") == {"mode": "standard"}
    assert stage.say("scan", "payables") == {}
    assert stage.say("ban", "192.0.2.1", "60") == {}
    assert stage.say("lift", "192.0.2.1") == {}
    assert stage.say("route", "new") == {"left": 3}
    assert stage.say("metrics") == {"text": "masq_works 1.0\n"}
    assert stage.say("words") == {"given": {"chain": "dev"}}
    assert stage.say("reload") == {"changed": []}
    assert stage.told == [("scan", Scan.PAYABLES), ("ban", "192.0.2.1", 60.0)]


def test_the_node_is_stopped_after_the_answer(stage: Stage) -> None:
    assert stage.say("stop") == {}
    assert stage.told == []
    stage.loop.run_until_complete(asyncio.sleep(0.2))
    assert stage.told == [("stop",)]


@pytest.mark.parametrize(
    "words",
    [
        ("status", "x"),
        ("scan",),
        ("scan", "everything"),
        ("scan", "payables", "now"),
        ("scan", "receivables", "--from", "none"),
        ("scan", "receivables", "--from", "-1"),
        ("history",),
        ("history", "paid", "1", "2"),
        ("ban", "192.0.2.1"),
        ("ban", "192.0.2.1", "-5"),
        ("ban", "192.0.2.1", "\N{SUPERSCRIPT TWO}"),
        ("lift",),
        ("route",),
        ("route", "old"),
        ("reload", "x"),
        ("stop", "now"),
        ("metrics", "all"),
    ],
)
def test_wrong_words_change_nothing(stage: Stage, words: Sequence[str]) -> None:
    """S84."""
    with pytest.raises(ValueError, match=" "):
        stage.say(*words)
    assert stage.told == []


def test_what_is_not_there_can_not_be_lifted(stage: Stage) -> None:
    with pytest.raises(LocalError, match="nothing is held against"):
        stage.say("lift", "192.0.2.9")
