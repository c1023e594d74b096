"""The benchmark of the Accountant measures what its table promises."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks import accountant


@pytest.mark.parametrize("name", ["scan", "judging", "stall"])
def test_each_measure_gives_figures_that_have_a_row(name: str) -> None:
    words = [sys.executable, "-m", "benchmarks.accountant", "--one", name]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    assert found
    assert found.keys() <= accountant.ROWS.keys()
    assert all(value > 0 for value in found.values())


def test_the_table_has_units_and_what_is_wanted() -> None:
    lines = accountant.table(dict.fromkeys(accountant.ROWS, 1234.5))
    assert "| charges booked in memory | 1,234 a second | 1,000,000 |" in lines
    assert len(lines) == 2 + len(accountant.ROWS)
