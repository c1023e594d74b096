"""The Accountant's charges, its time, and the order in which it asks (accounting.md 1, 2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.charges import consumed, exited, relayed
from tests.money import CONFIG, CREDITORS, EARNING, EPOCH, PAYER, TOKENS, Desk

from masq.core.accountant.accountant import MOST_SHOWN, Accountant, SavedState
from masq.core.accountant.effects import AskTransfers, Notice, Save, Scan, Way
from masq.core.accountant.ledger import LIMIT, BookEntry, Ledger
from masq.core.accountant.scans import SCAN_TIMEOUT
from masq.types import DEFAULT_RATE_PACK, RatePack

DEBT = 10**13


def accountant(saved: SavedState | None = None) -> Accountant:
    return Accountant(CONFIG, saved or SavedState(), EPOCH)


@pytest.mark.parametrize(("size", "wei"), [(1_000, 53_897_844), (0, 53_844)])
def test_charges_of_a_relay(size: int, wei: int) -> None:
    books = accountant()
    relayed(books, CREDITORS[0], size, 0.0)
    assert books.owed_by(CREDITORS[0]) == wei


@pytest.mark.parametrize(("size", "wei"), [(1_000, 107_795_688), (0, 107_688)])
def test_charges_of_an_exit(size: int, wei: int) -> None:
    books = accountant()
    exited(books, CREDITORS[0], size, 0.0)
    assert books.owed_by(CREDITORS[0]) == wei


def test_the_worked_example_of_three_hops() -> None:
    books = accountant()
    relays = [(CREDITORS[1], DEFAULT_RATE_PACK), (CREDITORS[2], DEFAULT_RATE_PACK)]
    consumed(books, (CREDITORS[0], DEFAULT_RATE_PACK, 500), relays, 700, 0.0)
    consumed(books, (CREDITORS[0], DEFAULT_RATE_PACK, 10_000), relays, 10_200, 0.0)
    owed = {wallet: account.wei for wallet, account in books.ledger.payables.items()}
    assert owed[CREDITORS[0]] == 53_951_688 + 1_076_987_688
    assert owed[CREDITORS[1]] == owed[CREDITORS[2]] == 37_744_644 + 549_262_644


def test_own_wallets_owe_each_other_nothing() -> None:
    books = accountant()
    relayed(books, PAYER.address, 10, 0.0)
    consumed(books, (EARNING, DEFAULT_RATE_PACK, 10), [(EARNING, DEFAULT_RATE_PACK)], 10, 0.0)
    assert not books.ledger.payables
    assert not books.ledger.receivables


def test_an_absurd_charge_is_refused_not_deadly() -> None:
    """S16."""
    books, most = accountant(), RatePack(2**64 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1)
    assert relayed(books, CREDITORS[0], 1_000, 0.0, most) == []
    effects = relayed(books, CREDITORS[0], 2**62, 0.0, most)
    assert isinstance(effects[0], Notice)
    assert books.owed_by(CREDITORS[0]) < LIMIT


def test_charges_are_gathered_for_a_second_and_saved_whole() -> None:
    books = accountant()
    relayed(books, CREDITORS[0], 10, 5.0)
    assert books.tick(5.5) == []
    assert books.next_wake() == 6.0
    exited(books, CREDITORS[0], 10, 5.7)
    (save,) = books.tick(6.0)
    assert isinstance(save, Save)
    assert save.entries[0].wei == books.owed_by(CREDITORS[0])
    assert books.tick(7.0) == []


def test_charges_are_saved_within_a_second_though_a_search_finds_nothing_meanwhile() -> None:
    desk = Desk()
    desk.scan(Scan.RECEIVABLES)
    desk.books.charge(False, CREDITORS[0], 5, 1.0)
    desk.scan(Scan.RECEIVABLES, now=1.5)
    desk.tick(2.0)
    assert desk.memory.entries[False, CREDITORS[0]].wei == 5


# --- the order of questions


def kinds(desk: Desk) -> list[str]:
    """What was asked since the last time."""
    asked, desk.asked = desk.asked, []
    return [type(each).__name__ for each in asked]


def test_before_a_payment_all_that_the_wallet_has_sent_is_looked_for() -> None:
    desk = Desk()
    desk.scan(Scan.PAYABLES)
    assert kinds(desk) == [], "nothing is due"
    desk.owe(CREDITORS[0], DEBT)
    desk.scan(Scan.PAYABLES, now=10.0)
    first = ["AskTransfers", "AskTerms"]
    assert kinds(desk) == [*first, *first, "SendPayments"], "twice after a start: one look alone could be too early"
    desk.owe(CREDITORS[1], DEBT)
    desk.scan(Scan.PAYABLES, now=20.0)
    assert kinds(desk) == [*first, "SendPayments"]
    desk.scan(Scan.PENDING_PAYABLES, now=30.0)
    assert kinds(desk) == ["AskReceipts"]
    assert [desk.got(each) for each in CREDITORS] == [DEBT, DEBT, 0]


def test_income_is_looked_for_before_anybody_is_judged() -> None:
    desk = Desk()
    desk.scan(Scan.RECEIVABLES)
    desk.books.charge(False, PAYER.address[::-1], DEBT, 0.0)
    assert desk.books.scan(Scan.RECEIVABLES, 100.0) == [AskTransfers(Scan.RECEIVABLES, Way.IN, 1, None)]
    assert not desk.books.is_delinquent(PAYER.address[::-1])


def test_a_silent_provider_blocks_no_scan_for_ever() -> None:
    desk = Desk()
    desk.owe(CREDITORS[0], DEBT)
    assert desk.books.scan(Scan.PAYABLES, 10.0)
    assert desk.books.scan(Scan.PAYABLES, 20.0) == []
    (notice,) = desk.books.tick(11.0 + SCAN_TIMEOUT)
    assert isinstance(notice, Notice)
    assert desk.books.scan(Scan.PAYABLES, 300.0)


def test_what_goes_wrong_again_and_again_is_told_less_and_less_often() -> None:
    desk, told = Desk(), 0
    for minute in range(24 * 60):
        desk.books.scan(Scan.RECEIVABLES, minute * 60.0)
        told += len(desk.books.failed(Scan.RECEIVABLES, "no answer", minute * 60.0))
    assert 4 <= told <= 9
    desk.scan(Scan.RECEIVABLES, now=100_000.0)
    assert desk.notices[-1] == "the scan for receivables works again"


def test_a_provider_s_limit_is_kept_within_one_scan_and_grows_again() -> None:
    desk = Desk(SavedState(start_block=1))
    desk.chain.head = 1_000
    effects = desk.books.scan(Scan.RECEIVABLES, 0.0)
    assert desk.books.failed(Scan.RECEIVABLES, "too many blocks", 0.0, 100) == []
    desk.scan(Scan.RECEIVABLES, now=1.0)
    ways = [(each.way, each.first, each.most) for each in desk.asked if isinstance(each, AskTransfers)]
    asked = [first for way, first, _ in ways if way is Way.IN]
    assert effects
    assert asked[:3] == [1, 76, 151], "a quarter again: what was searched last may have been near the head"
    assert {most for *_, most in ways} == {100, 200}, "after ten that went well, more is tried"
    assert desk.books._earning.income.next == 1_001


def test_a_scan_that_needs_very_many_questions_lets_others_have_a_turn() -> None:
    desk = Desk(SavedState(start_block=1))
    desk.books.start_scans(0.0)
    desk.chain.head = 10_000
    desk.books.failed(Scan.RECEIVABLES, "too many blocks", 0.0, 4)
    desk.scan(Scan.RECEIVABLES, now=1.0)
    assert len(desk.asked) < 200
    assert desk.books.next_wake() <= 2.0


# --- the clock


def test_debts_age_while_a_machine_sleeps() -> None:
    desk = Desk()
    desk.owe(CREDITORS[0], DEBT)
    assert desk.books.set_clock(EPOCH + 0.5) == [], "clocks drift"
    (notice,) = desk.books.set_clock(EPOCH + 8 * 3_600)
    assert isinstance(notice, Notice)
    assert "28800 s ahead" in notice.text
    desk.carry(desk.books.clock_was_set(0.0))
    assert desk.books.scan(Scan.PAYABLES, 0.0), "it is due at once"


def test_a_clock_that_was_ahead_keeps_no_debt_from_being_paid() -> None:
    desk = Desk(SavedState(entries=(BookEntry(True, CREDITORS[0], DEBT, int(EPOCH) + 10**6),)))
    desk.carry(desk.books.start_scans(0.0))
    assert desk.books.ledger.payables[CREDITORS[0]].since == EPOCH
    desk.books.set_clock(EPOCH - 1_000)
    desk.carry(desk.books.clock_was_set(0.0))
    assert desk.books.ledger.payables[CREDITORS[0]].since == EPOCH - 1_000
    desk.scan(Scan.PAYABLES, now=0.0)
    assert desk.books.scan(Scan.PAYABLES, 10.0), "ten seconds later it is mature"


# --- what is shown


def test_of_many_accounts_the_largest_are_shown_and_all_are_counted() -> None:
    entries = tuple(BookEntry(False, number.to_bytes(20, "big"), number, 0) for number in range(1, 5_001))
    view = accountant(SavedState(entries=entries)).view(0.0)
    assert len(view.receivables) == MOST_SHOWN
    assert view.receivables[0].wei == 5_000
    assert view.money.accounts == 5_000
    assert view.money.owing_wei == sum(range(1, 5_001))


def test_the_state_of_money_is_shown() -> None:
    desk = Desk()
    desk.owe(CREDITORS[0], DEBT)
    desk.coins = 0
    desk.scan(Scan.PAYABLES, now=10.0)
    desk.carry(desk.books.failed(Scan.RECEIVABLES, "no answer", 15.0))
    money = desk.books.view(20.0).money
    assert (money.head, money.tokens, money.coins) == (1, TOKENS, 0)
    assert {each.kind: (each.good, each.problem) for each in money.scans} == {
        "pendingpayables": (None, ""),
        "payables": (10.0, ""),
        "receivables": (None, "no answer"),
    }
    desk.coins = 10**20
    desk.scan(Scan.PAYABLES, now=30.0)
    assert desk.books.view(35.0).money.oldest_payment == 5


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 2**130)), max_size=30))
def test_balances_stay_in_bounds(charges: list[tuple[bool, int, int]]) -> None:
    ledger = Ledger()
    for payable, who, wei in charges:
        before = {
            (p, w): a.wei for p, b in ((True, ledger.payables), (False, ledger.receivables)) for w, a in b.items()
        }
        taken = ledger.book(payable, CREDITORS[who], wei, 1)
        book = ledger.payables if payable else ledger.receivables
        if taken:
            assert book[CREDITORS[who]].wei == before.get((payable, CREDITORS[who]), 0) + wei < LIMIT
        else:
            assert before.get((payable, CREDITORS[who]), 0) + wei >= LIMIT
