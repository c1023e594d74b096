"""Secure links against anything: they stay within their bounds (protocol.md 15.2)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.secure_ends import (
    heard,
    held,
    link,
    rogue_and_victim,
    session,
)
from tests.strategies import bits_8, bits_16, cbor_values, damaged, hostile, key_pair
from tests.wire.hostile_ends import FRAME, FRESH, PLACES, SMALL, assert_refused, offered, said

from masq.errors import PeerError
from masq.wire import cbor
from masq.wire.package import Package
from masq.wire.secure_link import (
    MAGIC,
    MAX_HANDSHAKE,
    Event,
    Frame,
    FrameType,
    SecureLink,
)

CHUNKS = st.lists(st.integers(1, 3_000), min_size=1, max_size=10)


def poured(end: SecureLink, data: bytes, sizes: list[int], bound: int) -> list[Event]:
    """What arrives in chunks until a PeerError, and no other error. Never is more held than the bound."""
    events: list[Event] = []
    chunks = itertools.cycle(sizes)
    while data:
        size = next(chunks)
        try:
            events += heard(end, data[:size])
        except PeerError:
            break
        finally:
            assert held(end) <= bound + size
        data = data[size:]
    return events


@given(st.lists(st.sampled_from([MAGIC, "first", "old third"]) | st.binary(max_size=200), max_size=6), CHUNKS)
@settings(max_examples=60)
def test_no_bytes_bring_a_listening_end_up_or_out_of_its_bounds(parts: list[bytes | str], sizes: list[int]) -> None:
    own, peer = key_pair(1, "dev"), key_pair(2, "dev")
    known = {"first": link(peer).dial(own.public_key), "old third": session(peer, own).third}
    end = link(own)
    data = b"".join(known[part] if isinstance(part, str) else part for part in parts)
    assert poured(end, data, sizes, FRESH + FRAME + SMALL) == []
    assert not end.up


@given(st.lists(st.sampled_from(["first", "old second"]) | st.binary(max_size=200), max_size=6), CHUNKS)
@settings(max_examples=60)
def test_no_bytes_bring_a_dialling_end_up_or_out_of_its_bounds(parts: list[bytes | str], sizes: list[int]) -> None:
    own, peer = key_pair(1, "dev"), key_pair(2, "dev")
    end = link(own)
    known = {"first": end.dial(peer.public_key), "old second": session(own, peer).second}
    data = b"".join(known[part] if isinstance(part, str) else part for part in parts)
    assert poured(end, data, sizes, FRESH + 2 + MAX_HANDSHAKE + SMALL) == []
    assert not end.up
    assert end.take_answer() == b""


pieces = st.builds(
    lambda more, hops, payload: bytes((more,)) + cbor.encode({"route": hops, "payload": payload}),
    st.integers(0, 2),
    st.lists(st.binary(max_size=20), max_size=3),
    st.binary(max_size=50),
)

bodies = hostile | pieces | damaged(pieces) | st.binary(max_size=2).map(lambda head: head * 30_000)


@given(
    st.lists(st.tuples(st.sampled_from(FrameType) | st.just(FrameType.PACKAGE) | bits_8, bodies), max_size=6),
    st.binary(max_size=100),
    CHUNKS,
)
@settings(max_examples=60)
def test_whatever_a_proved_peer_says_is_frames_or_packages_or_the_end(
    frames: list[tuple[int, bytes]], rest: bytes, sizes: list[int]
) -> None:
    rogue, victim = rogue_and_victim()
    data = b"".join(rogue.frame(bytes((type,)) + body) for type, body in frames) + rest
    events = poured(victim, data, sizes, FRESH + len(data) + FRAME + SMALL)
    assert all(isinstance(event, Frame | Package) for event in events)
    assert len(events) <= len(frames)
    pinged = any(type == FrameType.PING and len(body) == 8 for type, body in frames)
    assert victim.take_answer() == b"" or pinged


@pytest.mark.parametrize("place", PLACES)
@given(st.binary(max_size=300) | cbor_values.map(cbor.encode) | damaged(cbor_values.map(cbor.encode)))
@settings(max_examples=60)
def test_whatever_payload_a_rogue_says_is_refused(place: str, payload: bytes) -> None:
    head = bytes((FrameType.HELLO,)) if place == "third" else b""
    assert_refused(*offered(place, lambda rogue: head + payload))


ENTRIES = ("key", "port", "extensions", "signature")

signatures = st.binary(min_size=64, max_size=64)


@pytest.mark.parametrize("place", PLACES)
@given(st.dictionaries(st.sampled_from(ENTRIES) | st.text(max_size=12), cbor_values | signatures | bits_16, max_size=4))
@settings(max_examples=60)
def test_entries_may_be_anything_and_those_that_nobody_knows_are_skipped(
    place: str, entries: dict[str, object]
) -> None:
    victim, message = offered(place, lambda rogue: said(place, rogue, **entries))
    assume(len(message) <= MAX_HANDSHAKE)
    try:
        events = heard(victim, message)
    except PeerError:
        assert not entries.keys().isdisjoint(ENTRIES)
        assert not victim.up
    else:
        assert len(events) == (place != "first")
