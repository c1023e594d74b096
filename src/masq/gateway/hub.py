"""What changes, told to all who listen: looked at once for all of them, and not at all when there is nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

INTERVAL: Final = 1.0
MAX_LISTENERS: Final = 12
WAITING: Final = 32
"""Messages that may wait for one listener. Who is further behind is dropped, not waited for."""
MAX_WAITING: Final = 8 << 20
"""Bytes of them: more than a network of a thousand Nodes takes."""

Source = Callable[[], Awaitable[Mapping[str, Any]]]


class Listener:
    """One that listens: messages in their order, and None at the end."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._bytes = 0
        self.dropped = False

    def put(self, message: bytes) -> bool:
        """False: it is too far behind, and hears no more."""
        if self._messages.qsize() >= WAITING or self._bytes + len(message) > MAX_WAITING:
            self.end()
            return False
        self._bytes += len(message)
        self._messages.put_nowait(message)
        return True

    def end(self) -> None:
        self.dropped = True
        self._messages.put_nowait(None)

    async def get(self) -> bytes | None:
        message = await self._messages.get()
        if message is None or self.dropped:
            return None
        self._bytes -= len(message)
        return message


class Hub:
    """Looks at a source each second while there are listeners, and tells them the members that are others now."""

    def __init__(self, source: Source, interval: float = INTERVAL) -> None:
        self._source = source
        self._interval = interval
        self._listeners: dict[Listener, Callable[[], None]] = {}
        self._told: dict[str, bytes] = {}
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._listeners)

    def join(self, drop: Callable[[], None]) -> Listener | None:
        """A new listener, or None if there are too many. It hears all members first. `drop` cuts its connection."""
        if len(self._listeners) >= MAX_LISTENERS:
            return None
        listener = Listener()
        if self._told:
            listener.put(event("status", _object(self._told)))
        self._listeners[listener] = drop
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._look())
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.pop(listener, None)
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None
            self._told = {}

    def tell(self, message: bytes) -> None:
        """Say it to all."""
        for listener, drop in list(self._listeners.items()):
            if not listener.put(message):
                self._listeners.pop(listener, None)
                drop()

    def close(self) -> None:
        for listener in list(self._listeners):
            listener.end()
            self.leave(listener)

    async def _look(self) -> None:
        while True:
            seen = await self._source()
            members = {name: msgspec.json.encode(value) for name, value in seen.items()}
            changed = {name: text for name, text in members.items() if self._told.get(name) != text}
            gone = {name: b"null" for name in self._told if name not in members}
            self._told = members
            if changed or gone:
                self.tell(event("status", _object({**changed, **gone})))
            await asyncio.sleep(self._interval)


def event(kind: str, data: bytes) -> bytes:
    """A server-sent event. `data` is JSON, which has no line ends."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)


def _object(members: Mapping[str, bytes]) -> bytes:
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + text for name, text in members.items()) + b"}"
