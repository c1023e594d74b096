"""A chain of one token, in memory: transactions are mined at once, balances are kept, logs are shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from masq.chain import rlp
from masq.chain.erc20 import Transfer
from masq.chain.head import Head, Prices
from masq.chain.receipt import Receipt, is_made
from masq.chain.wallet import recover
from masq.core.accountant.effects import Place, Way
from masq.core.accountant.terms import Terms
from masq.keccak import keccak256
from masq.types import Address

GAS_PRICE: Final = 10**9
PRICES: Final = Prices(GAS_PRICE)
FEE_MARKET: Final = 2
"""The type of transactions of EIP-1559, their first byte."""
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
    silent: bool = False
    """Whether it does what it is asked for, and its answers are lost."""
    prices: Prices = PRICES
    _nonces: dict[Address, int] = field(default_factory=dict)
    _receipts: dict[bytes, Receipt] = field(default_factory=dict)
    _transfers: list[Transfer] = field(default_factory=list)
    _by_wallet: dict[tuple[Way, Address], list[Transfer]] = field(default_factory=dict)
    """Of those that `_indexed` counts."""
    _indexed: tuple[int, int] = (0, 0)
    """Which list of transfers, and how many of it."""
    _users: dict[tuple[Address, int], tuple[bytes, int]] = field(default_factory=dict)
    """By wallet and nonce: the transaction that has it, and its block."""

    def fund(self, wallet: Address, tokens: int) -> None:
        self.tokens[wallet] = self.tokens.get(wallet, 0) + tokens
        self.supply += tokens

    def nonce(self, wallet: Address) -> int:
        return self._nonces.get(wallet, 0)

    def pending_nonce(self, wallet: Address) -> int:
        """With the transactions that wait."""
        return self.nonce(wallet)

    def newest(self, clock: float) -> Head:
        """Its head; blocks are as new as can be, as time passes without any."""
        return Head(self.head, int(clock), keccak256(self.head.to_bytes(8, "big")))

    def terms(self, wallet: Address, clock: float) -> Terms:
        nonce, pending = self.nonce(wallet), self.pending_nonce(wallet)
        return Terms(self.newest(clock), self.prices, COINS, self.tokens.get(wallet, 0), nonce, pending)

    def send(self, raw: bytes, hash: bytes) -> str | None:
        """Take a signed transfer; the text of the refusal otherwise."""
        if keccak256(raw) != hash:
            return "the hash is wrong"
        if hash in self._receipts:
            return "already known"
        if self.lose_next:
            self.lose_next -= 1
            return None
        sender, nonce, recipient, wei, _ = read(raw)
        if nonce != self.nonce(sender):
            return "nonce too low" if nonce < self.nonce(sender) else "nonce too high"
        self._nonces[sender] = nonce + 1
        self.head += 1
        succeeded = self.tokens.get(sender, 0) >= wei and not self.revert_next
        self.revert_next = max(0, self.revert_next - 1)
        self._receipts[hash] = Receipt(hash, self.head, succeeded)
        self._users[sender, nonce] = hash, self.head
        if succeeded:
            self.tokens[sender] -= wei
            self.tokens[recipient] = self.tokens.get(recipient, 0) + wei
            self._transfers.append(Transfer(self.head, 0, hash, sender, wei, recipient))
            self.accepted.append(hash)
        return None

    def receipt(self, hash: bytes) -> Receipt | None:
        return self._receipts.get(hash)

    def gone(self, place: Place) -> bool:
        """Whether the block that held a transfer was replaced, and it is made no more."""
        return not is_made(self.receipt(place.hash))

    def user_of(self, wallet: Address, nonce: int) -> tuple[bytes, int] | None:
        return self._users.get((wallet, nonce))

    def spend(self, wallet: Address) -> None:
        """Another program uses the wallet's next nonce, for nothing that concerns us."""
        nonce = self.nonce(wallet)
        self._nonces[wallet] = nonce + 1
        self.head += 1
        self._users[wallet, nonce] = keccak256(b"other" + wallet + nonce.to_bytes(8, "big")), self.head

    def transfers(self, way: Way, wallet: Address, first: int, last: int) -> list[Transfer]:
        if self._indexed != (id(self._transfers), len(self._transfers)):
            self._index()
        return [each for each in self._by_wallet.get((way, wallet), ()) if first <= each.block <= last]

    def came(self, wallet: Address) -> int:
        """Wei that have ever come to a wallet."""
        return sum(transfer.amount for transfer in self.transfers(Way.IN, wallet, 0, self.head))

    def _index(self) -> None:
        """Most wallets get nothing, and all are asked about again and again."""
        same, known = self._indexed
        if same != id(self._transfers) or known > len(self._transfers):
            self._by_wallet, known = {}, 0
        for each in self._transfers[known:]:
            for key in ((Way.IN, each.recipient), (Way.OUT, each.sender)):
                self._by_wallet.setdefault(key, []).append(each)
        self._indexed = id(self._transfers), len(self._transfers)


def read(raw: bytes) -> tuple[Address, int, Address, int, int]:
    """Sender, nonce, recipient, amount, and wei per gas, of a signed token transfer of this program."""
    if raw[0] == FEE_MARKET:
        chain, nonce, tip, fee, gas, to, value, data, _, odd, r, s = rlp.decode_strings(raw[1:])
        unsigned = bytes((FEE_MARKET,)) + rlp.encode([chain, nonce, tip, fee, gas, to, value, data, []])
        sender = recover(keccak256(unsigned), int.from_bytes(odd), r.rjust(32, b"\0"), s.rjust(32, b"\0"))
        return sender, int.from_bytes(nonce), data[16:36], int.from_bytes(data[36:68]), int.from_bytes(fee)
    nonce, gas_price, gas, to, value, data, v, r, s = rlp.decode_strings(raw)
    chain_id, parity = divmod(int.from_bytes(v, "big") - 35, 2)
    unsigned = rlp.encode([nonce, gas_price, gas, to, value, data, chain_id, 0, 0])
    sender = recover(keccak256(unsigned), parity, r.rjust(32, b"\0"), s.rjust(32, b"\0"))
    return sender, int.from_bytes(nonce), data[16:36], int.from_bytes(data[36:68]), int.from_bytes(gas_price)
