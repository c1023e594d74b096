"""Whether the books that are found are those of this Node: of its chain, and of its wallets (accounting.md 2.6)."""

from __future__ import annotations

from dataclasses import replace

from masq.core.accountant.accountant import SavedState
from masq.core.accountant.effects import Save
from masq.errors import LocalError
from masq.shell.store import Store
from masq.types import Address, Chain, address_text


def open_books(
    store: Store, chain: Chain, wallet: Address | None, further: tuple[Address, ...] = ()
) -> tuple[SavedState, tuple[str, ...]]:
    """What the Accountant knew, and what its user should know of it. LocalError if the books are another chain's."""
    written = store.get("chain")
    if written is not None and written != chain.name:
        raise LocalError(
            f"the books here are those of {written}, and this start is for {chain.name}: debts and payments of one "
            f"can't be settled on the other. Start with --chain {written}, or give a --data-directory of its own"
        )
    owing = store.further
    if wallet in owing:
        store.adopt(wallet)
    saved = store.load()
    warnings = []
    others = {payment.sender for payment in saved.payments if payment.sender != wallet}
    for other in sorted(others):
        count = sum(payment.sender == other for payment in saved.payments)
        warnings.append(
            f"books: {count} payments from {address_text(other)} are under way; they are followed to their end, and "
            "their debts are not paid by another wallet meanwhile"
        )
    for other in sorted(owing.keys() - {wallet, *further}):
        warnings.append(
            f"books: {address_text(other)} is no consuming wallet any more, and owes {owing[other]} wei, which nobody "
            "pays; put its key among further-private-keys again"
        )
    config = []
    if written is None:
        config.append(("chain", chain.name))
    owner = wallet.hex() if wallet is not None else ""
    if (store.get("outgo_wallet") or "") != owner:
        # What the other wallet has sent says nothing about this one.
        saved = replace(saved, outgo_block=None, known_outgo=None)
        config += [("outgo_wallet", owner), ("outgo_block", ""), ("known_outgo", "")]
    if config:
        store.save(Save(config=tuple(config)))
    return saved, tuple(warnings)
