"""What a review of the Neighborhood and of links found: each of these once went wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.network_ends import ROOT, Ours, Peer, dialled, links, peers, visited

from masq.core.effects import Dial, ReadLink, Tell
from masq.core.limits import MAX_DEGREE, MAX_LISTED, MAX_PASSES
from masq.core.links.links import Written
from masq.core.network.gossip import may_be_dialled
from masq.core.network.neighborhood import CONFIRM
from masq.types import NodeAddress, RatePack
from masq.wire.message import GossipRecord
from masq.wire.package import Package
from masq.wire.secure_link import FrameType

ALPHA, BETA, GAMMA, DELTA = peers(4)
HOST = Peer(30)
NEW = Peer(50)
NOISE = Peer(61).hidden()
PACKAGE = Package([b"hop"], b"payload")


def test_a_pong_is_written_in_the_order_in_which_it_was_sealed() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    data = bytes(end.theirs.frame(FrameType.PING, bytes(8))) + end.theirs.package(PACKAGE)
    out: list[Written] = []
    order: list[object] = []
    for arrival in ours.received(end.id, memoryview(bytearray(data)), 1.0, out):
        # As the Node does: what the link itself answered goes first, then what comes of the arrival.
        order += out
        out.clear()
        assert arrival == PACKAGE
        order += ours.send(ALPHA.address.endpoint, ALPHA.key, PACKAGE, b"flow", True, 1.0)
    order += out
    assert end.reads(order) == [PACKAGE]


def test_an_introduction_does_not_lead_beyond_sixteen() -> None:
    ours = Ours(HOST.contact())
    ours.starts()
    for peer in peers(MAX_LISTED):
        ours.hears(peer, peer.shown())
    ours.hears(HOST, HOST.shown(ours.key), NEW.shown(HOST.key))
    assert len(ours.record.neighbors) <= MAX_LISTED


def test_one_that_no_longer_lists_us_is_dropped() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.hears(ALPHA, ALPHA.shown(BETA.key, version=3), BETA.hidden(), NOISE)
    ours.waits(CONFIRM * 3)
    assert not ours.lists(ALPHA)


def test_one_that_starts_anew_at_a_full_house_is_not_listed_without_a_record() -> None:
    ours = Ours()
    for peer in peers(MAX_DEGREE):
        ours.befriends(peer)
    ours.hears(ALPHA, ALPHA.shown(version=0))
    ours.loses(ALPHA)
    ours.waits(CONFIRM * 3)
    assert ours.knows(ALPHA) or not ours.lists(ALPHA)


def test_over_a_secure_link_nobody_teaches_us_anothers_address() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3), BETA.hidden(ALPHA.key), NOISE)
    lie = replace(BETA.shown(ALPHA.key), address=DELTA.address)
    ours.hears(DELTA, lie, ALPHA.hidden(ours.key, BETA.key, version=3), NOISE, proven=DELTA)
    assert ours.graph.address(BETA.key) is None


def test_a_third_party_cannot_take_a_neighbors_address() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.befriends(DELTA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3), BETA.hidden(ALPHA.key), NOISE)
    lie = replace(BETA.shown(ALPHA.key, version=2), address=DELTA.address)
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=4), lie, NOISE)
    assert ours.graph.at(DELTA.ip) == DELTA.key
    ours.loses(DELTA)
    assert not ours.lists(DELTA)


@pytest.mark.parametrize("ip", ["::ffff:127.0.0.1", "::ffff:10.1.0.1", "::ffff:224.0.0.1", "::ffff:0.0.0.0"])
def test_an_address_in_other_clothes_is_the_same_address(ip: str) -> None:
    assert not may_be_dialled(NodeAddress(ip, (6001,)), ROOT.address)


def test_an_old_record_played_again_does_not_take_a_neighbors_place() -> None:
    """Over JSON, from another address: alpha's first Debut, which was seen by everybody it was ever sent to."""
    ours = Ours()
    ours.befriends(ALPHA)
    replayed = replace(ALPHA.shown(), address=DELTA.address)
    ours.hears(DELTA, replayed)
    assert ours.full == [ALPHA.key]


def test_the_answer_to_a_debut_does_not_change_rates_either() -> None:
    ours = Ours(HOST.contact())
    ours.starts()
    ours.befriends(ALPHA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, HOST.key, version=3), HOST.hidden(ALPHA.key), NOISE)
    dear = GossipRecord(HOST.record(ours.key, version=2, rates=RatePack(9, 9, 9, 9)), HOST.address)
    ours.hears(HOST, dear, NOISE, ALPHA.hidden(version=1))
    record = ours.graph.record(HOST.key)
    assert record
    assert record.rates == HOST.record().rates


def test_a_bad_signature_is_no_answer() -> None:
    ours = Ours(HOST.contact())
    ours.starts()
    for peer in peers(2):
        ours.befriends(peer)
    forged = replace(HOST.shown(), record=replace(HOST.record(), signature=bytes(64)))
    ours.hears(HOST, forged)
    assert any(tell.key == HOST.key for tell in ours.waits(100.0))


def test_passes_are_bounded() -> None:
    ours = Ours(HOST.contact())
    ours.starts()
    heard = [each for number in range(100, 400) for each in ours.hears(HOST, Peer(number).shown())]
    assert 0 < len([each for each in heard if isinstance(each, Tell)]) <= MAX_PASSES


def test_multihomed() -> None:
    """A Node that visits from another address than it is dialled at is lost there when that link ends."""
    own, peer = sorted(peers(2), key=lambda each: each.key, reverse=True)
    ours = links(own.keys)
    visit = visited(ours, peer, own=own.keys, ip="10.7.7.7")
    dial = dialled(ours, list(ours.send(peer.address.endpoint, peer.key, PACKAGE, b"f", True, 0.0)), peer)
    assert ours.to(peer.ip) is not None
    ours.closed(visit.id, 1.0)
    assert ours.closed(dial.id, 2.0)[0] == peer.ip


def test_saved_neighbors_are_not_overwritten_with_nothing() -> None:
    ours = Ours()
    ours.befriends(ALPHA)
    ours.hears(ALPHA, ALPHA.shown(ours.key, BETA.key, version=3), BETA.hidden(ALPHA.key), NOISE)
    ours.loses(ALPHA)
    ours.hears(BETA, BETA.hidden(ours.key, ALPHA.key, version=2), NOISE, ALPHA.hidden(version=1), proven=BETA)
    assert all(ours.saved), ours.saved


def test_a_debuter_with_privileged_port_is_not_dialled() -> None:
    ours = Ours()
    ours.hears(ALPHA, replace(ALPHA.shown(), address=NodeAddress(ALPHA.ip, (22,))))
    ours.loses(ALPHA)
    assert ours.waits(100.0) == []


def test_a_link_that_is_dialled_for_a_neighbor_is_read_however_much_waits_for_it() -> None:
    ours = links()  # Its door says that everybody is a neighbor.
    effects = ours.send(ALPHA.address.endpoint, ALPHA.key, Package([b"hop"], bytes(300_000)), b"route", True, 0.0)
    assert isinstance(effects[0], Dial)
    ours.dialled(effects[0].link, 0.0)
    later = [effect for second in range(9) for effect in ours.tick(float(second))[1]]
    reads = [effect for effect in [*effects, *later] if isinstance(effect, ReadLink)]
    assert not reads or reads[-1].most > 0, "the handshake's answer is never read: the link dies after ten seconds"
