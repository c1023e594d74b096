"""Issue 9, 14: what is held against whom for gossip, and that nobody is charged with what others did."""

from __future__ import annotations

import dataclasses

import pytest
from tests.attacks.stranger import Stranger, at, invented, is_full, key_pair, offences, record_of, tell
from tests.network_ends import Ours, Peer

from masq.core.limits import SHOWN_PER_HOUR
from masq.core.network.shown import Shown
from masq.core.offence import Rule
from masq.sim.world import World
from masq.types import Endpoint, NodeAddress
from masq.wire.message import Gossip, GossipFailure, GossipRecord

LIAR, VICTIM_OF_IT, NEW = Peer(1), Peer(2), Peer(50)


def forged(item: GossipRecord) -> GossipRecord:
    return dataclasses.replace(item, record=dataclasses.replace(item.record, signature=bytes(64)))


def test_14_a_forged_record_of_somebody_is_held_against_who_sent_it() -> None:
    ours = Ours()
    ours.befriends(LIAR)
    ours.befriends(VICTIM_OF_IT)
    message = (LIAR.shown(ours.key, VICTIM_OF_IT.key, version=3), forged(VICTIM_OF_IT.hidden(version=9)))
    ours.hears(LIAR, *message, proven=LIAR)
    (offence,) = ours.offences
    assert (offence.rule, offence.ip, offence.key) == (Rule.FORGED_GOSSIP, LIAR.ip, LIAR.key)
    assert VICTIM_OF_IT.key in ours.full
    assert ours.graph.record(LIAR.key) == LIAR.record(ours.key, version=2), "nothing of the message counts"


def test_14_over_json_nobody_but_the_other_end_of_the_connection_is_named() -> None:
    ours = Ours()
    ours.befriends(VICTIM_OF_IT)
    # A stranger says that it is the neighbor, with the neighbor's address beside it.
    source = Endpoint("203.0.113.9", 40_000)
    item = GossipRecord(forged(VICTIM_OF_IT.hidden(version=9)).record, NodeAddress(source.ip, (6001,)))
    ours._take(ours.core.receive(Gossip((item,)), source, ours.now))
    (offence,) = ours.offences
    assert (offence.ip, offence.key, offence.wallet) == (source.ip, b"", b"")


INNOCENT = [
    pytest.param(lambda ours: replaced(NodeAddress(ours_ip(), (6001,))), id="somebody at our own address"),
    pytest.param(lambda ours: replaced(LIAR.address), id="two Nodes at one address"),
    pytest.param(lambda ours: replaced(NodeAddress("10.1.0.3", ())), id="an address without ports"),
    pytest.param(lambda ours: VICTIM_OF_IT.hidden(version=0), id="an old record"),
    pytest.param(lambda ours: dearer(), id="other rates under the same key"),
]


def ours_ip() -> str:
    return Peer(0).ip


def replaced(address: NodeAddress) -> GossipRecord:
    return GossipRecord(VICTIM_OF_IT.record(version=9), address)


def dearer() -> GossipRecord:
    rates = VICTIM_OF_IT.record().rates._replace(exit_byte_rate=5)
    return GossipRecord(VICTIM_OF_IT.record(version=9, rates=rates), None)


@pytest.mark.parametrize("told", INNOCENT)
def test_14_what_an_honest_node_can_be_made_to_pass_on_is_held_against_nobody(told: object) -> None:
    ours = Ours()
    honest = Peer(4)
    ours.befriends(honest)
    ours.befriends(VICTIM_OF_IT)
    item = told(ours)  # type: ignore[operator]
    ours.hears(
        honest, honest.shown(ours.key, VICTIM_OF_IT.key, Peer(5).key, version=3), item, Peer(5).hidden(honest.key)
    )
    assert ours.offences == []
    assert ours.knows(Peer(5)), "and the rest of what it says counts"


def test_14_what_0_9_1_does_by_nature_is_held_against_nobody() -> None:
    ours = Ours()
    lone = Peer(6)
    ours.hears(lone, lone.hidden(accepts=False))
    ours.hears(lone, lone.hidden(ours.key, version=2, accepts=False))  # A lone record of a Node without an address.
    ours.hears(lone, lone.hidden(version=2))  # It accepts connections, and doesn't know its own address yet.
    ours.hears(Peer(7), Peer(8).shown())  # A Pass, to somebody who has given up.
    ours.hears(Peer(7), Peer(7).shown(), Peer(8).shown())  # An Introduction, likewise.
    ours.hears_failure(Peer(7))
    assert ours.offences == []


def test_14_who_collects_addresses_is_shown_no_more() -> None:
    ours = Ours(diverse=True)
    shown: set[bytes] = set()
    asker = NodeAddress("198.51.100.7", (6001,))
    for number in range(40):
        # Neighbors come and go, and the asker comes with a new key each time.
        friend = Peer(100 + number)
        record = invented(friend.keys, frozenset((ours.key,)), wallet=number.to_bytes(20, "big"))
        ours._take(
            ours.core.receive(Gossip((at(record, f"203.0.{number}.1"),)), Endpoint(f"203.0.{number}.1", 1), ours.now)
        )
        debut = GossipRecord(invented(key_pair(number), wallet=(500 + number).to_bytes(20, "big")), asker)
        for answer in ours._take(ours.core.receive(Gossip((debut,)), Endpoint(asker.ip, 40_000), ours.now)):
            if isinstance(answer.message, Gossip) and answer.key == debut.record.public_key:
                shown |= {item.record.public_key for item in answer.message.records} - {ours.key, answer.key}
        ours._take(ours.core.link_lost(f"203.0.{number}.1", ours.now))
        ours._take(ours.core.link_lost(asker.ip, ours.now))
    assert len(shown) <= SHOWN_PER_HOUR
    assert ours.offences
    assert all(offence == dataclasses.replace(offence, ip=asker.ip, key=b"") for offence in ours.offences)


def test_14_who_asks_after_a_collector_of_its_network_is_not_charged_for_it() -> None:
    shown = Shown()
    for number in range(SHOWN_PER_HOUR):
        assert shown.may_show("198.51.100.7", bytes([number]), 0.0)
    assert not shown.may_show("198.51.100.8", b"new", 1.0)
    assert not shown.greedy("198.51.100.8", 1.0)
    assert shown.greedy("198.51.100.7", 1.0)
    assert shown.may_show("198.51.100.8", bytes([0]), 1.0), "what is shown already tells nothing new"
    assert shown.may_show("198.51.100.8", b"new", 3_601.0)


def test_14_forgers_are_banned_and_their_neighbors_are_not() -> None:
    world = World(1401)
    world.join(6)
    world.run(20)
    victim = world.hosts[2]
    rogue = next(host for host in world.hosts if host is not victim and is_full(victim, host))
    others = [host for host in world.hosts if host not in (victim, rogue)]
    for version in range(3):
        root = record_of(rogue)
        listed = frozenset({victim.node.keys.public_key})  # Nobody but itself says that a neighbor leaves us.
        framed = [forged(at(invented(other.node.keys, listed, 99 + version))) for other in others]
        keys = frozenset(item.record.public_key for item in framed)
        own = invented(
            rogue.node.keys,
            root.neighbors | keys,
            root.version + 1 + version,
            wallet=root.earning_wallet,
            extensions=root.extensions,
        )
        tell(rogue, victim, Gossip((at(own, rogue.ip), *framed)))
    world.run(30)
    assert offences(victim, Rule.FORGED_GOSSIP)
    assert victim.node.bans.banned(rogue.ip, world.now)
    for other in others:
        assert not victim.node.bans.banned(other.ip, world.now)
        assert not victim.node.bans.banned_key(other.node.keys.public_key, world.now)


def test_14_a_stranger_s_forgeries_are_his_own() -> None:
    world = World(1402)
    world.join(4)
    world.run(15)
    victim, framed = world.hosts[1], world.hosts[2]
    stranger = Stranger(world, "10.0.9.9")
    stranger.say(victim, Gossip((forged(at(invented(key_pair(7)), stranger.ip)),)), GossipFailure.UNKNOWN)
    stranger.say(victim, Gossip((forged(at(record_of(framed), stranger.ip)),)))
    assert not victim.node.bans.banned(framed.ip, world.now)
    assert all(stranger.ip in text for text in offences(victim, Rule.FORGED_GOSSIP))
