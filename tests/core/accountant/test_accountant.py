"""The Accountant against a chain that loses, doubles, reverts and lies: it pays each debt once (accounting.md 1, 2)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.charges import consumed, exited, relayed

from masq.chain.erc20 import Transfer, sign_transfer
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import DOUBT_FOR, Accountant, AccountantConfig, SavedState, Scan, Terms
from masq.core.accountant.effects import (
    AccountantEffect,
    AskReceipts,
    AskTerms,
    AskTransfers,
    Notice,
    Save,
    SendPayments,
)
from masq.core.accountant.income import OVERLAP
from masq.core.accountant.ledger import LIMIT, Ledger
from masq.core.accountant.thresholds import PaymentThresholds
from masq.sim.chain import SimulatedChain
from masq.sim.memory import Memory
from masq.sim.world import CHAIN
from masq.types import DEFAULT_RATE_PACK, RatePack

PAYER = Wallet(b"\x01" * 32)
EARNING = b"e" * 20
CREDITORS = [bytes((number,)) * 20 for number in (10, 11, 12)]
QUICK = PaymentThresholds(2, 1, 20, 1, 1, 1)


def config() -> AccountantConfig:
    def sign(nonce: int, gas_price: int, recipient: bytes, wei: int):  # type: ignore[no-untyped-def]
        return sign_transfer(PAYER, CHAIN, nonce=nonce, gas_price=gas_price, recipient=recipient, amount=wei)

    return AccountantConfig(
        earning_wallet=EARNING,
        consuming_wallet=PAYER.address,
        sign=sign,
        thresholds=QUICK,
        intervals=dict.fromkeys(Scan, 10.0),
    )


def accountant(saved: SavedState | None = None) -> Accountant:
    return Accountant(config(), saved or SavedState(), 1e9)


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


class Chain(SimulatedChain):
    """The simulated chain, with a clock for what the Accountant asks of it."""

    def answer(
        self, books: Accountant, effects: list[AccountantEffect], memory: Memory, now: float, lost: bool
    ) -> None:
        """Carry out effects until none is left; if `lost`, answers to what was sent never arrive."""
        todo = list(effects)
        while todo:
            effect = todo.pop(0)
            match effect:
                case Save():
                    memory.save(effect)
                case AskTerms():
                    todo += books.terms(self.terms(PAYER.address), now)
                case SendPayments(payments):
                    assert all(payment.hash in memory.payments for payment in payments), "written before it moves"
                    results = [self.send(payment.raw, payment.hash) for payment in payments]
                    if not lost:
                        todo += books.sent(results, payments, now)
                case AskReceipts(hashes):
                    found = [self.receipt(hash) for hash in hashes]
                    todo += books.receipts(found, self.head, self.nonce(PAYER.address), now)
                case _:
                    pass


def test_a_payment_that_can_never_be_mined_frees_its_debt() -> None:
    chain, memory = Chain(), Memory()
    chain.fund(PAYER.address, 10**24)
    chain.lose_next = 1
    books = accountant()
    consumed(books, (CREDITORS[0], DEFAULT_RATE_PACK, 100_000), [], 0, 0.0)
    chain.answer(books, books.scan(Scan.PAYABLES, 10.0), memory, 10.0, False)
    chain._nonces[PAYER.address] = 1  # Another program spent the nonce.
    for now in (20.0, 30.0, 20.0 + DOUBT_FOR):
        assert books.view().payments, "a provider that is behind is not believed at once"
        chain.answer(books, books.scan(Scan.PENDING_PAYABLES, now), memory, now, False)
    assert not books.view().payments
    chain.answer(books, books.scan(Scan.PAYABLES, 200.0), memory, 200.0, False)
    assert chain.tokens[CREDITORS[0]] == DEFAULT_RATE_PACK.exit_charge(100_000)


def test_a_wallet_without_means_pays_what_it_can_oldest_first_and_warns() -> None:
    books = accountant()
    for now, creditor in enumerate(CREDITORS):
        consumed(books, (creditor, DEFAULT_RATE_PACK, 100_000), [], 0, float(now))
    debt = DEFAULT_RATE_PACK.exit_charge(100_000)
    assert books.scan(Scan.PAYABLES, 10.0) == [AskTerms()]
    effects = books.terms(Terms(1, 10**18, 2 * debt, 0), 10.0)
    (sent,) = [effect for effect in effects if isinstance(effect, SendPayments)]
    assert [payment.creditor for payment in sent.payments] == CREDITORS[:2]
    assert any(isinstance(effect, Notice) and "not enough tokens" in effect.text for effect in effects)
    assert books.scan(Scan.PAYABLES, 11.0) == [AskTerms()]
    assert not any(isinstance(e, SendPayments) for e in books.terms(Terms(10**15, 5, 10**24, 0), 11.0))


def test_a_silent_provider_blocks_no_scan_for_ever() -> None:
    books = accountant()
    consumed(books, (CREDITORS[0], DEFAULT_RATE_PACK, 100_000), [], 0, 0.0)
    assert books.scan(Scan.PAYABLES, 10.0) == [AskTerms()]
    assert books.scan(Scan.PAYABLES, 20.0) == []
    assert any(isinstance(effect, Notice) for effect in books.tick(200.0))
    assert books.scan(Scan.PAYABLES, 201.0) == [AskTerms()]


def test_income_is_credited_once_and_no_block_is_jumped_over() -> None:
    books = accountant(SavedState(start_block=42))
    relayed(books, CREDITORS[0], 1_000, 0.0)
    debt = books.owed_by(CREDITORS[0])
    assert books.scan(Scan.RECEIVABLES, 1.0) == [AskTransfers(42, None)]
    effects = books.transfers([Transfer(50, 0, b"h" * 32, CREDITORS[0], 1_000)], 60, 2.0)
    save = effects[0]
    assert isinstance(save, Save)
    assert save.config[0] == ("start_block", "61")
    assert save.entries[0].wei == books.owed_by(CREDITORS[0]) == debt - 1_000
    assert books.scan(Scan.RECEIVABLES, 3.0) == [AskTransfers(42, None)], "the last blocks again"
    # The same log again, and one of a block that was not asked for.
    strange = Transfer(41, 0, b"i" * 32, CREDITORS[0], 1_000)
    books.transfers([Transfer(50, 0, b"h" * 32, CREDITORS[0], 1_000), strange], 100, 4.0)
    assert books.owed_by(CREDITORS[0]) == debt - 1_000
    assert books.scan(Scan.RECEIVABLES, 5.0) == [AskTransfers(101 - OVERLAP, None)]
    (notice,) = books.transfers([], None, 6.0)
    assert isinstance(notice, Notice)
    assert f"has no block {101 - OVERLAP}" in notice.text, "the provider is far behind: it is waited for"
    assert books.scan(Scan.RECEIVABLES, 7.0) == [AskTransfers(101 - OVERLAP, None)]
    assert books.transfers([], 100, 8.0) == [], "no new block, and nothing new in the last ones"
    assert books.scan(Scan.RECEIVABLES, 9.0) == [AskTransfers(101 - OVERLAP, None)]
    books.failed(Scan.RECEIVABLES, "range too large", 10.0, 500)
    assert books.scan(Scan.RECEIVABLES, 11.0) == [AskTransfers(101 - OVERLAP, 500)]


def test_a_block_that_nobody_has_seen_yet_is_waited_for_without_a_word() -> None:
    books = accountant(SavedState(start_block=42))
    books.scan(Scan.RECEIVABLES, 1.0)
    assert books.transfers([], None, 2.0) == []
    assert books.scan(Scan.RECEIVABLES, 3.0) == [AskTransfers(42, None)]


def test_a_late_answer_of_a_provider_that_is_behind_moves_nothing_back() -> None:
    books = accountant(SavedState(start_block=42))
    books.scan(Scan.RECEIVABLES, 0.0)
    books.tick(200.0)  # The answer takes too long, so the question is put again; then both are answered.
    books.scan(Scan.RECEIVABLES, 201.0)
    transfer = Transfer(60, 0, b"h" * 32, CREDITORS[0], 1_000)
    books.transfers([transfer], 60, 202.0)
    assert books.scan(Scan.RECEIVABLES, 203.0) == [AskTransfers(42, None)]
    assert books.transfers([], 59, 204.0) == []
    assert books.scan(Scan.RECEIVABLES, 205.0) == [AskTransfers(42, None)]
    books.transfers([transfer], 62, 206.0)
    assert books.owed_by(CREDITORS[0]) == -1_000


def test_who_is_far_behind_a_provider_s_limit_doesn_t_wait_for_the_next_interval() -> None:
    books = Accountant(replace(config(), intervals=dict.fromkeys(Scan, 600.0)), SavedState(start_block=1), 1e9)
    books.start_scans(0.0)
    books.failed(Scan.RECEIVABLES, "range too large", 1.0, 100)
    (ask,) = [effect for effect in books.tick(6.0) if isinstance(effect, AskTransfers)]
    assert ask == AskTransfers(1, 100)
    books.transfers([], 100, 7.0)
    (ask,) = [effect for effect in books.tick(12.0) if isinstance(effect, AskTransfers)]
    assert ask == AskTransfers(76, 100), "a quarter again: what was searched last may have been near the head"
    books.transfers([], 150, 13.0)
    assert not books.tick(30.0), "all is read: the interval counts again"


def test_a_gap_in_the_nonces_is_filled() -> None:
    """Another program's transaction was dropped: what was signed above its nonce waits for somebody to use it."""
    books = accountant()
    consumed(books, (CREDITORS[0], DEFAULT_RATE_PACK, 100_000), [], 0, 0.0)
    books.scan(Scan.PAYABLES, 10.0)
    (first,) = [e for e in books.terms(Terms(1, 10**18, 10**24, 6), 10.0) if isinstance(e, SendPayments)]
    for creditor in CREDITORS[1:]:
        consumed(books, (creditor, DEFAULT_RATE_PACK, 100_000), [], 0, 11.0)
    books.scan(Scan.PAYABLES, 20.0)
    (second,) = [e for e in books.terms(Terms(1, 10**18, 10**24, 5), 20.0) if isinstance(e, SendPayments)]
    assert [payment.nonce for payment in first.payments + second.payments] == [6, 5, 7]


def test_a_stranger_s_transfer_is_kept_as_credit() -> None:
    books = accountant(SavedState(start_block=1))
    books.scan(Scan.RECEIVABLES, 1.0)
    books.transfers([Transfer(2, 0, b"h" * 32, CREDITORS[1], 500)], 3, 2.0)
    assert books.owed_by(CREDITORS[1]) == -500


def test_a_transfer_of_nothing_makes_no_debt_younger() -> None:
    books = accountant(SavedState(start_block=1))
    relayed(books, CREDITORS[0], 1_000, 0.0)
    books.scan(Scan.RECEIVABLES, 1.0)
    books.transfers([Transfer(2, 0, b"h" * 32, wallet, 0) for wallet in CREDITORS[:2]], 3, 2.0)
    assert books.ledger.receivables[CREDITORS[0]].since == 1e9
    assert CREDITORS[1] not in books.ledger.receivables


def test_bans_and_releases_survive_a_restart() -> None:
    memory = Memory()
    books = accountant()
    relayed(books, CREDITORS[0], 10**6, 0.0)
    for effect in books.scan(Scan.RECEIVABLES, 100.0):
        if isinstance(effect, Save):
            memory.save(effect)
    assert books.is_delinquent(CREDITORS[0])
    again = accountant(memory.state())
    assert again.is_delinquent(CREDITORS[0])
    again.scan(Scan.RECEIVABLES, 101.0)
    again.transfers([Transfer(6, 0, b"h" * 32, CREDITORS[0], 10**30)], 6, 102.0)
    assert not again.is_delinquent(CREDITORS[0])


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
