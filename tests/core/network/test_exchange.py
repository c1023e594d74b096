"""Differences between neighbors of ours: what is offered, asked for, sent and believed (neighborhood.md 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.network_ends import Ours, Peer, peers

from masq.core.limits import BELIEVED_AT_ONCE, MAX_KNOWN, RECORDS_FOR_NEIGHBOR
from masq.core.network.exchange import ANSWER_WITHIN, ASK_AGAIN, EVERYTHING_EVERY, PEERS, PEERS_IN_ALL
from masq.core.network.own_record import EXTENSIONS
from masq.core.offence import Rule
from masq.types import NodeAddress, PublicKey
from masq.wire.message import GossipRecord, NodeRecord
from masq.wire.news import News, id_of


def modern(peer: Peer, *listed: PublicKey, version: int = 1) -> NodeRecord:
    """The record of a Node that tells differences."""
    return peer.record(*listed, version=version, extensions=EXTENSIONS)


def offer(*records: NodeRecord) -> News:
    return News(offers=tuple((id_of(record.public_key), record.version) for record in records))


def with_partner(*listed: Peer) -> tuple[Ours, Peer]:
    """Us, and such a neighbor, after the first exchange."""
    ours = Ours()
    one = another_partner(ours, *listed, number=1)
    ours.waits(6.0)
    ours.said.clear()
    return ours, one


def another_partner(ours: Ours, *listed: Peer, number: int = 9) -> Peer:
    """A full neighbor that is told differences, and lists these others too."""
    peer = Peer(number)
    ours.linked.add(peer.key)
    ours.has_proof(peer.key, peer)
    ours.hears(peer, _shown(peer, modern(peer)), proven=peer)
    ours.is_told(peer, News((modern(peer, ours.key, *(each.key for each in listed), version=2),), (6001,)))
    assert peer.key in ours.full
    return peer


def _shown(peer: Peer, record: NodeRecord) -> GossipRecord:
    return GossipRecord(record, peer.address)


def wanted(news: Sequence[News]) -> list[bytes]:
    return [id for each in news for id in each.wanted]


def sent(news: Sequence[News]) -> list[NodeRecord]:
    return [record for each in news for record in each.records]


def test_a_full_neighbor_of_ours_is_asked_for_everything_and_gets_no_whole_round() -> None:
    ours, one = Ours(), Peer(1)
    ours.linked.add(one.key)
    ours.has_proof(one.key, one)
    ours.hears(one, _shown(one, modern(one)), proven=one)
    tells = ours.waits(1.0)
    ours.is_told(one, News((modern(one, ours.key, version=2),), (6001,)))
    tells += ours.waits(1.0)
    assert all(len(tell.message.records) <= 1 for tell in tells if hasattr(tell.message, "records"))
    told = [news for key, news in ours.said if key == one.key]
    assert [news.everything for news in told].count(True) == 1
    assert sent(told)[-1] == ours.record
    assert told[-1].ports == (6001,)


def test_a_neighbor_without_the_extension_gets_whole_rounds() -> None:
    """B8."""
    ours, one = Ours(), Peer(1)
    ours.linked.add(one.key)
    ours.befriends(one)
    assert ours.said == []


def test_without_a_secure_link_the_round_is_whole() -> None:
    ours, one = with_partner()
    ours.linked.clear()
    ours.hears(one, _shown(one, modern(one, ours.key, Peer(7).key, version=3)), proven=one)
    ours.befriends(Peer(2))
    assert ours.said == []


def test_what_is_offered_and_within_reach_is_asked_for_taken_and_offered_to_others() -> None:
    """B8."""
    two = Peer(2)
    ours, one = with_partner(two)
    record = modern(two, one.key, version=4)
    assert wanted(ours.is_told(one, offer(record))) == [id_of(two.key)]
    assert not ours.knows(two)
    ours.is_told(one, News((record,)))
    assert ours.graph.record(two.key) == record
    assert wanted(ours.is_told(one, offer(record))) == [], "it is known"


def test_who_follows_is_told_all_and_then_what_changes() -> None:
    two, three = peers(2, 2)
    ours, one = with_partner(two, three)
    ours.is_told(one, offer(modern(two, one.key, version=4)))
    ours.is_told(one, News((modern(two, one.key, version=4),)))
    other = another_partner(ours)
    (told,) = [news for news in ours.is_told(other, News(everything=True)) if news.offers]
    assert {id for id, _ in told.offers} == {id_of(one.key), id_of(two.key)}
    ours.said.clear()
    ours.is_told(one, offer(modern(three, one.key, version=1)))
    ours.is_told(one, News((modern(three, one.key, version=1),)))
    ours.waits(2.0)
    assert [news.offers for key, news in ours.said if key == other.key] == [((id_of(three.key), 1),)]
    assert [news.offers for key, news in ours.said if key == one.key and news.offers] == [], "it told us"


def test_what_is_wanted_is_sent_if_it_is_known_and_not_too_often() -> None:
    two = Peer(2)
    ours, one = with_partner(two)
    record = modern(two, one.key, version=4)
    ours.is_told(one, offer(record))
    ours.is_told(one, News((record,)))
    assert sent(ours.is_told(one, News(wanted=(id_of(two.key), id_of(Peer(5).key), bytes(8))))) == [record]
    for _ in range(RECORDS_FOR_NEIGHBOR.burst + 10):
        answer = ours.is_told(one, News(wanted=(id_of(two.key),)))
    assert answer == [], "it has had as many as there may be"
    ours.now += 1.0
    assert sent(ours.is_told(one, News(wanted=(id_of(two.key),)))) == [record]


def test_records_that_nobody_asked_for_are_not_believed() -> None:
    two = Peer(2)
    ours, one = with_partner(two)
    ours.is_told(one, News((modern(two, one.key, version=4),)))
    assert not ours.knows(two)


def test_what_lies_out_of_reach_is_not_asked_for_until_it_is_listed() -> None:
    two, three = peers(2, 2)
    ours, one = with_partner(two)
    assert wanted(ours.is_told(one, offer(modern(three, version=1)))) == []
    record = modern(two, one.key, three.key, version=4)
    ours.is_told(one, offer(record))
    assert wanted(ours.is_told(one, News((record,)))) == [id_of(three.key)], "now it is"


def test_a_record_that_does_not_come_is_asked_of_another_neighbor() -> None:
    two = Peer(2)
    ours, one = with_partner(two)
    other = another_partner(ours, two)
    record = modern(two, one.key, other.key, version=4)
    assert wanted(ours.is_told(one, offer(record))) == [id_of(two.key)]
    assert wanted(ours.is_told(other, offer(record))) == [], "the first one was asked"
    ours.said.clear()
    ours.waits(ANSWER_WITHIN + 1)
    assert [key for key, news in ours.said if news.wanted] == [other.key]
    ours.is_told(other, News((record,)))
    assert ours.knows(two)


def test_who_offers_and_does_not_send_keeps_nothing_from_us() -> None:
    two = Peer(2)
    ours, liar = with_partner(two)
    other = another_partner(ours, two)
    best = News(offers=((id_of(two.key), 1 << 31),))
    assert wanted(ours.is_told(liar, best)) == [id_of(two.key)]
    ours.said.clear()
    ours.waits(ANSWER_WITHIN + 1)
    for version in range(4, 8):
        record = modern(two, other.key, version=version)
        ours.said.clear()
        ours.is_told(other, offer(record))
        ours.is_told(liar, best)
        ours.waits(ANSWER_WITHIN / 2)
        assert next(key for key, news in ours.said if news.wanted) == other.key
        ours.is_told(other, News((record,)))
        assert ours.graph.record(two.key) == record
        ours.waits(2 * ANSWER_WITHIN)


def test_a_version_that_does_not_exist_is_asked_for_once() -> None:
    two = Peer(2)
    ours, one = with_partner(two)
    record = modern(two, one.key, version=4)
    ours.is_told(one, News(offers=((id_of(two.key), 1 << 31),)))
    ours.is_told(one, News((record,)))
    ours.said.clear()
    ours.waits(3 * ANSWER_WITHIN)
    assert wanted([news for _, news in ours.said]) == []


def test_a_forged_record_is_held_against_who_sent_it() -> None:
    two = Peer(2)
    ours, one = with_partner(two)
    record = modern(two, one.key, version=4)
    ours.is_told(one, offer(record))
    forged = NodeRecord.decode(record.signed_data, bytes(len(record.signature)))
    ours.is_told(one, News((forged,)))
    assert not ours.knows(two)
    assert [offence.rule for offence in ours.offences] == [Rule.FORGED_GOSSIP]
    assert ours.offences[0].key == one.key


def test_our_own_record_is_never_asked_for_nor_taken_from_others() -> None:
    ours, one = with_partner()
    before = ours.record
    assert wanted(ours.is_told(one, News(offers=((id_of(ours.key), before.version + 9),)))) == []
    ours.is_told(one, News((before,)))
    assert ours.record == before


def test_a_neighbor_that_invents_nodes_is_believed_as_many_as_in_whole_rounds() -> None:
    crowd = peers(60, 100)
    ours, one = with_partner(*crowd)
    far = peers(40, 200)
    first = [modern(peer, one.key, *(each.key for each in far), version=1) for peer in crowd]
    asked = wanted(ours.is_told(one, offer(*first)))
    ours.is_told(one, News(tuple(record for record in first if id_of(record.public_key) in asked)))
    second = [modern(peer, crowd[0].key, version=1) for peer in far]
    asked = wanted(ours.is_told(one, offer(*second)))
    ours.is_told(one, News(tuple(record for record in second if id_of(record.public_key) in asked)))
    assert len(ours.graph) <= BELIEVED_AT_ONCE + 10


def test_offers_without_end_take_no_memory_without_end() -> None:
    ours, one = with_partner()
    for start in range(0, 5 * MAX_KNOWN, 1_000):
        ours.is_told(one, News(offers=tuple((at.to_bytes(8, "big"), 1) for at in range(start, start + 1_000))))
    partner = ours.core._partners.of(one.key)
    assert len(partner.offers) <= MAX_KNOWN


def test_who_is_no_neighbor_is_told_nothing() -> None:
    ours, _ = with_partner()
    stranger = Peer(50)
    ours.linked.add(stranger.key)
    answer = ours.is_told(
        stranger, News(everything=True, wanted=(id_of(ours.key),), peers=((Peer(3).key, Peer(3).address),))
    )
    assert answer == []


def test_everything_is_told_again_but_not_at_once() -> None:
    two = Peer(2)
    ours, one = with_partner(two)
    ours.is_told(one, offer(modern(two, one.key)))
    ours.is_told(one, News((modern(two, one.key),)))
    other = another_partner(ours)
    answers = [ours.is_told(other, News(everything=True)) for _ in range(5)]
    assert [any(news.offers for news in answer) for answer in answers] == [True, False, False, False, False]
    ours.now += EVERYTHING_EVERY + ASK_AGAIN
    ours.said.clear()
    ours.waits(11.0)
    assert any(news.everything for key, news in ours.said if key == one.key), "what was lost comes then"


def test_addresses_from_afar_are_told_a_few_at_a_time_and_asked_when_neighbors_are_gone() -> None:
    ours, one = with_partner()
    afar = [(peer.key, peer.address) for peer in peers(20, 100)]
    ours.is_told(one, News(peers=tuple(afar[:8])))
    book = ours.core.contacts._book
    assert len(book) == PEERS
    ours.is_told(one, News(everything=True))
    ours.waits(600.0)
    told = [key for key, news in ours.said if key == one.key for key, _ in news.peers]
    assert len(told) == len(set(told)) <= PEERS_IN_ALL
    assert one.key not in told
    assert ours.key not in told
    ours.linked.clear()
    tells = ours.loses(one) + ours.waits(30.0)
    assert {tell.key for tell in tells} & {key for key, _ in afar}


@pytest.mark.parametrize(
    "address", [NodeAddress("224.0.0.1", (80,)), NodeAddress("127.0.0.1", (6001,)), NodeAddress("203.0.113.7", (80,))]
)
def test_an_address_that_can_not_be_a_node_is_not_kept(address: NodeAddress) -> None:
    ours, one = with_partner()
    ours.is_told(one, News(peers=((Peer(3).key, address),)))
    assert len(ours.core.contacts._book) == 0


def test_a_new_link_begins_anew() -> None:
    ours, one = with_partner(Peer(2))
    ours.has_proof(one.key, one)
    ours.befriends(Peer(3))
    told = [news for key, news in ours.said if key == one.key]
    assert any(news.everything for news in told)
    assert ours.record in sent(told)
