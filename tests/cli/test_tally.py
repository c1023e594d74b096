"""Sums over what the books have seen: exact, filtered, ranked, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.cli import tally
from masq.cli.tally import Flow, Of, Open, Receipt, Wish, exact, owed, receipts

GWEI = 10**9
A, B, C, D, E = (bytes([number] * 20).hex() for number in range(1, 6))


def read(**kinds: Sequence[Sequence[Any]]) -> tally.Read:
    return lambda kind: kinds.get(kind, [])


def accounts(*rows: tuple[str, int, int], now: int = 100_000) -> list[Sequence[Any]]:
    """Wallets, wei, ages."""
    return [(wallet, str(wei), now - age) for wallet, wei, age in rows]


PAYABLES = accounts(
    (A, 1_000_000_002, 86_401),
    (B, 7_562_000_300_000, 86_001),
    (C, 999_999_999, 86_000),
    (D, 10_000_000_100, 86_300),
    (E, 10_000_000_100, 86_401),
)


def test_the_largest_accounts_the_older_first_of_equal_ones() -> None:
    """S67: unlike 0.9.1, what is below a gwei is shown, too."""
    found = owed(PAYABLES, Wish(top=3), 100_000)
    assert [each.wallet for each in found.top] == [f"0x{each}" for each in (B, E, D)]
    assert (found.wei, found.accounts) == (7_562_000_300_000 + 2 * 10_000_000_100 + 1_000_000_002 + 999_999_999, 5)


def test_the_oldest_accounts_the_larger_first_of_equal_ones() -> None:
    """S67."""
    found = owed(PAYABLES, Wish(top=3, by_age=True), 100_000)
    assert [each.wallet for each in found.top] == [f"0x{each}" for each in (E, A, D)]


@pytest.mark.parametrize(
    ("wish", "wanted"),
    [
        (Wish(least=10_000_000_100), (B, E, D)),
        (Wish(most=1_000_000_002), (A, C)),
        (Wish(least=10**9, most=10_000_000_100), (E, D, A)),
        (Wish(older=86_300), (E, D, A)),
        (Wish(younger=86_001), (B, C)),
        (Wish(older=86_001, younger=86_300), (B, D)),
        (Wish(top=0), ()),
    ],
)
def test_ranges_hold_with_both_ends_and_change_no_sum(wish: Wish, wanted: tuple[str, ...]) -> None:
    found = owed(PAYABLES, wish, 100_000)
    assert [each.wallet for each in found.top] == [f"0x{each}" for each in wanted]
    assert found.accounts == 5


def test_credit_is_none_of_what_is_owed() -> None:
    found = owed(accounts((A, -7, 5), (B, 0, 5), (C, 2, 5)), Wish(), 100_000)
    assert (found.wei, found.credit, found.accounts) == (2, 7, 1)
    assert found.top == [Open(f"0x{C}", 2, 99_995)]


def test_nothing_is_nothing() -> None:
    """S69."""
    found = owed([], Wish(), 0)
    assert (found.wei, found.credit, found.accounts, found.top) == (0, 0, 0, [])
    assert list(receipts(read(), Wish())) == []
    assert Flow().top(5) == []


def test_transfers_of_both_directions_come_in_order_and_within_the_times_asked_for() -> None:
    paid = [
        (time, A, str(10**20 + time), "aa", 7, None if time == 30 else "5", C if time == 20 else "")
        for time in (10, 20, 30, 40)
    ]
    earned = [(time, B, str(wei), "bb", 8, None, None) for time, wei in ((15, 3), (25, -3), (40, 1))]
    source = read(paid=paid, earned=earned)
    assert [each.time for each in receipts(source, Wish())] == [10, 15, 20, 25, 30, 40, 40]
    some = list(receipts(source, Wish(since=20, until=40)))
    assert some == [
        Receipt(20, True, f"0x{A}", 10**20 + 20, "0xaa", 7, 5, f"0x{C}"),
        Receipt(25, False, f"0x{B}", -3, "0xbb", 8, None),
        Receipt(30, True, f"0x{A}", 10**20 + 30, "0xaa", 7, None),
    ]
    assert [each.kind for each in some] == ["paid", "undone", "paid"]
    flow = Flow()
    for each in some:
        if each.paid:
            flow.add(each)
    assert (flow.wei, flow.times, flow.fees, flow.unknown) == (2 * 10**20 + 50, 2, 5, 1)
    assert flow.top(5) == [Of(f"0x{A}", 2 * 10**20 + 50, 2, 30)]


def test_income_that_was_undone_is_no_income() -> None:
    flow = Flow()
    for wei in (5, 7, -5):
        flow.add(Receipt(1, False, "0x1", wei, "0x", 1, None))
    assert (flow.wei, flow.undone, flow.unknown) == (7, 5, 0)


def test_beyond_so_many_wallets_there_are_sums_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MOST_WALLETS", 3)
    flow = Flow()
    for number in range(3):
        flow.add(Receipt(1, False, f"0x{number}", 1, "0x", 1, None))
    assert flow.wallets == len(flow.top(5)) == 3
    flow.add(Receipt(1, False, "0x3", 1, "0x", 1, None))
    flow.add(Receipt(1, False, "0x0", 1, "0x", 1, None))
    assert flow.wallets is None
    assert (flow.wei, flow.top(5)) == (5, [])


@given(st.integers(-(2**126), 2**126))
def test_amounts_lose_no_digit(wei: int) -> None:
    with localcontext() as context:
        context.prec = 60
        assert Decimal(exact(wei)) * 10**18 == wei
    assert not exact(wei).endswith((".", ".0"))


@given(st.lists(st.tuples(st.integers(-(2**126), 2**126), st.integers(0, 2**32)), max_size=50), st.integers(0, 60))
def test_the_ranking_is_that_of_all_and_the_sums_are_whole(rows: list[tuple[int, int]], top: int) -> None:
    book = [(f"{number:040x}", str(wei), since) for number, (wei, since) in enumerate(rows)]
    found = owed(book, Wish(top=top), 2**32)
    open = sorted((wei for wei, _ in rows if wei > 0), reverse=True)
    assert [each.wei for each in found.top] == open[:top]
    assert found.wei - found.credit == sum(wei for wei, _ in rows)
