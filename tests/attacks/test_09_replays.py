"""Issue 9, 9: a record that was true once, told again by somebody else, changes nothing."""

from __future__ import annotations

import pytest
from tests.attacks.stranger import Stranger, at, invented, is_full, key_pair, offences, record_of, tell
from tests.network_ends import Ours, Peer

from masq.core.limits import MAX_UNPROVEN, PROVE_WITHIN
from masq.core.offence import Rule
from masq.sim.host import SimNode as Host
from masq.sim.world import World
from masq.types import NodeAddress
from masq.wire.message import Gossip, GossipRecord, NodeRecord

KINDS = [pytest.param("auto", id="secure links"), pytest.param("masq", id="JSON")]


def pair(seed: int, policy: str) -> tuple[World, Host, Host, list[NodeRecord]]:
    """A victim, a neighbor of it, and all records that the neighbor has ever signed."""
    world = World(seed)
    world.add(link_policy=policy)
    neighbor = world.add(world.hosts[:1], link_policy=policy)
    signed = [record_of(neighbor)]
    for _ in range(3):
        world.add(world.hosts[-1:], link_policy=policy)
        for _ in range(20):
            world.run(0.05)
            if record_of(neighbor) != signed[-1]:
                signed.append(record_of(neighbor))
    world.run(5)
    assert is_full(world.hosts[0], neighbor)
    assert len(signed) > 1
    return world, world.hosts[0], neighbor, signed


@pytest.mark.parametrize("policy", KINDS)
def test_09_old_records_from_elsewhere_don_t_cut_a_neighbor_off(policy: str) -> None:
    world, victim, neighbor, signed = pair(901, policy)
    key, graph = neighbor.node.keys.public_key, victim.node.neighborhood.graph
    stranger = Stranger(world, "10.0.9.9")
    for record in signed:
        stranger.say(
            victim, Gossip((at(record, "10.0.9.9"),)), Gossip((at(record, neighbor.ip),)), Gossip((at(record),))
        )
        world.run(2)
        assert is_full(victim, neighbor)
        assert graph.record(key) == record_of(neighbor)
        address = graph.address(key)
        assert address
        assert address.ip == neighbor.ip
        assert graph.at("10.0.9.9") is None


def test_09_nor_does_what_a_neighbor_passes_on() -> None:
    """A record that its Node signed for somebody else, newer than what the victim knows, doesn't list the victim."""
    world, victim, neighbor, _ = pair(902, "auto")
    rogue = next(host for host in world.hosts[2:] if is_full(host, victim) or is_full(host, neighbor))
    known = record_of(neighbor)
    short = NodeRecord.sign(
        neighbor.node.keys,
        known.earning_wallet,
        known.rates,
        frozenset((rogue.node.keys.public_key,)),
        True,
        True,
        known.version + 1,
        None,
        known.extensions,
    )
    tell(rogue, victim, Gossip((at(record_of(rogue), rogue.ip), at(short), *fill(rogue))))
    assert is_full(victim, neighbor)


def fill(host: Host) -> list[GossipRecord]:
    root = host.node.keys.public_key
    return [
        GossipRecord(known.record, None) for known in host.node.neighborhood.graph if known.record.public_key != root
    ][:1]


def test_09_who_can_prove_its_key_is_believed_over_a_link_that_did() -> None:
    world = World(903)
    victim, honest = world.join(2)
    world.run(5)
    honest.crash()
    world.run(1)
    # Nobody holds its address now; its newest record comes over JSON, from an address that it never had.
    stranger = Stranger(world, "10.0.9.9")
    stranger.say(victim, Gossip((at(record_of(honest), "10.0.9.9"),)))
    world.run(15)
    graph = victim.node.neighborhood.graph
    assert honest.node.keys.public_key not in graph.root.neighbors
    assert graph.at("10.0.9.9") is None


def test_09_an_address_is_believed_from_nobody_but_its_node() -> None:
    world = World(904)
    world.join(6)
    world.run(20)
    victim = world.hosts[2]
    graph = victim.node.neighborhood.graph
    full = {record.public_key for record in graph.full_neighbors(graph.root_key)}
    liar = next(host for host in world.hosts if host.node.keys.public_key in full)
    before = {key: graph.address(key) for key in [known.record.public_key for known in graph]}
    addressed = [
        GossipRecord(known.record, NodeAddress(f"10.9.0.{number}", (6001,)))
        for number, known in enumerate(liar.node.neighborhood.graph)
        if known.record.public_key not in (graph.root_key, liar.node.keys.public_key)
    ]
    tell(liar, victim, Gossip((at(record_of(liar), liar.ip), *addressed)))
    world.run(5)
    assert {key: graph.address(key) for key in before} == before


def test_09_who_speaks_for_another_key_over_a_secure_link_is_charged_with_it_and_nobody_else() -> None:
    world = World(905)
    world.join(3)
    world.run(10)
    victim, rogue = world.hosts[:2]
    tell(rogue, victim, Gossip((at(invented(key_pair(5)), rogue.ip),)))
    assert offences(victim, Rule.IMPOSTOR)
    assert all(rogue.ip in text for text in offences(victim, Rule.IMPOSTOR))


def test_09_a_move_to_another_address_is_believed_from_who_proves_its_key() -> None:
    world, victim, neighbor, _ = pair(906, "auto")
    key, graph = neighbor.node.keys.public_key, victim.node.neighborhood.graph
    neighbor.lose_links()
    world.run(10)
    assert graph.is_full(graph.root_key, key)
    assert graph.at(neighbor.ip) == key


def test_09_what_waits_for_a_proof_is_not_displaced_by_who_replays_it_and_is_bounded() -> None:
    ours, honest = Ours(), Peer(1)
    said = GossipRecord(honest.record(extensions=("circuit1",)), honest.address)
    assert ours.hears(honest, said) == []
    assert ours.asked == [honest.key]
    for number in range(20):
        liar = Peer(10 + number)
        ours.hears(liar, GossipRecord(said.record, liar.address))
    assert len(ours.core.speakers.unproven) == MAX_UNPROVEN
    assert not ours.record.neighbors
    (answer,) = ours.has_proof(honest.key, honest)
    assert answer.key == honest.key
    assert ours.record.neighbors == {honest.key}
    assert ours.graph.at(honest.ip) == honest.key
    assert ours.offences == []


def test_09_what_waits_too_long_counts_no_more() -> None:
    ours, honest = Ours(), Peer(1)
    ours.hears(honest, GossipRecord(honest.record(extensions=("circuit1",)), honest.address))
    ours.now += PROVE_WITHIN + 1
    assert ours.has_proof(honest.key, honest) == []
    assert not ours.record.neighbors


def test_09_a_node_of_0_9_1_that_begins_again_is_believed_where_it_was_and_nowhere_else() -> None:
    ours, elder = Ours(), Peer(1)
    ours.befriends(elder)  # Version 2.
    ours.linked.add(elder.key)
    ours.hears(Peer(5), GossipRecord(elder.record(version=0), Peer(5).address))
    assert elder.key in ours.full
    ours.linked.clear()
    ours.loses(elder)
    ours.hears(Peer(5), GossipRecord(elder.record(version=0), Peer(5).address))
    assert not ours.lists(elder)
    ours.hears(elder, elder.shown(version=0))
    assert ours.lists(elder)
