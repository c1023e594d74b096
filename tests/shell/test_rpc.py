"""The JSON-RPC client, against a real chain (anvil) and against providers that misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.anvil import bare_anvil

from masq.chain.erc20 import TransferQuery, sign_transfer
from masq.chain.jsonrpc import Call
from masq.chain.receipt import Receipt
from masq.chain.transaction import SignedTransaction, sign_fee_market, sign_legacy
from masq.chain.wallet import Wallet
from masq.demo.funds import Funds
from masq.demo.token import token_account
from masq.errors import SettingError, UnavailableError
from masq.shell.rpc import (
    MAX_ANSWER,
    BadAnswerError,
    NoAnswerError,
    RangeTooLargeError,
    RefusedError,
    RpcClient,
    RpcError,
)
from masq.types import CHAINS

CHAIN = CHAINS["base-sepolia"]
ETHER = 10**18
GWEI = 10**9
# The first account that anvil funds; its key is known to everybody.
RICH = Wallet(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))
NEW = Wallet(b"\x07" * 32)
QUERY = TransferQuery(CHAIN.contract, NEW.address, 0, 999)
TRANSACTIONS = [SignedTransaction(bytes([number]), bytes([number]) * 32, number) for number in range(3)]


# ---- A real chain


@pytest.fixture
def anvil() -> Iterator[str]:
    """The URL of an anvil that mines by itself; `place_token` gives it the demo's token, all of which is RICH's."""
    with bare_anvil(CHAIN) as url:
        yield url


async def wait_until_mined(rpc: RpcClient, hashes: list[bytes]) -> None:
    # Anvil mines soon, but not before it answers.
    while any(receipt is None for receipt in await rpc.receipts(hashes)):
        await asyncio.sleep(0.01)


async def place_token(rpc: RpcClient) -> None:
    account = token_account({RICH.address: Funds(0, 100 * ETHER)})
    await rpc.call("anvil_setCode", ["0x" + CHAIN.contract.hex(), "0x" + account.code.hex()])
    for slot, value in account.storage.items():
        await rpc.call("anvil_setStorageAt", ["0x" + CHAIN.contract.hex(), hex(slot), f"0x{value:064x}"])


def test_a_payment_on_a_real_chain(anvil: str) -> None:
    async def scenario() -> None:
        async with RpcClient(anvil) as rpc:
            await place_token(rpc)
            assert await rpc.chain_id() == CHAIN.id
            assert await rpc.balance(RICH.address) == 10_000 * ETHER
            assert await rpc.token_balance(CHAIN.contract, RICH.address) == 100 * ETHER
            assert await rpc.nonce(RICH.address) == 0
            gas_price = await rpc.gas_price()
            assert 0 < gas_price < 100 * GWEI

            transfers = [
                sign_transfer(RICH, CHAIN, nonce=nonce, gas_price=gas_price, recipient=NEW.address, amount=amount)
                for nonce, amount in enumerate((ETHER, 200 * ETHER, 7))
            ]
            hashes = [transfer.hash for transfer in transfers]
            assert await rpc.send_raw_transactions(transfers) == hashes
            await wait_until_mined(rpc, hashes)
            head = await rpc.block_number()
            receipts = await rpc.receipts([*hashes, bytes(32)])
            assert [receipt.succeeded for receipt in receipts if isinstance(receipt, Receipt)] == [True, False, True]
            assert receipts[3] is None
            assert await rpc.token_balance(CHAIN.contract, NEW.address) == ETHER + 7
            assert await rpc.nonce(RICH.address, "latest") == 3

            found = await rpc.logs(TransferQuery(CHAIN.contract, NEW.address, 0, head))
            assert [(log.sender, log.amount) for log in found] == [(RICH.address, ETHER), (RICH.address, 7)]
            assert [log.transaction_hash for log in found] == [hashes[0], hashes[2]]

    asyncio.run(scenario())


def test_refusals_of_a_real_chain(anvil: str) -> None:
    async def scenario() -> None:
        async with RpcClient(anvil) as rpc:
            taken = sign_fee_market(
                RICH, CHAIN.id, nonce=0, max_fee=10 * GWEI, max_tip=GWEI, gas=21_000, to=NEW.address, value=1
            )
            stale = sign_legacy(RICH, CHAIN.id, nonce=0, gas_price=10 * GWEI, gas=21_000, to=NEW.address, value=2)
            poor = sign_legacy(NEW, CHAIN.id, nonce=0, gas_price=10 * GWEI, gas=21_000, to=RICH.address, value=1)
            assert await rpc.send_raw_transactions([taken]) == [taken.hash]
            await wait_until_mined(rpc, [taken.hash])
            second, third = await rpc.send_raw_transactions([stale, poor])
            assert isinstance(second, RefusedError)
            assert "nonce too low" in second.message
            assert isinstance(third, RefusedError)
            assert "nsufficient funds" in third.message

            with pytest.raises(RefusedError, match=r"eth_getLogs at 127\.0\.0\.1:[0-9]+: refused with .*OutOfRange"):
                await rpc.logs(TransferQuery(CHAIN.contract, NEW.address, 5, 4))
            with pytest.raises(BadAnswerError, match="0 bytes instead of 32"):
                await rpc.token_balance(CHAIN.contract, NEW.address)

    asyncio.run(scenario())


# ---- Providers that misbehave

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def provider(answer: Answer, path: str = "/", timeout: float = 5) -> AsyncIterator[RpcClient]:
    """A client of a local server that answers every request with `answer`."""
    application = web.Application(client_max_size=MAX_ANSWER)
    application.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    try:
        async with RpcClient(f"http://{host}:{port}{path}", timeout) as rpc:
            yield rpc
    finally:
        await runner.cleanup()


def saying(text: str | bytes, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=text, status=status)

    return answer


def replying(reply: Callable[[Any], object]) -> Answer:
    """`reply` gives the answer, as a JSON value, to the request."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(reply(await request.json()))

    return answer


def resulting(result: object) -> Answer:
    return replying(lambda request: {"id": request["id"], "result": result})


def ask(answer: Answer, use: Callable[[RpcClient], Awaitable[object]], timeout: float = 5) -> object:
    async def scenario() -> object:
        async with provider(answer, timeout=timeout) as rpc:
            return await use(rpc)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "kind", "problem"),
    [
        (saying("", 500), NoAnswerError, "HTTP status 500"),
        (saying("", 302), NoAnswerError, "HTTP status 302"),
        (saying("Too many\r\n\x1b[31m requests", 429), RefusedError, "refused with 'Too many .31m requests' .code 429"),
        (saying(b'{"error":{"code":-32005,"message":"slow down"}}', 429), RefusedError, "slow down"),
        (saying("<html>"), BadAnswerError, "not JSON"),
        (saying(""), BadAnswerError, "not JSON"),
        (saying(b"\xff\xfe\x00"), BadAnswerError, "not JSON"),
        (saying("[]"), BadAnswerError, "not an object"),
        (saying('{"id":77,"result":"0x1"}'), BadAnswerError, "another id"),
        (saying('{"id":0}'), BadAnswerError, "neither result nor error"),
        (saying('{"id":0,"result":null}'), BadAnswerError, "no quantity"),
        (saying('{"id":0,"result":1}'), BadAnswerError, "no quantity"),
        (saying('{"id":0,"result":"0x1' + "0" * 64 + '"}'), BadAnswerError, "no quantity"),
        (saying('{"id":0,"error":{"code":-1,"message":"no"}}'), RefusedError, "refused with 'no' .code -1"),
        (saying(b" " * (MAX_ANSWER + 1)), BadAnswerError, "larger than 16 MiB"),
    ],
)
def test_bad_answers(answer: Answer, kind: type[RpcError], problem: str) -> None:
    with pytest.raises(kind, match=problem) as caught:
        ask(answer, lambda rpc: rpc.block_number())
    assert isinstance(caught.value, UnavailableError)
    assert str(caught.value).startswith("eth_blockNumber at 127.0.0.1:")


def test_a_provider_that_never_answers() -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.Response()

    with pytest.raises(NoAnswerError, match=r"no answer within 0\.2 seconds"):
        ask(silent, lambda rpc: rpc.block_number(), timeout=0.2)


def test_a_provider_that_trickles_for_ever() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)

    with pytest.raises(NoAnswerError, match="no answer within"):
        ask(trickle, lambda rpc: rpc.block_number(), timeout=0.3)


def test_a_compressed_flood_is_cut_off() -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        for _ in range(64):
            await response.write(bytes(1 << 20))
        return response

    with pytest.raises(RpcError, match=r"larger than 16 MiB|no connection"):
        ask(flood, lambda rpc: rpc.block_number())


def test_a_provider_that_hangs_up_or_is_not_there() -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    with pytest.raises(NoAnswerError, match="no connection"):
        ask(hang_up, lambda rpc: rpc.block_number())

    async def nobody() -> None:
        async with RpcClient("http://127.0.0.1:1/v2/0123456789abcdef") as rpc:
            await rpc.block_number()

    with pytest.raises(NoAnswerError, match=r"eth_blockNumber at 127\.0\.0\.1:1: no connection \(.*\)") as caught:
        asyncio.run(nobody())
    assert "0123456789" not in str(caught.value)


def test_keys_of_the_url_are_never_repeated() -> None:
    async def scenario() -> None:
        answer = saying('{"id":0,"error":{"code":-1,"message":"project 0123456789abcdef is over its quota"}}')
        async with provider(answer, "/v2/0123456789abcdef") as rpc:
            await rpc.block_number()

    with pytest.raises(RefusedError, match=r"project \*\*\* is over its quota"):
        asyncio.run(scenario())


@pytest.mark.parametrize(
    "url", ["", "provider.example", "ftp://a/", "http://", "http://a:x/", "http://a b/", "http://a/\n"]
)
def test_wrong_urls_are_a_wrong_setting(url: str) -> None:
    with pytest.raises(SettingError, match="blockchain-service-url: is no URL"):
        RpcClient(url)


def test_requests_as_they_are_sent() -> None:
    seen: list[tuple[str | None, str | None, str]] = []

    async def answer(request: web.Request) -> web.Response:
        text = await request.text()
        seen.append((request.headers.get("Content-Type"), request.headers.get("Authorization"), text))
        return web.json_response({"id": json.loads(text)["id"], "result": "0x2"})

    async def use(rpc: RpcClient) -> None:
        await rpc.balance(NEW.address)
        await rpc.nonce(NEW.address)

    ask(answer, use)
    wallet = "0x" + NEW.address.hex()
    assert seen == [
        ("application/json", None, f'{{"jsonrpc":"2.0","method":"{method}","params":["{wallet}","{at}"],"id":{id}}}')
        for id, (method, at) in enumerate([("eth_getBalance", "latest"), ("eth_getTransactionCount", "pending")])
    ]


# ---- Batches


def hash_text(number: int) -> str:
    return "0x" + bytes([number]).hex() * 32


def test_a_batch_in_any_order_and_in_pieces() -> None:
    def reply(requests: list[dict[str, object]]) -> object:
        first, _, third = requests
        return [
            {"id": third["id"], "result": hash_text(2)},
            {"id": 4711, "result": hash_text(1)},
            {"id": first["id"], "error": {"code": -32000, "message": "nonce too low"}},
        ]

    answers = ask(replying(reply), lambda rpc: rpc.send_raw_transactions(TRANSACTIONS))
    assert isinstance(answers, list)
    first, second, third = answers
    assert isinstance(first, RefusedError)
    assert first.message == "nonce too low"
    assert isinstance(second, BadAnswerError)
    assert "eth_sendRawTransaction at 127.0.0.1" in str(second)
    assert "not answered" in str(second)
    assert third == TRANSACTIONS[2].hash


def test_another_hash_and_answers_twice_are_not_believed() -> None:
    """S48."""

    def reply(requests: list[dict[str, object]]) -> object:
        first, second, third = (request["id"] for request in requests)
        return [
            {"id": first, "result": hash_text(9)},
            {"id": second, "result": hash_text(1)},
            {"id": second, "result": hash_text(1)},
            {"id": third, "result": "0x"},
        ]

    answers = ask(replying(reply), lambda rpc: rpc.send_raw_transactions(TRANSACTIONS))
    assert isinstance(answers, list)
    assert all(isinstance(answer, BadAnswerError) for answer in answers)
    for answer, problem in zip(answers, ("another transaction", "answered twice", "0 bytes"), strict=True):
        assert problem in str(answer)


@pytest.mark.parametrize("body", ['{"id":0,"result":"0x1"}', "null", '"[]"', "<html>"])
def test_a_batch_that_is_not_answered_as_one(body: str) -> None:
    with pytest.raises(BadAnswerError, match="batch of eth_sendRawTransaction at 127"):
        ask(saying(body), lambda rpc: rpc.send_raw_transactions(TRANSACTIONS))


def test_a_batch_that_is_refused_as_one() -> None:
    with pytest.raises(RefusedError, match="batches are not for you"):
        ask(
            saying('{"id":null,"error":{"code":-1,"message":"batches are not for you"}}'),
            lambda rpc: rpc.batch([Call("eth_chainId"), Call("eth_chainId")]),
        )


def test_an_empty_batch_asks_nobody() -> None:
    assert ask(saying("", 500), lambda rpc: rpc.batch([])) == []
    assert ask(saying("", 500), lambda rpc: rpc.receipts([])) == []


def test_receipts_of_every_quality() -> None:
    """S51."""
    good = {"transactionHash": hash_text(0), "blockNumber": "0x9", "status": "0x1"}
    results: list[object] = [
        good,
        None,
        {**good, "status": None},
        {**good, "transactionHash": hash_text(5)},
        {**good, "blockNumber": None},
        [],
    ]

    def reply(requests: list[dict[str, object]]) -> object:
        return [{"id": request["id"], "result": result} for request, result in zip(requests, results, strict=True)]

    answers = ask(replying(reply), lambda rpc: rpc.receipts([bytes(32)] * len(results)))
    assert isinstance(answers, list)
    assert [answers[0], answers[1], answers[4]] == [Receipt(bytes(32), 9, True), None, None]
    assert all(isinstance(answers[index], BadAnswerError) for index in (2, 3, 5))


# ---- Logs


@pytest.mark.parametrize(
    ("answer", "limit"),
    [
        (saying('{"id":0,"error":{"code":-32005,"message":"exceeds max block range 77"}}'), 77),
        (saying('{"id":0,"error":{"code":-32005,"message":"block range is too wide"}}'), 500),
        (saying(b'{"error":{"message":"up to a 10 block range"}}', 400), 10),
        (saying("query returned more than 10000 results", 413), 500),
    ],
)
def test_a_range_that_is_too_large(answer: Answer, limit: int) -> None:
    with pytest.raises(RangeTooLargeError) as caught:
        ask(answer, lambda rpc: rpc.logs(QUERY))
    assert caught.value.limit == limit


def test_other_refusals_of_logs() -> None:
    with pytest.raises(RefusedError) as caught:
        ask(saying('{"id":0,"error":{"code":-32601,"message":"no such method"}}'), lambda rpc: rpc.logs(QUERY))
    assert isinstance(caught.value, RangeTooLargeError), "words that nobody understands may mean that"


@pytest.mark.parametrize("result", [None, {}, [None], [{"blockNumber": "0x1"}]])
def test_rubbish_instead_of_logs(result: object) -> None:
    with pytest.raises(BadAnswerError, match="eth_getLogs at"):
        ask(resulting(result), lambda rpc: rpc.logs(QUERY))
