"""What survives the crashes of a Node: whose it is, and what it has saved."""

from __future__ import annotations

from dataclasses import dataclass, field

from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import SavedState
from masq.core.accountant.effects import Earned, Paid, Payment, Save
from masq.core.accountant.ledger import BookEntry
from masq.core.accountant.promises import CONFIG as PROMISES
from masq.core.accountant.vouchers import SHARDS as VOUCHERS
from masq.types import Address


@dataclass(slots=True)
class Memory:
    """What a Node has saved."""

    entries: dict[tuple[bool, Address], BookEntry] = field(default_factory=dict)
    payments: dict[bytes, Payment] = field(default_factory=dict)
    banned: dict[Address, None] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)
    paid: list[Paid] = field(default_factory=list)
    earned: list[Earned] = field(default_factory=list)

    def save(self, save: Save) -> None:
        self.entries |= {(entry.payable, entry.wallet): entry for entry in save.entries}
        self.payments |= {payment.hash: payment for payment in save.payments}
        for hash in save.ended_payments:
            self.payments.pop(hash, None)
        self.banned |= dict.fromkeys(save.banned)
        for wallet in save.released:
            self.banned.pop(wallet, None)
        for wallet in save.forgotten:
            self.entries.pop((False, wallet), None)
        self.config |= dict(save.config)
        self.paid += save.paid
        self.earned += save.earned

    def state(self) -> SavedState:
        block = self.config.get("start_block")
        return SavedState(
            tuple(self.entries.values()),
            tuple(self.payments.values()),
            tuple(self.banned),
            int(block) if block else None,
            self.config.get("known_income"),
            self.config.get("payers"),
            int(outgo) if (outgo := self.config.get("outgo_block")) else None,
            self.config.get("known_outgo"),
            self.config.get("head"),
            self.config.get(PROMISES),
            tuple(self.config.get(name) for name in VOUCHERS),
        )


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a Node is: the same one starts it again after a crash, at the same address."""

    number: int
    consuming: Wallet
    earning: Wallet
    memory: Memory
    ip: str
    further: tuple[tuple[Wallet, Memory], ...] = ()
    """Consuming wallets besides the default one, and what is saved for each."""


def address_of(number: int) -> str:
    """Where a Node is, unless it is somewhere else on purpose."""
    return f"10.0.{number // 250}.{number % 250 + 1}"
