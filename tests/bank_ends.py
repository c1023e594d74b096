"""An Accountant with its hands and its store, and providers for it, for tests of the shell's bank."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from masq.chain.disperser import sign_disperse
from masq.chain.erc20 import sign_transfer
from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import AccountantConfig
from masq.core.accountant.effects import (
    Notice,
    OfPurse,
    Question,
    Save,
    Scan,
)
from masq.core.accountant.fees import Fee
from masq.core.accountant.promises import Dealing
from masq.core.accountant.signing import Many
from masq.core.accountant.thresholds import PaymentThresholds
from masq.core.build import FurtherWallet, NodeConfig, build_node
from masq.core.effects import SaveConfig
from masq.core.network.own_record import Profile
from masq.core.node import Node, NodeEffect
from masq.crypto import CryptDE
from masq.errors import LocalError
from masq.shell.bank import Bank, BankConfig
from masq.shell.store import Store
from masq.shell.turn import Turn
from masq.types import CHAINS, DEFAULT_RATE_PACK, Address, Mode

CHAIN = CHAINS["dev"]
CONSUMER, EARNER = Wallet(b"\x01" * 32), Wallet(b"\x02" * 32)
THRESHOLDS = PaymentThresholds(2, 1, 20, 1, 1, 1)
SIZE = 100_000
EPOCH = float(int(time.time()))
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

    def _tick(self) -> None:
        """Nothing happens by itself."""

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        self.begun.append(work)
        return cast("asyncio.Task[None]", None)  # Nobody asks for it here.


class Books:
    """A Node's Accountant with its hands and its store."""

    def __init__(
        self,
        directory: Path,
        url: str | None,
        consuming: Wallet,
        earning: Address,
        *further: Wallet,
        many: Address | None = None,
        asks: bool | None = None,
    ) -> None:
        """`asks`: whether vouchers are asked for, or just given (False); None: neither."""
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
                accountant=_accountant(consuming, earning, many, asks),
                further=tuple(
                    FurtherWallet(
                        wallet=each, accountant=_accountant(each, earning), saved=self.store.load(each.address)
                    )
                    for each in further
                ),
                hops=3,
                epoch=EPOCH,
            ),
            self.store.load(),
            os.urandom,
            0.0,
        )
        self.accountant = node.accountant
        self.turn = StillTurn(node, self._perform, raised)
        urls = () if url is None else tuple(url.split(","))
        self.bank_config = BankConfig(
            chain=CHAIN, urls=urls, consuming_wallet=consuming.address, earning_wallet=earning, many=many
        )
        self.bank = Bank(self.turn, self.store, self.bank_config)
        self.further = [
            Bank(self.turn, self.store, replace(self.bank_config, consuming_wallet=each.address, purse=number))
            for number, each in enumerate(further, 1)
        ]
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
        elif isinstance(effect, Save | Question):
            self.bank.perform(effect)
        elif isinstance(effect, OfPurse) and not isinstance(effect.effect, SaveConfig):
            self.further[effect.purse - 1].perform(effect.effect)

    async def scan(self, *scans: Scan) -> None:
        """These scans, one after the other, with all that follows from each."""
        for scan in scans:
            self.carry(self.accountant.scan(scan, self.now))
            for desk in self.turn.node.desks:
                self.carry(desk.marked(desk.accountant.scan(scan, self.now)))
            await self.settle()

    async def settle(self) -> None:
        """All that was begun is done, and what follows from it."""
        while self.turn.begun:
            await self.turn.begun.pop()

    def take_begun(self) -> list[Awaitable[None]]:
        begun, self.turn.begun = self.turn.begun, []
        return begun

    async def close(self) -> None:
        for bank in (*self.further, self.bank):
            await bank.close()
        self.store.close()


def _accountant(
    consuming: Wallet, earning: Address, many: Address | None = None, asks: bool | None = None
) -> AccountantConfig:
    def sign_many(nonce: int, fee: Fee, contract: Address, parts: Sequence[tuple[Address, int]]) -> SignedTransaction:
        return sign_disperse(consuming, CHAIN, contract, nonce=nonce, gas_price=fee.most, tip=fee.tip, parts=parts)

    def sign(nonce: int, fee: Fee, recipient: Address, wei: int) -> SignedTransaction:
        return sign_transfer(
            consuming, CHAIN, nonce=nonce, gas_price=fee.most, tip=fee.tip, recipient=recipient, amount=wei
        )

    return AccountantConfig(
        earning_wallet=earning,
        consuming_wallet=consuming.address,
        sign=sign,
        thresholds=THRESHOLDS,
        intervals=dict.fromkeys(Scan, 10.0),
        many=Many(sign_many, many),
        dealing=None if asks is None or many is None else Dealing(CHAIN, many, asks),
        wallet=consuming,
    )


def raised(error: LocalError) -> None:
    raise error


@asynccontextmanager
async def opened(
    directory: Path,
    url: str | None,
    consuming: Wallet = CONSUMER,
    earning: Address = b"\x03" * 20,
    *further: Wallet,
    many: Address | None = None,
    asks: bool | None = None,
) -> AsyncIterator[Books]:
    books = Books(directory, url, consuming, earning, *further, many=many, asks=asks)
    try:
        yield books
    finally:
        await books.close()


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
        "eth_getBlockByNumber": {
            "number": "0x64",
            "timestamp": hex(int(time.time())),
            "hash": "0x" + "ab" * 32,
            "transactions": [],
        },
        "eth_chainId": hex(CHAIN.id),
        "eth_gasPrice": hex(10**9),
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
