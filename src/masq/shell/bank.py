"""Carries out what the Accountant wants: books to the store, payments and queries to the chain."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Awaitable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from masq.chain.erc20 import TransferQuery
from masq.chain.head import Head
from masq.chain.receipt import is_made
from masq.chain.transaction import SignedTransaction
from masq.chain.voucher import Deal
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
    Place,
    Save,
    Scan,
    SendPayments,
    Way,
)
from masq.core.accountant.payments import Look
from masq.core.accountant.terms import Terms
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
_KNOWN: Final = re.compile(r"already (?:known|imported|exists|in)|known transaction|duplicate", re.IGNORECASE)
"""Of the words in which a provider refuses what it has already."""
PURSE_FIRST: Final = 15.0
"""Seconds after the start at which the wallet is first looked into: a Node that starts has other things to do."""
PURSE_EVERY: Final = 600.0
TRY_EVERY: Final = 1.0
"""Seconds from one try to save to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankConfig:
    """What the Accountant's hands work with."""

    chain: Chain
    urls: tuple[str, ...]
    """The providers'; without one nothing can be asked or paid."""
    consuming_wallet: Address | None
    earning_wallet: Address
    many: Address | None = None
    """The contract by which several creditors are paid at once, if that is wanted."""
    purse: int = 0
    """The number of the wallet that pays; 0: the default one, which also has all that is earned."""


class Bank:
    """The Accountant's hands: what is saved is on disk before the payments that follow it are begun.

    Saves are done in a thread, one after the other, so that no disk holds up the traffic. One that can't be done now is
    kept, with all saves and payments after it, in their order, until it can. What the chain answers goes into the Node.
    """

    def __init__(self, turn: Turn, store: Store, config: BankConfig) -> None:
        self._turn = turn
        self._store = store
        self._chain = config.chain
        self._urls = config.urls
        self._wallet = config.consuming_wallet
        self._purse = config.purse
        self._of = (config.consuming_wallet or b"") if config.purse else b""
        """Whose books the store has for it; nothing: those of the default wallet."""
        self._many = config.many
        self._earning_wallet = config.earning_wallet
        self._clients: dict[str, RpcClient] = {}
        self._turns = 0
        """Which provider is asked: another one after each failure, and after each search for income."""
        self._waiting: deque[Save | SendPayments] = deque()
        """The first one may be under way."""
        self._working = False
        self._thread = ThreadPoolExecutor(1, "books")
        self._saving: Future[None] | None = None
        """What the thread does."""
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
        match effect:
            case Save() | SendPayments():
                self._queue(effect)
            case Notice(level, text):
                getattr(log, level)("accountant", detail=text)
            case AskTerms():
                self._ask(Scan.PAYABLES, self._terms())
            case AskReceipts(hashes, wallets):
                self._ask(Scan.PENDING_PAYABLES, self._receipts(hashes, wallets))
            case AskTransfers():
                self._ask(effect.scan, self._transfers(effect))
            case AskUse():
                self._ask(None, self._used(effect))
            case AskGone(places):
                self._ask(None, self._gone(places))
            case AskBacking(contract, payers):
                self._ask(None, self._backing(contract, payers))
            case AskBalances(wallets):
                self._turn.spawn(self._balances(wallets))

    def save_config(self, name: str, value: str) -> None:
        self.perform(Save(config=((name, value),)))

    def _queue(self, effect: Save | SendPayments) -> None:
        last = self._waiting[-1] if len(self._waiting) > 1 else None
        if isinstance(effect, Save) and isinstance(last, Save) and (both := gathered(last, effect)) is not None:
            self._waiting[-1] = both  # So what a slow disk lets wait is no more than there are accounts.
        else:
            self._waiting.append(effect)
        if not self._working:
            self._working = True
            self._turn.spawn(self._work())

    async def _work(self) -> None:
        """Until nothing waits."""
        try:
            while self._waiting:
                effect = self._waiting[0]
                if isinstance(effect, SendPayments):
                    self._ask(None, self._send(effect))
                elif not await self._saved(effect):
                    await asyncio.sleep(TRY_EVERY)
                    continue
                self._waiting.popleft()
        except StoreError as error:
            self._turn.fail(error)
        finally:
            self._working = False

    async def _saved(self, save: Save) -> bool:
        """Whether it could be done now. StoreError if it can't be done any more."""
        self._saving = self._thread.submit(self._store.save, save, self._of)
        try:
            # Whatever becomes of who waits for it, it is done to its end, and `close` sees how that was.
            await asyncio.shield(asyncio.wrap_future(self._saving))
        except StoreBusyError as error:
            self._saving = None
            self._not_now(error)
            return False
        self._saving = None
        if self._busy_since is not None:
            self._busy_since = None
            log.warning("books_saved", detail="what waited to be saved is on disk")
        return True

    def _not_now(self, error: StoreBusyError) -> None:
        """It is tried again soon; but not for ever."""
        now = self._turn.now
        if self._busy_since is None:
            self._busy_since, self._why = now, str(error)
            log.error("books_not_saved", detail=f"{error}; it is tried again for {PATIENCE:.0f} s")
        elif now - self._busy_since >= PATIENCE:
            raise StoreError(f"nothing could be saved for {PATIENCE:.0f} s: {error}") from error

    def _ask(self, scan: Scan | None, work: Awaitable[Sequence[NodeEffect]]) -> None:
        self._turn.spawn(self._answer(scan, work))

    async def _answer(self, scan: Scan | None, work: Awaitable[Sequence[NodeEffect]]) -> None:
        try:
            effects = await work
            self.provider_answers = True
        except (UnavailableError, LocalError) as error:
            self.provider_answers = False
            most = _range_limit(error)
            if most is None:
                self._turns += 1
            effects = self._turn.node.scan_failed(scan, str(error), self._turn.now, most, self._purse)
        self._turn.carry(effects)

    @property
    def _chain_client(self) -> RpcClient:
        if not self._urls:
            raise UnavailableError("no --blockchain-service-url is set")
        url = self._urls[self._turns % len(self._urls)]
        client = self._clients.get(url)
        if client is None:
            # Only now: its HTTP library takes longer to load than half of the Node.
            from masq.shell.rpc import RpcClient

            client = self._clients[url] = RpcClient(url)
        return client

    async def close(self) -> None:
        """StoreError if something that waited to be saved is lost. What was to be paid is sent after the next start.

        Cancelled, it doesn't wait for a save that is under way.
        """
        try:
            while self._waiting:
                if isinstance(effect := self._waiting[0], Save):
                    under_way, self._saving = self._saving, None
                    await asyncio.wrap_future(under_way or self._thread.submit(self._store.save, effect, self._of))
                self._waiting.popleft()
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)
            for client in self._clients.values():
                await client.close()

    async def _terms(self) -> Sequence[NodeEffect]:
        wallet = self._paying_wallet()
        rpc, head = await self._provider()
        terms = Terms(
            head,
            await rpc.prices(head),
            await rpc.balance(wallet),
            await rpc.token_balance(self._chain.contract, wallet),
            await rpc.nonce(wallet, "latest"),
            await rpc.nonce(wallet, "pending"),
            self._chain.gas_limit_base + 3_328,
            await self._allowance(rpc, wallet),
        )
        return self._turn.node.terms(terms, self._turn.now, self._purse)

    async def _allowance(self, rpc: RpcClient, wallet: Address) -> int | str | None:
        if self._many is None:
            return None
        try:
            return await rpc.allowance(self._chain.contract, wallet, self._many)
        except LocalError as error:
            return str(error)

    async def watch_purse(self) -> None:
        """Look at what the consuming wallet has, now and then, until it is cancelled."""
        wallet = self._paying_wallet()
        await asyncio.sleep(PURSE_FIRST)
        while True:
            try:
                rpc, _ = await self._provider()
                tokens = await rpc.token_balance(self._chain.contract, wallet)
                accountant = self._turn.node.accountant_of(self._purse)
                accountant.look_into_purse(tokens, await rpc.balance(wallet), self._turn.now)
            except (UnavailableError, LocalError):
                pass  # The scans tell of a provider that fails.
            await asyncio.sleep(PURSE_EVERY)

    def _paying_wallet(self) -> Address:
        if self._wallet is None:
            raise UnavailableError("there is no consuming wallet")
        return self._wallet

    async def _provider(self) -> tuple[RpcClient, Head]:
        """The provider whose turn it is, for all of one question, and its newest block. UnavailableError if it serves
        another chain.

        There the wallet has another nonce, and blocks have other numbers: payments would seem to be displaced and be
        made again. So it would be with the head of one provider and the receipts of another.
        """
        rpc = self._chain_client
        chain_id = await rpc.chain_id()
        if chain_id != self._chain.id:
            raise UnavailableError(f"the provider serves chain {chain_id}, not {self._chain.name} ({self._chain.id})")
        return rpc, await rpc.head()

    async def _send(self, effect: SendPayments) -> Sequence[NodeEffect]:
        latest = [payment.latest for payment in effect.payments]
        transactions = [
            SignedTransaction(each.raw, each.hash, payment.nonce)
            for each, payment in zip(latest, effect.payments, strict=True)
        ]
        answers = await self._chain_client.send_raw_transactions(transactions)
        problems = [None if isinstance(answer, bytes) else _why_not(answer) for answer in answers]
        return self._turn.node.sent(problems, effect.payments, self._turn.now, self._purse)

    async def _receipts(self, hashes: Sequence[bytes], wallets: Sequence[Address]) -> Sequence[NodeEffect]:
        rpc, head = await self._provider()
        # The count before the receipts: what is mined in between has a receipt, and isn't missing.
        nonces = {wallet: (await rpc.nonce(wallet, "latest"), await rpc.nonce(wallet, "pending")) for wallet in wallets}
        prices = await rpc.prices(head)
        answers = await rpc.receipts(hashes, self._chain.contract)
        found = {
            hash: answer for hash, answer in zip(hashes, answers, strict=True) if not isinstance(answer, Exception)
        }
        newest = max([head.number, *(each.block for each in found.values() if each is not None)])
        if newest > head.number:
            head = replace(head, number=newest)
        return self._turn.node.receipts(Look(head, prices, found, nonces), self._turn.now, self._purse)

    async def _transfers(self, asked: AskTransfers) -> Sequence[NodeEffect]:
        turn = self._turn
        rpc, head = await self._provider()
        start = head.number if asked.first is None else asked.first
        if start > head.number:
            return turn.node.transfers(asked, (), None, head, turn.now, self._purse)
        last = head.number if asked.most is None else min(head.number, start + asked.most - 1)
        if asked.way is Way.IN:
            query = TransferQuery(self._chain.contract, self._earning_wallet, start, last)
        else:
            query = TransferQuery(self._chain.contract, None, start, last, self._paying_wallet())
        found = await rpc.logs(query)
        if asked.way is Way.IN and last == head.number:
            self._turns += 1  # What one provider leaves out, another may show.
        return turn.node.transfers(asked, found, last, head, turn.now, self._purse)

    async def _used(self, asked: AskUse) -> Sequence[NodeEffect]:
        rpc, head = await self._provider()
        user = await rpc.user_of(asked.sender, asked.nonce, head)
        hash, block = user or (None, 0)
        return self._turn.node.used(asked.payment, hash, block, head.number, self._turn.now, self._purse)

    async def _backing(self, contract: Address, payers: Sequence[Address]) -> Sequence[NodeEffect]:
        rpc, _ = await self._provider()
        found = {}
        for payer in payers:
            deal = Deal(self._chain, contract, payer, self._earning_wallet)
            found[payer] = await rpc.backing(deal)
        return self._turn.node.backing(found, self._turn.now)

    async def _balances(self, wallets: Sequence[Address]) -> None:
        """Nobody waits for it, and the scans tell of a provider that fails."""
        with contextlib.suppress(UnavailableError, LocalError):
            rpc, head = await self._provider()
            found = await rpc.token_balances(self._chain.contract, wallets)
            self._turn.node.accountant.balances(found, head, self._turn.now)

    async def _gone(self, places: Sequence[Place]) -> Sequence[NodeEffect]:
        rpc, _ = await self._provider()
        answers = await rpc.receipts([each.hash for each in places])
        doubtful = [
            each
            for each, answer in zip(places, answers, strict=True)
            if not isinstance(answer, Exception) and not is_made(answer)
        ]
        gone = [each.hash for each in doubtful if (await rpc.block(each.block)).hash != each.block_hash]
        return self._turn.node.gone(gone, self._turn.now)


def gathered(first: Save, second: Save) -> Save | None:
    """Both in one, if all that they change is accounts and values: what comes later counts."""
    if first != Save(first.entries, config=first.config) or second != Save(second.entries, config=second.config):
        return None
    entries = {(entry.payable, entry.wallet): entry for entry in (*first.entries, *second.entries)}
    return Save(tuple(entries.values()), config=tuple(dict((*first.config, *second.config)).items()))


def _why_not(answer: Exception) -> str | None:
    """Why a transaction wasn't taken; None: it was, before."""
    return None if _KNOWN.search(str(answer)) else str(answer)


def _range_limit(error: Exception) -> int | None:
    """How many blocks the provider is willing to look at, if that was the trouble."""
    from masq.shell.rpc import RangeTooLargeError

    return error.limit if isinstance(error, RangeTooLargeError) else None
