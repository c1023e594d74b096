"""The Accountant's hands: debts paid on a real chain, and providers that can't or won't serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.bank_ends import (
    CHAIN,
    CONSUMER,
    DEBT,
    EARNER,
    SIZE,
    Books,
    honest,
    opened,
    provider,
    takes_nothing,
)
from tests.charges import consumed, exited

from masq.chain.wallet import Wallet
from masq.core.accountant.effects import AskBalances, AskGone, Place, Scan, State
from masq.core.accountant.paying import DOUBT_FOR
from masq.core.node import NodeEffect
from masq.demo.chain_process import running_chain
from masq.demo.funds import Funds
from masq.shell.store import Store
from masq.types import DEFAULT_RATE_PACK


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
                (payment,) = payer.store.load().payments
                assert payment.state is State.SETTLED
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
    """S45."""
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
    """S52."""

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


def test_what_is_gone_both_block_and_receipt_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt of a transaction that was reverted is none of a transfer; one that can't be had says nothing."""
    kept, missing, reverted, unknown, elsewhere = (bytes([number]) * 32 for number in range(1, 6))
    found: list[bytes] = []

    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_getTransactionReceipt":
            hash = bytes.fromhex(params[0][2:])
            if hash == unknown:
                raise RuntimeError("too many requests")
            status = "0x0" if hash == reverted else "0x1"
            receipt = {"transactionHash": params[0], "blockNumber": "0x1", "status": status}
            return None if hash == missing else receipt
        return honest(method, params)

    def heard(hashes: list[bytes], now: float) -> list[NodeEffect]:
        found.extend(hashes)
        return []

    async def scenario() -> None:
        async with provider(answer) as url, opened(tmp_path, url) as books:
            (same,) = {honest("eth_getBlockByNumber", ["0x1", False])["hash"]}
            monkeypatch.setattr(books.turn.node, "gone", heard)
            replaced = [Place(each, 1, b"r" * 32) for each in (kept, missing, reverted, unknown)]
            books.bank.perform(AskGone((*replaced, Place(elsewhere, 1, bytes.fromhex(same[2:])))))
            await books.settle()

    asyncio.run(scenario())
    assert found == [missing, reverted]


@pytest.mark.parametrize("good", [True, False])
def test_balances_of_others_are_heard_of_and_a_provider_that_fails_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: bool
) -> None:
    rich, odd = (bytes([number]) * 20 for number in (1, 2))
    found: list[dict[bytes, int]] = []

    def answer(method: str, params: list[Any]) -> Any:
        if method != "eth_call":
            return honest(method, params)
        if not good:
            raise RuntimeError("not now")
        return "0x" + (7).to_bytes(32, "big").hex() if rich.hex() in params[0]["data"] else "0x"

    async def scenario() -> None:
        async with provider(answer) as url, opened(tmp_path, url) as books:
            accountant = books.turn.node.accountant
            monkeypatch.setattr(accountant, "balances", lambda balances, head, now: found.append(balances))
            books.bank.perform(AskBalances((rich, odd)))
            await books.settle()

    asyncio.run(scenario())
    assert [each for each in found if each] == ([{rich: 7}] if good else [])


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
        # The first one learns of the limit.
        await books.scan(*[Scan.RECEIVABLES] * 6)

    store = Store.open(tmp_path, None)
    store.set("start_block", "5")
    store.close()
    run_against(tmp_path, answer, scenario)
    assert asked[0] == (5, 44)
    assert {block for first, last in asked for block in range(first, last + 1)} == set(range(5, 101))
    assert sum(last == 100 for _, last in asked) >= 5, "the last blocks are searched again each time"


def test_all_of_one_question_is_asked_of_one_provider(tmp_path: Path) -> None:
    """The next one's turn may come while an answer is waited for."""
    asked: dict[str, list[str]] = {"one": [], "other": []}

    async def scenario() -> None:
        def answering(name: str) -> Callable[[str, list[Any]], Any]:
            def answer(method: str, params: list[Any]) -> Any:
                asked[name].append(method)
                books.bank._turns += 1
                return honest(method, params)

            return answer

        async with (
            provider(answering("one")) as one,
            provider(answering("other")) as other,
            opened(tmp_path, f"{one},{other}") as books,
        ):
            await books.scan(Scan.RECEIVABLES)

    asyncio.run(scenario())
    question = ["eth_chainId", "eth_getBlockByNumber", "eth_getLogs"]
    assert all(methods == question * (len(methods) // 3) for methods in asked.values())
    assert sum(map(len, asked.values())) == 6


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:1/", "ftp://nowhere"])
def test_without_a_provider_nothing_is_paid_and_nothing_ends(tmp_path: Path, url: str | None) -> None:
    async def scenario() -> None:
        async with opened(tmp_path, url) as books:
            consumed(books.accountant, (EARNER.address, DEFAULT_RATE_PACK, SIZE), [], 0, 0.0)
            books.now = 10.0
            await books.scan(*Scan, *Scan)
            assert len(books.notices) == 2, "each is said once"
            assert not books.store.load().payments
            assert books.accountant.ledger.payables[EARNER.address].wei == DEBT

    asyncio.run(scenario())
