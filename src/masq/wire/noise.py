"""Noise_IK_25519_AESGCM_SHA256 (noiseprotocol.org, revision 34): the one handshake that secure links use.

Own code, because the one library for it is no longer kept; the tests hold it against that library.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl import bindings as sodium
from nacl.exceptions import CryptoError as SodiumError

from masq.errors import CryptoError

_NAME: Final = b"Noise_IK_25519_AESGCM_SHA256"
TAG: Final = 16
KEY: Final = 32
REKEY_AFTER: Final = 1 << 20
"""Messages in one direction after which its key changes (protocol.md 15.2)."""
_MAX_NONCE: Final = (1 << 64) - 1


class Direction:
    """One direction of the transport: a key and a counter. Encrypts and decrypts from buffer to buffer."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._count = 0

    def encrypt_into(self, plain: bytes | bytearray | memoryview, out: memoryview) -> None:
        """`out` has 16 bytes more than `plain`; they may overlap only if they begin at the same byte."""
        count = self._count
        self._aead.encrypt_into(count.to_bytes(12, "big"), plain, None, out)
        self._count = count = count + 1
        if count % REKEY_AFTER == 0:
            self._rekey()

    def decrypt_into(self, box: memoryview, out: memoryview) -> None:
        """`out` has 16 bytes less than `box`. CryptoError if the box was altered, repeated or reordered."""
        count = self._count
        try:
            self._aead.decrypt_into(count.to_bytes(12, "big"), box, None, out)
        except InvalidTag as error:
            raise CryptoError("a frame of the secure link was altered") from error
        self._count = count = count + 1
        if count % REKEY_AFTER == 0:
            self._rekey()

    def _rekey(self) -> None:
        self._aead = AESGCM(self._aead.encrypt(_nonce(_MAX_NONCE), bytes(32), None)[:32])


def _nonce(count: int) -> bytes:
    return count.to_bytes(12, "big")


class Handshake:
    """Both messages of the pattern IK: the initiator knows the responder's static key beforehand."""

    def __init__(
        self,
        initiator: bool,
        static_secret: bytes,
        ephemeral_secret: bytes,
        prologue: bytes,
        remote_static: bytes = b"",
    ) -> None:
        """Secrets and keys are X25519, 32 bytes. The responder learns `remote_static` from message 1."""
        self._initiator = initiator
        self._s, self._s_public = static_secret, sodium.crypto_scalarmult_base(static_secret)
        self._e, self._e_public = ephemeral_secret, sodium.crypto_scalarmult_base(ephemeral_secret)
        self.remote_static = remote_static
        self._re = b""
        self._k = b""
        self._n = 0
        self.hash = self._chain = _NAME.ljust(32, b"\0")
        self._mix_hash(prologue)
        self._mix_hash(remote_static if initiator else self._s_public)

    def write_first(self, payload: bytes) -> bytes:
        """Message 1: e, es, s, ss."""
        self._mix_hash(self._e_public)
        self._mix_key(_dh(self._e, self.remote_static))
        static = self._encrypt(self._s_public)
        self._mix_key(_dh(self._s, self.remote_static))
        return self._e_public + static + self._encrypt(payload)

    def read_first(self, message: bytes) -> bytes:
        """The payload of message 1. CryptoError if it is not for us, or altered."""
        if len(message) < 2 * KEY + 2 * TAG:
            raise CryptoError("the first handshake message is too short")
        self._re = message[:KEY]
        self._mix_hash(self._re)
        self._mix_key(_dh(self._s, self._re))
        self.remote_static = self._decrypt(message[KEY : 2 * KEY + TAG])
        self._mix_key(_dh(self._s, self.remote_static))
        return self._decrypt(message[2 * KEY + TAG :])

    def write_second(self, payload: bytes) -> bytes:
        """Message 2: e, ee, se."""
        self._mix_hash(self._e_public)
        self._mix_key(_dh(self._e, self._re))
        self._mix_key(_dh(self._e, self.remote_static))
        return self._e_public + self._encrypt(payload)

    def read_second(self, message: bytes) -> bytes:
        if len(message) < KEY + TAG:
            raise CryptoError("the second handshake message is too short")
        self._re = message[:KEY]
        self._mix_hash(self._re)
        self._mix_key(_dh(self._e, self._re))
        self._mix_key(_dh(self._s, self._re))
        return self._decrypt(message[KEY:])

    def split(self) -> tuple[Direction, Direction]:
        """The transport, once both messages have passed: what we send, and what we receive."""
        first, second = self._hkdf(b"")
        ours, theirs = (first, second) if self._initiator else (second, first)
        return Direction(ours), Direction(theirs)

    def _mix_hash(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def _mix_key(self, material: bytes) -> None:
        self._chain, self._k = self._hkdf(material)
        self._n = 0

    def _hkdf(self, material: bytes) -> tuple[bytes, bytes]:
        secret = hmac.digest(self._chain, material, "sha256")
        first = hmac.digest(secret, b"\x01", "sha256")
        return first, hmac.digest(secret, first + b"\x02", "sha256")

    def _encrypt(self, plain: bytes) -> bytes:
        box = AESGCM(self._k).encrypt(_nonce(self._n), plain, self.hash)
        self._n += 1
        self._mix_hash(box)
        return box

    def _decrypt(self, box: bytes) -> bytes:
        try:
            plain = AESGCM(self._k).decrypt(_nonce(self._n), box, self.hash)
        except InvalidTag as error:
            raise CryptoError("a handshake message was altered, or is for another key or chain") from error
        self._n += 1
        self._mix_hash(box)
        return plain


def _dh(secret: bytes, public: bytes) -> bytes:
    if len(public) != KEY:  # The library would read on beyond the end of a shorter one.
        raise CryptoError("a key of the handshake is no usable point: it is not 32 bytes long")
    try:
        return sodium.crypto_scalarmult(secret, public)
    except SodiumError as error:
        raise CryptoError("a key of the handshake is no usable point") from error
