"""The Accountant's hands: debts paid on a real chain, and providers that can't or won't serve."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from tests.charges import consumed, exited

from masq.chain.erc20 import sign_transfer
from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import DOUBT_FOR, AccountantConfig, Scan
from masq.core.accountant.effects import AskReceipts, AskTerms, AskTransfers, Notice, Save, SendPayments
from masq.core.accountant.income import OVERLAP
from masq.core.accountant.thresholds import PaymentThresholds
from masq.core.build import NodeConfig, build_node
from masq.core.network.own_record import Profile
from masq.core.node import Node, NodeEffect
from masq.crypto import CryptDE
from masq.demo.chain_process import running_chain
from masq.demo.funds import Funds
from masq.errors import LocalError
from masq.shell.bank import PATIENCE, Bank, BankConfig
from masq.shell.store import Store, StoreBusyError, StoreError
from masq.shell.turn import Turn
from masq.types import CHAINS, DEFAULT_RATE_PACK, Address, Mode

CHAIN = CHAINS["dev"]
CONSUMER, EARNER = Wallet(b"\x01" * 32), Wallet(b"\x02" * 32)
THRESHOLDS = PaymentThresholds(2, 1, 20, 1, 1, 1)
SIZE = 100_000
DEBT = DEFAULT_RATE_PACK.exit_charge(SIZE)


class StillTurn(Turn):
    """Time stands until it is set; what is begun waits to be awaited."""

    def __init__(self, node: Node, perform: Callable[[NodeEffect], None], fail: Callable[[LocalError], None]) -> None:
        super().__init__(node, perform, fail)
        self.time = 0.0
        self.begun: list[Awaitable[None]] = []

    @property
    def now(self) -> float:
        return self.time

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        self.begun.append(work)
        return cast("asyncio.Task[None]", None)  # Nobody asks for it here.


class Books:
    """A Node's Accountant with its hands and its store."""

    def __init__(self, directory: Path, url: str | None, consuming: Wallet, earning: Address) -> None:
        def sign(nonce: int, gas_price: int, recipient: Address, wei: int) -> SignedTransaction:
            return sign_transfer(consuming, CHAIN, nonce=nonce, gas_price=gas_price, recipient=recipient, amount=wei)

        self.store = Store.open(directory, None)
        node = build_node(
            NodeConfig(
                keys=CryptDE(CHAIN.contract, os.urandom),
                alias=CryptDE(CHAIN.contract, os.urandom),
                mode=Mode.ZERO_HOP,
                profile=Profile(
                    earning_wallet=earning,
                    rates=DEFAULT_RATE_PACK,
                    accepts_connections=False,
                    routes_data=False,
                    country=None,
                    address=None,
                ),
                wallet=consuming,
                accountant=AccountantConfig(
                    earning_wallet=earning,
                    consuming_wallet=consuming.address,
                    sign=sign,
                    thresholds=THRESHOLDS,
                    intervals=dict.fromkeys(Scan, 10.0),
                ),
                hops=3,
                epoch=1e9,
            ),
            self.store.load(),
            os.urandom,
            0.0,
        )
        self.accountant = node.accountant
        self.turn = StillTurn(node, self._perform, raised)
        self.bank_config = BankConfig(chain=CHAIN, url=url, consuming_wallet=consuming.address, earning_wallet=earning)
        self.bank = Bank(self.turn, self.store, self.bank_config)
        self.notices: list[str] = []

    @property
    def now(self) -> float:
        return self.turn.time

    @now.setter
    def now(self, now: float) -> None:
        self.turn.time = now

    def carry(self, effects: Sequence[NodeEffect]) -> None:
        self.turn.carry(effects)

    def _perform(self, effect: NodeEffect) -> None:
        if isinstance(effect, Notice):
            self.notices.append(effect.text)
        elif isinstance(effect, Save | AskTerms | SendPayments | AskReceipts | AskTransfers):
            self.bank.perform(effect)

    async def scan(self, *scans: Scan) -> None:
        """These scans, one after the other, with all that follows from each."""
        for scan in scans:
            self.carry(self.accountant.scan(scan, self.now))
            while self.turn.begun:
                await self.turn.begun.pop()

    def take_begun(self) -> list[Awaitable[None]]:
        begun, self.turn.begun = self.turn.begun, []
        return begun

    async def close(self) -> None:
        await self.bank.close()
        self.store.close()


def raised(error: LocalError) -> None:
    raise error


@asynccontextmanager
async def opened(
    directory: Path, url: str | None, consuming: Wallet = CONSUMER, earning: Address = b"\x03" * 20
) -> AsyncIterator[Books]:
    books = Books(directory, url, consuming, earning)
    try:
        yield books
    finally:
        await books.close()


def test_a_debt_is_paid_and_credited_and_both_remember(tmp_path: Path) -> None:
    async def scenario() -> None:
        funds = {CONSUMER.address: Funds(10**18, 10**21)}
        async with running_chain(CHAIN, funds) as url:
            async with (
                opened(tmp_path / "payer", url) as payer,
                opened(tmp_path / "earner", url, Wallet(b"\x04" * 32), EARNER.address) as earner,
            ):
                await earner.scan(Scan.RECEIVABLES)
                consumed(payer.accountant, (EARNER.address, DEFAULT_RATE_PACK, SIZE), [], 0, 0.0)
                exited(earner.accountant, CONSUMER.address, SIZE, 0.0)
                payer.now = earner.now = 10.0
                await payer.scan(Scan.PAYABLES)
                assert len(payer.store.load().payments) == 1
                await payer.scan(Scan.PENDING_PAYABLES, Scan.PAYABLES)
                await earner.scan(Scan.RECEIVABLES, Scan.RECEIVABLES)
                assert payer.accountant.paid == earner.accountant.earned == DEBT
                assert earner.accountant.owed_by(CONSUMER.address) == 0
                assert not [notice for notice in payer.notices + earner.notices if "failed" in notice]
                (entry,) = payer.store.load().entries
                assert (entry.wallet, entry.wei) == (EARNER.address, 0)
                assert not payer.store.load().payments
                assert earner.store.load().start_block == 2
            async with opened(tmp_path / "earner", url, Wallet(b"\x04" * 32), EARNER.address) as again:
                await again.scan(Scan.RECEIVABLES)
                assert not [notice for notice in again.notices if "failed" in notice]
                assert again.accountant.earned == 0, "block 1, which has the payment, is searched again to no avail"

    asyncio.run(scenario())


def test_a_node_that_dies_after_sending_learns_of_its_payment(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_chain(CHAIN, {CONSUMER.address: Funds(10**18, 10**21)}) as url:
            async with opened(tmp_path, url) as payer:
                consumed(payer.accountant, (EARNER.address, DEFAULT_RATE_PACK, SIZE), [], 0, 0.0)
                payer.now = 10.0
                await payer.scan(Scan.PAYABLES)
            async with opened(tmp_path, url) as again:
                again.now = 20.0
                await again.scan(Scan.PAYABLES, Scan.PENDING_PAYABLES, Scan.PAYABLES)
                assert again.accountant.paid == DEBT
                assert [entry.wei for entry in again.store.load().entries] == [0]

    asyncio.run(scenario())


# ---- Providers that can't or won't


@asynccontextmanager
async def provider(answer: Callable[[str, list[Any]], Any]) -> AsyncIterator[str]:
    """The URL of a provider that answers each call with what the function says: a result, or an exception's text."""

    def reply(call: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"jsonrpc": "2.0", "id": call["id"], "result": answer(call["method"], call["params"])}
        except RuntimeError as error:
            return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32000, "message": str(error)}}

    async def handle(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        return web.json_response([reply(call) for call in body] if isinstance(body, list) else reply(body))

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def honest(method: str, params: list[Any]) -> Any:
    """A chain at block 100 that knows no transaction."""
    return {
        "eth_chainId": hex(CHAIN.id),
        "eth_gasPrice": "0x1",
        "eth_blockNumber": "0x64",
        "eth_getBalance": hex(10**18),
        "eth_call": "0x" + (10**24).to_bytes(32, "big").hex(),
        "eth_getTransactionCount": "0x0",
        "eth_getTransactionReceipt": None,
        "eth_getLogs": [],
    }[method]


def takes_nothing(method: str, params: list[Any]) -> Any:
    if method == "eth_sendRawTransaction":
        raise RuntimeError("insufficient funds")
    return honest(method, params)


def run_against(
    directory: Path, answer: Callable[[str, list[Any]], Any], scenario: Callable[[Books], Awaitable[None]]
) -> None:
    async def run() -> None:
        async with provider(answer) as url, opened(directory, url) as books:
            consumed(books.accountant, (EARNER.address, DEFAULT_RATE_PACK, SIZE), [], 0, 0.0)
            books.now = 10.0
            await scenario(books)

    asyncio.run(run())


def test_what_is_refused_is_kept_and_sent_again(tmp_path: Path) -> None:
    sent: list[str] = []

    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_sendRawTransaction":
            sent.append(params[0])
        return takes_nothing(method, params)

    async def scenario(books: Books) -> None:
        await books.scan(Scan.PAYABLES, Scan.PENDING_PAYABLES, Scan.PENDING_PAYABLES)
        assert any("insufficient funds" in notice for notice in books.notices)
        assert len(books.store.load().payments) == 1

    run_against(tmp_path, answer, scenario)
    assert len(sent) == 3
    assert len(set(sent)) == 1, "the same bytes each time"


def test_a_provider_of_another_chain_is_believed_nothing(tmp_path: Path) -> None:
    chain = [CHAIN.id]

    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_chainId":
            return hex(chain[0])
        # There the wallet has sent a lot, and there are many more blocks.
        other = {"eth_getTransactionCount": "0x64", "eth_blockNumber": "0xffffff"}
        return (
            other.get(method) or takes_nothing(method, params)
            if chain[0] != CHAIN.id
            else takes_nothing(method, params)
        )

    async def scenario(books: Books) -> None:
        await books.scan(Scan.PAYABLES, Scan.RECEIVABLES)
        before = books.store.load()
        chain[0] = 1
        for _ in range(3):
            books.now += DOUBT_FOR
            await books.scan(*Scan)
        assert books.store.load() == before
        assert before.start_block == 101
        assert any("the provider serves chain 1, not dev" in notice for notice in books.notices)

    run_against(tmp_path, answer, scenario)


def test_a_receipt_that_could_not_be_asked_for_is_not_missing(tmp_path: Path) -> None:
    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_getTransactionReceipt":
            raise RuntimeError("too many requests")
        if method == "eth_getTransactionCount" and params[1] == "latest":
            return "0x5"
        return takes_nothing(method, params)

    async def scenario(books: Books) -> None:
        await books.scan(Scan.PAYABLES)
        for _ in range(3):
            books.now += DOUBT_FOR
            await books.scan(Scan.PENDING_PAYABLES)
        assert len(books.store.load().payments) == 1

    run_against(tmp_path, answer, scenario)


def test_a_provider_s_limit_is_kept_and_no_block_left_out(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_getLogs":
            first, last = (int(params[0][end], 16) for end in ("fromBlock", "toBlock"))
            if last - first >= 40:
                raise RuntimeError("eth_getLogs is limited to 40 blocks")
            asked.append((first, last))
        return honest(method, params)

    async def scenario(books: Books) -> None:
        await books.scan(*[Scan.RECEIVABLES] * 5)

    store = Store.open(tmp_path, None)
    store.set("start_block", "5")
    store.close()
    run_against(tmp_path, answer, scenario)
    assert asked[:3] == [(5, 44), (35, 74), (65, 100)]
    assert asked[3:] == [(101 - OVERLAP, 100)], "the last blocks are searched again"


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:1/", "ftp://nowhere"])
def test_without_a_provider_nothing_is_paid_and_nothing_ends(tmp_path: Path, url: str | None) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, url) as books:
            consumed(books.accountant, (EARNER.address, DEFAULT_RATE_PACK, SIZE), [], 0, 0.0)
            books.now = 10.0
            await books.scan(*Scan, *Scan)
            assert len(books.notices) == 4
            assert not books.store.load().payments
            assert books.accountant.ledger.payables[EARNER.address].wei == DEBT

    asyncio.run(scenario())


# ---- A store that can't save


class Refusing:
    """A store that refuses to save for as long as it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refuses = False

    def save(self, save: Save) -> None:
        if self.refuses:
            raise StoreBusyError("unable to open database file")
        self._store.save(save)


@asynccontextmanager
async def with_refusing_store(directory: Path, url: str) -> AsyncIterator[tuple[Books, Refusing]]:
    async with opened(directory, url) as books:
        consumed(books.accountant, (EARNER.address, DEFAULT_RATE_PACK, SIZE), [], 0, 0.0)
        books.now = 10.0
        store = Refusing(books.store)
        books.bank = Bank(books.turn, store, books.bank_config)  # type: ignore[arg-type]
        yield books, store


def counting(sent: list[str]) -> Callable[[str, list[Any]], Any]:
    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_sendRawTransaction":
            sent.append(params[0])
        return takes_nothing(method, params)

    return answer


def test_nothing_is_paid_before_it_is_on_disk_and_nothing_is_lost_meanwhile(tmp_path: Path) -> None:
    sent: list[str] = []

    async def scenario() -> None:
        async with provider(counting(sent)) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.refuses = True
            books.carry(books.accountant.scan(Scan.PAYABLES, books.now))
            (asking,) = books.take_begun()
            await asking
            (retry,) = books.take_begun()
            assert not sent
            assert not books.store.load().payments
            assert "unable to open" in books.bank.warnings[0]
            # More to be saved, and a payment that is to be sent again: they wait behind it.
            books.bank.save_config("name", "value")
            books.carry(books.accountant.scan(Scan.PENDING_PAYABLES, books.now))
            for begun in books.take_begun():
                await begun
            assert not sent
            store.refuses = False
            books.carry([Save()])
            assert books.bank.warnings == ()
            assert len(books.store.load().payments) == 1
            assert books.store.get("name") == "value"
            assert [entry.wei for entry in books.store.load().entries] == [DEBT]
            for begun in books.take_begun():
                await begun
            assert len(sent) == 2
            assert len(set(sent)) == 1
            await retry

    asyncio.run(scenario())


def test_a_store_that_refuses_for_long_ends_the_node(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with provider(honest) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.refuses = True
            books.carry([Save()])
            (retry,) = books.take_begun()
            books.now += PATIENCE - 1
            books.carry([Save()])
            store.refuses = False
            books.carry([Save()])
            store.refuses = True
            books.now += 2
            books.carry([Save()])
            (again,) = books.take_begun()
            books.now += PATIENCE
            with pytest.raises(StoreError, match="60 s"):
                books.carry([Save()])
            for begun in (retry, again):
                begun.close()  # type: ignore[attr-defined]
            store.refuses = False

    asyncio.run(scenario())


def test_a_store_that_refuses_is_asked_again_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("masq.shell.bank.TRY_EVERY", 0.01)

    async def scenario() -> None:
        async with provider(honest) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.refuses = True
            books.bank.save_config("name", "value")
            (retry,) = books.take_begun()
            trying = asyncio.ensure_future(retry)
            await asyncio.sleep(0.05)
            assert not trying.done()
            store.refuses = False
            await asyncio.wait_for(trying, 1)
            assert books.store.get("name") == "value"

    asyncio.run(scenario())


def test_what_waits_to_be_saved_is_saved_at_the_end_or_its_loss_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with provider(honest) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.refuses = True
            books.bank.save_config("name", "value")
            (retry,) = books.take_begun()
            retry.close()  # type: ignore[attr-defined]
            with pytest.raises(StoreBusyError):
                await books.bank.close()
            store.refuses = False
            await books.bank.close()
            assert books.store.get("name") == "value"

    asyncio.run(scenario())
