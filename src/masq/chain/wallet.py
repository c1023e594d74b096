"""Wallets: secp256k1 keys, their addresses and recoverable signatures (accounting.md 5.1).

Phrases that keys are derived from are in `phrase`, the derivation in `derivation`.
"""

from __future__ import annotations

import coincurve

from masq.errors import CryptoError
from masq.keccak import keccak256
from masq.types import Address

SECRET_SIZE = 32


class Wallet:
    """A private key that pays, and its address."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: 32 bytes; ValueError if it is no private key of secp256k1."""
        # coincurve would pad a shorter one, and thereby pay from the wallet of another key.
        if len(secret) != SECRET_SIZE:
            raise ValueError(f"a private key has {SECRET_SIZE} bytes, this one {len(secret)}")
        try:
            self._key = coincurve.PrivateKey(secret)
        except ValueError as error:
            raise ValueError("a private key is above 0 and below the order of secp256k1; this one isn't") from error
        self.secret = secret
        self.address: Address = _address_of(self._key.public_key)

    def sign_recoverable(self, digest: bytes) -> tuple[int, bytes, bytes]:
        """v (0 or 1), r and s over a 32-byte digest: RFC 6979, low s."""
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[64], signature[:32], signature[32:64]


def recover(digest: bytes, v: int, r: bytes, s: bytes) -> Address:
    """The address whose key made the signature; a high s is accepted. CryptoError if none can have made it."""
    if v not in (0, 1):
        raise CryptoError("a recovery id is 0 or 1")
    if not len(digest) == len(r) == len(s) == 32:
        raise CryptoError("digest, r and s have 32 bytes each")
    try:
        return _address_of(coincurve.PublicKey.from_signature_and_message(r + s + bytes((v,)), digest, hasher=None))
    except Exception as error:  # coincurve raises bare Exception for what libsecp256k1 refuses.
        raise CryptoError("no key can have made this signature") from error


def _address_of(key: coincurve.PublicKey) -> Address:
    return keccak256(key.format(compressed=False)[1:])[12:]
