"""What the consuming wallet has: looked at now and then, and known even if nothing was ever due."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.bank_ends import honest, opened, provider

from masq.shell import bank


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank, "PURSE_FIRST", 0.0)
    monkeypatch.setattr(bank, "PURSE_EVERY", 0.01)


def test_it_is_known_and_a_provider_that_fails_for_a_while_changes_nothing(tmp_path: Path) -> None:
    asked = 0

    def answer(method: str, params: list[Any]) -> Any:
        nonlocal asked
        asked += method == "eth_chainId"
        if asked == 2:
            raise RuntimeError("not now")
        if method == "eth_call":
            return "0x" + (asked * 10**18).to_bytes(32, "big").hex()
        return honest(method, params)

    async def scenario() -> None:
        async with provider(answer) as url, opened(tmp_path, url) as books:
            assert books.accountant.view(0.0).money.tokens is None
            watching = asyncio.create_task(books.bank.watch_purse())
            seen: list[int] = []
            while len(seen) < 2:
                await asyncio.sleep(0.005)
                money = books.accountant.view(0.0).money
                if money.tokens is not None and money.tokens not in seen:
                    seen.append(money.tokens)
            watching.cancel()
            assert seen[0] == 10**18
            assert seen[1] >= 3 * 10**18
            assert books.accountant.view(0.0).money.coins == 10**18
            assert books.accountant.view(0.0).money.lacking == 0

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_provider_of_another_chain_is_not_believed(tmp_path: Path) -> None:
    asked = 0

    def answer(method: str, params: list[Any]) -> Any:
        nonlocal asked
        asked += 1
        return "0x1" if method == "eth_chainId" else honest(method, params)

    async def scenario() -> None:
        async with provider(answer) as url, opened(tmp_path, url) as books:
            watching = asyncio.create_task(books.bank.watch_purse())
            while asked < 3:
                await asyncio.sleep(0.005)
            watching.cancel()
            assert books.accountant.view(0.0).money.tokens is None

    asyncio.run(asyncio.wait_for(scenario(), 60))
