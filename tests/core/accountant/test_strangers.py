"""Wallets that have never paid: what they owe together, who is one no more, and what is remembered of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.core.accountant import strangers as module
from masq.core.accountant.ledger import Account
from masq.core.accountant.strangers import MASQ, STALE, Strangers
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS

NOW = 1_800_000_000
A, B, C = (bytes([number]) * 20 for number in (1, 2, 3))


def strangers(books: dict[bytes, Account] | None = None, payers: str | None = "") -> Strangers:
    return Strangers(DEFAULT_THRESHOLDS, payers, {} if books is None else books)


def test_while_strangers_owe_little_together_each_gets_what_everybody_gets() -> None:
    books = {A: Account(0, NOW)}
    ours = strangers(books)
    books[A].wei = ours.together
    ours.charged(A, ours.together)
    assert not ours.refused(A)
    ours.charged(A, 1)
    assert ours.refused(A)


def test_beyond_it_each_gets_little_and_beyond_twice_as_much_nothing() -> None:
    books = {A: Account(0, NOW), B: Account(0, NOW)}
    ours = strangers(books)
    books[A].wei = books[B].wei = ours.each
    ours.charged(C, ours.together + 1)
    assert not ours.refused(A)
    books[A].wei += 1
    assert ours.refused(A)
    assert not ours.refused(B)
    assert not ours.refused(C), "it is in no book: it owes nothing yet"
    ours.charged(C, ours.together)
    assert ours.refused(B)
    assert ours.refused(C)


def test_who_has_paid_is_no_stranger() -> None:
    ours = strangers()
    assert ours.paid(A, ours.each)
    assert not ours.paid(A, ours.each), "that is known"
    assert not ours.paid(B, ours.each - 1), "dust"
    ours.charged(A, 10 * ours.together)
    assert ours.owed == 0
    ours.charged(B, 3 * ours.together)
    assert ours.refused(B)
    assert not ours.refused(A)


def test_the_count_leaves_out_payers_credit_and_what_is_lost() -> None:
    books = {
        A: Account(5, NOW - STALE + 1),
        B: Account(70, NOW),
        C: Account(-900, NOW),
        bytes(20): Account(1_000, NOW - STALE),
    }
    ours = strangers(books)
    ours.count(NOW)
    assert ours.owed == 75
    ours.paid(B, MASQ)
    ours.count(NOW)
    assert ours.owed == 5


def test_payers_are_remembered() -> None:
    ours = strangers()
    ours.paid(A, MASQ)
    ours.paid(B, MASQ)
    again = strangers(payers=ours.payers)
    assert again.payers == ours.payers
    assert not again.paid(A, MASQ)


def test_the_wallets_of_older_books_are_taken_for_payers() -> None:
    ours = strangers({A: Account(1, NOW)}, payers=None)
    assert not ours.paid(A, MASQ)
    assert ours.paid(B, MASQ)


@pytest.mark.parametrize("payers", ["", ",", "x" * 40, "00" * 19, "00" * 21])
def test_what_makes_no_sense_is_as_good_as_nothing(payers: str) -> None:
    assert strangers({A: Account(1, NOW)}, payers).payers == ""


def test_who_paid_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAYERS", 2)
    ours = strangers()
    for wallet in (A, B, A, C):
        ours.paid(wallet, MASQ)
    assert ours.payers == f"{A.hex()},{C.hex()}"


@given(st.lists(st.tuples(st.sampled_from((A, B, C)), st.integers(1, 10**20)), max_size=40))
def test_charges_and_the_count_agree(charges: list[tuple[bytes, int]]) -> None:
    books: dict[bytes, Account] = {}
    ours = strangers(books)
    ours.paid(B, MASQ)
    for wallet, wei in charges:
        books.setdefault(wallet, Account(0, NOW)).wei += wei
        ours.charged(wallet, wei)
    owed = ours.owed
    ours.count(NOW)
    assert ours.owed == owed
