"""A scenario is run: Nodes join, users ask, faults happen, all of it is looked at, and judged at the end."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS, PaymentThresholds
from masq.sim.faults.newcomers import UNDERCUT
from masq.sim.measures.every import MEASURES
from masq.sim.mesh import Graph
from masq.sim.network import Conditions
from masq.sim.scenario import Expected, Nodes, Scenario
from masq.sim.stage import Mark, Sample, Stage
from masq.sim.workloads.browsing import Download
from masq.sim.workloads.requests import FILES, Wish
from masq.sim.world import World
from masq.types import DEFAULT_RATE_PACK, RatePack

IMPATIENT: Final = PaymentThresholds(2, 1, 20, 1, 1, 1)
IMPATIENT_SCANS: Final = 5.0
MAX_SAMPLES: Final = 1_000
"""Of one run, about: long ones are looked at less often."""
FAILURES_KEPT: Final = 20

Progress = Callable[[float, str], None]
"""Hears how much of the virtual time is over, 0 to 1, and what goes on."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One measure of a run, and what was expected of it, if anything."""

    measure: str
    value: float | None
    expected: Expected | None

    @property
    def met(self) -> bool:
        return self.expected is None or self.expected.met(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one run. Two runs of one scenario and seed differ in nothing but `seconds`."""

    name: str
    seed: int
    findings: tuple[Finding, ...]
    broken: str | None
    """An invariant that didn't hold, in words: the run ended there."""
    trace: str
    """The hash of everything that any Node wanted done."""
    samples: tuple[Sample, ...]
    marks: tuple[Mark, ...]
    failures: tuple[tuple[float, int, str], ...]
    """The first requests that failed: when they were made, by which Node, and why."""
    graph: Graph
    virtual: float
    """Seconds of virtual time, with those in which the first Nodes joined."""
    seconds: float
    """Seconds that it took."""

    @property
    def good(self) -> bool:
        return self.broken is None and all(finding.met for finding in self.findings)

    @property
    def problems(self) -> list[str]:
        """What isn't as expected, in words."""
        found = [] if self.broken is None else [self.broken]
        for finding in self.findings:
            if not finding.met and finding.expected:
                measure = MEASURES[finding.measure]
                found.append(
                    f"{measure.words}: {text_of(finding.value, measure.unit)} instead of {finding.expected.words}"
                )
        return found


def text_of(value: float | None, unit: str) -> str:
    """A figure in words."""
    if value is None:
        return "none"
    if math.isinf(value):
        return "never"
    text = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return text + ("" if not unit else unit if unit == "%" else f" {unit}")


class Run:
    """One scenario with one seed."""

    def __init__(
        self, name: str, scenario: Scenario, seed: int, progress: Progress = lambda share, words: None
    ) -> None:
        self.name, self.scenario, self.seed = name, scenario, seed
        around = scenario.network
        conditions = Conditions(around.latency, around.bandwidth, around.split, around.refuse, around.break_every)
        self.world = World(seed, conditions)
        self.stage = Stage(self.world, seed)
        self._progress = progress
        self._joining = scenario.nodes.count * scenario.nodes.every
        self._every = max(1.0, math.ceil((self._joining + scenario.length) / MAX_SAMPLES))

    def go(self) -> Outcome:
        """Run it to its end, or to the first invariant that doesn't hold."""
        begun = time.monotonic()
        broken = None
        self.world.servers[FILES] = Download
        self.stage.zero = self._joining
        try:
            self._observe()
            self._join()
            self._plan()
            self.world.run(self.scenario.length)
            findings = self._judge()
        except AssertionError as error:
            broken = f"at {self.stage.now:.0f} s: {error}"
            findings = ()
        stage = self.stage
        self._progress(1.0, "over")
        return Outcome(
            name=self.name,
            seed=self.seed,
            findings=findings,
            broken=broken,
            trace=self.world.trace,
            samples=tuple(stage.samples),
            marks=tuple(stage.marks),
            failures=tuple(
                (round(one.begun_at - stage.zero, 3), one.user, one.problem or "")
                for one in stage.requests
                if one.failed
            )[:FAILURES_KEPT],
            graph=stage.graph(),
            virtual=self.world.now,
            seconds=time.monotonic() - begun,
        )

    def _join(self) -> None:
        nodes, stage, world = self.scenario.nodes, self.stage, self.world
        hostile = dict.fromkeys(stage.chance.sample(range(nodes.count), round(nodes.hostile * nodes.count)))
        thresholds = IMPATIENT if nodes.impatient else DEFAULT_THRESHOLDS
        scans = IMPATIENT_SCANS if nodes.impatient else 60.0
        for number in range(nodes.count):
            rates = _rates(stage.chance, nodes, number in hostile)
            there = world.hosts
            if nodes.join == "one":
                known = there[:1]
            elif nodes.join == "chain":
                known = there[-nodes.known :]
            else:
                known = stage.chance.sample(there, min(nodes.known, len(there)))
            host = stage.add(known, rates=rates, hops=nodes.hops, thresholds=thresholds, scan_every=scans)
            host.links.latency = stage.chance.uniform(0, self.scenario.network.farther)
            if number in hostile:
                stage.mark("hostile", [host])
            world.run(nodes.every)

    def _plan(self) -> None:
        stage, scenario = self.stage, self.scenario
        stage.zero = self.world.now
        for workload in scenario.workloads:
            chance = random.Random(stage.chance.getrandbits(64))
            _next(stage, workload.wishes(chance, scenario.nodes.count, scenario.length))
        for fault in scenario.faults:
            if fault.at <= scenario.length:
                stage.at(fault.at, lambda fault=fault: fault.begin(stage))  # type: ignore[misc]

    def _observe(self) -> None:
        """Look at everything, from time to time."""
        world, stage = self.world, self.stage
        whole = self._joining + self.scenario.length
        next_look = 0.0

        def look() -> None:
            nonlocal next_look
            stage.glance()
            if world.now >= next_look:
                next_look = world.now + self._every
                stage.look()
                last = stage.samples[-1]
                words = f"{last.living} Nodes, {last.parts} parts, {last.routes} routes, {last.failed} failed"
                self._progress(min(1.0, world.now / whole), words)
            world.clock.later(look, GLANCE)

        world.clock.later(look)

    def _judge(self) -> tuple[Finding, ...]:
        self.stage.look()
        found = {}
        scenario = self.scenario
        for name in dict.fromkeys([*(each.measure for each in scenario.expect), *scenario.shown]):
            found[name] = MEASURES[name].of(self.stage)
        expected = [Finding(each.measure, found[each.measure], each) for each in scenario.expect]
        named = {each.measure for each in scenario.expect}
        return (*expected, *(Finding(name, found[name], None) for name in scenario.shown if name not in named))


GLANCE: Final = 0.25
"""Virtual seconds from one quick look to the next."""


def _rates(chance: random.Random, nodes: Nodes, hostile: bool) -> RatePack:
    low, high = nodes.prices
    part = low * (high / low) ** chance.random()
    if hostile:
        part = UNDERCUT
    return RatePack(*(int(part * rate) for rate in DEFAULT_RATE_PACK))


def _next(stage: Stage, wishes: Iterator[Wish]) -> None:
    """Each wish plans the one after it: there may be very many."""
    wish = next(wishes, None)
    if wish is None:
        return

    def ask() -> None:
        stage.ask(wish)
        _next(stage, wishes)

    stage.at(wish.at, ask)
