"""All invariants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from masq.sim.chain import SimulatedChain
from masq.sim.host import SimNode
from masq.sim.invariants.bounds import circuit_streams, package_streams, queues, sockets, wires
from masq.sim.invariants.mesh import neighbors
from masq.sim.invariants.money import credit, tokens

OF_LIVING_NODES: Final[tuple[Callable[[SimNode], None], ...]] = (
    queues,
    wires,
    package_streams,
    sockets,
    circuit_streams,
    neighbors,
)


FEW: Final = 50
"""Nodes that are all looked at each time."""
TURNS: Final = 10
"""Of more Nodes, those to which nothing has happened are looked at each so many times."""


class Check:
    """Looks at a world again and again. Of many Nodes, at those touched since, and the others in turns."""

    def __init__(self) -> None:
        self._turn = 0

    def __call__(self, hosts: Sequence[SimNode], chain: SimulatedChain) -> None:
        """AssertionError names what doesn't hold, and the Node."""
        self._turn = (self._turn + 1) % TURNS
        looked_at = [host for host in hosts if host.turn.touched or host.number % TURNS == self._turn]
        if len(hosts) <= FEW:
            looked_at = list(hosts)
        for host in looked_at:
            host.turn.touched = False
            if host.alive:
                for holds in OF_LIVING_NODES:
                    holds(host)
            credit(host, chain)
        tokens(chain)
