"""What services cost, booked as the parts of a Node book it."""

from __future__ import annotations

from collections.abc import Sequence

from masq.core.accountant.accountant import Accountant
from masq.core.accountant.effects import AccountantEffect
from masq.types import DEFAULT_RATE_PACK, Address, RatePack


def relayed(
    books: Accountant, payer: Address, size: int, now: float, rates: RatePack = DEFAULT_RATE_PACK
) -> list[AccountantEffect]:
    """We have relayed `size` bytes for a payer."""
    return books.charge(False, payer, rates.routing_charge(size), now)


def exited(
    books: Accountant, payer: Address, size: int, now: float, rates: RatePack = DEFAULT_RATE_PACK
) -> list[AccountantEffect]:
    """We were exit for `size` bytes of a payer's."""
    return books.charge(False, payer, rates.exit_charge(size), now)


def consumed(
    books: Accountant,
    exit: tuple[Address, RatePack, int],
    relays: Sequence[tuple[Address, RatePack]],
    payload_size: int,
    now: float,
) -> None:
    """Others have carried a package of ours."""
    wallet, rates, size = exit
    books.charge(True, wallet, rates.exit_charge(size), now)
    for relay, prices in relays:
        books.charge(True, relay, prices.routing_charge(payload_size), now)
