"""An Accountant, the chain that it asks, and the memory that it saves to, for tests: everything is answered at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from masq.chain.disperser import sign_disperse
from masq.chain.erc20 import sign_nothing, sign_transfer
from masq.chain.head import Head, Prices
from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import Accountant, AccountantConfig, SavedState
from masq.core.accountant.effects import (
    AccountantEffect,
    AskBacking,
    AskBalances,
    AskGone,
    AskReceipts,
    AskTerms,
    AskTransfers,
    AskUse,
    Notice,
    Payment,
    Save,
    Scan,
    SendPayments,
    Way,
)
from masq.core.accountant.fees import Fee
from masq.core.accountant.payments import Look
from masq.core.accountant.thresholds import PaymentThresholds
from masq.sim.chain import SimulatedChain
from masq.sim.memory import Memory
from masq.types import CHAINS, Address

CHAIN = CHAINS["dev"]
PAYER = Wallet(b"\x01" * 32)
EARNING = b"e" * 20
CREDITORS = [bytes((number,)) * 20 for number in (10, 11, 12)]
QUICK = PaymentThresholds(2, 1, 20, 1, 1, 1)
EPOCH = 1_800_000_000.0
TOKENS = 10**24


def signer(wallet: Wallet = PAYER):  # type: ignore[no-untyped-def]
    def sign(nonce: int, fee: Fee, recipient: Address, wei: int) -> SignedTransaction:
        if recipient == wallet.address:
            return sign_nothing(wallet, CHAIN, nonce=nonce, gas_price=fee.most, tip=fee.tip)
        return sign_transfer(
            wallet, CHAIN, nonce=nonce, gas_price=fee.most, tip=fee.tip, recipient=recipient, amount=wei
        )

    return sign


def many_signer(wallet: Wallet = PAYER):  # type: ignore[no-untyped-def]
    def sign(nonce: int, fee: Fee, contract: Address, parts: Sequence[tuple[Address, int]]) -> SignedTransaction:
        return sign_disperse(wallet, CHAIN, contract, nonce=nonce, gas_price=fee.most, tip=fee.tip, parts=parts)

    return sign


CONFIG = AccountantConfig(
    earning_wallet=EARNING,
    consuming_wallet=PAYER.address,
    sign=signer(),
    thresholds=QUICK,
    intervals=dict.fromkeys(Scan, 10.0),
)


class Desk:
    """Carries out what an Accountant wants. Subclasses answer otherwise."""

    def __init__(self, saved: SavedState | None = None, config: AccountantConfig = CONFIG) -> None:
        self.config = config
        self.chain = SimulatedChain()
        self.chain.fund(PAYER.address, TOKENS)
        self.memory = Memory()
        self.prices = Prices(10**9)
        self.base_fee: int | None = None
        self.coins = 10**20
        self.notices: list[str] = []
        self.asked: list[AccountantEffect] = []
        self.now = 0.0
        self.books = Accountant(config, saved or SavedState(), EPOCH)

    def again(self, config: AccountantConfig | None = None) -> None:
        """The Node dies, and starts with what was saved."""
        self.config = config or self.config
        self.books = Accountant(self.config, self.memory.state(), EPOCH)

    @property
    def head(self) -> Head:
        return replace(self.chain.newest(EPOCH + self.now), base_fee=self.base_fee)

    def scan(self, *scans: Scan, now: float | None = None) -> None:
        self.now = self.now if now is None else now
        for scan in scans:
            self.carry(self.books.scan(scan, self.now))

    def tick(self, now: float) -> None:
        self.now = now
        self.carry(self.books.tick(now))

    def carry(self, effects: Iterable[AccountantEffect]) -> None:
        todo = list(effects)
        while todo:
            todo[:0] = self.perform(todo.pop(0))

    def perform(self, effect: AccountantEffect) -> list[AccountantEffect]:
        if isinstance(effect, Notice):
            self.notices.append(effect.text)
            return []
        if isinstance(effect, Save):
            self.memory.save(effect)
            return []
        self.asked.append(effect)
        match effect:
            case AskTerms():
                terms = replace(self.chain.terms(PAYER.address, EPOCH + self.now), head=self.head, prices=self.prices)
                return self.books.terms(replace(terms, coins=self.coins), self.now)
            case SendPayments(payments):
                return self.send(payments)
            case AskReceipts():
                return self.books.receipts(self.look(effect), self.now)
            case AskTransfers():
                return self.transfers(effect)
            case AskUse(payment, sender, nonce):
                user, block = self.chain.user_of(sender, nonce) or (None, 0)
                return self.books.used(payment, user, block, self.chain.head, self.now)
            case AskGone(places):
                gone = [each.hash for each in places if self.chain.gone(each)]
                return self.books.gone(gone, self.now)
            case AskBacking() | AskBalances():
                if isinstance(effect, AskBalances):
                    self.books.balances(
                        {each: self.chain.tokens.get(each, 0) for each in effect.wallets}, self.head, self.now
                    )
                return []
        raise AssertionError(f"nobody does {effect}")

    def send(self, payments: tuple[Payment, ...]) -> list[AccountantEffect]:
        for payment in payments:
            assert self.memory.payments[payment.hash].latest == payment.latest, "written before it moves"
        results = [self.chain.send(payment.latest.raw, payment.latest.hash) for payment in payments]
        return self.books.sent(results, payments, self.now)

    def look(self, asked: AskReceipts) -> Look:
        nonces = {wallet: (self.chain.nonce(wallet), self.chain.nonce(wallet)) for wallet in asked.wallets}
        return Look(self.head, self.prices, {hash: self.chain.receipt(hash) for hash in asked.hashes}, nonces)

    def transfers(self, asked: AskTransfers) -> list[AccountantEffect]:
        head = self.head
        first = head.number if asked.first is None else asked.first
        last = head.number if asked.most is None else min(head.number, first + asked.most - 1)
        wallet = EARNING if asked.way is Way.IN else PAYER.address
        found = self.chain.transfers(asked.way, wallet, first, last)
        return self.books.transfers(asked, found, last if first <= head.number else None, head, self.now)

    def owe(self, creditor: Address, wei: int, now: float | None = None) -> None:
        self.books.charge(True, creditor, wei, self.now if now is None else now)
        self.carry(self.books.flush())

    def owes(self, creditor: Address) -> int:
        account = self.books.ledger.payables.get(creditor)
        return account.wei if account else 0

    def got(self, creditor: Address) -> int:
        """What the chain says that a creditor has got."""
        return self.chain.tokens.get(creditor, 0)
