"""One input of a Node: what it wants done about it is carried out, in order; then it says when to wake it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from masq.core.node import Node, NodeEffect
from masq.sim.clock import Clock

ASK_AFTER: Final = 0.011
"""Seconds after the first of many inputs at which a Node is asked when to wake it. As the shell's driver does it, and a
round trip between Nodes that are near is over by then."""
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
        self._asking = False
        self._due = math.inf
        """When it wants to be woken, as it said last."""
        self._timer = math.inf
        """When the next timer goes off: then or earlier."""
        self._flush_at = math.inf

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
        due = self.node.flush_due
        if due < self._flush_at:
            self._flush_at = due
            self.clock.at(max(due, self.clock.now), self._flush)
        if not self._asking:
            self._asking = True
            self.clock.later(self._ask_when, ASK_AFTER)

    def _flush(self) -> None:
        if self.alive and self._flush_at <= self.now:
            self._flush_at = math.inf
            self.carry(self.node.flush(self.now))

    def _ask_when(self) -> None:
        self._asking = False
        if self.alive:
            self._due = max(self.now, self.node.next_wake(self.now)) + WAKE_AFTER
            self._set_timer()

    def _set_timer(self) -> None:
        if self._due < self._timer:
            self._timer = self._due
            self.clock.at(self._due, self._go_off)

    def _go_off(self) -> None:
        """A timer goes off. If another input has put its time off since it was set, the next one is set."""
        if not self.alive or self._timer > self.now:
            return
        self._timer = math.inf
        if self._due > self.now:
            self._set_timer()
            return
        self._due = math.inf
        self.carry(self.node.tick(self.now))
