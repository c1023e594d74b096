"""Asking the Node that runs on this machine how it is, and showing the answer to a human."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from masq.errors import LocalError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SOCKET = "masq.sock"
MAX_ANSWER = 16 << 20
PATIENCE = 5.0

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_TITLES = {
    "neighbors": "Neighbors",
    "routes": "Routes",
    "streams": "Streams",
    "links": "Links",
    "avoided": "Nodes that are avoided for a while",
    "overbilled": "Bills that were too high",
    "failures": "Streams that failed",
    "payables": "Owed to others",
    "receivables": "Owed by others",
    "payments": "Payments",
    "banned": "Banned",
    "warnings": "Warnings",
    "bans": "Peers that something is held against",
}


def ask(directory: Path, words: str = "status") -> bytes:
    """What the Node whose data directory this is answers: its status document. LocalError if there is none."""
    path = directory / SOCKET
    deadline = time.monotonic() + PATIENCE
    answer = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            connection.sendall(words.encode() + b"\n")
            while chunk := connection.recv(65536):
                answer += chunk
                if len(answer) > MAX_ANSWER:
                    raise LocalError(f"what answers at {path} is no MASQ Node: it sent more than {MAX_ANSWER} bytes")
                connection.settimeout(max(0.001, deadline - time.monotonic()))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise LocalError(f"no Node runs with the data directory {directory}; start one with `masq run`") from None
    except TimeoutError:
        raise LocalError(f"the Node at {path} did not answer within {PATIENCE:.0f} seconds") from None
    except OSError as error:
        raise LocalError(f"the Node at {path} can't be asked: {error.strerror or error}") from None
    return bytes(answer)


def document(answer: bytes) -> dict[str, Json]:
    """The answer, decoded; LocalError if it is no JSON object."""
    try:
        status: Json = json.loads(answer)
    except (ValueError, RecursionError):
        status = None
    if not isinstance(status, dict):
        raise LocalError("the Node's answer is no status document; is it of another version?")
    return status


def show(status: dict[str, Json], console: Console) -> None:
    """Print the document as tables. Members that are missing are left out, unknown ones are shown as they are."""
    facts: dict[str, Json] = {name: value for name, value in status.items() if not isinstance(value, list | dict)}
    console.print(_facts(facts))
    for name, value in status.items():
        if not value or not isinstance(value, list | dict):
            continue
        console.print()
        console.print(_heading(_TITLES.get(name, name)))
        console.print(_facts(value) if isinstance(value, dict) else _rows(value))


def show_rows(rows: list[Json], console: Console) -> None:
    """Print one list of a document as a table."""
    console.print(_rows(rows))


def _heading(title: str) -> RenderableType:
    from rich.text import Text

    return Text(printable(title), style="bold")


def _facts(facts: dict[str, Json]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in facts.items():
        table.add_row(Text(printable(name.replace("_", " ")), style="dim"), Text(_cell(name, value), overflow="fold"))
    return table


def _rows(rows: list[Json]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    objects = [row if isinstance(row, dict) else {"": row} for row in rows]
    columns = list(dict.fromkeys(name for row in objects for name in row))
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=columns != [""])
    for name in columns:
        table.add_column(printable(name), overflow="fold")
    for row in objects:
        table.add_row(*(Text(_cell(name, row.get(name))) for name in columns))
    return table


def _cell(name: str, value: Json) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " > ".join(_cell("", part) for part in value)
    if isinstance(value, dict):
        return ", ".join(f"{printable(key)} {_cell(key, part)}" for key, part in value.items())
    if name == "wei" and (amount := str(value)).removeprefix("-").isdecimal() and len(amount) < 80:
        return _masq(int(amount))
    if name in ("uptime", "age", "left") and isinstance(value, int | float) and 0 <= value < 1e12:
        return _duration(int(value))
    if name in ("sent", "received") and isinstance(value, int):
        return f"{value:,}"
    return printable(str(value))


def _masq(wei: int) -> str:
    """An amount in MASQ, exact, without trailing zeros."""
    whole, rest = divmod(abs(wei), 10**18)
    fraction = f".{rest:018}".rstrip("0").rstrip(".")
    return f"{'-' if wei < 0 else ''}{whole:,}{fraction} MASQ"


def _duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def printable(text: str) -> str:
    """The text without what could steer a terminal: peers choose some of it."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
