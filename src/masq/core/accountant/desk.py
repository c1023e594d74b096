"""The books of one further consuming wallet: what it owes, and its payments. None of it is in the books of another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from masq.core.accountant.accountant import Accountant
from masq.core.accountant.effects import AccountantEffect, Notice, OfPurse, Save
from masq.core.accountant.statements import Statements
from masq.core.effects import Log, SaveConfig
from masq.core.view import BooksView, WalletView
from masq.types import Address, Wei, address_text


@dataclass(frozen=True, slots=True)
class Desk:
    """One further wallet's Accountant, which earns nothing, and its statements of account."""

    purse: int
    """Its number; 0 is the default wallet, which has no desk."""
    wallet: Address
    accountant: Accountant
    statements: Statements

    def marked(self, effects: Iterable[AccountantEffect | SaveConfig | Log]) -> list[OfPurse | Notice | Log]:
        """The same effects, as this wallet's."""
        out: list[OfPurse | Notice | Log] = []
        for effect in effects:
            if isinstance(effect, Notice | Log):
                out.append(effect)
            elif isinstance(effect, Save):
                out.append(OfPurse(self.purse, self.statements.join(effect)))
            else:
                out.append(OfPurse(self.purse, effect))
        return out

    def tick(self, now: float) -> list[OfPurse | Notice | Log]:
        return [*self.marked(self.accountant.tick(now)), *self.marked(self.statements.tick(now))]

    def view(self, now: float) -> tuple[WalletView, BooksView]:
        books = self.accountant.view(now)
        return wallet_view(self.wallet, books), books


def wallet_view(wallet: Address, books: BooksView) -> WalletView:
    money = books.money
    return WalletView(
        address_text(wallet),
        money.tokens,
        money.coins,
        money.lacking,
        Wei(money.owed_wei),
        books.paid_wei,
        len(books.payments),
    )
