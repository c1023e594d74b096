"""What a Node keeps and writes is bounded, whatever others do."""

from __future__ import annotations

from typing import Final

from masq.core.attempt import MAX_UNANSWERED
from masq.core.circuits.exit import LOOK_EVERY
from masq.core.circuits.exit import MAX_HELD as MAX_HELD_AT_EXIT
from masq.core.limits import MAX_LINKS, MAX_WINDOW
from masq.core.links.links import BATCH, MAX_QUEUE, MAX_ROUTE
from masq.core.packages.flow import MAX_HELD
from masq.sim.connection import SOCKET_HIGH_WATER
from masq.sim.host import SimNode
from masq.wire.circuit import MAX_DATA

SLACK: Final = 1024 * 1024
"""Bytes of one batch of frames, or of one read: what a Node may write before it learns that it is to stop."""


def queues(host: SimNode) -> None:
    links = list(host.node.links)
    assert len(links) <= MAX_LINKS, f"Node {host.number} has {len(links)} links"
    busy = [link for link in links if link.queued or link.queues or link.waiting]
    for link in busy:
        assert link.queued == sum(link.waiting.values()), f"Node {host.number}: {link.queued} B wait"
        assert max(link.waiting.values(), default=0) <= MAX_ROUTE, f"Node {host.number}: too much waits for one flow"
        there = link.queues.keys() | link.parked.keys()
        assert there == link.waiting.keys(), f"Node {host.number}: what waits is miscounted"
    assert sum(link.queued for link in busy) <= MAX_QUEUE, f"Node {host.number}: too much waits in all"


def wires(host: SimNode) -> None:
    most = host.links.high_water + BATCH + SLACK
    for wire in host.links:
        assert wire.buffered <= most, f"Node {host.number} writes on: {wire.buffered} B buffered"


def sockets(host: SimNode) -> None:
    if not len(host.sockets):
        return
    unread = max(host.sockets.unread())
    most = SOCKET_HIGH_WATER + MAX_HELD + SLACK
    assert unread <= most, f"Node {host.number} writes {unread} B to a socket that nobody reads"


def package_streams(host: SimNode) -> None:
    for stream in (*host.node.package_entry, *host.node.package_exit):
        assert stream.held <= MAX_HELD, f"Node {host.number} holds {stream.held} B for one stream"


def circuit_streams(host: SimNode) -> None:
    node = host.node
    served = list(node.circuit_exit.streams())
    for stream in (*served, *node.circuit_entry.streams()):
        assert stream.unreturned <= MAX_WINDOW, f"Node {host.number} keeps {stream.unreturned} B for one stream"
        waiting = sum(map(len, stream.backlog))
        assert waiting <= MAX_UNANSWERED + MAX_DATA, f"Node {host.number}: {waiting} B of one stream wait for credit"
    held = sum(stream.held for stream in served)
    assert held <= MAX_HELD_AT_EXIT + LOOK_EVERY, f"Node {host.number} holds {held} B for the streams it serves"
