"""An entry, and what its tests say of it."""

from __future__ import annotations

from tests.circuit_ends import BACK, Entry, Nodes, others, sent

from masq.core.effects import (
    WriteSocket,
)
from masq.core.failure import Place, hop
from masq.types import DEFAULT_RATE_PACK
from masq.wire.circuit import (
    Command,
    circuit_of,
    data_of,
)
from masq.wire.secure_link import FrameType

DATA, END, WINDOW, RESOLVED = Command.DATA, Command.END, Command.WINDOW, Command.RESOLVED

CHARGE = DEFAULT_RATE_PACK.routing_charge


def started(first: bytes = b"GET /", *ways: Nodes) -> tuple[Entry, Nodes, int]:
    """An entry with a stream over its first way."""
    entry = Entry(*ways)
    socket = entry.open(first)
    return entry, entry.ways[0], socket


def answered(first: bytes = b"GET /") -> tuple[Entry, Nodes, int]:
    """The same, and the client has got a byte."""
    entry, nodes, socket = started(first)
    assert others(entry.hears(nodes.cell((1, DATA, b"y")))) == [WriteSocket(socket, b"y")]
    return entry, nodes, socket


def place(nodes: Nodes, position: int) -> Place:
    return hop(position, len(nodes.pairs), nodes.pairs[position].public_key)


def closes(effects: list[object]) -> list[tuple[int, int]]:
    """Ids and reasons of the CLOSEs that are sent."""
    frames = [frame for frame in sent(effects, BACK) if frame.type == FrameType.CLOSE]
    return [(circuit_of(frame.wire), data_of(frame.wire)[0]) for frame in frames]


def opens(effects: list[object]) -> int:
    return sum(frame.type == FrameType.OPEN for frame in sent(effects, BACK))


FOUND = (("192.0.2.1", 60),)
