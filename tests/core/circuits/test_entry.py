"""The entry's end of circuits: streams of clients, and the end of a circuit."""

from __future__ import annotations

from tests.circuit_ends import BACK, Entry, Nodes, others
from tests.core.circuits.entry_ends import (
    CHARGE,
    DATA,
    END,
    WINDOW,
    answered,
    closes,
    started,
)

from masq.core.circuits.entry import SERVER_FIRST
from masq.core.circuits.origin import CLOSING, IDLE, LIFE, SHORTEST_LIFE
from masq.core.circuits.terminal import LAZY
from masq.core.effects import (
    Accepted,
    CloseSocket,
    EndSocket,
    Reading,
    WriteSocket,
)
from masq.core.failure import SOME_HOP, Cause, Failure
from masq.types import DEFAULT_RATE_PACK
from masq.wire import cbor
from masq.wire.circuit import (
    BLOCK,
    CIRCUIT_CREDIT,
    STREAM_CREDIT,
    Close,
    Command,
    StreamEnd,
    encode_begin,
    encode_end,
)
from masq.wire.noise import TAG

# --- streams ---


def test_begin_and_the_first_words_of_a_client_share_a_cell() -> None:
    entry = Entry()
    entry.open(b"")
    assert others(entry.says(b"GET /")) == []
    assert entry.ways[0].take_said() == [(1, Command.BEGIN, encode_begin("a.test", 80)), (1, DATA, b"GET /")]


def test_begin_waits_a_moment_for_a_client_who_says_nothing() -> None:
    entry = Entry()
    entry.open(b"")
    assert entry.tick(SERVER_FIRST / 2) == []
    entry.tick(SERVER_FIRST)
    assert entry.ways[0].take_said() == [(1, Command.BEGIN, encode_begin("a.test", 80))]


def test_a_client_is_told_that_the_server_is_reached_what_it_says_and_that_it_ends() -> None:
    entry, nodes, socket = started()
    connected = (1, Command.CONNECTED, cbor.encode({"address": "192.0.2.1"}))
    effects = entry.hears(nodes.cell(connected, (1, DATA, b"hello"), (1, END, encode_end(StreamEnd.DONE))))
    assert others(effects) == [Accepted(socket), WriteSocket(socket, b"hello"), EndSocket(socket)]
    effects = entry.carry(entry.entry.ended(socket, entry.now))
    assert others(effects) == [CloseSocket(socket)]
    assert not list(entry.entry.streams())


def test_a_client_that_hangs_up_stops_the_exit() -> None:
    entry, nodes, socket = started()
    effects = entry.carry(entry.entry.closed(socket, Failure(Cause.CLOSED), entry.now))
    assert others(effects) == [CloseSocket(socket)]
    entry.tick(LAZY)
    assert nodes.take_said()[-1] == (1, END, encode_end(StreamEnd.STOPPED))
    assert not list(entry.entry.streams())
    assert entry.hears(nodes.cell((1, DATA, b"late"))) == []


def test_streams_of_one_group_share_a_circuit_and_those_of_others_never_do() -> None:
    entry = Entry(*(Nodes() for _ in range(3)))
    sockets = [entry.open(group=group) for group in ("a", "b", "a", "", "b", "a")]
    circuit_by_socket = {stream.socket: stream.circuit.terminal.circuit for stream in entry.entry.streams()}  # type: ignore[union-attr]
    assert [circuit_by_socket[socket] for socket in sockets] == [1, 3, 1, 5, 3, 1]


def test_a_circuit_takes_new_streams_for_ten_minutes_and_goes_when_idle_after_that() -> None:
    entry, _, socket = answered()
    (own,) = entry.own
    assert SHORTEST_LIFE <= own.life <= LIFE
    entry.now = own.life - 1
    entry.open()
    assert len(list(entry.own)) == 1
    entry.now = own.life
    entry.open()
    assert len(list(entry.own)) == 2
    for each in (socket, socket + 1, socket + 2):
        entry.carry(entry.entry.closed(each, Failure(Cause.CLOSED), entry.now))
    entry.tick(LAZY)
    first, _ = entry.own
    assert closes(entry.tick(IDLE)) == []
    assert closes(entry.tick(1)) == [(1, Close.DONE)]
    assert first.closing is not None
    entry.tick(CLOSING)
    assert len(list(entry.own)) == 2
    entry.tick(1)
    assert [own.terminal.circuit for own in entry.own] == [3]


def test_a_client_is_read_as_far_as_there_is_credit() -> None:
    entry, nodes, socket = answered()
    sizes = 0
    effects: list[object] = []
    while not others(effects):
        effects = entry.says(bytes(60_000))
        sizes += sum(len(data) for _, command, data in nodes.take_said() if command == DATA)
    assert others(effects) == [Reading(socket, False)]
    assert STREAM_CREDIT - 60_000 < sizes <= STREAM_CREDIT
    effects = entry.hears(nodes.cell((1, WINDOW, (60_000).to_bytes(4, "big"))))
    assert [len(data) for _, _, data in nodes.take_said()] == [60_000]
    assert others(effects) == [Reading(socket, True)]


def test_a_stream_that_both_sides_have_ended_is_over_once_what_waited_for_credit_is_sent() -> None:
    entry, nodes, socket = answered()
    entry.hears(nodes.cell((1, END, encode_end(StreamEnd.DONE))))
    while not entry.circuit(1).terminal.streams[1].backlog:
        entry.says(bytes(60_000))
    assert others(entry.carry(entry.entry.ended(socket, entry.now))) == []
    nodes.take_said()
    effects = entry.hears(nodes.cell((1, WINDOW, (60_000).to_bytes(4, "big"))))
    assert nodes.take_said() == [(1, DATA, bytes(60_000)), (1, END, encode_end(StreamEnd.DONE))]
    assert others(effects) == [CloseSocket(socket)]
    assert not list(entry.entry.streams())


def test_a_circuit_gets_its_credit_back_for_what_is_kept_for_slow_clients() -> None:
    entry = Entry()
    sockets = [entry.open() for _ in range(5)]
    nodes = entry.ways[0]
    nodes.take_said()
    for socket in sockets:
        entry.entry.congested(socket)
    for stream in range(1, 6):
        for size in (*[64_000] * 16, STREAM_CREDIT - 16 * 64_000):
            entry.hears(nodes.cell((stream, DATA, bytes(size))))
    said = nodes.take_said()
    assert {(stream, command) for stream, command, _ in said} == {(0, WINDOW)}
    assert 5 * STREAM_CREDIT - sum(int.from_bytes(data, "big") for _, _, data in said) < CIRCUIT_CREDIT // 2


# --- the end of a circuit ---


def test_what_comes_after_our_close_is_booked_and_thrown_away() -> None:
    entry, nodes, socket = answered()
    entry.now = LIFE + IDLE + 1
    entry.carry(entry.entry.closed(socket, Failure(Cause.CLOSED), entry.now))
    entry.now += IDLE + 1
    assert closes(entry.tick(0)) == [(1, Close.DONE)]
    before = entry.owed(nodes)
    late = (1, END, encode_end(StreamEnd.BROKEN)), (1, WINDOW, bytes(4)), (7, Command.CONNECTED, b"")
    assert entry.hears(nodes.cell((1, DATA, b"late"), *late)) == []
    after = entry.owed(nodes)
    assert [b - a for a, b in zip(before, after, strict=True)] == [
        CHARGE(BLOCK + TAG),
        CHARGE(BLOCK + TAG),
        DEFAULT_RATE_PACK.exit_charge(4),
    ]
    assert entry.hears(nodes.close()) == []
    assert not list(entry.own)


def test_an_overrun_of_our_own_link_ends_the_circuit() -> None:
    entry, _, socket = answered()
    effects = entry.carry(entry.entry.overrun(BACK, 1, entry.now))
    assert closes(effects) == [(1, Close.OVERLOADED)]
    assert others(effects) == [CloseSocket(socket, Failure(Cause.OVERLOADED, SOME_HOP))]
    assert entry.carry(entry.entry.overrun(BACK, 77, entry.now)) == []
