"""Fuzz targets: what providers of the chain answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from masq.chain.derivation import parse_path
from masq.chain.erc20 import TransferQuery, parse_transfers
from masq.chain.hexadecimal import bytes_text, parse_bytes, parse_quantity, quantity_text
from masq.chain.jsonrpc import Refusal, Result, decode_answer, decode_batch, decode_refusal
from masq.chain.range_limit import range_limit
from masq.chain.receipt import parse_receipt
from masq.errors import MalformedError

HASH = bytes(range(32))
QUERY = TransferQuery(bytes(range(20)), bytes(range(20, 40)), 1, 1 << 20)


def answer(data: bytes) -> None:
    with suppress(MalformedError):
        found = decode_answer(data, 1)
        assert isinstance(found, Result | Refusal)


def batch(data: bytes) -> None:
    with suppress(MalformedError):
        found = decode_batch(data, 1, 3)
        assert isinstance(found, Refusal) or len(found) == 3
    refusal = decode_refusal(data)
    assert refusal is None or isinstance(refusal.message, str)


def _result(data: bytes) -> object:
    """The result in an answer. MalformedError if there is none."""
    found = decode_answer(b'{"id":1,"result":' + data + b"}", 1)
    if isinstance(found, Refusal):
        raise MalformedError("refused")
    return found.value


def receipt(data: bytes) -> None:
    with suppress(MalformedError):
        found = parse_receipt(HASH, _result(data))
        assert found is None or found.transaction_hash == HASH


def logs(data: bytes) -> None:
    with suppress(MalformedError):
        found = parse_transfers(QUERY, _result(data))
        assert found == sorted(set(found))
        assert all(QUERY.first <= each.block <= QUERY.last and 0 <= each.amount < 1 << 256 for each in found)


def quantity(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    with suppress(MalformedError):
        number = parse_quantity(text)
        assert parse_quantity(quantity_text(number)) == number
    with suppress(MalformedError):
        content = parse_bytes(text)
        assert parse_bytes(bytes_text(content)) == content
    with suppress(ValueError):
        parse_path(text)


def range_text(data: bytes) -> None:
    asked = 1 + int.from_bytes(data[:2], "big")
    limit = range_limit(data[2:].decode(errors="replace"), asked)
    assert limit is None or 1 <= limit < asked


TARGETS: dict[str, Callable[[bytes], None]] = {
    "rpc-answer": answer,
    "rpc-batch": batch,
    "receipt": receipt,
    "logs": logs,
    "quantity": quantity,
    "range-limit": range_text,
}
