"""The exit's end of a circuit: datagrams and questions."""

from __future__ import annotations

import pytest
from tests.circuit_ends import BACK, WALLET, begin, sent
from tests.core.circuits.exit_ends import DATA, END, NOTHING, WINDOW, Circuit, reason

from masq.core.circuits.terminal import LAZY
from masq.core.effects import (
    Bind,
    CloseSocket,
    Resolve,
    SendDatagram,
)
from masq.core.failure import Cause, Failure
from masq.core.limits import DATAGRAMS_PER_NAME
from masq.types import DEFAULT_RATE_PACK
from masq.wire.circuit import (
    CIRCUIT_CREDIT,
    MAX_DATA,
    STREAM_CREDIT,
    Close,
    Command,
    Resolution,
    StreamEnd,
    encode_datagram,
    encode_end,
    encode_resolve,
    encode_resolved,
)


def test_datagrams_go_to_any_host_and_come_from_any() -> None:
    circuit = Circuit()
    (bind,), _ = circuit.says(begin(1, "", 0, True), (1, 8, encode_datagram("a.test", 53, b"early")))
    assert isinstance(bind, Bind)
    assert circuit.exit.connected(bind.socket, "", 0.0) == [SendDatagram(bind.socket, "a.test", 53, b"early")]
    circuit.user.hears(sent(circuit.hop.flush(LAZY), BACK))
    done, _ = circuit.says((1, 8, encode_datagram("2001:db8::1", 65_535, b"")))
    assert done == [SendDatagram(bind.socket, "2001:db8::1", 65_535, b"")]
    answers = circuit.back(circuit.exit.datagram(bind.socket, "192.0.2.9", 53, b"answer", 0.0))
    assert answers == [(1, 8, encode_datagram("192.0.2.9", 53, b"answer"))]
    assert circuit.says((1, END, encode_end(StreamEnd.DONE)))[0] == [CloseSocket(bind.socket)]


def test_datagrams_without_credit_are_lost_and_with_new_credit_they_are_not() -> None:
    circuit = Circuit()
    (bind,), _ = circuit.says(begin(1, "", 0, True))
    assert isinstance(bind, Bind)
    circuit.exit.connected(bind.socket, "", 0.0)
    circuit.user.hears(sent(circuit.hop.flush(LAZY), BACK))
    content, got = bytes(60_000), 0
    for _ in range(40):
        got += len(circuit.back(circuit.exit.datagram(bind.socket, "h", 1, content, 0.0)))
    assert got == STREAM_CREDIT // (60_000 + 4)
    assert circuit.hop.counters()[-1] == 0, "none waits"
    circuit.says((1, WINDOW, STREAM_CREDIT.to_bytes(4, "big")))
    assert len(circuit.back(circuit.exit.datagram(bind.socket, "h", 1, content, 0.0))) == 1


def test_a_datagram_that_is_too_large_for_a_cell_is_lost() -> None:
    circuit = Circuit()
    (bind,), _ = circuit.says(begin(1, "", 0, True))
    assert isinstance(bind, Bind)
    circuit.exit.connected(bind.socket, "", 0.0)
    circuit.user.hears(sent(circuit.hop.flush(LAZY), BACK))
    assert circuit.back(circuit.exit.datagram(bind.socket, "h", 1, bytes(MAX_DATA - 3), 0.0)) == []
    assert len(circuit.back(circuit.exit.datagram(bind.socket, "h", 1, bytes(MAX_DATA - 4), 0.0))) == 1


@pytest.mark.parametrize("data", [b"", b"\x05host", b"\x02\xff\xff\0\x35x", b"\x04host\0"])
def test_a_malformed_datagram_ends_the_circuit(data: bytes) -> None:
    circuit = Circuit()
    (bind,), _ = circuit.says(begin(1, "", 0, True))
    assert isinstance(bind, Bind)
    done, answers = circuit.says((1, 8, data))
    assert done == [CloseSocket(bind.socket, Failure(Cause.CLOSED))]
    assert reason(answers) is Close.PROTOCOL
    assert circuit.hop.counters() == NOTHING


def test_datagrams_before_there_is_a_socket_are_kept_to_a_number() -> None:
    circuit = Circuit()
    (bind,), _ = circuit.says(begin(1, "", 0, True))
    assert isinstance(bind, Bind)
    for _ in range(20):
        circuit.says(*[(1, 8, encode_datagram("h", 1, b"x"))] * 100)
    assert len(circuit.exit.connected(bind.socket, "", 0.0)) == DATAGRAMS_PER_NAME


def test_data_for_a_socket_of_datagrams_or_a_question_is_thrown_away_and_counts() -> None:
    circuit = Circuit()
    (bind, resolve), _ = circuit.says(begin(1, "", 0, True), (2, Command.RESOLVE, encode_resolve("a.test")))
    assert isinstance(bind, Bind)
    assert isinstance(resolve, Resolve)
    assert circuit.says((1, DATA, b"garbage"), (2, DATA, b"garbage"), (2, 8, b"garbage")) == ([], [])
    assert circuit.terminal.allowance == CIRCUIT_CREDIT - 21
    assert circuit.exit.connected(bind.socket, "", 0.0) == []
    assert circuit.says((1, DATA, b"garbage")) == ([], [])


def test_datagrams_for_a_stream_and_for_nobody_are_thrown_away_and_count() -> None:
    circuit = Circuit()
    circuit.begins(1)
    before = circuit.terminal.allowance
    assert circuit.says((1, 8, b"garbage"), (2, 8, b"garbage")) == ([], [])
    assert circuit.terminal.allowance == before - 14


def test_a_question_is_answered_once_and_forgotten() -> None:
    circuit = Circuit()
    (resolve,), _ = circuit.says((5, Command.RESOLVE, encode_resolve("a.test")))
    assert resolve == Resolve(circuit.hop.next_socket, "a.test", WALLET.address, paid=False)
    found = (("192.0.2.1", 60), ("2001:db8::1", 30))
    answers = circuit.back(circuit.exit.resolved(circuit.hop.next_socket, found, 0.0))
    assert answers == [(5, Command.RESOLVED, encode_resolved(Resolution(found)))]
    assert circuit.exit.resolved(circuit.hop.next_socket, found, 0.0) == []
    assert not circuit.terminal.streams


def test_questions_that_nobody_pays_for_cost_nothing_and_data_and_datagrams_their_bytes() -> None:
    circuit = Circuit()
    circuit.begins(1)
    circuit.says(begin(2, "", 0, True))
    earned = circuit.hop.earned
    circuit.says((5, Command.RESOLVE, encode_resolve("a.test")), (1, WINDOW, bytes(4)))
    assert circuit.hop.earned == earned
    datagram = encode_datagram("h", 1, b"x" * 10)
    circuit.says((1, DATA, b"x" * 100), (2, 8, datagram), (7, DATA, b"for nobody"))
    assert circuit.hop.earned - earned == DEFAULT_RATE_PACK.exit_charge(100 + len(datagram) + 10)
