"""Figures of scenarios are printed as they come, if output isn't captured (`make mesh`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def tell() -> Callable[[str], None]:
    """Takes figures that were measured."""
    return print
