"""CryptDE: the keys of a Node, sealed boxes and signatures (protocol.md 3).

`CryptDE` is real cryptography (libsodium). `NullCryptDE` is the network's readable test cipher (protocol.md 3.9).
Both draw random bytes from a function that they are given, so that a simulation can be repeated.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Final, Protocol

from nacl import bindings as sodium
from nacl.exceptions import CryptoError as SodiumError

from masq.errors import CryptoError
from masq.keccak import keccak256
from masq.types import CHAINS, Address, PublicKey

Random = Callable[[int], bytes]
"""Gives n random bytes."""

SEAL_OVERHEAD: Final = 48
KEY_SIZE: Final = 64


class Keys(Protocol):
    """One key pair of a Node, and what can be done with it."""

    public_key: PublicKey
    digest: bytes
    """keccak-256 of public key and token contract: what a payer signs for this reader (protocol.md 5.5)."""
    links_securely: bool
    """Whether secure links and circuits can be made with them."""

    def seal(self, key: PublicKey, message: bytes) -> bytes:
        """Encrypt to `key`, anonymously. CryptoError if the key is no key."""

    def open(self, box: bytes) -> bytes:
        """Decrypt what was sealed to this key pair. CryptoError if it wasn't."""

    def sign(self, data: bytes) -> bytes: ...

    def verify(self, data: bytes, signature: bytes, key: PublicKey) -> bool: ...

    def digest_of(self, key: PublicKey) -> bytes:
        """What a payer signs for the reader `key`."""

    def first_contact_key(self, fragment: bytes) -> PublicKey:
        """The key to seal a Debut to, from the part of it that a descriptor shows (protocol.md 4.3)."""

    def fragment(self) -> bytes:
        """The part of the public key that a descriptor shows."""

    def garbage(self, length: int) -> bytes:
        """Filler for a route (protocol.md 5.4)."""


class CryptDE:
    """X25519 sealed boxes and Ed25519 signatures. Signatures and digests bind the chain's token contract."""

    links_securely = True

    def __init__(
        self, contract: Address, random: Random, x25519_secret: bytes = b"", signing_secret: bytes = b""
    ) -> None:
        """`x25519_secret`: 32 bytes; `signing_secret`: seed (32) and public key (32). Both drawn if not given."""
        self._contract = contract
        self._random = random
        self._x25519_secret = x25519_secret or random(32)
        self._signing_secret = signing_secret or sodium.crypto_sign_seed_keypair(random(32))[1]
        self._x25519_public = sodium.crypto_scalarmult_base(self._x25519_secret)
        self.public_key: PublicKey = self._x25519_public + self._signing_secret[32:]
        self.digest = self.digest_of(self.public_key)

    @classmethod
    def from_text(cls, contract: Address, random: Random, text: str) -> CryptDE:
        """Reads what `to_text` gave. CryptoError if the text is no pair of secrets (protocol.md 3.7)."""
        try:
            parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in text.split(",")]
        except ValueError as error:
            raise CryptoError("the stored key pair is not base64") from error
        if [len(part) for part in parts] != [32, 64]:
            raise CryptoError("the stored key pair has not the form of a key pair")
        return cls(contract, random, *parts)

    def to_text(self) -> str:
        """Both secrets, for storage under encryption: URL-safe base64 without padding, one comma (protocol.md 3.7)."""
        return ",".join(
            base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (self._x25519_secret, self._signing_secret)
        )

    @property
    def x25519_secret(self) -> bytes:
        """The static secret of secure links (protocol.md 15)."""
        return self._x25519_secret

    def seal(self, key: PublicKey, message: bytes) -> bytes:
        # libsodium's crypto_box_seal, with the ephemeral key drawn from our own source of randomness.
        if len(key) != KEY_SIZE:
            raise CryptoError(f"a public key has {KEY_SIZE} bytes, this one {len(key)}")
        secret = self._random(32)
        public = sodium.crypto_scalarmult_base(secret)
        try:
            return public + sodium.crypto_box_easy(message, _seal_nonce(public, key[:32]), key[:32], secret)
        except SodiumError as error:
            raise CryptoError("the public key is a point that nothing can be sealed to") from error

    def open(self, box: bytes) -> bytes:
        if len(box) < SEAL_OVERHEAD:
            raise CryptoError("too short for a sealed box")
        try:
            return sodium.crypto_box_seal_open(box, self._x25519_public, self._x25519_secret)
        except SodiumError as error:
            raise CryptoError("sealed to another key, or altered") from error

    def sign(self, data: bytes) -> bytes:
        return sodium.crypto_sign(data + self._contract, self._signing_secret)[:64]

    def verify(self, data: bytes, signature: bytes, key: PublicKey) -> bool:
        if len(signature) != 64 or len(key) != KEY_SIZE:
            return False
        try:
            sodium.crypto_sign_open(signature + data + self._contract, key[32:])
        except SodiumError:
            return False
        return True

    def sign_plain(self, data: bytes) -> bytes:
        """Ed25519 over `data` alone, as the handshake of secure links does it (protocol.md 15.2)."""
        return sodium.crypto_sign(data, self._signing_secret)[:64]

    def verify_plain(self, data: bytes, signature: bytes, key: PublicKey) -> bool:
        if len(signature) != 64 or len(key) != KEY_SIZE:
            return False
        try:
            sodium.crypto_sign_open(signature + data, key[32:])
        except SodiumError:
            return False
        return True

    def digest_of(self, key: PublicKey) -> bytes:
        return keccak256(key + self._contract)

    def first_contact_key(self, fragment: bytes) -> PublicKey:
        return fragment + bytes(KEY_SIZE - len(fragment))

    def fragment(self) -> bytes:
        return self._x25519_public

    def garbage(self, length: int) -> bytes:
        return self._random(length)


class NullCryptDE:
    """The readable test cipher of the network: a box is the private key, then the plain message (protocol.md 3.9)."""

    links_securely = False

    def __init__(self, public_key: bytes) -> None:
        """Any key length above 0. The digest is always that of chain `dev`, as the network's is."""
        self.public_key: PublicKey = public_key
        self.digest = self.digest_of(public_key)

    def alias(self) -> NullCryptDE:
        return NullCryptDE(self.public_key[::-1])

    def seal(self, key: PublicKey, message: bytes) -> bytes:
        if not key or not message:
            raise CryptoError("an empty key or message can't be sealed")
        return _null_private(key) + message

    def open(self, box: bytes) -> bytes:
        private = _null_private(self.public_key)
        if not box.startswith(private):
            raise CryptoError("sealed to another key")
        return box[len(private) :]

    def sign(self, data: bytes) -> bytes:
        return self.public_key + hashlib.sha1(data).digest()

    def verify(self, data: bytes, signature: bytes, key: PublicKey) -> bool:
        return signature == key + hashlib.sha1(data).digest()

    def digest_of(self, key: PublicKey) -> bytes:
        return keccak256(key + CHAINS["dev"].contract)

    def first_contact_key(self, fragment: bytes) -> PublicKey:
        return fragment

    def fragment(self) -> bytes:
        return self.public_key

    def garbage(self, length: int) -> bytes:
        return b"4" * length


def _null_private(key: bytes) -> bytes:
    return bytes((byte + 128) % 256 for byte in key)


def _seal_nonce(ephemeral_public: bytes, recipient_public: bytes) -> bytes:
    return hashlib.blake2b(ephemeral_public + recipient_public, digest_size=24).digest()
