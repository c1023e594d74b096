"""The tab of one input: sums by wallet, what is earned and what is owed apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from masq.core.tab import Tab

ONE, OTHER = b"1" * 20, b"2" * 20
charges = st.lists(st.tuples(st.booleans(), st.sampled_from([ONE, OTHER]), st.integers(0, 1 << 80)), max_size=20)


@given(charges=charges)
def test_no_wei_is_lost_or_booked_under_another_wallet_or_book(charges: list[tuple[bool, bytes, int]]) -> None:
    tab = Tab()
    for owed, wallet, wei in charges:
        (tab.owe if owed else tab.earn)(wallet, wei)
    for owed, book in ((True, tab.owed), (False, tab.earned)):
        told = {wallet for each, wallet, _ in charges if each is owed}
        assert book == {
            wallet: sum(wei for each, of, wei in charges if each is owed and of == wallet) for wallet in told
        }


def test_a_service_for_nothing_is_on_the_tab_too() -> None:
    tab = Tab()
    tab.earn(ONE, 0)
    assert tab.earned == {ONE: 0}
    assert not tab.owed
