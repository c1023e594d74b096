"""The demo's chain as a Node meets it: a process of its own, asked with the Node's own client."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import masq.demo
from masq.chain.erc20 import TransferQuery, sign_transfer
from masq.chain.receipt import Receipt
from masq.chain.transaction import SignedTransaction, sign_fee_market, sign_legacy
from masq.chain.wallet import Wallet
from masq.demo.chain_process import running_chain
from masq.demo.funds import Funds, funds_text, parse_funds
from masq.errors import LocalError
from masq.shell.rpc import RefusedError, RpcClient, RpcError
from masq.types import CHAINS, Chain

GWEI = 10**9
ETHER = 10**18
RICH, POOR, NEW = (Wallet(bytes([number]) * 32) for number in (1, 2, 3))
FUNDS = {RICH.address: Funds(ETHER, 1000 * ETHER), POOR.address: Funds(0, 7)}


def test_the_artifact_belongs_to_the_source() -> None:
    folder = Path(masq.demo.__path__[0])
    artifact = json.loads((folder / "token.json").read_text())
    source = hashlib.sha256((folder / "token.vy").read_bytes()).hexdigest()
    assert artifact["source_sha256"] == source, "token.vy was changed: run tools/build-token"


def test_funds_can_be_read_back() -> None:
    for wallet, funds in FUNDS.items():
        assert parse_funds(funds_text(wallet, funds)) == (wallet, funds)
    for text in ("", "0x12=1,2", f"{funds_text(RICH.address, Funds())},3", f"0x{'11' * 20}=-1,0", f"0x{'11' * 20}=1"):
        with pytest.raises(ValueError):
            parse_funds(text)


@pytest.mark.parametrize("name", ["dev", "base-sepolia"])
def test_payments_on_the_chain(name: str) -> None:
    asyncio.run(pay_on(CHAINS[name]))


async def pay_on(chain: Chain) -> None:
    async with running_chain(chain, FUNDS) as url, RpcClient(url) as rpc:
        assert await rpc.chain_id() == chain.id
        assert await rpc.block_number() == 0
        assert await rpc.balance(RICH.address) == ETHER
        assert await rpc.token_balance(chain.contract, RICH.address) == 1000 * ETHER
        assert await rpc.token_balance(chain.contract, POOR.address) == 7
        assert await rpc.token_balance(chain.contract, NEW.address) == 0
        assert await rpc.call("net_version") == str(chain.id)
        gas_price = await rpc.gas_price()

        amounts = [5 * ETHER, 0, 2000 * ETHER, 3]
        transfers = [
            sign_transfer(RICH, chain, nonce=nonce, gas_price=gas_price, recipient=NEW.address, amount=amount)
            for nonce, amount in enumerate(amounts)
        ]
        hashes = [transfer.hash for transfer in transfers]
        assert await rpc.send_raw_transactions(transfers) == hashes
        assert await rpc.nonce(RICH.address) == await rpc.nonce(RICH.address, "latest") == 4
        assert await rpc.block_number() == 4
        # The third asks for more than there is: mined, reverted, and its gas paid.
        shown = await rpc.receipts([*hashes, bytes(32)])
        assert all(each.fee for each in shown if isinstance(each, Receipt))
        assert [replace(each, fee=None) if isinstance(each, Receipt) else each for each in shown] == [
            Receipt(hashes[0], 1, True),
            Receipt(hashes[1], 2, True),
            Receipt(hashes[2], 3, False),
            Receipt(hashes[3], 4, True),
            None,
        ]
        assert await rpc.token_balance(chain.contract, NEW.address) == 5 * ETHER + 3
        assert await rpc.token_balance(chain.contract, RICH.address) == 995 * ETHER - 3
        assert ETHER - 4 * 80_000 * gas_price < await rpc.balance(RICH.address) < ETHER

        found = await rpc.logs(TransferQuery(chain.contract, NEW.address, 0, 4))
        assert [(log.block, log.sender, log.amount) for log in found] == [
            (1, RICH.address, 5 * ETHER),
            (2, RICH.address, 0),
            (4, RICH.address, 3),
        ]
        assert await rpc.logs(TransferQuery(chain.contract, NEW.address, 2, 3)) == [found[1]]
        assert await rpc.logs(TransferQuery(chain.contract, RICH.address, 0, 4)) == []


def test_refused_transactions_change_nothing() -> None:
    async def scenario() -> None:
        chain = CHAINS["dev"]
        async with running_chain(chain, FUNDS) as url, RpcClient(url) as rpc:

            def transfer(wallet: Wallet, nonce: int, amount: int = 1, chain: Chain = chain) -> SignedTransaction:
                return sign_transfer(
                    wallet, chain, nonce=nonce, gas_price=2 * GWEI, recipient=NEW.address, amount=amount
                )

            first = transfer(RICH, 0)
            assert await rpc.send_raw_transactions([first]) == [first.hash]
            wrong = {
                "already known": first,
                "nonce too low": transfer(RICH, 0, amount=2),
                "nonce too high": transfer(RICH, 7),
                "insufficient funds": transfer(POOR, 0),
                "another chain": transfer(RICH, 1, chain=CHAINS["eth-mainnet"]),
                "gas": sign_legacy(RICH, chain.id, nonce=1, gas_price=2 * GWEI, gas=20_999, to=NEW.address),
                "fee": sign_legacy(RICH, chain.id, nonce=1, gas_price=1, gas=21_000, to=NEW.address),
                "invalid transaction": first.__class__(b"\x01rubbish", b"", 0),
            }
            for problem, answer in zip(wrong, await rpc.send_raw_transactions(list(wrong.values())), strict=True):
                assert isinstance(answer, RefusedError), problem
                assert problem in answer.message
            assert await rpc.block_number() == 1

            # The chain goes on, and takes transactions of the other kind too.
            second = sign_fee_market(
                RICH, chain.id, nonce=1, max_fee=3 * GWEI, max_tip=GWEI, gas=21_000, to=NEW.address, value=ETHER // 2
            )
            assert await rpc.send_raw_transactions([second]) == [second.hash]
            assert await rpc.balance(NEW.address) == ETHER // 2

    asyncio.run(scenario())


def test_wrong_requests_are_refused() -> None:
    async def scenario() -> None:
        async with running_chain(CHAINS["dev"], {}) as url, RpcClient(url) as rpc:
            requests: list[tuple[str, list[object]]] = [
                ("eth_mining", []),
                ("eth_getBalance", []),
                ("eth_getBalance", [7]),
                ("eth_chainId", [1]),
                ("eth_call", ["0x"]),
                ("eth_getLogs", [{"fromBlock": "0x2", "toBlock": "0x1"}]),
                ("eth_getLogs", [{"topics": ["0x1"]}]),
                ("eth_sendRawTransaction", ["0x"]),
            ]
            for method, params in requests:
                with pytest.raises(RefusedError):
                    await rpc.call(method, params)
            # No token lives there: the answer is empty.
            with pytest.raises(RpcError, match="0 bytes instead of 32"):
                await rpc.token_balance(bytes(20), NEW.address)

    asyncio.run(scenario())


def test_a_chain_that_cannot_start() -> None:
    async def scenario() -> None:
        async with running_chain(CHAINS["dev"], {}) as url:
            port = int(url.rpartition(":")[2])
            with pytest.raises(LocalError, match="didn't start"):
                async with running_chain(CHAINS["dev"], {}, port):
                    pass

    asyncio.run(scenario())


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "masq.demo.chain"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["token"] == "0x59882e4a8f5d24643d4dda422922a870f1b3e664"
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_on_a_signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    os.kill(process.pid, number)
    assert process.wait(5) == 0


def test_it_ends_with_whoever_started_it(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(5) == 0


@pytest.mark.parametrize("source", ["/dev/null", "/dev/zero", __file__, None])
def test_an_input_that_nobody_holds_neither_ends_it_nor_keeps_it_busy(source: str | None) -> None:
    command = [sys.executable, "-m", "masq.demo.chain"]
    with contextlib.ExitStack() as stack:
        given = stack.enter_context(open(source, "rb")) if source else None
        # Without a source it has no standard input at all, as some supervisors have it.
        start = ["sh", "-c", 'exec "$@" <&-', "sh", *command] if given is None else command
        process = stack.enter_context(subprocess.Popen(start, stdin=given, stdout=subprocess.PIPE))
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline()
        before = cpu_seconds(process.pid)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        assert cpu_seconds(process.pid) - before < 0.2
        process.terminate()
        assert process.wait(5) == 0


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_it_starts_quickly() -> None:
    async def scenario() -> float:
        before = time.monotonic()
        async with running_chain(CHAINS["dev"], FUNDS):
            return time.monotonic() - before

    # Under 2 seconds on an idle machine; this leaves room for a busy one.
    assert asyncio.run(scenario()) < 15
