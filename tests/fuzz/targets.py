"""All fuzz targets by name. Each takes any bytes; what it raises is a defect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.fuzz import chain, core, links, local, wire

TARGETS: dict[str, Callable[[bytes], None]] = {
    **core.TARGETS,
    **links.TARGETS,
    **local.TARGETS,
    **chain.TARGETS,
    **wire.TARGETS,
}
"""Those that take longest come first, so that none is left to run alone."""

CORPUS = Path(__file__).parent / "corpus"


def corpus(name: str) -> dict[str, bytes]:
    """The inputs that a target begins with: good ones, and those that once were too much for it."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / name).iterdir())}
