"""Each acceptance scenario (neighborhood.md 11, accounting.md 8) is named by a test, in its name or first in its
docstring.

`python -m tests.scenarios.test_named` lists them, with their tests.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict

from tests.docs.sections import ROOT

LAST = {"D": 20, "P": 5, "I": 12, "T": 18, "G": 8, "L": 19, "R": 17, "X": 15, "B": 25, "S": 84}
"""How many there are of each family: D1 to D20, and so on. B are the proposals of 10.4, S the scenarios of money."""
ID = r"[A-Z]\d+"
NAME = re.compile(rf"test_((?:{ID}_)+)")
DOCSTRING = re.compile(rf"({ID}(?:, {ID})*)[.:]")


def ids_of(test: ast.FunctionDef) -> set[str]:
    found = [NAME.match(test.name), DOCSTRING.match(ast.get_docstring(test) or "")]
    return {each for match in found if match for each in re.findall(ID, match[1])}


def named() -> dict[str, list[str]]:
    """Of each id, the tests that show it."""
    tests: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for each in ids_of(node):
                    tests[each].append(f"{path.relative_to(ROOT)}::{node.name}")
    return tests


def test_how_ids_are_named() -> None:
    module = ast.parse(
        "def test_D1_D12_it_is_so(): ...\n"
        "def test_that():\n    '''D2, P3: it differs from B5.'''\n"
        "def test_other():\n    '''It is as D4.'''\n"
    )
    assert [ids_of(node) for node in module.body if isinstance(node, ast.FunctionDef)] == [
        {"D1", "D12"},
        {"D2", "P3"},
        set(),
    ]


def test_each_scenario_is_named_by_a_test_and_each_name_is_one_of_a_scenario() -> None:
    scenarios = {f"{family}{number}" for family, last in LAST.items() for number in range(1, last + 1)}
    assert named().keys() == scenarios


if __name__ == "__main__":
    for scenario, tests in sorted(named().items(), key=lambda each: (each[0][0], int(each[0][1:]))):
        print(scenario, *tests)
