"""The log: structlog, kept from loading the library for consoles that it takes along where it finds one.

That would cost each Node 9 MB and 0.2 s.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from masq.errors import SettingError

if TYPE_CHECKING:
    from io import TextIOWrapper

_absent = "rich" not in sys.modules
if _absent:
    sys.modules["rich"] = None  # type: ignore[assignment]
try:
    import structlog
finally:
    if _absent:
        del sys.modules["rich"]

log: Any = structlog.get_logger()


_LEVELS: Final = {"off": 50, "error": 40, "warn": 30, "info": 20, "debug": 10, "trace": 0}
"""From which entries on each word writes, in the numbers that structlog knows."""


RECENT: Final = 200
"""Entries that are kept in memory."""
LONGEST: Final = 2_000
"""Characters of one of them."""


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is logged, how, and where to."""

    level: str = "warn"
    form: str = "text"
    """`text`: a line of `name='value'` pairs for each entry; `json`: an object a line."""
    file: Path | None = None
    """None: stderr."""
    most: int = 10_000_000
    """Bytes of one file; then it is put aside."""
    kept: int = 5
    """Files that were put aside and are kept."""


def configure(config: LogConfig) -> None:
    """Write one line for each entry of at least this level; none if off. SettingError: the file can't be made."""
    try:
        handler = _handler(config)
    except OSError as error:
        raise SettingError("log-file", f"{config.file} can't be written: {error.strerror or error}") from None
    structlog.configure(
        processors=[
            # A processor of its own: no level of structlog is above all entries.
            *([_drop] if config.level == "off" else []),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer()
            if config.form == "json"
            else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[config.level]),
        logger_factory=lambda *_: _Logger(handler),
        # Not cached: the level may change while the Node runs.
        cache_logger_on_first_use=False,
    )
    # What libraries say: warnings and worse, or nothing.
    root = logging.getLogger()
    for former in root.handlers[:]:
        root.removeHandler(former)
        former.close()
    root.addHandler(handler)
    root.setLevel(logging.CRITICAL + 1 if config.level == "off" else logging.WARNING)
    # A full disk is no reason to say more.
    logging.raiseExceptions = False


class _Private(RotatingFileHandler):
    """A file for its owner alone: it has targets and addresses in it."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")


def _handler(config: LogConfig) -> logging.Handler:
    if config.file is None:
        return logging.StreamHandler(sys.stderr)
    config.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _Private(config.file, maxBytes=config.most, backupCount=config.kept)


class Recent:
    """The latest entries, for whoever looks at this Node, and who wants to hear of each."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=RECENT)
        self.listeners: list[Callable[[str], None]] = []

    def add(self, line: str) -> None:
        self.lines.append(line[:LONGEST])
        for listener in self.listeners:
            listener(line[:LONGEST])


recent: Final = Recent()


class _Logger:
    """What structlog has made of an entry, handed to a handler of the standard library."""

    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler

    def msg(self, line: str) -> None:
        recent.add(line)
        self._handler.handle(logging.makeLogRecord({"msg": line}))

    debug = info = warning = error = critical = log = msg


def _drop(logger: object, name: str, entry: object) -> NoReturn:
    raise structlog.DropEvent
