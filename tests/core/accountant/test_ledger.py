"""The books: what a payment does to the age of a debt (accounting.md 1.6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.core.accountant.ledger import BookEntry, Ledger
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS

WALLET = bytes(20)
MASQ = 10**18


def ledger(wei: int, since: int, payable: bool = False) -> Ledger:
    return Ledger([BookEntry(payable, WALLET, wei, since)])


@pytest.mark.parametrize("payable", [False, True])
@pytest.mark.parametrize(
    ("paid", "since"), [(1, 1_000), (MASQ // 4, 1_250), (MASQ // 2, 1_500), (MASQ, 2_000), (2 * MASQ, 2_000)]
)
def test_a_debt_gets_younger_by_the_share_that_is_paid(payable: bool, paid: int, since: int) -> None:
    books = ledger(MASQ, 1_000, payable)
    books.settle(payable, WALLET, paid, 2_000)
    account = (books.payables if payable else books.receivables)[WALLET]
    assert (account.wei, account.since) == (MASQ - paid, since)


def test_what_was_paid_before_it_is_owed_is_credit_of_that_time() -> None:
    books = Ledger()
    books.settle(False, WALLET, 5, 2_000)
    assert (books.receivables[WALLET].wei, books.receivables[WALLET].since) == (-5, 2_000)
    books.settle(False, WALLET, 5, 3_000)
    assert (books.receivables[WALLET].wei, books.receivables[WALLET].since) == (-10, 3_000)


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, MASQ), st.integers(0, MASQ)), max_size=30),
)
def test_the_age_never_grows_by_a_payment_nor_ends_in_the_future(events: list[tuple[int, int, int]]) -> None:
    books, now = Ledger(), 1_000
    for later, charge, paid in events:
        now += later
        books.book(False, WALLET, charge, now)
        before = books.receivables[WALLET].since
        books.settle(False, WALLET, paid, now)
        assert before <= books.receivables[WALLET].since <= now
        if books.receivables[WALLET].wei <= 0:
            assert books.receivables[WALLET].since == now


def bans(per_hour: int, lag: int, in_proportion: bool) -> int:
    """How often in a week somebody is found to be banned who pays as 0.9.1 does: all, if it is due every 600 s.

    `lag`: seconds from a payment's signing to where it is booked.
    """
    ours, theirs, signed = Ledger(), Ledger(), (0, 0)
    found = 0
    for now in range(60, 7 * 86_400, 60):
        for book in (ours, theirs):
            book.book(False, WALLET, per_hour // 60, now)
        wei, at = signed
        if wei and now >= at + lag:
            for book, when in ((ours, now), (theirs, at)):
                book.settle(False, WALLET, wei, when)
            theirs.receivables[WALLET].since = at
            if not in_proportion:
                ours.receivables[WALLET].since = now
            signed = (0, 0)
        account = theirs.receivables[WALLET]
        if now % 600 == 0 and not signed[0] and DEFAULT_THRESHOLDS.to_be_paid(account.wei, now - account.since):
            signed = account.wei, now
        account = ours.receivables[WALLET]
        found += now % 600 == 300 and DEFAULT_THRESHOLDS.to_be_banned(account.wei, now - account.since)
    return found


@pytest.mark.parametrize("lag", [60, 300, 540])
@pytest.mark.parametrize("per_hour", [MASQ // 10, MASQ // 2, MASQ, 2 * MASQ, 10 * MASQ, 100 * MASQ])
def test_a_debtor_of_0_9_1_is_treated_as_by_0_9_1(per_hour: int, lag: int) -> None:
    assert bans(per_hour, lag, in_proportion=True) == bans(per_hour, lag, in_proportion=False)
    assert lag > 60 or not bans(per_hour, lag, in_proportion=True)
