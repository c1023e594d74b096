"""Links to other Nodes: listening, dialling, and their connections, which all read into one buffer."""

from __future__ import annotations

import asyncio
import socket as sockets
import sys
from collections.abc import Sequence
from typing import Final

from masq.core.effects import WriteLink
from masq.core.limits import NEIGHBOR_READ, STRANGER_READ
from masq.shell.acceptor import OPENING, Acceptor
from masq.shell.connection import Connection, Piece, go_far, is_far
from masq.shell.turn import Turn
from masq.types import Endpoint

DIAL_TIMEOUT: Final = 5.0
UNSENT: Final = 64 * 1024
"""Bytes that the kernel may hold of a link beyond what is under way: what waits longer, waits where it takes turns."""
NEAR_BUFFER: Final = 512 * 1024
"""Bytes of the kernel's for a near peer: as much as comes while other programs have the CPU. More would do nothing but
make small streams wait behind bulk ones. Farther off, the kernel suits them to the way."""


class NodeLinks:
    """The links of one Node."""

    def __init__(self, turn: Turn, bind_ip: str | None) -> None:
        """`bind_ip`: the address of this machine to dial from; None: any."""
        self._turn = turn
        self._bind_ip = bind_ip
        self.buffer = memoryview(bytearray(NEIGHBOR_READ))
        """What all links read into."""

    async def listen(self, listener: sockets.socket) -> Acceptor:
        # Whoever comes is taken in, as the Node alone knows whom to refuse; but not all at once.
        acceptor = Acceptor(
            self._turn, listener, lambda: LinkConnection(self._turn, self.buffer, None), lambda: 2 * OPENING
        )
        return await acceptor.start()

    def dial(self, link: int, endpoint: Endpoint) -> None:
        self._turn.spawn(self._dial(link, endpoint))

    async def _dial(self, link: int, endpoint: Endpoint) -> None:
        turn = self._turn
        local = (self._bind_ip, 0) if self._bind_ip else None
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                await turn.loop.create_connection(
                    lambda: LinkConnection(turn, self.buffer, link), endpoint.ip, endpoint.port, local_addr=local
                )
        except (OSError, TimeoutError) as error:
            reason = str(error) or f"no answer in {DIAL_TIMEOUT:.0f} s"
            turn.carry(turn.node.dial_failed(link, reason, turn.now))

    def read(self, link: int, most: int) -> None:
        connection = self._turn.links.get(link)
        if isinstance(connection, LinkConnection):
            connection.read(most)

    def close(self, link: int) -> None:
        connection = self._turn.links.pop(link, None)
        if connection is not None:
            connection.close()


class LinkConnection(Connection):
    """The connection of a link. Frames are opened where they were read, and sent on from there."""

    def __init__(self, turn: Turn, buffer: memoryview, link: int | None) -> None:
        """`link`: the id of one that we dialled."""
        super().__init__()
        self._turn = turn
        self._buffer = buffer
        self._link = link
        self._most = STRANGER_READ
        self._resting = False
        self._paused = False
        self._held = False
        """Whether it waits until more may be read: by the operator's rate."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        bound_queues(self.raw)
        turn = self._turn
        if self._link is not None:
            turn.links[self._link] = self
            turn.carry(turn.node.dialled(self._link, turn.now))
            return
        peer = self.transport.get_extra_info("peername")
        if not peer:
            self.transport.abort()
            return
        self._link, effects = turn.node.accept(Endpoint(peer[0], peer[1]), turn.now)
        if self._link is None:
            self.transport.abort()
        else:
            turn.links[self._link] = self
        turn.carry(effects)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[: min(self._most, self._turn.traffic.piece)]

    def read(self, most: int) -> None:
        """Read at most so many bytes at once; 0: nothing, until told otherwise."""
        if self.transport.is_closing():
            return
        self._resting = not most
        if most:
            self._most = most
            if not self._held:
                self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def buffer_updated(self, nbytes: int) -> None:
        if self._link is None:
            return
        turn = self._turn
        now = turn.now
        wait = turn.traffic.read(nbytes, now)
        turn.carry(turn.node.link_received(self._link, self._buffer[:nbytes], now))
        if wait:
            self._hold(wait)
        elif nbytes == self._most and not self._resting:
            self._take_turns()

    def _hold(self, seconds: float) -> None:
        if not self.transport.is_closing():
            self._held = True
            self.transport.pause_reading()
            self._turn.loop.call_later(seconds, self._release)

    def _release(self) -> None:
        self._held = False
        self._read_on()

    def _take_turns(self) -> None:
        """There is more to read, and the event loop would go on reading it before it looks at anything else."""
        self.transport.pause_reading()
        self._turn.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing() and not self._resting and not self._held:
            self.transport.resume_reading()

    def write(self, pieces: Sequence[Piece]) -> None:
        self._turn.traffic.sent += sum(map(len, pieces))
        super().write(pieces)

    def pause_writing(self) -> None:
        self._paused = True
        if self._link is not None:
            turn = self._turn
            turn.carry(turn.node.link_congested(self._link, turn.now))

    def resume_writing(self) -> None:
        self._paused = False
        turn = self._turn
        while not self._paused and self._link is not None:
            effects = turn.node.link_drained(self._link, turn.now)
            turn.carry(effects)
            if not any(isinstance(effect, WriteLink) for effect in effects):
                return

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        turn = self._turn
        if self._link is not None and turn.links.pop(self._link, None) is not None:
            turn.carry(turn.node.link_closed(self._link, turn.now))


def bound_queues(raw: sockets.socket) -> None:
    """Keep what waits for a link where it takes turns, which is not in the kernel."""
    lowat = getattr(sockets, "TCP_NOTSENT_LOWAT", None)
    try:
        if lowat is not None:
            raw.setsockopt(sockets.IPPROTO_TCP, lowat, UNSENT)
        if sys.platform == "linux":
            if is_far(raw):
                go_far(raw)
            else:
                raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, NEAR_BUFFER)
    except OSError:
        pass  # The peer is gone already, or the kernel is of a kind that knows none of this.
