"""What becomes of a payment: states, and what is seen of it, as one table (accounting.md 2.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from masq.chain.head import Head, Prices
from masq.chain.receipt import Receipt
from masq.core.accountant.effects import Part, Payment, State, Variant
from masq.types import Address


class Seen(StrEnum):
    """What a look at the chain, or an answer of the provider, shows of a payment."""

    TAKEN = "a provider took it"
    WAITING = "its nonce is free"
    USED = "its nonce is used, and nothing shows by what"
    SHALLOW = "a block holds it"
    DEEP = "enough blocks follow that one"
    BURIED = "so many that nothing replaces them"
    FAILED = "it was reverted, and no other block will take it"
    OTHER = "another transaction with its nonce is deep"


TRANSITIONS: Final[Mapping[tuple[State, Seen], State]] = MappingProxyType(
    {
        (State.SIGNED, Seen.TAKEN): State.SENT,
        **{
            (state, seen): end
            for state in (State.SIGNED, State.SENT, State.MINED, State.SETTLED)
            for seen, end in {
                Seen.DEEP: State.SETTLED,
                Seen.BURIED: State.DONE,
                Seen.FAILED: State.REVERTED,
                Seen.OTHER: State.DISPLACED,
            }.items()
        },
        (State.SIGNED, Seen.SHALLOW): State.MINED,
        (State.SENT, Seen.SHALLOW): State.MINED,
        # Its block was replaced.
        (State.MINED, Seen.WAITING): State.SENT,
        (State.SETTLED, Seen.WAITING): State.SENT,
    }
)
"""What else is seen changes nothing. SETTLED and DONE are in the books as paid; what leaves them is undone."""

BOOKED: Final = frozenset({State.SETTLED, State.DONE})
"""The debt is paid in the books."""
ENDS: Final = frozenset({State.DONE, State.REVERTED, State.DISPLACED})
UNDER_WAY: Final = frozenset({State.SIGNED, State.SENT, State.MINED})
BURIED: Final = 128
"""Blocks after which a payment is looked at no more; at least four times those that confirm it."""
REVERTED_FOR: Final = 600
"""Seconds after which one that was reverted is given up, if it isn't buried before."""
BURIED_FOR: Final = 86_400
"""Seconds after which it isn't either: some chains of one's own make no blocks."""


def after(state: State, seen: Seen) -> State:
    return TRANSITIONS.get((state, seen), state)


@dataclass(frozen=True, slots=True)
class Look:
    """What the chain shows of payments. A hash that could not be asked for is missing in `receipts`."""

    head: Head
    prices: Prices
    receipts: Mapping[bytes, Receipt | None]
    nonces: Mapping[Address, tuple[int, int]]
    """By wallet: how many of its transactions are in blocks, and with those that wait."""


class Payments:
    """Payments that are kept, by hash."""

    def __init__(self, saved: Iterable[Payment], confirmations: int) -> None:
        self.confirmations = confirmations
        self._all = {payment.hash: payment for payment in saved}
        self.shown: dict[bytes, int] = {}
        """Blocks in which logs have shown variants; receipts may be missing for long where logs aren't."""

    def __iter__(self) -> Iterator[Payment]:
        """The lowest nonce first."""
        return iter(sorted(self._all.values(), key=lambda each: (each.sender, each.nonce)))

    def __len__(self) -> int:
        return len(self._all)

    def get(self, hash: bytes) -> Payment | None:
        return self._all.get(hash)

    def put(self, payment: Payment) -> None:
        self._all[payment.hash] = payment

    def end(self, payment: Payment) -> None:
        self._all.pop(payment.hash, None)
        for variant in payment.variants:
            self.shown.pop(variant.hash, None)

    def of(self, hash: bytes) -> Payment | None:
        """The payment of which this is a variant."""
        return next((each for each in self._all.values() if any(one.hash == hash for one in each.variants)), None)

    @property
    def under_way(self) -> list[Payment]:
        return [payment for payment in self if payment.state in UNDER_WAY]

    def pays(self, creditor: Address) -> bool:
        """Whether one to this creditor is under way. A part that failed is so until its payment is buried: in another
        block it may be made."""
        for payment in self._all.values():
            parts = payment.parts or payment.made_to
            if any(each.creditor == creditor and (each.failed or payment.state in UNDER_WAY) for each in parts):
                return True
        return False

    def show(self, hash: bytes, block: int) -> bool:
        """A log shows a variant in a block: whether it is one of ours. What logs leave out of a payment to several
        nobody knows, so those are judged by receipts alone."""
        payment = self.of(hash)
        if payment is not None and not payment.parts:
            self.shown[hash] = block
        return payment is not None

    def see(self, payment: Payment, look: Look, clock: int) -> tuple[Seen, Receipt | None] | None:
        """What a look shows of a payment, and the receipt that shows it; None: it can't be told."""
        depth = look.head.number - self.confirmations
        for variant in reversed(payment.variants):
            receipt = look.receipts.get(variant.hash)
            if receipt is not None:
                if receipt.block > depth:
                    return Seen.SHALLOW, receipt
                deep = self._how_deep(payment, receipt.block, look, clock)
                if receipt.succeeded:
                    return None if outcome(payment, receipt) is None else (deep, receipt)
                # A transaction that was reverted may do what it should in another block.
                over = deep is Seen.BURIED or clock - payment.latest.made >= REVERTED_FOR
                return (Seen.FAILED if over else Seen.SHALLOW), receipt
        nonces = look.nonces.get(payment.sender)
        if nonces is None:
            return None
        free = nonces[0] <= payment.nonce
        for variant in payment.variants:
            block = self.shown.get(variant.hash)
            if block is None or block > look.head.number:
                continue
            if not free:
                return (Seen.SHALLOW if block > depth else self._how_deep(payment, block, look, clock)), None
            del self.shown[variant.hash]  # Its block was replaced.
        if any(variant.hash not in look.receipts for variant in payment.variants):
            return None  # What could not be asked is not known to be missing.
        return (Seen.WAITING if free else Seen.USED), None

    def _how_deep(self, payment: Payment, block: int, look: Look, clock: int) -> Seen:
        buried = max(BURIED, 4 * self.confirmations)
        old = payment.state is State.SETTLED and clock - payment.made > BURIED_FOR
        return Seen.BURIED if look.head.number - block >= buried or old else Seen.DEEP


def outcome(payment: Payment, receipt: Receipt) -> tuple[Part, ...] | None:
    """The parts of a payment as its receipt shows them; None: it doesn't say of each whether it was made.

    A log that is missing proves nothing: that a part failed has to be told by the contract.
    """
    parts = []
    for each in payment.parts:
        told = payment.sender, each.creditor, each.wei
        if (told in receipt.paid) == (told in receipt.unpaid):
            return None
        parts.append(each._replace(failed=told in receipt.unpaid))
    return tuple(parts)


def with_variant(payment: Payment, variant: Variant) -> Payment:
    return replace(payment, variants=(*payment.variants, variant), state=State.SIGNED)


def reference() -> str:
    """The table, as in docs/accounting.md 2.6."""
    states = [state for state in State if state not in ENDS]
    head = "| what is seen | " + " | ".join(f"*{state}*" for state in states) + " |"
    lines = [head, "|---" * (len(states) + 1) + "|"]
    for seen in Seen:
        then = [after(state, seen) for state in states]
        cells = ["" if new is state else f"**{new}**" for state, new in zip(states, then, strict=True)]
        lines.append(f"| {seen.value} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(reference(), end="")
