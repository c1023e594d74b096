"""`masq wallet allow`: lets the contract that pays many move our consuming wallets' tokens (accounting.md 4.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masq.chain.disperser import sign_allow
from masq.chain.wallet import Wallet
from masq.core.accountant.fees import Fees
from masq.errors import LocalError, SettingError
from masq.shell.rpc import RpcClient
from masq.types import Address

if TYPE_CHECKING:
    from masq.settings import Settings


async def allow_contract(settings: Settings, wei: int) -> dict[Address, str]:
    """The hashes of what was sent, by wallet. LocalError: not all of that could be."""
    contract = settings.pay_many
    if contract is None:
        raise SettingError("pay-many", "is off: name the address of the contract")
    if not settings.consuming_private_key:
        raise SettingError("consuming-private-key", "none is set")
    if not settings.providers:
        raise SettingError("blockchain-service-url", "none is set")
    rpc = RpcClient(settings.providers[0])
    sent: dict[Address, str] = {}
    try:
        if await rpc.chain_id() != settings.chain.id:
            raise LocalError(f"the provider doesn't serve {settings.chain.name}")
        for key in (settings.consuming_private_key, *settings.further_private_keys):
            wallet = Wallet(key)
            found = await rpc.allowance(settings.chain.contract, wallet.address, contract)
            if wei and isinstance(found, str):
                raise LocalError(f"nothing was allowed: {found}")
            head = await rpc.head()
            fee = Fees(settings.chain.most_gas_price).suggested(head, await rpc.prices(head))
            if isinstance(fee, str):
                raise LocalError(f"nothing was sent, as what the provider says can't be right: {fee}")
            nonce = await rpc.nonce(wallet.address, "pending")
            signed = sign_allow(wallet, settings.chain, contract, nonce=nonce, gas_price=fee.most, tip=fee.tip, wei=wei)
            (answer,) = await rpc.send_raw_transactions([signed])
            if isinstance(answer, Exception):
                raise answer
            sent[wallet.address] = "0x" + signed.hash.hex()
    finally:
        await rpc.close()
    return sent
