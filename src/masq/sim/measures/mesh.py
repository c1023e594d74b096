"""Figures of how the Nodes hang together at the end, and how long it took."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable

from masq.sim.mesh import parts
from masq.sim.stage import WANTED, Sample, Stage


def _median(values: Iterable[float]) -> float | None:
    there = list(values)
    return statistics.median(there) if there else None


def in_parts(stage: Stage) -> float:
    return len(parts(stage.graph()))


def fewest(stage: Stage) -> float:
    return min(map(len, stage.graph().values()), default=0)


def most(stage: Stage) -> float:
    return max(map(len, stage.graph().values()), default=0)


def lonely(stage: Stage) -> float:
    return sum(len(others) < WANTED for others in stage.graph().values())


def routes(stage: Stage) -> float:
    living = stage.living("silent", "crowd")
    return 100 * sum(host.node.has_route for host in living) / len(living) if living else 0.0


def route_wait(stage: Stage) -> float | None:
    """The longest; infinite if somebody has none yet who lives."""
    if any(stage.world.hosts[number].alive for number in stage.started):
        return float("inf")
    return max(stage.waited.values(), default=None)


def _since(stage: Stage, holds: Callable[[Sample], bool]) -> float | None:
    """Seconds from the last trouble to the first sample from which on something holds; infinite if it doesn't."""
    begin = stage.troubled or 0.0
    after = [sample for sample in stage.samples if sample.at >= begin]
    if not after:
        return None
    if not holds(after[-1]):
        return float("inf")
    last = max((sample.at for sample in after if not holds(sample)), default=None)
    if last is None:
        return 0.0
    return next(sample.at for sample in after if sample.at > last) - begin


def one_again(stage: Stage) -> float | None:
    return _since(stage, lambda sample: sample.parts == 1)


def three_each(stage: Stage) -> float | None:
    return _since(stage, lambda sample: sample.lonely == 0)


def routes_again(stage: Stage) -> float | None:
    return _since(stage, lambda sample: sample.routes == sample.living)


def known(stage: Stage) -> float | None:
    return _median(len(host.node.neighborhood.graph) for host in stage.living("crowd"))


def exits(stage: Stage) -> float | None:
    """Known Nodes that serve and are neither neighbors nor the Node itself."""
    counts = []
    for host in stage.living("hostile"):
        graph = host.node.neighborhood.graph
        near = {record.public_key for record in graph.full_neighbors(graph.root_key)} | {graph.root_key}
        serving = [each for each in graph if each.record.routes_data and each.record.public_key not in near]
        counts.append(len(serving))
    return _median(counts)


def dead_known(stage: Stage) -> float:
    """Records that a Node knows of Nodes that live no more, on average."""
    living = {host.node.keys.public_key for host in stage.living()}
    all_keys = {host.node.keys.public_key for host in stage.world.hosts}
    counts = [
        sum(each.record.public_key in all_keys - living for each in host.node.neighborhood.graph)
        for host in stage.living()
    ]
    return statistics.mean(counts) if counts else 0.0


def invented_known(stage: Stage) -> float:
    """Records of Nodes that never were, at the honest Node that knows most of them."""
    real = {host.node.keys.public_key for host in stage.world.hosts}
    honest = stage.living("hostile")
    return max(
        (sum(each.record.public_key not in real for each in host.node.neighborhood.graph) for host in honest), default=0
    )


def hostile_neighbors(stage: Stage) -> float | None:
    """The median over honest Nodes."""
    bad = stage.marked.get("hostile", {})
    graph = stage.graph()
    counts = [sum(other in bad for other in graph[host.number]) for host in stage.living("hostile")]
    return _median(counts)


def surrounded(stage: Stage) -> float:
    """Honest Nodes all of whose neighbors are hostile."""
    return _surrounded(stage, "hostile")


def surrounded_before(stage: Stage) -> float:
    """The same, of Nodes that were there before any newcomer."""
    return _surrounded(stage, "hostile", "newcomer")


def _surrounded(stage: Stage, *without: str) -> int:
    bad = stage.marked.get("hostile", {})
    graph = stage.graph()
    honest = [graph[host.number] for host in stage.living(*without)]
    return sum(bool(others) and all(other in bad for other in others) for others in honest)


def crowd_neighbors(stage: Stage) -> float:
    """Neighbors at one and the same address, at the honest Node that has most of them."""
    crowd = {host.node.keys.public_key for host in stage.having("crowd")}
    honest = stage.living("crowd", "hostile")
    return max((len(crowd & host.node.neighborhood.graph.root.neighbors) for host in honest), default=0)


def debtors_banned(stage: Stage) -> float:
    """The share of debtors whom somebody has banned."""
    wallets = {host.consuming.address for host in stage.having("debtor")}
    banned = {wallet for host in stage.living("debtor") for wallet in host.memory.banned if wallet in wallets}
    return 100 * len(banned) / len(wallets) if wallets else 0.0
