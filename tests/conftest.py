"""What holds for all tests: how long one takes is not what it tests."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# eth-account raises the limit of recursion to 100,000, which is more than the C stack of Python 3.11 bears. A Node's
# process never does that. Here the limit goes back to the usual one, or hostile JSON would end the tests.
_usual = sys.getrecursionlimit()

import eth_account  # noqa: E402, F401

sys.setrecursionlimit(_usual)

settings.register_profile("masq", deadline=None)
settings.load_profile("masq")


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory for sockets, whose paths the system bounds at 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="m") as directory:
        yield Path(directory)
