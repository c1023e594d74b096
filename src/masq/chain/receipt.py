"""What became of a transaction (accounting.md 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from masq.chain.disperser import UNPAID_TOPIC
from masq.chain.erc20 import TRANSFER_TOPIC
from masq.chain.hexadecimal import parse_bytes, parse_quantity
from masq.errors import MalformedError
from masq.types import Address

Told = tuple[Address, Address, int]
"""What a log tells of: a payer, a creditor, and wei."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The transaction is in block `block`; it did what it should if `succeeded`, and was reverted otherwise."""

    transaction_hash: bytes
    block: int
    succeeded: bool
    fee: int | None = None
    """Wei of the chain's coin that it cost, where the provider says so."""
    paid: frozenset[Told] = frozenset()
    """Transfers of the token, as the receipt's logs show them."""
    unpaid: frozenset[Told] = frozenset()
    """Those that the contract which was called couldn't make, as it says itself."""


def is_made(receipt: Receipt | None) -> bool:
    """Whether a block holds what the transaction was to do."""
    return receipt is not None and receipt.succeeded


def parse_receipt(transaction_hash: bytes, answer: object, token: Address | None = None) -> Receipt | None:
    """The answer to eth_getTransactionReceipt: None while no block holds the transaction. Logs are read of a `token`.

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
    block = parse_quantity(answer["blockNumber"])
    if token is None or status == 0:
        return Receipt(transaction_hash, block, status == 1, fee)
    logs = answer.get("logs")
    paid = _told(logs, token, TRANSFER_TOPIC)
    unpaid = _told(logs, parse_bytes(answer["to"], 20), UNPAID_TOPIC) if answer.get("to") is not None else frozenset()
    return Receipt(transaction_hash, block, True, fee, paid, unpaid)


def _told(logs: object, contract: Address, topic: bytes) -> frozenset[Told]:
    """What logs of one kind of a contract tell. What can't be read, or isn't there, tells nothing."""
    told = set()
    for log in logs if isinstance(logs, list) else ():
        try:
            kind, payer, creditor = (parse_bytes(each, 32) for each in log["topics"])
            if kind != topic or parse_bytes(log["address"], 20) != contract or log.get("removed") is True:
                continue
            told.add((payer[12:], creditor[12:], int.from_bytes(parse_bytes(log["data"], 32), "big")))
        except (MalformedError, ValueError, TypeError, KeyError, AttributeError):
            continue
    return frozenset(told)
