"""The newest block of a chain, and what transactions cost there (accounting.md 2.4, 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median_low

from masq.chain.hexadecimal import parse_bytes, parse_quantity
from masq.errors import MalformedError
from masq.types import Address


@dataclass(frozen=True, slots=True)
class Head:
    """A block. `time`: unix seconds; `base_fee`: wei per gas, None on chains without one."""

    number: int
    time: int
    hash: bytes
    base_fee: int | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """Wei per gas, as a provider says: `gas_price` for all, `tip` beyond the base fee if it knows that."""

    gas_price: int
    tip: int | None = None


def parse_head(answer: object) -> Head:
    """The answer to eth_getBlockByNumber. MalformedError if it is no block."""
    if not isinstance(answer, Mapping):
        raise MalformedError("the block is not an object")
    base_fee = answer.get("baseFeePerGas")
    return Head(
        parse_quantity(answer.get("number")),
        parse_quantity(answer.get("timestamp")),
        parse_bytes(answer.get("hash"), 32),
        None if base_fee is None else parse_quantity(base_fee),
    )


def parse_tip(answer: object) -> int | None:
    """What transactions in the middle paid beyond the base fee, from an answer to eth_feeHistory for one percentile."""
    if not isinstance(answer, Mapping) or not isinstance(rewards := answer.get("reward"), list):
        return None
    tips = [parse_quantity(each[0]) for each in rewards if isinstance(each, list) and each]
    return median_low(tips) if tips else None


def find_user(answer: object, sender: Address, nonce: int) -> bytes | None:
    """The hash of the transaction of a block, with its transactions in full, that has this sender and nonce."""
    if not isinstance(answer, Mapping) or not isinstance(transactions := answer.get("transactions"), list):
        raise MalformedError("the block has no list of transactions")
    for each in transactions:
        if not isinstance(each, Mapping):
            raise MalformedError("a transaction of the block is not an object")
        if parse_bytes(each.get("from"), 20) == sender and parse_quantity(each.get("nonce")) == nonce:
            return parse_bytes(each.get("hash"), 32)
    return None
