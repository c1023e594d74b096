"""Which changes `make mutants` leaves out, and which tests it asks of the others."""

from __future__ import annotations

import ast
import signal
import time
from collections.abc import Callable

from tools import mutants, mutations

SOURCE = """\
def first(each: int | None) -> str | None:
    return each

@final
def second(
    each: int = 1,
) -> None:
    def inner() -> int:
        return 1
    inner()
"""


def test_only_what_nobody_reads_when_it_runs_is_left_out() -> None:
    lines, silent = SOURCE.split("\n"), set(mutations._annotated(ast.parse(SOURCE)))

    def left_out(operator: str, before: str, after: str) -> bool:
        line = next(n for n, text in enumerate(lines, 1) if before in text)
        mutant = mutations.Mutant(operator, "", line, before, after)
        column = mutations._column(lines[line - 1], lines[line - 1].replace(before, after))
        return mutations._is_equivalent(mutant, column, silent)

    assert left_out("ReplaceBinaryOperator_BitOr_Add", "int | None", "int + None")
    assert left_out("ReplaceBinaryOperator_BitOr_Add", "str | None", "str + None")
    assert not left_out("NumberReplacer", "each: int = 1", "each: int = 2")
    assert not left_out("NumberReplacer", "return 1", "return 2")
    assert left_out("ReplaceComparisonOperator_Is_Eq", "return each", "")
    assert not left_out("ReplaceComparisonOperator_Is_IsNot", "return each", "")
    flags = mutations.Mutant("ReplaceTrueWithFalse", "", 2, "@dataclass(frozen=True)", "@dataclass(frozen=False)")
    assert mutations._is_equivalent(flags, 0, silent)


def test_a_function_has_a_body_and_begins_with_its_decorators() -> None:
    assert mutants.functions_of(SOURCE) == [
        (range(8, 11), range(4, 11)),
        (range(2, 3), range(1, 3)),
        (range(9, 10), range(8, 10)),
    ]


def test_what_a_change_concerns_is_imported_anew() -> None:
    changing = mutants.dependents("masq.core.accountant.ledger")
    assert {"masq.core.accountant.ledger", "masq.core.accountant.earning", "masq.core.node"} < changing
    assert not changing & {"masq.types", "masq.crypto", "masq.chain.wallet"}


def test_a_fork_tells_how_it_ends_and_is_ended() -> None:
    assert mutants.in_fork(_noticing, 60.0) == (1, "by this")
    assert mutants.in_fork(_forever, 0.5) in ((-signal.SIGXCPU, ""), (None, ""))
    assert mutants.in_fork(_asleep, 0.02) == (None, "")


def _noticing(tell: Callable[[str], object]) -> int:
    tell("by this")
    return 1


def _forever(_: object) -> int:
    while True:
        pass


def _asleep(_: object) -> int:
    time.sleep(60.0)
    return 0
