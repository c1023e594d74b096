"""The entry's end of circuits: Nodes that keep to no rule."""

from __future__ import annotations

import pytest
from tests.circuit_ends import Entry, Said, others
from tests.core.circuits.entry_ends import (
    DATA,
    END,
    FOUND,
    RESOLVED,
    WINDOW,
    answered,
    closes,
    opens,
    place,
)

from masq.core.circuits.entry import Wish
from masq.core.effects import (
    CloseSocket,
    EndSocket,
    Log,
    Resolved,
    SendDatagram,
    WriteSocket,
)
from masq.core.failure import Cause, Failure
from masq.wire import cbor
from masq.wire.circuit import (
    CIRCUIT_CREDIT,
    STREAM_CREDIT,
    Close,
    Command,
    Resolution,
    StreamEnd,
    encode_begin,
    encode_datagram,
    encode_end,
    encode_resolved,
)


def test_more_data_than_allowed_ends_the_circuit() -> None:
    entry, nodes, socket = answered()
    entry.entry.congested(socket)
    size = STREAM_CREDIT - 1
    while size:
        piece = min(size, 65_000)
        assert others(entry.hears(nodes.cell((1, DATA, bytes(piece))))) == [WriteSocket(socket, bytes(piece))]
        size -= piece
    effects = entry.hears(nodes.cell((1, DATA, b"x")))
    assert closes(effects) == [(1, Close.CREDIT)]
    assert others(effects)[-1] == CloseSocket(
        socket, Failure(Cause.CREDIT, place(nodes, 2), "more data than was allowed")
    )


def test_data_for_nobody_counts_against_the_circuit_s_credit() -> None:
    entry, nodes, _ = answered()
    allowance = entry.circuit(1).terminal.allowance
    assert entry.hears(nodes.cell((77, DATA, bytes(1000)), (0, DATA, bytes(50)))) == []
    assert entry.circuit(1).terminal.allowance == allowance - 1050


def test_what_is_unknown_or_for_nobody_is_ignored() -> None:
    entry, nodes, socket = answered()
    for stream in (0, 1, 77):
        unknown = (*range(11, 256), Command.BEGIN, Command.RESOLVE)
        for some in (unknown[:80], unknown[80:160], unknown[160:]):
            assert entry.hears(nodes.cell(*((stream, command, b"garbage") for command in some))) == []
    for command in (Command.CONNECTED, END, RESOLVED):
        assert entry.hears(nodes.cell((0, command, b"garbage"), (77, command, b"garbage"))) == []
    assert others(entry.hears(nodes.cell((1, DATA, b"x")))) == [WriteSocket(socket, b"x")]


def test_a_client_gets_nothing_after_its_end_was_told() -> None:
    entry, nodes, socket = answered()
    done = (1, END, encode_end(StreamEnd.DONE))
    effects = entry.hears(nodes.cell(done, (1, DATA, b"late"), done))
    assert effects == [EndSocket(socket)]
    assert entry.hears(nodes.cell((1, DATA, b"later still"))) == []


@pytest.mark.parametrize("kind", list(Wish))
def test_answers_to_what_was_not_asked_are_ignored(kind: Wish) -> None:
    entry = Entry()
    socket = entry.open(kind=kind)
    nodes = entry.ways[0]
    datagram = encode_datagram("192.0.2.1", 53, b"x")
    answers = {
        Wish.STREAM: ((1, DATA, b"x"), WriteSocket(socket, b"x")),
        Wish.DATAGRAMS: ((1, Command.DATAGRAM, datagram), SendDatagram(socket, "192.0.2.1", 53, b"x")),
        Wish.RESOLUTION: ((1, RESOLVED, encode_resolved(Resolution(FOUND))), Resolved(socket, FOUND)),
    }
    expected = answers.pop(kind)
    allowance = entry.circuit(1).terminal.allowance
    for message, _ in answers.values():
        assert entry.hears(nodes.cell(message)) == []
    unasked = sum(len(data) for (_, command, data), _ in answers.values() if command != RESOLVED)
    assert entry.circuit(1).terminal.allowance == allowance - unasked
    if kind is not Wish.STREAM:
        assert entry.hears(nodes.cell((1, Command.CONNECTED, b""))) == []
    assert entry.hears(nodes.cell(expected[0])) == [expected[1]]


@pytest.mark.parametrize("kind", [Wish.DATAGRAMS, Wish.RESOLUTION])
@pytest.mark.parametrize("code", [StreamEnd.DONE, StreamEnd.OVERLOADED])
def test_what_an_exit_ends_before_it_is_done_goes_another_way(kind: Wish, code: StreamEnd) -> None:
    entry = Entry()
    entry.open(kind=kind)
    assert opens(entry.hears(entry.ways[0].cell((1, END, encode_end(code))))) == 1
    assert len(entry.ways[1].take_said()) == 1


@pytest.mark.parametrize(
    "message",
    [(0, WINDOW, b"123"), (1, WINDOW, b""), (77, WINDOW, bytes(5))],
)
def test_messages_that_make_no_sense_end_the_circuit_and_are_the_exit_s_fault(message: Said) -> None:
    entry, nodes, socket = answered()
    effects = entry.hears(nodes.cell((1, DATA, b"still delivered"), message))
    written, log, closed = others(effects)
    assert written == WriteSocket(socket, b"still delivered")
    assert closed == CloseSocket(socket, Failure(Cause.PROTOCOL, place(nodes, 2), "a WINDOW of 4 bytes expected"))
    assert log == Log("info", "circuit_failed", str(closed.failure))
    assert closes(effects) == [(1, Close.PROTOCOL)]
    assert list(entry.own.blame.nodes) == [nodes.pairs[2].public_key]


@pytest.mark.parametrize("data", [b"", b"\xff", cbor.encode([]), cbor.encode({"addresses": [["a.test", 1]]})])
def test_an_answer_that_makes_no_sense_is_asked_of_another_exit(data: bytes) -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test")
    effects = entry.hears(entry.ways[0].cell((1, RESOLVED, data)))
    assert closes(effects) == [(1, Close.PROTOCOL)]
    assert entry.hears(entry.ways[1].cell((1, RESOLVED, encode_resolved(Resolution(FOUND))))) == [
        Resolved(socket, FOUND)
    ]


@pytest.mark.parametrize("data", [b"", b"\x05host", b"\x02\xff\xff\0\x35x"])
def test_a_datagram_that_makes_no_sense_ends_the_circuit(data: bytes) -> None:
    entry = Entry()
    entry.open(kind=Wish.DATAGRAMS, host="")
    assert closes(entry.hears(entry.ways[0].cell((1, Command.DATAGRAM, data)))) == [(1, Close.PROTOCOL)]
    assert entry.ways[1].take_said() == [(1, Command.BEGIN, encode_begin("", 80, True))]


def test_more_credit_than_there_is_at_all_is_cut_off() -> None:
    entry, nodes, _ = answered()
    entry.hears(nodes.cell((0, WINDOW, b"\xff" * 4), (1, WINDOW, b"\xff" * 4)))
    terminal = entry.circuit(1).terminal
    assert terminal.credit == CIRCUIT_CREDIT
    assert terminal.streams[1].credit == STREAM_CREDIT
