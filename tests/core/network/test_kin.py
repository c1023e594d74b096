"""Nodes of our kind behind Nodes of 0.9.1: listed to be shown where they are, and debuted to there."""

from __future__ import annotations

from tests.network_ends import Ours, Peer, peers, told_keys

from masq.core.network.kin import AGAIN_AFTER, LOOK_EVERY
from masq.core.network.neighborhood import CONFIRM
from masq.core.network.own_record import EXTENSIONS
from masq.types import NodeAddress
from masq.wire.message import GossipRecord

OLD, FAR = peers(2)
LOWER, HIGHER = sorted(peers(40, 50), key=lambda peer: peer.key)[::39]
"""Of one of both the key is below ours, of the other one above."""


def ours_at(peer: Peer, *listed: bytes, version: int = 5, accepts: bool = True) -> GossipRecord:
    """A Node of our kind, as others tell of it."""
    return GossipRecord(peer.record(*listed, version=version, accepts=accepts, extensions=EXTENSIONS), None)


def between(*kin: GossipRecord, accepts: bool = True) -> Ours:
    """We have a neighbor of 0.9.1, and these are its neighbors, too."""
    ours = Ours(accepts=accepts) if accepts else Ours(accepts=False, address=None)
    ours.befriends(OLD, *(item.record.public_key for item in kin))
    said = OLD.shown(ours.key, *(item.record.public_key for item in kin), version=9)
    ours.hears(OLD, said, *kin)
    assert all(item.record.public_key in ours.graph for item in kin)
    return ours


def shows(ours: Ours, peer: Peer, address: NodeAddress) -> list[bytes]:
    """The neighbor of 0.9.1 shows where somebody is: to whom we debut for it."""
    item = ours_at(peer, OLD.key, version=5)
    said = OLD.shown(ours.key, peer.key, version=9)
    tells = ours.hears(OLD, said, GossipRecord(item.record, address))
    return [tell.key for tell in tells if told_keys(tell) == [ours.key]]


def test_one_is_listed_and_debuted_to_when_it_is_shown_and_goes_again_if_it_does_not_list_us() -> None:
    ours = between(ours_at(HIGHER, OLD.key))
    ours.waits(LOOK_EVERY)
    assert ours.lists(HIGHER)
    assert shows(ours, HIGHER, HIGHER.address) == [HIGHER.key]
    assert shows(ours, HIGHER, HIGHER.address) == [], "once"
    ours.waits(CONFIRM + 1.0)
    assert not ours.lists(HIGHER)
    ours.waits(AGAIN_AFTER - CONFIRM - LOOK_EVERY - 30.0)
    assert not ours.lists(HIGHER), "it is left alone"
    ours.waits(60.0)
    assert ours.lists(HIGHER)


def test_of_two_the_one_with_the_lower_key_lists_the_other() -> None:
    """If both did they would seem to be linked, and nothing would take them from the lists again."""
    ours = between(ours_at(LOWER, OLD.key))
    ours.waits(4 * LOOK_EVERY)
    assert not ours.lists(LOWER)


def test_who_accepts_no_connections_lists_whoever_does() -> None:
    ours = between(ours_at(LOWER, OLD.key), accepts=False)
    ours.waits(LOOK_EVERY)
    assert ours.lists(LOWER)


def test_nobody_is_listed_who_can_not_be_shown_or_is_not_of_our_kind() -> None:
    silent = ours_at(HIGHER, OLD.key, accepts=False)
    farther = ours_at(Peer(90), FAR.key)
    other = GossipRecord(FAR.record(OLD.key, version=5), None)
    ours = Ours()
    ours.befriends(OLD, HIGHER.key, FAR.key)
    ours.hears(OLD, OLD.shown(ours.key, HIGHER.key, FAR.key, version=9), silent, other, farther)
    ours.waits(8 * LOOK_EVERY)
    assert ours.record.neighbors == {OLD.key}


def test_what_is_no_place_to_dial_and_who_was_not_listed_are_not_debuted_to() -> None:
    ours = between(ours_at(HIGHER, OLD.key))
    ours.waits(LOOK_EVERY)
    assert shows(ours, Peer(60), Peer(60).address) == []
    assert shows(ours, HIGHER, NodeAddress("127.0.0.1", (6001,))) == []


def test_one_after_the_other_and_no_more_when_there_are_three() -> None:
    kin = [peer for peer in peers(60, 50) if peer.key > Ours().key][:6]
    ours = between(*(ours_at(peer, OLD.key) for peer in kin))
    seen = set[bytes]()
    for _ in range(3):
        ours.waits(LOOK_EVERY)
        (new,) = ours.record.neighbors - {OLD.key} - seen
        seen.add(new)
        (peer,) = (peer for peer in kin if peer.key == new)
        ours.linked.add(new)
        ours.hears(peer, GossipRecord(ours_at(peer, OLD.key, ours.key, version=6).record, peer.address), proven=peer)
        assert new in ours.full
    ours.waits(4 * LOOK_EVERY)
    assert ours.record.neighbors == {OLD.key, *seen}
