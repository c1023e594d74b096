"""Tables of plain text: one line a row, as wide as a terminal, or as wide as it takes where nobody looks (a pipe)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from shutil import get_terminal_size
from textwrap import TextWrapper
from typing import Final

NARROWEST: Final = 40
GAP: Final = 2
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def width_of_output() -> int | None:
    """Columns of the terminal that is written to; None: it is none."""
    return max(NARROWEST, get_terminal_size().columns) if sys.stdout.isatty() else None


def table(head: Sequence[str], rows: Iterable[Sequence[str]], width: int | None) -> list[str]:
    """A header and rows, columns aligned. What doesn't fit into `width` is cut off the last column."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    numbers = [all(row[at][:1].isdigit() or row[at] in ("-", "") for row in cells) for at in range(len(head))]
    lines = []
    for row in (head, *cells):
        last = len(row) - 1
        parts = [
            cell if at == last else cell.rjust(size) if number else cell.ljust(size)
            for at, (cell, size, number) in enumerate(zip(row, widths, numbers, strict=True))
        ]
        lines.append(cut((" " * GAP).join(parts).rstrip(), width))
    return lines


def facts(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Names and what is to be said of each. Never cut: such lines are copied."""
    there = [(name, printable(text)) for name, text in pairs]
    size = max((len(name) for name, _ in there), default=0)
    return [f"{name.ljust(size)}{' ' * GAP}{text}" for name, text in there]


def paragraph(text: str, width: int | None, indent: str = "") -> list[str]:
    """Words, in lines no longer than that; in one line where there is no width."""
    text = printable(text)
    if width is None:
        return [indent + text]
    wrap = TextWrapper(
        width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return wrap.wrap(text) or [indent]


def cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else text[: width - 1] + "…"


def short(key: str) -> str:
    """A Node as logs and failures name it."""
    return key[:8]


def size_text(count: float) -> str:
    """Bytes, with three digits that count."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.{0 if not unit or value >= 99.95 else 1}f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(max(0, int(min(seconds, 1e12))), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 100:
        return f"{hours // 24} days"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(unix: float) -> str:
    """A time of this machine's clock."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix))
    except (OverflowError, ValueError, OSError):
        return "-"


def printable(text: str) -> str:
    """The text without what could steer a terminal: peers choose some of it."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
