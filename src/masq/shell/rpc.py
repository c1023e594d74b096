"""The JSON-RPC client: what a Node asks of an Ethereum-like chain's provider (accounting.md 4.2).

Nothing is retried here, and nothing a provider does ends more than the call: every failure is an RpcError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, Literal, Self, TypeVar
from urllib.parse import urlsplit

import aiohttp

from masq.chain.disperser import CODE_HASH, allowance_data
from masq.chain.erc20 import Transfer, TransferQuery, balance_data, parse_transfers
from masq.chain.head import Head, Prices, find_user, parse_head, parse_tip
from masq.chain.hexadecimal import bytes_text, parse_bytes, parse_quantity, quantity_text
from masq.chain.jsonrpc import (
    Answer,
    Call,
    Refusal,
    Result,
    decode_answer,
    decode_batch,
    decode_refusal,
    encode_batch,
    encode_call,
)
from masq.chain.range_limit import range_limit
from masq.chain.receipt import Receipt, parse_receipt
from masq.chain.transaction import SignedTransaction
from masq.chain.voucher import Deal, redeemed_data
from masq.core.accountant.effects import Backing
from masq.errors import MalformedError, SettingError, UnavailableError
from masq.keccak import keccak256
from masq.types import Address

T = TypeVar("T")

MAX_ANSWER: Final = 16 * 1024 * 1024
DEFAULT_TIMEOUT: Final = 15.0
BATCH: Final = 20
"""Calls in one batch: some providers refuse more, and then all of them."""
_MAX_CONNECTIONS: Final = 4
_MAX_MESSAGE: Final = 300
_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "masq-node"}


class RpcError(UnavailableError):
    """A call that gave nothing. The text names method and host; what else stands in the URL may be a secret."""

    def __init__(self, method: str, host: str, problem: str) -> None:
        super().__init__(f"{method} at {host}: {problem}")
        self.method = method
        self.host = host
        self.problem = problem


class NoAnswerError(RpcError):
    """Nothing came that speaks for the provider: whether it did what it was asked is unknown."""


class BadAnswerError(RpcError):
    """An answer that breaks the rules: whether the provider did what it was asked is unknown."""


class RefusedError(RpcError):
    """The provider said no; `code` and `message` are its words."""

    def __init__(self, method: str, host: str, code: int, message: str) -> None:
        super().__init__(method, host, f"refused with {message!r} (code {code})")
        self.code = code
        self.message = message


class RangeTooLargeError(RefusedError):
    """A query for logs spanned too many blocks. Ask for `limit` of them at most, which is fewer than before."""

    def __init__(self, method: str, host: str, code: int, message: str, limit: int) -> None:
        super().__init__(method, host, code, message)
        self.limit = limit


class RpcClient:
    """One provider, over HTTP. To be used as an async context manager, or closed with `close`."""

    def __init__(self, url: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """`timeout`: seconds for one call or batch. SettingError if the URL can't be one of a provider."""
        self.host, self._secrets = _host_and_secrets(url)
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None
        self._next_id = 0
        self._batches = True
        """Whether the provider takes batches at all."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, method: str, params: Sequence[object] = ()) -> object:
        """The result, any JSON value."""
        id = self._take_ids(1)
        body = await self._post(method, encode_call(Call(method, params), id))
        try:
            answer = decode_answer(body, id)
        except MalformedError as error:
            raise BadAnswerError(method, self.host, str(error)) from error
        return self._value(method, answer)

    async def batch(self, calls: Sequence[Call]) -> list[object | RpcError]:
        """Results in the order of the calls, an RpcError in the place of each that failed.

        Raises RpcError if all failed together. No calls, no request. Many calls go in several batches, and one by one
        where the provider refuses batches.
        """
        results: list[object | RpcError] = []
        for start in range(0, len(calls), BATCH):
            piece = calls[start : start + BATCH]
            try:
                results += await self._piece(piece)
            except RpcError as error:
                if len(calls) <= BATCH:
                    raise
                results += [error] * len(piece)
        return results

    async def _piece(self, calls: Sequence[Call]) -> list[object | RpcError]:
        if self._batches and len(calls) > 1:
            try:
                return await self._batch(calls)
            except (RefusedError, BadAnswerError) as error:
                # What was sent may have been taken all the same: the same bytes once more do no harm.
                results = await self._one_by_one(calls)
                if all(isinstance(each, RpcError) for each in results):
                    raise error from None
                self._batches = False
                return results
        return await self._one_by_one(calls)

    async def _one_by_one(self, calls: Sequence[Call]) -> list[object | RpcError]:
        results: list[object | RpcError] = []
        for call in calls:
            try:
                results.append(await self.call(call.method, call.params))
            except NoAnswerError:
                raise  # The others would wait as long.
            except RpcError as error:
                results.append(error)
        return results

    async def _batch(self, calls: Sequence[Call]) -> list[object | RpcError]:
        method = f"batch of {calls[0].method}"
        first_id = self._take_ids(len(calls))
        body = await self._post(method, encode_batch(calls, first_id))
        try:
            answers = decode_batch(body, first_id, len(calls))
        except MalformedError as error:
            raise BadAnswerError(method, self.host, str(error)) from error
        if isinstance(answers, Refusal):
            raise self._refused(method, answers)
        return [self._value_or_error(call.method, answer) for call, answer in zip(calls, answers, strict=True)]

    async def chain_id(self) -> int:
        return await self._quantity("eth_chainId")

    async def block_number(self) -> int:
        return await self._quantity("eth_blockNumber")

    async def head(self) -> Head:
        """The newest block."""
        return await self.block("latest")

    async def block(self, at: int | Literal["latest"]) -> Head:
        """A block, by number."""
        method = "eth_getBlockByNumber"
        which = at if isinstance(at, str) else quantity_text(at)
        return self._parsed(method, await self.call(method, [which, False]), parse_head)

    async def prices(self, head: Head) -> Prices:
        """What transactions cost now."""
        gas_price = await self.gas_price()
        if head.base_fee is None:
            return Prices(gas_price)
        try:
            history = await self.call("eth_feeHistory", ["0x5", "latest", [50]])
            return Prices(gas_price, self._parsed("eth_feeHistory", history, parse_tip))
        except (RefusedError, BadAnswerError):
            return Prices(gas_price)

    async def user_of(self, wallet: Address, nonce: int, head: Head) -> tuple[bytes, int] | None:
        """The transaction of a wallet that has a nonce, and its block; None if that can't be found out.

        Found by halving: the count of a wallet's transactions only grows. RpcError where the provider doesn't keep
        the past.
        """
        if await self._count_at(wallet, head.number) <= nonce:
            return None
        low, high, step = max(0, head.number - 1), head.number, 1
        while low > 0 and await self._count_at(wallet, low) > nonce:
            high, step = low, step * 4
            low = max(0, high - step)
        while high - low > 1:
            middle = (low + high) // 2
            if await self._count_at(wallet, middle) > nonce:
                high = middle
            else:
                low = middle
        block = await self.call("eth_getBlockByNumber", [quantity_text(high), True])
        user = self._parsed("eth_getBlockByNumber", block, lambda value: find_user(value, wallet, nonce))
        return None if user is None else (user, high)

    async def _count_at(self, wallet: Address, block: int) -> int:
        return await self._quantity("eth_getTransactionCount", bytes_text(wallet), quantity_text(block))

    async def gas_price(self) -> int:
        """Wei per gas, as the provider suggests: it isn't bounded here."""
        return await self._quantity("eth_gasPrice")

    async def balance(self, wallet: Address) -> int:
        """Wei of the chain's own coin."""
        return await self._quantity("eth_getBalance", bytes_text(wallet), "latest")

    async def token_balance(self, contract: Address, wallet: Address) -> int:
        """Wei of the token. BadAnswerError if no token lives at `contract`."""
        return await self._number_of(contract, balance_data(wallet))

    async def token_balances(self, contract: Address, wallets: Sequence[Address]) -> dict[Address, int]:
        """The same of several, in batches; those are missing of which the provider doesn't say it."""
        calls = [Call("eth_call", [_call_of(contract, balance_data(wallet)), "latest"]) for wallet in wallets]

        def parse(_: bytes, answer: object) -> int:
            return int.from_bytes(parse_bytes(answer, 32), "big")

        answers = self._parsed_each(calls, await self.batch(calls), wallets, parse)
        found = zip(wallets, answers, strict=True)
        return {wallet: answer for wallet, answer in found if not isinstance(answer, RpcError)}

    async def allowance(self, contract: Address, owner: Address, disperser: Address) -> int | str:
        """Wei of the token that `disperser` may move for `owner`; a text if another contract, or none, is there."""
        code = await self.call("eth_getCode", [bytes_text(disperser), "latest"])
        if keccak256(self._parsed("eth_getCode", code, parse_bytes)) != CODE_HASH:
            return "at its address is not the contract of contracts/Disperser.sol"
        return await self._number_of(contract, allowance_data(owner, disperser))

    async def backing(self, deal: Deal) -> Backing:
        """What stands behind a payer's vouchers. BadAnswerError if their contract isn't that of contracts/."""
        token, payer = deal.chain.contract, deal.payer
        allowance = await self.allowance(token, payer, deal.contract)
        if isinstance(allowance, str):
            raise BadAnswerError("eth_getCode", self.host, allowance)
        redeemed = await self._number_of(deal.contract, redeemed_data(deal))
        return Backing(allowance, await self.token_balance(token, payer), redeemed)

    async def _number_of(self, contract: Address, data: bytes) -> int:
        """What a contract answers to a question for a number."""
        method = "eth_call"
        call = _call_of(contract, data)
        content = self._parsed(method, await self.call(method, [call, "latest"]), lambda value: parse_bytes(value, 32))
        return int.from_bytes(content, "big")

    async def nonce(self, wallet: Address, at: Literal["pending", "latest"] = "pending") -> int:
        """How many transactions the wallet has sent; with "pending", those of no block yet are counted too."""
        return await self._quantity("eth_getTransactionCount", bytes_text(wallet), at)

    async def send_raw_transactions(self, transactions: Sequence[SignedTransaction]) -> list[bytes | RpcError]:
        """The hash of each transaction that was taken, in order; one batch.

        After a NoAnswerError or BadAnswerError, raised or in the list, a transaction may have been taken all the same.
        """
        calls = [Call("eth_sendRawTransaction", [bytes_text(transaction.raw)]) for transaction in transactions]
        hashes = [transaction.hash for transaction in transactions]
        return self._parsed_each(calls, await self.batch(calls), hashes, _parse_own_hash)

    async def receipts(self, hashes: Sequence[bytes], token: Address | None = None) -> list[Receipt | RpcError | None]:
        """What became of each transaction, in order; None where no block holds it. One batch. With the transfers of a
        `token`, if one is named."""
        calls = [Call("eth_getTransactionReceipt", [bytes_text(hash)]) for hash in hashes]

        def parse(hash: bytes, answer: object) -> Receipt | None:
            return parse_receipt(hash, answer, token)

        return self._parsed_each(calls, await self.batch(calls), hashes, parse)

    async def logs(self, query: TransferQuery) -> list[Transfer]:
        """The transfers asked for. RangeTooLargeError if the provider wants to be asked for fewer blocks at once."""
        method = "eth_getLogs"
        try:
            answer = await self.call(method, [query.filter()])
        except RefusedError as error:
            asked = query.last - query.first + 1
            # Words that aren't understood may mean the same; if they don't, fewer blocks do no harm.
            limit = range_limit(error.message, asked) or asked // 2
            if not limit:
                raise
            raise RangeTooLargeError(method, self.host, error.code, error.message, limit) from error
        return self._parsed(method, answer, lambda value: parse_transfers(query, value))

    async def _quantity(self, method: str, *params: object) -> int:
        return self._parsed(method, await self.call(method, params), parse_quantity)

    async def _post(self, method: str, body: bytes) -> bytes:
        try:
            async with self._open_session().post(
                self._url, data=body, headers=_HEADERS, allow_redirects=False
            ) as response:
                answer = await self._read(method, response)
                status = response.status
        except TimeoutError as error:
            raise NoAnswerError(method, self.host, f"no answer within {self._timeout.total:g} seconds") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The error's own text could hold the URL; its kind says enough.
            raise NoAnswerError(method, self.host, f"no connection ({_kind(error)})") from None
        if status != 200:
            raise self._http_error(method, status, answer)
        return answer

    async def _read(self, method: str, response: aiohttp.ClientResponse) -> bytes:
        answer = bytearray()
        async for chunk in response.content.iter_any():
            answer += chunk
            if len(answer) > MAX_ANSWER:
                raise BadAnswerError(method, self.host, f"the answer is larger than {MAX_ANSWER >> 20} MiB")
        return bytes(answer)

    def _http_error(self, method: str, status: int, answer: bytes) -> RpcError:
        # Some providers refuse with a status of HTTP and say why in the form of JSON-RPC, or in plain text.
        # Only 4xx says that nothing was done: after 5xx, or the 408 of a gateway, a transaction may be on its way.
        if not 400 <= status < 500 or status == 408:
            return NoAnswerError(method, self.host, f"HTTP status {status}")
        text = answer[:_MAX_MESSAGE].decode(errors="replace")
        return self._refused(method, decode_refusal(answer) or Refusal(status, text or "HTTP status"))

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Nothing of the environment (proxies, .netrc) decides where money is asked about.
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=_MAX_CONNECTIONS),
            )
        return self._session

    def _take_ids(self, count: int) -> int:
        first = self._next_id
        self._next_id += count
        return first

    def _value(self, method: str, answer: Answer) -> object:
        value = self._value_or_error(method, answer)
        if isinstance(value, RpcError):
            raise value
        return value

    def _value_or_error(self, method: str, answer: Answer) -> object | RpcError:
        match answer:
            case Result(value):
                return value
            case Refusal():
                return self._refused(method, answer)
            case MalformedError():
                return BadAnswerError(method, self.host, str(answer))

    def _parsed(self, method: str, value: object, parse: Callable[[object], T]) -> T:
        try:
            return parse(value)
        except MalformedError as error:
            raise BadAnswerError(method, self.host, str(error)) from error

    def _parsed_each(
        self,
        calls: Sequence[Call],
        values: Sequence[object | RpcError],
        hashes: Sequence[bytes],
        parse: Callable[[bytes, object], T],
    ) -> list[T | RpcError]:
        parsed: list[T | RpcError] = []
        for call, value, own in zip(calls, values, hashes, strict=True):
            if isinstance(value, RpcError):
                parsed.append(value)
                continue
            try:
                parsed.append(parse(own, value))
            except MalformedError as error:
                parsed.append(BadAnswerError(call.method, self.host, str(error)))
        return parsed

    def _refused(self, method: str, refusal: Refusal) -> RefusedError:
        return RefusedError(method, self.host, refusal.code, self._clean(refusal.message))

    def _clean(self, text: str) -> str:
        """The provider's words, fit for a log: short, on one line, and without the key that it may quote."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return re.sub(r"[\x00-\x1f\x7f-\x9f\s]+", " ", text[:_MAX_MESSAGE]).strip()


def _parse_own_hash(own: bytes, value: object) -> bytes:
    if parse_bytes(value, 32) != own:
        raise MalformedError("the hash of another transaction")
    return own


def _call_of(contract: Address, data: bytes) -> dict[str, str]:
    return {"data": bytes_text(data), "to": bytes_text(contract)}


def _host_and_secrets(url: str) -> tuple[str, tuple[str, ...]]:
    name = "blockchain-service-url"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingError(name, "is no URL: write it as in https://provider.example/key") from error
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise SettingError(name, "is no URL of http or https: write it as in https://provider.example/key")
    texts = [parts.username, parts.password, *parts.path.split("/"), *re.split("[&=]", parts.query)]
    # A short word such as "rpc" is no key, and cutting it out would garble the messages.
    secrets = tuple(text for text in texts if text is not None and len(text) >= 8)
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}", secrets


def _kind(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error.os_error).__name__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
