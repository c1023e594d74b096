"""Sums over what the books have seen, in integers of wei and in bounded memory, however many rows there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge, nlargest
from typing import Any, Final, NamedTuple

UNIT: Final = 10**18
"""Wei of a whole token, or coin."""

MOST_WALLETS: Final = 100_000
"""Wallets that are told apart in what was paid or earned; with more of them there are sums alone."""

Row = Sequence[Any]
Read = Callable[[str], Iterable[Row]]
"""The rows of one kind (shell/history.py)."""


class Receipt(NamedTuple):
    """One transfer. `wei` is below 0 where a replaced block took one back."""

    time: int
    paid: bool
    """By us, rather than to us."""
    wallet: str
    wei: int
    hash: str
    block: int
    fee: int | None
    """Wei of the chain's coin, as far as they are known, of what we paid."""
    sender: str | None = None
    """The consuming wallet that paid, as far as it is known."""

    @property
    def kind(self) -> str:
        return "paid" if self.paid else "earned" if self.wei >= 0 else "undone"


class Open(NamedTuple):
    """What is owed now to or by one wallet. `since`: unix time from which its age counts."""

    wallet: str
    wei: int
    since: int


class Of(NamedTuple):
    """What was paid to, or earned from, one wallet."""

    wallet: str
    wei: int
    times: int
    last: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. Times are unix seconds, None is without bound."""

    since: int | None = None
    """Of transfers: the first second."""
    until: int | None = None
    """And the first one that is too late."""
    least: int = 0
    """Of open accounts: wei."""
    most: int | None = None
    older: int = 0
    """Of open accounts: the least age in seconds."""
    younger: int | None = None
    top: int = 5
    by_age: bool = False

    def wants(self, time: int) -> bool:
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


@dataclass(slots=True)
class Flow:
    """All transfers of one direction."""

    wei: int = 0
    undone: int = 0
    times: int = 0
    fees: int = 0
    unknown: int = 0
    """Transfers whose fee isn't known."""
    _wallets: dict[str, tuple[int, int, int]] | None = field(default_factory=dict)

    def add(self, each: Receipt) -> None:
        self.wei += each.wei
        self.times += 1
        if each.wei < 0:
            self.undone -= each.wei
        if each.paid:
            self.fees += each.fee or 0
            self.unknown += each.fee is None
        if self._wallets is None:
            return
        wei, times, last = self._wallets.get(each.wallet, (0, 0, each.time))
        self._wallets[each.wallet] = wei + each.wei, times + 1, max(last, each.time)
        if len(self._wallets) > MOST_WALLETS:
            self._wallets = None

    @property
    def wallets(self) -> int | None:
        """How many there were; None: too many to be told apart."""
        return None if self._wallets is None else len(self._wallets)

    def top(self, most: int) -> list[Of]:
        """Those with the largest sums."""
        rows = (Of(wallet, *sums) for wallet, sums in (self._wallets or {}).items())
        return nlargest(most, rows, key=lambda each: (each.wei, each.wallet))


@dataclass(frozen=True, slots=True)
class Owed:
    """One book as it is now: `wei` in all, `credit` of those below 0, and the accounts that were asked for."""

    wei: int
    credit: int
    accounts: int
    top: list[Open]


def receipts(read: Read, wish: Wish) -> Iterator[Receipt]:
    """Transfers of both directions, in the order of their times."""
    return merge(*(_transfers(read(kind), kind == "paid", wish) for kind in ("paid", "earned")), key=lambda e: e.time)


def _transfers(rows: Iterable[Row], paid: bool, wish: Wish) -> Iterator[Receipt]:
    for time, wallet, wei, hash, block, fee, sender in rows:
        if wish.wants(time):
            cost = None if fee is None else int(fee)
            whose = f"0x{sender}" if sender else None
            yield Receipt(time, paid, f"0x{wallet}", int(wei), f"0x{hash}", block, cost, whose)


def owed(rows: Iterable[Row], wish: Wish, now: int) -> Owed:
    """A book, of which those accounts are named that were asked for. A wallet may have several rows, side by side or
    not: of further consuming wallets."""
    wei = credit = accounts = 0

    def wanted() -> Iterator[Open]:
        nonlocal wei, credit, accounts
        for wallet, text, since in rows:
            amount = int(text)
            if amount <= 0:
                credit -= amount
                continue
            wei += amount
            accounts += 1
            age = max(0, now - since)
            if amount < wish.least or (wish.most is not None and amount > wish.most):
                continue
            if age >= wish.older and (wish.younger is None or age <= wish.younger):
                yield Open(f"0x{wallet}", amount, since)

    def rank(each: Open) -> tuple[int, int, str]:
        return (-each.since, each.wei, each.wallet) if wish.by_age else (each.wei, -each.since, each.wallet)

    # Also with none wanted all are counted.
    top = nlargest(max(1, wish.top), wanted(), key=rank)[: wish.top]
    return Owed(wei, credit, accounts, top)


def exact(wei: int) -> str:
    """Wei as a decimal number of whole tokens, or coins, without losing a digit."""
    whole, rest = divmod(abs(wei), UNIT)
    return ("-" if wei < 0 else "") + f"{whole}.{rest:018}".rstrip("0").rstrip(".")
