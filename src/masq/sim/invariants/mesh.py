"""A Node has few neighbors, however large the network is."""

from __future__ import annotations

from masq.core.limits import MAX_DEGREE, MAX_LISTED
from masq.sim.host import SimNode


def neighbors(host: SimNode) -> None:
    graph = host.node.neighborhood.graph
    full = len(graph.full_neighbors(graph.root_key))
    # Who has room lets others in up to a degree. Own contacts, and what was agreed at the same time, come on top.
    assert full <= MAX_DEGREE + 3, f"Node {host.number} has {full} full neighbors"
    assert len(graph.root.neighbors) <= MAX_LISTED, f"Node {host.number} lists {len(graph.root.neighbors)} neighbors"
