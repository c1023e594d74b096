"""`masq top`: what it shows of a Node, of a Node that is gone, and what its keys do."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_main import masq
from tests.cli.test_status import STATUS
from textual.widgets import DataTable, Static, TabbedContent

from masq.cli import top
from masq.cli.top import Top
from masq.errors import LocalError


class Node:
    """What answers in the place of a Node."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.status: dict[str, Any] = dict(STATUS)
        self.told: list[str] = []
        self.gone = False
        monkeypatch.setattr(top, "ask", self.ask)
        monkeypatch.setattr(top, "tell", self.tell)

    def ask(self, directory: Path) -> bytes:
        if self.gone:
            raise LocalError("no Node runs here")
        return json.dumps(self.status).encode()

    def tell(self, directory: Path, words: str) -> dict[str, Any]:
        self.told.append(words)
        if self.gone:
            raise LocalError("no Node runs here")
        return {}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(top, "EVERY", 1000.0)
    return Node(monkeypatch)


def shown(app: Top, name: str) -> str:
    return str(app.query_one(f"#{name}", Static).content)


def rows(app: Top, name: str) -> list[list[str]]:
    table = app.query_one(f"#{name}", DataTable)
    return [[str(cell) for cell in table.get_row_at(at)] for at in range(table.row_count)]


def test_everything_is_shown_and_told_apart(node: Node) -> None:
    async def watched() -> None:
        app = Top(Path("/d"))
        async with app.run_test(size=(100, 40)):
            assert shown(app, "verdict") == "does not work: no neighbor answers\ndo: see `masq doctor`"
            assert app.query_one("#verdict").has_class("fails")
            assert STATUS["descriptor"] in shown(app, "about")
            assert len(rows(app, "streams")) == 30
            assert rows(app, "failures") == [["12", "0:03 ago", "b.example:443", "it gave no answer"]]
            assert rows(app, "nodes")[0][:2] == ["22222222", "10.0.0.1:6001"]
            assert app.query_one(TabbedContent).get_tab("tab-bans").label_text == "Bans (1)"

    asyncio.run(watched())


def test_it_goes_on_when_the_node_is_gone_and_back(node: Node) -> None:
    async def watched() -> None:
        app = Top(Path("/d"))
        async with app.run_test(size=(100, 40)):
            node.gone = True
            await app.look()
            assert shown(app, "verdict") == "no Node runs here"
            node.gone = False
            node.status = {**STATUS, "verdict": {"works": True, "words": "works"}, "streams": []}
            await app.look()
            assert shown(app, "verdict") == "works"
            assert app.query_one("#verdict").has_class("works")
            assert rows(app, "streams") == []

    asyncio.run(watched())


def test_the_cursor_stays_and_words_of_strangers_are_no_markup(node: Node) -> None:
    hostile = "[red]\x1b[31m[/nothing]"
    node.status["failures"] = [
        {"target": f"{hostile}{at}", "reason": hostile, "cause": "silent", "age": 1.0} for at in range(5)
    ]

    async def watched() -> None:
        app = Top(Path("/d"))
        async with app.run_test(size=(100, 40)):
            table = app.query_one("#failures", DataTable)
            table.move_cursor(row=3)
            await app.look()
            assert table.cursor_coordinate.row == 3
            assert rows(app, "failures")[0][3] == hostile.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
            node.status["failures"] = node.status["failures"][:1]
            await app.look()
            assert table.cursor_coordinate.row == 0

    asyncio.run(watched())


def test_keys_tell_the_node_what_to_do(node: Node) -> None:
    async def pressed() -> None:
        app = Top(Path("/d"))
        async with app.run_test(size=(100, 40)) as pilot:
            await pilot.press("n", "r")
            await pilot.pause()
            assert node.told == ["route new", "reload"]
            node.gone = True
            await pilot.press("n")
            await pilot.pause()
            assert shown(app, "said") == "no Node runs here"
            about = app.query_one("#about")
            await pilot.press("a")
            assert not about.display
            await pilot.press("q")

    asyncio.run(pressed())


def test_without_its_extra_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name in ('textual', 'eth') else find(name, package)\n"
    )
    for command, extra in (("top", "top"), ("demo", "demo")):
        done = masq(command, home=tmp_path, environment={"PYTHONPATH": str(tmp_path)})
        assert done.returncode == 1
        assert f"masq-node[{extra}]" in done.stderr
        assert "Traceback" not in done.stderr
