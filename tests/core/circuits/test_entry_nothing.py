"""What an exit sends without anything in it for our user: how much of it is let come (protocol.md 15.4)."""

from __future__ import annotations

import pytest
from tests.circuit_ends import Entry, Nodes
from tests.core.circuits.entry_ends import CHARGE, DATA, END, WINDOW, answered, closes, place, started

from masq.core.circuits.origin import IDLE, LIFE
from masq.core.effects import CloseSocket
from masq.core.failure import Cause, Failure
from masq.wire import cbor
from masq.wire.circuit import MAX_DATA, MAX_PLAIN, STREAM_CREDIT, Close, Command, StreamEnd, encode_end
from masq.wire.secure_link import Frame


def nothing_but(nodes: Nodes, kind: str) -> Frame:
    """A large cell with nothing in it that the user has asked for."""
    match kind:
        case "padding":
            return nodes.raw_cell(bytes(MAX_PLAIN))
        case "a byte, and padding":
            return nodes.raw_cell(bytes.fromhex("00000001 03 00000001 2a") + bytes(MAX_PLAIN - 10))
        case "unknown commands":
            return nodes.cell((1, 99, bytes(MAX_DATA)))
        case "a byte, and unknown commands":
            return nodes.cell((1, DATA, b"*"), (1, 99, bytes(MAX_DATA - 10)))
        case "connected again":
            return nodes.cell(*[(1, Command.CONNECTED, bytes(100))] * 590)
        case "credit of no bytes":
            return nodes.cell(*[(1, WINDOW, bytes(4))] * 5_000)
        case "data for nobody":
            return nodes.cell((77, DATA, bytes(MAX_DATA)))
        case _:
            return nodes.cell(*[(1, DATA, b"")] * 7_000)


@pytest.mark.parametrize(
    "kind",
    [
        "padding",
        "a byte, and padding",
        "unknown commands",
        "a byte, and unknown commands",
        "connected again",
        "credit of no bytes",
        "data for nobody",
        "empty data",
    ],
)
def test_cells_of_nothing_are_the_exit_s_fault_when_they_are_many(kind: str) -> None:
    entry, nodes, socket = answered()
    assert closes(entry.hears(nothing_but(nodes, kind))) == []
    effects = entry.hears(nothing_but(nodes, kind))
    assert closes(effects) == [(1, Close.PROTOCOL)]
    (told,) = [each for each in effects if isinstance(each, CloseSocket)]
    assert told.socket == socket
    assert told.failure is not None
    assert (told.failure.cause, told.failure.at) == (Cause.PROTOCOL, place(nodes, 2))
    assert entry.own.blame.keys(entry.now) == (nodes.pairs[2].public_key,)


def test_what_is_nothing_is_owed_for_as_long_as_it_is_little() -> None:
    entry, nodes, _ = answered()
    before = entry.owed(nodes)
    entry.hears(nodes.raw_cell(bytes(65_024)))
    after = entry.owed(nodes)
    assert [b - a for a, b in zip(before, after, strict=True)] == [CHARGE(65_040), CHARGE(65_040), 0]


def test_an_honest_exit_s_small_cells_are_never_too_many() -> None:
    entry, nodes, socket = started(b"GET /", Nodes())
    connected = cbor.encode({"address": "2001:db8:1111:2222:3333:4444:5555:6666"})
    for stream in range(2, 600):
        entry.open()
        for said in ((stream, Command.CONNECTED, connected), (stream, END, encode_end(StreamEnd.DONE))):
            assert closes(entry.hears(nodes.cell(said))) == []
    for _ in range(200):
        for _ in range(STREAM_CREDIT // 2 // 60_000):
            entry.says(bytes(60_000), socket)
        grant = (STREAM_CREDIT // 2 // 60_000 * 60_000).to_bytes(4, "big")
        for stream in (0, 1):
            assert closes(entry.hears(nodes.cell((stream, WINDOW, grant)))) == []
    for _ in range(3_000):
        assert closes(entry.hears(nodes.cell((1, DATA, b"key")))) == [], "small content needs a whole cell"


def test_what_was_under_way_for_streams_that_are_over_may_come_and_no_more() -> None:
    entry = Entry()
    sockets = [entry.open() for _ in range(3)]
    nodes = entry.ways[0]
    for socket in sockets:
        entry.carry(entry.entry.closed(socket, Failure(Cause.CLOSED), entry.now))
    piece, left = 60_000, 3 * STREAM_CREDIT
    while left > 0:
        assert closes(entry.hears(nodes.cell((1 + left % 3, DATA, bytes(piece))))) == []
        left -= piece
    effects = [closes(entry.hears(nodes.cell((1, DATA, bytes(piece))))) for _ in range(2)]
    assert [(1, Close.PROTOCOL)] in effects


def test_what_comes_after_our_close_has_the_credit_that_its_streams_had_left_and_gets_none_back() -> None:
    entry, nodes, socket = answered()
    entry.carry(entry.entry.closed(socket, Failure(Cause.CLOSED), entry.now))
    entry.now = LIFE + IDLE + 1
    assert closes(entry.tick(0)) == [(1, Close.DONE)]
    for _ in range(STREAM_CREDIT // MAX_DATA):
        entry.hears(nodes.cell((1, DATA, bytes(MAX_DATA))))
    assert list(entry.own)
    for _ in range(3):
        entry.hears(nodes.cell((1, DATA, bytes(MAX_DATA))))
    assert not list(entry.own), "nobody is paid for more"
