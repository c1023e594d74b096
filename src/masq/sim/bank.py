"""The Accountant's hands: books to the memory, payments and queries to the simulated chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from masq.core.accountant.accountant import Scan
from masq.core.accountant.effects import AskReceipts, AskTerms, AskTransfers, Save, SendPayments
from masq.core.node import NodeEffect
from masq.sim.chain import SimulatedChain
from masq.sim.memory import Owner
from masq.sim.turn import Turn

Question = AskTerms | SendPayments | AskReceipts | AskTransfers


class Bank:
    """Saves are done when `save` returns; what the chain answers at once goes into the Node after a while."""

    def __init__(self, turn: Turn, owner: Owner, chain: SimulatedChain) -> None:
        self._turn = turn
        self._owner = owner
        self._chain = chain

    def save(self, save: Save) -> None:
        self._owner.memory.save(save)

    def save_config(self, name: str, value: str) -> None:
        self._owner.memory.config[name] = value

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
            case AskReceipts(hashes):
                self._receipts(hashes)
            case AskTransfers(first, most):
                self._transfers(first, most)

    def _fail(self, question: Question) -> None:
        scans = {AskTerms: Scan.PAYABLES, AskReceipts: Scan.PENDING_PAYABLES, AskTransfers: Scan.RECEIVABLES}
        scan = scans.get(type(question))
        if scan is not None:
            node, turn = self._turn.node, self._turn
            self._tell(lambda: node.scan_failed(scan, "no answer", turn.now))

    def _terms(self) -> None:
        node, turn = self._turn.node, self._turn
        terms = self._chain.terms(self._owner.consuming.address)
        self._tell(lambda: node.terms(terms, turn.now))

    def _send(self, effect: SendPayments) -> None:
        node, turn, payments = self._turn.node, self._turn, effect.payments
        results = [self._chain.send(payment.raw, payment.hash) for payment in payments]
        self._tell(lambda: node.sent(results, payments, turn.now))

    def _receipts(self, hashes: Sequence[bytes]) -> None:
        node, turn, chain = self._turn.node, self._turn, self._chain
        found = [chain.receipt(hash) for hash in hashes]
        head, nonce = chain.head, chain.nonce(self._owner.consuming.address)
        self._tell(lambda: node.receipts(found, head, nonce, turn.now))

    def _transfers(self, first: int | None, most: int | None) -> None:
        node, turn, head = self._turn.node, self._turn, self._chain.head
        start = head if first is None else first
        last = head if most is None else min(head, start + most - 1)
        transfers = self._chain.transfers(self._owner.earning.address, start, last)
        known = last if start <= head else None
        self._tell(lambda: node.transfers(transfers, known, turn.now))

    def _tell(self, answer: Callable[[], Sequence[NodeEffect]]) -> None:
        """What the answer brings is found out when it arrives."""
        self._turn.after_latency(lambda: self._turn.carry(answer()))
