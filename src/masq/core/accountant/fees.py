"""What a payment may cost: a price that will be taken, its bound, and more for one that waits (accounting.md 2.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from masq.chain.head import Head, Prices
from masq.core.accountant.effects import Variant

MOST_GAS_PRICE: Final = 5_000 * 10**9
"""Wei per gas. Far above what the chains ask for; a provider that names more could spend all coins on one payment."""
LEAST_GAS_PRICE: Final = 10**6
"""Wei per gas that are offered in any case: a thousandth of a gwei costs next to nothing, and is taken later if not
now."""
HEADROOM: Final = 2
"""Times the base fee that is offered: it can rise by an eighth in each block, and what isn't needed isn't spent."""
MOST_VARIANTS: Final = 40


@dataclass(frozen=True, slots=True)
class Fee:
    """Wei per gas: at most, and of that for who makes the block. `tip` None: a transaction of the old kind."""

    most: int
    tip: int | None


class Fees:
    """`cap`: wei per gas that are never exceeded."""

    def __init__(self, cap: int) -> None:
        self._cap = cap

    def suggested(self, head: Head, prices: Prices) -> Fee | str:
        """What to offer now; a text: why nothing is offered."""
        base = head.base_fee
        needed = prices.gas_price if base is None else base
        if needed > self._cap:
            return f"a gas price of {needed} wei is above the {self._cap} wei that this chain may need at most"
        if base is None:
            if not prices.gas_price:
                return "a gas price of 0 can't be right"
            return Fee(max(prices.gas_price, min(LEAST_GAS_PRICE, self._cap)), None)
        tip = max(0, prices.gas_price - base) if prices.tip is None else prices.tip
        most = min(self._cap, max(HEADROOM * base + tip, LEAST_GAS_PRICE))
        return Fee(most, min(tip, most - base))

    def expected(self, fee: Fee, head: Head) -> int:
        """Wei per gas that an offer will cost if a block takes it now."""
        if fee.tip is None or head.base_fee is None:
            return fee.most
        return min(fee.most, head.base_fee + fee.tip)

    def too_low(self, variant: Variant, head: Head, prices: Prices) -> bool:
        """Whether a transaction can't be mined at today's prices."""
        if head.base_fee is not None:
            return variant.most < head.base_fee
        return variant.most < prices.gas_price

    def raised(self, variants: tuple[Variant, ...], fee: Fee) -> Fee | None:
        """What to offer for the same nonce so that it replaces all before; None: no more may be offered.

        Nodes of a chain take one in place of another if it offers an eighth more, of the fee and of the tip.
        """
        if len(variants) >= MOST_VARIANTS:
            return None
        highest = max(each.most for each in variants)
        tips = max((each.most if each.tip is None else each.tip) for each in variants)
        most = max(fee.most, _eighth_more(highest))
        if most > self._cap:
            return None
        return Fee(most, None if fee.tip is None else min(most, max(fee.tip, _eighth_more(tips))))


def _eighth_more(wei: int) -> int:
    return wei + wei // 8 + 1
