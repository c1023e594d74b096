"""Secure links against who alters, cuts, repeats or reflects messages: they stay down, silently (protocol.md 15.2)."""

from __future__ import annotations

import os

import pytest
from nacl import bindings as sodium
from tests.secure_ends import (
    DEV,
    SEPOLIA,
    Rogue,
    greeting,
    heard,
    keys,
    link,
    session,
)
from tests.wire.hostile_ends import FRAME, altered, assert_refused

from masq.crypto import CryptDE
from masq.errors import CryptoError
from masq.wire.secure_link import (
    MAGIC,
    Established,
    Event,
    FrameType,
    SecureLink,
)

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
