"""A debt that is promised, redeemed and booked by both sides, on a real chain (accounting.md 2.13, 4.8)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from tests.anvil import running_anvil
from tests.anvil_chain import Chain
from tests.bank_ends import CHAIN, CONSUMER, EARNER, Books, opened, provider
from tools.contracts import ARTIFACT

from masq.chain.disperser import sign_allow
from masq.chain.erc20 import sign_transfer
from masq.chain.wallet import Wallet
from masq.core.accountant.effects import AskBacking, Scan
from masq.core.accountant.promises import SAVED_AFTER
from masq.core.accountant.vouchers import LOOK_EVERY
from masq.core.accountant.worth import ANY_SHARE, GasShare
from masq.demo.funds import Funds
from masq.errors import LocalError
from masq.settings import Settings
from masq.shell.redeeming import Promised, Redeemed, redeem, rows, rows_at_rest

GWEI = 10**9
DEPLOYED = b"\x77" * 20
TOKENS = 10**21
WEI = 10**13
OTHER, REDEEMER = Wallet(b"\x08" * 32), Wallet(b"\x09" * 32)


@pytest.fixture
def chain() -> Iterator[Chain]:
    with running_anvil({CONSUMER.address: Funds(10**18, TOKENS), REDEEMER.address: Funds(10**18, 0)}) as url:
        chain = Chain(url)
        chain.ask("anvil_setCode", "0x" + DEPLOYED.hex(), json.loads(ARTIFACT.read_text())["runtime"])
        yield chain


def allow(chain: Chain, wei: int) -> None:
    nonce = int(chain.ask("eth_getTransactionCount", "0x" + CONSUMER.address.hex(), "latest"), 16)
    signed = sign_allow(CONSUMER, CHAIN, DEPLOYED, nonce=nonce, gas_price=2 * GWEI, wei=wei)
    chain.ask("eth_sendRawTransaction", "0x" + signed.raw.hex())
    chain.mine()


class Pair:
    """A debtor and its creditor, who hear of each other what circuits would carry."""

    def __init__(self, debtor: Books, creditor: Books, url: str, chain: Chain) -> None:
        self.debtor, self.creditor, self.url, self.chain = debtor, creditor, url, chain

    async def serve(self, wei: int) -> None:
        """So much is charged, billed, promised, and said with the next circuit."""
        debtor, creditor = self.debtor, self.creditor
        debtor.carry(debtor.accountant.charge(True, EARNER.address, wei, debtor.now))
        creditor.carry(creditor.accountant.charge(False, CONSUMER.address, wei, creditor.now))
        takes = creditor.accountant.vouchers.taken_by
        debtor.accountant.promises.taken(EARNER.address, takes, debtor.now)
        for _ in range(2):
            await self.later(SAVED_AFTER)
        voucher = debtor.accountant.promises.voucher(EARNER.address)
        creditor.accountant.vouchers.heard(CONSUMER.address, voucher, creditor.now)
        await self.later(20.0)

    async def later(self, seconds: float) -> None:
        for books in (self.debtor, self.creditor):
            books.now += seconds
            books.carry(books.accountant._vouch(books.now))
            books.carry(books.accountant.flush())
            await books.settle()

    async def look(self) -> None:
        for books in (self.debtor, self.creditor):
            books.now += 10.0
            await books.scan(Scan.PAYABLES, Scan.PENDING_PAYABLES, Scan.RECEIVABLES)

    async def redeem(self, share: GasShare = ANY_SHARE, running: bool = True) -> Redeemed:
        settings = Settings(
            data_directory=Path("/d"),
            chain=CHAIN,
            blockchain_service_url=self.url,
            consuming_private_key=REDEEMER.secret,
            earning_wallet=EARNER.address,
            pay_many=DEPLOYED,
        )
        store = self.creditor.store
        told = rows(store, self.creditor.accountant.owed_by) if running else rows_at_rest(store)
        promised = [Promised.read(row) for row in json.loads(json.dumps(told))]
        task = asyncio.create_task(redeem(settings, share, promised, wait=10.0))
        while not task.done():
            if self.chain.ask("eth_getBlockByNumber", "pending", False)["transactions"]:
                self.chain.mine()
            await asyncio.sleep(0.05)
        (outcome,) = task.result()
        return outcome

    @property
    def owed(self) -> tuple[int, int, int]:
        """As the debtor counts, as the creditor does, and what the creditor has got."""
        return (
            self.debtor.accountant.ledger.payables[EARNER.address].wei,
            self.creditor.accountant.owed_by(CONSUMER.address),
            self.chain.got(),
        )


def run(directory: Path, chain: Chain, scenario: Callable[[Pair], Awaitable[None]]) -> None:
    async def live() -> None:
        async with (
            provider(chain.answer) as url,
            opened(directory / "debtor", url, many=DEPLOYED, asks=False) as debtor,
            opened(directory / "creditor", url, OTHER, EARNER.address, many=DEPLOYED, asks=True) as other,
        ):
            pair = Pair(debtor, other, url, chain)
            await pair.look()
            await scenario(pair)

    for name in ("debtor", "creditor"):
        (directory / name).mkdir()
    asyncio.run(live())


def test_a_debt_is_promised_redeemed_and_booked_once_by_both_sides(tmp_path: Path, chain: Chain) -> None:
    async def scenario(pair: Pair) -> None:
        got = 0
        for turn, running in enumerate((True, False), 1):
            await pair.serve(WEI)
            await pair.look()
            assert pair.owed == (WEI, WEI, got), "what is promised isn't paid by transfer too"
            assert not pair.debtor.store.load().payments
            outcome = await pair.redeem(running=running)
            assert (outcome.outcome, outcome.wei) == ("redeemed", WEI)
            got += WEI
            await pair.look()
            assert pair.owed == (0, 0, got)
            assert len(pair.debtor.store.history("paid", "").rows) == turn, "a receipt for a tax office"
            assert (await pair.redeem()).outcome == "nothing is owed that was promised"
        assert any("has redeemed" in notice for notice in pair.debtor.notices)

    allow(chain, TOKENS)
    run(tmp_path, chain, scenario)


def test_a_promise_with_nothing_behind_it_bans_as_no_promise_does(tmp_path: Path, chain: Chain) -> None:
    async def scenario(pair: Pair) -> None:
        await pair.serve(WEI)
        outcome = await pair.redeem()
        assert (outcome.outcome, outcome.hash) == ("its wallet lets the contract move nothing", None)
        await pair.later(LOOK_EVERY)
        await pair.look()
        assert pair.creditor.accountant.is_delinquent(CONSUMER.address)
        allow(chain, WEI // 2)
        assert (await pair.redeem()).wei == WEI // 2, "as far as it goes"
        await pair.look()
        assert pair.owed == (WEI - WEI // 2, WEI - WEI // 2, WEI // 2)
        allow(chain, TOKENS)
        await pair.later(LOOK_EVERY)
        await pair.look()
        assert not pair.creditor.accountant.is_delinquent(CONSUMER.address), "it is covered now"
        assert pair.owed[2] == WEI // 2, "and nobody has paid it by transfer meanwhile"

    run(tmp_path, chain, scenario)


def test_gas_that_costs_too_much_and_transactions_that_wait_are_a_reason_to_wait(tmp_path: Path, chain: Chain) -> None:
    async def scenario(pair: Pair) -> None:
        await pair.serve(WEI)
        dear = GasShare(5, 10**24)
        assert "aren't worth the gas" in (await pair.redeem(dear)).outcome
        waiting = sign_transfer(REDEEMER, CHAIN, nonce=0, gas_price=2 * GWEI, recipient=b"x" * 20, amount=0)
        chain.ask("eth_sendRawTransaction", "0x" + waiting.raw.hex())
        voucher = [Promised.read(row) for row in rows(pair.creditor.store, pair.creditor.accountant.owed_by)]
        settings = Settings(
            data_directory=Path("/d"),
            chain=CHAIN,
            blockchain_service_url=pair.url,
            consuming_private_key=REDEEMER.secret,
            earning_wallet=EARNER.address,
            pay_many=DEPLOYED,
        )
        with pytest.raises(LocalError, match="wait"):
            await redeem(settings, ANY_SHARE, voucher)

    allow(chain, TOKENS)
    run(tmp_path, chain, scenario)


def test_a_restart_forgets_neither_promises_nor_vouchers(tmp_path: Path, chain: Chain) -> None:
    async def first(pair: Pair) -> None:
        await pair.serve(WEI)

    async def second(pair: Pair) -> None:
        await pair.look()
        assert pair.debtor.accountant.promises.promised(EARNER.address) == WEI
        held = pair.creditor.accountant.vouchers.held(CONSUMER.address)
        assert held is not None
        assert held.left == WEI
        assert (await pair.redeem()).outcome == "redeemed"
        await pair.look()
        assert pair.owed == (0, 0, WEI)

    async def live(scenario: Callable[[Pair], Awaitable[None]]) -> None:
        async with (
            provider(chain.answer) as url,
            opened(tmp_path / "d", url, many=DEPLOYED, asks=False) as debtor,
            opened(tmp_path / "c", url, OTHER, EARNER.address, many=DEPLOYED, asks=True) as creditor,
        ):
            pair = Pair(debtor, creditor, url, chain)
            await pair.look()
            await scenario(pair)

    allow(chain, TOKENS)
    for name in ("d", "c"):
        (tmp_path / name).mkdir()
    asyncio.run(live(first))
    asyncio.run(live(second))


@pytest.mark.parametrize("row", [7, [], ["zz", "", ""], ["61", "00", "x"], None])
def test_an_answer_that_is_none_is_refused(row: object) -> None:
    with pytest.raises(LocalError, match="another version"):
        Promised.read(row)


def test_the_question_for_what_stands_behind_them_names_payers() -> None:
    assert AskBacking(DEPLOYED, (CONSUMER.address,)).payers == (CONSUMER.address,)
