"""Numbers and bytes as JSON-RPC writes them: `0x` and hex digits. Whatever is read came from a provider."""

from __future__ import annotations

import re

from masq.errors import MalformedError

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}", re.ASCII)
_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*", re.ASCII)


def quantity_text(number: int) -> str:
    return hex(number)


def bytes_text(content: bytes) -> str:
    return "0x" + content.hex()


def parse_quantity(value: object) -> int:
    """A number below 2**256; leading zeros are let pass, as some providers write them. MalformedError otherwise."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise MalformedError(f"{_excerpt(value)} is no quantity: 0x and 1 to 64 hex digits")
    return int(value, 16)


def parse_bytes(value: object, size: int | None = None) -> bytes:
    """Bytes, `size` of them if given. MalformedError otherwise."""
    if not isinstance(value, str) or not _BYTES.fullmatch(value):
        raise MalformedError(f"{_excerpt(value)} is not 0x and an even number of hex digits")
    content = bytes.fromhex(value[2:])
    if size is not None and len(content) != size:
        raise MalformedError(f"{_excerpt(value)} has {len(content)} bytes instead of {size}")
    return content


def _excerpt(value: object) -> str:
    # The whole value could be megabytes, or a structure of them.
    return repr(value[:40]) if isinstance(value, str) else f"a value of type {type(value).__name__}"
