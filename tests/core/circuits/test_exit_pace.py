"""An exit whose originator asks how far it is, and lets more be under way."""

from __future__ import annotations

import pytest
from tests.circuit_ends import BACK, Said, begin, sent
from tests.core.circuits.exit_ends import DATA, WINDOW, Circuit

from masq.core.circuits.terminal import LAZY
from masq.core.limits import MAX_WINDOW
from masq.wire.circuit import CIRCUIT_CREDIT, STREAM_CREDIT, Close, Command

ECHO, ECHOED = Command.ECHO, Command.ECHOED


def question(number: int, most: int = MAX_WINDOW) -> tuple[int, int, bytes]:
    return 0, ECHO, number.to_bytes(4, "big") + most.to_bytes(4, "big")


def later(circuit: Circuit) -> list[Said]:
    """What the originator hears once nothing else has come to share a cell with."""
    return [said for said in circuit.user.hears(sent(circuit.hop.flush(LAZY), BACK)) if isinstance(said, tuple)]  # type: ignore[misc]


def test_an_answer_waits_a_moment_for_others_and_is_what_was_asked() -> None:
    circuit = Circuit()
    assert circuit.says(question(7)) == ([], [])
    assert later(circuit) == [(0, ECHOED, question(7)[2])]


def test_a_thousand_questions_in_a_cell_are_answered_once() -> None:
    circuit = Circuit()
    assert circuit.says(*(question(number) for number in range(1_000))) == ([], [])
    assert later(circuit) == [(0, ECHOED, question(999)[2])]


@pytest.mark.parametrize("data", [b"", b"1234567", b"123456789"])
def test_a_question_that_is_none_ends_the_circuit(data: bytes) -> None:
    circuit = Circuit()
    assert circuit.says((0, ECHO, data))[1][-1] is Close.PROTOCOL


def test_credit_beyond_the_usual_counts_only_for_who_has_asked() -> None:
    circuit = Circuit()
    circuit.begins(1)
    more = (MAX_WINDOW + 1).to_bytes(4, "big")
    circuit.says((0, WINDOW, more), (1, WINDOW, more))
    assert circuit.terminal.credit == CIRCUIT_CREDIT
    assert circuit.terminal.streams[1].credit == STREAM_CREDIT
    circuit.says(question(1), (0, WINDOW, more), (1, WINDOW, more))
    assert circuit.terminal.credit == MAX_WINDOW
    assert circuit.terminal.streams[1].credit == MAX_WINDOW


def test_an_exit_asks_back_when_bytes_come_and_nobody_else_does() -> None:
    circuit = Circuit()
    circuit.begins(1, 2)
    assert circuit.says((1, DATA, bytes(1_000)))[1] == [], "who hasn't asked isn't asked"
    circuit.says(question(1))
    later(circuit)
    (asked,) = circuit.says((1, DATA, bytes(1_000)))[1]
    assert asked == question(1)
    assert circuit.says((2, DATA, bytes(1_000)))[1] == [], "one question at a time"


def test_what_streams_had_of_the_budget_comes_back_when_they_or_their_circuit_end() -> None:
    circuit = Circuit()
    circuit.says(question(1))
    circuit.says(begin(1))
    terminal, budget = circuit.terminal, circuit.exit.windows
    stream = terminal.streams[1]
    stream.extra = budget.resize(0, 1_000_000)
    terminal.pace.extra = budget.resize(0, 2_000_000)
    terminal.drop(1)
    assert budget.used == 2_000_000
    terminal.close()
    assert budget.used == 0
