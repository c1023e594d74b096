"""The log: structlog, kept from loading the library for consoles that it takes along where it finds one.

That would cost each Node 9 MB and 0.2 s.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, NoReturn

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


def configure(level: str) -> None:
    """Write one line of `name='value'` pairs for each entry of at least this level to stderr; none at all if off."""
    structlog.configure(
        processors=[
            # A processor of its own: no level of structlog is above all entries.
            *([_drop] if level == "off" else []),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        # Not cached: the level may change while the Node runs.
        cache_logger_on_first_use=False,
    )
    # What libraries say: warnings and worse, or nothing.
    logging.basicConfig(level=logging.CRITICAL + 1 if level == "off" else logging.WARNING)


def _drop(logger: object, name: str, entry: object) -> NoReturn:
    raise structlog.DropEvent
