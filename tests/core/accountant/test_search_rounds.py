"""Income through providers that lag, limit and replace blocks, and Nodes that restart (accounting.md 4.6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from masq.chain.erc20 import Transfer
from masq.chain.head import Head
from masq.core.accountant.accountant import Accountant, AccountantConfig
from masq.core.accountant.effects import AccountantEffect, AskTransfers, Save, Scan
from masq.core.accountant.search import OVERLAP, REMEMBERED_BLOCKS
from masq.sim.memory import Memory
from masq.types import Address

DEBTOR, OTHER = b"d" * 20, b"o" * 20


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
            return self.books.transfers(ask, [], None, self.newest(head), self.now)
        last = head if ask.most is None else min(head, first + ask.most - 1)
        if self.limit is not None and last - first + 1 > self.limit:
            return self.books.failed(Scan.RECEIVABLES, "the range is too large", self.now, self.limit)
        found = [
            Transfer(block, index, transaction.to_bytes(32, "big"), sender, wei)
            for transaction, block in blocks.items()
            for index, (sender, wei) in enumerate(self.paid[transaction])
            if first <= block <= last
        ]
        return self.books.transfers(ask, found, last, self.newest(head), self.now)

    def newest(self, number: int) -> Head:
        return Head(number, int(1e9 + self.now), bytes(32))

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
        income = self.books._earning.income
        assert income.first is not None
        assert income.next is not None
        assert income.next - REMEMBERED_BLOCKS <= income.first <= income.next

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
