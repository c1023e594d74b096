"""A few lives of a town, the same ones each time; `make soak` lives others."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from tests.soak.machine import TownMachine

TestTown = TownMachine.TestCase
TestTown.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
