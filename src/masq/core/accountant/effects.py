"""What the Accountant wants done. A Save is on disk, whole, before the payments after it are begun."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from masq.core.accountant.ledger import BookEntry
from masq.core.effects import SaveConfig
from masq.types import Address


class Scan(StrEnum):
    """The Accountant's regular work on the chain, under the network's names."""

    PENDING_PAYABLES = "pendingpayables"
    PAYABLES = "payables"
    RECEIVABLES = "receivables"


class Way(StrEnum):
    """Which transfers are looked for: those to the earning wallet, or those from the consuming wallet."""

    IN = "in"
    OUT = "out"


class State(StrEnum):
    """What is known of a payment (accounting.md 2.6). The last three are ends: such a payment is kept no longer."""

    SIGNED = "signed"
    SENT = "sent"
    MINED = "mined"
    SETTLED = "settled"
    DONE = "done"
    REVERTED = "reverted"
    DISPLACED = "displaced"


@dataclass(frozen=True, slots=True)
class Variant:
    """One signed transaction of a payment. Of those with one nonce a chain takes one at most."""

    raw: bytes
    hash: bytes
    most: int
    """Wei per gas, at most."""
    tip: int | None
    """Of that, wei per gas for who makes the block; None in a transaction of the old kind."""
    made: int
    """Unix seconds."""


class Part(NamedTuple):
    """What one creditor gets of a payment."""

    creditor: Address
    wei: int
    failed: bool = False
    """Whether the chain shows that this part wasn't made, though the payment was."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A transaction that was signed: a transfer to a creditor, or by a contract to several. All its variants have one
    sender and nonce, so it can't pay twice."""

    creditor: Address
    """Or the contract that pays several. The sender itself: a transaction that moves nothing, which fills a gap in the
    nonces."""
    wei: int
    """In all."""
    nonce: int
    made: int
    """Unix seconds."""
    sender: Address
    variants: tuple[Variant, ...]
    """In the order in which they were signed; the last one is sent."""
    state: State = State.SIGNED
    block: int | None = None
    """That holds it, as far as is known."""
    parts: tuple[Part, ...] = ()
    """Of a payment to several; each creditor has one."""

    @property
    def made_to(self) -> tuple[Part, ...]:
        """Who gets how much, as far as it didn't fail."""
        if self.parts:
            return tuple(each for each in self.parts if not each.failed)
        return () if self.fills else (Part(self.creditor, self.wei),)

    @property
    def hash(self) -> bytes:
        """By which it is known: that of its first variant."""
        return self.variants[0].hash

    @property
    def latest(self) -> Variant:
        return self.variants[-1]

    @property
    def fills(self) -> bool:
        """Whether it does nothing but use its nonce."""
        return self.creditor == self.sender


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment that the chain has confirmed: what a tax office wants to know."""

    hash: bytes
    creditor: Address
    wei: int
    block: int
    fee: int | None
    """Wei of the chain's coin; None where the provider doesn't say."""
    time: int
    """Unix seconds at which it was booked."""
    sender: Address = b""
    """The consuming wallet; nothing where it isn't known."""


@dataclass(frozen=True, slots=True)
class Earned:
    """A transfer that was credited; `wei` is below zero where a replaced block took one back."""

    hash: bytes
    debtor: Address
    wei: int
    block: int
    time: int


@dataclass(frozen=True, slots=True)
class Save:
    """Changes to the books that belong together: all of them or none."""

    entries: tuple[BookEntry, ...] = ()
    payments: tuple[Payment, ...] = ()
    """New ones, and those about which something is new."""
    ended_payments: tuple[bytes, ...] = ()
    """Hashes of payments that are over: confirmed for good, reverted, or impossible for ever."""
    banned: tuple[Address, ...] = ()
    released: tuple[Address, ...] = ()
    forgotten: tuple[Address, ...] = ()
    """Wallets whose receivables are kept no longer."""
    paid: tuple[Paid, ...] = ()
    earned: tuple[Earned, ...] = ()
    config: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class AskTerms:
    """Head, prices, balances and nonces of the consuming wallet: answered by `terms`."""


@dataclass(frozen=True, slots=True)
class SendPayments:
    """Hand the latest variants of these to the chain, lowest nonce first: answered by `sent`."""

    payments: tuple[Payment, ...]


@dataclass(frozen=True, slots=True)
class AskReceipts:
    """Receipts, and nonces of wallets: answered by `receipts`."""

    hashes: tuple[bytes, ...]
    wallets: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class AskTransfers:
    """Transfers in the blocks from `first` (None: the head) on, over at most `most` blocks: answered by `transfers`."""

    scan: Scan
    way: Way
    first: int | None
    most: int | None


@dataclass(frozen=True, slots=True)
class AskUse:
    """Which transaction of a wallet has a nonce: answered by `used`."""

    payment: bytes
    """The hash of the one that was to have it."""
    sender: Address
    nonce: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transfer was found: a block, by number and hash."""

    hash: bytes
    """Of the transaction."""
    block: int
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class AskGone:
    """Which of these transfers are made no more: answered by `gone`. Another block is where theirs was, and none holds
    the transaction, or one in which it was reverted; one of the two alone may be a provider that lags, or lies."""

    places: tuple[Place, ...]


class Backing(NamedTuple):
    """What stands behind a payer's vouchers, in wei: what the contract may move, what the payer has; and what it has
    paid by vouchers so far."""

    allowance: int
    tokens: int
    redeemed: int


@dataclass(frozen=True, slots=True)
class AskBacking:
    """What stands behind the vouchers of these payers: answered by `backing`."""

    contract: Address
    payers: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class AskBalances:
    """Tokens that wallets of others have: answered by `balances`, or not at all."""

    wallets: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the operator should know about money."""

    level: str
    text: str


Question = AskTerms | SendPayments | AskReceipts | AskTransfers | AskUse | AskGone | AskBacking | AskBalances
AccountantEffect = Save | Question | Notice


@dataclass(frozen=True, slots=True)
class OfPurse:
    """What is to be done for one of the further consuming wallets: its answer has to name it, too."""

    purse: int
    """Its number, from 1."""
    effect: Save | Question | SaveConfig
