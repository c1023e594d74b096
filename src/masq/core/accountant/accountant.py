"""The Accountant: books charges, pays what is due, credits what comes in, bans who doesn't pay (accounting.md 1, 2).

Money is written before it moves: a payment is signed once, saved, and only then sent; whatever is lost, late or said
twice by a provider, the same bytes are sent again until the chain shows what became of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Final

from masq.chain.erc20 import Transfer
from masq.chain.receipt import Receipt
from masq.chain.transaction import SignedTransaction
from masq.core.accountant.budget import Budget
from masq.core.accountant.effects import (
    AccountantEffect,
    AskReceipts,
    AskTerms,
    AskTransfers,
    Notice,
    Payment,
    Save,
    SendPayments,
)
from masq.core.accountant.income import Income
from masq.core.accountant.ledger import Account, BookEntry, Ledger
from masq.core.accountant.strangers import STALE, Strangers
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS, PaymentThresholds
from masq.core.limits import MAX_ACCOUNTS
from masq.core.view import AccountView, BooksView, PaymentView
from masq.types import Address, Wei, address_text

SAVE_EVERY: Final = 1.0
"""Seconds that charges are gathered before they are saved: what a crash can cost."""
SCAN_TIMEOUT: Final = 120.0
"""Seconds after which a scan without an answer counts as failed."""
DOUBT_FOR: Final = 120.0
"""Seconds that a provider has to deny a payment whose nonce is used. Behind one URL are often several servers, of which
one may count a transaction before another shows its receipt; who believes them too soon pays twice."""
RETRY_REVERTED: Final = 600
"""Seconds after which a debt whose payment was reverted is tried again; twice as many after each further time."""
MOST_RETRY: Final = 86_400
MOST_GAS_PRICE: Final = 5_000 * 10**9
"""Wei per gas. Far above what the chains ask for; a provider that names more could spend all coins on one payment."""
MOST_NONCE: Final = 2**48

DUST: Final = 10_000
"""The share of the debt that is never demanded below which an account is dust: a GB or so at the usual price."""

Signer = Callable[[int, int, Address, int], SignedTransaction]
"""Signs a transfer: nonce, gas price, recipient, wei."""


class Scan(StrEnum):
    """The Accountant's regular work on the chain, under the network's names."""

    PENDING_PAYABLES = "pendingpayables"
    PAYABLES = "payables"
    RECEIVABLES = "receivables"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the chain says before a payment: wei per gas, the wallet's coins, tokens and nonces."""

    gas_price: int
    coins: int
    tokens: int
    pending_nonce: int
    gas_per_payment: int = 75_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountantConfig:
    """`sign` is None without a consuming wallet: nothing is paid then."""

    earning_wallet: Address
    consuming_wallet: Address | None
    sign: Signer | None = None
    thresholds: PaymentThresholds = DEFAULT_THRESHOLDS
    intervals: dict[Scan, float] = field(default_factory=lambda: dict.fromkeys(Scan, 600.0))
    most_gas_price: int = MOST_GAS_PRICE
    """Wei per gas beyond which nothing is paid: each chain has its own."""
    confirmations: int = 0
    """Blocks that have to follow the one of a payment before it counts."""
    max_spending: int | None = None
    """Wei that our own user may spend in an hour; None: without bound."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """What the Accountant remembers over a restart."""

    entries: tuple[BookEntry, ...] = ()
    payments: tuple[Payment, ...] = ()
    banned: tuple[Address, ...] = ()
    start_block: int | None = None
    known_income: str | None = None
    """What was credited from the blocks just before that one; None in books of older programs."""
    payers: str | None = None
    """Wallets that have paid; None in books of older programs."""


class Accountant:
    """The state of all money matters. `now` is the Node's steady clock; `epoch` is unix time where that is 0."""

    def __init__(self, config: AccountantConfig, saved: SavedState, epoch: float) -> None:
        self._config = config
        self._epoch = epoch
        self.ledger = Ledger(saved.entries)
        self._payments: dict[Address, Payment] = {payment.creditor: payment for payment in saved.payments}
        self._banned: dict[Address, None] = dict.fromkeys(saved.banned)
        self._own = {config.earning_wallet} | ({config.consuming_wallet} if config.consuming_wallet else set())
        self._income = Income(saved.start_block, saved.known_income)
        self._most_blocks: int | None = None
        self._due: dict[Scan, float] = {}
        self._running: dict[Scan, float] = {}
        self._doubted: dict[bytes, float] = {}
        self._reverted: dict[Address, tuple[int, int]] = {}
        """Creditors whose last payment was reverted: when to try again, and after how many seconds the time after."""
        self._mined = 0
        """One more than the highest nonce of a payment with a receipt: no lower one can be used again."""
        self._strangers = Strangers(config.thresholds, saved.payers, self.ledger.receivables)
        self._strangers.count(int(epoch))
        self._payers_unsaved = saved.payers is None
        self.budget = Budget(config.max_spending)
        self._unsaved_since: float | None = None
        self.paid = self.earned = 0
        """Wei confirmed since the start, out and in."""

    # --- charges: the hot path ---

    def charge(self, payable: bool, wallet: Address, wei: int, now: float) -> list[AccountantEffect]:
        """Book what we owe to a wallet, or it owes us (accounting.md 1.3)."""
        if wallet in self._own:
            return []
        if not self.ledger.book(payable, wallet, wei, int(self._epoch + now)):
            return [Notice("error", f"a charge of {wei} wei for {address_text(wallet)} is absurd and was not booked")]
        if self._unsaved_since is None:
            self._unsaved_since = now
        if payable:
            warning = self.budget.spend(wei, now)
            if warning:
                return [Notice("warning", warning)]
        else:
            self._strangers.charged(wallet, wei)
            if len(self.ledger.receivables) > MAX_ACCOUNTS + MAX_ACCOUNTS // 10:
                return self._forgive(now)
        return []

    def is_delinquent(self, wallet: Address) -> bool:
        """Whether a wallet is refused service until it has paid."""
        # Where income was never looked for, nobody can be told from a payer.
        return wallet in self._banned or (self._income.next is not None and self._strangers.refused(wallet))

    def owed_by(self, wallet: Address) -> int:
        """Wei that a wallet owes us."""
        account = self.ledger.receivables.get(wallet)
        return account.wei if account else 0

    # --- time ---

    def start_scans(self, now: float) -> list[AccountantEffect]:
        """A route exists, so scans begin: now, and then at their intervals."""
        for scan in Scan:
            self._due.setdefault(scan, now)
        return self.tick(now)

    def tick(self, now: float) -> list[AccountantEffect]:
        effects: list[AccountantEffect] = []
        if self._unsaved_since is not None and now - self._unsaved_since >= SAVE_EVERY:
            effects += self.flush()
        for scan, started in list(self._running.items()):
            if now - started > SCAN_TIMEOUT:
                effects += self.failed(scan, "the provider did not answer", now)
        for scan, due in self._due.items():
            if now >= due:
                self._due[scan] = now + self._config.intervals[scan]
                effects += self.scan(scan, now)
        return effects

    def next_wake(self) -> float:
        times = list(self._due.values())
        if self._unsaved_since is not None:
            times.append(self._unsaved_since + SAVE_EVERY)
        times += [started + SCAN_TIMEOUT for started in self._running.values()]
        return min(times, default=float("inf"))

    def flush(self) -> list[AccountantEffect]:
        """Save the charges that were gathered."""
        self._unsaved_since = None
        entries = self.ledger.take_changes()
        return [Save(entries)] if entries else []

    # --- scans ---

    def scan(self, scan: Scan, now: float) -> list[AccountantEffect]:
        """Begin a scan, unless one of its kind is under way or there is nothing to do."""
        if scan in self._running:
            return []
        match scan:
            case Scan.PAYABLES:
                if self._config.sign is None or not self._to_pay(now):
                    return []
                self._running[scan] = now
                return [AskTerms()]
            case Scan.PENDING_PAYABLES:
                if not self._payments:
                    return []
                self._running[scan] = now
                return [AskReceipts(tuple(payment.hash for payment in self._in_order()))]
            case Scan.RECEIVABLES:
                effects = self._judge(now)
                self._running[scan] = now
                return [*effects, AskTransfers(self._income.first, self._most_blocks)]

    def _to_pay(self, now: float) -> list[tuple[Address, int]]:
        """Creditors and what they are owed, oldest debt first."""
        clock = int(self._epoch + now)
        due = [
            (account.since, wallet, account.wei)
            for wallet, account in self.ledger.payables.items()
            if wallet not in self._payments
            and clock >= self._reverted.get(wallet, (0, 0))[0]
            and self._config.thresholds.to_be_paid(account.wei, clock - account.since)
        ]
        return [(wallet, wei) for _, wallet, wei in sorted(due)]

    def terms(self, terms: Terms, now: float) -> list[AccountantEffect]:
        """The chain's answer: sign what can be afforded, save it, send it."""
        if self._running.pop(Scan.PAYABLES, None) is None or self._config.sign is None:
            return []
        if terms.gas_price > self._config.most_gas_price or terms.pending_nonce > MOST_NONCE:
            text = f"a gas price of {terms.gas_price} wei and nonce {terms.pending_nonce}"
            text = f"nothing is paid, as what the provider says can't be right: {text}. If it lasts, use another one"
            return [Notice("warning", text)]
        effects: list[AccountantEffect] = []
        # The lowest that is free: a gap in the nonces would hold up every payment above it.
        taken = {payment.nonce for payment in self._payments.values()}
        nonces = (nonce for nonce in count(max(terms.pending_nonce, self._mined)) if nonce not in taken)
        tokens = terms.tokens - sum(payment.wei for payment in self._payments.values())
        fee = terms.gas_price * terms.gas_per_payment
        coins = terms.coins - fee * len(self._payments)
        made: list[Payment] = []
        for creditor, wei in self._to_pay(now):
            if wei > tokens or fee > coins:
                lacking = "tokens" if wei > tokens else "coins for gas"
                text = f"{address_text(creditor)} is owed {wei} wei, but the consuming wallet has not enough {lacking}"
                effects.append(Notice("warning", f"{text}: send it some, or creditors will ban it"))
                continue
            nonce = next(nonces)
            signed = self._config.sign(nonce, terms.gas_price, creditor, wei)
            made.append(Payment(creditor, wei, nonce, signed.raw, signed.hash, int(self._epoch + now)))
            tokens, coins = tokens - wei, coins - fee
        if not made:
            return effects
        for payment in made:
            self._payments[payment.creditor] = payment
        self._soon(Scan.PENDING_PAYABLES, now)
        return [*effects, *self.flush(), Save(payments=tuple(made)), SendPayments(tuple(made))]

    def sent(self, results: Sequence[str | None], payments: Sequence[Payment], now: float) -> list[AccountantEffect]:
        """Which payments the provider took (None) or refused (why). Either way the receipt decides, later."""
        effects: list[AccountantEffect] = []
        for payment, problem in zip(payments, results, strict=True):
            if problem:
                text = f"the provider did not take a payment to {address_text(payment.creditor)}: {problem}"
                effects.append(Notice("warning", f"{text}; it is sent again later"))
        return effects

    def receipts(
        self, found: Iterable[Receipt | None], head: int, latest_nonce: int, now: float
    ) -> list[AccountantEffect]:
        """What became of the payments under way; `latest_nonce` counts the wallet's transactions in blocks."""
        asked = self._running.pop(Scan.PENDING_PAYABLES, None)
        if asked is None:
            return []
        by_hash = {receipt.transaction_hash: receipt for receipt in found if receipt is not None}
        effects: list[AccountantEffect] = []
        over: list[bytes] = []
        again: list[Payment] = []
        for payment in self._in_order():
            receipt = by_hash.get(payment.hash)
            who = address_text(payment.creditor)
            if receipt is not None:
                if head - receipt.block < self._config.confirmations:
                    continue
                over.append(payment.hash)
                del self._payments[payment.creditor]
                self._mined = max(self._mined, payment.nonce + 1)
                if receipt.succeeded:
                    self.ledger.settle(True, payment.creditor, payment.wei, payment.made)
                    self._reverted.pop(payment.creditor, None)
                    self.paid += payment.wei
                    effects.append(Notice("info", f"{payment.wei} wei were paid to {who}"))
                else:
                    wait = self._reverted.get(payment.creditor, (0, RETRY_REVERTED))[1]
                    self._reverted[payment.creditor] = int(self._epoch + now) + wait, min(2 * wait, MOST_RETRY)
                    effects.append(Notice("warning", f"a payment of {payment.wei} wei to {who} was reverted"))
            elif latest_nonce > payment.nonce:
                # Something else used the nonce, so this transaction can never be mined.
                if asked - self._doubted.setdefault(payment.hash, now) >= DOUBT_FOR:
                    over.append(payment.hash)
                    del self._payments[payment.creditor]
                    effects.append(Notice("warning", f"a payment to {who} was displaced by another transaction"))
            else:
                self._doubted.pop(payment.hash, None)
                again.append(payment)
        for hash in over:
            self._doubted.pop(hash, None)
        if over:
            entries = self.ledger.take_changes()
            self._unsaved_since = None
            effects.insert(0, Save(entries=entries, ended_payments=tuple(over)))
        if again:
            effects.append(SendPayments(tuple(again)))
        if self._payments:
            self._soon(Scan.PENDING_PAYABLES, now)
        return effects

    def transfers(self, transfers: Iterable[Transfer], last: int | None, now: float) -> list[AccountantEffect]:
        """Tokens that came in, in the blocks up to `last`; None: the first block that was asked for isn't there yet."""
        if self._running.pop(Scan.RECEIVABLES, None) is None:
            return []
        income, next, first = self._income, self._income.next, self._income.first
        if last is None:
            income.begin_again()
            if first == next:
                return []
            text = f"no income is found, as the provider has no block {first} any more, until it has caught up"
            return [Notice("warning", f"{text}. If it lasts, use another one")]
        first = last if first is None else first
        cut_short = self._most_blocks is not None and last - first + 1 >= self._most_blocks
        if cut_short:
            self._soon(Scan.RECEIVABLES, now, 1.0)
        new = income.take(transfers, last, cut_short)
        if not new and income.next == next:
            return self._judge(now)
        effects: list[AccountantEffect] = []
        payers = self._payers_unsaved
        for sender, wei in new:
            payers = self._strangers.paid(sender, wei) or payers
            # A stranger's transfer is kept as its credit: it may be a debtor that pays before we book.
            self.ledger.settle(False, sender, wei, int(self._epoch + now))
            self.earned += wei
            effects.append(Notice("info", f"{wei} wei came in from {address_text(sender)}"))
        self._unsaved_since = None
        config = [("start_block", str(income.next)), ("known_income", income.known)]
        config += [("payers", self._strangers.payers)] if payers else []
        self._payers_unsaved = False
        return [Save(entries=self.ledger.take_changes(), config=tuple(config)), *effects, *self._judge(now)]

    def failed(self, scan: Scan, problem: str, now: float, most_blocks: int | None = None) -> list[AccountantEffect]:
        """A scan could not be finished; the next one tries again. `most_blocks`: the provider's limit, if any."""
        self._running.pop(scan, None)
        if most_blocks is not None:
            self._most_blocks = max(1, most_blocks)
            self._soon(scan, now)
        return [Notice("warning", f"the scan for {scan} failed: {problem}")]

    def _judge(self, now: float) -> list[AccountantEffect]:
        """Ban who owes too much for too long, release who has paid."""
        clock = int(self._epoch + now)
        effects = self._forgive(now)
        self._strangers.count(clock)
        banned, released = [], []
        for wallet, account in self.ledger.receivables.items():
            if wallet in self._banned:
                if self._config.thresholds.to_be_released(account.wei):
                    released.append(wallet)
            elif self._config.thresholds.to_be_banned(account.wei, clock - account.since):
                banned.append(wallet)
        if not banned and not released:
            return effects
        for wallet in banned:
            self._banned[wallet] = None
        for wallet in released:
            del self._banned[wallet]
        notices = [Notice("warning", f"{address_text(wallet)} is banned until it pays") for wallet in banned]
        notices += [Notice("info", f"{address_text(wallet)} has paid and is served again") for wallet in released]
        return [*effects, *self.flush(), Save(banned=tuple(banned), released=tuple(released)), *notices]

    def _forgive(self, now: float) -> list[AccountantEffect]:
        """Forget old dust, and, of too many debts, the smallest."""
        dust = self._config.thresholds.permanent // DUST
        forgotten = self.ledger.forgive(int(self._epoch + now), dust, STALE, MAX_ACCOUNTS)
        released = tuple(wallet for wallet in forgotten if self._banned.pop(wallet, wallet) is None)
        return [Save(released=released, forgotten=forgotten)] if forgotten else []

    def _soon(self, scan: Scan, now: float, within: float = 5.0) -> None:
        """Look again before the interval is over, if scans run at all."""
        if scan in self._due:
            self._due[scan] = min(self._due[scan], now + min(within, self._config.intervals[scan]))

    def _in_order(self) -> list[Payment]:
        return sorted(self._payments.values(), key=lambda payment: payment.nonce)

    def view(self) -> BooksView:
        def listed(book: dict[Address, Account]) -> tuple[AccountView, ...]:
            return tuple(
                AccountView(address_text(wallet), Wei(account.wei), account.since) for wallet, account in book.items()
            )

        return BooksView(
            payables=listed(self.ledger.payables),
            receivables=listed(self.ledger.receivables),
            banned=tuple(address_text(wallet) for wallet in self._banned),
            payments=tuple(
                PaymentView(address_text(each.creditor), Wei(each.wei), "0x" + each.hash.hex(), each.made)
                for each in self._in_order()
            ),
            paid_wei=Wei(self.paid),
            earned_wei=Wei(self.earned),
            spent_hour_wei=Wei(self.budget.spent),
            most_hour_wei=None if self.budget.per_hour is None else Wei(self.budget.per_hour),
        )
