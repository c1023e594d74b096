"""Payments through a chain that loses, delays, hides, reverts, displaces, replaces and lies, and a Node that dies.

Whatever happens, no creditor gets more than he is owed, and in the end each gets all of it (accounting.md 2.6).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Final

import pytest
from tests.money import CREDITORS, EPOCH, PAYER, QUICK, TOKENS, many_signer, signer

from masq.chain.erc20 import Transfer
from masq.chain.head import Head, Prices
from masq.chain.receipt import Receipt
from masq.core.accountant.accountant import Accountant, AccountantConfig
from masq.core.accountant.effects import (
    AccountantEffect,
    AskReceipts,
    AskTerms,
    AskTransfers,
    AskUse,
    Payment,
    Question,
    Save,
    Scan,
    SendPayments,
    State,
    Variant,
    Way,
)
from masq.core.accountant.payments import BOOKED, ENDS, TRANSITIONS, UNDER_WAY, Look, Seen, after
from masq.core.accountant.signing import Many
from masq.core.accountant.terms import Terms
from masq.keccak import keccak256
from masq.sim.memory import Memory
from masq.types import DEFAULT_RATE_PACK, Address

LATE = 90.0
"""Seconds after which the driver gives up on an answer; the Accountant gives up on the scan after that."""
CONFIRMATIONS = 2
WALLET = PAYER.address


@dataclass(frozen=True, slots=True)
class Mined:
    """What a block holds: one transaction."""

    hash: bytes
    nonce: int
    payment: Payment | None
    """None: another program's."""
    reverts: bool
    failing: frozenset[Address] = frozenset()
    """Creditors whose part of a payment to several reverts."""

    @property
    def moved(self) -> list[tuple[Address, int]]:
        """Who got how much."""
        if self.payment is None or self.reverts:
            return []
        parts = self.payment.parts or self.payment.made_to
        return [(to, wei) for to, wei, _ in parts if not self.payment.parts or to not in self.failing]


@dataclass(slots=True)
class Pool:
    """A chain whose transactions wait until somebody mines them, in the order of nonces."""

    now: float = 0.0
    blocks: list[Mined | None] = field(default_factory=list)
    waiting: dict[int, tuple[Payment, Variant]] = field(default_factory=dict)
    hidden: set[bytes] = field(default_factory=set)
    """Hashes whose receipts aren't shown."""
    half_blind: bool = False
    """Whether receipts are shown without their logs."""
    failing: frozenset[Address] = frozenset()
    """Creditors whom the contract can't pay now."""
    forks: int = 0

    @property
    def head(self) -> Head:
        name = keccak256(b"%d %d" % (len(self.blocks), self.forks))
        return Head(len(self.blocks), int(EPOCH + self.now), name, 10**9)

    @property
    def mined(self) -> list[tuple[int, Mined]]:
        return [(number, each) for number, each in enumerate(self.blocks, 1) if each is not None]

    @property
    def nonce(self) -> int:
        return len(self.mined)

    @property
    def pending_nonce(self) -> int:
        return next(nonce for nonce in count(self.nonce) if nonce not in self.waiting)

    @property
    def paid(self) -> dict[Address, int]:
        paid: dict[Address, int] = {}
        for _, each in self.mined:
            for creditor, wei in each.moved:
                paid[creditor] = paid.get(creditor, 0) + wei
        return paid

    def take(self, payment: Payment, variant: Variant) -> str | None:
        if any(each.hash == variant.hash for _, each in self.mined):
            return "already known"
        if payment.nonce < self.nonce:
            return "nonce too low"
        if payment.nonce in self.waiting:
            _, present = self.waiting[payment.nonce]
            if present.hash == variant.hash:
                return "already known"
            if variant.most < present.most * 9 // 8:
                return "replacement transaction underpriced"
        self.waiting[payment.nonce] = payment, variant
        return None

    def mine(self, reverts: bool, hides: bool, base_fee: int) -> None:
        found = self.waiting.get(self.nonce)
        if found is None or found[1].most < base_fee:
            self.blocks.append(None)
            return
        payment, variant = self.waiting.pop(self.nonce)
        if hides:
            self.hidden.add(variant.hash)
        self.blocks.append(Mined(variant.hash, payment.nonce, payment, reverts, self.failing))

    def displace(self) -> None:
        """Another program with the same key uses the next nonce."""
        nonce = self.nonce
        self.waiting.pop(nonce, None)
        self.blocks.append(Mined(keccak256(b"other %d %d" % (nonce, self.forks)), nonce, None, False))

    def reorganise(self, depth: int, forgets: bool) -> None:
        """The last blocks are replaced by empty ones; what was in them waits again, or is forgotten."""
        gone = [each for each in self.blocks[-depth:] if each is not None]
        if any(each.payment is None for each in gone):
            return  # The other program's transaction would be sent again by that one.
        self.forks += 1
        self.blocks[-depth:] = [None] * min(depth, len(self.blocks))
        for each in gone:
            if each.payment is not None and not forgets and each.nonce not in self.waiting:
                variant = next(one for one in each.payment.variants if one.hash == each.hash)
                self.waiting[each.nonce] = each.payment, variant

    def receipt(self, hash: bytes) -> Receipt | None:
        for number, each in self.mined:
            if each.hash == hash and hash not in self.hidden:
                receipt = Receipt(hash, number, not each.reverts)
                if each.payment is None or each.reverts or self.half_blind:
                    return receipt
                paid = frozenset((WALLET, to, wei) for to, wei in each.moved)
                told = {(WALLET, to, wei) for to, wei, _ in each.payment.parts}
                return replace(receipt, paid=paid, unpaid=frozenset(told - paid))
        return None

    def transfers(self, first: int, last: int) -> list[Transfer]:
        return [
            Transfer(number, index, each.hash, WALLET, wei, to)
            for number, each in self.mined
            if first <= number <= last
            for index, (to, wei) in enumerate(each.moved)
        ]


class Payments:
    """Effects wait in `outbox`; the Node may die before each. Answers under way may come in any order, or never."""

    def __init__(self, together: bool = False) -> None:
        """`together`: a contract pays several creditors at once."""
        self.many = Many(many_signer(), b"D" * 20 if together else None)
        self.together = 0
        """Payments to several that the chain has taken."""
        self.pool = Pool()
        self.memory = Memory()
        self.older: Memory | None = None
        self.rolled_back = self.replaced = False
        self.outbox: list[AccountantEffect] = []
        self.asked: list[tuple[float, Question]] = []
        self.charged = dict.fromkeys(CREDITORS, 0)
        self.sizes = self._sizes()
        self.base_fee = 10**9
        self.lie: Prices | None = None
        self.allowance: int | str | None = TOKENS if together else None

    def _sizes(self) -> Iterator[int]:
        """No two charges are equal, so no two payments are."""
        yield from count(100_000)

    def start(self) -> None:
        config = AccountantConfig(
            earning_wallet=b"e" * 20,
            consuming_wallet=WALLET,
            sign=signer(),
            thresholds=QUICK,
            intervals=dict.fromkeys(Scan, 10.0),
            confirmations=CONFIRMATIONS,
            many=self.many,
        )
        self.books = Accountant(config, self.memory.state(), EPOCH)
        self.outbox.clear()
        self.asked.clear()
        if "outgo_block" not in self.memory.config:
            self.scan(Scan.RECEIVABLES, 99, 0)

    # --- what the Node does ---

    def charge(self, creditor: Address) -> None:
        wei = DEFAULT_RATE_PACK.exit_charge(next(self.sizes))
        self.books.charge(True, creditor, wei, self.pool.now)
        self.charged[creditor] += wei
        # A second of charges may be lost with the Node. This is about payments, so here none is.
        self.outbox += self.books.flush()
        for save in [each for each in self.outbox if isinstance(each, Save)]:
            self.memory.save(save)
        self.outbox = [each for each in self.outbox if not isinstance(each, Save)]

    def scan(self, scan: Scan, steps: int, behind: int) -> None:
        """A scan that goes well for so many steps. What is left may happen later."""
        self.outbox += self.books.scan(scan, self.pool.now)
        for _ in range(steps):
            if self.outbox:
                self.perform("taken")
            elif self.asked:
                self.hear(0, False, behind)

    def owe_and_pay(self, creditor: Address, steps: int) -> None:
        """What mostly happens, so that what seldom does has something to happen to."""
        self.charge(creditor)
        self.wait(6.0)
        self.scan(Scan.PAYABLES, steps, 0)

    def owe_all_and_pay(self, steps: int) -> None:
        for creditor in CREDITORS:
            self.charge(creditor)
        self.wait(6.0)
        self.scan(Scan.PAYABLES, steps, 0)

    def mine_and_look(self, hides: bool) -> None:
        for _ in range(3):
            self.pool.mine(False, hides, self.base_fee)
        self.wait(60.0)
        self.scan(Scan.PENDING_PAYABLES, 99, 0)

    def perform(self, fate: str) -> None:
        """The next effect leaves the Node."""
        if not self.outbox:
            return
        effect = self.outbox.pop(0)
        if isinstance(effect, Save):
            self.memory.save(effect)
            return
        if isinstance(effect, SendPayments):
            for payment in effect.payments:
                saved = self.memory.payments[payment.hash]
                assert payment.latest in saved.variants, "written before it moves"
            if fate != "lost":
                for payment in effect.payments:
                    self.pool.take(payment, payment.latest)
                    self.together += bool(payment.parts)
            if fate != "taken":
                return
        if isinstance(effect, AskTerms | AskReceipts | AskTransfers | AskUse | SendPayments):
            self.asked.append((self.pool.now, effect))

    def hear(self, which: int, lost: bool, behind: int) -> None:
        """`behind`: so many transactions the provider doesn't count; below zero, it makes some up."""
        if not self.asked:
            return
        since, effect = self.asked.pop(which % len(self.asked))
        pool, now = self.pool, self.pool.now
        prices = self.lie or Prices(2 * self.base_fee, 10**8)
        head = Head(pool.head.number, pool.head.time, pool.head.hash, 0 if self.lie else self.base_fee)
        if lost or now - since > LATE:
            scan = {AskTerms: Scan.PAYABLES, AskReceipts: Scan.PENDING_PAYABLES}.get(type(effect))
            scan = effect.scan if isinstance(effect, AskTransfers) else scan
            self.outbox += self.books.failed(scan, "no answer", now)
            return
        match effect:
            case AskTerms():
                tokens = TOKENS - sum(pool.paid.values())
                pending = max(0, pool.pending_nonce - behind)
                terms = Terms(head, prices, 10**20, tokens, max(0, pool.nonce - max(0, behind)), pending)
                self.outbox += self.books.terms(replace(terms, allowance=self.allowance), now)
            case AskReceipts(hashes):
                nonces = {WALLET: (pool.nonce, pool.pending_nonce)}
                found = {hash: pool.receipt(hash) for hash in hashes}
                self.outbox += self.books.receipts(Look(head, prices, found, nonces), now)
            case AskTransfers(_, way, first, _):
                begin = head.number if first is None else first
                logs = pool.transfers(begin, head.number) if way is Way.OUT else []
                known = head.number if begin <= head.number else None
                self.outbox += self.books.transfers(effect, logs, known, head, now)
            case AskUse(payment, _, nonce):
                users = [(each.hash, number) for number, each in pool.mined if each.nonce == nonce]
                user, block = users[0] if users and behind >= 0 else (None, 0)
                self.outbox += self.books.used(payment, user, block, head.number, now)
            case SendPayments(payments):
                self.outbox += self.books.sent([None] * len(payments), payments, now)
            case _:
                raise AssertionError(f"nobody was asked: {effect}")

    def copy_the_books(self) -> None:
        self.older = copy.deepcopy(self.memory)

    def put_the_copy_back(self) -> None:
        if self.older is None:
            return
        self.memory = copy.deepcopy(self.older)
        self.pool.waiting = {
            nonce: each for nonce, each in self.pool.waiting.items() if nonce < self.pool.pending_nonce
        }
        self.rolled_back = True
        self.start()

    # --- what the world does ---

    def reorganise(self, depth: int, forgets: bool) -> None:
        self.replaced = True
        # Books that were rolled back know nothing of what waits above a gap in the nonces, and nobody tells them.
        forgets = forgets and not self.rolled_back
        self.pool.reorganise(depth, forgets)

    def prices_change(self, base_fee: int) -> None:
        self.base_fee = base_fee

    def allow(self, allowance: int | str) -> None:
        if self.many.contract is not None:
            self.allowance = allowance

    def some_can_t_be_paid(self, failing: Iterable[Address]) -> None:
        self.pool.failing = frozenset(failing)

    def logs_are_left_out(self, half_blind: bool) -> None:
        self.pool.half_blind = half_blind

    def prices_are_made_up(self, lie: Prices | None) -> None:
        self.lie = lie

    def wait(self, seconds: float) -> None:
        self.pool.now += seconds
        self.outbox += self.books.tick(self.pool.now)

    # --- what always holds ---

    def nobody_is_paid_twice(self) -> None:
        for creditor, charged in self.charged.items():
            assert self.pool.paid.get(creditor, 0) <= charged

    def nothing_is_forgotten(self) -> None:
        if self.rolled_back or self.replaced:
            return
        for creditor, charged in self.charged.items():
            entry = self.memory.entries.get((True, creditor))
            owed = entry.wei if entry else 0
            # Until a confirmed payment is written down, the debt is owed in the books and paid on the chain.
            assert owed + self.pool.paid.get(creditor, 0) >= charged
            assert owed >= 0

    def all_is_well(self) -> None:
        """When the world is kind again, all is paid, and the books say so."""
        self.pool.hidden.clear()
        self.pool.half_blind, self.pool.failing = False, frozenset()
        self.lie, self.base_fee = None, 10**9
        for _ in range(60):
            self.wait(700.0)
            for scan in (Scan.PENDING_PAYABLES, Scan.RECEIVABLES, Scan.PAYABLES):
                self.scan(scan, 99, 0)
            for _ in range(8):
                self.pool.mine(False, False, self.base_fee)
            self.nobody_is_paid_twice()
        # After a copy was put back, dust may be left: charges that the copy didn't know were paid already.
        assert all(entry.wei <= QUICK.permanent for entry in self.memory.entries.values() if entry.payable)
        assert not [each for each in self.memory.payments.values() if each.state in UNDER_WAY]
        if not self.rolled_back:
            assert self.pool.paid == {creditor: wei for creditor, wei in self.charged.items() if wei}
            assert all(entry.wei == 0 for entry in self.memory.entries.values())


ENOUGH: Final[list[int]] = [99, 99, 0, 1, 2, 3, 4, 5, 6]
"""Steps of a scan that follow at once."""
BEHIND: Final[list[int]] = [0, 0, 1, 2, -1, -9]
ALLOWANCES: Final[list[int | str]] = [TOKENS, TOKENS, 0, 10**11, "no contract there"]
LIES: Final[list[Prices | None]] = [None, None, Prices(0), Prices(1), Prices(10**15)]

STEPS: Final[dict[str, tuple[int, Callable[[Payments, Random], None]]]] = {
    "charge": (4, lambda it, random: it.charge(random.choice(CREDITORS))),
    "scan": (3, lambda it, random: it.scan(random.choice(list(Scan)), random.choice(ENOUGH), random.choice(BEHIND))),
    "owe and pay": (6, lambda it, random: it.owe_and_pay(random.choice(CREDITORS), random.choice(ENOUGH))),
    "owe all and pay": (6, lambda it, random: it.owe_all_and_pay(random.choice(ENOUGH))),
    "mine and look": (4, lambda it, random: it.mine_and_look(random.random() < 0.3)),
    "perform": (4, lambda it, random: it.perform(random.choice(["taken", "lost", "taken, answer lost"]))),
    "hear": (2, lambda it, random: it.hear(random.randrange(4), random.random() < 0.5, random.choice(BEHIND))),
    "die": (2, lambda it, random: it.start()),
    "mine": (2, lambda it, random: it.pool.mine(random.random() < 0.3, random.random() < 0.3, it.base_fee)),
    "copy": (1, lambda it, random: it.copy_the_books()),
    "copy back": (1, lambda it, random: it.put_the_copy_back()),
    "displace": (1, lambda it, random: it.pool.displace()),
    "reorganise": (1, lambda it, random: it.reorganise(random.randrange(1, 6), random.random() < 0.5)),
    "forget": (1, lambda it, random: it.pool.waiting.clear()),
    "show": (1, lambda it, random: it.pool.hidden.clear()),
    "prices": (1, lambda it, random: it.prices_change(random.choice([10**9, 5 * 10**9, 10**11]))),
    "lies": (1, lambda it, random: it.prices_are_made_up(random.choice(LIES))),
    "allow": (1, lambda it, random: it.allow(random.choice(ALLOWANCES))),
    "failing": (2, lambda it, random: it.some_can_t_be_paid(random.sample(CREDITORS, random.randrange(3)))),
    "half blind": (1, lambda it, random: it.logs_are_left_out(random.random() < 0.5)),
    "wait": (5, lambda it, random: it.wait(random.choice([1.0, 6.0, 60.0, 700.0]))),
}
"""What may happen, how often, and how."""


def live(seed: int, steps: int = 60) -> Payments:
    """A life of a Node: some kinds of things happen in it, others not, and in the end the world is kind."""
    random = Random(seed)
    it = Payments(together=seed % 3 > 0)
    it.start()
    kinds = random.sample(list(STEPS), random.randrange(len(STEPS) // 2, len(STEPS)))
    for _ in range(steps):
        kind = random.choices(kinds, [STEPS[each][0] for each in kinds])[0]
        STEPS[kind][1](it, random)
        it.nobody_is_paid_twice()
        it.nothing_is_forgotten()
    it.all_is_well()
    return it


@pytest.mark.parametrize("seeds", range(10))
def test_each_debt_is_paid_once_whatever_happens(seeds: int) -> None:
    """A hundred lives; `python -m tests.soak payments` lives longer. A seed alone says what happened."""
    lives = [live(seed) for seed in range(100 * seeds, 100 * seeds + 100)]
    assert sum(len(it.pool.paid) for it in lives) > 100, "there was something to be paid in most of them"
    assert sum(it.together > 0 for it in lives) > 20, "and several at once in many"


# --- the table ---


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("seen", Seen)
def test_any_state_and_anything_that_is_seen(state: State, seen: Seen) -> None:
    """Ends are left by nothing; what is in no block any more is sent again; only another's transaction displaces."""
    then = after(state, seen)
    if state in ENDS:
        assert then is state
    elif seen in (Seen.DEEP, Seen.BURIED):
        assert then in BOOKED
    elif seen in (Seen.FAILED, Seen.OTHER):
        assert then in ENDS - BOOKED
    elif seen is Seen.USED:
        assert then is state, "a nonce that is used says nothing of by what"
    elif seen is Seen.WAITING:
        assert then in (state, State.SENT)
        assert then not in BOOKED
    assert (then is not state) == ((state, seen) in TRANSITIONS and TRANSITIONS[state, seen] is not state)
