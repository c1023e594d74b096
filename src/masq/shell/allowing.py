"""`masq wallet allow`: lets the contract that pays many move our consuming wallets' tokens (accounting.md 4.7)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from masq.chain.disperser import sign_allow
from masq.chain.head import Head
from masq.chain.wallet import Wallet
from masq.core.accountant.fees import Fee, Fees
from masq.errors import LocalError, SettingError
from masq.shell.rpc import RpcClient
from masq.types import Address

if TYPE_CHECKING:
    from masq.settings import Settings


def contract_of(settings: Settings) -> Address:
    """That is called. SettingError if something to do so isn't set."""
    if settings.pay_many is None:
        raise SettingError("pay-many", "is off: name the address of the contract")
    if not settings.consuming_private_key:
        raise SettingError("consuming-private-key", "none is set")
    return settings.pay_many


@asynccontextmanager
async def asked(settings: Settings) -> AsyncIterator[RpcClient]:
    """The first provider, if it serves our chain."""
    if not settings.providers:
        raise SettingError("blockchain-service-url", "none is set")
    rpc = RpcClient(settings.providers[0])
    try:
        if await rpc.chain_id() != settings.chain.id:
            raise LocalError(f"the provider doesn't serve {settings.chain.name}")
        yield rpc
    finally:
        await rpc.close()


async def fee_now(rpc: RpcClient, settings: Settings) -> tuple[Fee, Head]:
    """What a transaction is signed for now, and at which head."""
    head = await rpc.head()
    fee = Fees(settings.chain.most_gas_price).suggested(head, await rpc.prices(head))
    if isinstance(fee, str):
        raise LocalError(f"nothing was sent, as what the provider says can't be right: {fee}")
    return fee, head


async def allow_contract(settings: Settings, wei: int) -> dict[Address, str]:
    """The hashes of what was sent, by wallet. LocalError: not all of that could be."""
    contract = contract_of(settings)
    sent: dict[Address, str] = {}
    async with asked(settings) as rpc:
        for key in (settings.consuming_private_key or b"", *settings.further_private_keys):
            wallet = Wallet(key)
            found = await rpc.allowance(settings.chain.contract, wallet.address, contract)
            if wei and isinstance(found, str):
                raise LocalError(f"nothing was allowed: {found}")
            fee, _ = await fee_now(rpc, settings)
            nonce = await rpc.nonce(wallet.address, "pending")
            signed = sign_allow(wallet, settings.chain, contract, nonce=nonce, gas_price=fee.most, tip=fee.tip, wei=wei)
            (answer,) = await rpc.send_raw_transactions([signed])
            if isinstance(answer, Exception):
                raise answer
            sent[wallet.address] = "0x" + signed.hash.hex()
    return sent
