"""Who is paid together by one transaction, who alone, and what is booked of it (accounting.md 4.7)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.money import CONFIG, EPOCH, PAYER, QUICK, Desk, many_signer

from masq.chain.disperser import GAS_BASE, GAS_EACH, MOST_PARTS, gas_limit
from masq.chain.head import Prices
from masq.chain.receipt import Receipt
from masq.core.accountant.effects import AccountantEffect, AskReceipts, AskTerms, Paid, Part, Payment, Scan, State
from masq.core.accountant.payments import Look, outcome
from masq.core.accountant.signing import Many
from masq.core.accountant.thresholds import PaymentThresholds
from masq.core.accountant.worth import COIN, GasShare
from masq.types import Address

CONTRACT = b"D" * 20
MANY = [b"c" * 19 + bytes([number]) for number in range(120)]
DEBT = 10**13
MASQ = 10**18


class Together(Desk):
    """Nothing is mined by itself; `receipt` is what the chain shows of the first payment."""

    def __init__(self, allowance: int | str | None = 10**24, **changes: object) -> None:
        many = Many(many_signer(), CONTRACT)
        super().__init__(config=replace(CONFIG, **{"many": many, **changes}))  # type: ignore[arg-type]
        self.allowance = allowance
        self.sent: list[Payment] = []
        self.shown: dict[bytes, Receipt] = {}

    def perform(self, effect: AccountantEffect) -> list[AccountantEffect]:
        if isinstance(effect, AskTerms):
            terms = replace(self.chain.terms(PAYER.address, EPOCH + self.now), head=self.head, prices=self.prices)
            return self.books.terms(replace(terms, coins=self.coins, allowance=self.allowance), self.now)
        return super().perform(effect)

    def send(self, payments: tuple[Payment, ...]) -> list[AccountantEffect]:
        self.sent += payments
        return self.books.sent([None] * len(payments), payments, self.now)

    def look(self, asked: AskReceipts) -> Look:
        nonces = {PAYER.address: (len(self.shown), len(self.sent))}
        return Look(self.head, self.prices, {hash: self.shown.get(hash) for hash in asked.hashes}, nonces)

    def show(self, payment: Payment, block: int, failed: tuple[Address, ...] = (), fee: int | None = None) -> None:
        told = {(PAYER.address, each.creditor, each.wei) for each in payment.parts}
        unpaid = frozenset(each for each in told if each[1] in failed)
        self.shown[payment.hash] = Receipt(payment.hash, block, True, fee, frozenset(told - unpaid), unpaid)

    def due(self, *creditors: Address, now: float = 10.0) -> None:
        for creditor in creditors:
            self.owe(creditor, DEBT, now - 10.0)
        self.scan(Scan.PAYABLES, now=now)


def sizes(desk: Together) -> list[int]:
    return [len(each.made_to) for each in desk.sent]


@pytest.mark.parametrize(
    ("due", "allowance", "made"),
    [
        (1, 10**24, [1]),
        (2, 10**24, [2]),
        (MOST_PARTS + 1, 10**24, [MOST_PARTS, 1]),
        (120, 10**24, [50, 50, 20]),
        (5, 3 * DEBT, [3, 1, 1]),
        (3, 0, [1, 1, 1]),
        (3, "no contract there", [1, 1, 1]),
        (3, None, [1, 1, 1]),
    ],
)
def test_as_many_as_may_be_are_paid_together(due: int, allowance: int | str | None, made: list[int]) -> None:
    desk = Together(allowance)
    desk.due(*MANY[:due])
    assert sizes(desk) == made
    assert sum(each.wei for each in desk.sent) == due * DEBT
    assert {part.creditor for each in desk.sent for part in each.made_to} == set(MANY[:due])
    told = [notice for notice in desk.notices if "pay-many" in notice]
    assert len(told) == (due > 1 and allowance != 10**24)


def test_without_the_setting_nothing_is_paid_together_whatever_is_allowed() -> None:
    desk = Together(many=Many(many_signer()))
    desk.due(*MANY[:3])
    assert sizes(desk) == [1, 1, 1]


def test_what_waits_has_used_up_what_is_allowed() -> None:
    desk = Together(3 * DEBT)
    desk.due(*MANY[:2])
    desk.due(*MANY[2:4], now=30.0)
    assert sizes(desk) == [2, 1, 1]


def test_coins_that_do_not_do_for_all_at_once_pay_some_alone() -> None:
    desk = Together()
    desk.coins = 2 * 75_000 * 10**9
    desk.due(*MANY[:3])
    assert sizes(desk) == [1, 1]
    assert any("not enough coins" in notice for notice in desk.notices)


def test_a_debt_may_be_worth_its_gas_only_together_with_others() -> None:
    coins = 10**9 * gas_limit(20) // 20
    rate = MASQ * COIN // coins // 10
    patient = PaymentThresholds(10**9, 10, 36_000, 10**8, 10, 10**8)
    desk = Together(gas_share=GasShare(10, rate), thresholds=patient)
    desk.prices = Prices(10**9)
    for creditor in MANY[:19]:
        desk.owe(creditor, MASQ)
    desk.scan(Scan.PAYABLES, now=60.0)
    assert not desk.sent
    assert len(desk.books.view(60.0).money.dear) == 19
    desk.owe(MANY[19], MASQ, 0.0)
    desk.scan(Scan.PAYABLES, now=120.0)
    assert sizes(desk) == [20]
    assert gas_limit(20) == GAS_BASE + 20 * GAS_EACH


def test_each_part_is_booked_for_itself_with_its_share_of_the_gas() -> None:
    desk = Together()
    desk.due(*MANY[:4])
    (payment,) = desk.sent
    assert len(desk.books.view(10.0).payments) == 4
    desk.show(payment, desk.chain.head, failed=(MANY[1],), fee=11)
    desk.scan(Scan.PENDING_PAYABLES, now=20.0)
    assert [desk.owes(each) for each in MANY[:4]] == [0, DEBT, 0, 0]
    hash = payment.hash
    assert [(each.hash, each.creditor, each.fee) for each in desk.memory.paid] == [
        (hash, MANY[0], 5),
        (hash, MANY[2], 3),
        (hash, MANY[3], 3),
    ]
    assert all(isinstance(each, Paid) and each.wei == DEBT for each in desk.memory.paid)
    assert desk.books.paid == 3 * DEBT


def test_a_part_that_failed_is_paid_alone_and_not_before_its_block_is_buried() -> None:
    desk = Together()
    desk.due(*MANY[:4])
    (payment,) = desk.sent
    block = desk.chain.head
    desk.show(payment, block, failed=(MANY[1],))
    for now in (20.0, 400.0, 5_000.0):
        desk.scan(Scan.PENDING_PAYABLES, Scan.PAYABLES, now=now)
        assert len(desk.sent) == 1
    desk.chain.head += 127
    desk.scan(Scan.PENDING_PAYABLES, Scan.PAYABLES, now=5_100.0)
    assert len(desk.sent) == 1
    desk.chain.head += 1
    desk.owe(MANY[0], DEBT, 5_000.0)
    desk.owe(MANY[2], DEBT, 5_000.0)
    desk.chain.spend(PAYER.address)
    desk.scan(Scan.PENDING_PAYABLES, Scan.PAYABLES, now=5_200.0)
    assert sizes(desk) == [4, 2, 1]
    assert desk.sent[2].creditor == MANY[1]


def test_another_outcome_in_another_block_is_booked_anew() -> None:
    desk = Together()
    desk.due(*MANY[:3])
    (payment,) = desk.sent
    for failed in ((MANY[0],), (MANY[1], MANY[2]), (), (MANY[0], MANY[1], MANY[2])):
        desk.show(payment, desk.chain.head, failed)
        desk.scan(Scan.PENDING_PAYABLES, now=desk.now + 20.0)
        assert [desk.owes(each) for each in MANY[:3]] == [DEBT if each in failed else 0 for each in MANY[:3]]
        (kept,) = desk.memory.payments.values()
        assert ({each.creditor for each in kept.parts if each.failed}, kept.state) == (set(failed), State.SETTLED)
        desk.again()
    desk.shown.clear()
    desk.scan(Scan.PENDING_PAYABLES, now=desk.now + 20.0)
    assert [desk.owes(each) for each in MANY[:3]] == [DEBT] * 3
    (kept,) = desk.memory.payments.values()
    assert not any(each.failed for each in kept.parts)
    assert desk.sent[-1].hash == payment.hash, "the same bytes again"


@pytest.mark.parametrize("both", [True, False])
def test_a_receipt_that_says_nothing_of_a_part_or_two_things_shows_nothing(both: bool) -> None:
    desk = Together()
    desk.due(*MANY[:2])
    (payment,) = desk.sent
    desk.show(payment, desk.chain.head)
    told = desk.shown[payment.hash]
    first = frozenset({(PAYER.address, MANY[0], DEBT)})
    desk.shown[payment.hash] = replace(told, unpaid=first) if both else replace(told, paid=told.paid - first)
    desk.scan(Scan.PENDING_PAYABLES, Scan.PAYABLES, now=20.0)
    assert [desk.owes(each) for each in MANY[:2]] == [DEBT, DEBT]
    assert len(desk.sent) == 1
    assert len([notice for notice in desk.notices if "doesn't show who was paid" in notice]) == 1


def test_a_transfer_of_another_amount_or_payer_is_not_the_part() -> None:
    payment = Payment(CONTRACT, 5, 0, 0, PAYER.address, (), parts=(Part(MANY[0], 5),))
    for told in ((PAYER.address, MANY[0], 4), (MANY[1], MANY[0], 5), (PAYER.address, MANY[1], 5)):
        assert outcome(payment, Receipt(b"h" * 32, 1, True, None, frozenset({told}))) is None
    right = frozenset({(PAYER.address, MANY[0], 5)})
    assert outcome(payment, Receipt(b"h" * 32, 1, True, None, right)) == (Part(MANY[0], 5),)
    assert outcome(payment, Receipt(b"h" * 32, 1, True, None, frozenset(), right)) == (Part(MANY[0], 5, True),)


def test_a_payment_to_many_that_waits_is_signed_again_for_the_same_parts() -> None:
    desk = Together()
    desk.base_fee, desk.prices = 10**9, Prices(10**9, 1)
    desk.due(*MANY[:3])
    desk.base_fee = 10**10
    desk.scan(Scan.PENDING_PAYABLES, now=60.0)
    first, second = desk.sent
    assert (first.hash, first.parts, first.nonce) == (second.hash, second.parts, second.nonce)
    assert len(second.variants) == 2
    assert QUICK.permanent < DEBT
