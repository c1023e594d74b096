"""The token: what its contract is told and asked, and the log of its transfers (accounting.md 4.3, 4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from masq.chain.hexadecimal import bytes_text, parse_bytes, parse_quantity, quantity_text
from masq.chain.transaction import SignedTransaction, gas_limit, sign_call
from masq.chain.wallet import Wallet
from masq.errors import MalformedError
from masq.types import Address, Chain

TRANSFER_TOPIC: Final = bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
"""keccak-256 of `Transfer(address,address,uint256)`."""

_TRANSFER: Final = bytes.fromhex("a9059cbb")
_BALANCE_OF: Final = bytes.fromhex("70a08231")


@dataclass(frozen=True, slots=True, order=True)
class Transfer:
    """Tokens that moved: `amount` wei in block `block`. Unique by `transaction_hash` and `log_index`."""

    block: int
    log_index: int
    transaction_hash: bytes
    sender: Address
    amount: int
    recipient: Address = b""
    block_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class TransferQuery:
    """Transfers of one token in the blocks from `first` to `last`, both included: to `recipient`, or from `sender`."""

    contract: Address
    recipient: Address | None
    first: int
    last: int
    sender: Address | None = None

    def filter(self) -> dict[str, object]:
        """The parameter of eth_getLogs."""
        return {
            "address": bytes_text(self.contract),
            "fromBlock": quantity_text(self.first),
            "toBlock": quantity_text(self.last),
            "topics": [bytes_text(TRANSFER_TOPIC), _topic(self.sender), _topic(self.recipient)],
        }


def transfer_data(recipient: Address, amount: int) -> bytes:
    """68 bytes of call data. ValueError if the amount isn't one of 256 bits."""
    if not 0 <= amount < 1 << 256:
        raise ValueError(f"{amount} wei can't be transferred: it is not in the range of 256 bits")
    return _TRANSFER + word(recipient) + amount.to_bytes(32, "big")


def balance_data(owner: Address) -> bytes:
    """36 bytes of call data."""
    return _BALANCE_OF + word(owner)


def sign_transfer(
    wallet: Wallet, chain: Chain, *, nonce: int, gas_price: int, recipient: Address, amount: int, tip: int | None = None
) -> SignedTransaction:
    """The transaction that pays `amount` wei of the chain's token.

    Without `tip` a legacy one, byte for byte as the network's Nodes do; with it one of EIP-1559, which costs
    `gas_price` wei per gas at most.
    """
    data = transfer_data(recipient, amount)
    gas = gas_limit(chain, data)
    return sign_call(wallet, chain, nonce=nonce, gas_price=gas_price, tip=tip, gas=gas, to=chain.contract, data=data)


def sign_nothing(
    wallet: Wallet, chain: Chain, *, nonce: int, gas_price: int, tip: int | None = None
) -> SignedTransaction:
    """A transaction that moves nothing, from a wallet to itself: it uses up a nonce."""
    gas = gas_limit(chain, b"")
    return sign_call(wallet, chain, nonce=nonce, gas_price=gas_price, tip=tip, gas=gas, to=wallet.address, data=b"")


def parse_transfers(query: TransferQuery, answer: object) -> list[Transfer]:
    """The transfers of an answer to eth_getLogs, in the order of the chain, each once.

    Logs of pending blocks and of blocks that were undone are left out. One log that wasn't asked for, or is no
    transfer, spoils the whole answer with MalformedError: money is not booked on the word of such a provider.
    """
    if not isinstance(answer, list):
        raise MalformedError("the answer to eth_getLogs is not a list")
    transfers: dict[tuple[bytes, int], Transfer] = {}
    for log in answer:
        transfer = _parse_log(query, log)
        if transfer is None:
            continue
        identity = transfer.transaction_hash, transfer.log_index
        if transfers.setdefault(identity, transfer) != transfer:
            raise MalformedError("two different logs claim the same place in one transaction")
    return sorted(transfers.values())


def _parse_log(query: TransferQuery, log: object) -> Transfer | None:
    if not isinstance(log, Mapping):
        raise MalformedError("a log is not an object")
    removed = log.get("removed", False)
    if not isinstance(removed, bool):
        raise MalformedError("the removed flag of a log is not a boolean")
    if removed or log.get("blockNumber") is None:
        return None
    block = parse_quantity(log["blockNumber"])
    if not query.first <= block <= query.last:
        raise MalformedError(f"a log of block {block}, which is outside of {query.first} to {query.last}")
    if parse_bytes(log.get("address"), 20) != query.contract:
        raise MalformedError("a log of another contract")
    data = parse_bytes(log.get("data"))
    if len(data) > 32:
        raise MalformedError(f"the amount of a transfer has {len(data)} bytes instead of 32")
    sender, recipient = _parse_wallets(query, log.get("topics"))
    return Transfer(
        block=block,
        log_index=parse_quantity(log.get("logIndex")),
        transaction_hash=parse_bytes(log.get("transactionHash"), 32),
        sender=sender,
        recipient=recipient,
        block_hash=parse_bytes(log["blockHash"], 32) if log.get("blockHash") is not None else b"",
        # No data at all is the amount 0: Nodes of MASQ 0.9.1 read it so, and it credits nobody.
        amount=int.from_bytes(data, "big"),
    )


def _parse_wallets(query: TransferQuery, topics: object) -> tuple[Address, Address]:
    if not isinstance(topics, list) or len(topics) != 3:
        raise MalformedError("a transfer has three topics, this log hasn't")
    kind, sender, recipient = (parse_bytes(topic, 32) for topic in topics)
    asked = (query.sender, sender), (query.recipient, recipient)
    if kind != TRANSFER_TOPIC or any(wanted is not None and found != word(wanted) for wanted, found in asked):
        raise MalformedError("a log of another event, or of other wallets")
    if any(sender[:12]) or any(recipient[:12]):
        raise MalformedError("a wallet of the transfer is no address")
    return sender[12:], recipient[12:]


def _topic(wallet: Address | None) -> str | None:
    return None if wallet is None else bytes_text(word(wallet))


def word(address: Address) -> bytes:
    """An address among call data: 32 bytes. ValueError if it isn't one."""
    if len(address) != 20:
        raise ValueError(f"an address has 20 bytes, not {len(address)}")
    return bytes(12) + address
