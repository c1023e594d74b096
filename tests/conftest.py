"""What holds for all tests: how long one takes is not what it tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("masq", deadline=None)
settings.load_profile("masq")


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory for sockets, whose paths the system bounds at 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="m") as directory:
        yield Path(directory)
