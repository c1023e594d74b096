"""What one input has earned and cost, by wallet: the Accountant is told once, as the cells of an input are many."""

from __future__ import annotations

from masq.types import Address


class Tab:
    """One per Node; `node.py` empties it after each input. Amounts are wei."""

    def __init__(self) -> None:
        self.earned: dict[Address, int] = {}
        """By consuming wallet."""
        self.owed: dict[Address, int] = {}
        """By earning wallet: what the default consuming wallet pays."""
        self.further: dict[int, dict[Address, int]] = {}
        """The same by the number of each further one, of those that this input has cost something."""

    def earn(self, payer: Address, wei: int) -> None:
        self.earned[payer] = self.earned.get(payer, 0) + wei

    def of(self, purse: int) -> dict[Address, int]:
        """What the consuming wallet of a number owes."""
        return self.further.setdefault(purse, {}) if purse else self.owed

    def owe(self, wallet: Address, wei: int, purse: int = 0) -> None:
        owed = self.of(purse)
        owed[wallet] = owed.get(wallet, 0) + wei
