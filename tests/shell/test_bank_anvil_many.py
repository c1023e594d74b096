"""Many creditors in one transaction, on a real chain (anvil) with the contract of contracts/Disperser.sol.

Each debt is paid exactly once (accounting.md 2.6, 4.7).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.anvil import running_anvil
from tests.anvil_chain import Chain
from tests.bank_ends import CHAIN, CONSUMER, Books, opened, provider
from tools.contracts import ARTIFACT

from masq.chain.disperser import disperse_data, gas_limit, sign_allow, sign_disperse
from masq.chain.erc20 import sign_transfer
from masq.chain.receipt import Receipt, parse_receipt
from masq.core.accountant.effects import Scan, State
from masq.core.accountant.payments import BURIED
from masq.demo.funds import Funds
from masq.keccak import keccak256
from masq.types import Address

GWEI = 10**9
DEPLOYED = b"\x77" * 20
TOKENS = 10**21
CREDITORS = [bytes([1]) * 19 + bytes([number]) for number in range(1, 21)]
WEI = 10**13


@pytest.fixture
def chain() -> Iterator[Chain]:
    with running_anvil({CONSUMER.address: Funds(10**18, TOKENS)}) as url:
        chain = Chain(url)
        chain.ask("anvil_setCode", "0x" + DEPLOYED.hex(), json.loads(ARTIFACT.read_text())["runtime"])
        yield chain


def allow(chain: Chain, wei: int, nonce: int = 0) -> None:
    signed = sign_allow(CONSUMER, CHAIN, DEPLOYED, nonce=nonce, gas_price=2 * GWEI, wei=wei)
    chain.ask("eth_sendRawTransaction", "0x" + signed.raw.hex())
    chain.mine()
    assert chain.ask("eth_getTransactionReceipt", "0x" + signed.hash.hex())["status"] == "0x1"


def run(
    directory: Path, chain: Chain, scenario: Callable[[Books], Awaitable[None]], many: Address | None = DEPLOYED
) -> None:
    async def live() -> None:
        async with provider(chain.answer) as url, opened(directory, url, many=many) as books:
            await books.scan(Scan.RECEIVABLES)
            await scenario(books)

    asyncio.run(live())


async def owe_and_pay(books: Books, creditors: list[Address] = CREDITORS) -> None:
    for creditor in creditors:
        books.carry(books.accountant.charge(True, creditor, WEI, books.now))
    books.carry(books.accountant.flush())
    await books.settle()
    books.now += 10.0
    await books.scan(Scan.PAYABLES)


async def look(books: Books, *scans: Scan, after: float = 10.0) -> None:
    books.now += after
    await books.scan(*(scans or (Scan.PENDING_PAYABLES,)))


def owed(books: Books) -> list[int]:
    return [books.accountant.ledger.payables[each].wei for each in CREDITORS]


def got(chain: Chain) -> list[int]:
    return [chain.got(each) for each in CREDITORS]


def refuse(chain: Chain, creditor: Address, refuses: bool) -> None:
    """The token pays a creditor no more: his balance is so large that a transfer to him overflows."""
    slot = json.loads((Path(__file__).parents[2] / "src/masq/demo/token.json").read_text())["slots"]["balanceOf"]
    place = keccak256(slot.to_bytes(32, "big") + bytes(12) + creditor)
    value = 2**256 - 1 if refuses else 0
    chain.ask("anvil_setStorageAt", "0x" + CHAIN.contract.hex(), "0x" + place.hex(), f"0x{value:064x}")


def test_twenty_creditors_get_what_they_are_owed_by_one_transaction(tmp_path: Path, chain: Chain) -> None:
    async def scenario(books: Books) -> None:
        await owe_and_pay(books)
        (payment,) = books.store.load().payments
        assert (payment.wei, len(payment.parts), payment.creditor) == (20 * WEI, 20, DEPLOYED)
        assert len(books.accountant.view(books.now).payments) == 20
        chain.mine()
        await look(books)
        assert (owed(books), got(chain)) == ([0] * 20, [WEI] * 20)
        receipt = chain.ask("eth_getTransactionReceipt", "0x" + payment.hash.hex())
        senders = {log["topics"][1] for log in receipt["logs"]}
        assert senders == {"0x" + bytes(12).hex() + CONSUMER.address.hex()}, "as Nodes of 0.9.1 credit them"
        rows = books.store.history("paid", "").rows
        assert sum(int(str(row[5])) for row in rows) == int(receipt["gasUsed"], 16) * int(
            receipt["effectiveGasPrice"], 16
        ), "the gas of all is that of the one"

    allow(chain, TOKENS)
    run(tmp_path, chain, scenario)


def test_one_that_can_t_be_paid_does_not_take_the_others_with_it(tmp_path: Path, chain: Chain) -> None:
    async def scenario(books: Books) -> None:
        refuse(chain, CREDITORS[7], True)
        await owe_and_pay(books)
        chain.mine()
        await look(books)
        others = [WEI if number != 7 else 0 for number in range(20)]
        assert owed(books) == [WEI - each for each in others]
        assert any("the part of a payment of" in notice and "reverted" in notice for notice in books.notices)
        await look(books, Scan.PAYABLES)
        assert len(books.store.load().payments) == 1, "in another block it may be made yet"
        refuse(chain, CREDITORS[7], False)
        chain.mine(BURIED)
        await look(books)
        assert not books.store.load().payments
        await look(books, Scan.PAYABLES)
        (again,) = books.store.load().payments
        assert not again.parts, "alone, as it might fail again"
        chain.mine()
        await look(books)
        assert (owed(books), got(chain)) == ([0] * 20, [WEI] * 20)

    allow(chain, TOKENS)
    run(tmp_path, chain, scenario)


def test_a_reorganisation_in_which_another_one_fails(tmp_path: Path, chain: Chain) -> None:
    async def scenario(books: Books) -> None:
        refuse(chain, CREDITORS[3], True)
        await owe_and_pay(books)
        before = chain.ask("evm_snapshot")
        chain.mine()
        await look(books)
        assert [number for number, wei in enumerate(owed(books)) if wei] == [3]
        assert chain.ask("evm_revert", before)
        chain.ask("anvil_dropAllTransactions")
        chain.mine(5)
        await look(books)
        assert owed(books) == [WEI] * 20
        refuse(chain, CREDITORS[3], False)
        refuse(chain, CREDITORS[4], True)
        chain.mine()
        await look(books)
        assert [number for number, wei in enumerate(owed(books)) if wei] == [4]
        (payment,) = books.store.load().payments
        assert ([each.failed for each in payment.parts].index(True), payment.state) == (4, State.SETTLED)

    allow(chain, TOKENS)
    run(tmp_path, chain, scenario)


def test_a_restart_with_a_payment_to_many_under_way_pays_once(tmp_path: Path, chain: Chain) -> None:
    async def first(books: Books) -> None:
        await owe_and_pay(books)

    async def again(books: Books) -> None:
        await look(books, *Scan)
        chain.mine()
        await look(books, *Scan)
        assert (owed(books), got(chain)) == ([0] * 20, [WEI] * 20)

    allow(chain, TOKENS)
    run(tmp_path, chain, first)
    run(tmp_path, chain, again, many=None)  # The setting was taken away meanwhile.


def test_a_receipt_without_its_logs_books_nothing_and_says_so(tmp_path: Path, chain: Chain) -> None:
    async def scenario(books: Books) -> None:
        await owe_and_pay(books)
        chain.mine()
        chain.lies = {"eth_getTransactionReceipt": lambda receipt: receipt and {**receipt, "logs": []}}
        for _ in range(3):
            await look(books, Scan.PENDING_PAYABLES, Scan.PAYABLES)
        assert owed(books) == [WEI] * 20
        assert any("doesn't show who was paid" in notice for notice in books.notices)
        chain.lies = {}
        await look(books)
        assert (owed(books), got(chain)) == ([0] * 20, [WEI] * 20)

    allow(chain, TOKENS)
    run(tmp_path, chain, scenario)


@pytest.mark.parametrize("contract", [DEPLOYED, b"\x78" * 20])
def test_what_lacks_is_said_and_each_is_paid_alone(tmp_path: Path, chain: Chain, contract: Address) -> None:
    """The first contract may move nothing; there is none at the other address."""

    async def scenario(books: Books) -> None:
        await owe_and_pay(books, CREDITORS[:2])
        assert [each.parts for each in books.store.load().payments] == [(), ()]
        words = "masq wallet allow" if contract == DEPLOYED else "is not the contract"
        assert any(words in notice for notice in books.notices)
        chain.mine()
        await look(books)
        assert got(chain)[:2] == [WEI] * 2

    run(tmp_path, chain, scenario, contract)


def test_as_many_as_the_contract_may_move_go_together(tmp_path: Path, chain: Chain) -> None:
    async def scenario(books: Books) -> None:
        await owe_and_pay(books)
        sizes = sorted(len(each.parts) for each in books.store.load().payments)
        assert sizes == [0] * 15 + [5]
        chain.mine()
        await look(books)
        assert (owed(books), got(chain)) == ([0] * 20, [WEI] * 20)

    allow(chain, 5 * WEI + 1)
    run(tmp_path, chain, scenario)


# --- the contract


def sent(chain: Chain, signed: Any) -> tuple[Receipt, int]:
    chain.ask("eth_sendRawTransaction", "0x" + signed.raw.hex())
    chain.mine()
    answer = chain.ask("eth_getTransactionReceipt", "0x" + signed.hash.hex())
    receipt = parse_receipt(signed.hash, answer, CHAIN.contract)
    assert receipt is not None
    return receipt, int(answer["gasUsed"], 16)


def test_the_gas_per_creditor_is_what_the_documentation_says(chain: Chain) -> None:
    """accounting.md 4.7; each creditor is paid for the first time, then again."""
    allow(chain, TOKENS)
    parts = [(each, 5 * 10**17 + number) for number, each in enumerate(CREDITORS)]
    gas = []
    for nonce in (1, 2):
        signed = sign_disperse(CONSUMER, CHAIN, DEPLOYED, nonce=nonce, gas_price=2 * GWEI, parts=parts)
        receipt, used = sent(chain, signed)
        assert receipt.paid == {(CONSUMER.address, to, wei) for to, wei in parts}
        assert used < gas_limit(20)
        gas.append(used // 20)
    for nonce in (3, 4):
        signed = sign_transfer(
            CONSUMER, CHAIN, nonce=nonce, gas_price=2 * GWEI, recipient=b"\x55" * 20, amount=5 * 10**17
        )
        gas.append(sent(chain, signed)[1])
    assert gas == pytest.approx([28_345, 11_245, 51_238, 34_138], abs=200)


def test_the_contract_tells_of_whom_it_could_not_pay(chain: Chain) -> None:
    allow(chain, TOKENS)
    parts = [(CREDITORS[0], 5), (CREDITORS[1], 10**30), (CREDITORS[2], 7)]
    signed = sign_disperse(CONSUMER, CHAIN, DEPLOYED, nonce=1, gas_price=2 * GWEI, parts=parts)
    receipt, _ = sent(chain, signed)
    assert receipt.succeeded
    assert receipt.paid == {(CONSUMER.address, CREDITORS[0], 5), (CONSUMER.address, CREDITORS[2], 7)}
    assert receipt.unpaid == {(CONSUMER.address, CREDITORS[1], 10**30)}


def test_nobody_else_can_spend_what_was_allowed(chain: Chain) -> None:
    """`disperse` moves the caller's tokens, whoever has allowed what."""
    allow(chain, TOKENS)
    thief = b"\x66" * 20
    chain.ask("anvil_setBalance", "0x" + thief.hex(), hex(10**18))
    chain.ask("anvil_impersonateAccount", "0x" + thief.hex())
    call = {"from": "0x" + thief.hex(), "to": "0x" + DEPLOYED.hex(), "gas": "0x40000"}
    hash = chain.ask("eth_sendTransaction", {**call, "data": "0x" + disperse_data(CHAIN.contract, [(thief, 5)]).hex()})
    chain.mine()
    receipt = parse_receipt(bytes.fromhex(hash[2:]), chain.ask("eth_getTransactionReceipt", hash), CHAIN.contract)
    assert receipt is not None
    assert (receipt.paid, receipt.unpaid) == (frozenset(), frozenset({(thief, thief, 5)}))
    assert chain.got(thief) == 0
