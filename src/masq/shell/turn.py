"""One input after the other: what the Node wants done about one is carried out, in order, before the next."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from masq.core.effects import WriteLink, WriteSocket
from masq.core.node import Node, NodeEffect
from masq.errors import LocalError
from masq.shell.connection import Connection
from masq.shell.traffic import Traffic

ASK_AFTER: Final = 0.01
"""Seconds after which what has happened may set an earlier alarm."""


class Turn:
    """A Node's place on an event loop. Every callback ends in `carry`, so the Node is never entered twice."""

    def __init__(self, node: Node, perform: Callable[[NodeEffect], None], fail: Callable[[LocalError], None]) -> None:
        """`perform` carries out what is no writing. `fail` hears what makes going on impossible: a full disk, say."""
        self.node = node
        self._perform = perform
        self.fail = fail
        self.loop = asyncio.get_running_loop()
        # All connections that stand, by the ids of the core: they are written to from here, without a detour.
        self.traffic = Traffic()
        self.links: dict[int, Connection] = {}
        self.sockets: dict[int, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._asking = False
        self._stopped = False
        self._flusher: asyncio.Handle | None = None
        self._flush_at = math.inf

    @property
    def now(self) -> float:
        return self.loop.time()

    def start(self) -> None:
        self.carry(self.node.start(self.now))

    async def stop(self) -> None:
        """Close all connections, and end what is under way."""
        self._stopped = True
        if self._timer:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        for connection in (*self.links.values(), *self.sockets.values()):
            connection.transport.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)

    def carry(self, effects: Sequence[NodeEffect]) -> None:
        """Carry out effects in their order, then see when the Node wants to be woken.

        What goes to one connection is gathered, and written at once.
        """
        if self._stopped:
            return
        gathered: list[Connection] = []
        try:
            for effect in effects:
                if isinstance(effect, WriteLink):
                    link = self.links.get(effect.link)
                    if link is not None and link.gather(effect.data):
                        gathered.append(link)
                elif isinstance(effect, WriteSocket):
                    stream = self.sockets.get(effect.socket)
                    if stream is not None and stream.gather(effect.data):
                        gathered.append(stream)
                else:
                    self._perform(effect)
        except LocalError as error:
            self.fail(error)
            return
        for connection in gathered:
            connection.flush()
        due = self.node.flush_due
        if due < self._flush_at:
            self._flush_later(due)
        if not self._asking:
            # Asking the Node when to wake it costs more than a cell: so it is asked a few milliseconds after the
            # first of many inputs, not after each.
            self._asking = True
            self.loop.call_later(ASK_AFTER, self._ask_when)

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Let something go on beside the turns; it ends in `carry`, too."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _flush_later(self, due: float) -> None:
        """What is due now waits until all that the event loop has to tell has been told."""
        if self._flusher is not None:
            self._flusher.cancel()
        now = self.now
        self._flush_at = due
        if due <= now:
            self._flusher = self.loop.call_soon(self._flush)
        else:
            self._flusher = self.loop.call_later(due - now, self._flush)

    def _flush(self) -> None:
        self._flusher, self._flush_at = None, math.inf
        if not self._stopped:
            self.carry(self.node.flush(self.now))

    def _ask_when(self) -> None:
        self._asking = False
        if self._stopped:
            return
        wake = self.node.next_wake(self.now)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(wake, self._tick)

    def _tick(self) -> None:
        self._timer = None
        # The steady clock stands still while a machine sleeps; debts don't.
        self.carry(self.node.set_clock(time.time() - self.now, self.now))
        self.carry(self.node.tick(self.now))
