"""Money is neither made nor lost, is spent once, and is credited only if it came."""

from __future__ import annotations

from masq.sim.chain import SimulatedChain
from masq.sim.host import SimNode


def tokens(chain: SimulatedChain) -> None:
    assert sum(chain.tokens.values()) == chain.supply, "tokens were made or lost"
    assert min(chain.tokens.values(), default=0) >= 0, "somebody spent what it hasn't"
    assert len(set(chain.accepted)) == len(chain.accepted), "a transaction was mined twice"


def credit(host: SimNode, chain: SimulatedChain) -> None:
    earned = host.node.accountant.earned
    assert not earned or earned <= chain.came(host.earning.address), f"Node {host.number} has credited what never came"
