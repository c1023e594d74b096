"""News: what neighbors of ours tell by differences (protocol.md 16)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.network_ends import Peer, peers

from masq.errors import MalformedError
from masq.types import NodeAddress
from masq.wire import cbor
from masq.wire.message import MAX_RECORD
from masq.wire.news import ID, MAX_PEERS, News, id_of, in_frames
from masq.wire.secure_link import MAX_BODY

RECORDS = tuple(peer.record() for peer in peers(3))
PEERS = (Peer(1).key, NodeAddress("203.0.113.7", (4519,))), (Peer(2).key, NodeAddress("2001:db8::1", (80,)))
SAMPLES = (
    News(),
    News(RECORDS, (6001, 6002)),
    News(offers=((bytes(ID), 0), (b"12345678", (1 << 32) - 1))),
    News(wanted=(bytes(ID), b"12345678")),
    News(everything=True),
    News(peers=PEERS),
    News(RECORDS, (1,), ((bytes(ID), 7),), (b"12345678",), True, PEERS),
)


@pytest.mark.parametrize("news", SAMPLES)
def test_what_is_written_is_read(news: News) -> None:
    assert News.decode(news.encode()) == news


def test_an_offer_takes_twelve_bytes() -> None:
    one, two = (News(offers=tuple((bytes([at] * ID), at) for at in range(count))) for count in (100, 200))
    assert len(two.encode()) - len(one.encode()) == 100 * 12


@pytest.mark.parametrize(
    "value",
    [
        5,
        [],
        {"records": 5},
        {"records": [[1, 2]]},
        {"records": [[b"", b""]]},
        {"ports": [70_000]},
        {"ports": 5},
        {"offers": bytes(11)},
        {"offers": "no bytes"},
        {"wanted": bytes(9)},
        {"everything": 1},
        {"peers": [[b"key", bytes(5), 80]]},
        {"peers": [[b"key", bytes(4), 70_000]]},
        {"peers": [[bytes(65), bytes(4), 80]]},
        {"peers": {}},
    ],
)
def test_what_makes_no_sense_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        News.decode(cbor.encode(value))


def test_more_peers_than_anybody_needs_are_left_out() -> None:
    many = [[bytes([at]), bytes(4), 80] for at in range(200)]
    assert len(News.decode(cbor.encode({"peers": many})).peers) == MAX_PEERS


def test_a_record_that_is_too_large_is_left_out_and_the_rest_counts() -> None:
    good = RECORDS[0]
    value = {"records": [[bytes(MAX_RECORD + 1), b""], [good.signed_data, good.signature]]}
    assert News.decode(cbor.encode(value)).records == (good,)


def test_names_that_we_do_not_know_are_ignored() -> None:
    assert News.decode(cbor.encode({"later": 1, "everything": True})) == News(everything=True)


@given(st.binary(max_size=200))
def test_any_bytes_are_news_or_malformed(data: bytes) -> None:
    try:
        News.decode(data)
    except MalformedError:
        return


def test_many_records_go_in_frames_that_fit() -> None:
    listed = [peer.key for peer in peers(40)]
    records = tuple(Peer(number).record(*listed) for number in range(1, 60))
    frames = in_frames(records)
    assert len(frames) > 1
    assert all(len(frame.encode()) <= MAX_BODY for frame in frames)
    assert tuple(record for frame in frames for record in frame.records) == records


def test_no_records_need_no_frame() -> None:
    assert in_frames(()) == []


def test_an_id_is_the_beginning_of_the_digest_of_a_key() -> None:
    assert id_of(bytes(64)) == bytes.fromhex("f5a5fd42d16a2030")
    assert len(id_of(Peer(1).key)) == ID


def test_a_key_that_begins_as_another_one_has_another_id() -> None:
    """The first half of a key is anybody's to claim: it opens what is sealed, and signs nothing."""
    assert id_of(Peer(1).key[:32] + Peer(2).key[32:]) != id_of(Peer(1).key)
