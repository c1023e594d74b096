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
    assert isinstance(account.since, int)


@pytest.mark.parametrize(("paid", "since"), [(1, 1_000), (MASQ // 2, 1_000), (MASQ, 900)])
def test_a_payment_from_before_the_debt_makes_it_no_older(paid: int, since: int) -> None:
    books = ledger(MASQ, 1_000)
    books.settle(False, WALLET, paid, 900)
    assert books.receivables[WALLET].since == since


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


def test_what_is_settled_is_added_up_and_what_is_undone_is_taken_off() -> None:
    books = ledger(1_000, 100)
    books.settle(False, WALLET, 300, 200)
    books.settle(False, WALLET, 200, 200)
    assert books.settled == {(False, WALLET): 500}
    books.unsettle(False, WALLET, 50, 150)
    assert books.settled == {(False, WALLET): 450}
    books.unsettle(False, bytes(19) + b"n", 7, 150)
    assert books.settled[False, bytes(19) + b"n"] == -7
    assert books.receivables[bytes(19) + b"n"].wei == 7
    assert (books.receivables[WALLET].wei, books.receivables[WALLET].since) == (550, 150)
    books.unsettle(False, WALLET, 50, 90)
    assert books.receivables[WALLET].since == 90
    assert {(entry.wallet, entry.wei) for entry in books.take_changes()} == {(WALLET, 600), (bytes(19) + b"n", 7)}
    assert not books.changed


def test_no_balance_leaves_its_bounds() -> None:
    books = ledger(2**126 - 10, 100)
    assert not books.book(False, WALLET, 10, 100)
    assert not books.changed
    assert books.book(False, WALLET, 9, 100)
    books.unsettle(False, WALLET, 10, 100)
    assert books.receivables[WALLET].wei == 2**126
    books.settle(False, WALLET, 2**128, 200)
    assert books.receivables[WALLET].wei == -(2**126)
    assert not books.book(False, WALLET, 2**128, 100)
    assert not Ledger().book(False, WALLET, 2**126, 100)
    assert not Ledger().book(False, WALLET, 2**126 + 1, 100)
    assert Ledger().book(False, WALLET, 2**126 - 1, 100)


def test_old_dust_is_forgotten_and_credit_that_is_dust_too() -> None:
    entries = [
        BookEntry(False, bytes([number]) * 20, wei, since)
        for number, (wei, since) in enumerate(
            [(9, 99), (-9, 99), (10, 99), (-10, 99), (9, 100), (-9, 100), (11, 99), (-11, 99), (9, 101)]
        )
    ]
    books = Ledger(entries)
    books.book(False, bytes(20), 0, 99)
    assert books.forgive(200, 10, 100, 100) == (bytes(20), b"\1" * 20)
    assert books.take_changes() == ()
    assert books.forgive(200, 10, 100, 100) == ()


def test_of_too_many_debts_the_smallest_go_and_a_tenth_more() -> None:
    wallets = [bytes([number]) * 20 for number in range(33)]
    entries = [BookEntry(False, wallet, 1_000 + number, 100) for number, wallet in enumerate(wallets)]
    assert Ledger(entries).forgive(100, 10, 100, 33) == ()
    assert Ledger(entries).forgive(100, 10, 100, 35) == ()
    assert Ledger(entries).forgive(100, 10, 100, 30) == tuple(wallets[:6])
    assert Ledger(entries).forgive(100, 10, 100, 32) == tuple(wallets[:4])
    assert Ledger(entries).forgive(100, 10, 100, 28) == tuple(wallets[:7])
    dust = Ledger([*entries, BookEntry(False, b"d" * 20, 1, 0)])
    assert dust.forgive(200, 10, 100, 30) == (b"d" * 20, *wallets[:6])


def test_no_debt_is_from_the_future() -> None:
    books = Ledger(
        [BookEntry(payable, bytes([since]) * 20, 1, since) for payable in (True, False) for since in (9, 10, 11)]
    )
    books.not_after(10)
    assert [each.since for each in (*books.payables.values(), *books.receivables.values())] == [9, 10, 10] * 2
    assert [(entry.payable, entry.since) for entry in books.take_changes()] == [(True, 10), (False, 10)]
