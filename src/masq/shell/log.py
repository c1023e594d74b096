"""The log: structlog, kept from loading the library for consoles that it takes along where it finds one.

That would cost each Node 9 MB and 0.2 s.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

_absent = "rich" not in sys.modules
if _absent:
    sys.modules["rich"] = None  # type: ignore[assignment]
try:
    import structlog
finally:
    if _absent:
        del sys.modules["rich"]

log: Any = structlog.get_logger()


def configure(level: str) -> None:
    """Write one line of `name='value'` pairs for each entry of at least this level to stderr."""
    numbers = {"off": 60, "error": 40, "warn": 30, "info": 20, "debug": 10, "trace": 5}
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numbers.get(level, 30)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING)
