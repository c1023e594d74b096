"""A chain of one's own: py-evm in memory, with the token at its real address and one block per transaction."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from eth.abc import ReceiptAPI, SignedTransactionAPI
from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.exceptions import PyEVMError
from eth.typing import AccountDetails
from eth.vm.forks.paris import ParisVM
from eth.vm.spoof import SpoofTransaction
from eth_typing import Address as EvmAddress
from eth_typing import BlockNumber
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException

from masq.demo.funds import Funds
from masq.demo.token import token_account
from masq.keccak import keccak256
from masq.types import Address, Chain

GAS_PRICE: Final = 2_000_000_000
"""What the chain suggests. The base fee starts at half of it and only falls: no block is nearly full."""

_BLOCK_GAS: Final = 30_000_000
_NOBODY: Final = bytes(20)
_SUCCEEDED: Final = b"\x01"


class RefusedTransactionError(Exception):
    """The chain doesn't take the transaction, or the call failed; the text is in the words of go-ethereum."""


@dataclass(frozen=True, slots=True)
class Log:
    """What a contract noted; `index` counts within the block."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    index: int


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction that has become the block `block`."""

    hash: bytes
    block: int
    block_hash: bytes
    sender: Address
    nonce: int
    to: Address
    succeeded: bool
    gas_used: int
    gas_price: int
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """A block: `time` in unix seconds, `base_fee` in wei per gas."""

    hash: bytes
    time: int
    base_fee: int


class EvmChain:
    """The state of the chain, and everything that was mined since the genesis block."""

    def __init__(self, chain: Chain, funds: Mapping[Address, Funds]) -> None:
        """`chain` gives the id, and the address where the token answers."""
        configured = MiningChain.configure("DemoChain", vm_configuration=((0, ParisVM),), chain_id=chain.id)
        self._id = chain.id
        accounts: dict[EvmAddress, AccountDetails] = {
            EvmAddress(wallet): {"balance": owned.native, "nonce": 0, "code": b"", "storage": {}}
            for wallet, owned in funds.items()
        }
        token = token_account(funds)
        built = configured.from_genesis(
            AtomicDB(),
            {"difficulty": 0, "gas_limit": _BLOCK_GAS, "timestamp": int(time.time()), "nonce": bytes(8)},
            {
                **accounts,
                EvmAddress(chain.contract): {"balance": 0, "nonce": 1, "code": token.code, "storage": token.storage},
            },
        )
        assert isinstance(built, MiningChain)
        self._chain = built
        self.mined: list[Mined] = []
        """By block, from block 1 on: each block has one transaction."""
        self._by_hash: dict[bytes, Mined] = {}

    @property
    def head(self) -> int:
        return len(self.mined)

    def balance(self, wallet: Address) -> int:
        return int(self._chain.get_vm().state.get_balance(EvmAddress(wallet)))

    def nonce(self, wallet: Address) -> int:
        return int(self._chain.get_vm().state.get_nonce(EvmAddress(wallet)))

    def made(self, number: int) -> Made | None:
        """A block. The newest one is always new: as there are no empty ones, a chain where nothing happens seems to
        have stopped otherwise."""
        if number > self.head:
            return None
        header = self._chain.get_canonical_block_header_by_number(BlockNumber(number))
        when = max(int(time.time()), header.timestamp) if number == self.head else header.timestamp
        return Made(header.hash, when, header.base_fee_per_gas or 0)

    def find(self, hash: bytes) -> Mined | None:
        return self._by_hash.get(hash)

    def call(self, to: Address, data: bytes) -> bytes:
        """What the contract answers. RefusedTransactionError if it fails."""
        transaction = self._chain.create_unsigned_transaction(
            nonce=0, gas_price=0, gas=_BLOCK_GAS, to=EvmAddress(to), value=0, data=data
        )
        asked = SpoofTransaction(transaction, from_=_NOBODY)
        try:
            # A spoofed transaction stands in for a signed one by duck typing alone.
            signed = cast(SignedTransactionAPI, asked)
            return bytes(self._chain.get_transaction_result(signed, self._chain.get_canonical_head()))
        except PyEVMError as error:
            raise RefusedTransactionError("execution reverted") from error

    def send(self, raw: bytes) -> bytes:
        """Mine the transaction at once, and return its hash. One that leaves a gap of nonces is refused."""
        hash = keccak256(raw)
        if hash in self._by_hash:
            raise RefusedTransactionError("already known")
        vm = self._chain.get_vm()
        try:
            transaction = vm.get_transaction_builder().decode(raw)
            transaction.validate()
            sender = bytes(transaction.sender)
        except (RLPException, ValidationError, PyEVMError, ValueError, IndexError, TypeError) as error:
            # py-evm wasn't made for rubbish: what it raises depends on where the rubbish is.
            raise RefusedTransactionError(f"invalid transaction: {error}") from error
        if transaction.chain_id != self._id:
            raise RefusedTransactionError("invalid sender: the transaction is for another chain id")
        nonce = self.nonce(sender)
        if transaction.nonce != nonce:
            problem = "low" if transaction.nonce < nonce else "high"
            raise RefusedTransactionError(f"nonce too {problem}: next nonce {nonce}, tx nonce {transaction.nonce}")
        if self.balance(sender) < transaction.value + transaction.gas * transaction.max_fee_per_gas:
            raise RefusedTransactionError("insufficient funds for gas * price + value")
        self._mine(transaction, hash, sender)
        return hash

    def _mine(self, transaction: SignedTransactionAPI, hash: bytes, sender: Address) -> None:
        now = max(int(time.time()), self._chain.get_canonical_head().timestamp + 1)
        self._chain.set_header_timestamp(now)
        try:
            result, receipts, _ = self._chain.mine_all([transaction])
        except (ValidationError, PyEVMError) as error:
            raise RefusedTransactionError(str(error)) from error
        header = result.imported_block.header
        [receipt] = receipts
        base_fee = header.base_fee_per_gas or 0
        tip = min(transaction.max_priority_fee_per_gas, transaction.max_fee_per_gas - base_fee)
        mined = Mined(
            hash=hash,
            block=header.block_number,
            block_hash=header.hash,
            sender=sender,
            nonce=int(transaction.nonce),
            to=bytes(transaction.to),
            succeeded=receipt.state_root == _SUCCEEDED,
            gas_used=receipt.gas_used,
            gas_price=base_fee + tip,
            logs=_logs(receipt),
        )
        self.mined.append(mined)
        self._by_hash[hash] = mined


def _logs(receipt: ReceiptAPI) -> tuple[Log, ...]:
    return tuple(
        Log(bytes(log.address), tuple(topic.to_bytes(32, "big") for topic in log.topics), bytes(log.data), index)
        for index, log in enumerate(receipt.logs)
    )
