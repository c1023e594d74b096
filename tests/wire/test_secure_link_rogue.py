"""Secure links against an end that says what it likes: they stay down, silently (protocol.md 15.2)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from tests.secure_ends import (
    Rogue,
    as_heard,
    greeting,
    heard,
    held,
    keys,
    link,
    prefixed,
    rogue_and_victim,
)
from tests.wire.hostile_ends import FRAME, FRESH, PLACES, SMALL, Payload, altered, assert_refused, offered, said

from masq.crypto import CryptDE
from masq.wire import cbor
from masq.wire.secure_link import (
    MAGIC,
    MAX_HANDSHAKE,
    Established,
    FrameType,
)


def signed(own: CryptDE, role: str, hash: bytes) -> bytes:
    return own.sign_plain(b"masq-link-" + role.encode() + hash)


@pytest.mark.parametrize("place", PLACES)
def test_a_rogue_that_says_what_it_should_is_taken(place: str) -> None:
    victim, message = offered(place, lambda rogue: said(place, rogue))
    events = heard(victim, message)
    assert len(events) == (place != "first")
    assert victim.up == (place != "first")


GARBAGE = {
    "nothing": b"",
    "no CBOR": b"\xff\xff\xff",
    "a cut map": greeting(bytes(64))[:-1],
    "two items": greeting(bytes(64)) * 2,
    "a list": cbor.encode([bytes(64), ["circuit1"], 6001]),
    "a number": cbor.encode(7),
    "a text": cbor.encode("key"),
    "null": b"\xf6",
    "undefined": b"\xf7",
    "break": b"\xff",
    "an empty map": b"\xa0",
    "a key twice": b"\xa2\x63key\x01\x63key\x02",
    "an unhashable key": b"\xa1\x81\x01\x01",
    "a tag": b"\xc1\x00",
    "a regular expression": b"\xd8\x23\x62(+",
    "a bignum": b"\xa1\x64port\xc2\x49" + bytes(9),
    "bytes without end": b"\x5b" + b"\xff" * 8,
    "a map of 2^64 entries": b"\xbb" + b"\xff" * 8,
    "a list of 2^64 items": b"\x9b" + b"\xff" * 8,
    "lists in lists": b"\x81" * 3_900 + b"\x01",
    "no UTF-8": b"\xa1\x63\xff\xff\xff\x01",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("place", PLACES)
def test_a_payload_that_is_no_greeting_is_refused(place: str, garbage: bytes) -> None:
    head = bytes((FrameType.HELLO,)) if place == "third" else b""
    assert_refused(*offered(place, lambda rogue: head + garbage))


LIES: dict[str, tuple[str, Callable[[Rogue], object]]] = {
    "no key": ("key", lambda rogue: ...),
    "null for a key": ("key", lambda rogue: None),
    "a key as text": ("key", lambda rogue: "k" * 64),
    "a key as numbers": ("key", lambda rogue: list(rogue.keys.public_key)),
    "63 bytes": ("key", lambda rogue: rogue.keys.public_key[:-1]),
    "65 bytes": ("key", lambda rogue: rogue.keys.public_key + b"\0"),
    "the first half": ("key", lambda rogue: rogue.keys.public_key[:32]),
    "a key of zeros": ("key", lambda rogue: bytes(64)),
    "exchanged halves": ("key", lambda rogue: rogue.keys.public_key[32:] + rogue.keys.public_key[:32]),
    "another's key": ("key", lambda rogue: keys().public_key),
    "another's first half": ("key", lambda rogue: keys().public_key[:32] + rogue.keys.public_key[32:]),
    "no port": ("port", lambda rogue: ...),
    "null for a port": ("port", lambda rogue: None),
    "port -1": ("port", lambda rogue: -1),
    "port 65536": ("port", lambda rogue: 65_536),
    "port 70000": ("port", lambda rogue: 70_000),
    "port 2^70": ("port", lambda rogue: 1 << 70),
    "a port as text": ("port", lambda rogue: "6001"),
    "a port as float": ("port", lambda rogue: 6001.0),
    "a port as truth": ("port", lambda rogue: True),
}


@pytest.mark.parametrize(("name", "value"), LIES.values(), ids=LIES.keys())
@pytest.mark.parametrize("place", ["first", "second"])
def test_a_greeting_with_a_wrong_entry_is_refused(place: str, name: str, value: Callable[[Rogue], object]) -> None:
    assert_refused(*offered(place, lambda rogue: said(place, rogue, **{name: value(rogue)})))


FORGERIES: dict[str, Callable[[Rogue], object]] = {
    "none": lambda rogue: ...,
    "null": lambda rogue: None,
    "a number": lambda rogue: 1,
    "a text": lambda rogue: "s" * 64,
    "numbers": lambda rogue: [0] * 64,
    "a map": lambda rogue: {},
    "no bytes": lambda rogue: b"",
    "zeros": lambda rogue: bytes(64),
    "over nothing": lambda rogue: signed(rogue.keys, "initiator", b""),
    "over the hash of another session": lambda rogue: signed(rogue.keys, "responder", os.urandom(32)),
    "as initiator, over the first hash": lambda rogue: signed(rogue.keys, "initiator", rogue.first_hash),
    "for a record": lambda rogue: rogue.keys.sign(b"masq-link-initiator" + rogue.shake.hash),
    "another's over the first hash": lambda rogue: signed(keys(), "responder", rogue.first_hash),
    "another's over the last hash": lambda rogue: signed(keys(), "initiator", rogue.shake.hash),
}


@pytest.mark.parametrize("signature", FORGERIES.values(), ids=FORGERIES.keys())
@pytest.mark.parametrize("place", ["second", "third"])
def test_a_proof_of_the_second_half_that_is_none_is_refused(place: str, signature: Callable[[Rogue], object]) -> None:
    assert_refused(*offered(place, lambda rogue: said(place, rogue, signature=signature(rogue))))


@pytest.mark.parametrize("place", ["second", "third"])
def test_each_altered_bit_of_a_proof_and_each_other_length_are_refused(place: str) -> None:
    def true_proof(rogue: Rogue) -> bytes:
        return rogue.responder_proof() if place == "second" else rogue.initiator_proof()

    def spoilt(change: Callable[[bytes], bytes]) -> Payload:
        return lambda rogue: said(place, rogue, signature=change(true_proof(rogue)))

    def flipped(at: int) -> Callable[[bytes], bytes]:
        return lambda proof: altered(proof, at // 8, 1 << at % 8)

    for change in (lambda proof: proof[:-1], lambda proof: proof + b"\0", *map(flipped, range(512))):
        assert_refused(*offered(place, spoilt(change)))


def test_a_responders_proof_is_none_of_an_initiator() -> None:
    rogue, victim = rogue_and_victim(up=False)
    assert_refused(victim, rogue.frame(rogue.hello(signature=signed(rogue.keys, "responder", rogue.shake.hash))))


WEAK_SIGNERS = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)
"""Points of Ed25519 of small order. For these as keys there are signatures that hold for many texts, or for all."""


@pytest.mark.parametrize("point", WEAK_SIGNERS)
@pytest.mark.parametrize("place", ["second", "third"])
def test_a_second_half_for_which_anybody_can_sign_proves_nothing(place: str, point: str) -> None:
    anybodys = bytes.fromhex(WEAK_SIGNERS[0]) + bytes(32)  # R is the neutral point, S zero.

    def claimed(rogue: Rogue) -> bytes:
        return rogue.keys.public_key[:32] + bytes.fromhex(point)

    if place == "second":
        assert_refused(*offered(place, lambda rogue: said(place, rogue, key=claimed(rogue), signature=anybodys)))
        return
    own = keys()
    rogue, victim = Rogue(keys(), own.public_key), link(own)
    rogue.dial(victim, key=claimed(rogue))
    assert_refused(victim, rogue.frame(rogue.hello(signature=anybodys)))


def proof_as(type: FrameType) -> Payload:
    return lambda rogue: bytes((type,)) + rogue.hello()[1:]


EARLY: dict[str, Payload] = {
    **{f"the proof as {type.name}": proof_as(type) for type in FrameType if type is not FrameType.HELLO},
    "a cell": lambda rogue: bytes((FrameType.CELL,)) + bytes(4_000),
    "an OPEN": lambda rogue: bytes((FrameType.OPEN,)) + bytes(600),
    "a PING": lambda rogue: bytes((FrameType.PING,)) + bytes(8),
    "a package": lambda rogue: b"\x02\x00" + cbor.encode({"route": [], "payload": b""}),
    "a piece of a package": lambda rogue: b"\x02\x01" + bytes(60_000),
    "an unknown type": lambda rogue: b"\x7f",
    "an empty frame": lambda rogue: b"",
}


@pytest.mark.parametrize("plain", EARLY.values(), ids=EARLY.keys())
def test_before_the_proof_nothing_counts(plain: Payload) -> None:
    assert_refused(*offered("third", plain))


MANY = [f"x{number}" for number in range(600)]


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (..., []),
        (None, []),
        ("circuit1", []),
        ({"circuit1": 1}, []),
        ([], []),
        ([1, None, b"circuit1", ["x"], "circuit1", {}, "circuit2"], ["circuit1", "circuit2"]),
        (MANY, MANY[:32]),
        (["long" * 900], ["long" * 900]),
    ],
)
def test_extensions_of_any_kind_do_no_harm(value: object, taken: list[str]) -> None:
    own = keys()
    rogue, victim = Rogue(keys(), own.public_key), link(own)
    rogue.dial(victim, extensions=value)
    assert heard(victim, rogue.frame(rogue.hello())) == [Established(rogue.keys.public_key, tuple(taken), 6001)]
    (up,) = heard(*offered("second", lambda rogue: said("second", rogue, extensions=value)))
    assert isinstance(up, Established)
    assert up.extensions == tuple(taken)


@pytest.mark.parametrize(("place", "overhead"), [("first", 96), ("second", 48)])
def test_a_handshake_message_has_up_to_4096_bytes(place: str, overhead: int) -> None:
    def payload(size: int) -> Payload:
        def padded(rogue: Rogue) -> bytes:
            rest = len(said(place, rogue, padding=bytes(1_000))) - 1_000
            return said(place, rogue, padding=bytes(size - overhead - rest))

        return padded

    assert MAX_HANDSHAKE == 4096
    victim, message = offered(place, payload(MAX_HANDSHAKE))
    assert message.removeprefix(MAGIC)[:2] == MAX_HANDSHAKE.to_bytes(2, "big")
    assert len(heard(victim, message)) == (place == "second")
    victim, message = offered(place, payload(MAX_HANDSHAKE + 1))
    assert_refused(victim, message)


@pytest.mark.parametrize("length", [MAX_HANDSHAKE + 1, 0x7B22, 0xFFFF])
@pytest.mark.parametrize("dials", [False, True])
def test_a_length_that_is_too_large_is_refused_before_anything_else_comes(dials: bool, length: int) -> None:
    end = link(keys())
    if dials:
        end.dial(keys().public_key)
    assert_refused(end, (b"" if dials else MAGIC) + length.to_bytes(2, "big"))
    assert held(end) <= FRESH + SMALL


def test_what_waits_for_a_handshake_is_bounded() -> None:
    end = link(keys())
    heard(end, MAGIC + prefixed(bytes(MAX_HANDSHAKE))[:-1])
    assert held(end) <= FRESH + 2 + MAX_HANDSHAKE + SMALL
    _, victim = rogue_and_victim(up=False)
    heard(victim, prefixed(bytes(0xFFFF))[:-1])
    assert held(victim) <= FRESH + FRAME + SMALL


def test_frames_that_follow_the_proof_at_once_arrive() -> None:
    rogue, victim = rogue_and_victim(up=False)
    hello, frame = rogue.frame(rogue.hello()), rogue.frame(b"\x11data")
    up, cell = heard(victim, hello + frame)
    assert up == Established(rogue.keys.public_key, ("circuit1",), 6001)
    assert cell == as_heard(FrameType.CELL, b"data")
