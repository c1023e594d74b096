"""RLP: how Ethereum writes nested lists of byte strings. We only ever write it."""

from __future__ import annotations

from collections.abc import Sequence

Item = bytes | int | Sequence["Item"]
"""Integers are not negative; they are written as byte strings without leading zeros."""


def encode(item: Item) -> bytes:
    """The encoding; OverflowError if an integer is negative."""
    if isinstance(item, int):
        return encode(item.to_bytes((item.bit_length() + 7) // 8, "big"))
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _head(0x80, len(item)) + item
    body = b"".join(encode(part) for part in item)
    return _head(0xC0, len(body)) + body


def _head(kind: int, length: int) -> bytes:
    if length < 56:
        return bytes((kind + length,))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((kind + 55 + len(size),)) + size
