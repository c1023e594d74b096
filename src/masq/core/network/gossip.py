"""What kind of gossip a message is, and what a message to a neighbor says (neighborhood.md 2.1-2.6, 3.2)."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from enum import Enum, auto

from masq.core.network.graph import Graph
from masq.types import Endpoint, NodeAddress, PublicKey
from masq.wire.message import MAX_RECORDS, Gossip, GossipRecord


class GossipKind(Enum):
    DEBUT = auto()
    PASS = auto()
    INTRODUCTION = auto()
    STANDARD = auto()


class GossipRefused(Exception):
    """Gossip that breaks the rules; the text says how. It is dropped, and held against the sender."""


def classify(gossip: Gossip, source: Endpoint, graph: Graph) -> GossipKind:
    """The kind of a verified message from a peer at `source`. Refused if it is malformed."""
    records = gossip.records
    if any(item.address is not None and not item.address.ports for item in records):
        raise GossipRefused("an address without ports")
    if len(records) == 1:
        return _classify_one(records[0], source, graph)
    if len(records) == 2 and all(item.address for item in records):
        introducer, introducee = introduction(gossip, source)
        if introducer is None or introducee is None:
            raise GossipRefused("two addresses, neither of them the sender's")
        # 0.9.1 ignores an introducer whose introducee it knows already: ours links with it all the same.
        if introducee.record.public_key not in graph or introducer.record.public_key not in graph.root.neighbors:
            _check_introduction(introducer, introducee, graph)
            return GossipKind.INTRODUCTION
    _check_standard(gossip, graph)
    return GossipKind.STANDARD


def _classify_one(item: GossipRecord, source: Endpoint, graph: Graph) -> GossipKind:
    record, address = item.record, item.address
    known = record.public_key in graph
    if record.public_key == graph.root_key:
        raise GossipRefused("our own record")
    if address is None:
        if known and graph.at(source.ip) == record.public_key:
            return GossipKind.STANDARD  # 0.9.1 refuses this; it is all that a lone Node without a listener can say.
        if known or record.accepts_connections:
            raise GossipRefused("a Node that accepts connections shows no address")
        return GossipKind.DEBUT
    if address.ip != source.ip:
        return GossipKind.PASS
    if not record.accepts_connections:
        raise GossipRefused("a Node that accepts no connections shows an address")
    if not known:
        return GossipKind.DEBUT
    # A known Node that we don't list comes back, or one that doesn't list us asks again: 0.9.1 would ignore it.
    linked = record.public_key in graph.root.neighbors and graph.root_key in record.neighbors
    return GossipKind.STANDARD if linked else GossipKind.DEBUT


def introduction(gossip: Gossip, source: Endpoint) -> tuple[GossipRecord | None, GossipRecord | None]:
    """Introducer (who is at `source`) and introducee of a message of two addressed records."""
    first, second = gossip.records
    for one, other in ((first, second), (second, first)):
        if one.address and one.address.ip == source.ip:
            return one, other
    return None, None


def _check_introduction(introducer: GossipRecord, introducee: GossipRecord, graph: Graph) -> None:
    assert introducer.address
    assert introducee.address
    own = graph.root_address
    if graph.root_key in (introducer.record.public_key, introducee.record.public_key):
        raise GossipRefused("an introduction that contains our own record")
    if own and own.ip in (introducer.address.ip, introducee.address.ip):
        raise GossipRefused("an introduction under our own address")
    if introducee.address.ip == introducer.address.ip:
        raise GossipRefused("introducer and introducee share an address")


def _check_standard(gossip: Gossip, graph: Graph) -> None:
    own = graph.root_address
    seen: set[str] = set()
    for item in gossip.records:
        if item.record.public_key == graph.root_key:
            raise GossipRefused("it contains our own record")
        if item.address:
            if own and item.address.ip == own.ip:
                raise GossipRefused("it shows our own address")
            if item.address.ip in seen:
                raise GossipRefused("two Nodes under one address")
            seen.add(item.address.ip)


def patch(gossip: Gossip, graph: Graph, radius: int) -> dict[PublicKey, GossipRecord]:
    """The records of the message that are within `radius` links of us, along the neighbor lists of this very message.

    Of records with one key the one with the highest version is taken.
    """
    best: dict[PublicKey, GossipRecord] = {}
    for item in gossip.records:
        other = best.get(item.record.public_key)
        if other is None or item.record.version > other.record.version:
            best[item.record.public_key] = item
    reached: dict[PublicKey, GossipRecord] = {}
    seen = {graph.root_key}
    edge = graph.root.neighbors
    for _ in range(radius):
        following: set[PublicKey] = set()
        for key in sorted(edge):
            if key in seen:
                continue
            seen.add(key)
            item_or_none = best.get(key)
            if item_or_none is not None:
                reached[key] = item_or_none
                following |= item_or_none.record.neighbors
        edge = frozenset(following)
    return reached


def standard_for(graph: Graph, target: PublicKey, withheld: Collection[PublicKey] = ()) -> Gossip | None:
    """What a round tells `target`: every record that somebody lists but its own, ours first; None if we don't know it.

    Addresses are shown of ourselves, and of Nodes that the target itself lists (neighborhood.md 3.2).
    """
    to = graph.record(target)
    if to is None:
        return None
    listed = graph.listed()
    items = [GossipRecord(graph.root, graph.root_address if graph.root.accepts_connections else None)]
    for known in graph:
        record = known.record
        key = record.public_key
        if key in (target, graph.root_key) or key not in listed or key in withheld:
            continue
        shown = record.accepts_connections and key in to.neighbors
        items.append(GossipRecord(record, known.address if shown else None))
    return Gossip(tuple(items[:MAX_RECORDS]))


def may_be_dialled(address: NodeAddress, own: NodeAddress | None) -> bool:
    """Whether a peer may send us there: not to ourselves, nor to what can't be a Node (neighborhood.md 10.4 B3)."""
    ip = ipaddress.ip_address(address.ip)
    if ip.is_multicast or ip.is_unspecified or min(address.ports) < 1025 or (own and own.ip == address.ip):
        return False
    # Loopback makes sense only among Nodes of one machine, as in the demo.
    return not (ip.is_loopback or ip.is_link_local) or bool(own and ipaddress.ip_address(own.ip).is_loopback)
