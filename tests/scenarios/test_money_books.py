"""Scenarios S13 to S24 (accounting.md 8): balances, and how they are kept. S16 and S21 are shown elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.money import CONFIG, CREDITORS, EPOCH, PAYER, Desk

from masq.chain.erc20 import Transfer
from masq.core.accountant.accountant import SavedState
from masq.core.accountant.effects import Payment, Save, Scan, Variant
from masq.core.accountant.ledger import Account, BookEntry, Ledger
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS
from masq.shell.store import Store

A, B, U = (bytes([number]) * 20 for number in (1, 2, 3))
HIGH = 2**63 - 1


def test_S13_S14_a_charge_opens_an_account_and_a_second_one_leaves_its_time_and_all_others() -> None:
    books = Ledger([BookEntry(True, B, 12_345, 5)])
    assert books.book(True, A, 1_234, 0)
    assert books.payables[A] == Account(1_234, 0)
    assert books.book(True, A, 2_345, 1_000)
    assert books.payables == {A: Account(3_579, 0), B: Account(12_345, 5)}


def test_S15_S20_sums_are_exact_beyond_63_bits() -> None:
    books = Ledger([BookEntry(True, A, HIGH - 1_000, 7), BookEntry(False, A, HIGH - 123, 7)])
    assert books.book(True, A, 2_345, 1_000)
    assert books.payables[A] == Account(HIGH + 1_345, 7)
    books.settle(False, A, HIGH - 200, 1_000)
    assert books.receivables[A].wei == 77


def test_S17_what_is_confirmed_lessens_each_debt_by_its_payment() -> None:
    """The time: ours ages what is left by the share that was paid; 0.9.1 begins anew with the payment's time."""
    desk = Desk()
    for creditor, wei in ((A, 10_000 + 10**10), (B, 5_678_901 + 10**10)):
        desk.owe(creditor, wei)
    desk.scan(Scan.PAYABLES, now=1_000.0)
    desk.owe(A, 9_889)
    desk.owe(B, 4_999_999)
    desk.scan(Scan.PENDING_PAYABLES, now=1_010.0)
    assert (desk.owes(A), desk.owes(B)) == (9_889, 4_999_999)
    for creditor, paid, left in ((A, 10_000 + 10**10, 9_889), (B, 5_678_901 + 10**10, 4_999_999)):
        assert desk.books.ledger.payables[creditor].since == int(EPOCH) + 1_000 * paid // (paid + left)
    assert sorted(each.wei for each in desk.memory.paid) == [10_000 + 10**10, 5_678_901 + 10**10]


def test_S18_a_debt_whose_payment_is_under_way_is_not_paid_again() -> None:
    class Unmined(Desk):
        def send(self, payments: tuple[Payment, ...]) -> list:  # type: ignore[type-arg]
            return self.books.sent([None] * len(payments), payments, self.now)

    desk = Unmined()
    for creditor in CREDITORS[:2]:
        desk.owe(creditor, 10**13)
    desk.scan(Scan.PAYABLES, now=100.0)
    desk.owe(CREDITORS[2], 10**13)
    desk.owe(CREDITORS[0], 10**13)
    desk.scan(Scan.PAYABLES, now=200.0)
    made = sorted(desk.memory.payments.values(), key=lambda each: each.nonce)
    assert [(each.creditor, each.wei) for each in made] == [(each, 10**13) for each in CREDITORS]


def test_S19_income_lowers_what_is_owed_below_zero_too_and_a_stranger_s_is_kept() -> None:
    """0.9.1 drops what a stranger sends; ours keeps it as credit, as it is often a debtor's who pays before we book."""
    saved = SavedState((BookEntry(False, A, 2_345, int(EPOCH)), BookEntry(False, B, 8_901, int(EPOCH))), start_block=1)
    desk = Desk(saved)
    desk.chain.head = 5
    recipient = desk.config.earning_wallet
    desk.chain._transfers = [
        Transfer(2, index, bytes([index]) * 32, sender, wei, recipient)
        for index, (sender, wei) in enumerate([(A, 1_111), (U, 2_222), (B, 9_999)])
    ]
    desk.scan(Scan.RECEIVABLES, now=10.0)
    assert [desk.books.owed_by(each) for each in (A, B, U)] == [1_234, -1_098, -2_222]
    assert any("2222 wei came in" in notice for notice in desk.notices)


def test_S22_amounts_of_any_size_are_in_the_database_what_they_were(tmp_path: Path) -> None:
    """0.9.1 splits them into two columns; ours are decimal text."""
    amounts = [-(2**126), -1, 0, 1, 2**63 - 1, 2**63, 2**126 - 1]
    entries = {BookEntry(False, bytes([number]) * 20, wei, 7) for number, wei in enumerate(amounts)}
    store = Store.open(tmp_path, None)
    store.save(Save(tuple(entries)))
    assert set(store.load().entries) == entries
    store.close()


def test_S23_payments_of_one_moment_are_kept_with_it_and_each_hash_once(tmp_path: Path) -> None:
    made = [
        Payment(A, 2**70 + number, number, 99, PAYER.address, (Variant(b"raw", bytes([number]) * 32, 1, None, 99),))
        for number in range(3)
    ]
    store = Store.open(tmp_path, None)
    store.save(Save(payments=tuple(made)))
    store.save(Save(payments=(made[0],)))
    kept = store.load().payments
    assert sorted(kept, key=lambda each: each.nonce) == made
    assert {each.made for each in kept} == {99}
    store.close()


def test_S24_who_is_banned_or_released_twice_is_so_once(tmp_path: Path) -> None:
    store = Store.open(tmp_path, None)
    for _ in range(2):
        store.save(Save(banned=(A,)))
        assert store.load().banned == (A,)
    for _ in range(2):
        store.save(Save(released=(A,)))
        assert store.load().banned == ()
    store.close()
    debt = BookEntry(False, A, 2 * 10**18, int(EPOCH) - 10**6)
    desk = Desk(SavedState((debt,), start_block=1), replace(CONFIG, thresholds=DEFAULT_THRESHOLDS))
    for _ in range(2):
        desk.scan(Scan.RECEIVABLES, now=desk.now + 100)
        assert desk.books.is_delinquent(A)
        assert list(desk.memory.banned) == [A]
    desk.books.ledger.settle(False, A, 2 * 10**18, int(EPOCH))
    for _ in range(2):
        desk.scan(Scan.RECEIVABLES, now=desk.now + 100)
        assert not desk.books.is_delinquent(A)
        assert list(desk.memory.banned) == []
    assert len([notice for notice in desk.notices if "is banned" in notice]) == 1
    assert len([notice for notice in desk.notices if "has paid" in notice]) == 1
