"""Secure links: the handshake against an independent library, frames and packages (protocol.md 15.2)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings as sodium
from tests.secure_ends import DEV, SEPOLIA, heard, joined, keys, link

from masq.crypto import CryptDE
from masq.errors import CryptoError, PeerError
from masq.wire.noise import REKEY_AFTER, Direction, Handshake
from masq.wire.package import Package
from masq.wire.secure_link import Event, Frame, FrameType


def test_our_handshake_is_that_of_an_independent_library() -> None:
    noise = pytest.importorskip("noise.connection")
    for ours_first in (True, False):
        static, ephemeral, theirs = os.urandom(32), os.urandom(32), os.urandom(32)
        ours = Handshake(
            ours_first, static, ephemeral, b"prologue", sodium.crypto_scalarmult_base(theirs) if ours_first else b""
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = noise.NoiseConnection.from_name(b"Noise_IK_25519_AESGCM_SHA256")
            other.set_prologue(b"prologue")
            other.set_keypair_from_private_bytes(noise.Keypair.STATIC, theirs)
            if ours_first:
                other.set_as_responder()
                other.start_handshake()
                assert bytes(other.read_message(ours.write_first(b"one"))) == b"one"
                assert ours.read_second(bytes(other.write_message(b"two"))) == b"two"
            else:
                other.set_as_initiator()
                other.set_keypair_from_public_bytes(noise.Keypair.REMOTE_STATIC, sodium.crypto_scalarmult_base(static))
                other.start_handshake()
                assert ours.read_first(bytes(other.write_message(b"one"))) == b"one"
                assert bytes(other.read_message(ours.write_second(b"two"))) == b"two"
        assert other.get_handshake_hash() == ours.hash
        out, into = ours.split()
        box = bytearray(5 + 16)
        out.encrypt_into(b"hello", memoryview(box))
        assert bytes(other.decrypt(bytes(box))) == b"hello"
        plain = bytearray(3)
        into.decrypt_into(memoryview(bytes(other.encrypt(b"you"))), memoryview(plain))
        assert plain == b"you"


def test_rekeying_keeps_both_ends_together() -> None:
    one, other = Direction(bytes(32)), Direction(bytes(32))
    one._count = other._count = REKEY_AFTER - 2
    box, plain = bytearray(20), bytearray(4)
    for _ in range(5):
        one.encrypt_into(b"text", memoryview(box))
        other.decrypt_into(memoryview(box), memoryview(plain))
        assert plain == b"text"


@given(st.lists(st.binary(max_size=3000), max_size=5), st.data())
@settings(max_examples=20, deadline=None)
def test_frames_arrive_whatever_the_chunking(bodies: list[bytes], choice: st.DataObject) -> None:
    one, other = joined()
    data = b"".join(bytes(one.frame(FrameType.CELL, body)) for body in bodies)
    events: list[Event] = []
    while data:
        size = choice.draw(st.integers(1, len(data)))
        events += heard(other, data[:size])
        data = data[size:]
    assert [bytes(event.body) for event in events if isinstance(event, Frame)] == bodies


def test_packages_of_any_size() -> None:
    one, other = joined()
    for size in (0, 1, 65_000, 200_000):
        package = Package([b"hop"], os.urandom(size))
        assert heard(other, one.package(package)) == [package]
        assert heard(one, other.package(package)) == [package]


def test_another_key_and_another_chain_fail() -> None:
    a, b, c = keys(), keys(), keys()
    with pytest.raises(CryptoError):
        heard(link(c), link(a).dial(b.public_key))
    with pytest.raises(CryptoError):
        heard(link(b, SEPOLIA), link(a).dial(b.public_key))


def test_a_second_half_that_is_not_held_fails() -> None:
    a, b, c = keys(), keys(), keys()
    stolen = CryptDE(DEV, os.urandom, a.x25519_secret, bytes(32) + c.public_key[32:])
    one, other = link(stolen), link(b)
    heard(other, one.dial(b.public_key))
    heard(one, other.take_answer())
    with pytest.raises(PeerError):
        heard(other, one.take_answer())
    assert not other.up


def test_frames_that_are_altered_repeated_or_reordered_end_the_link() -> None:
    ways: list[Callable[[bytes, bytes], bytes]] = [
        lambda x, y: x[:-1] + bytes((x[-1] ^ 1,)),
        lambda x, y: x + x,
        lambda x, y: y + x,
    ]
    for spoil in ways:
        one, other = joined()
        x, y = bytes(one.frame(FrameType.CELL, b"first")), bytes(one.frame(FrameType.CELL, b"second"))
        with pytest.raises(CryptoError):
            heard(other, spoil(x, y))
