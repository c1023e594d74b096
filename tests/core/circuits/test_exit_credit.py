"""The exit's end of a circuit: credit that it gives, and keeps to."""

from __future__ import annotations

import pytest
from tests.circuit_ends import BACK, Said, Told, begin, others, sent
from tests.core.circuits.exit_ends import DATA, END, NOTHING, PIECE, WINDOW, Circuit, reason

from masq.core.circuits.terminal import LAZY, Outbox, Terminal, TerminalStream
from masq.core.effects import (
    CloseSocket,
    Reading,
    WriteSocket,
)
from masq.wire.circuit import (
    CIRCUIT_CREDIT,
    STREAM_CREDIT,
    Close,
    StreamEnd,
    encode_end,
)


def test_a_stream_whose_server_does_not_read_may_send_its_credit_and_a_byte_more_ends_the_circuit() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.exit.congested(socket)
    assert circuit.sends(1, STREAM_CREDIT) == []
    answers = circuit.sends(1, 1)
    assert reason(answers) is Close.CREDIT
    assert circuit.hop.counters() == NOTHING


def test_credit_comes_back_once_the_server_reads() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.exit.congested(socket)
    assert circuit.sends(1, STREAM_CREDIT) == []
    assert circuit.back(circuit.exit.drained(socket, 0.0)) == [(1, WINDOW, STREAM_CREDIT.to_bytes(4, "big"))]
    assert circuit.sends(1, STREAM_CREDIT // 2 - 1) == []
    assert circuit.sends(1, 1) == [(1, WINDOW, (STREAM_CREDIT // 2).to_bytes(4, "big"))]


def test_credit_is_as_short_before_the_server_is_reached() -> None:
    circuit = Circuit()
    circuit.says(begin(1))
    assert circuit.sends(1, STREAM_CREDIT) == []
    written = circuit.exit.connected(circuit.hop.next_socket, "", 0.0)
    assert b"".join(each.data for each in written if isinstance(each, WriteSocket)) == bytes(STREAM_CREDIT)
    heard = circuit.user.hears(sent(circuit.hop.flush(LAZY), BACK))
    assert [said[1] for said in heard if not isinstance(said, Close)] == [2, WINDOW]
    circuit.says(begin(2))
    assert reason(circuit.sends(2, STREAM_CREDIT)) is None
    assert reason(circuit.sends(2, 1)) is Close.CREDIT


def test_more_than_the_credit_of_the_circuit_ends_it() -> None:
    circuit = Circuit()
    circuit.begins(1, 2)
    assert circuit.sends(1, 100_000) == []
    assert circuit.terminal.allowance == CIRCUIT_CREDIT - 100_000
    circuit.terminal.pace.window = circuit.terminal.allowance = 1_000
    assert circuit.sends(2, 999) == []
    assert reason(circuit.says((1, DATA, b"x"), (2, DATA, b"x"))[1]) is Close.CREDIT
    assert circuit.hop.counters() == NOTHING


def test_a_circuit_gets_its_credit_back_for_what_is_kept_for_its_streams() -> None:
    circuit = Circuit()
    circuit.says(*(begin(stream) for stream in range(1, 10)))
    answers: list[Said | Told | Close] = []
    for stream in range(1, 10):
        answers += circuit.sends(stream, STREAM_CREDIT)
    assert {(stream, command) for stream, command, _ in answers} == {(0, WINDOW)}  # type: ignore[misc]
    returned = sum(int.from_bytes(data, "big") for _, _, data in answers)  # type: ignore[misc]
    assert 9 * STREAM_CREDIT - returned < CIRCUIT_CREDIT // 2


def test_however_often_a_cell_brings_credit_all_streams_go_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = Circuit()
    circuit.says(*(begin(stream, "h", 1) for stream in range(1, 1_500)))
    gone_on: list[int] = []
    go_on = Terminal.go_on

    def counted(self: Terminal, stream: TerminalStream) -> tuple[Outbox, list[Reading]]:
        gone_on.append(stream.id)
        return go_on(self, stream)

    monkeypatch.setattr(Terminal, "go_on", counted)
    assert circuit.says(*[(0, WINDOW, b"\0\0\0\1"), (7, WINDOW, b"\0\0\0\1")] * 2_500) == ([], [])
    assert gone_on == list(range(1, 1_500))
    assert circuit.says(*[(7, WINDOW, b"\0\0\0\1")] * 5_000) == ([], [])
    assert gone_on[1_499:] == [7]


def test_a_stream_that_both_sides_have_ended_is_over_once_what_waited_for_credit_is_sent() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.says((1, END, encode_end(StreamEnd.DONE)))
    while not circuit.terminal.streams[1].backlog:
        circuit.back(circuit.exit.received(socket, memoryview(bytes(PIECE)), 0.0))
    assert circuit.exit.ended(socket, 0.0) == []
    done, answers = circuit.says((1, WINDOW, PIECE.to_bytes(4, "big")))
    assert answers == [(1, DATA, bytes(PIECE)), (1, END, encode_end(StreamEnd.DONE))]
    assert done == [CloseSocket(socket)]
    assert not circuit.terminal.streams
    assert not (circuit.hop.sockets.owner(socket) is not None)


def test_data_for_streams_that_are_unknown_counts_against_the_credit_of_the_circuit() -> None:
    circuit = Circuit()
    assert circuit.sends(9, 1_000_000) == []
    assert circuit.terminal.allowance == CIRCUIT_CREDIT - 1_000_000
    answers = circuit.sends(8, CIRCUIT_CREDIT // 2 - 1_000_000)
    assert answers == [(0, WINDOW, (CIRCUIT_CREDIT // 2).to_bytes(4, "big"))], "it is thrown away, so it comes back"
    assert circuit.terminal.allowance == CIRCUIT_CREDIT
    assert not circuit.terminal.streams


def test_an_exit_sends_what_it_has_credit_for_and_then_reads_no_more() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    got = 0
    effects: list[object] = []
    while not any(isinstance(each, Reading) for each in effects):
        effects = [*circuit.exit.received(socket, memoryview(bytes(PIECE)), 0.0)]
        heard = [said for said in circuit.back(effects) if not isinstance(said, Close | Told)]
        got += sum(len(data) for _, command, data in heard if command == DATA)
    assert others(effects) == [Reading(socket, False)]
    assert STREAM_CREDIT - PIECE < got <= STREAM_CREDIT
    (stream,) = circuit.terminal.streams.values()
    assert sum(map(len, stream.backlog)) == PIECE, "what one read has brought beyond it"
    done, answers = circuit.says((1, WINDOW, PIECE.to_bytes(4, "big")))
    assert [len(said[2]) for said in answers if not isinstance(said, Close | Told)] == [PIECE]
    assert done == [Reading(socket, True)]


def test_more_credit_than_there_is_at_all_is_cut_off() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    for _ in range(3):
        circuit.says((1, WINDOW, b"\xff" * 4), (0, WINDOW, b"\xff" * 4))
    terminal = circuit.terminal
    assert terminal.credit == CIRCUIT_CREDIT
    assert terminal.streams[1].credit == STREAM_CREDIT
    circuit.exit.received(socket, memoryview(bytes(PIECE)), 0.0)
    assert terminal.credit == CIRCUIT_CREDIT - PIECE


@pytest.mark.parametrize("size", [0, 1, 3, 5, 100])
def test_a_window_of_another_size_than_four_bytes_ends_the_circuit(size: int) -> None:
    circuit = Circuit()
    _, answers = circuit.says((0, WINDOW, bytes(size)))
    assert reason(answers) is Close.PROTOCOL
    assert circuit.hop.counters() == NOTHING
