"""What holds in every world at every time, whatever happens in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from masq.core.attempt import MAX_UNANSWERED
from masq.core.circuits.exit import LOOK_EVERY
from masq.core.circuits.exit import MAX_HELD as MAX_HELD_AT_EXIT
from masq.core.limits import MAX_DEGREE, MAX_LISTED
from masq.core.links.links import BATCH, MAX_LINKS, MAX_QUEUE, MAX_ROUTE
from masq.core.packages.flow import MAX_HELD
from masq.sim.host import SOCKET_HIGH_WATER
from masq.sim.network import HIGH_WATER
from masq.wire.circuit import MAX_DATA, STREAM_CREDIT

if TYPE_CHECKING:
    from masq.sim.host import Host
    from masq.sim.world import World

SLACK: Final = 1024 * 1024
"""Bytes of one batch of frames, or of one read: what a Node may write before it learns that it is to stop."""


def check(world: World) -> None:
    """AssertionError names what doesn't hold, and the Node."""
    for host in world.hosts:
        if host.alive:
            _check_links(host)
            _check_streams(host)
            _check_circuits(host)
            _check_neighbors(host)
    _check_money(world)


def _check_links(host: Host) -> None:
    links = list(host.node.links)
    assert len(links) <= MAX_LINKS, f"Node {host.number} has {len(links)} links"
    for link in links:
        assert link.queued == sum(link.waiting.values()), f"Node {host.number}: {link.queued} B wait"
        assert max(link.waiting.values(), default=0) <= MAX_ROUTE, f"Node {host.number}: too much waits for one flow"
        assert link.queues.keys() == link.waiting.keys(), f"Node {host.number}: what waits is miscounted"
    assert sum(link.queued for link in links) <= MAX_QUEUE, f"Node {host.number}: too much waits in all"
    for wire in host.world.network.all_of(host):
        assert wire.buffered <= HIGH_WATER + BATCH + SLACK, f"Node {host.number} writes on: {wire.buffered} B buffered"


def _check_streams(host: Host) -> None:
    for held in (
        *(stream.held for stream in host.node.package_entry),
        *(stream.held for stream in host.node.package_exit),
    ):
        assert held <= MAX_HELD, f"Node {host.number} holds {held} B for one stream"
    most = SOCKET_HIGH_WATER + MAX_HELD + SLACK
    assert host.unread() <= most, f"Node {host.number} writes {host.unread()} B to a socket that nobody reads"


def _check_circuits(host: Host) -> None:
    node = host.node
    for stream in (*node.circuit_exit.streams(), *node.circuit_entry.streams()):
        assert stream.unreturned <= STREAM_CREDIT, f"Node {host.number} keeps {stream.unreturned} B for one stream"
        waiting = sum(map(len, stream.backlog))
        assert waiting <= MAX_UNANSWERED + MAX_DATA, f"Node {host.number}: {waiting} B of one stream wait for credit"
    held = sum(stream.held for stream in node.circuit_exit.streams())
    assert held <= MAX_HELD_AT_EXIT + LOOK_EVERY, f"Node {host.number} holds {held} B for the streams it serves"


def _check_neighbors(host: Host) -> None:
    graph = host.node.neighborhood.graph
    full = len(graph.full_neighbors(graph.root_key))
    # Who has room lets others in up to a degree. Own contacts, and what was agreed at the same time, come on top.
    assert full <= MAX_DEGREE + 3, f"Node {host.number} has {full} full neighbors"
    assert len(graph.root.neighbors) <= MAX_LISTED, f"Node {host.number} lists {len(graph.root.neighbors)} neighbors"


def _check_money(world: World) -> None:
    chain = world.chain
    assert sum(chain.tokens.values()) == chain.supply, "tokens were made or lost"
    assert min(chain.tokens.values(), default=0) >= 0, "somebody spent what he hasn't"
    assert len(set(chain.accepted)) == len(chain.accepted), "a transaction was mined twice"
    for host in world.hosts:
        moved = sum(transfer.amount for transfer in chain.transfers(host.earning.address, 0, chain.head))
        assert host.node.accountant.earned <= moved, f"Node {host.number} has credited what never came"
