"""The line that decides who is paid and who is banned, against pinned and recorded rows (accounting.md 2.3, 2.7)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.recorded import money

from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS, PaymentThresholds


def parsed(text: str) -> PaymentThresholds:
    return PaymentThresholds(*(int(part) for part in text.split("|")))


def rows(value: Any, thresholds: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """All rows below a recording's observations, each with the thresholds that it was made under."""
    if isinstance(value, dict):
        thresholds = value.get("thresholds", thresholds)
        found = [(thresholds, row) for row in value.get("rows", []) if "wei" in row]
        return found + [row for part in value.values() if isinstance(part, dict) for row in rows(part, thresholds)]
    return []


@pytest.mark.parametrize(
    ("age", "limit"),
    [
        (1_201, 999_976_851_851_851_852),
        (1_250, 998_842_592_592_592_600),
        (6_600, 875_000_000_000_000_800),
        (12_000, 750_000_000_000_001_600),
        (22_800, 500_000_000_000_003_200),
        (22_801, 500_000_000_000_000_000),
    ],
)
def test_pinned_points(age: int, limit: int) -> None:
    assert DEFAULT_THRESHOLDS.limit(age) == limit
    assert DEFAULT_THRESHOLDS.to_be_paid(limit + 1, age)
    assert not DEFAULT_THRESHOLDS.to_be_paid(limit, age)
    assert DEFAULT_THRESHOLDS.to_be_banned(limit + 1, age + 1_200)
    assert not DEFAULT_THRESHOLDS.to_be_banned(limit, age + 1_200)


def test_nothing_is_paid_before_maturity() -> None:
    assert not DEFAULT_THRESHOLDS.to_be_paid(10**30, 1_200)


def test_rows_that_a_real_node_paid_or_not() -> None:
    case = money()["F1-payment-curve"]
    checked = rows(case["observed"])
    assert len(checked) >= 60
    for thresholds, row in checked:
        assert parsed(thresholds).to_be_paid(int(row["wei"]), row["age_at_scan"]) == row["paid"], row


def test_rows_that_a_real_node_banned_or_not() -> None:
    checked = rows(money()["E1-delinquency"]["observed"], money()["E1-delinquency"]["settings"]["thresholds"])
    checked = [(thresholds, row) for thresholds, row in checked if "banned" in row and "age_at_scan" in row]
    assert len(checked) >= 20
    for thresholds, row in checked:
        assert parsed(thresholds).to_be_banned(int(row["wei"]), row["age_at_scan"]) == row["banned"], row


def test_large_permanent_debts_are_judged_by_the_rule_not_as_the_reference_errs() -> None:
    case = money()["E2-big-permanent-debt"]
    thresholds = parsed(case["settings"]["thresholds"])
    for row in case["observed"]["rows"]:
        assert thresholds.to_be_banned(int(row["wei"]), row["age"]) == row["ban_rule_says"]
        assert thresholds.to_be_paid(int(row["wei"]), row["age"]) == row["paid"]


@given(st.integers(0, 10**24), st.integers(0, 10**6))
def test_who_owes_more_or_longer_is_not_judged_more_mildly(wei: int, age: int) -> None:
    if DEFAULT_THRESHOLDS.to_be_paid(wei, age):
        assert DEFAULT_THRESHOLDS.to_be_paid(wei + 1, age)
        assert DEFAULT_THRESHOLDS.to_be_paid(wei, age + 1)


def test_thresholds_that_make_no_sense_are_named() -> None:
    assert DEFAULT_THRESHOLDS.problem() is None
    assert "greater" in str(PaymentThresholds(1, 1, 1, 1, 1, 1).problem())
    assert "interval" in str(PaymentThresholds(2, 1, 1, 1, 0, 1).problem())


@given(st.integers(0, 10**5), st.integers(0, 2 * 10**18))
def test_who_owes_more_than_is_allowed_at_an_age_is_banned_once_the_debt_is_old_enough(age: int, wei: int) -> None:
    mature = age - DEFAULT_THRESHOLDS.payment_grace_period_sec > DEFAULT_THRESHOLDS.maturity_threshold_sec
    banned = DEFAULT_THRESHOLDS.to_be_banned(wei, age)
    assert banned == (mature and wei > DEFAULT_THRESHOLDS.allowed(age))
