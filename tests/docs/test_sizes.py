"""Files of tests are of one thought each, too."""

from __future__ import annotations

from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
MOST: Final = 500


def test_no_file_of_tests_has_more_than_500_lines() -> None:
    lines = {path.relative_to(TESTS): len(path.read_text().splitlines()) for path in TESTS.rglob("*.py")}
    assert {path: count for path, count in lines.items() if count > MOST} == {}
