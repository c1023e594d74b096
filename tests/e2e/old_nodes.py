"""Stand-ins for Nodes of 0.9.1 with real sockets, on an event loop of their own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from tests.old_node import OldNode, performing

from masq.shell.acceptor import Acceptor
from masq.shell.links import NodeLinks
from masq.shell.turn import Turn
from masq.types import CHAINS
from masq.wire.descriptor import Descriptor

PORT: Final = 6001


@contextlib.contextmanager
def old_nodes(*ips: str) -> Iterator[list[OldNode]]:
    """One at each of these addresses, of which each joins by the one before it."""
    nodes = [OldNode(ip, PORT) for ip in ips]
    for before, node in pairwise(nodes):
        node.joins_by(before.key, before.address.endpoint)
    over: list[asyncio.Event] = []
    up = threading.Event()

    async def work() -> None:
        over.append(asyncio.Event())
        started = [await _run(node) for node in nodes]
        up.set()
        await over[0].wait()
        for turn, acceptor in started:
            acceptor.close()
            await turn.stop()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(work(),))
    thread.start()
    try:
        assert up.wait(10)
        yield nodes
    finally:
        loop.call_soon_threadsafe(over[0].set)
        thread.join(10)
        loop.close()


async def _run(node: Any) -> tuple[Turn, Acceptor]:
    turn = Turn(node, lambda effect: perform(effect), print)
    links = NodeLinks(turn, node.address.ip)
    perform = performing(links)
    listener = socket.create_server((node.address.ip, PORT))
    acceptor = await links.listen(listener)
    turn.start()
    return turn, acceptor


def descriptor_of(node: OldNode) -> str:
    return str(Descriptor(CHAINS["dev"], node.keys.fragment(), node.address))
