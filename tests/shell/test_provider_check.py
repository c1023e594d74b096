"""A provider is asked what a Node asks, and each way in which it isn't good enough is named, with what helps."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.cli.test_wallets import environment

from masq.shell.provider_check import Finding, ProviderCheck
from masq.types import CHAINS

CHAIN = CHAINS["base-mainnet"]
WALLET, EARNING = b"w" * 20, b"e" * 20
HASH = "0x" + "ab" * 32
HEAD = 30_000_000
Reply = Callable[[list[Any]], Any]


class Refused(Exception):
    """What a method answers with an error."""


class Provider:
    """A good one, but for what a test changes."""

    def __init__(self, **changed: Reply) -> None:
        self.batch_limit = 1000
        self.replies: dict[str, Reply] = {
            "eth_chainId": lambda words: hex(CHAIN.id),
            "eth_getBlockByNumber": lambda words: block(),
            "eth_call": lambda words: "0x" + "00" * 31 + "05",
            "eth_getLogs": lambda words: [],
            "eth_getTransactionReceipt": receipt,
            "eth_gasPrice": lambda words: hex(10**7),
            "eth_getTransactionCount": lambda words: "0x3",
            **changed,
        }

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"jsonrpc": "2.0", "id": call["id"], "result": self.replies[call["method"]](call["params"])}
        except Refused as error:
            return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32000, "message": str(error)}}

    async def handle(self, request: web.Request) -> web.Response:
        document = await request.json()
        if not isinstance(document, list):
            return web.json_response(self.answer(document))
        if len(document) > self.batch_limit:
            return web.json_response({"jsonrpc": "2.0", "id": None, "error": {"code": -32005, "message": "too many"}})
        return web.json_response([self.answer(call) for call in document])

    async def serve(self) -> tuple[web.AppRunner, str]:
        application = web.Application()
        application.router.add_post("/{key}", self.handle)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return runner, f"http://127.0.0.1:{port}/a-secret-key"

    def findings(self) -> dict[str, Finding]:
        async def scenario() -> dict[str, Finding]:
            runner, url = await self.serve()
            found = [each async for each in ProviderCheck(url, CHAIN, WALLET, EARNING, 5.0).findings()]
            await runner.cleanup()
            return {each.what: each for each in found}

        return asyncio.run(scenario())


def block(age: int = 1, **changed: object) -> dict[str, object]:
    fee = {"baseFeePerGas": hex(5 * 10**6)}
    return {"number": hex(HEAD), "timestamp": hex(int(time.time()) - age), "transactions": [HASH], **fee, **changed}


def receipt(words: list[Any]) -> dict[str, object] | None:
    return {"transactionHash": HASH, "blockNumber": hex(HEAD)} if words == [HASH] else None


def refused(text: str) -> Reply:
    def reply(words: list[Any]) -> Any:
        raise Refused(text)

    return reply


def up_to(most: int, text: str) -> Reply:
    def logs(words: list[Any]) -> list[object]:
        if int(words[0]["toBlock"], 16) - int(words[0]["fromBlock"], 16) + 1 > most:
            raise Refused(text)
        return []

    return logs


def test_a_good_one() -> None:
    found = Provider().findings()
    assert {each.level for each in found.values()} == {"good"}
    assert list(found) == ["chain", "head", "token", "logs", "receipts", "batches", "gas", "nonces", "the past"]
    assert "10,000 blocks" in found["logs"].found
    assert "20 calls" in found["batches"].found
    assert not any(each.do for each in found.values())


@pytest.mark.parametrize(
    ("method", "reply", "what", "level", "words"),
    [
        ("eth_chainId", lambda words: "0x1", "chain", "bad", "serves chain 1, not base-mainnet"),
        ("eth_chainId", lambda words: "rubbish", "answers", "bad", "eth_chainId"),
        ("eth_getBlockByNumber", lambda words: block(500), "head", "bad", "500 s old"),
        ("eth_getBlockByNumber", lambda words: block(-500), "head", "bad", "in the future"),
        ("eth_getBlockByNumber", lambda words: None, "answers", "bad", "no block in the answer"),
        ("eth_call", lambda words: "0x", "token", "bad", "eth_call"),
        ("eth_getLogs", refused("logs are not for you"), "logs", "bad", "not for you"),
        ("eth_getLogs", up_to(10, "up to a 10 block range"), "logs", "warning", "10 blocks at once"),
        ("eth_getLogs", up_to(2_000, "block range is too large"), "logs", "good", "blocks at once, not more"),
        ("eth_getTransactionReceipt", lambda words: None, "receipts", "bad", "none for a transaction of its own"),
        (
            "eth_getTransactionReceipt",
            lambda words: {"transactionHash": HASH, "blockNumber": "0x1"},
            "receipts",
            "bad",
            "names another block",
        ),
        ("eth_gasPrice", lambda words: hex(6 * 10**9), "gas", "bad", "above what is ever paid"),
        ("eth_gasPrice", lambda words: "0x1", "gas", "bad", "far below"),
        (
            "eth_getTransactionCount",
            lambda words: "0x2" if words[1] == "pending" else "0x3",
            "nonces",
            "warning",
            "3 transactions",
        ),
        ("eth_getTransactionCount", refused("missing trie node"), "nonces", "bad", "missing trie node"),
    ],
)
def test_what_is_wrong_is_named(method: str, reply: Reply, what: str, level: str, words: str) -> None:
    found = Provider(**{method: reply}).findings()
    assert found[what].level == level
    assert words in found[what].found
    assert found[what].do or level == "good"
    assert "a-secret-key" not in str(found)


@pytest.mark.parametrize(("limit", "level", "words"), [(5, "warning", "5 calls at once"), (1, "warning", "none")])
def test_how_large_a_batch_may_be(limit: int, level: str, words: str) -> None:
    provider = Provider()
    provider.batch_limit = limit
    found = provider.findings()["batches"]
    assert (found.level, words in found.found) == (level, True)


def test_a_provider_without_a_past_is_warned_of() -> None:
    def count(words: list[Any]) -> str:
        if words[1].startswith("0x"):
            raise Refused("missing trie node")
        return "0x3"

    found = Provider(eth_getTransactionCount=count).findings()
    assert found["the past"].level == "warning"
    assert found["nonces"].level == "good"


def test_nobody_answers() -> None:
    async def scenario() -> list[Finding]:
        check = ProviderCheck("http://127.0.0.1:9/a-secret-key", CHAIN, WALLET, EARNING, 5.0)
        return [each async for each in check.findings()]

    (found,) = asyncio.run(scenario())
    assert found.level == "bad"
    assert "a-secret-key" not in found.found


def masq_chain_check(provider: Provider, home: Path, *words: str) -> tuple[int | None, str, str]:
    async def scenario() -> tuple[int | None, str, str]:
        runner, url = await provider.serve()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "masq.cli.main", "chain", "check", "--ask", *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=home,
            env=environment(home),
        )
        out, problem = await process.communicate(f"{url}\n".encode())
        await runner.cleanup()
        return process.returncode, out.decode(), problem.decode()

    return asyncio.run(scenario())


def test_the_command_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    status, out, problem = masq_chain_check(Provider(), tmp_path)
    assert (status, problem) == (0, "")
    assert out.endswith("Good enough.\n")
    status, out, problem = masq_chain_check(Provider(eth_chainId=lambda words: "0x1"), tmp_path, "--json")
    told = json.loads(out)
    assert (status, told["good"], told["chain"]) == (1, False, "base-mainnet")
    (finding,) = told["providers"][0]["findings"]
    assert "take a URL for that chain" in finding["do"]
    assert "a-secret-key" not in out + problem
