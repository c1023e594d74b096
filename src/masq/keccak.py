"""Keccak-256 as Ethereum uses it, which is not SHA3-256."""

from __future__ import annotations

from Crypto.Hash import keccak


def keccak256(data: bytes) -> bytes:
    """The 32-byte digest."""
    return keccak.new(data=data, digest_bits=256).digest()
