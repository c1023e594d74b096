"""The exit's end of a circuit: credit, streams, datagrams and questions, of originators that keep to no rule."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest
from tests.circuit_ends import BACK, WALLET, HonestHop, Originator, Said, Told, begin, others, sent

from masq.core.circuits import exit as circuit_exit
from masq.core.circuits.exit import MAX_STREAMS, TOO_MANY
from masq.core.circuits.terminal import LAZY, PACK_AT, Terminal
from masq.core.effects import (
    Bind,
    CloseSocket,
    Connect,
    EndSocket,
    Reading,
    Resolve,
    SendDatagram,
    WriteSocket,
)
from masq.core.failure import SERVER, Cause, Failure
from masq.core.limits import DATAGRAMS_PER_NAME, Limits
from masq.types import DEFAULT_RATE_PACK
from masq.wire import cbor
from masq.wire.circuit import (
    CIRCUIT_CREDIT,
    HEAD,
    MAX_DATA,
    MAX_PLAIN,
    STREAM_CREDIT,
    Close,
    Command,
    Resolution,
    StreamEnd,
    encode_begin,
    encode_datagram,
    encode_end,
    encode_resolve,
    encode_resolved,
)

NOTHING = (0,) * 6
PIECE = 64_000
OVERLOADED = encode_end(StreamEnd.OVERLOADED, str(TOO_MANY))
DATA, WINDOW, BEGIN, END = Command.DATA, Command.WINDOW, Command.BEGIN, Command.END


class Circuit:
    """A circuit that ends at a hop, and the servers behind it."""

    def __init__(self, hop: HonestHop | None = None, circuit: int = 1) -> None:
        self.hop = hop or HonestHop()
        self.user = Originator(self.hop.key, circuit=circuit)
        assert self.hop.hears(self.user.open()) == []
        self.exit = self.hop.exit

    @property
    def terminal(self) -> Terminal:
        (passage,) = [each for each in self.hop.circuits if each.back[1] == self.user.circuit]
        assert passage.terminal
        return passage.terminal

    def says(self, *messages: Said) -> tuple[list[object], list[Said | Told | Close]]:
        """A cell of the originator arrives: what the exit does, and what it answers at once."""
        effects = self.hop.hears(self.user.cell(*messages))
        return others(effects), self.back(effects)

    def back(self, effects: Iterable[object]) -> list[Said | Told | Close]:
        """What the originator hears of effects, and of what becomes due at once."""
        effects = self.hop.done(effects)
        return self.user.hears(sent([*effects, *self.hop.flush()], BACK))

    def begins(self, *streams: int) -> list[int]:
        """Streams whose servers are reached: their sockets."""
        sockets = []
        for stream in streams:
            (connect,), _ = self.says(begin(stream))
            assert isinstance(connect, Connect)
            self.exit.connected(connect.socket, "192.0.2.1", self.hop.now)
            sockets.append(connect.socket)
        self.user.hears(sent(self.hop.flush(after=LAZY), BACK))
        return sockets

    def sends(self, stream: int, size: int) -> list[Said | Told | Close]:
        """Data of the originator for a stream: what is answered."""
        answers = []
        while size:
            piece = min(size, PIECE)
            answers += self.says((stream, DATA, bytes(piece)))[1]
            size -= piece
        return answers


def reason(answers: list[Said | Told | Close]) -> Close | None:
    return answers[-1] if answers and isinstance(answers[-1], Close) else None


# --- credit ---


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
    ((stream, command, data),) = circuit.sends(1, 1)
    assert (stream, command, int.from_bytes(data, "big")) == (1, WINDOW, STREAM_CREDIT // 2)


def test_credit_is_as_short_before_the_server_is_reached() -> None:
    circuit = Circuit()
    circuit.says(begin(1))
    assert circuit.sends(1, STREAM_CREDIT) == []
    written = circuit.exit.connected(circuit.hop.next_socket, "", 0.0)
    assert b"".join(each.data for each in written if isinstance(each, WriteSocket)) == bytes(STREAM_CREDIT)
    assert [said[1] for said in circuit.user.hears(sent(circuit.hop.flush(LAZY), BACK))] == [2, WINDOW]
    circuit.says(begin(2))
    assert reason(circuit.sends(2, STREAM_CREDIT)) is None
    assert reason(circuit.sends(2, 1)) is Close.CREDIT


def test_more_than_the_credit_of_the_circuit_ends_it() -> None:
    circuit = Circuit()
    circuit.begins(1, 2)
    assert circuit.sends(1, 100_000) == []
    assert circuit.terminal.allowance == CIRCUIT_CREDIT - 100_000
    circuit.terminal.allowance = 1_000
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
    monkeypatch.setattr(Terminal, "go_on", lambda self, stream: (gone_on.append(stream.id), go_on(self, stream))[1])
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
        effects = circuit.exit.received(socket, memoryview(bytes(PIECE)), 0.0)
        got += sum(len(data) for _, command, data in circuit.back(effects) if command == DATA)  # type: ignore[misc]
    assert others(effects) == [Reading(socket, False)]
    assert STREAM_CREDIT - PIECE < got <= STREAM_CREDIT
    (stream,) = circuit.terminal.streams.values()
    assert sum(map(len, stream.backlog)) == PIECE, "what one read has brought beyond it"
    done, answers = circuit.says((1, WINDOW, PIECE.to_bytes(4, "big")))
    assert [len(data) for _, _, data in answers] == [PIECE]
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


# --- streams ---


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
    unknown = [*range(9, 256), Command.CONNECTED, Command.RESOLVED]
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


# --- what all circuits together may make an exit keep ---


@pytest.fixture
def small_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_exit, "MAX_HELD", 1_000_000)
    monkeypatch.setattr(circuit_exit, "LOOK_EVERY", 100_000)


def overloaded(answers: list[Said | Told | Close]) -> bool:
    return reason(answers) is Close.OVERLOADED and "slow readers" in str(answers[0])


@pytest.mark.usefixtures("small_quota")
@pytest.mark.parametrize("reached", [False, True])
def test_too_much_for_slow_servers_costs_the_circuit_that_holds_most(reached: bool) -> None:
    hog = Circuit()
    modest, busy = Circuit(hog.hop, 3), Circuit(hog.hop, 5)
    (socket,) = busy.begins(1)
    for circuit, size in ((hog, 700_000), (modest, 290_000)):
        if reached:
            hog.exit.congested(circuit.begins(1)[0])
        else:
            circuit.says(begin(1))
        assert circuit.sends(1, size) == []
    assert len(busy.sends(1, 900_000)) == 1, "what servers read counts for nothing"
    effects = hog.hop.hears(modest.user.cell((1, DATA, bytes(60_000))))
    effects += hog.hop.hears(modest.user.cell((1, DATA, bytes(60_000))))
    assert modest.back(effects) == []
    assert overloaded(hog.back(effects))
    assert len([each for each in others(effects) if isinstance(each, CloseSocket)]) == 1
    assert modest.sends(1, 500_000) == []
    assert busy.says((1, DATA, b"x"))[0] == [WriteSocket(socket, b"x")]


@pytest.mark.usefixtures("small_quota")
def test_too_much_that_waits_for_credit_costs_the_circuit_that_holds_most() -> None:
    hog = Circuit()
    bystander = Circuit(hog.hop, 3)
    (safe,) = bystander.begins(1)
    sockets = hog.begins(*range(1, 90))
    answers: list[Said | Told | Close] = []
    for socket in sockets:  # Each server says as much at once as one read brings.
        answers += hog.back(hog.exit.received(socket, memoryview(bytes(MAX_DATA)), 0.0))
        if reason(answers):
            break
    assert overloaded(answers[-3:])
    sent_off = sum(said[1] == DATA for said in answers if isinstance(said, tuple) and len(said) == 3)
    assert sent_off == CIRCUIT_CREDIT // MAX_DATA
    assert sockets.index(socket) - sent_off <= 1_100_000 // MAX_DATA
    assert bystander.back(hog.exit.received(safe, memoryview(b"x"), 0.0)) == [(1, DATA, b"x")]


@pytest.mark.usefixtures("small_quota")
def test_what_was_read_in_the_end_is_held_no_more() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    for _ in range(20):
        circuit.exit.congested(socket)
        circuit.sends(1, 500_000)
        circuit.back(circuit.exit.drained(socket, 0.0))
    assert circuit.says((1, DATA, b"x"))[0] == [WriteSocket(socket, b"x")]


def test_an_exit_serves_so_many_streams_of_all_circuits_and_nobody_more_than_are_left() -> None:
    one = Circuit(HonestHop(limits=Limits(served=6)))
    two = Circuit(one.hop, 3)
    one.begins(1, 2, 3)
    assert one.says(begin(4)) == ([], [(4, END, OVERLOADED)])
    assert two.says(begin(1)) == ([], [(1, END, OVERLOADED)]), "the payer and the link are the same"
    one.says((1, END, encode_end(StreamEnd.STOPPED)))
    two.begins(2)
    one.hop.circuits.link_lost(BACK)
    assert one.hop.sockets.served.taken == 0


def test_a_socket_for_datagrams_takes_two_places() -> None:
    circuit = Circuit(HonestHop(limits=Limits(served=6)))
    ((bind,), _) = circuit.says((1, BEGIN, encode_begin("", 0, udp=True)))
    assert isinstance(bind, Bind)
    assert circuit.says((2, BEGIN, encode_begin("", 0, udp=True))) == ([], [(2, END, OVERLOADED)])
    circuit.says((3, Command.RESOLVE, encode_resolve("h")))
    assert circuit.hop.sockets.served.taken == 3


def test_what_a_server_does_not_read_is_not_kept_for_it_once_its_client_is_gone() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.exit.congested(socket)
    circuit.sends(1, 500_000)
    assert circuit.says((1, END, encode_end(StreamEnd.STOPPED)))[0] == [CloseSocket(socket, Failure(Cause.STOPPED))]


# --- datagrams and questions ---


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
    assert resolve == Resolve(circuit.hop.next_socket, "a.test", WALLET.address)
    found = (("192.0.2.1", 60), ("2001:db8::1", 30))
    answers = circuit.back(circuit.exit.resolved(circuit.hop.next_socket, found, 0.0))
    assert answers == [(5, Command.RESOLVED, encode_resolved(Resolution(found)))]
    assert circuit.exit.resolved(circuit.hop.next_socket, found, 0.0) == []
    assert not circuit.terminal.streams


def test_questions_cost_nothing_and_data_and_datagrams_their_bytes() -> None:
    circuit = Circuit()
    circuit.begins(1)
    circuit.says(begin(2, "", 0, True))
    earned = circuit.hop.earned
    circuit.says((5, Command.RESOLVE, encode_resolve("a.test")), (1, WINDOW, bytes(4)))
    assert circuit.hop.earned == earned
    datagram = encode_datagram("h", 1, b"x" * 10)
    circuit.says((1, DATA, b"x" * 100), (2, 8, datagram), (7, DATA, b"for nobody"))
    assert circuit.hop.earned - earned == DEFAULT_RATE_PACK.exit_charge(100 + len(datagram) + 10)
