"""A TCP connection that is written to at once, as an asyncio protocol."""

from __future__ import annotations

import asyncio
import os
import socket as sockets
from collections.abc import Sequence
from typing import Final, cast

LINGER: Final = 60.0
"""Seconds that the other end of a connection that is over has to read the rest."""
MAX_PIECES: Final = 512
"""Pieces that the kernel takes in one call (IOV_MAX is 1,024 on Linux)."""

Piece = bytes | bytearray | memoryview


class Connection(asyncio.BufferedProtocol):
    """What is written goes to the kernel at once; the transport gets only what the kernel doesn't take.

    So what is written may lie in a buffer that is used again, and nothing waits for a turn of the event loop.
    """

    transport: asyncio.Transport
    _descriptor: int

    def __init__(self) -> None:
        self._gathered: list[Piece] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass.
        # A full kernel is the one sign of congestion: writing stops as soon as anything waits in the transport.
        self.transport.set_write_buffer_limits(high=0, low=0)
        raw = transport.get_extra_info("socket")
        self._descriptor = raw.fileno()
        if raw.family in (sockets.AF_INET, sockets.AF_INET6):
            raw.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)

    def gather(self, piece: Piece) -> bool:
        """Let a piece be written together with those that follow. Returns whether it is the first one."""
        self._gathered.append(piece)
        return len(self._gathered) == 1

    def flush(self) -> None:
        """Write what was gathered."""
        pieces, self._gathered = self._gathered, []
        if pieces:
            self.write(pieces)

    def write(self, pieces: Sequence[Piece]) -> None:
        """Write pieces, in their order."""
        transport = self.transport
        if transport.is_closing():
            return  # Its descriptor may be another connection's already.
        if transport.get_write_buffer_size():
            transport.write(b"".join(pieces))
            return
        for start in range(0, len(pieces), MAX_PIECES):
            some = pieces[start : start + MAX_PIECES]
            try:
                taken = os.writev(self._descriptor, some)
            except OSError:  # It is full, or broken, which the transport will find out.
                taken = 0
            if taken < sum(map(len, some)):
                transport.write(b"".join([*some, *pieces[start + MAX_PIECES :]])[taken:])
                return

    def close(self) -> None:
        """Close after what was written, if the other end reads it in reasonable time."""
        self.flush()
        self.transport.close()
        if self.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(LINGER, self.transport.abort)
