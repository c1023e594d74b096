"""One end of what is connected over the Nodes: a client, or a server."""

from __future__ import annotations

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
