"""What kind of gossip a message is, and what a message to a neighbor says (neighborhood.md 2.1-2.6, 3.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from enum import Enum, auto
from typing import Final

from masq.core.limits import MAX_MESSAGE
from masq.core.network.graph import Graph
from masq.core.offence import Rule
from masq.types import Endpoint, NodeAddress, PublicKey
from masq.wire.internet import judged
from masq.wire.message import MAX_RECORDS, Gossip, GossipRecord

SHOWN_FAR: Final = 4
"""Records from us to the farthest that 0.9.1 is told of: it believes less, and its messages grow with each."""
LONGEST_WAY: Final = 7
"""Records from us to the farthest that a part of a message holds: nobody believes more than six hops."""
RECORD_AROUND: Final = 224
"""Bytes around the signed ones of a record, at most: names, signature, address."""


class GossipKind(Enum):
    DEBUT = auto()
    PASS = auto()
    INTRODUCTION = auto()
    STANDARD = auto()


class GossipRefused(Exception):
    """Gossip that breaks the rules; the text says how. It is dropped.

    `rule`: what it is held against the sender as. None where an honest Node, of 0.9.1 too, can be made to send it by
    what others told it, or sends it by nature.
    """

    def __init__(self, text: str, rule: Rule | None = None) -> None:
        super().__init__(text)
        self.rule = rule


def usable(gossip: Gossip, graph: Graph) -> Gossip:
    """The message without those addresses in it that can't be: without ports, our own, or of two Nodes at once.

    A neighbor may have been told them by others, so the rest of what it says counts. What speaks for a Node that wants
    to join is left as it is, to be judged by `classify`.
    """
    if len(gossip.records) < 2:
        return gossip
    own = graph.root_address
    ips = Counter(item.address.ip for item in gossip.records if item.address)

    def cleared(item: GossipRecord) -> GossipRecord:
        address = item.address
        if address is None or (address.ports and ips[address.ip] == 1 and not (own and own.ip == address.ip)):
            return item
        return replace(item, address=None)

    return Gossip(tuple(map(cleared, gossip.records)))


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
        raise GossipRefused("our own record", Rule.DECEPTIVE_GOSSIP)
    if address is None:
        if known and graph.at(source.ip) == record.public_key:
            return GossipKind.STANDARD  # 0.9.1 refuses this; it is all that a lone Node without a listener can say.
        if record.accepts_connections:
            raise GossipRefused("a Node that accepts connections shows no address")
        return GossipKind.DEBUT
    if address.ip != source.ip:
        return GossipKind.PASS
    if not record.accepts_connections:
        raise GossipRefused("a Node that accepts no connections shows an address", Rule.DECEPTIVE_GOSSIP)
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
    if graph.root_key in (introducer.record.public_key, introducee.record.public_key):
        raise GossipRefused("an introduction that contains our own record", Rule.DECEPTIVE_GOSSIP)


def _check_standard(gossip: Gossip, graph: Graph) -> None:
    if any(item.record.public_key == graph.root_key for item in gossip.records):
        raise GossipRefused("it contains our own record", Rule.DECEPTIVE_GOSSIP)


def patch(gossip: Gossip, graph: Graph, radius: int, aware: bool = False) -> dict[PublicKey, GossipRecord]:
    """The records of the message that are within `radius` links of us, along the neighbor lists of this very message.

    `aware`: along what we know, too, as who tells differences relies on that.

    Of records with one key the one with the highest version is taken.
    """
    best: dict[PublicKey, GossipRecord] = {}
    for item in gossip.records:
        other = best.get(item.record.public_key)
        if other is None or item.record.version > other.record.version:
            best[item.record.public_key] = item
    if aware and len(best) == 1:  # Most often so. How far it is does not depend on whom it lists itself.
        return best if graph.within(radius) >= best.keys() else {}
    reached: dict[PublicKey, GossipRecord] = {}
    seen = {graph.root_key}
    edge = graph.root.neighbors
    for _ in range(radius):
        edge = edge - seen
        seen |= edge
        told = edge & best.keys()
        reached.update((key, best[key]) for key in sorted(told))
        lists = [best[key].record.neighbors for key in told]
        if aware:
            lists += [record.neighbors for key in edge - told if (record := graph.record(key))]
        edge = frozenset[PublicKey]().union(*lists)
    return reached


def standard_for(graph: Graph, target: PublicKey, withheld: Collection[PublicKey] = ()) -> Gossip | None:
    """What a round tells `target`: every record that somebody lists but its own, ours first; None if we don't know it.

    Addresses are shown of ourselves, and of Nodes that the target itself lists (neighborhood.md 3.2).
    """
    to = graph.record(target)
    if to is None:
        return None
    near = graph.within(SHOWN_FAR)
    items = [GossipRecord(graph.root, graph.root_address if graph.root.accepts_connections else None)]
    for known in graph:
        record = known.record
        key = record.public_key
        if key in (target, graph.root_key) or key not in near or not graph.is_listed(key) or key in withheld:
            continue
        shown = record.accepts_connections and key in to.neighbors
        items.append(GossipRecord(record, known.address if shown else None))
    return Gossip(tuple(items))


def parts(gossip: Gossip, target_lists: Iterable[PublicKey], most: int = MAX_MESSAGE) -> list[Gossip]:
    """The message, in as many as it takes for each to stay below `most` bytes and MAX_RECORDS.

    Its receiver believes what it can reach along the lists of one message, from itself on (neighborhood.md 2.6). So
    each begins with our own record, and holds with every record those on a way to it. What can't be reached comes in
    none.
    """
    if len(gossip.records) <= MAX_RECORDS and sum(map(_size, gossip.records)) <= most:
        return [gossip]
    by_key = {item.record.public_key: item for item in gossip.records}
    own = gossip.records[0].record.public_key
    ways = _ways(by_key, [own, *sorted(set(target_lists) - {own})])
    made: list[Gossip] = []
    part: dict[PublicKey, GossipRecord] = {}
    size = 0
    for way in ways:
        if not part:
            part, size = {own: by_key[own]}, _size(by_key[own])
        new = [key for key in way if key not in part]
        if len(part) + len(new) > MAX_RECORDS or size + sum(_size(by_key[key]) for key in new) > most:
            made.append(Gossip(tuple(part.values())))
            part = {key: by_key[key] for key in dict.fromkeys((own, *way))}
            size = sum(map(_size, part.values()))
            continue
        part |= {key: by_key[key] for key in new}
        size += sum(_size(by_key[key]) for key in new)
    # One or two records could be taken for a Debut or an Introduction.
    for key in by_key:
        if len(part) < 3:
            part.setdefault(key, by_key[key])
    return [*made, Gossip(tuple(part.values()))]


def _ways(by_key: dict[PublicKey, GossipRecord], starts: list[PublicKey]) -> list[tuple[PublicKey, ...]]:
    """The shortest way to each record that can be reached along lists, those below one neighbor together."""
    ways: dict[PublicKey, tuple[PublicKey, ...]] = {key: (key,) for key in starts if key in by_key}
    edge = list(ways)
    while edge:
        following: list[PublicKey] = []
        for key in edge:
            if len(ways[key]) == LONGEST_WAY:
                continue
            for other in sorted(by_key[key].record.neighbors):
                if other in by_key and other not in ways:
                    ways[other] = (*ways[key], other)
                    following.append(other)
        edge = following
    return sorted(ways.values())


def _size(item: GossipRecord) -> int:
    """Bytes of a record in a message, at most: in its envelope most bytes become two (protocol.md 6)."""
    return 2 * (len(item.record.signed_data) + RECORD_AROUND)


def may_be_dialled(address: NodeAddress, own: NodeAddress | None) -> bool:
    """Whether a peer may send us there: not to ourselves, nor to what can't be a Node (neighborhood.md 10.4 B3)."""
    ip = judged(address.ip)
    if ip.is_multicast or ip.is_unspecified or ip.is_reserved or min(address.ports) < 1025:
        return False
    own_ip = judged(own.ip) if own else None
    if ip == own_ip:
        return False
    # Loopback makes sense only among Nodes of one machine, as in the demo.
    return not (ip.is_loopback or ip.is_link_local) or bool(own_ip and own_ip.is_loopback)
