"""What is paid, with which means, at which price, and what is told when it can't be (accounting.md 2.4 to 2.6)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from tests.money import CONFIG, CREDITORS, EPOCH, PAYER, TOKENS, Desk, signer

from masq.chain.head import Prices
from masq.chain.receipt import Receipt
from masq.chain.wallet import Wallet
from masq.core.accountant.effects import AskReceipts, AskUse, Payment, Scan, SendPayments, State
from masq.core.accountant.fees import MOST_GAS_PRICE, Fee
from masq.core.accountant.nonces import FOREIGN_FOR, GAP_FOR
from masq.core.accountant.paying import DOUBT_FOR, LOW_AFTER, SLOW_AFTER
from masq.core.accountant.payments import BURIED, REVERTED_FOR, Look
from masq.core.accountant.selection import MOST_RETRY
from masq.types import CHAINS

DEBT = 10**13
GWEI = 10**9


class Waiting(Desk):
    """A chain that mines nothing until it is told to, and may hide receipts."""

    def __init__(self, **changes: object) -> None:
        super().__init__(config=replace(CONFIG, **changes))  # type: ignore[arg-type]
        self.pool: dict[int, Payment] = {}
        self.sent: list[tuple[int, int]] = []
        """Nonce and price of what was sent."""
        self.hidden: set[bytes] = set()
        self.pending: int | None = None
        """What the provider says of the nonce, if it is wrong."""

    def send(self, payments: tuple[Payment, ...]) -> list:  # type: ignore[type-arg]
        for payment in payments:
            self.sent.append((payment.nonce, payment.latest.most))
            self.pool[payment.nonce] = payment
        return self.books.sent([None] * len(payments), payments, self.now)

    def look(self, asked: AskReceipts) -> Look:
        look = super().look(asked)
        nonce = self.chain.nonce(PAYER.address)
        pending = nonce
        while pending in self.pool:
            pending += 1
        nonces = {PAYER.address: (nonce, pending if self.pending is None else self.pending)}
        return replace(
            look, receipts={h: None if h in self.hidden else r for h, r in look.receipts.items()}, nonces=nonces
        )

    def mine(self) -> None:
        for nonce in sorted(self.pool):
            if self.chain.nonce(PAYER.address) == nonce:
                payment = self.pool.pop(nonce)
                self.chain.send(payment.latest.raw, payment.latest.hash)

    @property
    def payments(self) -> list[Payment]:
        return list(self.books._paying.payments)


def due(desk: Desk, *creditors: bytes, now: float = 10.0) -> None:
    for creditor in creditors:
        desk.owe(creditor, DEBT, now - 10.0)
    desk.scan(Scan.PAYABLES, now=now)


# --- means


def test_a_wallet_without_enough_pays_the_oldest_and_a_part_and_says_what_to_send() -> None:
    desk = Desk()
    for number, creditor in enumerate(CREDITORS):
        desk.owe(creditor, DEBT, float(number))
    desk.chain.tokens[PAYER.address] = DEBT + DEBT // 2
    desk.scan(Scan.PAYABLES, now=10.0)
    assert [desk.got(each) for each in CREDITORS] == [DEBT, DEBT // 2, 0]
    assert any(f"send {DEBT + DEBT // 2} wei" in notice and PAYER.address.hex() in notice for notice in desk.notices)
    desk.chain.fund(PAYER.address, TOKENS)
    for now in (20.0, 30.0):
        desk.scan(Scan.PENDING_PAYABLES, Scan.PAYABLES, now=now)
    assert [desk.got(each) for each in CREDITORS] == [DEBT] * 3
    assert len([notice for notice in desk.notices if "not enough" in notice]) == 1


def test_what_would_be_next_to_nothing_of_a_debt_is_not_paid() -> None:
    desk = Desk()
    desk.chain.tokens[PAYER.address] = DEBT // 200
    due(desk, CREDITORS[0])
    assert not desk.got(CREDITORS[0])


def test_without_coins_nothing_is_paid_and_it_says_how_many_to_send() -> None:
    desk = Desk()
    desk.coins = 10
    due(desk, *CREDITORS)
    assert not any(desk.got(each) for each in CREDITORS)
    assert any("not enough coins" in notice and str(3 * GWEI * 75_000) in notice for notice in desk.notices)


def test_coins_that_payments_under_way_will_cost_are_not_spent_again() -> None:
    desk = Waiting()
    desk.coins = 2 * GWEI * 75_000
    due(desk, CREDITORS[0])
    due(desk, *CREDITORS[1:], now=30.0)
    assert [payment.creditor for payment in desk.payments] == CREDITORS[:2]


# --- prices


@pytest.mark.parametrize(
    ("prices", "base_fee"),
    [(Prices(MOST_GAS_PRICE + 1), None), (Prices(2**256 - 1), None), (Prices(0), None), (Prices(1), 2**200)],
)
def test_prices_that_can_t_be_right_spend_nothing(prices: Prices, base_fee: int | None) -> None:
    desk = Desk()
    desk.prices, desk.base_fee = prices, base_fee
    due(desk, CREDITORS[0])
    assert not desk.got(CREDITORS[0])
    assert any("use another" in notice for notice in desk.notices)
    desk.prices, desk.base_fee = Prices(MOST_GAS_PRICE), None
    desk.scan(Scan.PAYABLES, now=20.0)
    assert desk.got(CREDITORS[0]), "the next answer may be better"


@pytest.mark.parametrize("said", [0, 1, 4_999 * GWEI])
def test_where_blocks_name_a_base_fee_a_made_up_gas_price_changes_nothing(said: int) -> None:
    desk = Waiting()
    desk.base_fee, desk.prices = 10 * GWEI, Prices(said, GWEI)
    due(desk, CREDITORS[0])
    assert desk.sent == [(0, 21 * GWEI)]


def test_a_price_that_is_too_low_is_raised_with_the_same_nonce_until_its_bound() -> None:
    desk = Waiting(most_gas_price=40 * GWEI)
    desk.base_fee, desk.prices = GWEI, Prices(GWEI, GWEI // 10)
    due(desk, CREDITORS[0])
    desk.base_fee = 10 * GWEI
    desk.scan(Scan.PENDING_PAYABLES, now=11.0)
    assert len(desk.sent) == 1, "not at once"
    now = 10.0 + LOW_AFTER
    for _ in range(40):
        desk.scan(Scan.PENDING_PAYABLES, now=now)
        now += SLOW_AFTER
    prices = [price for nonce, price in desk.sent if not nonce]
    assert len(prices) == len(desk.sent) > 3
    assert all(later >= before * 9 // 8 for before, later in pairwise(prices))
    assert prices[-1] <= 40 * GWEI
    assert any("at its bound" in notice for notice in desk.notices)
    desk.mine()
    desk.scan(Scan.PENDING_PAYABLES, now=now)
    assert desk.got(CREDITORS[0]) == DEBT
    assert desk.owes(CREDITORS[0]) == 0


def test_each_variant_of_a_payment_ends_it() -> None:
    for which in (0, 1):
        desk = Waiting()
        due(desk, CREDITORS[0])
        desk.scan(Scan.PENDING_PAYABLES, now=10.0 + SLOW_AFTER)
        (payment,) = desk.payments
        assert len(payment.variants) == 2
        variant = payment.variants[which]
        assert desk.chain.send(variant.raw, variant.hash) is None
        desk.scan(Scan.PENDING_PAYABLES, now=1_000.0)
        assert desk.owes(CREDITORS[0]) == 0
        assert desk.got(CREDITORS[0]) == DEBT


def test_each_chain_has_a_gas_price_beyond_which_its_provider_is_not_believed() -> None:
    assert CHAINS["base-mainnet"].most_gas_price < CHAINS["eth-mainnet"].most_gas_price < MOST_GAS_PRICE
    cost = CHAINS["base-mainnet"].most_gas_price * 75_000
    assert cost < 10**15, "a thousandth of a coin at most, where 0.37 were"


# --- nonces


def test_a_nonce_that_is_used_by_what_nothing_shows_is_no_reason_to_pay_again() -> None:
    """Receipts and logs are hidden while the nonce counts: half of a provider's servers are behind, say."""
    desk = Waiting()
    due(desk, CREDITORS[0])
    desk.hidden |= {each.hash for each in desk.payments}
    desk.mine()
    desk.chain._transfers.clear()
    desk.chain._users.clear()
    for hour in range(1, 30):
        desk.scan(Scan.PENDING_PAYABLES, Scan.RECEIVABLES, Scan.PAYABLES, now=hour * 3_600.0)
    assert len(desk.sent) == 1
    assert any(isinstance(each, AskUse) for each in desk.asked)
    assert any("isn't made again until that is known" in notice for notice in desk.notices)
    desk.hidden.clear()
    desk.scan(Scan.PENDING_PAYABLES, now=10**6)
    assert desk.owes(CREDITORS[0]) == 0


def test_a_receipt_that_is_hidden_is_made_up_for_by_a_log() -> None:
    desk = Waiting()
    due(desk, CREDITORS[0])
    desk.hidden |= {each.hash for each in desk.payments}
    desk.mine()
    desk.scan(Scan.RECEIVABLES, Scan.PENDING_PAYABLES, now=20.0)
    assert desk.owes(CREDITORS[0]) == 0


def test_a_payment_whose_nonce_another_transaction_has_is_made_again() -> None:
    desk = Waiting()
    due(desk, CREDITORS[0])
    desk.pool.clear()
    desk.chain.spend(PAYER.address)
    desk.scan(Scan.PENDING_PAYABLES, now=20.0)
    assert desk.payments, "a provider that is behind is not believed at once"
    desk.scan(Scan.PENDING_PAYABLES, now=20.0 + DOUBT_FOR)
    assert not desk.payments
    desk.scan(Scan.PAYABLES, now=200.0)
    desk.mine()
    assert desk.got(CREDITORS[0]) == DEBT


def test_a_gap_in_the_nonces_is_filled() -> None:
    """Another program's transactions were dropped: what was signed above their nonces would wait for ever."""
    desk = Waiting()
    desk.scan(Scan.RECEIVABLES)
    desk.pending = 2
    due(desk, CREDITORS[0])
    (payment,) = [replace(each, nonce=2) for each in desk.payments]
    desk.books._paying.payments.end(desk.payments[0])
    desk.books._paying.payments.put(payment)
    desk.pool = {2: payment}
    desk.pending = 0
    desk.scan(Scan.PENDING_PAYABLES, now=20.0)
    assert len(desk.payments) == 1
    desk.scan(Scan.PENDING_PAYABLES, now=20.0 + GAP_FOR)
    assert [(each.nonce, each.fills) for each in desk.payments] == [(0, True), (1, True), (2, False)]
    assert desk.got(PAYER.address) == 10**24, "nothing moves"


def test_a_made_up_nonce_is_not_taken() -> None:
    desk = Waiting()
    desk.owe(CREDITORS[0], DEBT, 0.0)
    desk.scan(Scan.RECEIVABLES)
    terms = replace(desk.chain.terms(PAYER.address, EPOCH), coins=10**20, pending_nonce=7)
    desk.now = 10.0
    assert desk.books._paying.terms(terms, int(EPOCH) + 10, 10.0)
    assert not desk.payments
    desk.scan(Scan.PAYABLES, now=100.0)
    desk.scan(Scan.PAYABLES, now=200.0)
    assert [each.nonce for each in desk.payments] == [0]


def test_transactions_of_others_are_waited_for_and_then_replaced() -> None:
    """They may be this Node's own, which books that were rolled back don't know."""
    desk = Waiting()
    desk.owe(CREDITORS[0], DEBT, 0.0)

    def terms(now: float) -> None:
        found = replace(desk.chain.terms(PAYER.address, EPOCH + now), coins=10**20, pending_nonce=1)
        desk.now = now
        desk.carry(desk.books._paying.terms(found, int(EPOCH + now), now) or [])

    for now in (10.0, 20.0, 10.0 + FOREIGN_FOR, 20.0 + FOREIGN_FOR):
        assert not desk.payments
        terms(now)
    assert [each.nonce for each in desk.payments] == [0]


# --- what the chain did


def test_a_debt_whose_payments_are_reverted_is_tried_less_and_less_often() -> None:
    desk = Desk()
    desk.owe(CREDITORS[0], DEBT, 0.0)
    now, tried = 10.0, []
    for _ in range(12):
        before = len(desk.asked)
        desk.chain.revert_next = 1
        while not any(isinstance(each, SendPayments) for each in desk.asked[before:]):
            now += 100.0
            desk.scan(Scan.PAYABLES, now=now)
        tried.append(now)
        desk.chain.head += BURIED
        desk.scan(Scan.PENDING_PAYABLES, now=now + 1.0)
    waits = [later - before for before, later in pairwise(tried)]
    assert waits[:4] == [100.0, 700.0, 1300.0, 2500.0]
    assert waits[-1] <= MOST_RETRY + 200.0
    assert desk.owes(CREDITORS[0]) == DEBT


def test_a_transaction_that_was_reverted_may_do_what_it_should_in_another_block() -> None:
    desk = Desk()
    desk.chain.revert_next = 1
    due(desk, CREDITORS[0])
    desk.scan(Scan.PENDING_PAYABLES, now=20.0)
    desk.scan(Scan.PAYABLES, now=30.0)
    assert desk.got(CREDITORS[0]) == 0
    (payment,) = list(desk.books._paying.payments)
    desk.chain._receipts[payment.hash] = Receipt(payment.hash, 2, True)
    desk.scan(Scan.PENDING_PAYABLES, now=REVERTED_FOR / 2)
    assert desk.owes(CREDITORS[0]) == 0


def test_a_payment_whose_block_is_replaced_is_owed_and_sent_again() -> None:
    """Deeper than its chain is thought to need: it was in the books as paid."""
    desk = Waiting()
    due(desk, CREDITORS[0])
    desk.mine()
    desk.scan(Scan.PENDING_PAYABLES, now=20.0)
    assert desk.owes(CREDITORS[0]) == 0
    assert desk.books.paid == DEBT
    (payment,) = desk.payments
    desk.chain._receipts.clear()
    desk.chain._transfers.clear()
    desk.chain._nonces.clear()
    desk.scan(Scan.PENDING_PAYABLES, now=30.0)
    assert desk.owes(CREDITORS[0]) == DEBT
    assert desk.books.paid == 0
    assert [nonce for nonce, _ in desk.sent] == [0, 0]
    assert desk.payments[0].state is State.SENT
    desk.chain.tokens[CREDITORS[0]] = 0
    desk.mine()
    desk.scan(Scan.PENDING_PAYABLES, now=40.0)
    assert desk.owes(CREDITORS[0]) == 0
    assert [each.hash for each in desk.payments] == [payment.hash]


def test_blocks_are_waited_for_before_a_payment_counts() -> None:
    desk = Waiting(confirmations=3)
    due(desk, CREDITORS[0])
    assert not desk.sent, "nor is anything paid before it is known what was paid before"
    desk.chain.head += 3
    desk.scan(Scan.PAYABLES, now=20.0)
    desk.mine()
    for blocks in range(3):
        desk.scan(Scan.PENDING_PAYABLES, now=30.0 + blocks)
        assert desk.payments[0].state is State.MINED
        assert desk.owes(CREDITORS[0]) == DEBT
        desk.chain.head += 1
    desk.scan(Scan.PENDING_PAYABLES, now=40.0)
    assert desk.owes(CREDITORS[0]) == 0
    assert not desk.books.view(40.0).payments
    desk.chain.head += BURIED
    desk.scan(Scan.PENDING_PAYABLES, now=50.0)
    assert not desk.payments


# --- what these books don't know


def test_an_older_copy_of_the_books_pays_nothing_again() -> None:
    desk = Desk()
    desk.scan(Scan.RECEIVABLES)
    desk.owe(CREDITORS[0], DEBT, 0.0)
    copy = desk.memory.state()
    desk.scan(Scan.PAYABLES, Scan.PENDING_PAYABLES, now=10.0)
    assert desk.got(CREDITORS[0]) == DEBT
    older = Desk(copy)
    older.chain = desk.chain
    older.scan(Scan.PAYABLES, now=100.0)
    older.scan(Scan.PAYABLES, now=200.0)
    assert older.got(CREDITORS[0]) == DEBT
    assert older.owes(CREDITORS[0]) == 0
    assert any("these books don't know" in notice for notice in older.notices)
    (paid,) = [each for each in older.memory.paid if each.creditor == CREDITORS[0]]
    assert paid.wei == DEBT


def test_what_another_program_pays_meanwhile_is_its_own_debt() -> None:
    desk = Desk()
    due(desk, CREDITORS[0])
    foreign = signer()(1, Fee(GWEI, None), CREDITORS[0], 77)
    desk.chain.send(foreign.raw, foreign.hash)
    desk.owe(CREDITORS[0], DEBT, 10.0)
    desk.scan(Scan.PENDING_PAYABLES, Scan.PAYABLES, Scan.PENDING_PAYABLES, now=30.0)
    assert desk.got(CREDITORS[0]) == 2 * DEBT + 77
    assert any("not by this Node" in notice for notice in desk.notices)


def test_a_payment_that_was_confirmed_by_its_receipt_counts_no_second_time_by_its_log() -> None:
    desk = Desk()
    due(desk, CREDITORS[0])
    desk.scan(Scan.PENDING_PAYABLES, now=20.0)
    desk.chain.head += BURIED
    desk.scan(Scan.PENDING_PAYABLES, now=30.0)
    assert not desk.memory.payments
    desk.again()
    desk.scan(Scan.RECEIVABLES, Scan.PAYABLES, now=40.0)
    assert desk.owes(CREDITORS[0]) == 0


def test_a_payment_that_is_buried_while_the_node_is_down_counts_once() -> None:
    """It is over, and forgotten, before a search shows its log."""
    desk = Desk()
    due(desk, CREDITORS[0])
    desk.scan(Scan.PENDING_PAYABLES, now=20.0)
    assert [each.state for each in desk.memory.payments.values()] == [State.SETTLED]
    desk.again()
    desk.chain.head += BURIED
    desk.scan(Scan.PENDING_PAYABLES, now=30.0)
    assert not desk.memory.payments
    for _ in range(2):
        desk.scan(Scan.RECEIVABLES, Scan.PAYABLES, now=40.0)
        assert desk.owes(CREDITORS[0]) == 0
        assert len(desk.memory.paid) == 1
        desk.again()


def test_payments_of_another_wallet_are_followed_to_their_end() -> None:
    desk = Waiting()
    due(desk, CREDITORS[0])
    other = Wallet(b"\x09" * 32)
    desk.again(replace(CONFIG, consuming_wallet=other.address, sign=signer(other)))
    desk.scan(Scan.PAYABLES, now=50.0)
    assert len(desk.payments) == 1, "its debt isn't paid by the new one meanwhile"
    desk.mine()
    desk.scan(Scan.PENDING_PAYABLES, now=60.0)
    assert desk.owes(CREDITORS[0]) == 0


def test_whom_a_creditor_serves_no_more_hears_what_to_do_about_it() -> None:
    desk = Waiting()
    assert desk.books.outlook(CREDITORS[0], 0) == (0, "we count no such debt: if it was just paid, wait some minutes; "
        "else compare books: `masq audit`")  # fmt: skip
    desk.owe(CREDITORS[0], DEBT)
    assert "payment-thresholds" in desk.books.outlook(CREDITORS[0], 0)[1]
    assert "no such debt" in desk.books.outlook(CREDITORS[0], DEBT)[1]
    desk.books.look_into_purse(DEBT // 2, 1, 0.0)
    assert desk.books.outlook(CREDITORS[0], DEBT // 4) == (
        DEBT,
        f"send at least 0.0000025 MASQ to 0x{PAYER.address.hex()}, which has 0.000005 MASQ",
    )
    desk.books.look_into_purse(DEBT, 0, 0.0)
    assert "chain's coin" in desk.books.outlook(CREDITORS[0], 0)[1]
    desk.scan(Scan.PAYABLES, now=1_000.0)
    assert desk.books.outlook(CREDITORS[0], 0)[1].startswith("0.00001 MASQ are under way")
