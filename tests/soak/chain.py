"""A chain whose transactions wait, whose blocks may be replaced, and whose provider may show less than there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from masq.chain.erc20 import Transfer
from masq.chain.head import Head, Prices
from masq.chain.receipt import Receipt, is_made
from masq.core.accountant.effects import Place, Way
from masq.core.accountant.terms import Terms
from masq.keccak import keccak256
from masq.sim.chain import COINS, GAS_PRICE, SimulatedChain, read
from masq.types import Address

BLOCK_TIME: Final = 5.0
"""Seconds from one block to the next."""
LEAP: Final = 999_999_000
"""Blocks that a provider may make up."""


class Transaction(NamedTuple):
    """`wei` 0: one that moves nothing that concerns us."""

    hash: bytes
    sender: Address
    nonce: int
    recipient: Address
    wei: int
    most: int
    ours: bool
    """Whether a Node signed it: another program's is sent again by that one, whatever becomes of its block."""


class Mined(NamedTuple):
    """A transaction in a block."""

    block: int
    transaction: Transaction
    succeeded: bool


@dataclass(slots=True)
class PooledChain(SimulatedChain):
    """What is done is done to the chain; the fields down to `refuses` are what its provider makes of it."""

    lag: int = 0
    """Blocks that the provider is behind, with logs and receipts, though not with nonces."""
    leap: int = 0
    """Blocks that it makes up."""
    half: bool = False
    """Whether it leaves out logs: those with an odd hash."""
    hides: bool = False
    """Whether it shows no receipts, nor what used a nonce."""
    miscounts: int = 0
    """So many transactions too many are said to wait."""
    refuses: bool = False
    """Whether it takes no transactions."""
    floor: int = GAS_PRICE
    """Wei per gas that a transaction has to offer."""
    blocks: list[Mined] = field(default_factory=list)
    pool: dict[tuple[Address, int], Transaction] = field(default_factory=dict)
    """By sender and nonce."""
    shown: dict[Address, dict[bytes, None]] = field(default_factory=dict)
    """By wallet: the transfers to it that were ever shown."""
    ever: dict[bytes, tuple[Address, int]] = field(default_factory=dict)
    """Transfers that any block ever held, by hash: to whom, and how much."""
    forks: list[int] = field(default_factory=list)
    """The first block of each branch that took another one's place."""

    def be_honest(self) -> None:
        """The provider has no faults any more, and prices are as usual."""
        self.away = self.silent = self.half = self.hides = self.refuses = False
        self.lag = self.leap = self.miscounts = self.lose_next = self.revert_next = 0
        self.floor, self.prices = GAS_PRICE, Prices(GAS_PRICE)

    # --- what happens to it ---

    def mine(self, count: int = 1) -> None:
        """So many blocks, with all that can be in them."""
        for _ in range(count):
            self.head += 1
            for sender in {sender for sender, _ in self.pool}:
                while (found := self.pool.get((sender, self._count(sender)))) and found.most >= self.floor:
                    self._hold(self.pool.pop((sender, found.nonce)))

    def reorganise(self, depth: int, forgets: bool) -> None:
        """The last blocks are replaced by empty ones. What was in them waits again, or is forgotten."""
        first = max(2, self.head - depth + 1)
        self.forks.append(first)
        while self.blocks and self.blocks[-1].block >= first:
            _, gone, succeeded = self.blocks.pop()
            self._nonces[gone.sender] -= 1
            if succeeded and gone.wei:
                self.tokens[gone.recipient] -= gone.wei
                self.tokens[gone.sender] = self.tokens.get(gone.sender, 0) + gone.wei
                self.accepted.remove(gone.hash)
            # Of two with one nonce, that in the pool came later: it offers more.
            if not gone.ours or not forgets:
                self.pool.setdefault((gone.sender, gone.nonce), gone)

    def lose(self, wallet: Address) -> None:
        """All that waits of a wallet is forgotten."""
        self.pool = {key: each for key, each in self.pool.items() if key[0] != wallet}

    def forget(self, wallet: Address) -> None:
        """What waits for a nonce that nobody uses is forgotten."""
        nonce = self.pending_nonce(wallet)
        self.pool = {key: each for key, each in self.pool.items() if key[0] != wallet or key[1] < nonce}

    def spend(self, wallet: Address) -> None:
        """Another program uses the wallet's next nonce."""
        nonce = self._count(wallet)
        name = keccak256(b"other %d %d" % (nonce, len(self.forks)) + wallet)
        self.pool[wallet, nonce] = Transaction(name, wallet, nonce, wallet, 0, 10**30, ours=False)
        self.mine()

    def paid(self, payer: Address, payee: Address) -> int:
        """Wei that have moved from one wallet to another, and still have."""
        return sum(
            each.wei
            for _, each, succeeded in self.blocks
            if succeeded and (each.sender, each.recipient) == (payer, payee)
        )

    def known_to(self, payee: Address, payer: Address) -> int:
        """Of that, what the one who was paid was ever shown."""
        shown = self.shown.get(payee, {})
        return sum(
            each.wei
            for _, each, succeeded in self.blocks
            if succeeded and (each.sender, each.recipient) == (payer, payee) and each.hash in shown
        )

    def _count(self, wallet: Address) -> int:
        return self._nonces.get(wallet, 0)

    def _hold(self, transaction: Transaction) -> None:
        hash, sender, nonce, recipient, wei, _, _ = transaction
        self._nonces[sender] = nonce + 1
        succeeded = self.tokens.get(sender, 0) >= wei and not self.revert_next
        self.revert_next = max(0, self.revert_next - 1)
        self.blocks.append(Mined(self.head, transaction, succeeded))
        if succeeded and wei:
            self.tokens[sender] -= wei
            self.tokens[recipient] = self.tokens.get(recipient, 0) + wei
            self.accepted.append(hash)
            self.ever[hash] = recipient, wei

    def _hash_of(self, block: int) -> bytes:
        branch = max((number for number, first in enumerate(self.forks, 1) if first <= block), default=0)
        return keccak256(b"%d of %d" % (block, branch))

    # --- what its provider says ---

    def newest(self, clock: float) -> Head:
        number = max(1, self.head - self.lag)
        time = int(clock - BLOCK_TIME * (self.head - number))
        return Head(number + self.leap, time, self._hash_of(number))

    def pending_nonce(self, wallet: Address) -> int:
        nonce = self._count(wallet)
        while (wallet, nonce) in self.pool:
            nonce += 1
        return nonce

    def terms(self, wallet: Address, clock: float) -> Terms:
        pending = max(0, self.pending_nonce(wallet) + self.miscounts)
        nonce = min(self._count(wallet), pending)
        return Terms(self.newest(clock), self.prices, COINS, self.tokens.get(wallet, 0), nonce, pending)

    def send(self, raw: bytes, hash: bytes) -> str | None:
        assert keccak256(raw) == hash
        if self.refuses:
            return "too many requests"
        if any(each.hash == hash for _, each, _ in self.blocks):
            return "already known"
        if self.lose_next:
            self.lose_next -= 1
            return None
        sender, nonce, recipient, wei, most = read(raw)
        if nonce < self._count(sender):
            return "nonce too low"
        present = self.pool.get((sender, nonce))
        if present is not None:
            if present.hash == hash:
                return "already known"
            if most < present.most * 9 // 8:
                return "replacement transaction underpriced"
        self.pool[sender, nonce] = Transaction(hash, sender, nonce, recipient, wei, most, ours=True)
        return None

    def receipt(self, hash: bytes) -> Receipt | None:
        if self.hides:
            return None
        for block, each, succeeded in self.blocks:
            if each.hash == hash and block <= self.head - self.lag:
                return Receipt(hash, block, succeeded)
        return None

    def gone(self, place: Place) -> bool:
        return not is_made(self.receipt(place.hash)) and self._hash_of(place.block) != place.block_hash

    def user_of(self, wallet: Address, nonce: int) -> tuple[bytes, int] | None:
        if self.hides:
            return None
        for block, each, _ in self.blocks:
            if (each.sender, each.nonce) == (wallet, nonce) and block <= self.head - self.lag:
                return each.hash, block
        return None

    def transfers(self, way: Way, wallet: Address, first: int, last: int) -> list[Transfer]:
        found = [
            Transfer(block, 0, each.hash, each.sender, each.wei, each.recipient, self._hash_of(block))
            for block, each, succeeded in self.blocks
            if first <= block <= min(last, self.head - self.lag)
            and succeeded
            and each.wei
            and (each.recipient if way is Way.IN else each.sender) == wallet
            and not (self.half and each.hash[-1] % 2)
        ]
        if way is Way.IN:
            self.shown.setdefault(wallet, {}).update(dict.fromkeys(each.transaction_hash for each in found))
        return found

    def came(self, wallet: Address) -> int:
        return sum(wei for recipient, wei in self.ever.values() if recipient == wallet)
