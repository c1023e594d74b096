"""Two consuming wallets on a real chain (anvil): each pays its own debt, once, also over a restart."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path

from tests.anvil import running_anvil
from tests.bank_ends import CHAIN, CONSUMER, DEBT, EARNER, Books, opened
from tests.charges import consumed

from masq.chain.wallet import Wallet
from masq.core.accountant.effects import Scan
from masq.demo.funds import Funds
from masq.shell.rpc import RpcClient
from masq.types import DEFAULT_RATE_PACK, Address

OTHER = Wallet(b"\x15" * 32)
WALLETS = (CONSUMER.address, OTHER.address)
PLENTY = 10**21
MORE = DEFAULT_RATE_PACK.exit_charge(200_000)


def owed(books: Books) -> list[int]:
    accountants = [books.turn.node.accountant_of(purse) for purse in range(2)]
    return [each.ledger.payables[EARNER.address].wei for each in accountants]


def mine(url: str) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "anvil_mine", "params": ["0x1"]}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60):
        pass


async def tokens(url: str, *wallets: Address) -> list[int]:
    rpc = RpcClient(url)
    try:
        return [await rpc.token_balance(CHAIN.contract, wallet) for wallet in wallets]
    finally:
        await rpc.close()


def charge(books: Books, *sizes: int) -> None:
    for purse, size in enumerate(sizes):
        consumed(books.turn.node.accountant_of(purse), (EARNER.address, DEFAULT_RATE_PACK, size), [], 0, books.now)


async def two_debts(directory: Path, url: str) -> None:
    async with opened(directory, url, CONSUMER, b"\x03" * 20, OTHER) as books:
        await books.scan(Scan.RECEIVABLES)
        charge(books, 100_000, 200_000)
        books.now += 10.0
        await books.scan(Scan.PAYABLES)
        assert owed(books) == [DEBT, MORE]
        paid = [PLENTY - DEBT, PLENTY - MORE, DEBT + MORE]
        async with asyncio.timeout(60):  # Payments are sent beside: on a busy machine perhaps after the first block.
            mine(url)
            while await tokens(url, *WALLETS, EARNER.address) != paid:
                await asyncio.sleep(0.1)
                mine(url)
    # The payments are signed and sent; what became of them is seen by the next start.
    async with opened(directory, url, CONSUMER, b"\x03" * 20, OTHER) as books:
        assert owed(books) == [DEBT, MORE]
        for _ in range(3):
            books.now += 10.0
            await books.scan(*Scan)
            mine(url)
        assert owed(books) == [0, 0]
        views = books.turn.node.books(books.now).wallets
        assert [view.paid_wei for view in views] == [DEBT, MORE]
        assert await tokens(url, *WALLETS, EARNER.address) == [PLENTY - DEBT, PLENTY - MORE, DEBT + MORE]


def test_each_wallet_pays_its_own_debt_once(tmp_path: Path) -> None:
    with running_anvil({wallet: Funds(10**18, PLENTY) for wallet in WALLETS}) as url:
        asyncio.run(two_debts(tmp_path, url))
