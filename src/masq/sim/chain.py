"""A chain of one token, in memory: transactions are mined at once, balances are kept, logs are shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from masq.chain import rlp
from masq.chain.erc20 import Transfer
from masq.chain.receipt import Receipt
from masq.chain.wallet import recover
from masq.core.accountant.accountant import Terms
from masq.keccak import keccak256
from masq.types import Address

GAS_PRICE: Final = 10**9
COINS: Final = 10**20


@dataclass(slots=True)
class SimulatedChain:
    """It answers honestly, if at all."""

    head: int = 1
    tokens: dict[Address, int] = field(default_factory=dict)
    supply: int = 0
    accepted: list[bytes] = field(default_factory=list)
    """Hashes of transactions that moved tokens, in order."""
    lose_next: int = 0
    """So many transactions are taken, and forgotten."""
    revert_next: int = 0
    """So many transactions are mined, and fail."""
    away: bool = False
    """Whether it can't be asked: every scan fails."""
    _nonces: dict[Address, int] = field(default_factory=dict)
    _receipts: dict[bytes, Receipt] = field(default_factory=dict)
    _transfers: list[tuple[Address, Transfer]] = field(default_factory=list)

    def fund(self, wallet: Address, tokens: int) -> None:
        self.tokens[wallet] = self.tokens.get(wallet, 0) + tokens
        self.supply += tokens

    def nonce(self, wallet: Address) -> int:
        return self._nonces.get(wallet, 0)

    def terms(self, wallet: Address) -> Terms:
        return Terms(GAS_PRICE, COINS, self.tokens.get(wallet, 0), self.nonce(wallet))

    def send(self, raw: bytes, hash: bytes) -> str | None:
        """Take a signed transfer; the text of the refusal otherwise."""
        if keccak256(raw) != hash:
            return "the hash is wrong"
        if hash in self._receipts:
            return "already known"
        if self.lose_next:
            self.lose_next -= 1
            return None
        sender, nonce, recipient, wei = _read(raw)
        if nonce != self.nonce(sender):
            return "nonce too low" if nonce < self.nonce(sender) else "nonce too high"
        self._nonces[sender] = nonce + 1
        self.head += 1
        succeeded = self.tokens.get(sender, 0) >= wei and not self.revert_next
        self.revert_next = max(0, self.revert_next - 1)
        self._receipts[hash] = Receipt(hash, self.head, succeeded)
        if succeeded:
            self.tokens[sender] -= wei
            self.tokens[recipient] = self.tokens.get(recipient, 0) + wei
            self._transfers.append((recipient, Transfer(self.head, 0, hash, sender, wei)))
            self.accepted.append(hash)
        return None

    def receipt(self, hash: bytes) -> Receipt | None:
        return self._receipts.get(hash)

    def transfers(self, recipient: Address, first: int, last: int) -> list[Transfer]:
        return [transfer for to, transfer in self._transfers if to == recipient and first <= transfer.block <= last]


def _read(raw: bytes) -> tuple[Address, int, Address, int]:
    """Sender, nonce, recipient and amount of a signed token transfer of this program."""
    nonce, gas_price, gas, to, value, data, v, r, s = _fields(raw)
    chain_id, parity = divmod(int.from_bytes(v, "big") - 35, 2)
    unsigned = rlp.encode([nonce, gas_price, gas, to, value, data, chain_id, 0, 0])
    sender = recover(keccak256(unsigned), parity, r.rjust(32, b"\0"), s.rjust(32, b"\0"))
    return sender, int.from_bytes(nonce, "big"), data[16:36], int.from_bytes(data[36:68], "big")


def _fields(raw: bytes) -> list[bytes]:
    """The strings of an RLP list that holds no lists."""
    rest = raw[1:] if raw[0] < 0xF8 else raw[1 + raw[0] - 0xF7 :]
    fields = []
    while rest:
        start, size = _string(rest)
        fields.append(rest[start : start + size])
        rest = rest[start + size :]
    return fields


def _string(data: bytes) -> tuple[int, int]:
    """Where the first string begins, and its size."""
    head = data[0]
    if head < 0x80:
        return 0, 1
    if head < 0xB8:
        return 1, head - 0x80
    width = head - 0xB7
    return 1 + width, int.from_bytes(data[1 : 1 + width], "big")
