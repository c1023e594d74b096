"""Connections of streams: what clients and servers have in common. All read into one buffer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from masq.core.failure import Cause, Failure
from masq.core.node import NodeEffect
from masq.shell.connection import Connection, Piece
from masq.shell.turn import Turn
from masq.wire.circuit import MAX_DATA

READ_PIECES: Final = 2
"""Cells, or packages, of a stream that are read at once."""
SHARING: Final = 128
"""Bytes of a cell that a full read of a stream leaves to other messages."""


class Reader:
    """The buffer that all streams of a Node read into, and the way from there into the Node."""

    def __init__(self, turn: Turn, package_data: int) -> None:
        """`package_data`: the bytes of a stream that one package may carry."""
        self.turn = turn
        self._piece = min(package_data, MAX_DATA - SHARING)
        self.buffer = memoryview(bytearray(READ_PIECES * self._piece))

    def received(self, socket: int, data: memoryview) -> None:
        """Bytes of a client or server, of which each cell or package carries a piece."""
        turn, piece = self.turn, self._piece
        if len(data) <= piece:
            turn.carry(turn.node.socket_received(socket, data, turn.now))
            return
        now = turn.now
        effects: list[NodeEffect] = []
        for start in range(0, len(data), piece):
            effects += turn.node.socket_received(socket, data[start : start + piece], now)
        turn.carry(effects)


class StreamConnection(Connection):
    """The connection of a stream: to a server, or of a client once it has said where it wants to go."""

    def __init__(self, reader: Reader, socket: int) -> None:
        super().__init__()
        self._reader = reader
        self._turn = reader.turn
        self.socket = socket
        self.answered = False
        """Whether anything was written to it."""
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._turn.sockets[self.socket] = self

    def write(self, pieces: Sequence[Piece]) -> None:
        self.answered = True
        super().write(pieces)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._reader.received(self.socket, self._reader.buffer[:nbytes])

    def set_reading(self, on: bool) -> None:
        if self.transport.is_closing() or self._ended:
            return
        if on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def end(self) -> None:
        """Half-close, after what was written."""
        self.flush()
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def accept(self) -> None:
        """The exit has reached the server."""

    def finish(self, failure: Failure | None) -> None:
        """Close: after what was written, or, after a failure, in a way that the other end notices."""
        if failure is None:
            self.close()
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        self._turn.node.socket_congested(self.socket)

    def resume_writing(self) -> None:
        turn = self._turn
        turn.carry(turn.node.socket_drained(self.socket, turn.now))

    def eof_received(self) -> bool:
        self._ended = True
        turn = self._turn
        turn.carry(turn.node.socket_ended(self.socket, turn.now))
        return True  # Half-closed: the other direction goes on.

    def connection_lost(self, error: Exception | None) -> None:
        turn = self._turn
        if turn.sockets.pop(self.socket, None) is not None:
            words = f"the connection broke: {error}" if error else "the connection was closed"
            turn.carry(turn.node.socket_closed(self.socket, Failure(Cause.BROKEN, detail=words), turn.now))
