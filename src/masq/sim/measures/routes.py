"""Figures of the routes that Nodes draw: how hard they are to guess, and how many lead over hostile Nodes."""

from __future__ import annotations

import math
import statistics
from collections import Counter

from masq.errors import UnavailableError
from masq.sim.host import SimNode
from masq.sim.stage import Stage
from masq.types import PublicKey

DRAWS = 200
"""Routes that are drawn of each Node for one figure."""
REQUEST = 1_000
"""Bytes of the request that they are for."""


def drawn(host: SimNode, draws: int = DRAWS) -> list[tuple[PublicKey, ...]]:
    """The hops of routes that a Node would take now; none if it has none."""
    try:
        return [host.node.routes.find(host.node.hops, REQUEST).over[1:] for _ in range(draws)]
    except UnavailableError:
        return []


def _bits(counts: Counter[PublicKey]) -> float:
    total = sum(counts.values())
    return -sum(count / total * math.log2(count / total) for count in counts.values())


def _spread(stage: Stage, position: int) -> float | None:
    """The entropy of one hop, in percent of the maximum among those within twice the median price, on average."""
    found = []
    for host in stage.living("hostile"):
        graph = host.node.neighborhood.graph
        ways = drawn(host)
        usual = statistics.median(known.record.rates.routing_byte_rate for known in graph)
        fair = {known.record.public_key for known in graph if known.record.rates.routing_byte_rate <= 2 * usual}
        beside = {record.public_key for record in graph.full_neighbors(graph.root_key)}
        there = fair & beside if position == 0 else fair - beside - {graph.root_key}
        if ways and len(there) > 1:
            found.append(_bits(Counter(way[position] for way in ways)) / math.log2(len(there)))
    return 100 * statistics.mean(found) if found else None


def first_hop_spread(stage: Stage) -> float | None:
    return _spread(stage, 0)


def exit_spread(stage: Stage) -> float | None:
    return _spread(stage, -1)


def _hostile(stage: Stage) -> tuple[set[PublicKey], list[tuple[PublicKey, ...]]]:
    bad = {host.node.keys.public_key for host in stage.having("hostile")}
    return bad, [way for host in stage.living("hostile") for way in drawn(host, DRAWS // 4)]


def hostile_exits(stage: Stage) -> float | None:
    """Of routes of honest Nodes, the share whose exit is hostile, over the fair share."""
    bad, ways = _hostile(stage)
    share = len(stage.living()) and len([host for host in stage.having("hostile") if host.alive]) / len(stage.living())
    return sum(way[-1] in bad for way in ways) / len(ways) / share if ways and share else None


def hostile_routes(stage: Stage) -> float | None:
    """The share all of whose hops are hostile, over the cube of the fair share."""
    bad, ways = _hostile(stage)
    share = len(stage.living()) and len([host for host in stage.having("hostile") if host.alive]) / len(stage.living())
    return sum(all(key in bad for key in way) for way in ways) / len(ways) / share**3 if ways and share else None
