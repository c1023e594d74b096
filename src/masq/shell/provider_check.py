"""Whether a provider is good enough to be paid by: what a Node asks of one, and judged (accounting.md 4.2)."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import aiohttp

from masq.chain.erc20 import TransferQuery
from masq.chain.hexadecimal import bytes_text, parse_bytes, parse_quantity, quantity_text
from masq.chain.jsonrpc import Call, Refusal, decode_batch, encode_batch
from masq.errors import MalformedError, UnavailableError
from masq.shell.rpc import RangeTooLargeError, RefusedError, RpcClient
from masq.types import Address, Chain

Level = Literal["good", "warning", "bad"]

OLD: Final = 120
"""Seconds: a head of this age is no head; chains of the table make a block each 2 to 12 s."""
AHEAD: Final = 60
SLOW: Final = 3.0
RANGES: Final = (10_000, 5_000, 2_000, 1_000, 500, 100, 10, 1)
FEW: Final = 100
"""Blocks: below this, a day of Base is more than 400 calls."""
BATCHES: Final = (20, 10, 5, 2)
LOOK_BACK: Final = 20
"""Blocks that are looked through for a transaction, to ask for its receipt."""
PAST: Final = 128
MAX_BATCH_ANSWER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried. `what`: a short name; `found`: what came; `do`: what helps, empty if all is well."""

    what: str
    level: Level
    found: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class _Block:
    number: int
    time: int
    base_fee: int | None
    transactions: tuple[bytes, ...]


class ProviderCheck:
    """Asks one provider about one chain. Nothing is sent to the chain."""

    def __init__(self, url: str, chain: Chain, wallet: Address, earning: Address, timeout: float = 15.0) -> None:
        """`wallet`: whose payments would be asked about; `earning`: whose income. SettingError if the URL is none."""
        self._url = url
        self._chain = chain
        self._wallet = wallet
        self._earning = earning
        self._timeout = timeout
        self._rpc = RpcClient(url, timeout)
        self.host = self._rpc.host

    async def findings(self) -> AsyncGenerator[Finding, None]:
        """In the order in which they are found. Without an answer, or on another chain, the rest isn't asked."""
        try:
            first = await self._identity()
            yield first
            if first.level == "bad":
                return
            head = await self._newest()
            yield self._head(head)
            parts: tuple[tuple[str, Callable[[_Block], Awaitable[Finding]]], ...] = (
                ("token", self._token),
                ("logs", self._logs),
                ("receipts", self._receipts),
                ("batches", self._batches),
                ("gas", self._gas),
                ("nonces", self._nonces),
                ("the past", self._past),
            )
            for what, part in parts:
                try:
                    yield await part(head)
                except (UnavailableError, MalformedError) as error:
                    yield Finding(what, "bad", str(error), "take another provider, or another plan of this one")
        except (UnavailableError, MalformedError) as error:
            yield Finding(
                "answers", "bad", str(error), "see that this machine is online, and that URL and key are right"
            )
        finally:
            await self._rpc.close()

    async def _identity(self) -> Finding:
        began = time.monotonic()
        found = await self._rpc.chain_id()
        took = time.monotonic() - began
        if found != self._chain.id:
            return Finding(
                "chain",
                "bad",
                f"it serves chain {found}, not {self._chain.name} ({self._chain.id})",
                "take a URL for that chain, or give --chain",
            )
        slow = took > SLOW
        return Finding(
            "chain",
            "warning" if slow else "good",
            f"{self._chain.name} ({found}), answered after {took * 1000:.0f} ms",
            "payments will be slow: a provider that is nearer or less busy helps" if slow else "",
        )

    async def _block(self, at: str) -> _Block:
        answer = await self._rpc.call("eth_getBlockByNumber", [at, False])
        if not isinstance(answer, Mapping) or not isinstance(hashes := answer.get("transactions"), list):
            raise MalformedError(f"eth_getBlockByNumber at {self.host}: no block in the answer")
        fee = answer.get("baseFeePerGas")
        return _Block(
            parse_quantity(answer.get("number")),
            parse_quantity(answer.get("timestamp")),
            None if fee is None else parse_quantity(fee),
            tuple(parse_bytes(hash, 32) for hash in hashes[:50]),
        )

    async def _newest(self) -> _Block:
        return await self._block("latest")

    def _head(self, head: _Block) -> Finding:
        age = int(time.time()) - head.time
        words = f"block {head.number:,}, {age} s old"
        if age < -AHEAD:
            return Finding(
                "head", "bad", f"block {head.number:,} is {-age} s in the future", "set this machine's clock"
            )
        if age > OLD:
            # A chain on somebody's own machine makes blocks only when there is something to do.
            level: Level = "bad" if self._chain.mainnet else "warning"
            return Finding(
                "head", level, words, "it lags behind: see that the clock is right; if it is, take another provider"
            )
        return Finding("head", "good", words)

    async def _token(self, head: _Block) -> Finding:
        balance = await self._rpc.token_balance(self._chain.contract, self._wallet)
        return Finding("token", "good", f"MASQ is where it belongs; the wallet asked about has {balance / 10**18:g}")

    async def _logs(self, head: _Block) -> Finding:
        count: int | None = RANGES[0]
        why = ""
        for blocks in RANGES:
            if count is None or blocks > max(count, 1):
                continue
            try:
                first = max(0, head.number - blocks + 1)
                await self._rpc.logs(TransferQuery(self._chain.contract, self._earning, first, head.number))
            except RangeTooLargeError as error:
                count, why = error.limit, error.message
            except RefusedError as error:
                why = error.message
            else:
                if blocks < FEW:
                    return Finding(
                        "logs",
                        "warning",
                        f"{blocks} blocks at once: {why}",
                        "income is found late after a pause: a plan with a larger range helps",
                    )
                return Finding("logs", "good", f"{blocks:,} blocks at once" + (f", not more: {why}" if why else ""))
        return Finding(
            "logs", "bad", f"refused: {why}", "income can't be found, and debtors get banned: take another provider"
        )

    async def _receipts(self, head: _Block) -> Finding:
        block = head
        for number in range(head.number, max(-1, head.number - LOOK_BACK), -1):
            block = await self._block(quantity_text(number))
            if block.transactions:
                break
        else:
            return Finding("receipts", "good", "no transaction in the newest blocks to ask for one")
        # Of the transactions, the one in the middle: the first of a block may be of the chain's own making.
        hash = block.transactions[len(block.transactions) // 2]
        answer = await self._rpc.call("eth_getTransactionReceipt", [bytes_text(hash)])
        if not isinstance(answer, Mapping) or parse_bytes(answer.get("transactionHash"), 32) != hash:
            return Finding(
                "receipts",
                "bad",
                f"none for a transaction of its own block {block.number:,}",
                "it can't say which payments arrived: take another provider",
            )
        if parse_quantity(answer.get("blockNumber")) != block.number:
            return Finding(
                "receipts",
                "bad",
                f"that of a transaction of block {block.number:,} names another block",
                "it contradicts itself: take another provider",
            )
        return Finding("receipts", "good", f"there is one for a transaction of block {block.number:,}")

    async def _batches(self, head: _Block) -> Finding:
        why = ""
        for size in BATCHES:
            try:
                await self._batch(size)
            except UnavailableError as error:
                why = str(error)
                continue
            if size == BATCHES[0]:
                return Finding("batches", "good", f"{size} calls at once")
            return Finding("batches", "warning", f"{size} calls at once, not more: {why}", "paying many takes longer")
        return Finding("batches", "warning", f"none: {why}", "paying many takes longer; a plan with batches helps")

    async def _batch(self, size: int) -> None:
        """UnavailableError if not every call is answered."""
        calls = [Call("eth_getTransactionReceipt", [bytes_text(bytes([number]) * 32)]) for number in range(size)]
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.post(
                    self._url,
                    data=encode_batch(calls, 1),
                    headers={"Content-Type": "application/json", "User-Agent": "masq-node"},
                    allow_redirects=False,
                ) as response,
            ):
                body = await response.content.read(MAX_BATCH_ANSWER)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            # The error's own text could hold the URL, and that a key.
            raise UnavailableError(f"no answer ({type(error).__name__})") from None
        try:
            answers = decode_batch(body, 1, size)
        except MalformedError as error:
            raise UnavailableError(f"HTTP status {response.status}, {error}") from None
        if isinstance(answers, Refusal):
            raise UnavailableError(f"refused (code {answers.code})")
        if any(isinstance(answer, MalformedError | Refusal) for answer in answers):
            raise UnavailableError("some of the calls were not answered")

    async def _gas(self, head: _Block) -> Finding:
        price = await self._rpc.gas_price()
        words = f"{price / 10**9:g} gwei"
        other = "it is asked what paying costs: take another provider"
        if price > self._chain.most_gas_price:
            return Finding("gas", "bad", f"{words}, above what is ever paid on {self._chain.name}", other)
        if head.base_fee is not None and price < head.base_fee // 2:
            return Finding("gas", "bad", f"{words}, far below its block's base fee {head.base_fee / 10**9:g}", other)
        if price == 0 and self._chain.mainnet:
            return Finding("gas", "bad", "it says that gas costs nothing", other)
        return Finding("gas", "good", words)

    async def _nonces(self, head: _Block) -> Finding:
        mined = await self._rpc.nonce(self._wallet, "latest")
        pending = await self._rpc.nonce(self._wallet, "pending")
        if pending < mined:
            return Finding(
                "nonces",
                "warning",
                f"it counts {mined} transactions of the wallet in blocks, and {pending} with those under way",
                "its servers disagree: payments may wait",
            )
        return Finding("nonces", "good", f"{mined} transactions of the wallet, {pending - mined} under way")

    async def _past(self, head: _Block) -> Finding:
        at = quantity_text(max(0, head.number - PAST))
        try:
            await self._rpc.call("eth_getTransactionCount", [bytes_text(self._wallet), at])
        except RefusedError as error:
            return Finding(
                "the past",
                "warning",
                f"nothing is known of {PAST} blocks ago: {error.message}",
                "who took the place of a payment is found out more slowly",
            )
        return Finding("the past", "good", f"known {PAST} blocks back")
