"""The network's CBOR profile (protocol.md 1): cbor2 with its doors closed, and a fast coder for int arrays."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import cbor2

from masq.errors import MalformedError

_MAX_DEPTH: Final = 128
MAX_ITEMS: Final = 1 << 18
"""Items of one value. A container of one byte becomes an object of seventy, so bytes alone are no bound on memory."""

_SELF_DESCRIBE: Final = b"\xd9\xd9\xf7"
_SHORT: Final = 4_096
"""Bytes below which an array is coded by the generic coder."""
_NOT_SMALL: Final = bytes(range(24, 256))
_PREFIX: Final = 0x18
"""Head of an integer from 24 to 255; smaller ones are one byte."""


def encode(value: object) -> bytes:
    """The forms that the network emits: definite, shortest, in insertion order (protocol.md 1.1)."""
    return cbor2.dumps(value)


def decode(data: bytes) -> Any:
    """The one item that `data` consists of. MalformedError for anything else (protocol.md 1.4)."""
    if data.startswith(_SELF_DESCRIBE):
        data = data[3:]
    # Fewer bytes cannot hold more items: only what is large is counted before it is built.
    if len(data) > MAX_ITEMS and _too_many_items(data):
        raise MalformedError(f"more than {MAX_ITEMS} CBOR items")
    source = BytesIO(data)
    try:
        value = cbor2.CBORDecoder(
            source,
            max_depth=_MAX_DEPTH,
            read_size=max(4096, len(data)),
            allow_duplicate_keys=False,
            strict_hashable_types=True,
            semantic_decoders=_NO_TAGS,
            tag_hook=_refuse_tag,
        ).decode()
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, MemoryError, RecursionError, LookupError) as error:
        raise MalformedError(f"not CBOR: {error}") from error
    if source.tell() != len(data):
        raise MalformedError(f"{len(data) - source.tell()} bytes after the CBOR item")
    return value


def _too_many_items(data: bytes) -> bool:
    # Heads alone tell the items apart, whatever nests in what; the decoder judges the rest.
    position = count = 0
    while position < len(data):
        major, low = divmod(data[position], 32)
        position += 1
        size = 1 << low - 24 if 24 <= low <= 27 else 0
        if major in (2, 3) and low < 28:
            position += int.from_bytes(data[position : position + size], "big") if size else low
        position += size
        count += 1
        if count > MAX_ITEMS:
            return True
    return False


def _refuse_tag(decoder: object, *_: object) -> Any:
    raise ValueError("a tag, which this network does not use")


# Tags would decode to dates, regular expressions, shared references: nothing that any message holds.
_NO_TAGS: Final = dict.fromkeys(
    (*range(6), 25, 28, 29, 30, 35, 36, 37, 43000, 52, 54, 100, 256, 258, 260, 261, 1004, 55799), _refuse_tag
)


def fields(value: Any, names: tuple[str, ...], what: str) -> list[Any]:
    """The values of the named fields of a map or positional array; those that are missing are `ABSENT`."""
    if isinstance(value, dict):
        get = value.get
        return [get(name, ABSENT) for name in names]
    if isinstance(value, list):
        if len(value) != len(names):
            raise MalformedError(f"{what}: {len(value)} fields instead of {len(names)}")
        return value
    raise MalformedError(f"{what}: neither a map nor an array")


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()


def byte_string(value: Any, what: str, length: int | None = None) -> bytes:
    if type(value) is not bytes:
        raise MalformedError(f"{what}: not a byte string")
    if length is not None and len(value) != length:
        raise MalformedError(f"{what}: {len(value)} bytes instead of {length}")
    return value


def unsigned(value: Any, what: str, bits: int) -> int:
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise MalformedError(f"{what}: not an unsigned {bits}-bit integer")
    return value


def boolean(value: Any, what: str) -> bool:
    if type(value) is not bool:
        raise MalformedError(f"{what}: neither true nor false")
    return value


def text(value: Any, what: str) -> str:
    if type(value) is not str:
        raise MalformedError(f"{what}: not text")
    return value


def array(value: Any, what: str) -> list[Any]:
    if type(value) is not list:
        raise MalformedError(f"{what}: not an array")
    return value


def byte_array(value: Any, what: str, length: int | None = None) -> bytes:
    """Bytes from an array of integers (protocol.md 1.3)."""
    try:
        data = bytes(array(value, what))
    except (ValueError, TypeError) as error:
        raise MalformedError(f"{what}: not an array of integers from 0 to 255") from error
    if bool in map(type, value):  # To Python, true and false are integers.
        raise MalformedError(f"{what}: not an array of integers from 0 to 255")
    if length is not None and len(data) != length:
        raise MalformedError(f"{what}: {len(data)} integers instead of {length}")
    return data


def is_none(value: Any) -> bool:
    """Null, or undefined, which readers of the network take for it."""
    return value is None or value is cbor2.undefined


# --- arrays of small integers, vectorised ---
# A message's inner payload travels as an array of integers, so each byte from 24 up gets a prefix byte. For 64 KiB of
# data this coder takes 0.2 ms per direction where a generic one takes 2. Short arrays (gossip, requests) don't need
# it, and a Node that carries nothing but those and circuits never loads numpy: 25 MB and a tenth of a second.


def encode_byte_array(data: bytes) -> bytes:
    """The CBOR array of the integers that `data` consists of."""
    size = len(data)
    if size < _SHORT:
        return cbor2.dumps(list(data))
    import numpy as np

    cells = np.frombuffer(data, np.uint8)
    pairs = np.empty((size, 2), np.uint8)
    pairs[:, 0] = _PREFIX
    pairs[:, 1] = cells
    kept = np.ones((size, 2), bool)
    np.greater_equal(cells, 24, out=kept[:, 0])
    return _array_head(size) + np.compress(kept.ravel(), pairs.ravel()).tobytes()


def decode_byte_array(data: bytes) -> bytes:
    """The reverse, if `data` is just such an array in its shortest form; MalformedError otherwise."""
    size, start = _read_array_head(data)
    body = data[start:]
    if len(body) < _SHORT:
        value = byte_array(decode(data), "byte array")
    elif len(body) == size:
        value = body
    else:
        value = _drop_prefixes(body)
    if len(value) != size or sum_of_sizes(value) != len(body):
        raise MalformedError("not an array of small integers in shortest form")
    return value


def sum_of_sizes(data: bytes) -> int:
    """Bytes that the integers of `data` take in CBOR."""
    if len(data) < _SHORT:
        return 2 * len(data) - len(data.translate(None, _NOT_SMALL))
    import numpy as np

    return len(data) + int(np.count_nonzero(np.greater_equal(np.frombuffer(data, np.uint8), 24)))


def _drop_prefixes(body: bytes) -> bytes:
    import numpy as np

    # A run of 0x18 bytes is pairs of prefix and value 24 from its start; with the values blotted out, each one that is
    # left is a prefix.
    blotted = np.frombuffer(body.replace(b"\x18\x18", b"\x18\xff"), np.uint8)
    kept = np.not_equal(blotted, _PREFIX)
    # A prefix before a small value would make up, in the sum of sizes, for a large one without.
    if not kept[-1] or np.any(np.greater(np.less(blotted[1:], 24), kept[:-1])):
        raise MalformedError("not an array of small integers in shortest form")
    values: bytes = np.compress(kept, np.frombuffer(body, np.uint8)).tobytes()
    return values


def _array_head(size: int) -> bytes:
    if size < 24:
        return bytes((0x80 | size,))
    for code, width in ((0x98, 1), (0x99, 2), (0x9A, 4), (0x9B, 8)):
        if size < 1 << 8 * width:
            return bytes((code,)) + size.to_bytes(width, "big")
    raise ValueError("too long for an array")


def _read_array_head(data: bytes) -> tuple[int, int]:
    if data:
        code = data[0]
        if 0x80 <= code <= 0x97:
            return code & 0x1F, 1
        width = {0x98: 1, 0x99: 2, 0x9A: 4}.get(code)
        if width is not None and len(data) > width:
            return int.from_bytes(data[1 : 1 + width], "big"), 1 + width
    raise MalformedError("not a definite array")
