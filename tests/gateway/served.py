"""A gateway to ask, over a source of status documents that a test fills."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from masq.errors import LocalError
from masq.gateway import operations
from masq.gateway.doorbell import Doorbell, listen
from masq.gateway.hub import Hub
from masq.gateway.operation import Operation
from masq.gateway.server import Gateway, Running, serve

TOKEN = "t" * 43
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Served:
    """What stands for a Node, and what it was told."""

    document: dict[str, Any] = field(default_factory=lambda: {"verdict": {"works": True}, "uptime": 1})
    told: list[list[str]] = field(default_factory=list)
    looks: int = 0
    url: str = ""
    port: int = 0
    opened: int = 0
    hub: Hub | None = None
    accounts: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=lambda: ["a line"])

    def command(self, name: str) -> operations.Command:
        def act(words: Sequence[str]) -> dict[str, Any]:
            self.told.append([name, *words])
            if name == "lift":
                raise LocalError(f"nothing is held against {words[0]}")
            answers = {"status": self.document, "audit": {"accounts": self.accounts}, "keep": {}}
            return answers.get(name, {})

        return act

    async def seen(self) -> Mapping[str, Any]:
        self.looks += 1
        return dict(self.document)

    def rows(self) -> Sequence[Mapping[str, Any]]:
        return [{"name": "min-hops"}]

    async def check(self, name: str, value: str, look: bool, chain: str) -> Mapping[str, Any]:
        if value == "wrong":
            raise ValueError(f"{name}: {value} is not right; try another")
        return {"findings": [{"what": "dial", "level": "good", "found": "it answers", "do": ""}]} if look else {}

    def change(self, name: str, value: str) -> dict[str, Any]:
        self.told.append(["change", name, value])
        return {"changed": [name]}

    def weigh(self, values: Mapping[str, str], wallet: bool) -> Mapping[str, Any]:
        return {"valid": "min-hops" not in values, "name": "min-hops", "problem": "too many", "warnings": []}

    def keep(self, values: Mapping[str, str], wallet: bool) -> Mapping[str, Any]:
        if wallet:
            raise LocalError("there is none")
        self.told.append(["keep", *values])
        return {"changed": [*values], "after_restart": []}

    def create(self, words: int) -> Mapping[str, Any]:
        self.told.append(["create", str(words)])
        return {"phrase": "word " * words}

    def recover(self, phrase: str, passphrase: str, language: str) -> Mapping[str, Any]:
        raise LocalError("a phrase has 12, 15, 18, 21 or 24 words")


def operations_of(node: Served) -> list[Operation]:
    """What it can be asked."""
    names = ("status", "audit", "route", "reload", "scan", "ban", "lift", "stop")
    return [
        *operations.orders({name: node.command(name) for name in names}),
        *operations.settings(node),
        *operations.wallets(node.create, node.recover),
        operations.log(lambda: node.lines),
    ]


@contextlib.asynccontextmanager
async def served(interval: float = 0.02) -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    node = Served()
    hub = node.hub = Hub(node.seen, interval)
    asked = operations_of(node)
    listener = listen(0)

    async def answer(socket: Any) -> Running:
        node.opened += 1
        return await serve(Gateway(TOKEN, hub, asked), socket)

    bell = Doorbell(listener, answer)
    node.port = bell.port
    node.url = f"http://127.0.0.1:{bell.port}"
    async with aiohttp.ClientSession(node.url) as session:
        yield node, session
    await bell.close()
