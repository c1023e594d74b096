"""What a Node knows of a circuit of others: its keys there, who pays, and what it has cost (protocol.md 15.3, 15.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from masq.core.circuits.opens import Source
from masq.core.circuits.terminal import Terminal
from masq.core.effects import SendFrame
from masq.core.limits import MAX_WINDOW
from masq.core.tab import Tab
from masq.types import Address, RatePack
from masq.wire.circuit import Close, Control, Debt, Layer, circuit_frame, data_of, encode_ending
from masq.wire.secure_link import FrameType

BILL_BYTES: Final = 16 * 1024 * 1024
BILL_SECONDS: Final = 60.0

Leg = tuple[int, int]
"""Where a circuit goes on: a link, and the circuit's id there."""


@dataclass(slots=True)
class Bill:
    """What was booked for a circuit: told to its originator, who compares."""

    cells: int = 0
    bytes: int = 0
    wei: int = 0
    told: int = 0
    told_at: float = 0.0


@dataclass(slots=True)
class Passage:
    """A circuit as one hop has it. `onward` is None at the exit, where `terminal` is its end."""

    payer: Address
    back: Leg
    """Towards the originator."""
    onward: Leg | None
    forward: Layer
    backward: Layer
    control: Control
    bill: Bill
    active: float
    source: Source
    """Who is held to account for it."""
    statement: bytes = b""
    """Of account, that came with its OPEN."""
    terminal: Terminal | None = None
    answers: list[int] = field(default_factory=list)
    """At the exit: what each paid look-up counts for whose RESOLVED waits to be sent."""
    closing: float | None = None
    """Since when the originator is through with it; what is still on its way back to it is let pass, and booked."""

    @property
    def legs(self) -> list[Leg]:
        return [self.back] if self.onward is None else [self.back, self.onward]


class Billing:
    """Books what circuits earn, and tells their originators."""

    def __init__(
        self,
        rates: RatePack,
        tab: Tab,
        owed: Callable[[Address], int],
        statement: Callable[[Address, float], tuple[bytes, bytes]],
        debt: Callable[[Address, float], Debt | None],
        vouched: Callable[[Address, bytes, float], None] = lambda payer, voucher, now: None,
        takes: bytes = b"",
    ) -> None:
        """`owed`: wei that a wallet owes us in all. `statement`: the same, signed, if it is time, and the last that the
        wallet has signed. `debt`: for which it is served no more. `vouched`: to be told what a wallet promises.
        `takes`: the contract by which vouchers are taken; empty: they aren't."""
        self.vouched = vouched
        self._takes = takes
        self._rates = rates
        self._tab = tab
        self._owed = owed
        self._statement = statement
        self._debt = debt

    def earn(self, passage: Passage, size: int, as_exit: bool, now: float) -> list[SendFrame]:
        """Book a cell of `size` bytes, as relay, or as exit for the plain bytes in it; tell of it when it is time."""
        bill = passage.bill
        wei = self._rates.exit_charge(size) if as_exit else self._rates.routing_charge(size)
        bill.cells += 1
        bill.bytes += size
        bill.wei += wei
        self._tab.earn(passage.payer, wei)
        if bill.bytes - bill.told < BILL_BYTES and now - bill.told_at < BILL_SECONDS:
            return []
        bill.told_at = now
        return [self.bill(passage, now)]

    def bill(self, passage: Passage, now: float | None = None) -> SendFrame:
        """With a statement of account, if it is time for one. `now`: by default that of the circuit's last cell."""
        bill = passage.bill
        bill.told = bill.bytes
        owed = str(self._owed(passage.payer))
        value: dict[str, Any] = {"cells": bill.cells, "bytes": bill.bytes, "wei": str(bill.wei), "owed": owed}
        # It lacks what this input has earned, as that is booked after it.
        statement, echo = self._statement(passage.payer, passage.active if now is None else now)
        if statement:
            value |= {"statement": statement, "echo": echo}
        if self._takes:
            value["vouchers"] = self._takes
        return _tell(passage, {"bill": value})

    def under_way(self, circuits: int) -> int:
        """Wei that the originator of so many circuits may have booked for what isn't here yet, or no more."""
        return circuits * 2 * MAX_WINDOW * max(self._rates.routing_byte_rate, self._rates.exit_byte_rate)

    def last_words(
        self, passage: Passage, reason: Close, detail: str = "", now: float | None = None
    ) -> list[SendFrame]:
        """Why a circuit ends here, what it has cost, and its end, for the originator. `now`: as for `bill`."""
        clock = passage.active if now is None else now
        debt = self._debt(passage.payer, clock) if reason is Close.DELINQUENT else None
        words = [] if reason is Close.DONE else [_tell(passage, encode_ending(reason, detail, debt))]
        if passage.bill.cells:
            words.append(self.bill(passage))
        return [*words, closing(passage.back, reason)]


def _tell(passage: Passage, value: dict[str, Any]) -> SendFrame:
    """A control message to the originator, layered like a cell."""
    link, circuit = passage.back
    frame = circuit_frame(FrameType.CONTROL, circuit, passage.control.close(value))
    data = data_of(frame)
    passage.backward.apply(data)
    return SendFrame(link, frame, circuit)


def closing(leg: Leg, reason: int) -> SendFrame:
    link, circuit = leg
    return SendFrame(link, circuit_frame(FrameType.CLOSE, circuit, bytes((reason,))), circuit)
