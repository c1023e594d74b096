"""What the books have seen, row by row: accounts, payments under way, and all that was ever paid and earned.

There may be millions of rows, so they come in pages, each of which is read in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

PAGE: Final = 1_000
"""Rows that are read at once."""
MOST_PLACE: Final = 256
"""Characters of a place."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind is read: rows behind a place, and first in each row its own place, in so many columns."""

    query: str
    values: Callable[[str], tuple[Any, ...]]
    """Of a place, as text."""
    columns: int = 1


def _blob(text: str) -> tuple[bytes]:
    return (bytes.fromhex(text),)


def _two_wallets(text: str) -> tuple[bytes, bytes]:
    both = bytes.fromhex(text)
    return both[:20], both[20:]


def _number(text: str) -> tuple[int]:
    number = int(text or "0", 16)
    if not 0 <= number < 1 << 63:
        raise ValueError("no row can be there")
    return (number,)


_ACCOUNTS: Final = (
    "SELECT wallet, wallet, wei, since FROM accounts WHERE payable = {} AND purse = x'' AND wallet > ? ORDER BY wallet"
)
KINDS: Final = {
    "paid": Kind(
        "SELECT rowid, time, creditor, wei, hash, block, fee, sender FROM paid WHERE rowid > ? ORDER BY rowid",
        _number,
    ),
    "earned": Kind(
        "SELECT rowid, time, debtor, wei, hash, block, NULL, NULL FROM earned WHERE rowid > ? ORDER BY rowid",
        _number,
    ),
    "payables": Kind(_ACCOUNTS.format(1), _blob),
    "receivables": Kind(_ACCOUNTS.format(0), _blob),
    "further": Kind(
        "SELECT purse, wallet, wallet, wei, since FROM accounts "
        "WHERE payable = 1 AND purse <> x'' AND (purse, wallet) > (?, ?) ORDER BY purse, wallet",
        _two_wallets,
        2,
    ),
    "payments": Kind(
        "SELECT hash, creditor, wei, made, state FROM payments WHERE hash > ? ORDER BY hash",
        _blob,
    ),
}
"""What there is to be read. Transfers: time, wallet, wei, hash, block, fee, sender; accounts: wallet, wei, since;
payments: wallet, wei, when made, state. `further`: payables of further consuming wallets."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows: bytes as hex, amounts as decimal text. `after`: where to go on; None: that was all."""

    rows: tuple[tuple[str | int | None, ...], ...]
    after: str | None


def query_of(kind: str, after: str) -> tuple[str, tuple[Any, ...]]:
    """The query for the rows behind a place; an empty one is before the first. ValueError: no such kind or place."""
    if kind not in KINDS or len(after) > MOST_PLACE:
        raise ValueError(f"behind it come one of {', '.join(KINDS)}, and where to go on")
    return f"{KINDS[kind].query} LIMIT {PAGE}", KINDS[kind].values(after)


def page_of(kind: str, found: Sequence[tuple[Any, ...]]) -> Page:
    """What such a query has found."""
    columns = KINDS[kind].columns
    rows = tuple(tuple(_told(cell) for cell in row[columns:]) for row in found)
    if len(found) < PAGE:
        return Page(rows, None)
    return Page(rows, "".join(f"{cell:x}" if isinstance(cell, int) else cell.hex() for cell in found[-1][:columns]))


def _told(cell: bytes | str | int | None) -> str | int | None:
    return cell.hex() if isinstance(cell, bytes) else cell
