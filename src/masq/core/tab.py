"""What one input has earned and cost, by wallet: the Accountant is told once, as the cells of an input are many."""

from __future__ import annotations

from masq.types import Address


class Tab:
    """One per Node; `node.py` empties it after each input. Amounts are wei."""

    def __init__(self) -> None:
        self.earned: dict[Address, int] = {}
        """By consuming wallet."""
        self.owed: dict[Address, int] = {}
        """By earning wallet."""

    def earn(self, payer: Address, wei: int) -> None:
        self.earned[payer] = self.earned.get(payer, 0) + wei

    def owe(self, wallet: Address, wei: int) -> None:
        self.owed[wallet] = self.owed.get(wallet, 0) + wei
