"""Secure links against who alters, repeats, reflects, lies or floods: they stay down, silently (protocol.md 15.2)."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nacl import bindings as sodium
from tests.secure_ends import (
    DEV,
    SEPOLIA,
    Rogue,
    as_heard,
    greeting,
    heard,
    held,
    joined,
    keys,
    link,
    prefixed,
    rogue_and_victim,
    session,
)
from tests.strategies import bits_8, bits_16, cbor_values, damaged, hostile, key_pair

from masq.crypto import CryptDE
from masq.errors import CryptoError, MalformedError, PeerError
from masq.wire import cbor, noise
from masq.wire.package import Package
from masq.wire.secure_link import (
    MAGIC,
    MAX_HANDSHAKE,
    MAX_PACKAGE,
    Established,
    Event,
    Frame,
    FrameType,
    SecureLink,
)

FRAME = 2 + 65_535
"""Bytes of the largest frame."""
FRESH = held(link(keys()))
"""Bytes that an end holds before anything was heard."""
SMALL = 512
"""Bytes of hashes, keys and the like."""


def assert_refused(end: SecureLink, data: bytes) -> None:
    """It is an error, and neither an event nor an answer nor a link comes of it."""
    events: list[Event] = []
    with pytest.raises(PeerError):
        for event in end.receive(memoryview(bytearray(data))):
            events.append(event)
    assert not events
    assert not end.up
    assert end.take_answer() == b""


def altered(data: bytes, at: int, change: int) -> bytes:
    return data[:at] + bytes((data[at] ^ change,)) + data[at + 1 :]


def signed(own: CryptDE, role: str, hash: bytes) -> bytes:
    return own.sign_plain(b"masq-link-" + role.encode() + hash)


# --- altered, cut, split ---


@pytest.mark.parametrize("change", [0x01, 0x80])
def test_each_altered_byte_of_the_magic_is_refused_when_it_comes(change: int) -> None:
    for at in range(len(MAGIC)):
        assert_refused(link(keys()), altered(MAGIC, at, change)[: at + 1])


@pytest.mark.parametrize("change", [0x01, 0x80])
def test_each_altered_byte_of_each_message_ends_the_handshake(change: int) -> None:
    a, b = keys(), keys()
    first, size = link(a).dial(b.public_key), len(MAGIC)
    for at in range(size + 2, len(first)):
        assert_refused(link(b), altered(first, at, change))
    for message in ("second", "third"):
        for at in range(2, len(getattr(session(a, b), message))):
            one, other = link(a), link(b)
            heard(other, one.dial(b.public_key))
            second = other.take_answer()
            if message == "second":
                assert_refused(one, altered(second, at, change))
            else:
                heard(one, second)
                assert_refused(other, altered(one.take_answer(), at, change))


@pytest.mark.parametrize("change", [0x0001, 0x0004, 0x0100, 0x8000])
def test_an_altered_length_ends_the_handshake_though_all_comes_that_is_waited_for(change: int) -> None:
    def altered_length(data: bytes) -> bytes:
        return (int.from_bytes(data[:2], "big") ^ change).to_bytes(2, "big") + data[2:] + bytes(FRAME)

    a, b = keys(), keys()
    one, other = link(a), link(b)
    first = one.dial(b.public_key)
    assert_refused(link(b), MAGIC + altered_length(first[len(MAGIC) :]))
    heard(other, first)
    second = other.take_answer()
    heard(one, second)
    assert_refused(other, altered_length(one.take_answer()))
    one, other = link(a), link(b)
    heard(other, one.dial(b.public_key))
    assert_refused(one, altered_length(other.take_answer()))


def test_a_handshake_is_nothing_until_its_last_byte_whatever_the_cut() -> None:
    a, b = keys(), keys()
    one, other = link(a), link(b)

    def all_but_the_last_byte_are_nothing(end: SecureLink, message: bytes) -> list[Event]:
        for at in range(len(message) - 1):
            assert heard(end, message[at : at + 1]) == []
            assert not end.up
            assert end.take_answer() == b""
        return heard(end, message[-1:])

    assert all_but_the_last_byte_are_nothing(other, one.dial(b.public_key)) == []
    (up,) = all_but_the_last_byte_are_nothing(one, other.take_answer())
    assert up == Established(b.public_key, ("circuit1",), 6001)
    (up,) = all_but_the_last_byte_are_nothing(other, one.take_answer())
    assert up == Established(a.public_key, ("circuit1",), 6001)
    assert one.up
    assert other.up


# --- the wrong messages ---


def test_keys_with_exchanged_halves_are_not_ours() -> None:
    own = keys()
    assert_refused(link(own), link(keys()).dial(own.public_key[32:] + own.public_key[:32]))


def test_a_second_message_for_another_session_is_refused() -> None:
    a, b = keys(), keys()
    earlier, one, another, other = session(a, b), link(a), link(a), link(b)
    heard(other, one.dial(b.public_key))
    another.dial(b.public_key)
    assert_refused(another, other.take_answer())
    assert_refused(one, earlier.second)


def test_a_proof_of_another_session_is_refused() -> None:
    a, b = keys(), keys()
    earlier, one, other = session(a, b), link(a), link(b)
    heard(other, one.dial(b.public_key))
    heard(one, other.take_answer())
    assert_refused(other, earlier.third)


def test_a_repeated_first_message_is_answered_and_nothing_repeated_fits_the_answer() -> None:
    listens = keys()
    recorded = session(keys(), listens)
    frame = bytes(recorded.one.frame(FrameType.CELL, b"data"))
    for rest in (recorded.third, frame, recorded.second, recorded.first + bytes(FRAME)):
        end = link(listens)
        assert heard(end, recorded.first) == []
        assert end.take_answer() not in (b"", recorded.second)
        assert_refused(end, rest)


def test_messages_that_come_back_are_refused() -> None:
    a, b = keys(), keys()
    one, other = link(a), link(b)
    first = one.dial(b.public_key)
    heard(other, first)
    assert_refused(other, other.take_answer())
    assert_refused(link(a), first)
    assert_refused(one, first)
    one = link(a)
    assert_refused(one, one.dial(b.public_key)[len(MAGIC) :])
    both = session(a, b)
    for end, own in ((both.one, both.third), (both.other, bytes(both.other.frame(FrameType.CELL, b"data")))):
        with pytest.raises(CryptoError):
            heard(end, own)


@pytest.mark.parametrize("place", ["first", "second"])
def test_the_other_chain_is_refused_from_both_sides(place: str) -> None:
    own = keys()
    victim = link(own)
    if place == "first":
        rogue = Rogue(keys(), own.public_key, SEPOLIA)
        assert_refused(victim, rogue.first(greeting(rogue.keys.public_key)))
    else:
        # It can't even read the first message; that it answers all the same makes nothing of it.
        rogue = Rogue(keys(), contract=SEPOLIA)
        first = victim.dial(rogue.keys.public_key)
        with pytest.raises(CryptoError):
            rogue.hear_first(first)
        rogue.shake.remote_static = own.public_key[:32]
        assert_refused(victim, rogue.second(greeting(rogue.keys.public_key, signature=rogue.responder_proof())))


@pytest.mark.parametrize("place", ["first", "second"])
def test_who_lacks_the_first_half_of_a_key_can_t_use_it(place: str) -> None:
    # The thief has the signing half, and claims the whole key in a handshake with an X25519 key of its own.
    own, signing_secret = keys(), sodium.crypto_sign_keypair()[1]
    robbed = CryptDE(DEV, os.urandom, b"", signing_secret)
    thief = CryptDE(DEV, os.urandom, b"", signing_secret)
    victim = link(own)
    if place == "first":
        assert_refused(victim, Rogue(thief, own.public_key).first(greeting(robbed.public_key)))
        return
    rogue = Rogue(thief)
    with pytest.raises(CryptoError):
        rogue.hear_first(victim.dial(robbed.public_key))
    rogue, victim = Rogue(thief), link(own)
    rogue.hear_first(victim.dial(thief.public_key))
    assert_refused(victim, rogue.second(greeting(robbed.public_key, signature=rogue.responder_proof())))


# --- an end that says what it likes ---

PLACES = ("first", "second", "third")
Payload = Callable[[Rogue], bytes]


def offered(place: str, payload: Payload) -> tuple[SecureLink, bytes]:
    """An honest end, and the message that it waits for, from a rogue that keeps to the cipher."""
    own = keys()
    victim = link(own)
    if place == "second":
        rogue = Rogue(keys())
        rogue.hear_first(victim.dial(rogue.keys.public_key))
        return victim, rogue.second(payload(rogue))
    rogue = Rogue(keys(), own.public_key)
    if place == "first":
        return victim, rogue.first(payload(rogue))
    rogue.dial(victim)
    return victim, rogue.frame(payload(rogue))


def said(place: str, rogue: Rogue, /, **changes: object) -> bytes:
    """The payload that is due, honest but for the changes."""
    if place == "third":
        return rogue.hello(**changes)
    proof = {"signature": rogue.responder_proof()} if place == "second" else {}
    return greeting(rogue.keys.public_key, **{**proof, **changes})


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

    changes: list[Callable[[bytes], bytes]] = [lambda proof: proof[:-1], lambda proof: proof + b"\0"]
    changes += [lambda proof, at=at: altered(proof, at // 8, 1 << at % 8) for at in range(512)]
    for change in changes:
        assert_refused(*offered(place, lambda rogue, do=change: said(place, rogue, signature=do(true_proof(rogue)))))


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


EARLY: dict[str, Payload] = {
    **{
        f"the proof as {type.name}": lambda rogue, type=type: bytes((type,)) + rogue.hello()[1:]
        for type in FrameType
        if type is not FrameType.HELLO
    },
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


# --- frames, once it is up ---


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
    for type in (0x00, 0x03, 0x14, 0x22, 0x7F, 0xFF, FrameType.HELLO, FrameType.CELL):
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


# --- anything ---

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
    assert victim.take_answer() == b""


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
