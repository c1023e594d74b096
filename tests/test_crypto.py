"""Key pairs: what is sealed or signed holds for whom it is meant, whatever comes from outside (protocol.md 3).

The known answers are in `wire/test_derived.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings as sodium
from tests.strategies import key_pair, key_pairs, null_pairs

from masq.crypto import SEAL_OVERHEAD, CryptDE, NullCryptDE
from masq.errors import CryptoError
from masq.types import CHAINS

CONTRACT = CHAINS["base-sepolia"].contract


@given(key_pairs, st.binary(max_size=300))
def test_what_is_sealed_opens_for_one_key_only(keys: CryptDE, message: bytes) -> None:
    box = keys.seal(keys.public_key, message)
    assert len(box) == len(message) + SEAL_OVERHEAD
    assert keys.open(box) == message
    assert key_pair(9).seal(keys.public_key, message) != box
    with pytest.raises(CryptoError):
        key_pair(8).open(box)


@given(key_pairs, st.binary(max_size=50), st.integers(0), st.integers(1, 255))
def test_an_altered_box_does_not_open(keys: CryptDE, message: bytes, place: int, change: int) -> None:
    box = bytearray(keys.seal(keys.public_key, message))
    # The highest bit of a public key is not looked at, but the nonce depends on it.
    box[place % len(box)] ^= change
    with pytest.raises(CryptoError):
        keys.open(bytes(box))


@given(st.binary(max_size=200), key_pairs)
def test_any_bytes_are_a_box_or_the_peers_fault(data: bytes, keys: CryptDE) -> None:
    with pytest.raises(CryptoError):
        keys.open(data)


def test_libsodium_opens_our_boxes_and_we_open_libsodiums() -> None:
    keys = key_pair(0)
    public, secret = keys.public_key[:32], keys.x25519_secret
    assert sodium.crypto_box_seal_open(keys.seal(keys.public_key, b"hi"), public, secret) == b"hi"
    assert keys.open(sodium.crypto_box_seal(b"hi", public)) == b"hi"


@pytest.mark.parametrize(
    "key",
    [b"", bytes(32), bytes(63), bytes(65), bytes(64), b"\1" + bytes(63)],
    ids=lambda key: f"{len(key)}-{key[:1].hex()}",
)
def test_what_is_no_key_is_refused(key: bytes) -> None:
    """A point of small order would give a box that everybody opens."""
    with pytest.raises(CryptoError):
        key_pair(0).seal(key, b"hi")


@pytest.mark.parametrize("change", [lambda key: key + b"x", lambda key: key[:-1]])
def test_a_key_that_is_too_long_or_too_short_is_refused(change: Callable[[bytes], bytes]) -> None:
    keys = key_pair(0)
    with pytest.raises(CryptoError, match="a public key has 64 bytes"):
        keys.seal(change(keys.public_key), b"hi")


def test_a_first_contact_key_opens_as_the_whole_one() -> None:
    keys = key_pair(0)
    short = keys.first_contact_key(keys.fragment())
    assert short == keys.public_key[:32] + bytes(32)
    assert keys.open(key_pair(1).seal(short, b"debut")) == b"debut"


@given(key_pairs, st.binary(max_size=100))
def test_signatures(keys: CryptDE, data: bytes) -> None:
    signature = keys.sign(data)
    reader = key_pair(9)
    assert len(signature) == 64
    assert reader.verify(data, signature, keys.public_key)
    assert not reader.verify(data + b"x", signature, keys.public_key)
    assert not reader.verify(data, signature, reader.public_key)
    assert not reader.verify_plain(data, signature, keys.public_key)
    assert not key_pair(9, "dev").verify(data, signature, keys.public_key)
    plain = keys.sign_plain(data)
    assert reader.verify_plain(data, plain, keys.public_key)
    assert not reader.verify(data, plain, keys.public_key)


def test_bytes_do_not_pass_between_a_signature_and_what_it_signs() -> None:
    keys, data = key_pair(0), b"data"
    for sign, verify in ((keys.sign, keys.verify), (keys.sign_plain, keys.verify_plain)):
        signature = sign(data)
        assert verify(data, signature, keys.public_key)
        assert not verify(data[1:], signature + data[:1], keys.public_key)
        assert not verify(signature[-1:] + data, signature[:-1], keys.public_key)
        assert not verify(data, signature, keys.public_key + b"x")
        assert not verify(data, signature, keys.public_key[:-1])


@given(st.binary(max_size=100), st.binary(max_size=100), st.binary(max_size=100))
def test_anything_as_signature_and_key_is_just_wrong(data: bytes, signature: bytes, key: bytes) -> None:
    for reader in (key_pair(0), NullCryptDE(b"\1\2")):
        assert not reader.verify(data, signature, key)
        assert not reader.verify(data, signature[:64].ljust(64, b"x"), key[:64].ljust(64, b"y"))
    assert not key_pair(0).verify_plain(data, signature[:64].ljust(64, b"x"), key[:64].ljust(64, b"y"))


def test_a_stored_pair_is_the_same_pair() -> None:
    keys = key_pair(0)
    again = CryptDE.from_text(CONTRACT, os.urandom, keys.to_text())
    assert (again.public_key, again.digest, again.to_text()) == (keys.public_key, keys.digest, keys.to_text())
    assert again.open(keys.seal(keys.public_key, b"hi")) == b"hi"
    assert again.sign(b"x") == keys.sign(b"x")


@pytest.mark.parametrize(
    "text", ["", ",", "AAAA", "AAAA,AAAA", "é,é", "A,A", "{0}", "{0},{0}", "{1},{0}", "{0},{1},{1}"]
)
def test_a_stored_text_that_is_no_pair(text: str) -> None:
    first, second = key_pair(0).to_text().split(",")
    with pytest.raises(CryptoError):
        CryptDE.from_text(CONTRACT, os.urandom, text.format(first, second))


def test_new_keys_come_from_the_given_source() -> None:
    def source(seed: int) -> Callable[[int], bytes]:
        return lambda size: bytes((seed,)) * size

    first, same, other = (CryptDE(CONTRACT, source(seed)) for seed in (1, 1, 2))
    assert first.public_key == same.public_key != other.public_key
    assert first.garbage(5) == b"\1" * 5
    assert first.seal(other.public_key, b"x") == same.seal(other.public_key, b"x")


def test_secrets_are_drawn_at_the_size_that_they_have() -> None:
    sizes = []

    def source(size: int) -> bytes:
        sizes.append(size)
        return bytes((1,)) * size

    keys = CryptDE(CONTRACT, source)
    assert sizes == [32, 32]
    keys.seal(keys.public_key, b"x")
    assert sizes == [32, 32, 32]


def test_only_real_keys_make_secure_links() -> None:
    assert key_pair(0).links_securely
    assert not NullCryptDE(b"\1").links_securely


# --- the readable test cipher ---


@given(null_pairs, st.binary(min_size=1, max_size=100))
def test_the_readable_cipher(keys: NullCryptDE, message: bytes) -> None:
    box = keys.seal(keys.public_key, message)
    assert keys.open(box) == message
    assert keys.verify(message, keys.sign(message), keys.public_key)
    assert keys.alias().alias().public_key == keys.public_key
    assert keys.first_contact_key(keys.fragment()) == keys.public_key
    other = NullCryptDE(bytes((keys.public_key[0] ^ 1,)) + keys.public_key[1:])
    with pytest.raises(CryptoError):
        other.open(box)
    assert not keys.verify(message, keys.sign(message), other.public_key)


def test_the_readable_cipher_seals_nothing_empty() -> None:
    keys = NullCryptDE(b"\1\2\3\4")
    for key, message in ((b"", b"hi"), (b"\1", b"")):
        with pytest.raises(CryptoError):
            keys.seal(key, message)
    with pytest.raises(CryptoError):
        keys.open(b"\x81\x82")


def test_what_the_readable_cipher_writes() -> None:
    keys = NullCryptDE(b"\x00\x01\x7f\x80\xff")
    assert keys.seal(keys.public_key, b"hi") == b"\x80\x81\xff\x00\x7fhi"
    assert keys.alias().public_key == b"\xff\x80\x7f\x01\x00"
    assert keys.garbage(3) == b"444"
