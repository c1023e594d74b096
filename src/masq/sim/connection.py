"""The connection between a Node and an application: bytes both ways, and who waits for whom."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from masq.core.failure import Cause, Failure
from masq.sim.turn import Turn
from masq.sim.workloads.application import Application

SOCKET_HIGH_WATER: Final = 128 * 1024
"""Bytes that an application has not read, from which on the Node is told to stop."""
READS_PER_SECOND: Final = 20
"""How often an application with a pace reads."""


class Connection:
    """The connection of a client or server, as the Node that holds it sees it."""

    def __init__(self, turn: Turn, socket: int, application: Application, forget: Callable[[int], object]) -> None:
        """`forget` is called when it is closed, before the application or the Node learns of it."""
        self._turn = turn
        self._socket = socket
        self._application = application
        self._forget = forget
        self._open = True
        self._reading = True
        self._sent: deque[bytes] = deque()
        """What the application sent and the Node has not read."""
        self._ended = False
        self._end_told = False
        self._written = bytearray()
        """What the Node wrote and the application has not read."""
        self._congested = False
        self._half_closed = False
        self._closing = False

    @property
    def waiting(self) -> int:
        """Bytes that the application has ready, and that the Node has not read."""
        return sum(map(len, self._sent))

    @property
    def unread(self) -> int:
        """Bytes that the Node wrote, and that the application has not read."""
        return len(self._written)

    # --- from the application ---

    def begin(self) -> None:
        self._application.attach(self._send, self._end, self._abort)

    def _send(self, data: bytes) -> None:
        if self._open:
            self._sent.append(data)
            self._turn.after_latency(self._read)

    def _end(self) -> None:
        if self._open:
            self._ended = True
            self._turn.after_latency(self._read)

    def _abort(self) -> None:
        if not self._open:
            return
        self._leave()
        if not self._closing:
            turn, failure = self._turn, Failure(Cause.BROKEN, detail="reset")
            turn.clock.later(lambda: turn.carry(turn.node.socket_closed(self._socket, failure, turn.now)))

    def set_reading(self, on: bool) -> None:
        self._reading = on
        self._turn.clock.later(self._read)

    def _read(self) -> None:
        """The Node reads what the application sent, if it wants to."""
        turn, sent = self._turn, self._sent
        if not self._open or not turn.alive or self._closing:
            return
        if sent and self._reading:
            turn.carry(turn.node.socket_received(self._socket, sent.popleft(), turn.now))
            if sent and self._reading:
                turn.clock.later(self._read)
        if not sent and self._ended and not self._end_told and self._open:
            self._end_told = True
            turn.carry(turn.node.socket_ended(self._socket, turn.now))

    # --- to the application ---

    def write(self, data: bytes) -> None:
        if self._application.pace is None and not self._written:
            self._application.heard(data)
            return
        if not self._written:
            self._turn.clock.later(self._hear, 1 / READS_PER_SECOND)
        self._written += data
        if len(self._written) > SOCKET_HIGH_WATER and not self._congested:
            self._congested = True
            self._turn.node.socket_congested(self._socket)

    def end(self) -> None:
        """The Node writes no more."""
        self._half_closed = True
        if not self._written:
            self._finish()

    def close(self, failure: Failure | None) -> None:
        """The application hears of a failure at once; of an orderly end when it has read everything."""
        self._closing = True
        if failure is not None:
            self._leave()
            self._application.heard_close(failure)
        elif not self._written:
            self._finish()

    def _hear(self) -> None:
        """An application with a pace reads."""
        turn = self._turn
        if not self._open or not turn.alive:
            return
        self._take()
        if self._written:
            turn.clock.later(self._hear, 1 / READS_PER_SECOND)
        if self._congested and len(self._written) <= SOCKET_HIGH_WATER // 4:
            self._congested = False
            if not self._closing:
                turn.carry(turn.node.socket_drained(self._socket, turn.now))
        if not self._written:
            self._finish()

    def _take(self) -> None:
        pace = self._application.pace
        size = len(self._written) if pace is None else int(pace / READS_PER_SECOND)
        data = bytes(self._written[:size])
        del self._written[:size]
        if data:
            self._application.heard(data)

    def _finish(self) -> None:
        """All was read: what comes after it can be told."""
        if self._half_closed and not self._application.ended:
            self._application.heard_end()
        if self._closing and self._open:
            self._leave()
            self._application.heard_close(None)

    def _leave(self) -> None:
        self._open = False
        self._forget(self._socket)
