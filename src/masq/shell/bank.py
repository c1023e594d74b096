"""Carries out what the Accountant wants: books to the store, payments and queries to the chain."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from masq.chain.erc20 import TransferQuery
from masq.chain.receipt import Receipt
from masq.chain.transaction import SignedTransaction
from masq.core.accountant.accountant import Scan, Terms
from masq.core.accountant.effects import (
    AccountantEffect,
    AskReceipts,
    AskTerms,
    AskTransfers,
    Notice,
    Save,
    SendPayments,
)
from masq.core.node import NodeEffect
from masq.errors import LocalError, UnavailableError
from masq.shell.log import log
from masq.shell.store import Store, StoreBusyError, StoreError
from masq.shell.turn import Turn
from masq.types import Address, Chain

if TYPE_CHECKING:
    from masq.shell.rpc import RpcClient

PATIENCE: Final = 60.0
"""Seconds that the store may refuse to save, until the Node ends. Serving on without books would be worse."""
TRY_EVERY: Final = 1.0
"""Seconds from one try to save to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankConfig:
    """What the Accountant's hands work with."""

    chain: Chain
    url: str | None
    """The provider's; None: nothing can be asked or paid."""
    consuming_wallet: Address | None
    earning_wallet: Address


class Bank:
    """The Accountant's hands: what is saved is on disk before what follows it is begun.

    Saves are done when `perform` returns, as a rule. One that can't be done now is kept, with all saves and payments
    after it, in their order, until it can. What the chain answers goes into the Node.
    """

    def __init__(self, turn: Turn, store: Store, config: BankConfig) -> None:
        self._turn = turn
        self._store = store
        self._chain = config.chain
        self._url = config.url
        self._wallet = config.consuming_wallet
        self._earning_wallet = config.earning_wallet
        self._rpc: RpcClient | None = None
        self._waiting: deque[Save | SendPayments] = deque()
        self._busy_since: float | None = None
        """Since when the store has refused to save."""
        self._why = ""
        self.provider_answers: bool | None = None
        """Whether the provider did when it was asked last."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What its user should know of it now."""
        return (f"books: nothing can be saved now: {self._why}",) if self._busy_since is not None else ()

    def perform(self, effect: AccountantEffect) -> None:
        """StoreError if nothing can be saved any more."""
        match effect:
            case Save() | SendPayments():
                self._waiting.append(effect)
                self._work_off()
            case Notice(level, text):
                getattr(log, level)("accountant", detail=text)
            case AskTerms():
                self._ask(Scan.PAYABLES, self._terms())
            case AskReceipts(hashes):
                self._ask(Scan.PENDING_PAYABLES, self._receipts(hashes))
            case AskTransfers(first, most):
                self._ask(Scan.RECEIVABLES, self._transfers(first, most))

    def save_config(self, name: str, value: str) -> None:
        self.perform(Save(config=((name, value),)))

    def _work_off(self) -> None:
        while self._waiting:
            effect = self._waiting[0]
            if isinstance(effect, Save):
                try:
                    self._store.save(effect)
                except StoreBusyError as error:
                    self._not_now(error)
                    return
                if self._busy_since is not None:
                    self._busy_since = None
                    log.warning("books_saved", detail="what waited to be saved is on disk")
            else:
                self._ask(None, self._send(effect))
            self._waiting.popleft()

    def _not_now(self, error: StoreBusyError) -> None:
        """Try again soon, and each time that more is to be saved; but not for ever."""
        now = self._turn.now
        if self._busy_since is None:
            self._busy_since, self._why = now, str(error)
            log.error("books_not_saved", detail=f"{error}; it is tried again for {PATIENCE:.0f} s")
            self._turn.spawn(self._retry())
        elif now - self._busy_since >= PATIENCE:
            raise StoreError(f"nothing could be saved for {PATIENCE:.0f} s: {error}") from error

    async def _retry(self) -> None:
        while self._busy_since is not None:
            await asyncio.sleep(TRY_EVERY)
            # As a turn: that is where it is dealt with if it fails for good.
            self._turn.carry([Save()])

    def _ask(self, scan: Scan | None, work: Awaitable[Sequence[NodeEffect]]) -> None:
        self._turn.spawn(self._answer(scan, work))

    async def _answer(self, scan: Scan | None, work: Awaitable[Sequence[NodeEffect]]) -> None:
        try:
            effects = await work
            self.provider_answers = True
        except (UnavailableError, LocalError) as error:
            self.provider_answers = False
            if scan is None:
                effects = [Notice("warning", f"payments could not be sent, and will be again: {error}")]
            else:
                effects = self._turn.node.scan_failed(scan, str(error), self._turn.now, _range_limit(error))
        self._turn.carry(effects)

    @property
    def _chain_client(self) -> RpcClient:
        if self._rpc is None:
            if self._url is None:
                raise UnavailableError("no --blockchain-service-url is set")
            # Only now: its HTTP library takes longer to load than half of the Node.
            from masq.shell.rpc import RpcClient

            self._rpc = RpcClient(self._url)
        return self._rpc

    async def close(self) -> None:
        """StoreError if something that waited to be saved is lost. What was to be paid is sent after the next start."""
        try:
            while self._waiting:
                if isinstance(effect := self._waiting[0], Save):
                    self._store.save(effect)
                self._waiting.popleft()
        finally:
            if self._rpc is not None:
                await self._rpc.close()

    async def _terms(self) -> Sequence[NodeEffect]:
        rpc, wallet = self._chain_client, self._wallet
        if wallet is None:
            raise UnavailableError("there is no consuming wallet")
        await self._check_chain()
        terms = Terms(
            await rpc.gas_price(),
            await rpc.balance(wallet),
            await rpc.token_balance(self._chain.contract, wallet),
            await rpc.nonce(wallet, "pending"),
            self._chain.gas_limit_base + 3_328,
        )
        return self._turn.node.terms(terms, self._turn.now)

    async def _check_chain(self) -> None:
        """UnavailableError if the provider serves another chain.

        There the wallet has another nonce, and blocks have other numbers: payments would seem to be displaced and be
        made again, and the start block could jump ahead of the chain for good.
        """
        chain_id = await self._chain_client.chain_id()
        if chain_id != self._chain.id:
            raise UnavailableError(f"the provider serves chain {chain_id}, not {self._chain.name} ({self._chain.id})")

    async def _send(self, effect: SendPayments) -> Sequence[NodeEffect]:
        transactions = [SignedTransaction(p.raw, p.hash, p.nonce) for p in effect.payments]
        answers = await self._chain_client.send_raw_transactions(transactions)
        problems = [None if isinstance(answer, bytes) else str(answer) for answer in answers]
        return self._turn.node.sent(problems, effect.payments, self._turn.now)

    async def _receipts(self, hashes: Sequence[bytes]) -> Sequence[NodeEffect]:
        rpc, wallet = self._chain_client, self._wallet
        if wallet is None:
            raise UnavailableError("there is no consuming wallet")
        await self._check_chain()
        nonce = await rpc.nonce(wallet, "latest")
        answers = await rpc.receipts(hashes)
        head = await rpc.block_number()
        found = [answer for answer in answers if isinstance(answer, Receipt)]
        if len(found) < len(hashes) and any(isinstance(answer, Exception) for answer in answers):
            nonce = 0  # What could not be asked is not known to be missing.
        return self._turn.node.receipts(found, head, nonce, self._turn.now)

    async def _transfers(self, first: int | None, most: int | None) -> Sequence[NodeEffect]:
        rpc = self._chain_client
        await self._check_chain()
        head = await rpc.block_number()
        start = head if first is None else first
        if start > head:
            return self._turn.node.transfers((), None, self._turn.now)
        last = head if most is None else min(head, start + most - 1)
        query = TransferQuery(self._chain.contract, self._earning_wallet, start, last)
        return self._turn.node.transfers(await rpc.logs(query), last, self._turn.now)


def _range_limit(error: Exception) -> int | None:
    """How many blocks the provider is willing to look at, if that was the trouble."""
    from masq.shell.rpc import RangeTooLargeError

    return error.limit if isinstance(error, RangeTooLargeError) else None
