"""Figures of what users asked for, and of who carried it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from masq.sim.stage import Stage
from masq.sim.workloads.requests import Request


def _judged(stage: Stage) -> list[Request]:
    """Those that came to an end, one way or the other, but for those whose own Node is down, or never pays."""
    down = {host.number for host in stage.world.hosts if not host.alive}
    down |= {number for name in ("silent", "debtor") for number in stage.marked.get(name, ())}
    return [one for one in stage.requests if (one.done or one.failed) and one.user not in down]


def requests(stage: Stage) -> float:
    return len(_judged(stage))


def failed(stage: Stage) -> float:
    return sum(one.failed for one in _judged(stage))


def answered(stage: Stage) -> float | None:
    judged = _judged(stage)
    return 100 * sum(one.done for one in judged) / len(judged) if judged else None


def percentile(values: Iterable[float], share: float) -> float | None:
    there = sorted(values)
    return there[min(len(there) - 1, math.ceil(share * len(there)) - 1)] if there else None


def _waits(stage: Stage) -> list[float]:
    """Seconds to the first byte; infinite where none came."""
    return [math.inf if one.first_at is None else one.first_at - one.begun_at for one in _judged(stage)]


def first_byte(stage: Stage) -> float | None:
    return percentile(_waits(stage), 0.95)


def first_byte_worst(stage: Stage) -> float | None:
    return max(_waits(stage), default=None)


def _uses(stage: Stage, which: Callable[[Request], bool]) -> list[tuple[Request, bool]]:
    """Requests that were sent some way, and whether a marked Node was on it."""
    bad = {host.node.keys.public_key for host in stage.having("bad")}
    return [(one, any(key in bad for key in one.way)) for one in stage.requests if one.way and which(one)]


def last_used(stage: Stage) -> float | None:
    """Seconds from the fault to the last request that was sent over a marked Node."""
    begin = stage.zero + (stage.marks[0].at if stage.marks else 0.0)
    used = [one.begun_at - begin for one, over in _uses(stage, lambda one: one.begun_at >= begin) if over]
    return max(used, default=0.0)


def bulk_avoiding(stage: Stage) -> float | None:
    """The share of downloads that avoid the marked Nodes, a minute and more after the fault."""
    begin = stage.zero + (stage.marks[0].at if stage.marks else 0.0) + 60
    uses = _uses(stage, lambda one: one.bulk and one.begun_at >= begin)
    return 100 * sum(not over for _, over in uses) / len(uses) if uses else None


def bulk_avoiding_by_chance(stage: Stage) -> float | None:
    """The same before the fault: what chance alone gives."""
    begin = stage.zero + (stage.marks[0].at if stage.marks else 0.0)
    uses = _uses(stage, lambda one: one.bulk and one.begun_at < begin)
    return 100 * sum(not over for _, over in uses) / len(uses) if uses else None


def moved_again(stage: Stage) -> float | None:
    """Seconds from the move of a Node to its user's last request that failed, or that waited for more than 2 s."""
    moved = stage.marked.get("moved", {})
    begin = stage.zero + (stage.marks[0].at if stage.marks else 0.0)
    late = [
        one.begun_at - begin
        for one in stage.requests
        if one.user in moved and one.begun_at >= begin
        if one.failed or one.first_at is None or one.first_at - one.begun_at > 2
    ]
    return max(late, default=0.0)


def circuits_to_find(stage: Stage) -> float | None:
    """Circuits over a marked Node until it was avoided: the median of users who found it."""
    return percentile([len(stage.circuits.get(pair, [0])) for pair in stage.found], 0.5)


def finders(stage: Stage) -> float | None:
    """Of the users who had five circuits or more over a marked Node, the share that avoids it."""
    known = [pair for pair, circuits in stage.circuits.items() if len(circuits) >= 5 or pair in stage.found]
    return 100 * sum(pair in stage.found for pair in known) / len(known) if known else None
