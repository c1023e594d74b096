"""The exit's end of a circuit: streams of originators that keep to no rule."""

from __future__ import annotations

import os

import pytest
from tests.circuit_ends import BACK, Told, begin, others, sent
from tests.core.circuits.exit_ends import BEGIN, DATA, END, NOTHING, OVERLOADED, Circuit, reason

from masq.core.circuits.exit import MAX_STREAMS
from masq.core.circuits.terminal import PACK_AT
from masq.core.effects import (
    CloseSocket,
    Connect,
    EndSocket,
    Reading,
    WriteSocket,
)
from masq.core.failure import SERVER, Cause, Failure
from masq.types import DEFAULT_RATE_PACK
from masq.wire import cbor
from masq.wire.circuit import (
    HEAD,
    MAX_DATA,
    MAX_PLAIN,
    Close,
    Command,
    StreamEnd,
    encode_begin,
    encode_end,
    encode_resolve,
)


def test_so_many_streams_are_served_and_one_more_is_told_that_it_is_too_many() -> None:
    circuit = Circuit()
    for first in range(1, MAX_STREAMS, 1024):
        done, answers = circuit.says(*(begin(stream, "h", 1) for stream in range(first, first + 1024)))
        assert len(done) == 1024
        assert answers == []
    done, answers = circuit.says(begin(MAX_STREAMS + 1), (MAX_STREAMS + 2, 6, encode_resolve("h")))
    assert done == []
    assert answers == [(MAX_STREAMS + more, END, OVERLOADED) for more in (1, 2)]
    circuit.says((5, END, encode_end(StreamEnd.STOPPED)))
    (connect,), _ = circuit.says(begin(MAX_STREAMS + 1))
    assert isinstance(connect, Connect)
    effects = circuit.hop.hears(circuit.user.close())
    assert len(others(effects)) == MAX_STREAMS
    assert circuit.hop.counters() == NOTHING


def test_a_stream_that_has_begun_is_not_begun_again() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    assert circuit.says(begin(1, "other.test"), (1, 6, encode_resolve("h"))) == ([], [])
    assert circuit.says((1, DATA, b"x"))[0] == [WriteSocket(socket, b"x")]


def test_stream_0_is_none() -> None:
    circuit = Circuit()
    assert circuit.says(begin(0), (0, 6, encode_resolve("h")), (0, DATA, b"x"), (0, END, b"\0")) == ([], [])
    assert not circuit.terminal.streams


def test_commands_that_are_unknown_or_an_exit_s_are_ignored() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    unknown = [*range(11, 256), Command.CONNECTED, Command.RESOLVED]
    for stream in (0, 1, 77):
        assert circuit.says(*((stream, command, b"garbage") for command in unknown)) == ([], [])
    assert circuit.says((1, DATA, b"x"))[0] == [WriteSocket(socket, b"x")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        cbor.encode({}),
        cbor.encode({"host": "h", "port": 65_536, "udp": False}),
        cbor.encode({"host": "h", "port": -1, "udp": False}),
        cbor.encode({"host": b"h", "port": 1, "udp": False}),
        cbor.encode({"host": "h", "port": 1, "udp": 0}),
        encode_begin("h", 1) + b"\0",
    ],
)
def test_a_begin_that_makes_no_sense_ends_the_circuit(data: bytes) -> None:
    circuit = Circuit()
    _, answers = circuit.says((1, BEGIN, data))
    assert reason(answers) is Close.PROTOCOL
    assert circuit.hop.counters() == NOTHING


def test_what_a_cell_says_before_it_makes_no_sense_is_done_all_the_same() -> None:
    circuit = Circuit()
    (first,) = circuit.begins(1)
    (second,) = circuit.begins(2)
    done, answers = circuit.says(
        (1, END, encode_end(StreamEnd.STOPPED)), (2, DATA, b"last"), (3, BEGIN, cbor.encode(7))
    )
    assert done == [CloseSocket(first), WriteSocket(second, b"last"), CloseSocket(second, Failure(Cause.CLOSED))]
    assert isinstance(answers[0], Told)
    assert answers[0].value == {
        "failed": "the rules of circuits were broken",
        "detail": "BEGIN: neither a map nor an array",
    }


def test_a_message_that_is_longer_than_its_cell_ends_the_circuit() -> None:
    circuit = Circuit()
    message = b"\0\0\0\1\3" + (504).to_bytes(4, "big")
    answers = circuit.back(circuit.hop.hears(circuit.user.raw_cell(message + bytes(503))))
    assert reason(answers) is Close.PROTOCOL
    assert circuit.hop.counters() == NOTHING


def test_what_is_left_of_a_cell_after_its_messages_means_nothing() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    message = b"\0\0\0\1\3\0\0\0\1x"
    for rest in (b"\0" * 9 + os.urandom(50), b"\xff" * 8, b"\0\0\0\1\0" + b"\xff" * 60):
        effects = circuit.hop.hears(circuit.user.raw_cell(message + rest))
        assert effects == [WriteSocket(socket, b"x")]


@pytest.mark.parametrize("size", [0, 1])
def test_thousands_of_tiny_messages_in_one_cell_are_one_cell_s_work(size: int) -> None:
    circuit = Circuit()
    circuit.begins(1)
    count = MAX_PLAIN // (HEAD + size)
    earned = circuit.hop.earned
    done, answers = circuit.says(*[(1, DATA, b"x" * size)] * count)
    assert b"".join(each.data for each in done if isinstance(each, WriteSocket)) == b"x" * count * size
    assert answers == []
    assert circuit.hop.earned - earned == DEFAULT_RATE_PACK.exit_charge(count * size)
    assert circuit.says(*[(1, 99, b"x" * size)] * count) == ([], [])


@pytest.mark.parametrize("code", [*list(StreamEnd), 77])
def test_both_ends_of_a_stream_are_told_of_its_end(code: int) -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    done, answers = circuit.says((1, END, bytes((code,))))
    assert answers == []
    assert done == ([EndSocket(socket)] if code == StreamEnd.DONE else [CloseSocket(socket)])
    assert (circuit.hop.sockets.owner(socket) is not None) == (code == StreamEnd.DONE)


@pytest.mark.parametrize(
    ("cause", "words", "code"),
    [
        (Cause.POLICY, "exit policy: 10.0.0.1 is not on the public Internet", StreamEnd.POLICY),
        (Cause.NO_SUCH_NAME, "a.test can't be resolved: no such name", StreamEnd.NOT_RESOLVED),
        # These words once made a policy of it.
        (Cause.NO_SUCH_NAME, "policy.example.org can't be resolved: no such name", StreamEnd.NOT_RESOLVED),
        (Cause.NOT_CONNECTED, "could not connect to resolve.example.org", StreamEnd.NOT_CONNECTED),
        (Cause.REFUSED, "192.0.2.1:80 refuses", StreamEnd.REFUSED),
    ],
)
def test_why_a_server_is_not_reached_is_told_in_a_code_and_in_words(cause: Cause, words: str, code: StreamEnd) -> None:
    circuit = Circuit()
    circuit.says(begin(1))
    effects = circuit.exit.connect_failed(circuit.hop.next_socket, Failure(cause, SERVER, words), 0.0)
    assert others(effects) == [CloseSocket(circuit.hop.next_socket)]
    assert circuit.back(effects) == [(1, END, encode_end(code, words))]
    assert not circuit.terminal.streams


def test_a_server_that_comes_too_late_finds_its_socket_closed() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.says((1, END, encode_end(StreamEnd.STOPPED)))
    assert circuit.exit.connected(socket, "", 0.0) == [CloseSocket(socket)]
    assert circuit.exit.received(socket, memoryview(b"x"), 0.0) == [CloseSocket(socket)]
    assert circuit.exit.datagram(socket, "h", 1, b"x", 0.0) == [CloseSocket(socket)]
    assert circuit.exit.ended(socket, 0.0) == [CloseSocket(socket)]
    for effects in (
        circuit.exit.closed(socket, Failure(Cause.BROKEN), 0.0),
        circuit.exit.connect_failed(socket, Failure(Cause.REFUSED), 0.0),
        circuit.exit.resolved(socket, (), 0.0),
        circuit.exit.drained(socket, 0.0),
    ):
        assert effects == []
    circuit.exit.congested(socket)
    assert circuit.back([]) == []


def test_nothing_is_written_to_a_server_after_its_end_was_told() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    allowance = circuit.terminal.allowance
    assert circuit.says((1, END, encode_end(StreamEnd.DONE)), (1, DATA, b"late"))[0] == [EndSocket(socket)]
    assert circuit.says((1, DATA, b"later still"))[0] == []
    assert circuit.terminal.allowance == allowance - 15
    circuit.says(begin(2), (2, END, encode_end(StreamEnd.DONE)), (2, DATA, b"late"))
    assert circuit.exit.connected(circuit.hop.next_socket, "", 0.0) == [EndSocket(circuit.hop.next_socket)]


@pytest.mark.parametrize("sizes", [[0] * 7_000, [1] * 6_000, [1, 500, 0, 60_000]])
def test_what_waits_for_a_server_takes_no_more_room_than_its_bytes(sizes: list[int]) -> None:
    circuit = Circuit()
    circuit.says(begin(1))
    circuit.says(*((1, DATA, b"x" * size) for size in sizes))
    (stream,) = circuit.terminal.streams.values()
    assert isinstance(stream.early, bytearray), "one piece, however many messages it came in"
    written = circuit.exit.connected(circuit.hop.next_socket, "", 0.0)
    expected = b"x" * sum(sizes)
    assert written == ([WriteSocket(circuit.hop.next_socket, expected)] if expected else [])


def test_who_half_closes_before_the_server_is_reached_does_so_afterwards() -> None:
    circuit = Circuit()
    circuit.says(begin(1), (1, DATA, b"all"), (1, END, encode_end(StreamEnd.DONE)))
    socket = circuit.hop.next_socket
    assert circuit.exit.connected(socket, "", 0.0) == [WriteSocket(socket, b"all"), EndSocket(socket)]


def test_small_messages_share_a_cell_and_large_ones_don_t_wait() -> None:
    circuit = Circuit()
    one, two = circuit.begins(1, 2)
    effects = circuit.exit.received(one, memoryview(b"small"), 0.0) + circuit.exit.received(
        two, memoryview(b"too"), 0.0
    )
    assert effects == []
    (cell,) = sent(circuit.hop.flush(), BACK)
    assert circuit.user.hears([cell]) == [(1, DATA, b"small"), (2, DATA, b"too")]
    assert len(sent(circuit.exit.received(one, memoryview(bytes(PACK_AT)), 0.0), BACK)) == 1
    assert len(sent(circuit.exit.received(one, memoryview(bytes(MAX_DATA)), 0.0), BACK)) == 1


def test_a_socket_whose_link_is_crowded_is_read_again_when_the_link_is_free() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.hop.crowded.add(BACK)
    effects = circuit.exit.received(socket, memoryview(b"x"), 0.0)
    assert others(effects) == [Reading(socket, False)]
    circuit.hop.crowded.clear()
    assert circuit.exit.link_free(BACK) == [Reading(socket, True)]
    assert circuit.exit.link_free(BACK) == []


def test_a_link_that_is_lost_while_it_is_crowded_leaves_nothing() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.hop.crowded.add(BACK)
    circuit.exit.received(socket, memoryview(b"x"), 0.0)
    circuit.hop.circuits.link_lost(BACK)
    assert circuit.hop.counters() == NOTHING
