"""What tests say of simulated worlds."""

from __future__ import annotations

from masq.core.effects import Log
from masq.sim.host import SimNode
from masq.sim.world import World


def books_agree(world: World, originator: SimNode) -> bool:
    """Whether each hop has booked what the originator has booked for it, to the wei."""
    owed = {wallet: account.wei for wallet, account in originator.node.accountant.ledger.payables.items()}
    earned = {}
    for host in world.hosts:
        account = host.node.accountant.ledger.receivables.get(originator.consuming.address)
        if account:
            earned[host.earning.address] = account.wei
    return bool(owed) and owed == earned


def complaints(world: World) -> list[str]:
    return [
        entry.detail
        for host in world.hosts
        for entry in host.logs
        if isinstance(entry, Log) and entry.level in ("warning", "error")
    ]
