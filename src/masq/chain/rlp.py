"""RLP: how Ethereum writes nested lists of byte strings. What we read of it we wrote ourselves."""

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


def decode_strings(encoded: bytes) -> list[bytes]:
    """The strings of a list that holds no lists, or empty ones. IndexError if it isn't one."""
    rest = encoded[1:] if encoded[0] < 0xF8 else encoded[1 + encoded[0] - 0xF7 :]
    strings = []
    while rest:
        start, size = _string(rest)
        strings.append(rest[start : start + size])
        rest = rest[start + size :]
    return strings


def _string(data: bytes) -> tuple[int, int]:
    """Where the first string begins, and its size."""
    head = data[0]
    if head < 0x80:
        return 0, 1
    if head < 0xB8:
        return 1, head - 0x80
    if head == 0xC0:
        return 1, 0
    width = head - 0xB7
    return 1 + width, int.from_bytes(data[1 : 1 + width], "big")


def _head(kind: int, length: int) -> bytes:
    if length < 56:
        return bytes((kind + length,))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((kind + 55 + len(size),)) + size
