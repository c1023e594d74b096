"""What a payment may cost, and how often one that fails is tried again (accounting.md 2.4, 2.6)."""

from __future__ import annotations

import pytest
from tests.charges import consumed

from masq.chain.erc20 import sign_transfer
from masq.chain.receipt import Receipt
from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import (
    MOST_GAS_PRICE,
    MOST_NONCE,
    MOST_RETRY,
    Accountant,
    AccountantConfig,
    SavedState,
    Scan,
    Terms,
)
from masq.core.accountant.effects import AskReceipts, AskTerms, Notice, Payment, SendPayments
from masq.core.accountant.thresholds import PaymentThresholds
from masq.types import CHAINS, DEFAULT_RATE_PACK, Address

PAYER = Wallet(b"\x01" * 32)
CREDITORS = [bytes((number,)) * 20 for number in (10, 11, 12)]
TOKENS = 10**24


def accountant() -> Accountant:
    def sign(nonce: int, gas_price: int, recipient: Address, wei: int) -> SignedTransaction:
        return sign_transfer(PAYER, CHAINS["dev"], nonce=nonce, gas_price=gas_price, recipient=recipient, amount=wei)

    quick = PaymentThresholds(2, 1, 20, 1, 1, 1)
    config = AccountantConfig(
        earning_wallet=b"e" * 20,
        consuming_wallet=PAYER.address,
        sign=sign,
        thresholds=quick,
        intervals=dict.fromkeys(Scan, 10.0),
    )
    return Accountant(config, SavedState(), 1e9)


def owe(books: Accountant, creditor: Address, now: float) -> None:
    consumed(books, (creditor, DEFAULT_RATE_PACK, 100_000), [], 0, now)


def paid(books: Accountant, terms: Terms, now: float) -> tuple[Payment, ...]:
    assert books.scan(Scan.PAYABLES, now) == [AskTerms()]
    return next((e.payments for e in books.terms(terms, now) if isinstance(e, SendPayments)), ())


@pytest.mark.parametrize(
    "terms",
    [
        Terms(MOST_GAS_PRICE + 1, 2**256 - 1, TOKENS, 0),
        Terms(2**256 - 1, 2**256 - 1, TOKENS, 0),
        Terms(1, 2**256 - 1, TOKENS, MOST_NONCE + 1),
        Terms(1, 2**256 - 1, TOKENS, 2**256 - 1),
    ],
)
def test_terms_that_can_t_be_right_spend_nothing(terms: Terms) -> None:
    books = accountant()
    owe(books, CREDITORS[0], 0.0)
    assert books.scan(Scan.PAYABLES, 10.0) == [AskTerms()]
    (notice,) = books.terms(terms, 10.0)
    assert isinstance(notice, Notice)
    assert "use another" in notice.text
    assert paid(books, Terms(MOST_GAS_PRICE, 10**20, TOKENS, 0), 20.0), "the next answer may be better"


def test_coins_that_payments_under_way_will_cost_are_not_spent_again() -> None:
    books = accountant()
    fee = Terms(1, 0, 0, 0).gas_per_payment
    owe(books, CREDITORS[0], 0.0)
    assert len(paid(books, Terms(1, 2 * fee, TOKENS, 0), 10.0)) == 1
    for creditor in CREDITORS[1:]:
        owe(books, creditor, 10.0)
    (second,) = paid(books, Terms(1, 2 * fee, TOKENS, 1), 20.0)
    assert second.creditor == CREDITORS[1]


def test_a_debt_whose_payments_are_reverted_is_tried_less_and_less_often() -> None:
    books, now, nonce = accountant(), 10.0, 0
    owe(books, CREDITORS[0], 0.0)

    def settle(payment: Payment, succeeded: bool) -> None:
        assert books.scan(Scan.PENDING_PAYABLES, now) == [AskReceipts((payment.hash,))]
        books.receipts([Receipt(payment.hash, 1, succeeded)], 1, nonce, now)

    waits = []
    for _ in range(10):
        (payment,) = paid(books, Terms(1, 10**18, TOKENS, nonce), now)
        nonce += 1
        settle(payment, False)
        failed = now
        while not books.scan(Scan.PAYABLES, now):
            now += 100.0
        books.failed(Scan.PAYABLES, "not yet", now)
        waits.append(now - failed)
    assert waits == [600, 1200, 2400, 4800, 9600, 19200, 38400, 76800, MOST_RETRY, MOST_RETRY]
    (payment,) = paid(books, Terms(1, 10**18, TOKENS, nonce), now)
    settle(payment, True)
    assert books.ledger.payables[CREDITORS[0]].wei == 0
    owe(books, CREDITORS[0], now)
    assert not books.scan(Scan.PAYABLES, now), "not mature"
    now += 10.0
    (payment,) = paid(books, Terms(1, 10**18, TOKENS, nonce + 1), now)
    settle(payment, False)
    assert not books.scan(Scan.PAYABLES, now + 599.0)
    assert books.scan(Scan.PAYABLES, now + 600.0), "a success makes up for what was before"


def test_each_chain_has_a_gas_price_beyond_which_its_provider_is_not_believed() -> None:
    assert CHAINS["base-mainnet"].most_gas_price < CHAINS["eth-mainnet"].most_gas_price < MOST_GAS_PRICE
    cost = CHAINS["base-mainnet"].most_gas_price * 75_000
    assert cost < 10**15, "a thousandth of a coin at most, where 0.37 were"
