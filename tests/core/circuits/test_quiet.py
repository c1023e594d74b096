"""Streams of which one direction is over, at the exit and at the entry: closed once the other one is quiet."""

from __future__ import annotations

import pytest
from tests.circuit_ends import BACK, Entry, Said, Told, others, sent
from tests.core.circuits.exit_ends import Circuit

from masq.core.circuits.entry import Wish
from masq.core.effects import CloseSocket, WriteSocket
from masq.core.failure import SERVER, Cause, Failure
from masq.core.limits import QUIET_FOR, QUIET_UNDER_PRESSURE, STALLED_FOR, Limits
from masq.wire import cbor
from masq.wire.circuit import STREAM_CREDIT, Close, Command, StreamEnd, encode_end, end_of

DATA, END, WINDOW = Command.DATA, Command.END, Command.WINDOW
DONE = encode_end(StreamEnd.DONE)


def ticked(circuit: Circuit, now: float) -> tuple[list[object], list[Said]]:
    """What an exit closes at a time, and what the originator hears of it."""
    effects = circuit.exit.tick(now)
    circuit.hop.now = now
    heard = circuit.back(effects)
    return others(effects), [said for said in heard if not isinstance(said, Told | Close)]


def test_a_server_that_ignores_the_client_s_end_is_closed_after_a_while() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.says((1, END, DONE))
    assert ticked(circuit, QUIET_FOR - 1) == ([], [])
    closed, ((stream, command, data),) = ticked(circuit, QUIET_FOR)
    assert closed == [CloseSocket(socket)]
    assert (stream, command, end_of(memoryview(data))[0]) == (1, END, StreamEnd.DONE)
    assert not circuit.terminal.streams
    assert len(circuit.exit._quiet) == 0


def test_a_client_that_ignores_the_server_s_end_is_told_to_stop() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.back(circuit.exit.ended(socket, 0.0))
    assert ticked(circuit, QUIET_FOR - 1) == ([], [])
    closed, ((_, _, data),) = ticked(circuit, QUIET_FOR)
    assert closed == [CloseSocket(socket)]
    assert end_of(memoryview(data))[0] == StreamEnd.STOPPED


def test_a_long_download_after_the_client_s_end_goes_on() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.says((1, END, DONE))
    for now in range(20, 400, 20):
        circuit.hop.now = float(now)
        circuit.back(circuit.exit.received(socket, memoryview(b"more"), float(now)))
        assert ticked(circuit, float(now)) == ([], [])
    assert ticked(circuit, 380.0 + QUIET_FOR)[0] == [CloseSocket(socket)]


def test_a_long_upload_after_the_server_s_end_goes_on() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.back(circuit.exit.ended(socket, 0.0))
    for now in range(20, 200, 20):
        assert circuit.says((1, DATA, b"more"))[0] == [WriteSocket(socket, b"more")]
        assert ticked(circuit, float(now)) == ([], [])


@pytest.mark.parametrize("stalled", ["credit", "server", "connecting"])
def test_where_bytes_wait_for_a_reader_it_takes_longer(stalled: str) -> None:
    circuit = Circuit()
    if stalled == "connecting":
        circuit.says((1, Command.BEGIN, cbor.encode({"host": "h", "port": 1, "udp": False})))
    else:
        (socket,) = circuit.begins(1)
        if stalled == "credit":
            for _ in range(STREAM_CREDIT // 60_000 + 1):
                circuit.back(circuit.exit.received(socket, memoryview(bytes(60_000)), 0.0))
        else:
            circuit.exit.congested(socket)
    circuit.says((1, END, DONE))
    assert ticked(circuit, STALLED_FOR - 1)[0] == []
    assert len(ticked(circuit, STALLED_FOR)[0]) == 1


def test_under_pressure_it_is_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = Circuit()
    monkeypatch.setattr(circuit.exit, "_limits", Limits(served=4))
    sockets = circuit.begins(1, 2, 3, 4)
    circuit.says((1, END, DONE))
    assert ticked(circuit, QUIET_UNDER_PRESSURE)[0] == [CloseSocket(sockets[0])]
    circuit.says((2, END, DONE))
    assert ticked(circuit, 2 * QUIET_UNDER_PRESSURE + 1)[0] == [], "there is room again"


def test_nothing_is_left_of_streams_that_end_otherwise() -> None:
    circuit = Circuit()
    one, two, three = circuit.begins(1, 2, 3)
    circuit.says((1, END, DONE), (2, END, DONE), (3, END, DONE))
    assert len(circuit.exit._quiet) == 3
    circuit.back(circuit.exit.ended(one, 0.0))
    circuit.back(circuit.exit.closed(two, Failure(Cause.BROKEN, SERVER), 0.0))
    assert len(circuit.exit._quiet) == 1
    circuit.hop.done(circuit.hop.circuits.link_lost(BACK))
    assert len(circuit.exit._quiet) == 0
    assert circuit.exit.tick(STALLED_FOR) == []
    assert three


# --- the entry ---


def test_the_entry_closes_a_client_that_half_closed_and_gets_nothing() -> None:
    entry = Entry()
    nodes = entry.ways[0]
    socket, effects = entry.entry.open(Wish.STREAM, "h", 80, "", 0.0, eager=True)
    effects += entry.entry.flush(0.0)
    frames = sent(effects, nodes_link(entry))
    nodes.take(frames[0])
    entry.entry.frame(own(entry), nodes.cell((1, Command.CONNECTED, cbor.encode({"address": "192.0.2.1"}))), 0.0)
    entry.entry.ended(socket, 0.0)
    entry.entry.flush(0.0)
    for now in (20.0, 40.0, 60.0):
        entry.entry.frame(own(entry), nodes.cell((1, DATA, b"more")), now)
        assert [each for each in entry.entry.tick(now) if isinstance(each, CloseSocket)] == []
    assert [each for each in entry.entry.tick(60.0 + QUIET_FOR) if isinstance(each, CloseSocket)] == [
        CloseSocket(socket)
    ]
    assert len(entry.entry._quiet) == 0
    assert not own(entry).terminal.streams


def nodes_link(entry: Entry) -> int:
    link: int = own(entry).terminal.link
    return link


def own(entry: Entry):  # type: ignore[no-untyped-def]
    (circuit,) = entry.entry.circuits
    return circuit
