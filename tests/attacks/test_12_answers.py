"""Issue 9, 12: who sits at a contact's address and has another key is nobody to us."""

from __future__ import annotations

from tests.attacks.stranger import Stranger, at, invented, key_pair
from tests.network_ends import Ours, Peer

from masq.sim.world import World
from masq.wire.message import Gossip

CONTACT, OTHER, NEXT = Peer(1), Peer(2), Peer(3)


def impostor(*listed: bytes) -> Gossip:
    """A record of another key, with the contact's address beside it."""
    return Gossip((at(invented(OTHER.keys, frozenset(listed), 5), CONTACT.ip),))


def test_12_an_introduction_by_another_key_than_the_descriptor_s_is_not_followed() -> None:
    ours = Ours(CONTACT.contact(whole_key=False))
    ours.starts()
    wrong = Gossip((*impostor(ours.key).records, NEXT.shown()))
    assert ours._take(ours.core.receive(wrong, CONTACT.source, ours.now)) == []
    assert ours.full == []
    assert OTHER.key not in ours.record.neighbors
    right = Gossip((CONTACT.shown(ours.key), NEXT.shown()))
    (debut,) = ours._take(ours.core.receive(right, CONTACT.source, ours.now))
    assert debut.key == NEXT.key


def test_12_nor_is_another_key_s_round_taken_for_its_answer() -> None:
    ours = Ours(CONTACT.contact(whole_key=False))
    ours.starts()
    ours._take(ours.core.receive(impostor(ours.key), CONTACT.source, ours.now))
    contact = ours.core.contacts.by_ip[CONTACT.ip]
    assert not contact.answered
    assert contact.key[:32] == CONTACT.key[:32]


def test_12_over_a_secure_link_of_another_key_no_pass_is_followed() -> None:
    ours = Ours(CONTACT.contact(whole_key=False))
    ours.starts()
    away = Gossip((NEXT.shown(),))
    assert ours._take(ours.core.receive(away, CONTACT.source, ours.now, OTHER.key)) == []
    (debut,) = ours._take(ours.core.receive(away, CONTACT.source, ours.now, CONTACT.key))
    assert debut.key == NEXT.key


def test_12_a_contact_is_asked_again_though_somebody_else_has_its_address() -> None:
    world = World(1201)
    honest = world.join(4)
    gone = honest[3]
    gone.crash()
    impostor = Stranger(world, gone.ip, seed=9)
    newcomer = world.add([gone, honest[0]])
    world.run(5)
    listed = frozenset((newcomer.node.keys.public_key,))
    accomplice = at(invented(key_pair(10)), "10.0.9.10")
    impostor.say(newcomer, Gossip((at(invented(impostor.keys, listed), gone.ip), accomplice)))
    impostor.say(newcomer, Gossip((at(invented(impostor.keys, listed, 1), gone.ip),)))
    world.run(30)
    graph = newcomer.node.neighborhood.graph
    full = {record.public_key for record in graph.full_neighbors(graph.root_key)}
    assert not newcomer.node.neighborhood.contacts.by_ip[gone.ip].answered
    assert full
    assert accomplice.record.public_key not in graph
