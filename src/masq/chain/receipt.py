"""What became of a transaction (accounting.md 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from masq.chain.hexadecimal import parse_bytes, parse_quantity
from masq.errors import MalformedError


@dataclass(frozen=True, slots=True)
class Receipt:
    """The transaction is in block `block`; it did what it should if `succeeded`, and was reverted otherwise."""

    transaction_hash: bytes
    block: int
    succeeded: bool
    fee: int | None = None
    """Wei of the chain's coin that it cost, where the provider says so."""


def parse_receipt(transaction_hash: bytes, answer: object) -> Receipt | None:
    """The answer to eth_getTransactionReceipt: None while no block holds the transaction.

    MalformedError if it is the receipt of another transaction, or doesn't say what became of this one.
    """
    if answer is None:
        return None
    if not isinstance(answer, Mapping):
        raise MalformedError("the receipt is not an object")
    if parse_bytes(answer.get("transactionHash"), 32) != transaction_hash:
        raise MalformedError("the receipt is that of another transaction")
    if answer.get("blockNumber") is None:
        return None
    status = parse_quantity(answer.get("status"))
    if status > 1:
        raise MalformedError(f"the status in the receipt is {status}, neither 0 nor 1")
    gas, price = answer.get("gasUsed"), answer.get("effectiveGasPrice")
    fee = None if gas is None or price is None else parse_quantity(gas) * parse_quantity(price)
    return Receipt(transaction_hash, parse_quantity(answer["blockNumber"]), status == 1, fee)
