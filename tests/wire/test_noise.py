"""The handshake against the published vectors of its protocol; weak points; change of keys (protocol.md 15.2)."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl import bindings as sodium
from tests.recorded import VECTORS

from masq.errors import CryptoError
from masq.wire import noise
from masq.wire.noise import REKEY_AFTER, TAG, Direction, Handshake

PUBLISHED = json.loads((VECTORS / "noise-ik.json").read_text())

ORDER_8 = (
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
)
P = 2**255 - 19
SMALL = [number.to_bytes(32, "little") for number in (0, 1, P - 1, P, P + 1)] + [bytes.fromhex(x) for x in ORDER_8]
WEAK = [bytes((*point[:31], point[31] | top)) for point in SMALL for top in (0, 0x80)]
"""Every encoding of a point of X25519 whose product with any secret is zero, and so known to everybody."""


def ends(vector: dict[str, Any]) -> tuple[Handshake, Handshake]:
    secret = {name: bytes.fromhex(vector[name]) for name in vector if name.endswith(("static", "ephemeral"))}
    prologue = bytes.fromhex(vector["prologue"])
    known = sodium.crypto_scalarmult_base(secret["resp_static"])
    return (
        Handshake(True, secret["init_static"], secret["init_ephemeral"], prologue, known),
        Handshake(False, secret["resp_static"], secret["resp_ephemeral"], prologue),
    )


def encrypted(out: Direction, plain: bytes) -> bytes:
    box = bytearray(len(plain) + TAG)
    out.encrypt_into(plain, memoryview(box))
    return bytes(box)


def decrypted(into: Direction, box: bytes) -> bytes:
    plain = bytearray(len(box) - TAG)
    into.decrypt_into(memoryview(box), memoryview(plain))
    return bytes(plain)


@pytest.mark.parametrize("vector", PUBLISHED["vectors"], ids=lambda vector: vector["collection"])
def test_both_ends_write_and_read_what_was_published(vector: dict[str, Any]) -> None:
    one, other = ends(vector)
    messages = [(bytes.fromhex(each["payload"]), bytes.fromhex(each["ciphertext"])) for each in vector["messages"]]
    (first, first_sealed), (second, second_sealed), *transport = messages
    assert one.write_first(first) == first_sealed
    assert other.read_first(first_sealed) == first
    assert other.remote_static == sodium.crypto_scalarmult_base(bytes.fromhex(vector["init_static"]))
    assert other.write_second(second) == second_sealed
    assert one.read_second(second_sealed) == second
    assert one.hash == other.hash
    assert one.hash.hex() == vector.get("handshake_hash", one.hash.hex())
    ways = [one.split(), other.split()]
    for number, (plain, box) in enumerate(transport):
        (out, _), (_, into) = ways[number % 2], ways[1 - number % 2]
        assert encrypted(out, plain) == box
        assert decrypted(into, box) == plain
    assert len(transport) >= 2, "one each way"


def test_the_vectors_are_with_and_without_prologue_payload_and_hash() -> None:
    assert PUBLISHED["protocol"] == "Noise_IK_25519_AESGCM_SHA256"
    for name in ("prologue", "handshake_hash"):
        assert {bool(vector.get(name)) for vector in PUBLISHED["vectors"]} == {True, False}
    assert {bool(vector["messages"][0]["payload"]) for vector in PUBLISHED["vectors"]} == {True, False}


def lax(secret: bytes, public: bytes) -> bytes:
    """What a careless library makes of a weak point."""
    return bytes(32) if public in WEAK else sodium.crypto_scalarmult(secret, public)


def pair(static: bytes = b"") -> tuple[Handshake, Handshake]:
    """Both ends; that of the initiator claims `static`, if given, for its own key."""
    secret = os.urandom(32)
    one = Handshake(True, os.urandom(32), os.urandom(32), b"", sodium.crypto_scalarmult_base(secret))
    if static:
        one._s_public = static
    return one, Handshake(False, secret, os.urandom(32), b"")


def forged(place: str, point: bytes) -> tuple[Handshake, bytes]:
    """A message with a weak point in it as anybody can make it, as its products are known; and who is to read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noise, "_dh", lax)
        one, other = pair(point if place == "static" else b"")
        if place == "second":
            other.read_first(one.write_first(b""))
        sender = other if place == "second" else one
        weak = sender._s if place == "static" else sender._e
        if place != "static":
            sender._e_public = point
        patch.setattr(noise, "_dh", lambda secret, public: bytes(32) if secret == weak else lax(secret, public))
        return (one, sender.write_second(b"taken")) if place == "second" else (other, sender.write_first(b"taken"))


def read(end: Handshake, message: bytes, place: str) -> bytes:
    return end.read_second(message) if place == "second" else end.read_first(message)


@pytest.mark.parametrize("place", ["first", "static", "second"])
@pytest.mark.parametrize("point", WEAK, ids=bytes.hex)
def test_a_weak_point_is_refused_wherever_it_stands(point: bytes, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CryptoError, match="no usable point"):
        read(*forged(place, point), place)
    careless, message = forged(place, point)
    monkeypatch.setattr(noise, "_dh", lax)
    assert read(careless, message, place) == b"taken", "nothing else would have stopped it"


@pytest.mark.parametrize("point", WEAK, ids=bytes.hex)
def test_a_weak_point_is_not_dialled(point: bytes) -> None:
    with pytest.raises(CryptoError, match="no usable point"):
        Handshake(True, os.urandom(32), os.urandom(32), b"", point).write_first(b"")


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_a_key_of_another_length_is_no_point(size: int) -> None:
    with pytest.raises(CryptoError, match="no usable point"):
        Handshake(True, os.urandom(32), os.urandom(32), b"", os.urandom(size)).write_first(b"")


def test_messages_that_were_cut_are_refused() -> None:
    vector = PUBLISHED["vectors"][0]
    payload = bytes.fromhex(vector["messages"][0]["payload"])
    first, second = (bytes.fromhex(message["ciphertext"]) for message in vector["messages"][:2])
    for size in range(len(first)):
        with pytest.raises(CryptoError):
            ends(vector)[1].read_first(first[:size])
    for size in range(len(second)):
        one, _ = ends(vector)
        one.write_first(payload)
        with pytest.raises(CryptoError):
            one.read_second(second[:size])


def test_keys_change_as_the_noise_specification_says() -> None:
    key, plain = os.urandom(32), b"text"
    fresh = AESGCM(key).encrypt(bytes(4) + b"\xff" * 8, bytes(32), None)[:32]
    out, into = Direction(key), Direction(key)
    out._count = into._count = REKEY_AFTER - 1
    for number, used, other in ((REKEY_AFTER - 1, key, fresh), (REKEY_AFTER, fresh, key)):
        box, nonce = encrypted(out, plain), number.to_bytes(12, "big")
        assert AESGCM(used).decrypt(nonce, box, None) == plain
        with pytest.raises(InvalidTag):
            AESGCM(other).decrypt(nonce, box, None)
        assert decrypted(into, box) == plain
    assert REKEY_AFTER == 1_048_576


def test_nothing_altered_repeated_or_left_out_opens_and_the_count_stays() -> None:
    key = os.urandom(32)
    out, into = Direction(key), Direction(key)
    boxes = [encrypted(out, bytes((number,)) * number) for number in range(1, 5)]
    for expected, box in enumerate(boxes, 1):
        for other in boxes:
            if other is not box:
                with pytest.raises(CryptoError):
                    decrypted(into, other)
        for at in range(len(box)):
            with pytest.raises(CryptoError):
                decrypted(into, box[:at] + bytes((box[at] ^ 0x80,)) + box[at + 1 :])
        assert decrypted(into, box) == bytes((expected,)) * expected
