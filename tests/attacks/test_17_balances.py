"""Issue 9, 17: the balance of a wallet that never paid is looked at before it gets more than its first small share."""

from __future__ import annotations

from collections.abc import Callable

from masq.chain.erc20 import Transfer
from masq.chain.head import Head
from masq.core.accountant.accountant import Accountant, AccountantConfig, SavedState
from masq.core.accountant.effects import AccountantEffect, AskBalances, AskTransfers, Scan
from masq.core.accountant.strangers import LOOK_EVERY, LOOKED_AT
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS
from masq.core.circuits.refusals import words_of
from masq.wire.circuit import Close, Debt, debt_of, encode_ending

MASQ = 10**18
FIRST = MASQ // 100
EPOCH = 1_800_000_000
MINUTE = 60.0
A, B = (bytes([number]) * 20 for number in (1, 2))


class Books:
    """Those of a Node, and its provider."""

    def __init__(self) -> None:
        config = AccountantConfig(earning_wallet=bytes(20), consuming_wallet=None)
        self.accountant = Accountant(config, SavedState(start_block=1, payers=""), EPOCH)
        self.now = 0.0
        self.tokens: dict[bytes, int] = {}
        self.asked: list[bytes] = []
        self.behind = 0
        """Seconds."""

    def head(self, block: int) -> Head:
        return Head(block, int(EPOCH + self.now) - self.behind, bytes(32))

    def look(self, *found: Transfer, answers: bool = True) -> None:
        """Ten minutes pass, and income is searched for."""
        self.now += 10 * MINUTE
        (asked,) = self.accountant.scan(Scan.RECEIVABLES, self.now)
        assert isinstance(asked, AskTransfers)
        block = self.accountant._earning.income.next or 1
        effects = self.accountant.transfers(asked, found, block, self.head(block), self.now)
        self.carry(effects, block, answers)

    def carry(self, effects: list[AccountantEffect], block: int, answers: bool) -> None:
        questions = [effect for effect in effects if isinstance(effect, AskBalances)]
        assert len(questions) <= 1
        for question in questions:
            self.asked += question.wallets
            if answers:
                self.accountant.balances(
                    {wallet: self.tokens.get(wallet, 0) for wallet in question.wallets}, self.head(block), self.now
                )

    def pays(self, wallet: bytes, wei: int) -> Transfer:
        return Transfer(self.accountant._earning.income.next or 1, 0, bytes(32), wallet, wei)

    def takes(self, wallet: bytes, wei: int) -> None:
        self.accountant.charge(False, wallet, wei, self.now)

    def refused(self, wallet: bytes) -> bool:
        return self.accountant.is_delinquent(wallet)

    def debt(self, wallet: bytes) -> Debt:
        debt = self.accountant.debt_of(wallet, self.now)
        assert debt is not None
        return debt


def test_17_a_wallet_without_funds_gets_its_first_share_and_no_more(tell: Callable[[str], None]) -> None:
    books = Books()
    wallets = [number.to_bytes(20, "big") for number in range(1, 101)]
    for _ in range(10):
        for wallet in wallets:
            if not books.refused(wallet):
                books.takes(wallet, FIRST + 1)
        books.look()
    lent = sum(books.accountant.owed_by(wallet) for wallet in wallets)
    tell(f"100 wallets without funds that take 0.01 MASQ each in ten minutes: {lent / MASQ:.2f} MASQ, where it was 10")
    assert all(map(books.refused, wallets))
    assert lent == len(wallets) * 2 * (FIRST + 1)


def test_17_who_owes_no_more_than_the_first_share_is_not_asked_about() -> None:
    books = Books()
    for number in range(1, 200):
        books.takes(number.to_bytes(20, "big"), FIRST)
    books.look()
    books.look()
    assert books.asked == []


def test_17_a_wallet_with_funds_is_served_as_ever() -> None:
    books = Books()
    books.tokens[A] = MASQ
    books.takes(A, FIRST + 1)
    for _ in range(20):
        books.look()
        assert not books.refused(A)
        books.takes(A, FIRST)
    assert set(books.asked) == {A}


def test_17_who_is_funded_is_served_again_and_so_is_who_pays() -> None:
    books = Books()
    for wallet in (A, B):
        books.takes(wallet, 3 * FIRST)
    books.look()
    assert not books.refused(A), "it may just have paid"
    books.look()
    assert books.refused(A)
    assert books.refused(B)
    books.tokens[A] = 3 * FIRST
    books.look(books.pays(B, 2 * FIRST))
    assert not books.refused(A)
    assert not books.refused(B)


def test_17_who_has_paid_with_all_that_it_had_is_not_refused() -> None:
    books = Books()
    books.tokens[A] = 3 * FIRST
    books.takes(A, 3 * FIRST)
    del books.tokens[A]  # It is on its way, and the search before the question hasn't found it yet.
    books.look()
    books.look(books.pays(A, 3 * FIRST))
    assert not books.refused(A)
    books.takes(A, 40 * FIRST)
    books.look()
    books.look()
    assert not books.refused(A), "it has paid before"
    assert books.asked == [A]


def test_17_no_answer_and_old_ones_refuse_nobody() -> None:
    books = Books()
    books.takes(A, 3 * FIRST)
    for _ in range(5):
        books.look(answers=False)
    assert not books.refused(A)
    books.behind = 3_600
    for _ in range(5):
        books.look()
    assert not books.refused(A), "the provider is behind"
    books.behind = 0
    books.look()
    assert books.refused(A)
    books.look(answers=False)
    assert books.refused(A), "until it is known to have funds"


def test_17_what_nobody_asked_for_and_heads_that_lie_change_nothing() -> None:
    books = Books()
    books.takes(A, 3 * FIRST)
    books.accountant.balances({A: 0, B: 0}, books.head(1), books.now)
    books.look(answers=False)
    books.accountant.balances({A: 0}, Head(1, int(EPOCH + books.now) + 10**6, bytes(32)), books.now)
    books.look(answers=False)
    assert not books.refused(A)
    assert not books.refused(B)


def test_17_many_debtors_make_us_ask_no_more_often_and_each_has_its_turn() -> None:
    books = Books()
    many = 3 * LOOKED_AT
    for number in range(1, many + 1):
        books.takes(number.to_bytes(20, "big"), 2 * FIRST)
    for count in range(1, 4):
        books.look()
        assert len(books.asked) == count * LOOKED_AT
    assert len(set(books.asked)) == many
    books.now -= 10 * MINUTE - LOOK_EVERY / 2  # The next search, half a minute after the last one.
    books.look()
    assert len(books.asked) == 3 * LOOKED_AT


def test_17_the_debtor_is_told_to_fund_its_wallet() -> None:
    books = Books()
    books.tokens[A] = 2 * FIRST
    books.takes(A, 3 * FIRST)
    books.look()
    books.look()
    debt = books.debt(A)
    assert debt == Debt(3 * FIRST, debt.since, 2 * FIRST, 2 * FIRST, 2 * FIRST)
    assert debt_of(encode_ending(Close.DELINQUENT, "", debt)) == debt
    assert "saw 0.02 MASQ in the wallet: fund it" in words_of(debt)
    for funds in ("-1", "x", 5, "1" * 79):
        told = encode_ending(Close.DELINQUENT, "", debt)
        told["debt"]["funds"] = funds
        assert debt_of(told) == debt._replace(funds=None)


def test_17_the_bound_for_all_strangers_together_stays() -> None:
    books = Books()
    for number in range(1, 60):
        wallet = number.to_bytes(20, "big")
        books.tokens[wallet] = 100 * MASQ
        books.takes(wallet, DEFAULT_THRESHOLDS.permanent)
    books.look()
    books.look()
    assert books.refused((1).to_bytes(20, "big"))
    assert books.debt((1).to_bytes(20, "big")).funds is None
