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


def check(hosts: Sequence[SimNode], chain: SimulatedChain) -> None:
    """AssertionError names what doesn't hold, and the Node."""
    for host in hosts:
        if host.alive:
            for holds in OF_LIVING_NODES:
                holds(host)
    tokens(chain)
    for host in hosts:
        credit(host, chain)
