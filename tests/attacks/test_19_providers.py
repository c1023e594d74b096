"""Issue 9, 19: what a provider may cost: a gas price that it makes up, and words that others read on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.settings.lines import valid

from masq.chain.head import Head, Prices
from masq.core.accountant.effects import Variant
from masq.core.accountant.fees import Fee, Fees
from masq.types import CHAINS

GAS = 75_000
"""Of one payment, at most."""
MADE_UP = [0, 1, 10**9, 10**12, 5_000 * 10**9, 2**64 - 1, 10**30]
BEFORE = 5_000 * 10**9 * GAS
"""Wei of the chain's coin that one payment could cost, on every chain."""


@pytest.mark.parametrize("chain", sorted(name for name in CHAINS if name != "dev"))
def test_19_a_made_up_gas_price_costs_no_more_than_its_chain_may_ask_for(
    chain: str, tell: Callable[[str], None]
) -> None:
    most = CHAINS[chain].most_gas_price
    fees = Fees(most)
    offered = [0]
    for base in (None, *MADE_UP):
        for price in MADE_UP:
            for tip in (None, *MADE_UP):
                head = Head(1, 0, bytes(32), base)
                fee = fees.suggested(head, Prices(price, tip))
                if isinstance(fee, Fee):
                    offered += [fee.most, fee.tip or 0]
                    again = fees.raised((Variant(b"", b"", fee.most, fee.tip, 0),), fee)
                    offered += [again.most, again.tip or 0] if again else []
    tell(f"{chain}: {max(offered) * GAS / 10**18:.5f} coins at most for one payment; before: {BEFORE / 10**18:.3f}")
    assert max(offered) <= most


def test_19_a_provider_that_others_can_read_is_warned_of() -> None:
    warnings = valid(blockchain_service_url="http://provider.example/").warnings
    assert any("not encrypted" in warning for warning in warnings)
