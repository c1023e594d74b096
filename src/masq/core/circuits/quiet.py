"""Streams of which one direction is over: each goes once the other one has nothing to say, either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from masq.core.circuits.terminal import TerminalStream
from masq.core.limits import STALLED_FOR

S = TypeVar("S", bound=TerminalStream)


@dataclass(slots=True)
class _Quiet(Generic[S]):
    stream: S
    since: float
    bytes: int
    """What it had carried then."""


class HalfEnded(Generic[S]):
    """They are looked at from time to time: a byte that is carried costs nothing here."""

    def __init__(self) -> None:
        self._streams: dict[int, _Quiet[S]] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: S, now: float) -> None:
        """One direction of a stream has ended."""
        self._streams[stream.socket] = _Quiet(stream, now, stream.sent + stream.received)

    def drop(self, socket: int) -> None:
        self._streams.pop(socket, None)

    def over(self, now: float, quiet_for: float) -> list[S]:
        """Those that said nothing for so many seconds; for STALLED_FOR where bytes wait, or the server is dialled."""
        over = []
        for quiet in self._streams.values():
            stream = quiet.stream
            carried = stream.sent + stream.received
            if carried != quiet.bytes:
                quiet.bytes, quiet.since = carried, now
                continue
            stalled = bool(stream.backlog) or stream.congested or not stream.reading or not stream.connected
            if now - quiet.since >= (STALLED_FOR if stalled else quiet_for):
                over.append(stream)
        return over
