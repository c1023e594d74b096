"""Payments on a real chain (anvil) that reorganises and drops transactions, over a provider that lies.

Each debt is paid exactly once (accounting.md 2.6). Each test has a chain of its own: mining is by hand.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from tests.anvil import running_anvil
from tests.anvil_chain import Chain
from tests.bank_ends import CONSUMER, DEBT, EARNER, Books, opened, provider
from tests.charges import consumed

from masq.core.accountant.effects import Scan, State
from masq.core.accountant.nonces import GAP_FOR
from masq.core.accountant.paying import DOUBT_FOR, LOW_AFTER
from masq.demo.funds import Funds
from masq.types import DEFAULT_RATE_PACK

GWEI = 10**9


@pytest.fixture
def chain() -> Iterator[Chain]:
    with running_anvil({CONSUMER.address: Funds(10**18, 10**21)}) as url:
        yield Chain(url)


def run(directory: Path, chain: Chain, scenario: Callable[[Books], Awaitable[None]]) -> None:
    async def live() -> None:
        async with provider(chain.answer) as url, opened(directory, url) as books:
            await books.scan(Scan.RECEIVABLES)
            await scenario(books)

    asyncio.run(live())


async def owe_and_pay(books: Books) -> None:
    consumed(books.accountant, (EARNER.address, DEFAULT_RATE_PACK, 100_000), [], 0, books.now)
    books.now += 10.0
    await books.scan(Scan.PAYABLES)


def owed(books: Books) -> int:
    return books.accountant.ledger.payables[EARNER.address].wei


async def look(books: Books, *scans: Scan, after: float = 10.0) -> None:
    books.now += after
    await books.scan(*(scans or (Scan.PENDING_PAYABLES,)))


def test_what_is_hidden_is_waited_for_and_paid_once(tmp_path: Path, chain: Chain) -> None:
    async def scenario(books: Books) -> None:
        await owe_and_pay(books)
        chain.mine()
        chain.lies = {
            "eth_getTransactionReceipt": lambda _: None,
            "eth_getLogs": lambda _: [],
            "eth_getBlockByNumber": lambda block: {**block, "transactions": []},
        }
        for _ in range(6):
            await look(books, *Scan, after=DOUBT_FOR)
        assert owed(books) == chain.got() == DEBT
        assert any("isn't made again until that is known" in notice for notice in books.notices)
        chain.lies = {}
        await look(books)
        assert owed(books) == 0
        assert chain.got() == DEBT

    run(tmp_path, chain, scenario)


@pytest.mark.parametrize("price", ["0x0", "0x1", hex(4_999 * GWEI)])
def test_a_made_up_gas_price_is_none(tmp_path: Path, chain: Chain, price: str) -> None:
    async def scenario(books: Books) -> None:
        chain.lies = {"eth_gasPrice": lambda _: price}
        await owe_and_pay(books)
        chain.mine()
        await look(books)
        assert owed(books) == 0
        assert chain.got() == DEBT
        (paid,) = books.store.load().payments
        assert paid.latest.most < 10 * GWEI

    run(tmp_path, chain, scenario)


def test_a_payment_that_gets_too_cheap_is_raised(tmp_path: Path, chain: Chain) -> None:
    async def scenario(books: Books) -> None:
        await owe_and_pay(books)
        chain.ask("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
        chain.mine()
        await look(books, after=LOW_AFTER)
        (payment,) = books.store.load().payments
        assert len(payment.variants) == 2
        for _ in range(5):
            chain.mine()
            await look(books, after=LOW_AFTER)
        assert owed(books) == 0
        assert chain.got() == DEBT

    run(tmp_path, chain, scenario)


def test_a_payment_whose_block_is_reorganised_away_is_made_again_with_the_same_bytes(
    tmp_path: Path, chain: Chain
) -> None:
    async def scenario(books: Books) -> None:
        await owe_and_pay(books)
        before = chain.ask("evm_snapshot")
        chain.mine()
        await look(books)
        assert owed(books) == 0
        assert chain.ask("evm_revert", before)
        chain.ask("anvil_dropAllTransactions")
        chain.mine(5)
        assert chain.got() == 0
        await look(books)
        assert owed(books) == DEBT
        chain.mine()
        await look(books)
        assert owed(books) == 0
        assert chain.got() == DEBT
        (payment,) = books.store.load().payments
        assert len(payment.variants) == 1

    run(tmp_path, chain, scenario)


def test_a_transaction_of_the_user_s_own_that_takes_the_nonce_displaces_a_payment(tmp_path: Path, chain: Chain) -> None:
    async def scenario(books: Books) -> None:
        await owe_and_pay(books)
        (payment,) = books.store.load().payments
        chain.ask("anvil_dropTransaction", "0x" + payment.hash.hex())
        wallet = "0x" + CONSUMER.address.hex()
        chain.ask("anvil_impersonateAccount", wallet)
        chain.ask("eth_sendTransaction", {"from": wallet, "to": wallet, "value": "0x1", "nonce": "0x0"})
        chain.mine(30)
        for _ in range(3):
            await look(books, after=DOUBT_FOR)
        assert any("displaced" in notice for notice in books.notices)
        assert not books.store.load().payments
        await look(books, Scan.PAYABLES)
        chain.mine()
        await look(books)
        assert owed(books) == 0
        assert chain.got() == DEBT

    run(tmp_path, chain, scenario)


def test_payments_above_a_nonce_that_was_dropped_go_on(tmp_path: Path, chain: Chain) -> None:
    """The user's own transaction waited when a payment was signed above it; then its pool forgot it."""

    async def scenario(books: Books) -> None:
        wallet = "0x" + CONSUMER.address.hex()
        chain.ask("anvil_impersonateAccount", wallet)
        own = chain.ask("eth_sendTransaction", {"from": wallet, "to": wallet, "value": "0x1", "nonce": "0x0"})
        await owe_and_pay(books)
        await look(books, Scan.PAYABLES, after=3_600.0)
        await look(books, Scan.PAYABLES, after=10.0)
        chain.ask("anvil_dropTransaction", own)
        for _ in range(4):
            chain.mine()
            await look(books, Scan.PAYABLES, Scan.PENDING_PAYABLES, after=GAP_FOR)
        chain.mine()
        await look(books)
        assert owed(books) == 0
        assert chain.got() == DEBT

    run(tmp_path, chain, scenario)


def test_an_older_copy_of_the_books_pays_nothing_again(tmp_path: Path, chain: Chain) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"

    async def first(books: Books) -> None:
        consumed(books.accountant, (EARNER.address, DEFAULT_RATE_PACK, 100_000), [], 0, 0.0)
        books.carry(books.accountant.flush())
        await books.settle()
        shutil.copytree(original, copy)
        await look(books, Scan.PAYABLES)
        chain.mine()
        await look(books)
        assert chain.got() == DEBT

    async def again(books: Books) -> None:
        await look(books, Scan.PAYABLES)
        await look(books, *Scan)
        chain.mine()
        await look(books, *Scan)
        assert owed(books) == 0
        assert chain.got() == DEBT
        assert any("these books don't know" in notice for notice in books.notices)

    run(original, chain, first)
    run(copy, chain, again)


def test_without_enough_coins_it_is_told_what_to_send(tmp_path: Path, chain: Chain) -> None:
    async def scenario(books: Books) -> None:
        chain.ask("anvil_setBalance", "0x" + CONSUMER.address.hex(), "0x1")
        await owe_and_pay(books)
        assert not books.store.load().payments
        assert any("not enough coins" in notice and CONSUMER.address.hex() in notice for notice in books.notices)
        chain.ask("anvil_setBalance", "0x" + CONSUMER.address.hex(), hex(10**18))
        await look(books, Scan.PAYABLES)
        chain.mine()
        await look(books)
        assert chain.got() == DEBT
        assert books.store.load().payments[0].state is State.SETTLED

    run(tmp_path, chain, scenario)


def test_a_provider_that_takes_no_batches_and_is_away_for_an_hour(tmp_path: Path, chain: Chain) -> None:
    async def scenario(books: Books) -> None:
        chain.refused = {"eth_chainId"}
        for _ in range(30):
            await owe_and_pay(books)
            await look(books, *Scan, after=120.0)
        assert not books.store.load().payments
        assert len(books.notices) < 12, "it is told in growing intervals"
        chain.refused = set()
        await look(books, Scan.PAYABLES)
        chain.mine()
        await look(books)
        assert owed(books) == 0
        assert chain.got() == 30 * DEBT

    run(tmp_path, chain, scenario)
