"""One input of a Node: what it wants done about it is carried out, in order; then it says when to wake it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from masq.core.node import Node, NodeEffect
from masq.sim.clock import Clock

WAKE_AFTER: Final = 0.001
"""Seconds after the time that it wants at which a Node is woken: what is due then is surely over."""


Later = Callable[[Callable[[], None]], None]


class Turn:
    """A Node's place in virtual time. Every event ends in `carry`.

    An effect may bring the next input about at once: a write that fills a wire tells the Node so, before the effect
    after it is carried out.
    """

    def __init__(self, node: Node, clock: Clock, after_latency: Later, perform: Callable[[NodeEffect], None]) -> None:
        """`after_latency` lets something happen after the time that it takes to come from elsewhere."""
        self.node = node
        self.clock = clock
        self.after_latency = after_latency
        self.alive = True
        self.touched = True
        """Whether anything has happened to it since it was looked at last."""
        self._perform = perform
        self._wake = math.inf
        self._flushing = False

    @property
    def now(self) -> float:
        return self.clock.now

    def carry(self, effects: Iterable[NodeEffect]) -> None:
        """Carry out effects in their order, then see when the Node wants to be woken. A dead Node does nothing."""
        if not self.alive:
            return
        self.touched = True
        perform = self._perform
        for effect in effects:
            perform(effect)
        clock, node = self.clock, self.node
        now = clock.now
        if node.flush_due <= now and not self._flushing:
            self._flushing = True
            clock.at(now, self._flush)
        wake = node.next_wake(now)
        if wake < self._wake or self._wake <= now:
            self._wake = wake
            clock.at(max(wake, now) + WAKE_AFTER, self._tick)

    def _flush(self) -> None:
        self._flushing = False
        if self.alive:
            self.carry(self.node.flush(self.now))

    def _tick(self) -> None:
        if self.alive and self._wake <= self.now:
            self._wake = math.inf
            self.carry(self.node.tick(self.now))
