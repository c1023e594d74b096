"""Issue 9, 11, and issue 10, 1: who is taken in between two neighbors gets no anchor's place, and leaves no gap."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.attacks.stranger import at, invented, record_of
from tests.network_ends import Ours, Peer, peers, told_keys
from tests.simulation.mesh_growth import components, grow, neighbors_of

from masq.core.limits import ANCHORS, MAX_DEGREE, SPLIT_WITHIN
from masq.core.network.own_record import EXTENSIONS
from masq.types import PublicKey
from masq.wire.message import GossipRecord

HONEST = peers(MAX_DEGREE)


def said(peer: Peer, *listed: PublicKey, version: int = 1) -> GossipRecord:
    """Of a Node of our kind, at its address."""
    return at(invented(peer.keys, frozenset(listed), version, extensions=EXTENSIONS), peer.ip)


def tells_all(ours: Ours, peer: Peer, *listed: PublicKey, version: int) -> None:
    """A round: other than a Debut it says that somebody is listed no more."""
    other = GossipRecord(invented(peers(1, 9_000)[0].keys), None)
    ours.hears(peer, said(peer, *listed, version=version), other, proven=peer)


def crowd(peer: Peer) -> list[PublicKey]:
    """As many others as leave it no room."""
    return [other.key for other in peers(MAX_DEGREE - 1, 10_000 + 10 * peer.number)]


def full_node(*named: Peer) -> Ours:
    """Ourselves with neighbors of our kind, one after the other; none of them has room."""
    ours = Ours(*(peer.contact() for peer in named))
    for peer in HONEST:
        ours.hears(peer, said(peer), proven=peer)
        ours.hears(peer, said(peer, ours.key, *crowd(peer), version=2), proven=peer)
        ours.linked.add(peer.key)
        ours.waits(6.0)
    assert set(ours.full) == {peer.key for peer in HONEST}
    return ours


def attack(ours: Ours, count: int, *, parts: bool) -> list[Peer]:
    """Newcomers in a row, that come until they are taken. `parts`: whether whom we introduce them to makes room."""
    hostile = peers(count, 500)
    for peer in hostile:
        for version in (1, 2):
            told = ours.hears(peer, said(peer, version=version), proven=peer)
        shown = {key for tell in told if tell.key == peer.key and len(keys := told_keys(tell)) == 2 for key in keys}
        ours.hears(peer, said(peer, ours.key, version=3), proven=peer)
        for honest in HONEST if parts else ():
            if honest.key in shown and honest.key in ours.full and len(ours.full) > MAX_DEGREE:
                tells_all(ours, honest, *crowd(honest), peer.key, version=10 + peer.number)
                assert not ours.lists(honest)
        ours.waits(SPLIT_WITHIN + 1)
        ours.waits(SPLIT_WITHIN + 1)
    return hostile


@pytest.mark.parametrize("parts", [True, False])
@pytest.mark.parametrize("named", [(), (HONEST[3],), tuple(HONEST)])
def test_11_newcomers_in_a_row_get_no_place_of_an_anchor(
    parts: bool, named: tuple[Peer, ...], tell: Callable[[str], None]
) -> None:
    """B12."""
    ours = full_node(*named)
    anchors = {peer.key for peer in (*HONEST[:ANCHORS], *named)}
    hostile = {peer.key for peer in attack(ours, 20, parts=parts)}
    got = len(hostile & set(ours.full))
    tell(f"20 newcomers through splits, {len(named)} neighbors named: {got} of {len(ours.full)} places")
    assert anchors <= set(ours.full)
    assert got <= MAX_DEGREE - len(anchors)
    assert len(ours.full) == MAX_DEGREE


@pytest.mark.parametrize("parts", [True, False])
def test_11_who_made_room_is_asked_again_when_those_it_was_made_for_leave(parts: bool) -> None:
    ours = full_node()
    hostile = attack(ours, 3, parts=parts)
    lost = [peer for peer in HONEST if not ours.lists(peer)]
    assert lost
    for peer in hostile:
        ours.loses(peer)
    asked = {tell.key for tell in ours.waits(2.0)}
    assert {peer.key for peer in lost} <= asked
    for peer in lost:
        tells_all(ours, peer, ours.key, *crowd(peer), version=2_000)
    assert set(ours.full) == {peer.key for peer in HONEST}


def test_11_those_that_took_up_one_newcomer_do_not_all_part_from_it_at_once() -> None:
    """It would be alone, debut to the same ones, and be taken up and left again, without end."""
    ours = full_node()
    newcomer = peers(1, 500)[0]
    for version in (1, 2):
        ours.hears(newcomer, said(newcomer, version=version), proven=newcomer)
    ours.hears(newcomer, said(newcomer, ours.key, version=3), proven=newcomer)
    assert len(ours.full) == MAX_DEGREE + 1
    ours.waits(0.1)
    ours.waits(SPLIT_WITHIN * (1 + ours.key[0] / 255) - 0.5)
    assert len(ours.full) == MAX_DEGREE + 1
    ours.waits(1.0)
    assert len(ours.full) == MAX_DEGREE


def test_11_a_neighbor_gives_way_to_no_newcomer_where_there_is_room() -> None:
    ours = full_node()
    other, newcomer, needless = HONEST[4], Peer(600), Peer(601)
    ours.hears(other, said(other, ours.key, needless.key, *crowd(other)[2:], version=50), proven=other)
    ours.waits(2.0)
    ours.hears(needless, said(needless, other.key), proven=needless)
    assert ours.lists(other), "it has a place free"
    ours.hears(other, said(other, ours.key, newcomer.key, *crowd(other), version=100), proven=other)
    ours.waits(2.0)
    ours.hears(newcomer, said(newcomer, other.key), proven=newcomer)
    assert ours.lists(newcomer)
    assert not ours.lists(other)
    anchor, last = HONEST[0], Peer(700)
    ours.hears(anchor, said(anchor, ours.key, last.key, *crowd(anchor), version=100), proven=anchor)
    ours.waits(2.0)
    ours.hears(last, said(last, anchor.key), proven=last)
    assert ours.lists(anchor)


def test_11_a_mesh_whose_newcomers_all_leave_again_is_as_it_was(tell: Callable[[str], None]) -> None:
    world = grow(1103, 20, None)
    world.run(30)
    honest = list(world.hosts)
    victim = max(honest, key=lambda host: len(neighbors_of(world, host)))
    before = {host.number: len(neighbors_of(world, host)) for host in honest}
    assert before[victim.number] == MAX_DEGREE
    lists = record_of(victim).neighbors
    for _ in range(8):
        world.add([victim])
        world.run(3)
    world.run(30)
    taken = len(record_of(victim).neighbors - lists)
    for host in world.hosts[len(honest) :]:
        host.crash()
    world.run(60)
    after = {host.number: len(neighbors_of(world, host)) for host in honest}
    fewer = {number: (before[number], after[number]) for number in before if after[number] < min(3, before[number])}
    tell(f"8 newcomers, of whom {taken} got a place of one Node, left: {sum(before.values())}, {sum(after.values())}")
    assert taken <= MAX_DEGREE - ANCHORS
    assert components(world) == [len(honest)]
    assert not fewer
    assert after[victim.number] >= before[victim.number]
    assert all(host.node.has_route for host in honest)
