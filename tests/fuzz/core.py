"""Fuzz targets: whole ends, given what is sealed well and says anything."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from contextlib import suppress

from tests import circuit_ends
from tests.circuit_ends import BACK, WALLET, Entry, HonestHop, Nodes, Originator, frame_of
from tests.fuzz.wire import KEYS, SECRET, pieces
from tests.network_ends import open_door
from tests.secure_ends import DEV

from masq.core.circuits.opens import Opens
from masq.core.limits import Limits
from masq.core.links.links import Links
from masq.core.node import Node
from masq.errors import MalformedError, PeerError
from masq.sim.world import World
from masq.types import Endpoint, LinkPolicy
from masq.wire import cbor
from masq.wire.circuit import MAX_PLAIN, Layer, Seal, circuit_frame, data_of
from masq.wire.frame import mask
from masq.wire.package import Component, Hop, Package, Payer
from masq.wire.secure_link import FrameType

PEER = Endpoint("10.9.9.9", 40_000)


def links(data: bytes) -> None:
    """Bytes on a new connection."""
    ends = Links(
        KEYS, DEV, 6001, ("circuit1",), LinkPolicy.AUTO, lambda size: SECRET[:size], Limits(), open_door(False)
    )
    link, _ = ends.accept(PEER, 0.0)
    assert link is not None
    with suppress(PeerError):
        for piece in pieces(data):
            for _ in ends.received(link, memoryview(bytearray(piece)), 0.0, []):
                pass
    ends.closed(link, 0.0)
    assert not list(ends)


def _plains(data: bytes) -> list[bytes]:
    """Plaintexts: each begins with a 16-bit length. What is left is the last one."""
    found = []
    while data and len(found) < 8:
        size = int.from_bytes(data[:2], "big")
        found.append(data[2 : 2 + size][:MAX_PLAIN])
        data = data[2 + size :]
    return found


@functools.cache
def _hop() -> tuple[HonestHop, Originator, bytes]:
    """An exit, an originator, and the OPEN that he sent: what costs most is done once."""
    hop = HonestHop()
    user = Originator(hop.key)
    hop.keys.open = functools.cache(hop.keys.open)  # type: ignore[method-assign]
    return hop, user, bytes(user.open().wire)


def _opened() -> tuple[HonestHop, Originator]:
    """A circuit that has just been opened."""
    hop, user, opening = _hop()
    hop.circuits._opens = Opens()  # It has been here many times.
    user._seal, user._forward = Seal(user.secrets[0], True), [Layer(user.secrets[0], True)]
    hop.hears(frame_of(opening))
    assert len(list(hop.circuits)) == 1
    return hop, user


def _forgotten(hop: HonestHop) -> None:
    hop.circuits.link_lost(BACK)
    assert hop.counters() == (0,) * 6


def circuit_exit(data: bytes) -> None:
    """Cells that an originator sealed for an exit."""
    hop, user = _opened()
    for plain in _plains(data):
        hop.hears(user.raw_cell(plain))
    _forgotten(hop)


def circuit_relay(data: bytes) -> None:
    """A frame of any type: of a circuit that is open, or of none."""
    hop, _ = _opened()
    frame = circuit_frame(FrameType.CELL, data[1] % 2 + 1 if data[1:] else 1, data[2:])
    hop.hears(frame_of(frame)._replace(type=data[0] if data else 0))
    _forgotten(hop)


def circuit_entry(data: bytes) -> None:
    """Cells that an exit sealed for the entry that opened a circuit to it."""
    nodes = Nodes(circuit_ends.keys())
    entry = Entry(nodes)
    entry.open()
    for plain in _plains(data):
        if not list(entry.own):
            break
        entry.hears(nodes.raw_cell(plain))
    entry.carry(entry.entry.link_lost(BACK, entry.now))
    assert not list(entry.own)


def circuit_told(data: bytes) -> None:
    """A control message that the exit sealed. (What is no CBOR at all, `control` looks at.)"""
    try:
        cbor.decode(data)
    except MalformedError:
        return
    nodes = Nodes(circuit_ends.keys())
    entry = Entry(nodes)
    entry.open()
    frame = circuit_frame(FrameType.CONTROL, nodes.circuit, nodes.controls[0]._aead.encrypt(bytes(12), data, None))
    nodes._backward[0].apply(data_of(frame))
    entry.hears(frame_of(frame))
    entry.carry(entry.entry.link_lost(BACK, entry.now))
    assert not list(entry.own)


@functools.cache
def _node() -> Node:
    node = World(1).add().node
    node.keys.open = functools.lru_cache(8)(node.keys.open)  # type: ignore[method-assign]
    return node


_times = itertools.count(0.0, 10_000_000.0)


@functools.cache
def _element(component: Component) -> bytes:
    """The element of a route that ends at this component of the Node."""
    keys = _node().keys
    return KEYS.seal(keys.public_key, Hop(b"", Payer.sign(WALLET, keys.digest), component).encode())


def node_package(data: bytes) -> None:
    """A package over a JSON link, sealed well at all its layers. The first byte says for which component."""
    node = _node()
    # Long after the last one: who talks rubbish is not let in for a while.
    now = next(_times)
    link, _ = node.accept(PEER, now)
    assert link is not None
    key = node.keys.public_key
    hops = [_element(Component(data[0] % 4 if data else 0)), bytes(48)]
    sealed = Package(hops, KEYS.seal(key, data[1:])).encode()
    node.link_received(link, memoryview(bytearray(mask(KEYS.seal(key, sealed)))), now)
    node.link_closed(link, now)
    assert not list(node.links)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "links": links,
    "circuit-exit": circuit_exit,
    "circuit-relay": circuit_relay,
    "circuit-entry": circuit_entry,
    "circuit-told": circuit_told,
    "node-package": node_package,
}
