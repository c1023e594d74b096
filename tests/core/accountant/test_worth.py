"""A debt is paid when it is due and worth its gas, and in time whatever that costs (accounting.md 2.4)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.money import CONFIG, CREDITORS, PAYER, Desk

from masq.chain.head import Prices
from masq.core.accountant.effects import Scan
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS, GWEI, PaymentThresholds
from masq.core.accountant.worth import ANY_SHARE, BEFORE_BAN, COIN, GasShare, can_t_wait

MASQ = 10**18
GAS = 75_000
PRICE = 10**9
COSTS = GAS * PRICE
"""Coins of a payment at the usual price."""
HOUR = 3_600
PATIENT = PaymentThresholds(10**9, 10, 10 * HOUR, 10**8, 10, 10**8)
"""Debts above 0.1 MASQ are due within a minute, and banned for hours later; the network's usual ones say so, too."""
RATE = MASQ * COIN // COSTS // 10
"""Wei of MASQ for a coin at which a payment's gas costs a tenth of a MASQ."""
assert GasShare(5, RATE).in_masq(COSTS) == MASQ // 10


def desk(share: GasShare, thresholds: PaymentThresholds = PATIENT, interval: float = 10.0) -> Desk:
    config = replace(CONFIG, gas_share=share, thresholds=thresholds, intervals=dict.fromkeys(Scan, interval))
    desk = Desk(config=config)
    desk.prices = Prices(PRICE)
    return desk


@pytest.mark.parametrize(
    ("share", "wei", "paid"),
    [
        (GasShare(5, RATE), 2 * MASQ, True),
        (GasShare(5, RATE), 2 * MASQ - 1, False),
        (GasShare(100, RATE), MASQ // 10 + 1, True),
        (GasShare(0, RATE), MASQ // 9, True),
        (GasShare(5, 0), MASQ // 9, True),
        (ANY_SHARE, MASQ // 9, True),
    ],
)
def test_a_debt_is_paid_if_it_is_worth_its_gas(share: GasShare, wei: int, paid: bool) -> None:
    books = desk(share)
    books.owe(CREDITORS[0], wei)
    books.scan(Scan.PAYABLES, now=60.0)
    assert books.got(CREDITORS[0]) == (wei if paid else 0)
    dear = books.books.view(60.0).money.dear
    assert [(each.wei, each.gas_wei) for each in dear] == ([] if paid else [(wei, MASQ // 10)])


def test_what_waits_is_shown_looked_at_again_and_paid_when_gas_is_cheap() -> None:
    books = desk(GasShare(5, RATE), interval=100_000.0)
    books.carry(books.books.start_scans(0.0))
    books.owe(CREDITORS[0], MASQ)
    books.owe(CREDITORS[1], 3 * MASQ)
    books.scan(Scan.PAYABLES, now=60.0)
    assert (books.got(CREDITORS[0]), books.got(CREDITORS[1])) == (0, 3 * MASQ)
    assert books.books.next_wake() <= 60.0 + 150.0, "however rarely debts are looked through"
    assert "gas-share" in books.books.outlook(CREDITORS[0], 0)[1]
    books.prices = Prices(PRICE // 2)
    books.tick(210.0)
    assert books.got(CREDITORS[0]) == MASQ
    books.tick(400.0)
    money = books.books.view(400.0).money
    assert (money.dear, money.gas_share, money.masq_per_coin) == ((), 5, RATE)


@pytest.mark.parametrize("usual", [True, False])
def test_nobody_is_let_wait_until_it_bans(usual: bool) -> None:
    """The stricter of our thresholds and the network's: a creditor may have either."""
    patient = PATIENT._replace(payment_grace_period_sec=10**6)
    thresholds = patient if usual else PATIENT
    creditor = DEFAULT_THRESHOLDS if usual else PATIENT
    books = desk(GasShare(1, RATE * 10**6), thresholds)
    wei = 3 * MASQ // 4
    books.owe(CREDITORS[0], wei, 0.0)
    now = 100.0
    while not books.got(CREDITORS[0]):
        books.scan(Scan.PAYABLES, now=now)
        assert not creditor.to_be_banned(wei * 9 // 8, int(now) + 600), "a creditor that looks every ten minutes"
        now += 150.0
    assert now > 600.0, "it did wait"


def test_a_grace_period_shorter_than_it_takes_lets_nothing_wait() -> None:
    books = desk(GasShare(1, RATE * 10**6), PATIENT._replace(payment_grace_period_sec=BEFORE_BAN))
    books.owe(CREDITORS[0], MASQ)
    books.scan(Scan.PAYABLES, now=60.0)
    assert books.got(CREDITORS[0]) == MASQ


def test_a_part_of_a_debt_waits_for_tokens_if_it_is_not_worth_its_gas() -> None:
    books = desk(GasShare(5, RATE))
    books.chain.tokens[PAYER.address] = MASQ
    books.owe(CREDITORS[0], 2 * MASQ)
    books.scan(Scan.PAYABLES, now=60.0)
    assert not books.got(CREDITORS[0])
    assert any("not enough tokens" in notice for notice in books.notices)
    books.scan(Scan.PAYABLES, now=10.0 * HOUR)
    assert books.got(CREDITORS[0]) == MASQ, "what can't wait is paid as far as it can be"


def test_what_is_expected_counts_not_what_is_offered_at_most() -> None:
    """Twice the base fee is offered, and what isn't needed isn't spent."""
    books = desk(GasShare(5, RATE))
    books.base_fee, books.prices = PRICE - 1, Prices(50 * PRICE, 1)
    books.owe(CREDITORS[0], 2 * MASQ)
    books.scan(Scan.PAYABLES, now=60.0)
    assert books.got(CREDITORS[0]) == 2 * MASQ


def test_another_share_counts_from_the_next_scan_on() -> None:
    books = desk(GasShare(5, RATE))
    books.owe(CREDITORS[0], MASQ)
    books.scan(Scan.PAYABLES, now=60.0)
    books.books.pay_gas(GasShare(10, RATE))
    books.scan(Scan.PAYABLES, now=61.0)
    assert books.got(CREDITORS[0]) == MASQ


@given(
    wei=st.integers(0, 10**21),
    age=st.integers(0, 10**6),
    more=st.integers(0, 10**20),
    later=st.integers(0, 10**5),
)
def test_what_can_t_wait_can_t_wait_later_or_with_more_debt_either(wei: int, age: int, more: int, later: int) -> None:
    for thresholds in (DEFAULT_THRESHOLDS, PATIENT, PaymentThresholds(2, 1, 20, 1, 1, 1)):
        if can_t_wait(thresholds, wei, age):
            assert can_t_wait(thresholds, wei + more, age + later)
        else:
            banned = thresholds.to_be_banned(wei, age + BEFORE_BAN)
            assert not banned
            assert not DEFAULT_THRESHOLDS.to_be_banned(wei, age + BEFORE_BAN)


@given(
    coins=st.integers(0, 10**24), rate=st.integers(1, 10**24), percent=st.integers(1, 100), wei=st.integers(0, 10**27)
)
def test_the_share_is_exact(coins: int, rate: int, percent: int, wei: int) -> None:
    cost = GasShare(percent, rate).in_masq(coins)
    assert cost * COIN >= coins * rate > (cost - 1) * COIN
    assert GasShare(percent, rate).allows(wei, coins) == (cost * 100 <= wei * percent)
    assert GWEI * GWEI == COIN
