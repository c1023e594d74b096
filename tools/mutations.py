"""Small changes of a module, as cosmic-ray makes them; uv fetches it when it is needed.

Left out are changes that no test can notice: of annotations, which nobody reads when it runs; `==` for `is` and `!=`
for `is not`, which stand beside None and members of enumerations; of `slots` and `frozen` of dataclasses, which only
keep programmers from errors; and of what a module does when it is run as a program.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COSMIC_RAY: Final = "cosmic-ray==8.7.0"
MUTATE: Final = """
import itertools, json, sys
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
source = sys.stdin.read()
for name in sorted(operator_names()):
    if "/Variable" not in name:
        for occurrence in itertools.count():
            if (code := mutate_code(source, get_operator(name)(), occurrence)) is None:
                break
            print(json.dumps([name.partition("/")[2], code]))
"""
"""What cosmic-ray's Python runs: the module comes in, a line per change goes out."""


@dataclass(frozen=True)
class Mutant:
    """`line`: the first that differs, from 1."""

    operator: str
    code: str
    line: int
    before: str
    after: str


def mutants_of(path: Path) -> list[Mutant]:
    words = [str(Path(sys.executable).parent / "uv"), "tool", "run", "--quiet", "--from", COSMIC_RAY, "python", "-c"]
    source = path.read_text()
    out = subprocess.run([*words, MUTATE], input=source, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Mutant] = {}
    lines, silent = source.split("\n"), set(_annotated(ast.parse(source)))
    for operator, code in map(json.loads, out.splitlines()):
        changed = code.split("\n")
        line = next((n for n, (a, b) in enumerate(zip(lines, changed, strict=False), 1) if a != b), len(lines))
        mutant = Mutant(operator, code, line, lines[line - 1].strip(), changed[line - 1].strip())
        if not _is_equivalent(mutant, _column(lines[line - 1], changed[line - 1]), silent):
            found.setdefault(code, mutant)
    return sorted(found.values(), key=lambda mutant: mutant.line)


def _column(before: str, after: str) -> int:
    return next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )


def _annotated(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """Line and column of each character of annotations."""
    for node in ast.walk(tree):
        for each in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(each, ast.expr):
                end = each.end_lineno or each.lineno
                for line in range(each.lineno, end + 1):
                    first = each.col_offset if line == each.lineno else 0
                    last = (each.end_col_offset or 0) if line == end else 200
                    yield from ((line, column) for column in range(first, last + 1))


def _is_equivalent(mutant: Mutant, column: int, silent: set[tuple[int, int]]) -> bool:
    if mutant.operator in ("ReplaceComparisonOperator_Is_Eq", "ReplaceComparisonOperator_IsNot_NotEq"):
        return True
    if mutant.before.startswith("if __name__ == "):
        return True
    if mutant.before.startswith("@dataclass(") and mutant.operator == "ReplaceTrueWithFalse":
        return True
    return (mutant.line, column) in silent
