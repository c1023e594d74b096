"""Whether a debt is worth the gas that paying it costs now, and when that is no question any more (accounting.md 2.4).

Gas is paid in the chain's coin, debts are in MASQ: what a coin is worth only our user can say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS, PaymentThresholds

COIN: Final = 10**18
"""Wei of a coin, and of a MASQ."""
BEFORE_BAN: Final = 900
"""Seconds before a creditor would ban us in which a debt is paid whatever its gas costs: Nodes look for income every
600 by default, we look for what is to be paid every 150 then, and a block has to take it."""
MORE_COUNTED: Final = 8
"""An eighth more than we count may be what the creditor counts: what is under way, and what we lost."""


@dataclass(frozen=True, slots=True)
class GasShare:
    """`percent` of a payment that its gas may cost; 0: any. `masq_per_coin`: wei of MASQ that a whole coin is worth; 0:
    nobody has said it."""

    percent: int = 0
    masq_per_coin: int = 0

    @property
    def counts(self) -> bool:
        return self.percent > 0 and self.masq_per_coin > 0

    def in_masq(self, coins: int) -> int:
        """Wei of MASQ that so many wei of the coin are worth, rounded up."""
        return -(-coins * self.masq_per_coin // COIN)

    def allows(self, wei: int, coins: int) -> bool:
        """Whether `wei` of MASQ may be paid at a cost of `coins` wei of the coin."""
        return not self.counts or 100 * self.in_masq(coins) <= self.percent * wei


ANY_SHARE: Final = GasShare()


def can_t_wait(thresholds: PaymentThresholds, wei: int, age: int) -> bool:
    """Whether the creditor of a debt might ban us soon.

    Its thresholds nobody knows. They are taken for ours or the network's usual ones, whichever ban sooner.
    """
    counted = wei + wei // MORE_COUNTED
    return any(each.to_be_banned(counted, age + BEFORE_BAN) for each in (thresholds, DEFAULT_THRESHOLDS))
