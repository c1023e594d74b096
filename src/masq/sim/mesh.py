"""How the Nodes of a world hang together: who is whose neighbor, and in how many parts they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from masq.sim.host import SimNode

Graph = dict[int, list[int]]
"""The numbers of the neighbors of each living Node, by its number."""


def graph_of(hosts: Sequence[SimNode]) -> Graph:
    """Living Nodes, and those of them that each and the other call full neighbors."""
    by_key = {host.node.keys.public_key: host for host in hosts if host.alive}
    found: Graph = {}
    for key, host in by_key.items():
        graph = host.node.neighborhood.graph
        others = [by_key.get(record.public_key) for record in graph.full_neighbors(key)]
        found[host.number] = [
            other.number for other in others if other and key in other.node.neighborhood.graph.root.neighbors
        ]
    return found


def parts(graph: Graph) -> list[int]:
    """How many Nodes hang together, the largest part first."""
    left = dict.fromkeys(graph)
    sizes = []
    while left:
        edge = [left.popitem()[0]]
        size = 0
        while edge:
            size += 1
            for other in graph[edge.pop()]:
                if other in left:
                    del left[other]
                    edge.append(other)
        sizes.append(size)
    return sorted(sizes, reverse=True)


def degrees(graph: Graph) -> dict[int, int]:
    """How many Nodes have how many full neighbors."""
    return dict(sorted(Counter(map(len, graph.values())).items()))
