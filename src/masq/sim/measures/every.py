"""All measures by name: what a scenario may expect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from masq.sim.measures import gossip, mesh, routes, traffic
from masq.sim.stage import Stage


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of a run. None: there was nothing to measure. Infinite: it never came about."""

    of: Callable[[Stage], float | None]
    unit: str
    words: str


MEASURES: Final = {
    "parts": Measure(mesh.in_parts, "", "parts that the living Nodes fall into"),
    "fewest_neighbors": Measure(mesh.fewest, "", "full neighbors of the Node that has fewest"),
    "most_neighbors": Measure(mesh.most, "", "full neighbors of the Node that has most"),
    "lonely": Measure(mesh.lonely, "", "Nodes with fewer than three full neighbors"),
    "routes": Measure(mesh.routes, "%", "Nodes that have a route"),
    "route_wait": Measure(mesh.route_wait, "s", "the longest time from a Node's start to its first route"),
    "one_again": Measure(mesh.one_again, "s", "from the last trouble until all Nodes are one mesh, to stay so"),
    "three_each": Measure(mesh.three_each, "s", "from the last trouble until each has three neighbors, to stay so"),
    "routes_again": Measure(mesh.routes_again, "s", "from the last trouble until each has a route, to stay so"),
    "known": Measure(mesh.known, "", "Nodes that a Node knows, median"),
    "exits": Measure(mesh.exits, "", "exits that a Node knows, median"),
    "dead_known": Measure(mesh.dead_known, "", "dead Nodes that a Node still knows, on average"),
    "invented_known": Measure(mesh.invented_known, "", "invented Nodes known, at the worst"),
    "hostile_neighbors": Measure(mesh.hostile_neighbors, "", "hostile neighbors of an honest Node, median"),
    "surrounded": Measure(mesh.surrounded, "", "honest Nodes with hostile neighbors only"),
    "surrounded_before": Measure(mesh.surrounded_before, "", "of these, Nodes that were there before any newcomer"),
    "crowd_neighbors": Measure(mesh.crowd_neighbors, "", "Nodes of one address that a Node lists, at the worst"),
    "debtors_banned": Measure(mesh.debtors_banned, "%", "debtors whom somebody has banned"),
    "requests": Measure(traffic.requests, "", "requests of users"),
    "failed": Measure(traffic.failed, "", "requests that failed"),
    "answered": Measure(traffic.answered, "%", "requests that were answered"),
    "first_byte": Measure(traffic.first_byte, "s", "until the first byte of an answer, 95th percentile"),
    "first_byte_worst": Measure(traffic.first_byte_worst, "s", "until the first byte of an answer, the longest"),
    "last_used": Measure(traffic.last_used, "s", "from the fault to the last request over a Node that it hit"),
    "bulk_avoiding": Measure(traffic.bulk_avoiding, "%", "downloads that avoid slow Nodes, a minute after the fault"),
    "bulk_avoiding_before": Measure(traffic.bulk_avoiding_by_chance, "%", "the same before it, by chance"),
    "moved_again": Measure(traffic.moved_again, "s", "from a move to its user's last request that failed or waited"),
    "circuits_to_find": Measure(traffic.circuits_to_find, "", "circuits over a bad relay until it is avoided, median"),
    "finders": Measure(traffic.finders, "%", "users with five circuits over a bad relay who avoid it"),
    "first_hop_spread": Measure(routes.first_hop_spread, "%", "entropy of first hops, of the maximum"),
    "exit_spread": Measure(routes.exit_spread, "%", "entropy of exits, of the maximum"),
    "hostile_exits": Measure(routes.hostile_exits, "x", "hostile exits, over their fair share"),
    "hostile_routes": Measure(routes.hostile_routes, "x", "routes of hostile hops only, over the cube of the share"),
    "quiet_minute": Measure(gossip.quiet_minute, "kB", "written by a Node in the last minute"),
    "per_change": Measure(gossip.per_change, "kB", "written by a Node for one change"),
}
