"""The Accountant: books charges, and puts what has to be asked of the chain in order (accounting.md 1, 2).

Paying pays what we owe, Earning credits and bans; both work on one Ledger. All that is learned of the chain comes with
its head, and is nothing worth if that head isn't believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Final

from masq.chain.erc20 import Transfer
from masq.chain.head import Head
from masq.chain.wallet import Wallet
from masq.core.accountant.budget import Budget
from masq.core.accountant.earning import Earning
from masq.core.accountant.effects import (
    AccountantEffect,
    AskReceipts,
    AskTerms,
    AskTransfers,
    Backing,
    Notice,
    Part,
    Payment,
    Save,
    Scan,
    Way,
)
from masq.core.accountant.fees import MOST_GAS_PRICE, Fees
from masq.core.accountant.heads import Heads
from masq.core.accountant.ledger import Account, BookEntry, Ledger
from masq.core.accountant.paying import Paying
from masq.core.accountant.payments import UNDER_WAY, Look, Payments
from masq.core.accountant.promises import Dealing, Promises
from masq.core.accountant.scans import Range, Scans
from masq.core.accountant.search import REMEMBERED_BLOCKS, Search
from masq.core.accountant.signing import Many, Signer
from masq.core.accountant.strangers import Strangers
from masq.core.accountant.terms import Terms
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS, PaymentThresholds
from masq.core.accountant.told import Told
from masq.core.accountant.vouchers import Vouchers
from masq.core.accountant.worth import ANY_SHARE, GasShare
from masq.core.limits import MAX_ACCOUNTS
from masq.core.view import AccountView, BooksView, DearView, MoneyView, PaymentView, ScanView
from masq.types import Address, Wei, address_text
from masq.wire.circuit import Debt

SAVE_EVERY: Final = 1.0
"""Seconds that charges are gathered before they are saved: what a crash can cost."""
MOST_SHOWN: Final = 1_000
"""Accounts of each book in a status."""
DEAR_AGAIN: Final = 150.0
"""Seconds after which the price of gas is asked for again at the latest, while a debt waits for a lower one."""
JUMP: Final = 30.0
"""Seconds that the wall clock may be off what the steady one says before that is told: the machine slept, say."""


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
    """Blocks that have to follow the one of a payment, or of income, before it counts: each chain has its own."""
    max_spending: int | None = None
    """Wei that our own user may spend in an hour; None: without bound."""
    gas_share: GasShare = ANY_SHARE
    """Of a payment, that its gas may cost."""
    many: Many | None = None
    dealing: Dealing | None = None
    """How debts are promised; None: they aren't."""
    wallet: Wallet | None = None
    """Of `consuming_wallet`, where debts are promised."""
    earns: bool = True
    """Whether income is looked for: not in the books of a further consuming wallet."""
    own: frozenset[Address] = frozenset()
    """Further wallets of ours: with these nobody settles anything."""


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
    outgo_block: int | None = None
    known_outgo: str | None = None
    """The same two for transfers of the consuming wallet."""
    head: str | None = None
    """The highest block that was believed in, and when."""
    promises: str | None = None
    """What was promised by vouchers."""
    vouchers: tuple[str | None, ...] = ()
    """Those of others, as saved under `vouchers.SHARDS`."""


class Accountant:
    """The state of all money matters. `now` is the Node's steady clock; `epoch` is unix time where that is 0."""

    def __init__(self, config: AccountantConfig, saved: SavedState, epoch: float, budget: Budget | None = None) -> None:
        """`budget`: that of our user, if another Accountant has it, too."""
        self._config = config
        self._epoch = epoch
        self.ledger = Ledger(saved.entries)
        self._own = {config.earning_wallet, *config.own}
        if config.consuming_wallet:
            self._own.add(config.consuming_wallet)
        self._told = Told()
        self._scans = Scans(config.intervals)
        self._range = Range()
        self._heads = Heads(saved.head)
        self._strangers = Strangers(config.thresholds, saved.payers, self.ledger.receivables)
        self._strangers.count(int(epoch))
        self.promises = Promises(config.dealing, config.wallet, self.ledger, saved.promises)
        permanent = config.thresholds.permanent
        self.vouchers = Vouchers(config.dealing, config.earning_wallet, self.ledger, saved.vouchers, permanent)
        self._paying = Paying(
            config.consuming_wallet,
            config.sign,
            self.ledger,
            Payments(saved.payments, config.confirmations),
            Search(Way.OUT, saved.outgo_block, saved.known_outgo),
            config.thresholds,
            Fees(config.most_gas_price),
            self._told,
            config.gas_share,
            config.many,
            self.promises,
        )
        self._earning = Earning(
            self.ledger,
            Search(Way.IN, saved.start_block, saved.known_income),
            self._strangers,
            saved.banned,
            config.thresholds,
            config.confirmations,
            self._told,
            payers_saved=saved.payers is not None,
            covers=self.vouchers.covers,
        )
        self.budget = budget or Budget(config.max_spending)
        self._unsaved_since: float | None = None

    @property
    def wallet(self) -> Address | None:
        """The one that pays."""
        return self._config.consuming_wallet

    @property
    def paid(self) -> int:
        """Wei confirmed since the start."""
        return self._paying.paid

    @property
    def earned(self) -> int:
        """Wei credited since the start."""
        return self._earning.earned

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
                return self._earning.forgive(self._clock(now))
        return []

    def is_delinquent(self, wallet: Address) -> bool:
        """Whether a wallet is refused service until it has paid."""
        # Where income was never looked for, nobody can be told from a payer.
        searched = self._earning.income.next is not None
        if wallet in self._earning.banned:
            return True
        if not searched or not self._strangers.refused(wallet):
            return False
        covered = self.vouchers.covers(wallet)
        return not covered or 2 * covered < self.owed_by(wallet)

    def refuses(self, wallet: Address) -> bool:
        """Whether circuits of a wallet are refused: it is delinquent, or gives no vouchers, and they are asked for."""
        return self.is_delinquent(wallet) or self.vouchers.needs(wallet) is not None

    def debt_of(self, wallet: Address, now: float) -> Debt | None:
        """For what a delinquent wallet is refused service; None if it isn't for what it owes."""
        account = self.ledger.receivables.get(wallet) or Account(0, self._clock(now))
        owed, since = max(0, account.wei), min(max(0, account.since), self._clock(now))
        if wallet in self._earning.banned:
            thresholds = self._config.thresholds
            return Debt(owed, since, thresholds.allowed(self._clock(now) - since), thresholds.release)
        if self.is_delinquent(wallet):
            most = self._strangers.allowed(wallet)
            return Debt(owed, since, most, most, self._strangers.funds(wallet))
        if (needed := self.vouchers.needs(wallet)) is not None:
            return Debt(owed, since, needed, needed)
        return None

    def outlook(self, creditor: Address, release: int) -> tuple[int, str]:
        """What we count that a creditor is owed, in wei, and what its debtor can do about it. `release`: down to which
        it has to be paid, as it says."""
        account = self.ledger.payables.get(creditor)
        owed = max(0, account.wei) if account else 0
        return owed, self._paying.outlook(creditor, owed, release)

    def owed_by(self, wallet: Address) -> int:
        """Wei that a wallet owes us."""
        account = self.ledger.receivables.get(wallet)
        return account.wei if account else 0

    # --- time ---

    def _clock(self, now: float) -> int:
        """Unix seconds."""
        return int(self._epoch + now)

    def set_clock(self, epoch: float) -> list[AccountantEffect]:
        """The wall clock says that unix time was `epoch` where the steady one was 0: debts age by the wall's."""
        jump, self._epoch = epoch - self._epoch, epoch
        if abs(jump) < JUMP:
            return []
        if jump > 0:
            return [Notice("info", f"the clock went {jump:.0f} s ahead: debts are that much older")]
        return [Notice("warning", f"the clock was set back by {-jump:.0f} s: debts are that much younger")]

    def clock_was_set(self, now: float) -> list[AccountantEffect]:
        """After `set_clock`: no debt is from the future, and what is due by now is looked after at once."""
        self.ledger.not_after(self._clock(now))
        for scan in Scan:
            self._scans.soon(scan, now)
        return self.flush()

    def start_scans(self, now: float) -> list[AccountantEffect]:
        """A route exists, so scans begin: now, and then at their intervals."""
        self._scans.begin_all(now)
        # It may have been written when the clock was wrong.
        self.ledger.not_after(self._clock(now))
        return self.tick(now)

    def tick(self, now: float) -> list[AccountantEffect]:
        effects: list[AccountantEffect] = []
        if self._unsaved_since is not None and now - self._unsaved_since >= SAVE_EVERY:
            effects += self.flush()
        for scan in self._scans.silent(now):
            effects += self.failed(scan, "the provider did not answer", now)
        for scan in self._scans.take_due(now):
            effects += self.scan(scan, now)
        return [*effects, *self._vouch(now)]

    def _vouch(self, now: float) -> list[AccountantEffect]:
        """Promise what is owed, and look after what others have promised."""
        config = self.promises.rows if self.promises.look(self._paying.payments.pays, now) else ()
        config += self.vouchers.rows(now)
        saved: list[AccountantEffect] = [Save(config=config)] if config else []
        return [*saved, *self.vouchers.ask(now)]

    def backing(self, found: Mapping[Address, Backing], now: float) -> None:
        """What stands behind the vouchers of others."""
        self.vouchers.backing(found, now)

    def next_wake(self) -> float:
        return min(
            self._scans.next_wake,
            float("inf") if self._unsaved_since is None else self._unsaved_since + SAVE_EVERY,
        )

    def flush(self) -> list[AccountantEffect]:
        """Save the charges that were gathered."""
        self._unsaved_since = None
        entries = self.ledger.take_changes()
        return [Save(entries)] if entries else []

    # --- scans ---

    def scan(self, scan: Scan, now: float) -> list[AccountantEffect]:
        """Begin a scan, unless one of its kind is under way or there is nothing to do."""
        if self._scans.runs(scan):
            return []
        match scan:
            case Scan.PAYABLES:
                if not self._paying.due(self._clock(now)):
                    self._paying.selection.dear = ()
                    return []
                # Before anything is paid: what did the wallet pay already?
                question: AccountantEffect = self._ask_transfers(scan, Way.OUT)
            case Scan.PENDING_PAYABLES:
                payments = self._paying.payments
                if not payments:
                    return []
                hashes = tuple(variant.hash for each in payments for variant in each.variants)
                question = AskReceipts(hashes, tuple({each.sender: None for each in payments}))
            case Scan.RECEIVABLES:
                if not self._config.earns and not self._paying.can_pay:
                    return []
                question = self._ask_transfers(scan, Way.IN if self._config.earns else Way.OUT)
        self._scans.start(scan, now)
        return [question]

    def search_from(self, block: int, now: float) -> list[AccountantEffect]:
        """Look for income from a block on, as the user wants; what was credited still counts once."""
        self._earning.income.begin_at(block)
        return self.scan(Scan.RECEIVABLES, now)

    def _unheard(self, scan: Scan, head: Head, now: float) -> list[AccountantEffect] | None:
        """What to do instead of hearing an answer: nothing for one that nobody waits for, and a failure for one with a
        head that isn't believed. None: it is heard."""
        if not self._scans.runs(scan):
            return []
        problem = self._heads.problem(head, self._clock(now), now)
        return None if problem is None else self.failed(scan, problem, now)

    def _ask_transfers(self, scan: Scan, way: Way) -> AskTransfers:
        return AskTransfers(scan, way, self._search(way).first, self._range.most)

    def _search(self, way: Way) -> Search:
        return self._earning.income if way is Way.IN else self._paying.outgo

    def transfers(
        self, asked: AskTransfers, found: Iterable[Transfer], last: int | None, head: Head, now: float
    ) -> list[AccountantEffect]:
        """Transfers in the blocks up to `last`; None: the first block that was asked for isn't there yet."""
        scan, way, clock = asked.scan, asked.way, self._clock(now)
        unheard = self._unheard(scan, head, now)
        if unheard is not None:
            return unheard
        search = self._search(way)
        if last is None:
            return self._nothing_there(asked, search, head, clock, now)
        first = last if asked.first is None else asked.first
        full = asked.most is not None and last - first + 1 >= asked.most
        cut_short = full and last < head.number
        self._range.went_well(full)
        if way is Way.IN:
            effects = self._earning.take(found, last, cut_short, head.number, clock, self._heads)
        else:
            before = search.next
            new = search.take(found, last, cut_short, self._config.confirmations, head.number)
            effects = self._paying.shown(new, clock, now)
            if not effects and search.next != before:
                effects = [Save(config=self._paying.searched)]
        if cut_short:
            return [*effects, *([self._ask_transfers(scan, way)] if self._scans.go_on(scan, now) else [])]
        return [*effects, *self._searched(scan, way, clock, now)]

    def _searched(self, scan: Scan, way: Way, clock: int, now: float) -> list[AccountantEffect]:
        """One way was searched up to the head: what is next in a scan."""
        if way is Way.OUT:
            if scan is Scan.PAYABLES:
                return [AskTerms()]
            return self._done(scan, now)
        effects = [*self._earning.doubts(), *self._earning.judge(self._heads, clock, now)]
        if self._paying.can_pay:
            return [*effects, self._ask_transfers(scan, Way.OUT)]
        return [*effects, *self._done(scan, now)]

    def _nothing_there(
        self, asked: AskTransfers, search: Search, head: Head, clock: int, now: float
    ) -> list[AccountantEffect]:
        """The provider hasn't the first block that was asked for."""
        first, next = search.first, search.next
        search.begin_again()
        if next is not None and self._heads.wrong_start(head, next, clock, now):
            search.begin_at(max(0, head.number - REMEMBERED_BLOCKS))
            text = f"transfers were looked for from block {next} on, and the chain is at {head.number}: that is mended"
            return [Notice("warning", text), self._ask_transfers(asked.scan, asked.way)]
        if first == next and next is not None and head.number + 1 >= next:
            return self._searched(asked.scan, asked.way, clock, now)
        text = f"the provider has no block {first} any more, until it has caught up. If it lasts, use another one"
        return self.failed(asked.scan, text, now)

    def _done(self, scan: Scan, now: float) -> list[AccountantEffect]:
        self._scans.done(scan, now)
        if self._told.over(f"failed {scan}"):
            return [Notice("info", f"the scan for {scan} works again")]
        return []

    def terms(self, terms: Terms, now: float) -> list[AccountantEffect]:
        """The chain's answer before a payment: sign what can be afforded, save it, send it."""
        unheard = self._unheard(Scan.PAYABLES, terms.head, now)
        if unheard is not None:
            return unheard
        clock = self._clock(now)
        effects = self._paying.terms(terms, clock, now)
        if effects is None and self._paying.nonces.looks_again:
            return [self._ask_transfers(Scan.PAYABLES, Way.OUT)]
        if effects is None:
            self._scans.again(Scan.PAYABLES, now)
            return self._done(Scan.PAYABLES, now)
        if any(isinstance(effect, Save) for effect in effects):
            self._scans.anew(Scan.PENDING_PAYABLES)
            self._scans.again(Scan.PENDING_PAYABLES, now)
        elif self._paying.due(clock):
            self._scans.again(Scan.PAYABLES, now)
        else:
            self._scans.anew(Scan.PAYABLES)
        if self._paying.selection.dear:
            self._scans.soon(Scan.PAYABLES, now, DEAR_AGAIN)
        return [*effects, *self._done(Scan.PAYABLES, now)]

    def sent(self, results: Sequence[str | None], payments: Sequence[Payment], now: float) -> list[AccountantEffect]:
        """Which payments the provider took (None) or refused (why)."""
        return self._paying.sent(results, payments, now)

    def receipts(self, look: Look, now: float) -> list[AccountantEffect]:
        """What became of the payments that are kept."""
        unheard = self._unheard(Scan.PENDING_PAYABLES, look.head, now)
        if unheard is not None:
            return unheard
        before = [(each.hash, each.state) for each in self._paying.payments]
        effects = self._paying.look(look, self._clock(now), now)
        if before != [(each.hash, each.state) for each in self._paying.payments]:
            self._scans.anew(Scan.PENDING_PAYABLES)
        if self._paying.payments.under_way:
            self._scans.again(Scan.PENDING_PAYABLES, now)
        return [*effects, *self._done(Scan.PENDING_PAYABLES, now)]

    def used(self, payment: bytes, user: bytes | None, block: int, head: int, now: float) -> list[AccountantEffect]:
        """Which transaction has the nonce of a payment, and in which block; None: the provider doesn't say."""
        if self._paying.used(payment, user, block, head):
            self._scans.soon(Scan.PAYABLES, now)
            return self._paying.displaced(payment, self._clock(now), now)
        return []

    def gone(self, hashes: Iterable[bytes], now: float) -> list[AccountantEffect]:
        """Transactions that were credited, and that no block holds any more."""
        return self._earning.gone(hashes, self._clock(now))

    def balances(self, found: Mapping[Address, int], head: Head, now: float) -> None:
        """Tokens that wallets of others have, in wei, as of a head; nothing if that isn't believed."""
        if self._heads.problem(head, self._clock(now), now) is None:
            self._strangers.learned(found)

    def failed(
        self, scan: Scan | None, problem: str, now: float, most_blocks: int | None = None
    ) -> list[AccountantEffect]:
        """A scan could not be finished; the next one tries again. `most_blocks`: the provider's limit, if any.

        None: what belongs to no scan, such as sending, which is done again, too.
        """
        if scan is None:
            text = f"payments could not be sent or looked after, and will be again: {problem}"
            return [*self._told.say("failed", "warning", text, now)]
        if most_blocks is not None:
            self._range.refused(most_blocks)
            self._scans.soon(scan, now, 1.0)
            self._scans.failed(scan, problem)
            return []
        self._scans.failed(scan, problem)
        return [*self._told.say(f"failed {scan}", "warning", f"the scan for {scan} failed: {problem}", now)]

    def pay_gas(self, share: GasShare) -> None:
        """Another share of a payment that its gas may cost; or a coin is worth something else now."""
        self._paying.selection.gas_share = share

    # --- what is shown ---

    def look_into_purse(self, tokens: int, coins: int, now: float) -> None:
        """What the consuming wallet has, in wei: for its user to know how long it lasts."""
        self._paying.look_into_purse(tokens, coins, self._clock(now))

    def view(self, now: float) -> BooksView:
        def listed(book: dict[Address, Account]) -> tuple[AccountView, ...]:
            # Of a million accounts nobody wants to see all, and no reader of a status could.
            largest = nlargest(MOST_SHOWN, book.items(), key=lambda item: abs(item[1].wei))
            shown = book.items() if len(book) <= MOST_SHOWN else largest
            return tuple(AccountView(address_text(wallet), Wei(each.wei), each.since) for wallet, each in shown)

        return BooksView(
            payables=listed(self.ledger.payables),
            receivables=listed(self.ledger.receivables),
            banned=tuple(address_text(wallet) for wallet in self._earning.banned),
            payments=tuple(
                PaymentView(
                    address_text(part.creditor), Wei(part.wei), "0x" + each.latest.hash.hex(), each.made, each.state
                )
                for each in self._paying.payments
                if each.state in UNDER_WAY
                for part in each.made_to or (Part(each.creditor, each.wei),)
            ),
            paid_wei=Wei(self.paid),
            earned_wei=Wei(self.earned),
            spent_hour_wei=Wei(self.budget.spent),
            most_hour_wei=None if self.budget.per_hour is None else Wei(self.budget.per_hour),
            money=self._money(now),
        )

    def _money(self, now: float) -> MoneyView:
        clock, means, selection = self._clock(now), self._paying.means, self._paying.selection
        share = selection.gas_share
        return MoneyView(
            scans=tuple(
                ScanView(scan.value, None if each.good is None else now - each.good, each.problem)
                for scan, each in self._scans.outcomes.items()
            ),
            head=None if self._heads.latest is None else self._heads.latest.number,
            head_age=self._heads.lag(clock),
            tokens=None if means is None else Wei(means.tokens),
            coins=None if means is None else Wei(means.coins),
            lacking=Wei(means.lacking if means is not None else 0),
            owed_wei=Wei(sum(max(0, each.wei) for each in self.ledger.payables.values())),
            owing_wei=Wei(sum(max(0, each.wei) for each in self.ledger.receivables.values())),
            accounts=len(self.ledger.payables) + len(self.ledger.receivables),
            gas_share=share.percent,
            masq_per_coin=Wei(share.masq_per_coin) if share.masq_per_coin else None,
            dear=tuple(DearView(address_text(each.creditor), Wei(each.wei), Wei(each.gas)) for each in selection.dear),
            oldest_payment=max((clock - each.made for each in self._paying.payments.under_way), default=None),
        )
