"""Scenarios S25 to S34 (accounting.md 8): when a debt is paid, and who is banned and released."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.money import CONFIG, EPOCH, Desk

from masq.core.accountant.accountant import SavedState
from masq.core.accountant.effects import AskTransfers, Scan, Way
from masq.core.accountant.ledger import BookEntry
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS, GWEI, PaymentThresholds

A, B, C = (bytes([number]) * 20 for number in (1, 2, 3))
D, M, G, P, INTERVAL, _ = DEFAULT_THRESHOLDS


def creditor(thresholds: PaymentThresholds, *debts: tuple[bytes, int, int], banned: tuple[bytes, ...] = ()) -> Desk:
    """Whom these owe so many wei for so many seconds."""
    entries = tuple(BookEntry(False, wallet, wei, int(EPOCH) - age) for wallet, wei, age in debts)
    saved = SavedState(entries, banned=banned, start_block=1)
    return Desk(saved, replace(CONFIG, thresholds=thresholds))


def judged(desk: Desk) -> list[bytes]:
    """Who is banned after a scan."""
    desk.scan(Scan.RECEIVABLES)
    return list(desk.memory.banned)


@pytest.mark.parametrize("wei", [P * GWEI + 1, D * GWEI, 10**30])
def test_S25_nothing_is_paid_at_maturity_and_a_second_later_what_is_above_the_line(wei: int) -> None:
    assert not DEFAULT_THRESHOLDS.to_be_paid(wei, M)
    assert DEFAULT_THRESHOLDS.to_be_paid(D * GWEI, M + 1)


@pytest.mark.parametrize("age", [M + 1, M + INTERVAL, M + INTERVAL + 1, 10**9])
def test_S26_what_is_never_demanded_is_never_paid_and_one_wei_more_is_in_the_end(age: int) -> None:
    assert not DEFAULT_THRESHOLDS.to_be_paid(P * GWEI, age)
    assert DEFAULT_THRESHOLDS.to_be_paid(P * GWEI + 1, age) == (age > M + INTERVAL)


def test_S27_the_line_at_1_250_seconds() -> None:
    assert not DEFAULT_THRESHOLDS.to_be_paid(998_842_592_592_592_600, 1_250)
    assert DEFAULT_THRESHOLDS.to_be_paid(998_842_592_592_592_601, 1_250)


def test_S28_the_line_follows_the_user_s_thresholds() -> None:
    own = PaymentThresholds(10**9, 86_400, 86_400, 10**7, 2_592_000, 0)
    assert own.limit(86_455) == 999_978_993_055_555_580


@pytest.mark.parametrize(
    ("age", "gwei", "banned"),
    [(77, 199, True), (174, 102, True), (73, 201, False), (76, 198, False), (173, 101, False), (177, 99, False)],
)
def test_S29_who_is_above_the_line_is_banned(age: int, gwei: int, banned: bool) -> None:
    desk = creditor(PaymentThresholds(200, 25, 50, 100, 100, 0), (A, gwei * GWEI, age))
    assert judged(desk) == ([A] if banned else [])


@pytest.mark.parametrize(("debt", "gwei"), [(110, 105), (1_100, 600)])
def test_S30_the_line_may_be_flat_or_steep(debt: int, gwei: int) -> None:
    thresholds = PaymentThresholds(debt, 100, 100, 100, 100, 0)
    assert judged(creditor(thresholds, (A, gwei * GWEI, 225), (B, gwei * GWEI, 275))) == [B]


def test_S31_who_is_banned_already_is_not_told_of_again() -> None:
    desk = creditor(DEFAULT_THRESHOLDS, (A, 2 * D * GWEI, 10**6), banned=(A,))
    assert judged(desk) == []
    assert desk.books.is_delinquent(A)
    assert desk.notices == []


@pytest.mark.parametrize("age", [0, M, M + G - 1, M + G])
def test_S32_a_debt_in_its_grace_bans_nobody_however_large_it_is(age: int) -> None:
    assert judged(creditor(DEFAULT_THRESHOLDS, (A, 2**125, age))) == []
    assert judged(creditor(DEFAULT_THRESHOLDS, (A, 2**125, M + G + 1))) == [A]


def test_S33_who_owes_no_more_than_the_bound_is_released() -> None:
    thresholds = DEFAULT_THRESHOLDS._replace(unban_below_gwei=50)
    debts = (A, 50 * GWEI, 10**6), (B, 50 * GWEI + 1, 10**6), (C, 0, 10**6)
    desk = creditor(thresholds, *debts, banned=(A, B))
    desk.scan(Scan.RECEIVABLES)
    assert [desk.books.is_delinquent(each) for each in (A, B, C)] == [False, True, False]
    assert [notice for notice in desk.notices if "served again" in notice] == [
        f"0x{A.hex()} has paid and is served again"
    ]


def test_S34_debtors_are_judged_after_income_was_looked_for() -> None:
    """0.9.1 judges first, so that who has paid meanwhile is banned for one scan."""
    thresholds = DEFAULT_THRESHOLDS._replace(unban_below_gwei=50)
    desk = creditor(thresholds, (A, 2 * D * GWEI, 10**6), (B, 0, 10**6), banned=(B,))
    (question,) = desk.books.scan(Scan.RECEIVABLES, 0.0)
    assert isinstance(question, AskTransfers)
    assert question.way is Way.IN
    assert [desk.books.is_delinquent(each) for each in (A, B)] == [False, True]
    desk.carry([question])
    assert [desk.books.is_delinquent(each) for each in (A, B)] == [True, False]
    assert desk.notices == [f"0x{A.hex()} is banned until it pays", f"0x{B.hex()} has paid and is served again"]
