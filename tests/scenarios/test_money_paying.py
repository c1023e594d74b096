"""Scenarios S42 to S56 (accounting.md 8): payments, from what the provider says to what the creditor sees."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.money import CONFIG, CREDITORS, EPOCH, PAYER, Desk

from masq.chain.head import Prices
from masq.chain.receipt import Receipt
from masq.core.accountant.accountant import AccountantConfig, SavedState
from masq.core.accountant.effects import AskReceipts, AskTerms, Payment, Save, Scan, SendPayments, State
from masq.core.accountant.ledger import BookEntry
from masq.core.accountant.payments import BURIED, Look
from masq.core.accountant.thresholds import PaymentThresholds
from masq.sim.chain import SimulatedChain

A, B, C = CREDITORS
DEBT = 10**13
MASQ = 10**18


class Pool(Desk):
    """A chain that mines what it is told to, and shows the receipts that it is told to."""

    def __init__(self, *creditors: bytes, nonce: int = 0) -> None:
        entries = tuple(BookEntry(True, each, DEBT, int(EPOCH) - 1_000 + at) for at, each in enumerate(creditors))
        super().__init__(SavedState(entries))
        self.chain._nonces[PAYER.address] = nonce
        self.sent: list[tuple[bytes, ...]] = []
        self.receipts: dict[bytes, Receipt] = {}
        self.refusals: dict[bytes, str] = {}
        self.taken: set[bytes] = set()
        """Hashes of what waits to be mined, or was."""
        self.gone = False
        """Whether the provider hangs up when something is sent."""
        self.looked_for: list[tuple[bytes, ...]] = []

    def send(self, payments: tuple[Payment, ...]) -> list:  # type: ignore[type-arg]
        self.sent.append(tuple(each.latest.raw for each in payments))
        if self.gone:
            return self.books.failed(None, "connection refused", self.now)
        self.taken |= {each.hash for each in payments if each.creditor not in self.refusals}
        return self.books.sent([self.refusals.get(each.creditor) for each in payments], payments, self.now)

    def look(self, asked: AskReceipts) -> Look:
        self.looked_for.append(asked.hashes)
        nonce = self.chain.nonce(PAYER.address)
        waiting = len(self.taken - self.receipts.keys())
        nonces = {PAYER.address: (nonce, nonce + waiting)}
        return Look(self.head, self.prices, {hash: self.receipts.get(hash) for hash in asked.hashes}, nonces)

    @property
    def payments(self) -> list[Payment]:
        return sorted(self.memory.payments.values(), key=lambda each: each.nonce)

    def pays(self, *now: float) -> list[Payment]:
        for each in now or (10.0,):
            self.scan(Scan.PAYABLES, now=each)
        return self.payments


def test_S42_what_the_provider_says_is_taken_as_it_is() -> None:
    desk = Pool(A)
    desk.prices, desk.coins = Prices(10**9), 65_520
    desk.chain.tokens[PAYER.address] = 65_535
    assert desk.pays() == [], "so few coins pay for no gas"
    money = desk.books.view(10.0).money
    assert (money.tokens, money.coins) == (65_535, 65_520)
    desk = Pool(A)
    desk.prices = Prices(10**9)
    (payment,) = desk.pays()
    assert (payment.latest.most, payment.latest.tip) == (10**9, None)


@pytest.mark.parametrize("problem", ["no balance", "no nonce"])
def test_S43_S47_without_an_answer_nothing_is_signed(problem: str) -> None:
    class Broken(Pool):
        def perform(self, effect):  # type: ignore[no-untyped-def]
            if isinstance(effect, AskTerms):
                return self.books.failed(Scan.PAYABLES, problem, self.now)
            return super().perform(effect)

    desk = Broken(A)
    assert desk.pays() == []
    assert desk.sent == []
    assert desk.notices == [f"the scan for payables failed: {problem}"]
    assert desk.books.scan(Scan.PAYABLES, 20.0), "it can be begun again"


def test_S44_payments_get_the_next_nonces_and_are_saved_before_they_are_sent() -> None:
    desk = Pool(A, B, nonce=1)
    order: list[object] = []
    done = desk.perform

    def perform(effect):  # type: ignore[no-untyped-def]
        order.append(effect)
        return done(effect)

    desk.perform = perform  # type: ignore[method-assign]
    made = desk.pays()
    assert [(each.nonce, each.creditor) for each in made] == [(1, A), (2, B)]
    assert {each.made for each in made} == {int(EPOCH) + 10}
    saved = next(at for at, each in enumerate(order) if isinstance(each, Save) and each.payments)
    sent = next(at for at, each in enumerate(order) if isinstance(each, SendPayments))
    assert saved < sent


def test_S45_of_a_batch_one_may_be_refused_and_is_sent_again() -> None:
    """0.9.1 forgets what is refused, and pays it again; ours keeps it: a provider may say no, and have it all the
    same."""
    desk = Pool(A, B)
    desk.refusals[B] = "429: too many requests"
    desk.pays()
    assert [each.state for each in desk.payments] == [State.SENT, State.SIGNED]
    assert any("429" in notice for notice in desk.notices)
    desk.refusals.clear()
    desk.scan(Scan.PENDING_PAYABLES, now=60.0)
    assert desk.sent[1][-1:] == desk.sent[0][1:], "the same bytes"
    assert len(desk.payments) == 2


def test_S46_what_could_not_be_sent_is_kept_and_the_same_bytes_are_sent_again() -> None:
    """0.9.1 forgets all of it, and pays again what may have arrived."""
    desk = Pool(A, B)
    desk.gone = True
    made = desk.pays()
    assert len(made) == 2
    assert desk.owes(A) == desk.owes(B) == DEBT
    desk.gone = False
    desk.scan(Scan.PAYABLES, Scan.PENDING_PAYABLES, now=60.0)
    assert {*desk.sent[-1]} == {*desk.sent[0]}
    assert desk.payments != made, "they count as sent now"
    assert [each.hash for each in desk.payments] == [each.hash for each in made]


def test_S50_receipts_come_one_by_one_and_each_ends_its_payment() -> None:
    """Ours looks after one that was reverted until it is buried: in another block it may do what it should."""
    desk = Pool(A, B)
    first, second = desk.pays()
    for now in (20.0, 30.0):
        desk.scan(Scan.PENDING_PAYABLES, now=now)
        assert desk.looked_for[-1] == (first.hash, second.hash)
        assert [each.state for each in desk.payments] == [State.SENT, State.SENT]
    desk.chain.head += 1
    desk.chain._nonces[PAYER.address] = 1
    desk.receipts[first.hash] = Receipt(first.hash, desk.chain.head, False)
    desk.scan(Scan.PENDING_PAYABLES, now=40.0)
    assert desk.owes(A) == DEBT
    desk.chain.head += 1
    desk.chain._nonces[PAYER.address] = 2
    desk.receipts[second.hash] = Receipt(second.hash, desk.chain.head, True)
    desk.scan(Scan.PENDING_PAYABLES, now=50.0)
    assert (desk.owes(A), desk.owes(B)) == (DEBT, 0)
    assert first.hash in {each.hash for each in desk.payments}
    desk.chain.head += BURIED + 1
    desk.scan(Scan.PENDING_PAYABLES, now=60.0)
    assert first.hash not in {each.hash for each in desk.payments}
    assert desk.owes(A) == DEBT, "to be paid anew"
    assert len([notice for notice in desk.notices if "was reverted" in notice]) == 1


def test_S51_S52_a_receipt_or_all_that_could_not_be_had_change_nothing() -> None:
    desk = Pool(A, B, C)
    one, two, three = desk.pays()
    desk.chain.head += 1
    desk.chain._nonces[PAYER.address] = 1
    before = desk.payments
    assert desk.books.scan(Scan.PENDING_PAYABLES, 20.0)
    desk.carry(desk.books.failed(Scan.PENDING_PAYABLES, "the batch failed", 20.0))
    assert desk.payments == before
    desk.receipts[two.hash] = Receipt(two.hash, desk.chain.head, True)
    desk.scan(Scan.PENDING_PAYABLES, now=30.0)
    assert [desk.owes(each) for each in (A, B, C)] == [DEBT, 0, DEBT]
    assert {one.hash, three.hash} <= {each.hash for each in desk.payments if each.state is State.SENT}


def test_S53_what_was_paid_adds_up() -> None:
    desk = Desk()
    for creditor, wei in ((A, 10**13), (B, 3 * 10**13)):
        desk.owe(creditor, wei)
    desk.scan(Scan.PAYABLES, now=100.0)
    assert desk.books.paid == 0
    desk.scan(Scan.PENDING_PAYABLES, now=110.0)
    assert desk.books.paid == sum(each.wei for each in desk.memory.paid) == 4 * 10**13


# --- the whole way, over one chain

THRESHOLDS = PaymentThresholds(10**9, 86_400, 86_400, 10**7, 2_592_000, 0)
LONG_AGO = 4_000_000
"""Seconds: longer than maturity and interval together."""


class Creditor(Desk):
    """Whom the payer owes, with a book and a wallet of its own, at the payer's chain."""

    def __init__(self, wallet: bytes, chain: SimulatedChain) -> None:
        config = AccountantConfig(earning_wallet=wallet, consuming_wallet=None, thresholds=THRESHOLDS)
        debt = BookEntry(False, PAYER.address, MASQ // 10, int(EPOCH) - LONG_AGO)
        super().__init__(SavedState((debt,), start_block=0), config)
        self.chain = chain
        self.wallet = wallet

    def transfers(self, asked):  # type: ignore[no-untyped-def]
        head = self.head
        found = self.chain.transfers(asked.way, self.wallet, asked.first or 0, head.number)
        return self.books.transfers(asked, found, head.number, head, self.now)


def payer() -> Desk:
    entries = tuple(BookEntry(True, each, MASQ // 10, int(EPOCH) - LONG_AGO) for each in CREDITORS)
    desk = Desk(SavedState(entries), replace(CONFIG, thresholds=THRESHOLDS))
    desk.chain = SimulatedChain()
    desk.chain.fund(PAYER.address, 472_000_000 * MASQ)
    return desk


def test_S54_S55_three_debts_are_paid_to_the_wei_and_each_creditor_sees_it() -> None:
    desk = payer()
    desk.carry(desk.books.start_scans(0.0))
    for now in (10.0, 20.0):
        desk.tick(now)
    assert desk.chain.tokens[PAYER.address] == 471_999_999 * MASQ + 7 * MASQ // 10
    assert [desk.got(each) for each in CREDITORS] == [MASQ // 10] * 3
    assert [desk.owes(each) for each in CREDITORS] == [0, 0, 0]
    for creditor in CREDITORS:
        other = Creditor(creditor, desk.chain)
        other.scan(Scan.RECEIVABLES)
        assert other.books.owed_by(PAYER.address) == 0


def test_S56_by_hand_each_scan_does_its_part() -> None:
    desk = payer()
    desk.scan(Scan.PAYABLES)
    assert [each.creditor for each in desk.memory.payments.values()] == CREDITORS
    assert [each.hash for each in desk.memory.payments.values()] == desk.chain.accepted
    assert [desk.owes(each) for each in CREDITORS] == [MASQ // 10] * 3
    desk.scan(Scan.PENDING_PAYABLES)
    assert [desk.owes(each) for each in CREDITORS] == [0, 0, 0]
