"""Income is found and credited once, whatever servers stand behind the provider's URL (accounting.md 4.6)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from masq.chain.erc20 import Transfer
from masq.core.accountant.accountant import Accountant, AccountantConfig, Scan
from masq.core.accountant.effects import AccountantEffect, AskTransfers, Save
from masq.core.accountant.income import MOST_REMEMBERED, OVERLAP, REMEMBERED_BLOCKS, Income
from masq.sim.memory import Memory
from masq.types import Address

DEBTOR, OTHER = b"d" * 20, b"o" * 20


def transfer(block: int, hash: bytes = b"h", index: int = 0, amount: int = 5, sender: Address = DEBTOR) -> Transfer:
    return Transfer(block, index, hash * 32, sender, amount)


def test_what_a_server_that_is_behind_left_out_is_found_the_next_time() -> None:
    income = Income(50)
    assert income.take([], 100, False) == [], "the head is 100, but the logs are those of a server at 90"
    assert income.first == 101 - OVERLAP <= 95
    late = transfer(95)
    assert income.take([late], 110, False) == [(DEBTOR, 5)]
    assert income.take([late], 110, False) == []


def test_a_transfer_whose_block_is_replaced_counts_once() -> None:
    income = Income(1)
    assert income.take([transfer(40, index=7)], 40, False)
    for head in range(41, 150, 7):
        assert not income.take([transfer(43, index=2)], head, False)


def test_a_transaction_that_waits_to_be_mined_again_counts_once() -> None:
    income = Income(1)
    assert income.take([transfer(98)], 100, False)
    for head in range(400, REMEMBERED_BLOCKS, 300):
        assert not income.take([], head, False)
    income = Income(income.next, income.known)
    assert not income.take([transfer(REMEMBERED_BLOCKS)], REMEMBERED_BLOCKS, False)


def test_all_transfers_of_one_transaction_count() -> None:
    logs = [transfer(3, index=1), transfer(3, index=2), transfer(3, index=3, sender=OTHER)]
    income = Income(1)
    assert income.take([*logs, logs[0]], 5, False) == [(DEBTOR, 10), (OTHER, 5)]
    assert income.take(logs, 6, False) == []


def test_what_an_answer_left_out_of_a_transaction_counts_later() -> None:
    income = Income(1)
    assert income.take([transfer(3, index=1)], 5, False) == [(DEBTOR, 5)]
    assert income.take([transfer(3, index=1), transfer(3, index=2)], 6, False) == [(DEBTOR, 5)]


def test_a_transaction_that_an_answer_shows_in_two_blocks_counts_once() -> None:
    assert Income(1).take([transfer(3, index=1), transfer(4, index=2)], 5, False) == [(DEBTOR, 5)]


def test_of_a_transaction_that_pays_another_amount_in_another_block_the_most_counts() -> None:
    income = Income(1)
    assert income.take([transfer(3, amount=5)], 5, False) == [(DEBTOR, 5)]
    assert income.take([transfer(4, amount=7)], 6, False) == [(DEBTOR, 2)]
    assert income.take([transfer(5, amount=4)], 7, False) == []
    assert income.take([transfer(6, amount=7)], 8, False) == []


def test_what_was_not_asked_for_is_left_out() -> None:
    income = Income(10)
    assert income.take([transfer(9), transfer(21)], 20, False) == []
    assert income.next == 21


def test_a_transfer_of_nothing_leaves_no_trace() -> None:
    income = Income(10)
    assert income.take([transfer(15, amount=0)], 20, False) == []
    assert json.loads(income.known)["credited"] == []


def test_a_book_that_is_new_begins_with_the_head() -> None:
    income = Income(None)
    before = income.first
    assert before is None
    assert income.take([transfer(99, b"a"), transfer(100, b"b")], 100, False) == [(DEBTOR, 5)]
    assert (income.first, income.next) == (100, 101)
    assert Income(income.next, income.known).first == 100, "what was there before it isn't income of this book"


# --- What was saved


def test_what_was_credited_is_remembered_over_a_restart() -> None:
    income = Income(1)
    assert income.take([transfer(95, amount=2**200)], 100, False)
    again = Income(income.next, income.known)
    assert (again.first, again.next) == (income.first, income.next)
    assert again.take([transfer(99, amount=2**200)], 100, False) == []


def test_a_book_without_knowledge_of_the_last_blocks_doesn_t_search_them() -> None:
    income = Income(50, None)
    assert income.first == 50
    income.take([], 60, False)
    assert income.first == 50
    assert Income(income.next, income.known).first == 50


def test_blocks_that_an_older_program_searched_meanwhile_are_left_alone() -> None:
    income = Income(1)
    income.take([transfer(95)], 100, False)
    again = Income(500, income.known)
    assert again.first == 500, "nobody wrote down what was credited from 101 to 499"
    assert again.take([transfer(501)], 510, False) == [], "but what was written down still counts once"


@pytest.mark.parametrize(
    "known",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        "{}",
        '{"next": 50, "floor": null, "credited": []}',
        '{"next": 50, "floor": 1e999, "credited": []}',
        '{"next": 50, "floor": 20}',
        '{"next": 50, "floor": 20, "credited": [5]}',
        '{"next": 50, "floor": 20, "credited": [["zz", "", 1, 1]]}',
        '{"next": 50, "floor": 20, "credited": [["", "", 1, []]]}',
        '{"next": 50, "floor": 20, "credited": [["", 1, 1]]}',
        '{"next": 50, "floor": 99, "credited": []}',
    ],
)
def test_knowledge_that_makes_no_sense_is_as_good_as_none(known: str) -> None:
    income = Income(50, known)
    assert (income.first, income.next) == (50, 50)
    assert income.take([transfer(55)], 60, False) == [(DEBTOR, 5)]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["next", "floor", "credited"]), inner),
    max_leaves=12,
)


@given(next=st.integers(0, 100), known=st.text(max_size=20) | _JSON.map(json.dumps))
def test_no_knowledge_ends_the_program(next: int, known: str) -> None:
    income = Income(next, known)
    assert income.first is not None
    assert max(0, next - OVERLAP) <= income.first <= next
    income.take([transfer(next)], next, False)
    assert Income(income.next, income.known).known == income.known


def test_strangers_dust_makes_us_keep_no_more_than_so_much() -> None:
    income, credited = Income(1), 0
    for round in range(4):
        dust = [
            Transfer(block, 0, (round * 5_000 + block * 100 + number).to_bytes(32, "big"), DEBTOR, 1)
            for block in range(50)
            for number in range(100)
        ]
        credited += sum(wei for _, wei in income.take(dust, 50, False))
        credited += sum(wei for _, wei in income.take(dust, 50, False))
        assert len(json.loads(income.known)["credited"]) <= MOST_REMEMBERED
    assert income.first is not None
    assert credited <= 20_000, "what was forgotten isn't searched again"
    assert income.first > 51 - OVERLAP
    assert income.take([transfer(60)], 60, False) == [(DEBTOR, 5)]


def test_what_is_long_past_is_forgotten() -> None:
    income = Income(1)
    income.take([transfer(5)], 10, False)
    income.take([], 10 + REMEMBERED_BLOCKS, False)
    assert json.loads(income.known)["credited"] == []


# --- Where the next search begins


@pytest.mark.parametrize("most", [1, 2, 3, 4, 7, 30, 40, 100])
def test_a_search_that_goes_by_steps_comes_to_the_head_and_leaves_no_block_out(most: int) -> None:
    chain = [Transfer(block, 0, block.to_bytes(32, "big"), DEBTOR, block) for block in range(10, 1_000, 4)]
    income, credited, searches, last = Income(1), 0, 0, 0
    while last < 1_000:
        assert income.first is not None
        first, last = income.first, min(1_000, income.first + most - 1)
        new = income.take([t for t in chain if first <= t.block <= last], last, last < 1_000)
        credited += sum(wei for _, wei in new)
        searches += 1
    assert credited == sum(t.amount for t in chain)
    assert searches <= 4 / 3 * 1_000 / most + 2
    assert income.first == 1_001 - OVERLAP


def test_a_chain_that_goes_backwards_is_searched_from_where_its_last_blocks_were() -> None:
    income = Income(1)
    income.take([transfer(99)], 100, False)
    assert income.take([transfer(90), transfer(91, b"n")], 95, False) == [(DEBTOR, 5)]
    assert (income.first, income.next) == (101 - OVERLAP, 101)
    income.begin_again()
    assert (income.first, income.next) == (101 - OVERLAP, 101), "blocks before those are never searched again"


def test_a_limit_of_one_block_doesn_t_keep_the_last_blocks_from_being_searched_again() -> None:
    income = Income(1)
    income.take([], 1, True)
    assert income.first == 2
    income.begin_again()  # Block 2 isn't there yet.
    assert income.first == 1


@pytest.mark.parametrize(
    ("most", "overlap"), [(1, 0), (3, 0), (4, 1), (40, 10), (4 * OVERLAP, OVERLAP), (500, OVERLAP)]
)
def test_a_search_that_was_cut_short_is_continued_a_little_before_its_end(most: int, overlap: int) -> None:
    income = Income(1)
    income.take([], most, True)
    assert income.first == most + 1 - overlap


# --- Whatever happens, each transfer is credited once


@given(limit=st.none() | st.integers(1, 5 * OVERLAP), random=st.randoms(use_true_random=True))
def test_servers_that_are_behind_by_no_more_than_the_overlap_hide_no_block(limit: int | None, random: Random) -> None:
    """Each block has a payment of 1 wei. Between two searches the chain grows by any number of blocks."""
    lag = OVERLAP if limit is None else min(OVERLAP, limit // 4)
    head, income, credited = 1_000, Income(1_001), 0
    for _ in range(60):
        head += random.choice([0, 1, lag, OVERLAP, OVERLAP + 1, random.randrange(2 * OVERLAP)])
        named, shown = (max(1_000, head - random.choice([0, lag, random.randint(0, lag)])) for _ in "ns")
        first = income.first
        assert first is not None
        if first > named:
            income.begin_again()
            continue
        last = named if limit is None else min(named, first + limit - 1)
        found = [
            Transfer(block, 0, block.to_bytes(32, "big"), DEBTOR, 1) for block in range(first, min(last, shown) + 1)
        ]
        credited += sum(wei for _, wei in income.take(found, last, limit is not None and last - first + 1 >= limit))
        if random.random() < 0.1:
            income = Income(income.next, income.known)
    found = [Transfer(block, 0, block.to_bytes(32, "big"), DEBTOR, 1) for block in range(income.first or 0, head + 1)]
    credited += sum(wei for _, wei in income.take(found, head, False))
    assert credited == head - 1_000


class Provider(RuleBasedStateMachine):
    """A chain whose last blocks may be replaced, shown by servers that lag, with a limit; and a Node that restarts.

    One server names the head and another shows the logs, each from a view of the chain that may be old.
    """

    LAG: int
    """Blocks that a server may be behind."""
    DEPTH: int
    """Blocks that may be replaced."""
    LIMITS: Sequence[int | None]
    """How many blocks the provider searches at once."""
    SENDERS = (DEBTOR, OTHER)

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.head = 100
        self.paid: list[list[tuple[Address, int]]] = []
        """The logs of each transaction."""
        self.blocks: dict[int, int] = {}
        """By transaction; what is in none waits to be mined again."""
        self.views: list[tuple[int, dict[int, int]]] = [(self.head, {})]
        self.limit: int | None = None
        self.memory = Memory()
        self.start()
        self.a_round()

    # --- the chain

    def mine(self, blocks: int) -> None:
        self.head += blocks

    def show(self) -> None:
        self.views = [view for view in self.views if view[0] >= self.head - self.LAG]
        self.views.append((self.head, dict(self.blocks)))

    def pay_in(self, block: int, logs: list[tuple[Address, int]]) -> None:
        self.blocks[len(self.paid)] = block
        self.paid.append(logs)

    @rule(
        blocks=st.integers(1, 60),
        back=st.integers(0, 5),
        logs=st.lists(st.tuples(st.sampled_from(SENDERS), st.integers(1, 5)), min_size=1, max_size=3),
    )
    def pay(self, blocks: int, back: int, logs: list[tuple[Address, int]]) -> None:
        self.mine(blocks)
        self.pay_in(self.head - min(back, blocks - 1), logs)
        self.show()

    @rule(blocks=st.integers(1, 60))
    def pay_in_each(self, blocks: int) -> None:
        """Of the latest blocks, each has a payment and may be a server's head: one that is left out is missed."""
        latest = min(blocks, self.LAG + 1)
        self.mine(blocks - latest)
        for _ in range(latest):
            self.mine(1)
            self.pay_in(self.head, [(DEBTOR, 1)])
            self.show()

    @rule(shifts=st.lists(st.none() | st.integers(-5, 5), min_size=1, max_size=4))
    def replace(self, shifts: list[int | None]) -> None:
        """A longer chain takes over: what its predecessor's last blocks had is elsewhere in them, or nowhere yet."""
        self.mine(1)
        lowest = max(101, self.head - self.DEPTH)
        for number, (transaction, block) in enumerate(list(self.blocks.items())):
            if block >= lowest:
                shift = shifts[number % len(shifts)]
                if shift is None:
                    del self.blocks[transaction]
                else:
                    self.blocks[transaction] = min(max(block + shift, lowest), self.head)
        self.show()

    @rule()
    def mine_what_waits(self) -> None:
        self.mine(1)
        for transaction in range(len(self.paid)):
            self.blocks.setdefault(transaction, self.head)
        self.show()

    @rule(data=st.data())
    def set_limit(self, data: st.DataObject) -> None:
        self.limit = data.draw(st.sampled_from(self.LIMITS))

    # --- the Node

    def start(self) -> None:
        config = AccountantConfig(
            earning_wallet=b"e" * 20,
            consuming_wallet=None,
        )
        self.books = Accountant(config, self.memory.state(), 1e9)

    @rule()
    def restart(self) -> None:
        self.start()

    def carry(self, effects: Iterable[AccountantEffect], named: int = -1, shown: int = -1) -> None:
        """Answer, from these of the views."""
        for effect in effects:
            match effect:
                case Save():
                    self.memory.save(effect)
                case AskTransfers():
                    self.carry(self.answer(effect, named, shown))
                case _:
                    pass

    def answer(self, ask: AskTransfers, named: int, shown: int) -> list[AccountantEffect]:
        head = self.views[named % len(self.views)][0]
        blocks = self.views[shown % len(self.views)][1]
        first = head if ask.first is None else ask.first
        if first > head:
            return self.books.transfers([], None, self.now)
        last = head if ask.most is None else min(head, first + ask.most - 1)
        if self.limit is not None and last - first + 1 > self.limit:
            return self.books.failed(Scan.RECEIVABLES, "the range is too large", self.now, self.limit)
        found = [
            Transfer(block, index, transaction.to_bytes(32, "big"), sender, wei)
            for transaction, block in blocks.items()
            for index, (sender, wei) in enumerate(self.paid[transaction])
            if first <= block <= last
        ]
        return self.books.transfers(found, last, self.now)

    def a_round(self, views: Sequence[tuple[int, int]] = ((-1, -1),), payments: int = 0) -> None:
        """What the Accountant does at an interval, with all that it doesn't want to wait for the next one with."""
        self.now += 600.0
        effects = self.books.start_scans(self.now)
        for number in range(10_000):
            self.carry(effects, *views[number % len(views)])
            if payments:
                payments -= 1
                self.pay(1, 0, [(DEBTOR, 1)])
            if self.books.next_wake() > self.now + 10.0:
                return
            self.now = self.books.next_wake()
            effects = self.books.tick(self.now)
        raise AssertionError("it never comes to an end")

    # --- the laws

    def credited(self) -> dict[Address, int]:
        return {sender: -self.books.owed_by(sender) for sender in self.SENDERS}

    def total(self) -> Counter[Address]:
        total: Counter[Address] = Counter(dict.fromkeys(self.SENDERS, 0))
        for logs in self.paid:
            for sender, wei in logs:
                total[sender] += wei
        return total

    @invariant()
    def nothing_is_credited_twice(self) -> None:
        assert all(wei <= self.total()[sender] for sender, wei in self.credited().items())
        assert all(-entry.wei == self.credited()[wallet] for (_, wallet), entry in self.memory.entries.items())

    @invariant()
    def the_next_search_begins_with_the_last_blocks_at_the_earliest(self) -> None:
        first, next = self.books._income.first, self.books._income.next
        assert first is not None
        assert next is not None
        assert next - OVERLAP <= first <= next

    def teardown(self) -> None:
        """When the servers agree, all is found."""
        self.mine_what_waits()
        self.views = self.views[-1:]
        self.a_round()
        assert self.credited() == self.total()


class WholeRounds(Provider):
    """All that is asked at an interval is answered, while the chain grows by a few blocks: any limit does."""

    LAG, DEPTH, GROWTH = 15, 5, 10
    LIMITS = (None, 1, 2, 3, 4, 7, 30, 40, 100)

    @rule(
        views=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=7),
        payments=st.integers(0, GROWTH),
    )
    def scan(self, views: list[tuple[int, int]], payments: int) -> None:
        self.a_round(views, payments)


class BrokenRounds(Provider):
    """Between any two questions anything may happen: then a limit makes less of the lag bearable."""

    @rule(named=st.integers(0, 30), shown=st.integers(0, 30), times=st.integers(1, 5))
    def scan(self, named: int, shown: int, times: int) -> None:
        for _ in range(times):
            self.carry(self.books.scan(Scan.RECEIVABLES, self.now), named, shown)

    @rule()
    @precondition(lambda self: self.limit is None)
    def fail(self) -> None:
        self.books.scan(Scan.RECEIVABLES, self.now)
        self.books.failed(Scan.RECEIVABLES, "too many requests", self.now)


class LargeLimits(BrokenRounds):
    LAG, DEPTH = 20, 10
    LIMITS = (None, 4 * OVERLAP, 500)


class SmallLimits(BrokenRounds):
    LAG, DEPTH = 4, 2
    LIMITS = (None, 24, 40, 4 * OVERLAP)


SETTINGS = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestWholeRounds, TestLargeLimits, TestSmallLimits = WholeRounds.TestCase, LargeLimits.TestCase, SmallLimits.TestCase
TestWholeRounds.settings = TestLargeLimits.settings = TestSmallLimits.settings = SETTINGS
