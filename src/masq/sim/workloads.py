"""What is connected over the Nodes: clients and servers, quick and slow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from masq.core.failure import Failure

CHUNK: Final = 16_384


class Application:
    """One end of a connection outside the network of Nodes: a client's, or a server's. What it hears, it keeps."""

    pace: float | None = None
    """Bytes per second that it reads; None: all that comes, at once."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = False
        self.closed = False
        self.failure: Failure | None = None
        self._send: Callable[[bytes], None]
        self._end: Callable[[], None]
        self._abort: Callable[[], None]

    def attach(self, send: Callable[[bytes], None], end: Callable[[], None], abort: Callable[[], None]) -> None:
        self._send, self._end, self._abort = send, end, abort
        self.begun()

    def begun(self) -> None:
        """The connection stands."""

    def heard(self, data: bytes) -> None:
        self.received += data

    def heard_end(self) -> None:
        self.ended = True

    @property
    def reason(self) -> str | None:
        """Why it was closed, in words; None for an orderly end."""
        return None if self.failure is None else str(self.failure)

    def heard_close(self, failure: Failure | None) -> None:
        self.closed, self.failure = True, failure

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            self._send(data[start : start + CHUNK])

    def end(self) -> None:
        self._end()

    def abort(self) -> None:
        self._abort()


class Echo(Application):
    """Says what it hears, and ends when it is ended."""

    def heard(self, data: bytes) -> None:
        super().heard(data)
        self.send(data)

    def heard_end(self) -> None:
        super().heard_end()
        self.end()


class Download(Application):
    """Sends as many bytes as the line it hears says, then ends."""

    def heard(self, data: bytes) -> None:
        super().heard(data)
        if self.received.endswith(b"\n"):
            self.send(content_of(int(self.received)))
            self.end()


class HangsUp(Application):
    """Closes as soon as it hears anything."""

    def heard(self, data: bytes) -> None:
        super().heard(data)
        self.abort()


class Greeter(Application):
    """Speaks first."""

    def begun(self) -> None:
        self.send(b"220 ready\r\n")


class SlowReader(Application):
    """Reads 100 kB a second, whatever comes. `pace` may be changed."""

    pace = 100_000.0


def content_of(size: int) -> bytes:
    """The bytes that a Download of this size sends."""
    return hashlib.shake_128(str(size).encode()).digest(size)
