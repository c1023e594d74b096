"""Issue 9, 10: megabyte records don't pass on, break no link, and don't silence who was told them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tests.attacks.stranger import Stranger, at, invented, key_pair, record_of

from masq.core.effects import Log
from masq.sim.world import World
from masq.wire import cbor
from masq.wire.message import MAX_RECORD, Gossip, NodeRecord


def inflated(record: NodeRecord, seed: int, size: int) -> NodeRecord:
    """A record of this key with something new in it, signed anew."""
    keys = key_pair(seed)
    body = cbor.decode(record.signed_data) | {"novelty": bytes(size)}
    data = cbor.encode(body)
    return dataclasses.replace(record, signed_data=data, signature=keys.sign(data))


def test_10_large_records_reach_nobody_and_no_link_breaks(tell: Callable[[str], None]) -> None:
    world = World(1001)
    world.join(6)
    world.run(20)
    known = [len(host.node.neighborhood.graph) for host in world.hosts]
    for number, victim in enumerate((world.hosts[1], world.hosts[4])):
        stranger = Stranger(world, f"10.0.9.{number}", seed=number)
        for size in (MAX_RECORD, 2_000_000):
            record = inflated(invented(stranger.keys), number, size)
            assert record.verify(stranger.keys)
            stranger.say(victim, Gossip((at(record, stranger.ip),)))
    world.run(30)
    assert [len(host.node.neighborhood.graph) for host in world.hosts] == known
    assert all(host.node.has_route for host in world.hosts)
    refused = [log for host in world.hosts for log in host.logs if isinstance(log, Log) and log.event == "link_refused"]
    assert all(log.detail.startswith("10.0.9.") for log in refused), "no link but the strangers' own is ended"
    largest = max(len(k.record.signed_data) for host in world.hosts for k in host.node.neighborhood.graph)
    tell(f"records of 6 kB and 2 MB told to two Nodes of six: largest record known afterwards {largest} B")


def test_10_who_passes_a_large_record_on_is_heard_all_the_same() -> None:
    """A Node without bounds, as of 0.9.1, tells of its neighbors and of somebody who made himself large."""
    world = World(1002)
    victim = world.add(link_policy="masq")
    elder = Stranger(world, "10.0.9.1", seed=1)
    key = victim.node.keys.public_key
    elder.say(victim, Gossip((at(invented(elder.keys), elder.ip),)))
    fat, thin = key_pair(2), key_pair(3)
    listed = frozenset((key, fat.public_key, thin.public_key))
    large = at(inflated(invented(fat, frozenset((elder.keys.public_key,))), 2, 100_000))
    small = at(invented(thin, frozenset((elder.keys.public_key,))))
    elder.say(victim, Gossip((at(invented(elder.keys, listed, 1), elder.ip), large, small)))
    graph = victim.node.neighborhood.graph
    assert graph.is_full(key, elder.keys.public_key)
    assert thin.public_key in graph
    assert fat.public_key not in graph
    assert not [log for log in victim.logs if isinstance(log, Log) and log.event in ("offence", "package_dropped")]
    assert record_of(victim).neighbors == {elder.keys.public_key}
