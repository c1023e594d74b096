"""`masq top`: the status in a terminal, as it changes. Needs the extra [top]."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Static, TabbedContent, TabPane

from masq.cli.control import ask, document, tell
from masq.cli.status import (
    BAN_HEAD,
    FAILURE_HEAD,
    NODE_HEAD,
    STREAM_HEAD,
    Document,
    about,
    ban_rows,
    failure_rows,
    node_rows,
    stream_rows,
    verdict_lines,
)
from masq.cli.tables import facts, printable
from masq.errors import MasqError

EVERY: Final = 1.0
"""Seconds from one look to the next."""
TABS: Final = {
    "streams": ("Streams", STREAM_HEAD),
    "nodes": ("Nodes", NODE_HEAD),
    "failures": ("Failures", FAILURE_HEAD),
    "bans": ("Bans", BAN_HEAD),
}


class Top(App[None]):
    """One Node, looked at each second."""

    TITLE = "masq top"
    CSS = """
    #verdict { padding: 0 1; text-style: bold; height: auto; }
    #verdict.works { color: $text-success; }
    #verdict.fails { color: $text-error; }
    #about { padding: 0 1; height: auto; }
    #said { padding: 0 1; height: auto; color: $text-muted; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "renew", "New route"),
        Binding("r", "reload", "Reload settings"),
        Binding("a", "toggle_about", "About the Node"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self._before = Document({})

    def compose(self) -> ComposeResult:
        yield Static(id="verdict")
        yield Static(id="about")
        with TabbedContent():
            for name, (title, head) in TABS.items():
                with TabPane(title, id=f"tab-{name}"):
                    table: DataTable[Text] = DataTable(id=name, cursor_type="row", zebra_stripes=True)
                    table.add_columns(*head)
                    yield table
        yield Static(id="said")
        yield Footer()

    async def on_mount(self) -> None:
        await self.look()
        self.set_interval(EVERY, self.look)

    async def look(self) -> None:
        """Ask the Node, and show what it says; if it says nothing, why."""
        try:
            status = await asyncio.to_thread(lambda: document(ask(self._directory)))
        except MasqError as error:
            self._verdict([str(error)], works=False)
            return
        seen = Document(status)
        self._verdict(verdict_lines(seen, None), works=seen.part("verdict").status.get("works") is True)
        self.query_one("#about", Static).update(Text("\n".join(facts(about(seen)))))
        self._fill("streams", stream_rows(seen, self._before))
        self._fill("nodes", node_rows(seen))
        self._fill("failures", failure_rows(seen))
        self._fill("bans", ban_rows(seen))
        self._before = seen

    def _verdict(self, lines: Sequence[str], works: bool) -> None:
        verdict = self.query_one("#verdict", Static)
        verdict.update(Text("\n".join(lines)))
        verdict.set_class(works, "works")
        verdict.set_class(not works, "fails")

    def _fill(self, name: str, rows: Sequence[Sequence[str]]) -> None:
        """Other rows, the cursor where it was."""
        table = self.query_one(f"#{name}", DataTable)
        at = table.cursor_coordinate
        table.clear()
        for row in rows:
            # Text, not markup: some of it is a stranger's.
            table.add_row(*(Text(printable(cell)) for cell in row))
        if rows:
            table.move_cursor(row=min(at.row, len(rows) - 1), column=at.column, scroll=False)
        title, _ = TABS[name]
        self.query_one(TabbedContent).get_tab(f"tab-{name}").label = f"{title} ({len(rows)})"

    async def _tell(self, words: str, done: str) -> None:
        try:
            await asyncio.to_thread(lambda: tell(self._directory, words))
            text = done
        except MasqError as error:
            text = str(error)
        self.query_one("#said", Static).update(Text(text))

    async def action_renew(self) -> None:
        """New streams take new routes."""
        await self._tell("route new", "New streams take new routes.")

    async def action_reload(self) -> None:
        """The Node reads its settings again."""
        await self._tell("reload", "The settings were read again: `masq reload` says what has changed.")

    def action_toggle_about(self) -> None:
        about_node = self.query_one("#about", Static)
        about_node.display = not about_node.display
