"""The unit of systemd: valid, and a sandbox that leaves little."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[2] / "packaging"
UNIT = PACKAGING / "masq.service"
MOST_EXPOSURE = 2.0
"""Of 10, as `systemd-analyze security` counts."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, for a program that is there."""
    path = tmp_path / "masq.service"
    path.write_text(UNIT.read_text().replace("/opt/masq-node/.venv/bin/masq", sys.executable))
    return path


def analyze(*words: str) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_it_is_valid(unit: Path) -> None:
    assert analyze("verify", "--man=no", str(unit)) == ""


def test_it_leaves_little_to_who_breaks_in(unit: Path) -> None:
    told = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE * 10:.0f}", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert found
    assert float(found[1]) <= MOST_EXPOSURE


def test_it_runs_the_node_as_the_user_that_sysusers_makes() -> None:
    unit = UNIT.read_text()
    assert re.search(r"^ExecStart=\S+/masq run$", unit, re.MULTILINE)
    kind, name, _ = (PACKAGING / "masq.sysusers").read_text().split(maxsplit=2)
    assert (kind, f"User={name}" in unit) == ("u", True)
    assert "MASQ_DATA_DIRECTORY=/var/lib/masq" in unit
