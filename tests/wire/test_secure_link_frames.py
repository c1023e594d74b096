"""Secure links, once they are up, against frames that make no sense (protocol.md 15.2)."""

from __future__ import annotations

import os

import pytest
from tests.secure_ends import (
    as_heard,
    heard,
    held,
    joined,
    prefixed,
    rogue_and_victim,
)
from tests.wire.hostile_ends import FRAME, FRESH, SMALL

from masq.errors import CryptoError, MalformedError, PeerError
from masq.wire import cbor, noise
from masq.wire.package import Package
from masq.wire.secure_link import (
    FLOW,
    MAX_HOLDS,
    MAX_PACKAGE,
    FrameType,
)


@pytest.mark.parametrize("size", range(17))
@pytest.mark.parametrize("up", [False, True])
def test_a_frame_that_is_too_short_ends_the_link(size: int, up: bool) -> None:
    _, victim = rogue_and_victim(up)
    with pytest.raises(PeerError):
        heard(victim, prefixed(bytes(size)))


@pytest.mark.parametrize("plain", [b"", b"\x02", b"\x02\x00"], ids=["no type", "no more", "an empty package"])
def test_an_empty_frame_or_package_ends_the_link(plain: bytes) -> None:
    rogue, victim = rogue_and_victim()
    with pytest.raises(MalformedError):
        heard(victim, rogue.frame(plain))


def test_frames_of_unknown_types_and_of_any_size_arrive_as_they_are() -> None:
    rogue, victim = rogue_and_victim()
    for type in (0x00, 0x04, 0x14, 0x22, 0x7F, 0xFF, FrameType.HELLO, FrameType.CELL):
        for size in (0, 1, 65_518):
            frame = rogue.frame(bytes((type,)) + bytes(size))
            assert heard(victim, frame) == [as_heard(type, bytes(size))]
            assert held(victim) <= FRESH + FRAME + SMALL
    assert len(frame) == FRAME


def test_the_largest_frame_waits_for_its_last_byte() -> None:
    rogue, victim = rogue_and_victim()
    frame = rogue.frame(bytes((FrameType.CELL,)) + bytes(65_518))
    assert heard(victim, frame[:-1]) == []
    assert held(victim) <= FRESH + FRAME + SMALL
    assert len(heard(victim, frame[-1:] + frame[:1])) == 1


def test_a_package_without_end_is_cut_off_at_16_mib() -> None:
    rogue, victim = rogue_and_victim()
    piece = bytes((FrameType.PACKAGE, 1)) + bytes(65_517)
    assert MAX_PACKAGE == 16 * 1024 * 1024
    whole = MAX_PACKAGE // 65_517
    for _ in range(whole):
        assert heard(victim, rogue.frame(piece)) == []
    with pytest.raises(MalformedError):
        heard(victim, rogue.frame(piece))
    assert held(victim) <= MAX_PACKAGE + FRESH + 2 * FRAME + SMALL


def test_pieces_without_content_are_not_kept() -> None:
    rogue, victim = rogue_and_victim()
    for _ in range(1_000):
        assert heard(victim, rogue.frame(bytes((FrameType.PACKAGE, 1)))) == []
    assert held(victim) <= FRESH + SMALL


def test_other_frames_between_the_pieces_of_a_package_arrive_at_once() -> None:
    rogue, victim = rogue_and_victim()
    package = Package([b"hop"], os.urandom(1_000))
    content = cbor.encode({"route": package.hops, "payload": package.payload})
    assert heard(victim, rogue.frame(b"\x02\x01" + content[:100])) == []
    assert heard(victim, rogue.frame(b"\x11cell")) == [as_heard(FrameType.CELL, b"cell")]
    assert heard(victim, rogue.frame(b"\x02\x00" + content[100:])) == [package]
    assert heard(victim, rogue.frame(b"\x02\x00" + content)) == [package]


ROTTEN: dict[str, object] = {
    "no map": 5,
    "no route": {"payload": b""},
    "no payload": {"route": []},
    "a route that is none": {"route": b"hop", "payload": b""},
    "a route of texts": {"route": ["hop"], "payload": b""},
    "a route of lists": {"route": [[b"hop"]], "payload": b""},
    "a payload as text": {"route": [], "payload": "text"},
    "a payload as numbers": {"route": [], "payload": [1]},
}


@pytest.mark.parametrize("value", ROTTEN.values(), ids=ROTTEN.keys())
def test_a_package_that_is_none_ends_the_link(value: object) -> None:
    rogue, victim = rogue_and_victim()
    with pytest.raises(MalformedError):
        heard(victim, rogue.frame(b"\x02\x00" + cbor.encode(value)))


def test_a_package_of_more_than_32_elements_ends_the_link() -> None:
    rogue, victim = rogue_and_victim()
    assert heard(victim, rogue.frame(b"\x02\x00" + cbor.encode({"route": [b"hop"] * 32, "payload": b""})))
    with pytest.raises(MalformedError):
        heard(victim, rogue.frame(b"\x02\x00" + cbor.encode({"route": [b"hop"] * 33, "payload": b""})))


def test_keys_change_in_each_direction_by_itself_and_both_ends_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "REKEY_AFTER", 5)
    one, other = joined()
    for number in range(23):
        body = number.to_bytes(2, "big")
        there = bytes(one.frame(FrameType.CELL, body))
        assert heard(other, there) == [as_heard(FrameType.CELL, body)]
        if number % 3 == 0:
            back = bytes(other.frame(FrameType.CELL, body))
            assert heard(one, back) == [as_heard(FrameType.CELL, body)]
    with pytest.raises(CryptoError):
        heard(other, there)


def test_what_holds_packages_back_names_a_route_and_is_bounded() -> None:
    one, other = joined()
    flows = [number.to_bytes(FLOW, "big") for number in range(MAX_HOLDS + 10)]
    assert heard(other, bytes(one.hold(flows[0], True) + one.hold(flows[0], False))) == []
    assert other.take_holds() == [(flows[0], True), (flows[0], False)]
    assert other.take_holds() == []
    for size in (0, 1, FLOW, FLOW + 2, 65_518):
        assert heard(other, bytes(one.frame(FrameType.HOLD, bytes(size)))) == []
    assert other.take_holds() == []
    heard(other, b"".join(bytes(one.hold(flow, True)) for flow in flows))
    assert len(other.take_holds()) == MAX_HOLDS
