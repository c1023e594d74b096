"""The Accountant's hands: books to the memory, payments and queries to the simulated chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from masq.core.accountant.effects import (
    AskBacking,
    AskBalances,
    AskGone,
    AskReceipts,
    AskTerms,
    AskTransfers,
    AskUse,
    Question,
    Save,
    Scan,
    SendPayments,
    Way,
)
from masq.core.accountant.payments import Look
from masq.core.effects import SaveConfig
from masq.core.node import NodeEffect
from masq.sim.chain import SimulatedChain
from masq.sim.clock import EPOCH
from masq.sim.memory import Owner
from masq.sim.turn import Turn


class Bank:
    """Saves are done when `save` returns; what the chain answers at once goes into the Node after a while."""

    def __init__(self, turn: Turn, owner: Owner, chain: SimulatedChain, purse: int = 0) -> None:
        """`purse`: the number of the wallet that it pays with; 0: the default one."""
        self._turn = turn
        self._purse = purse
        self._owner = owner
        self._wallet, self._memory = owner.further[purse - 1] if purse else (owner.consuming, owner.memory)
        self._chain = chain

    def save(self, save: Save) -> None:
        self._memory.save(save)

    def save_config(self, name: str, value: str) -> None:
        self._memory.config[name] = value

    def perform(self, effect: Save | Question | SaveConfig) -> None:
        match effect:
            case Save():
                self.save(effect)
            case SaveConfig(name, value):
                self.save_config(name, value)
            case _:
                self.ask(effect)

    def ask(self, question: Question) -> None:
        """SendPayments that a chain which is away can't hear get no answer at all."""
        if self._chain.away:
            self._fail(question)
            return
        match question:
            case AskTerms():
                self._terms()
            case SendPayments():
                self._send(question)
            case AskReceipts():
                self._receipts(question)
            case AskTransfers():
                self._transfers(question)
            case AskUse():
                self._used(question)
            case AskGone():
                self._gone(question)
            case AskBacking():
                pass  # On the simulated chain stands no contract that redeems vouchers.
            case AskBalances():
                self._balances(question)

    @property
    def _clock(self) -> float:
        return EPOCH + self._turn.now

    def _fail(self, question: Question) -> None:
        match question:
            case AskTerms():
                scan = Scan.PAYABLES
            case AskReceipts():
                scan = Scan.PENDING_PAYABLES
            case AskTransfers():
                scan = question.scan
            case _:
                return
        node, turn, purse = self._turn.node, self._turn, self._purse
        self._tell(lambda: node.scan_failed(scan, "no answer", turn.now, purse=purse))

    def _terms(self) -> None:
        node, turn = self._turn.node, self._turn
        terms = self._chain.terms(self._wallet.address, self._clock)
        self._tell(lambda: node.terms(terms, turn.now, self._purse))

    def _send(self, effect: SendPayments) -> None:
        node, turn, payments = self._turn.node, self._turn, effect.payments
        results = [self._chain.send(payment.latest.raw, payment.latest.hash) for payment in payments]
        self._tell(lambda: node.sent(results, payments, turn.now, self._purse))

    def _receipts(self, asked: AskReceipts) -> None:
        node, turn, chain = self._turn.node, self._turn, self._chain
        found = {hash: chain.receipt(hash) for hash in asked.hashes}
        nonces = {wallet: (chain.nonce(wallet), chain.pending_nonce(wallet)) for wallet in asked.wallets}
        look = Look(chain.newest(self._clock), chain.prices, found, nonces)
        self._tell(lambda: node.receipts(look, turn.now, self._purse))

    def _transfers(self, asked: AskTransfers) -> None:
        node, turn, head = self._turn.node, self._turn, self._chain.newest(self._clock)
        wallet = (self._owner.earning if asked.way is Way.IN else self._wallet).address
        start = head.number if asked.first is None else asked.first
        last = head.number if asked.most is None else min(head.number, start + asked.most - 1)
        found = self._chain.transfers(asked.way, wallet, start, last)
        known = last if start <= head.number else None
        self._tell(lambda: node.transfers(asked, found, known, head, turn.now, self._purse))

    def _used(self, asked: AskUse) -> None:
        node, turn, head = self._turn.node, self._turn, self._chain.head
        hash, block = self._chain.user_of(asked.sender, asked.nonce) or (None, 0)
        self._tell(lambda: node.used(asked.payment, hash, block, head, turn.now, self._purse))

    def _gone(self, asked: AskGone) -> None:
        node, turn = self._turn.node, self._turn
        gone = [each.hash for each in asked.places if self._chain.gone(each)]
        self._tell(lambda: node.gone(gone, turn.now))

    def _balances(self, asked: AskBalances) -> None:
        node, turn, head = self._turn.node, self._turn, self._chain.newest(self._clock)
        found = {wallet: self._chain.tokens.get(wallet, 0) for wallet in asked.wallets}

        def tell() -> Sequence[NodeEffect]:
            node.accountant.balances(found, head, turn.now)
            return ()

        self._tell(tell)

    def _tell(self, answer: Callable[[], Sequence[NodeEffect]]) -> None:
        """What the answer brings is found out when it arrives."""
        if self._chain.silent:
            return
        self._turn.after_latency(lambda: self._turn.carry(answer()))
