"""The demo's page: all Nodes side by side, traffic that goes on, and buttons to make trouble."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from masq.chain.erc20 import sign_transfer
from masq.demo.nodes import CHAIN, ENTRY_PORT, DemoNode
from masq.demo.web import Site
from masq.errors import LocalError, UnavailableError
from masq.gateway.doorbell import Doorbell, listen
from masq.gateway.hub import Hub
from masq.gateway.operation import Empty, Operation
from masq.gateway.server import Gateway, Running, serve
from masq.settings.changing import change
from masq.shell.rpc import RpcClient
from masq.types import address_text

SLOW: Final = "0.1"
"""MB per second of a Node that was made slow."""
BLOCK: Final = 65_536
PAUSE: Final = 0.05
"""Seconds between two blocks: about 1 MB/s, which a laptop doesn't feel."""
SCAN_EVERY: Final = 4.0
NOWHERE: Final = bytes(19) + b"\xde"
"""Whose the tokens of a wallet are that was emptied."""
SHOWN: Final = (
    "public_key",
    "verdict",
    "nodes_known",
    "neighbors",
    "streams",
    "circuits",
    "serving",
    "payments",
    "paid_wei",
    "earned_wei",
    "routes",
    "warnings",
    "consuming_wallet",
    "earning_wallet",
    "avoided",
    "failures",
    "payables",
    "receivables",
)
"""Members of a Node's status that the page shows."""


class NodeBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which Node."""

    name: str


class TrafficBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a file is to be fetched, again and again."""

    on: bool


@dataclass
class DemoWindow:
    """What the page shows and does."""

    nodes: Sequence[DemoNode]
    chain_url: str
    hops: int
    site: Site
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    killed: set[str] = field(default_factory=set)
    slowed: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    traffic: bool = True
    fetched: int = 0
    happened: deque[str] = field(default_factory=lambda: deque(maxlen=20))

    @property
    def originator(self) -> DemoNode:
        return self.nodes[-1]

    async def seen(self) -> Mapping[str, Any]:
        """The members that the page hears of."""
        documents = await asyncio.gather(*(self._document(node) for node in self.nodes))
        about = {
            "originator": self.originator.name,
            "hops": self.hops,
            "traffic": self.traffic,
            "fetched": self.fetched,
            "happened": list(self.happened),
            "proxy": f"socks5h://{self.originator.ip}:{ENTRY_PORT}",
            "site": f"http://localhost:{self.site.port}/",
        }
        named = {node.name: document for node, document in zip(self.nodes, documents, strict=True)}
        return {"demo": about, "order": [node.name for node in self.nodes], **named}

    async def _document(self, node: DemoNode) -> dict[str, Any]:
        state = {
            "name": node.name,
            "key": node.keys.public_key.hex(),
            "alive": node.alive(),
            "slowed": node.name in self.slowed,
            "frozen": node.name in self.frozen,
        }
        if not node.alive() or node.name in self.frozen:
            return state
        try:
            document = await node.ask()
        except UnavailableError:
            return state
        return {**state, **{name: document[name] for name in SHOWN if name in document}}

    def operations(self) -> list[Operation]:
        """The buttons."""

        def post(path: str, summary: str, act: Any, body: type[msgspec.Struct] = NodeBody) -> Operation:
            return Operation("POST", f"/api/demo/{path}", summary, act, body, "Demo")

        async def status(_: object) -> Mapping[str, Any]:
            return await self.seen()

        return [
            Operation("GET", "/api/status", "All Nodes of the demo.", status, None, "Demo"),
            post("kill", "End a Node at once, as a crash would.", self.kill),
            post("start", "Start a Node that was killed again.", self.start),
            post("slow", "Have a Node carry 0.1 MB/s, or any amount again.", self.slow),
            post("drop", "Have a Node swallow all that it is sent, or work again.", self.drop),
            post("empty", "Take all tokens out of the wallet that a Node pays with.", self.empty),
            post("traffic", "Fetch a file, again and again, or don't.", self.fetch, TrafficBody),
            post("pay", "Have the user's Node pay what it owes.", self.pay, Empty),
        ]

    def _node(self, body: NodeBody) -> DemoNode:
        node = next((node for node in self.nodes if node.name == body.name), None)
        if node is None:
            raise ValueError(f"there is no Node {body.name[:40]!r}")
        return node

    def _living(self, body: NodeBody) -> DemoNode:
        node = self._node(body)
        if not node.alive():
            raise LocalError(f"{node.name} was killed: start it again first")
        return node

    async def kill(self, body: NodeBody) -> dict[str, Any]:
        node = self._living(body)
        assert node.process is not None
        self.killed.add(node.name)
        self.frozen.discard(node.name)
        node.process.kill()
        await node.process.wait()
        self.happened.append(f"{node.name} was killed")
        return {}

    async def start(self, body: NodeBody) -> dict[str, Any]:
        node = self._node(body)
        if node.alive():
            raise LocalError(f"{node.name} runs already")
        at = self.nodes.index(node)
        others = [each for each in self.nodes if each is not node and each.alive()]
        await node.start(self.chain_url, self.hops, others[max(0, at - 2) : at] or others[:1])
        self.killed.discard(node.name)
        self.happened.append(f"{node.name} was started again")
        return {}

    async def slow(self, body: NodeBody) -> dict[str, Any]:
        node = self._living(body)
        slow = node.name not in self.slowed
        change(node.directory / "config.toml", "max-bandwidth", SLOW if slow else "")
        await self._told(node, "reload")
        (self.slowed.add if slow else self.slowed.discard)(node.name)
        self.happened.append(f"{node.name} carries {f'{SLOW} MB/s' if slow else 'any amount again'}")
        return {}

    async def drop(self, body: NodeBody) -> dict[str, Any]:
        node = self._living(body)
        assert node.process is not None
        frozen = node.name not in self.frozen
        os.kill(node.process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)
        (self.frozen.add if frozen else self.frozen.discard)(node.name)
        self.happened.append(f"{node.name} {'swallows all that it is sent' if frozen else 'works again'}")
        return {}

    async def empty(self, body: NodeBody) -> dict[str, Any]:
        node = self._node(body)
        async with RpcClient(self.chain_url) as rpc:
            wallet = node.consuming.address
            amount = await rpc.token_balance(CHAIN.contract, wallet)
            signed = sign_transfer(
                node.consuming,
                CHAIN,
                nonce=await rpc.nonce(wallet),
                gas_price=await rpc.gas_price(),
                recipient=NOWHERE,
                amount=amount,
            )
            await rpc.send_raw_transactions([signed])
        self.happened.append(f"the wallet of {node.name}, {address_text(wallet)[:10]}, is empty: it can't pay any more")
        return {}

    async def fetch(self, body: TrafficBody) -> dict[str, Any]:
        self.traffic = body.on
        self.happened.append("a file is fetched, again and again" if body.on else "nothing is fetched any more")
        return {}

    async def pay(self, _: Empty) -> dict[str, Any]:
        for words in ("scan payables", "scan pendingpayables"):
            await self._told(self.originator, words)
        return {}

    async def _told(self, node: DemoNode, words: str) -> None:
        try:
            answer = await node.ask(words)
        except UnavailableError as error:
            raise LocalError(str(error)) from error
        if "error" in answer:
            raise LocalError(str(answer["error"]))

    async def keep_moving(self, hub: Hub) -> None:
        """Fetch and pay for as long as somebody looks."""
        import httpx

        proxy = f"socks5://{self.originator.ip}:{ENTRY_PORT}"
        while True:
            await asyncio.sleep(0.5)
            if not (len(hub) and self.traffic and self.originator.alive()):
                continue
            try:
                async with (
                    httpx.AsyncClient(proxy=proxy, timeout=10.0) as client,
                    client.stream("GET", f"http://localhost:{self.site.port}/file") as answer,
                ):
                    async for block in answer.aiter_bytes(BLOCK):
                        self.fetched += len(block)
                        if not (len(hub) and self.traffic):
                            break
                        await asyncio.sleep(PAUSE)
            except httpx.HTTPError as error:
                self.happened.append(f"the download broke off ({type(error).__name__}); it is begun again")

    async def keep_paying(self, hub: Hub) -> None:
        while True:
            await asyncio.sleep(SCAN_EVERY)
            if len(hub) and self.originator.alive() and self.originator.name not in self.frozen:
                with contextlib.suppress(LocalError):
                    await self.pay(Empty())
                for node in self.nodes:
                    if node.alive() and node.name not in self.frozen:
                        with contextlib.suppress(LocalError):
                            await self._told(node, "scan receivables")

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Serve it: its URL, with the token."""
        hub = Hub(self.seen)

        async def answer(listener: Any) -> Running:
            return await serve(Gateway(self.token, hub, self.operations()), listener)

        try:
            bell = Doorbell(listen(0), answer)
        except OSError as error:
            raise LocalError(f"the demo's page can't be served: {error}") from error
        tasks = [asyncio.create_task(self.keep_moving(hub)), asyncio.create_task(self.keep_paying(hub))]
        try:
            yield f"http://127.0.0.1:{bell.port}/#token={self.token}"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await bell.close()
