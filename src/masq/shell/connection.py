"""A TCP connection that is written to at once, as an asyncio protocol."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket as sockets
import struct
import sys
from collections.abc import Sequence
from typing import Final, cast

LINGER: Final = 60.0
"""Seconds that the other end of a connection that is over has to read the rest."""
MAX_PIECES: Final = 512
"""Pieces that the kernel takes in one call (IOV_MAX is 1,024 on Linux)."""

NEAR: Final = 2_000
"""Microseconds of a round trip below which a peer is near."""
_RTT: Final = struct.Struct("68xI")
"""Where Linux says in its `tcp_info` how long a round trip takes."""

Piece = bytes | bytearray | memoryview


def is_far(raw: sockets.socket) -> bool:
    """Whether a peer is farther off than large buffers are good for; False where the kernel doesn't tell."""
    if sys.platform != "linux":
        return False
    try:
        info = raw.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, _RTT.size)
    except OSError:
        return False
    return len(info) == _RTT.size and _RTT.unpack(info)[0] >= NEAR


def go_far(raw: sockets.socket) -> None:
    """Ask the kernel to send at the rate that the way carries, rather than until a packet is lost: BBR, if it has it.

    A single packet of a thousand that is lost by chance would cost half of a long way's rate.
    """
    option = getattr(sockets, "TCP_CONGESTION", None)
    if option is not None:
        with contextlib.suppress(OSError):  # The kernel hasn't got it, or lets nobody have it: as it is, then.
            raw.setsockopt(sockets.IPPROTO_TCP, option, b"bbr")


class Connection(asyncio.BufferedProtocol):
    """What is written goes to the kernel at once; the transport gets only what the kernel doesn't take.

    So what is written may lie in a buffer that is used again, and nothing waits for a turn of the event loop.
    """

    transport: asyncio.Transport
    raw: sockets.socket
    """For its options, of which event loops set TCP_NODELAY themselves."""
    _descriptor: int

    def __init__(self) -> None:
        self._gathered: list[Piece] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass.
        # A full kernel is the one sign of congestion: writing stops as soon as anything waits in the transport.
        self.transport.set_write_buffer_limits(high=0, low=0)
        self.raw = transport.get_extra_info("socket")
        self._descriptor = self.raw.fileno()

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
