"""Hops of circuits of others, and who opens circuits at them."""

from __future__ import annotations

from tests.circuit_ends import (
    BACK,
    EPOCH,
    ONWARD,
    HonestHop,
    Line,
    Originator,
    begin,
    others,
    sent,
)
from tests.secure_ends import keys

from masq.core.effects import Connect, WriteSocket
from masq.wire.circuit import (
    Command,
)
from masq.wire.secure_link import FrameType

NOTHING = (0,) * 6
"""The counters of a hop without circuits."""

SOMEBODY = keys().public_key


def at_exit(circuit: int = 1, hop: HonestHop | None = None) -> tuple[HonestHop, Originator]:
    """A hop, and a circuit that ends at it."""
    hop = hop or HonestHop()
    user = Originator(hop.key, circuit=circuit, now=hop.now)
    assert hop.hears(user.open()) == []
    return hop, user


def at_relay(circuit: int = 1, hop: HonestHop | None = None) -> tuple[HonestHop, Originator]:
    """A hop, and a circuit that goes through it, to nobody that answers."""
    hop = hop or HonestHop()
    hop.next[SOMEBODY] = ONWARD
    user = Originator(hop.key, SOMEBODY, circuit=circuit, now=hop.now)
    (frame,) = sent(hop.hears(user.open()), ONWARD)
    assert frame.type == FrameType.OPEN
    return hop, user


def served(hop: HonestHop, user: Originator, stream: int = 1) -> int:
    """Begin a stream whose server is reached: its socket."""
    (connect,) = others(hop.hears(user.cell(begin(stream))))
    assert isinstance(connect, Connect)
    hop.exit.connected(connect.socket, "192.0.2.1", hop.now)
    user.hears(sent(hop.flush(after=1.0), BACK))
    return connect.socket


NOW = int(EPOCH)


def id_onward(hop: HonestHop, number: int = -1) -> int:
    """Under which id the Node after a relay knows one of its circuits, by default the newest."""
    passage = list(hop.circuits)[number]
    assert passage.onward
    return passage.onward[1]


def line(*circuits: int) -> tuple[Line, list[Originator], list[int]]:
    """A relay and an exit, and circuits over both with a stream each."""
    path = Line(HonestHop(), HonestHop())
    users, sockets = [], []
    for circuit in circuits:
        user = Originator(*(hop.key for hop in path.hops), circuit=circuit)
        assert path.hears(user.open()) == []
        path.hears(user.cell(begin()))
        connect = path.effects[1].pop()
        assert isinstance(connect, Connect)
        exit = path.hops[1]
        exit.exit.connected(connect.socket, "", 0.0)
        user.hears(path.carry(1, exit.flush(after=1.0)))
        users.append(user)
        sockets.append(connect.socket)
    return path, users, sockets


def works_over(path: Line, user: Originator, socket: int) -> bool:
    path.effects[1].clear()
    there = path.hears(user.cell((1, Command.DATA, b"question")))
    back = path.hops[1].exit.received(socket, memoryview(b"answer"), 0.0)
    said = user.hears(path.carry(1, [*back, *path.hops[1].flush()]))
    return not there and path.effects[1] == [WriteSocket(socket, b"question")] and (1, 3, b"answer") in said
