"""Payments through a chain that loses, delays, hides, reverts and displaces, and a Node that dies at any moment.

Whatever happens, no creditor gets more than he is owed, and in the end each gets all of it (accounting.md 2.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.charges import consumed

from masq.chain.erc20 import sign_transfer
from masq.chain.receipt import Receipt
from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import Accountant, AccountantConfig, Scan, Terms
from masq.core.accountant.effects import AccountantEffect, AskReceipts, AskTerms, Payment, Save, SendPayments
from masq.core.accountant.thresholds import PaymentThresholds
from masq.sim.memory import Memory
from masq.types import CHAINS, DEFAULT_RATE_PACK, Address

PAYER = Wallet(b"\x01" * 32)
CREDITORS = [bytes((number,)) * 20 for number in (10, 11, 12)]
Answer = Terms | tuple[list[Receipt | None], int, int] | list[str | None] | None
"""Of the chain, to what was asked."""
THRESHOLDS = PaymentThresholds(2, 1, 20, 1, 1, 1)
LATE = 90.0
"""Seconds after which the driver gives up on an answer; the Accountant gives up on the scan after that."""
HIDDEN = 100.0
"""Seconds that a receipt may be missing after its transaction was mined and counted."""


@dataclass(slots=True)
class Pool:
    """A chain whose transactions wait until somebody mines them, in the order of nonces."""

    now: float = 0.0
    next_nonce: int = 0
    head: int = 1
    waiting: dict[bytes, Payment] = field(default_factory=dict)
    mined: dict[bytes, tuple[Receipt, float]] = field(default_factory=dict)
    paid: dict[Address, int] = field(default_factory=dict)

    def take(self, payment: Payment) -> str | None:
        if payment.hash in self.mined or payment.hash in self.waiting:
            return "already known"
        if payment.nonce < self.next_nonce:
            return "nonce too low"
        if any(other.nonce == payment.nonce for other in self.waiting.values()):
            return "replacement transaction underpriced"
        self.waiting[payment.hash] = payment
        return None

    def mine(self, reverts: bool, hidden: float) -> None:
        for payment in list(self.waiting.values()):
            if payment.nonce == self.next_nonce:
                del self.waiting[payment.hash]
                self.next_nonce += 1
                self.head += 1
                self.mined[payment.hash] = Receipt(payment.hash, self.head, not reverts), self.now + hidden
                if not reverts:
                    self.paid[payment.creditor] = self.paid.get(payment.creditor, 0) + payment.wei
                return

    def displace(self) -> None:
        """Another program with the same key uses the next nonce."""
        self.waiting = {hash: p for hash, p in self.waiting.items() if p.nonce != self.next_nonce}
        self.next_nonce += 1
        self.head += 1

    @property
    def pending_nonce(self) -> int:
        nonces = {payment.nonce for payment in self.waiting.values()}
        return next(nonce for nonce in count(self.next_nonce) if nonce not in nonces)

    def receipt(self, hash: bytes) -> Receipt | None:
        receipt, shown = self.mined.get(hash, (None, 0.0))
        return receipt if self.now >= shown else None


class Payments(RuleBasedStateMachine):
    """Effects wait in `outbox`; the Node may die before each. Answers under way may come in any order, or never."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool()
        self.memory = Memory()
        self.outbox: list[AccountantEffect] = []
        self.asked: list[tuple[float, AccountantEffect, Answer]] = []
        self.charged = dict.fromkeys(CREDITORS, 0)
        self.sizes = self._sizes()
        self.start()

    def _sizes(self) -> Iterator[int]:
        """No two charges are equal, so no two payments are."""
        yield from count(100_000)

    def start(self) -> None:
        def sign(nonce: int, gas_price: int, recipient: Address, wei: int) -> SignedTransaction:
            return sign_transfer(
                PAYER, CHAINS["dev"], nonce=nonce, gas_price=gas_price, recipient=recipient, amount=wei
            )

        config = AccountantConfig(
            earning_wallet=b"e" * 20,
            consuming_wallet=PAYER.address,
            sign=sign,
            thresholds=THRESHOLDS,
            intervals=dict.fromkeys(Scan, 10.0),
        )
        self.books = Accountant(config, self.memory.state(), 1e9)
        self.outbox.clear()
        self.asked.clear()

    # --- what the Node does ---

    @rule(creditor=st.sampled_from(CREDITORS))
    def charge(self, creditor: Address) -> None:
        size = next(self.sizes)
        consumed(self.books, (creditor, DEFAULT_RATE_PACK, size), [], 0, self.pool.now)
        self.charged[creditor] += DEFAULT_RATE_PACK.exit_charge(size)
        # A second of charges may be lost with the Node. This is about payments, so here none is.
        for save in self.books.flush():
            assert isinstance(save, Save)
            self.memory.save(save)

    @rule(
        scan=st.sampled_from([Scan.PAYABLES, Scan.PENDING_PAYABLES]),
        steps=st.sampled_from([99, 0, 1, 2, 3, 4, 5]),
        behind=st.sampled_from([0, 0, 1, 2]),
    )
    def scan(self, scan: Scan, steps: int, behind: int) -> None:
        """A scan that goes well for so many steps. What is left may happen later."""
        self.outbox += self.books.scan(scan, self.pool.now)
        for _ in range(steps):
            if self.outbox:
                self.perform("taken", behind)
            elif self.asked:
                self.hear(0, False)

    @precondition(lambda self: self.outbox)
    @rule(fate=st.sampled_from(["taken", "lost", "taken, answer lost"]), behind=st.integers(0, 2))
    def perform(self, fate: str, behind: int) -> None:
        """The next effect leaves the Node. `behind`: so many transactions the provider doesn't count yet."""
        effect = self.outbox.pop(0)
        pool = self.pool
        answer: Answer = None
        match effect:
            case Save():
                self.memory.save(effect)
                return
            case SendPayments(payments):
                for payment in payments:
                    assert self.memory.payments[payment.hash] == payment, "written before it moves"
                if fate != "lost":
                    answer = [pool.take(payment) for payment in payments]
                if fate != "taken":
                    return
            case AskTerms():
                tokens = 10**24 - sum(pool.paid.values())
                answer = Terms(10**9, 10**20, tokens, max(0, pool.pending_nonce - behind))
            case AskReceipts(hashes):
                answer = [pool.receipt(hash) for hash in hashes], pool.head, pool.next_nonce
            case _:
                return
        self.asked.append((pool.now, effect, answer))

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 3), lost=st.booleans())
    def hear(self, which: int, lost: bool) -> None:
        since, effect, answer = self.asked.pop(which % len(self.asked))
        now = self.pool.now
        if lost or now - since > LATE:
            scan = {AskTerms: Scan.PAYABLES, AskReceipts: Scan.PENDING_PAYABLES}.get(type(effect))
            if scan:
                self.outbox += self.books.failed(scan, "no answer", now)
            return
        match effect:
            case AskTerms():
                assert isinstance(answer, Terms)
                self.outbox += self.books.terms(answer, now)
            case AskReceipts():
                assert isinstance(answer, tuple)
                self.outbox += self.books.receipts(*answer, now)
            case SendPayments(payments):
                assert isinstance(answer, list)
                self.outbox += self.books.sent(answer, payments, now)
            case _:
                raise AssertionError(f"nobody was asked: {effect}")

    @rule()
    def die_and_start_again(self) -> None:
        self.start()

    # --- what the world does ---

    @rule(reverts=st.booleans(), hidden=st.floats(0, HIDDEN))
    def mine(self, reverts: bool, hidden: float) -> None:
        self.pool.mine(reverts, hidden)

    @rule()
    def displace(self) -> None:
        self.pool.displace()

    @rule()
    def forget(self) -> None:
        """The provider's memory of what is not mined yet is gone."""
        self.pool.waiting.clear()

    @rule(seconds=st.sampled_from([1.0, 6.0, 60.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.pool.now += seconds
        self.outbox += self.books.tick(self.pool.now)

    # --- what always holds ---

    @invariant()
    def nobody_is_paid_twice(self) -> None:
        for creditor, charged in self.charged.items():
            assert self.pool.paid.get(creditor, 0) <= charged

    @invariant()
    def nothing_is_forgotten(self) -> None:
        for creditor, charged in self.charged.items():
            entry = self.memory.entries.get((True, creditor))
            owed = entry.wei if entry else 0
            # Until a confirmed payment is written down, the debt is owed in the books and paid on the chain.
            assert owed + self.pool.paid.get(creditor, 0) >= charged
            assert owed >= 0

    def teardown(self) -> None:
        """When the world is kind again, all is paid, and the books say so."""
        for _ in range(30):
            self.wait(700.0)
            self.scan(Scan.PENDING_PAYABLES, 99, 0)
            self.scan(Scan.PAYABLES, 99, 0)
            while self.pool.pending_nonce > self.pool.next_nonce:
                self.pool.mine(False, 0.0)
        assert self.pool.paid == {creditor: wei for creditor, wei in self.charged.items() if wei}
        assert all(entry.wei == 0 for entry in self.memory.entries.values())
        assert not self.memory.payments


TestPayments = Payments.TestCase
TestPayments.settings = settings(max_examples=60, stateful_step_count=40)
