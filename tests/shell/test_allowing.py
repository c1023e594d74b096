"""`masq wallet allow`, on a real chain (accounting.md 4.7)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.anvil import running_anvil
from tests.anvil_chain import Chain
from tests.bank_ends import CHAIN, CONSUMER, provider
from tools.contracts import ARTIFACT

from masq.chain.disperser import allowance_data
from masq.chain.wallet import Wallet
from masq.demo.funds import Funds
from masq.errors import LocalError
from masq.settings import Settings
from masq.shell.allowing import allow_contract
from masq.types import Address

DEPLOYED, FURTHER = b"\x77" * 20, Wallet(b"\x09" * 32)


@pytest.fixture
def chain() -> Iterator[Chain]:
    funds = {CONSUMER.address: Funds(10**18, 10**21), FURTHER.address: Funds(10**18, 10**21)}
    with running_anvil(funds) as url:
        chain = Chain(url)
        chain.ask("anvil_setCode", "0x" + DEPLOYED.hex(), json.loads(ARTIFACT.read_text())["runtime"])
        yield chain


def allow(chain: Chain, wei: int, contract: Address | None = DEPLOYED) -> dict[Address, str]:
    async def live() -> dict[Address, str]:
        async with provider(chain.answer) as url:
            settings = Settings(
                data_directory=Path("/d"),
                chain=CHAIN,
                blockchain_service_url=url,
                consuming_private_key=CONSUMER.secret,
                further_private_keys=(FURTHER.secret,),
                pay_many=contract,
            )
            return await allow_contract(settings, wei)

    return asyncio.run(live())


def allowed(chain: Chain, owner: Address) -> int:
    call = {"to": "0x" + CHAIN.contract.hex(), "data": "0x" + allowance_data(owner, DEPLOYED).hex()}
    return int(chain.ask("eth_call", call, "latest"), 16)


def test_each_consuming_wallet_allows_so_much_and_then_nothing(chain: Chain) -> None:
    for wei in (10**20, 5, 0):
        assert set(allow(chain, wei)) == {CONSUMER.address, FURTHER.address}
        chain.mine()
        assert [allowed(chain, each.address) for each in (CONSUMER, FURTHER)] == [wei, wei]


def test_nothing_is_allowed_to_another_contract_but_it_can_be_taken_back(chain: Chain) -> None:
    with pytest.raises(LocalError, match="is not the contract"):
        allow(chain, 5, b"\x78" * 20)
    assert allow(chain, 0, b"\x78" * 20)
    with pytest.raises(LocalError, match="pay-many"):
        allow(chain, 5, None)


def test_another_chain_is_not_asked(chain: Chain) -> None:
    chain.lies = {"eth_chainId": lambda _: "0x1"}
    with pytest.raises(LocalError, match="doesn't serve dev"):
        allow(chain, 5)
