"""`masq wallet redeem`: hands in what others have promised us, as far as that is worth its gas (accounting.md 4.8).

The contract pays each wei once, whatever is handed in twice; what it has paid comes into the books as income does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from masq.chain.transaction import SignedTransaction
from masq.chain.voucher import Deal, Voucher, sign_redeem
from masq.chain.wallet import Wallet
from masq.core.accountant.fees import Fees
from masq.core.accountant.vouchers import SHARDS, recalled
from masq.core.accountant.worth import GasShare
from masq.errors import LocalError, MalformedError
from masq.shell.allowing import asked, contract_of, fee_now
from masq.shell.rpc import RpcClient
from masq.shell.store import Store
from masq.types import Address, amount_text

if TYPE_CHECKING:
    from masq.settings import Settings

GAS: Final = 90_000
"""That redeeming takes, the first time between two wallets."""
WAIT: Final = 120.0
"""Seconds that blocks have to take what was sent, before we say that they haven't yet."""
LOOK_EVERY: Final = 2.0
MOST: Final = 50
"""Vouchers that are handed in at once, those of the largest debts."""


@dataclass(frozen=True, slots=True)
class Promised:
    """A payer's highest voucher, and what it owes, in wei."""

    payer: Address
    voucher: Voucher
    owed: int

    @classmethod
    def read(cls, row: Any) -> Promised:
        """As `rows` has it. LocalError if it is none."""
        try:
            payer, voucher, owed = row
            return cls(bytes.fromhex(payer), Voucher.decode(bytes.fromhex(voucher)), int(owed))
        except (ValueError, TypeError, MalformedError):
            raise LocalError("the Node's answer is none: is it of another version?") from None


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What came of one: `wei` are what was handed in, by the transaction with this hash; without, why nothing was."""

    payer: Address
    wei: int
    outcome: str
    hash: str | None = None


def rows(store: Store, owed_by: Callable[[Address], int]) -> list[list[str]]:
    """What others have promised, as books have it: payer, voucher, wei that it owes."""
    return [
        [payer.hex(), held.voucher.encode().hex(), str(owed_by(payer))]
        for name in SHARDS
        for payer, held in recalled(store.get(name)).items()
    ]


def rows_at_rest(store: Store) -> list[list[str]]:
    """The same, of books that no Node uses."""
    owed = {entry.wallet: entry.wei for entry in store.load().entries if not entry.payable}
    return rows(store, lambda payer: owed.get(payer, 0))


async def redeem(
    settings: Settings, share: GasShare, promised: Iterable[Promised], wait: float = WAIT
) -> list[Redeemed]:
    """Hand in what is owed, promised, and there to be had now. LocalError if nothing can be."""
    contract, wallet = contract_of(settings), Wallet(settings.consuming_private_key or b"")
    done: list[Redeemed] = []
    sent: list[tuple[Promised, int, SignedTransaction]] = []
    async with asked(settings) as rpc:
        nonce = await rpc.nonce(wallet.address, "latest")
        if await rpc.nonce(wallet.address, "pending") > nonce:
            raise LocalError("nothing was redeemed: transactions of the consuming wallet wait; try again later")
        fee, head = await fee_now(rpc, settings)
        gas = Fees(settings.chain.most_gas_price).expected(fee, head) * GAS
        for each in sorted(promised, key=lambda each: each.owed, reverse=True)[:MOST]:
            deal = Deal(settings.chain, contract, each.payer, settings.earning_wallet)
            if not each.voucher.is_for(deal):
                done.append(Redeemed(each.payer, 0, "its voucher is for another contract, chain or earning wallet"))
                continue
            wei, lacking = await _now(rpc, deal, each)
            if wei <= 0 or not share.allows(wei, gas):
                why = lacking if wei <= 0 else f"{amount_text(wei)} aren't worth the gas yet (gas-share)"
                done.append(Redeemed(each.payer, 0, why))
                continue
            signed = sign_redeem(wallet, deal, each.voucher, wei, nonce=nonce, gas_price=fee.most, tip=fee.tip)
            (answer,) = await rpc.send_raw_transactions([signed])
            if isinstance(answer, Exception):
                done.append(Redeemed(each.payer, 0, f"the provider refuses: {answer}"))
                continue
            sent.append((each, wei, signed))
            nonce += 1
        return [*await _outcomes(rpc, sent, wait), *done]


async def _now(rpc: RpcClient, deal: Deal, promised: Promised) -> tuple[int, str]:
    """Wei that can be redeemed, and why if that is nothing."""
    found = await rpc.backing(deal)
    left = min(promised.voucher.total - found.redeemed, promised.owed)
    if left <= 0:
        return 0, "nothing is owed that was promised"
    if not found.allowance:
        return 0, "its wallet lets the contract move nothing"
    return min(left, found.allowance, found.tokens), "its wallet has nothing"


async def _outcomes(rpc: RpcClient, sent: list[tuple[Promised, int, SignedTransaction]], wait: float) -> list[Redeemed]:
    """What blocks have made of them, as far as they have in time."""
    found: dict[bytes, str] = {}
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    while len(found) < len(sent):
        missing = [signed.hash for _, _, signed in sent if signed.hash not in found]
        for hash, receipt in zip(missing, await rpc.receipts(missing), strict=True):
            if receipt is not None and not isinstance(receipt, Exception):
                found[hash] = "redeemed" if receipt.succeeded else "reverted: another one came before it, most likely"
        if loop.time() >= end:
            break
        if len(found) < len(sent):
            await asyncio.sleep(min(LOOK_EVERY, wait))
    late = "sent, and in no block yet"
    return [
        Redeemed(each.payer, wei, found.get(signed.hash, late), "0x" + signed.hash.hex()) for each, wei, signed in sent
    ]
