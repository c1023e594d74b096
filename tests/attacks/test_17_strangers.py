"""Issue 9, 17: wallets cost nothing, so those that never paid get little together, and no memory to speak of."""

from __future__ import annotations

import time
from collections.abc import Callable

from masq.chain.erc20 import Transfer
from masq.chain.head import Head
from masq.core.accountant.accountant import Accountant, AccountantConfig, SavedState
from masq.core.accountant.effects import AccountantEffect, AskTransfers, Scan
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS
from masq.core.limits import MAX_ACCOUNTS

MASQ = 10**18
HALF = DEFAULT_THRESHOLDS.permanent
EPOCH = 1_800_000_000


def wallet(number: int) -> bytes:
    return number.to_bytes(20, "big")


def books(saved: SavedState = SavedState(start_block=1, payers="")) -> Accountant:
    return Accountant(AccountantConfig(earning_wallet=wallet(0), consuming_wallet=None), saved, EPOCH)


def look(accountant: Accountant, now: float, *found: Transfer) -> list[AccountantEffect]:
    """A search for income that goes well."""
    (asked,) = accountant.scan(Scan.RECEIVABLES, now)
    assert isinstance(asked, AskTransfers)
    block = accountant._earning.income.next or 1
    return accountant.transfers(asked, found, block, Head(block, int(EPOCH + now), bytes(32)), now)


def pays(accountant: Accountant, number: int, wei: int, now: float) -> None:
    block = accountant._earning.income.next or 1
    look(accountant, now, Transfer(block, 0, number.to_bytes(32, "big"), wallet(number), wei))


def test_17_a_thousand_wallets_are_lent_no_more_than_a_bound(tell: Callable[[str], None]) -> None:
    accountant = books()
    lent = 0
    for number in range(1, 1_001):
        while not accountant.is_delinquent(wallet(number)) and accountant.owed_by(wallet(number)) < HALF:
            accountant.charge(False, wallet(number), HALF // 100, 1.0)
            lent += HALF // 100
    tell(f"1,000 new wallets that take what they get: {lent / MASQ:.2f} MASQ in all, where it was 500")
    assert lent <= 2 * 10 * MASQ + HALF


def test_17_who_has_paid_once_is_served_as_ever() -> None:
    accountant = books()
    pays(accountant, 5, MASQ // 100, 1.0)
    pays(accountant, 6, 1, 1.0)
    for number in range(100, 160):
        accountant.charge(False, wallet(number), HALF, 1.0)
    accountant.charge(False, wallet(5), HALF, 2.0)
    accountant.charge(False, wallet(6), HALF, 2.0)
    assert accountant.is_delinquent(wallet(6)), "dust is no payment"
    assert not accountant.is_delinquent(wallet(5))


def test_17_a_debtor_of_0_9_1_gets_to_its_first_payment_while_strangers_owe_little() -> None:
    accountant = books()
    accountant.charge(False, wallet(5), MASQ, 1.0)
    assert not accountant.is_delinquent(wallet(5)), "it pays nothing before it owes as much"


def test_17_while_strangers_owe_much_newcomers_still_get_something() -> None:
    accountant = books()
    for number in range(100, 125):
        accountant.charge(False, wallet(number), HALF, 1.0)
    assert not accountant.is_delinquent(wallet(5))
    accountant.charge(False, wallet(5), MASQ // 100, 2.0)
    assert not accountant.is_delinquent(wallet(5))
    accountant.charge(False, wallet(5), 1, 3.0)
    assert accountant.is_delinquent(wallet(5))
    pays(accountant, 5, MASQ // 100, 4.0)
    assert not accountant.is_delinquent(wallet(5))


def test_17_what_strangers_owed_a_month_ago_is_lost_and_others_get_their_turn() -> None:
    accountant = books()
    for number in range(100, 160):
        accountant.charge(False, wallet(number), HALF, 1.0)
    assert accountant.is_delinquent(wallet(5))
    month = 31 * 86_400.0
    look(accountant, month)
    assert not accountant.is_delinquent(wallet(5))


def test_17_dust_is_forgotten_and_there_are_never_too_many_accounts(tell: Callable[[str], None]) -> None:
    accountant = books()
    accountant.charge(False, wallet(1), HALF, 0.0)
    began = time.process_time()
    for number in range(2, 100_000):
        accountant.charge(False, wallet(number), number, 1.0)
    took = time.process_time() - began
    kept = len(accountant.ledger.receivables)
    tell(f"100,000 wallets with dust: {kept} accounts kept; {took / 100_000 * 1e6:.0f} us of CPU each")
    assert kept <= MAX_ACCOUNTS + MAX_ACCOUNTS // 10
    assert accountant.owed_by(wallet(1)) == HALF
    look(accountant, 31 * 86_400.0)
    assert list(accountant.ledger.receivables) == [wallet(1)]


def test_17_older_books_take_their_wallets_for_payers_once() -> None:
    accountant = books(SavedState(start_block=1))
    accountant.charge(False, wallet(1), HALF, 0.0)
    (save, *_) = look(accountant, 1.0)
    assert ("payers", "") in save.config  # type: ignore[union-attr]
