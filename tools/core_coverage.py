"""How much of each module of the core its own tests cover: `make coverage`, or `make coverage ARGS="links circuits"`.

Own tests of core/links/links.py are tests/core/links/test_links*.py, and whatever else below tests/core/links/ imports
the module. A line that only another folder's tests reach, or a simulation, counts as not covered: whoever changes a
module shall find what he broke in its own tests. Lines and branches count alike; what runs at import counts for all.
Ends with status 1 if a module is below the floor.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import coverage
import pytest

ROOT: Final = Path(__file__).parents[1]
CORE: Final = ROOT / "src" / "masq" / "core"
TESTS: Final = ROOT / "tests" / "core"
FLOOR: Final = 90.0
AT_IMPORT: Final = "import"


@dataclass(frozen=True)
class Row:
    """What was found of one module. Per cent; `branches` is 100 where there are none."""

    module: str
    all: float
    branches: float
    missing: list[int]
    tests: int


class Contexts:
    """Tells coverage which test file runs. Its fixtures count for it."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._measured.switch_context(nodeid.partition("::")[0])


def own_tests(module: str, tests: Mapping[str, str]) -> list[str]:
    """Of the test files (path below tests/core -> text) those that count for a module, such as `links/links`."""
    folder, _, name = module.rpartition("/")
    dotted = re.escape(".".join(filter(None, ["masq", "core", *folder.split("/")])))
    imports = re.compile(rf"\b{dotted}\.{name}\b|\bfrom {dotted} import (?:\([^)]*|[^\n]*)\b{name}\b")
    return [
        path
        for path, text in tests.items()
        if path.rpartition("/")[0] == folder
        and (re.fullmatch(rf"test_{name}(_.*)?\.py", path.rpartition("/")[2]) or imports.search(text))
    ]


def modules(folders: Sequence[str]) -> Iterator[str]:
    """All modules of these folders of the core; without folders, of the whole core."""
    for path in sorted(CORE.rglob("*.py")):
        name = path.relative_to(CORE).with_suffix("").as_posix()
        if path.name != "__init__.py" and (not folders or name.rpartition("/")[0] in folders):
            yield name


def run(measured: coverage.Coverage, folders: Sequence[str]) -> int:
    """Run the tests of these folders; pytest's exit status."""
    paths = [str(TESTS / folder) for folder in folders] or [str(TESTS)]
    measured.start()
    measured.switch_context(AT_IMPORT)
    try:
        return pytest.main(["-p", "no:xdist", *paths], plugins=[Contexts(measured)])
    finally:
        measured.stop()


def row(measured: coverage.Coverage, module: str, tests: Mapping[str, str]) -> Row:
    own = own_tests(module, tests)
    contexts = [f"^{re.escape(f'tests/core/{path}')}$" for path in own]
    with tempfile.NamedTemporaryFile(suffix=".json") as output:
        measured.json_report(
            morfs=[str(CORE / f"{module}.py")], outfile=output.name, contexts=[f"^{AT_IMPORT}$", *contexts]
        )
        (found,) = json.loads(Path(output.name).read_text())["files"].values()
    summary: dict[str, Any] = found["summary"]
    branches = summary["num_branches"]
    share = 100.0 * summary["covered_branches"] / branches if branches else 100.0
    return Row(module, summary["percent_covered"], share, found["missing_lines"], len(own))


def table(rows: Sequence[Row]) -> list[str]:
    lines = [f"{'module':28}{'all %':>8}{'branches %':>12}{'test files':>12}  lines missing"]
    for each in rows:
        mark = " " if each.all >= FLOOR else "*"
        numbers = spans(each.missing)
        lines.append(f"{each.module:28}{each.all:8.1f}{mark}{each.branches:11.1f}{each.tests:12}  {numbers}".rstrip())
    return lines


def spans(numbers: Sequence[int], most: int = 12) -> str:
    """Such as `3-5, 9`; no more than so many, then `...`."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in found]
    return ", ".join(words[:most] + (["..."] if len(words) > most else []))


def main(folders: Sequence[str]) -> int:
    # The one of coverage's tracers that knows both branches and contexts on all Pythons.
    os.environ["COVERAGE_CORE"] = "ctrace"
    measured = coverage.Coverage(branch=True, source=["masq.core"], data_file=None, config_file=False)
    if status := run(measured, folders):
        return int(status)
    tests = {path.relative_to(TESTS).as_posix(): path.read_text() for path in TESTS.rglob("test_*.py")}
    rows = [row(measured, module, tests) for module in modules(folders)]
    print("\n".join(table(rows)))
    below = [each.module for each in rows if each.all < FLOOR]
    if below:
        print(f"\n* below the floor of {FLOOR:.0f} %: {len(below)} of {len(rows)} modules")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
