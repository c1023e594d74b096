"""What the Accountant wants done. A Save is on disk, whole, before the effect after it is begun."""

from __future__ import annotations

from dataclasses import dataclass, field

from masq.core.accountant.ledger import BookEntry
from masq.types import Address


@dataclass(frozen=True, slots=True)
class Payment:
    """A transfer that was signed. `raw` alone is ever sent for it, as often as need be, so it can't pay twice."""

    creditor: Address
    wei: int
    nonce: int
    raw: bytes
    hash: bytes
    made: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Save:
    """Changes to the books that belong together: all of them or none."""

    entries: tuple[BookEntry, ...] = ()
    payments: tuple[Payment, ...] = ()
    ended_payments: tuple[bytes, ...] = ()
    """Hashes of payments that are over: confirmed, reverted, or impossible for ever."""
    banned: tuple[Address, ...] = ()
    released: tuple[Address, ...] = ()
    forgotten: tuple[Address, ...] = ()
    """Wallets whose receivables are kept no longer."""
    config: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class AskTerms:
    """Gas price, balances and nonces of the consuming wallet: answered by `terms`."""


@dataclass(frozen=True, slots=True)
class SendPayments:
    """Hand these to the chain, oldest nonce first: answered by `sent`."""

    payments: tuple[Payment, ...]


@dataclass(frozen=True, slots=True)
class AskReceipts:
    """Receipts, and the consuming wallet's nonce: answered by `receipts`."""

    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AskTransfers:
    """Token transfers to the earning wallet from block `first` (None: the head) on, over at most `most` blocks.

    Answered by `transfers`.
    """

    first: int | None
    most: int | None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the operator should know about money."""

    level: str
    text: str


AccountantEffect = Save | AskTerms | SendPayments | AskReceipts | AskTransfers | Notice
