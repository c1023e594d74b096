"""What came of runs, as tables of text and as JSON."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from masq.sim.measures.every import MEASURES
from masq.sim.run import Finding, Outcome, text_of


def replay(outcome: Outcome) -> str:
    """The command that runs it again."""
    return f"masq sim {shlex.quote(outcome.name)} --seed {outcome.seed}"


def rows(outcome: Outcome) -> list[tuple[str, str, str, str]]:
    """Of each measure: its words, what was measured, what was expected, and whether that holds."""
    return [_row(finding) for finding in outcome.findings]


def _row(finding: Finding) -> tuple[str, str, str, str]:
    measure = MEASURES[finding.measure]
    wanted = finding.expected.words if finding.expected else ""
    verdict = "" if finding.expected is None else "yes" if finding.met else "NO"
    return measure.words, text_of(finding.value, measure.unit), wanted, verdict


def ranges(outcomes: Sequence[Outcome]) -> list[tuple[str, str, str, str, str]]:
    """Of each measure over several seeds: its words, median, range, what was expected, in how many that holds."""
    found = []
    whole = [outcome for outcome in outcomes if outcome.findings]
    for place, finding in enumerate(whole[0].findings if whole else ()):
        measure = MEASURES[finding.measure]
        same = [outcome.findings[place] for outcome in whole]
        values = sorted(each.value for each in same if each.value is not None)
        middle = text_of(values[len(values) // 2], measure.unit) if values else "none"
        ends = f"{text_of(values[0], measure.unit)} to {text_of(values[-1], measure.unit)}" if values else ""
        wanted, held = "", ""
        if finding.expected is not None:
            wanted = finding.expected.words
            held = f"{sum(each.met for each in same)} of {len(outcomes)}"
        found.append((measure.words, middle, ends, wanted, held))
    return found


def as_json(outcome: Outcome) -> dict[str, Any]:
    """All of it but how long it took: the same for the same seed."""
    return {
        "scenario": outcome.name,
        "seed": outcome.seed,
        "good": outcome.good,
        "problems": outcome.problems,
        "replay": replay(outcome),
        "trace": outcome.trace,
        "virtual_seconds": outcome.virtual,
        "measures": [
            {
                "measure": finding.measure,
                "value": None if finding.value is None else _number(finding.value),
                "unit": MEASURES[finding.measure].unit,
                "at_least": finding.expected.at_least if finding.expected else None,
                "at_most": finding.expected.at_most if finding.expected else None,
                "met": finding.met,
            }
            for finding in outcome.findings
        ],
        "marks": [asdict(mark) for mark in outcome.marks],
        "failures": [{"at": at, "node": node, "why": why} for at, node, why in outcome.failures],
        "samples": [asdict(sample) for sample in outcome.samples],
        "neighbors": {str(number): others for number, others in outcome.graph.items()},
    }


def _number(value: float) -> float | str:
    """JSON knows no infinity."""
    return "never" if math.isinf(value) else round(value, 6)
