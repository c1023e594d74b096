"""What Nodes of one world share changes nothing of what they see."""

from __future__ import annotations

import pytest

from masq.crypto import CryptDE
from masq.errors import CryptoError
from masq.sim.shared import UNDER_WAY, Shared
from masq.sim.world import CHAIN
from masq.types import DEFAULT_RATE_PACK, NodeAddress
from masq.wire.message import MAX_RECORD, Gossip, GossipRecord, NodeRecord, decode_message, encode_message


def source(number: int) -> bytes:
    return bytes(number)


def other(number: int) -> bytes:
    return b"\1" * number


def record(keys: CryptDE, extensions: tuple[str, ...] = ()) -> NodeRecord:
    return NodeRecord.sign(keys, bytes(20), DEFAULT_RATE_PACK, frozenset(), True, True, 1, None, extensions)


def test_boxes_are_those_of_real_keys_and_open_for_their_reader_alone() -> None:
    shared = Shared()
    ours, theirs = shared.keys(CHAIN.contract, source), shared.keys(CHAIN.contract, other)
    box = ours.seal(theirs.public_key, b"hello")
    assert box == CryptDE(CHAIN.contract, source).seal(theirs.public_key, b"hello")
    with pytest.raises(CryptoError):
        ours.open(box)
    assert theirs.open(box) == b"hello"
    assert theirs.open(box) == b"hello", "a second time, as it is opened for real"
    with pytest.raises(CryptoError):
        theirs.open(box[:-1] + b"x")


def test_verdicts_are_those_of_the_signature() -> None:
    keys = Shared().keys(CHAIN.contract, source)
    good = keys.sign(b"word")
    for _ in range(2):
        assert keys.verify(b"word", good, keys.public_key)
        assert not keys.verify(b"world", good, keys.public_key)
        assert not keys.verify(b"word", bytes(64), keys.public_key)


def test_what_is_read_is_what_would_be_read_from_the_bytes() -> None:
    shared = Shared()
    keys = shared.keys(CHAIN.contract, source)
    plain = GossipRecord(record(keys), NodeAddress("10.0.0.1", (6001,)))
    large = GossipRecord(record(keys, tuple("x" * 40 for _ in range(MAX_RECORD // 40))), None)
    odd = GossipRecord(record(keys), NodeAddress("10.0.0.1", (6002, 6001)))
    for gossip in (Gossip((plain,)), Gossip((plain, large)), Gossip((odd,)), Gossip(())):
        data = shared.spelling.encode(gossip)
        assert data == encode_message(gossip)
        assert shared.spelling.decode(data) == decode_message(data)
        assert shared.spelling.decode(data) == decode_message(data)


def test_it_remembers_only_so_much() -> None:
    shared = Shared()
    keys = shared.keys(CHAIN.contract, source)
    for number in range(UNDER_WAY + 10):
        shared.spelling.encode(Gossip((GossipRecord(record(keys), NodeAddress("10.0.0.1", (2_000 + number,))),)))
    assert len(shared.messages) == UNDER_WAY
