"""Run the shipped scenarios with several seeds each, and write docs/mesh.md: `make bench-mesh`.

With names of scenarios: only these; the page keeps what it says of the others.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from masq.sim.many import run_all, seeds_of
from masq.sim.report import ranges, replay
from masq.sim.run import Outcome
from masq.sim.scenario import Scenario, load, shipped

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "mesh.md"
KEPT: Final = Path(__file__).parent / "mesh.json"
LARGE: Final = 300
"""Scenarios with more Nodes take long, and are run only if they are named, or with --large."""

HEAD: Final = """# The mesh, measured

Made by `make bench-mesh`: each scenario that comes with `masq sim` ([simulator.md](simulator.md)), run with the seeds
named, in virtual time. Figures are the median over these seeds, and the range. "Holds" counts the seeds in which it is
as wanted; where that isn't all of them, that is the honest state, and the commands below a table show a run that falls
short. "Commit": what was measured, as not all is measured anew with each change.
"""


def record(scenario: Scenario, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What is kept of one scenario's runs."""
    return {
        "about": scenario.about,
        "wanted": scenario.wanted,
        "seeds": scenario.seeds,
        "rows": ranges(outcomes),
        "bad": [replay(outcome) for outcome in outcomes if not outcome.good],
        "broken": sorted({outcome.broken for outcome in outcomes if outcome.broken}),
        "nodes": scenario.nodes.count,
        "virtual": max(outcome.virtual for outcome in outcomes),
        "commit": _commit(),
        "seconds": round(max(outcome.seconds for outcome in outcomes), 1),
    }


def _commit() -> str:
    """Of what was measured."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def page(kept: dict[str, dict[str, Any]]) -> str:
    """The whole page."""
    lines = [HEAD, "| scenario | wanted | seeds | all hold in | commit |", "|---|---|---|---|---|"]
    for name, each in sorted(kept.items()):
        count = len(seeds_of(each["seeds"]))
        held = f"{count - len(each['bad'])} of {count}"
        lines.append(f"| [{name}](#{name}) | {each['wanted']} | {count} | {held} | {each['commit']} |")
    for name, each in sorted(kept.items()):
        took = f"{each['virtual']:,.0f} virtual seconds of {each['nodes']:,} Nodes took up to {each['seconds']:,.1f} s"
        lines += ["", f"## {name}", "", f"{each['about']} Wanted: {each['wanted']}. Seeds {each['seeds']}; {took}."]
        lines += ["", "| measure | median | range | expected | holds |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(row)} |" for row in each["rows"]]
        lines += [f"\nBroken: {words}" for words in each["broken"]]
        if each["bad"]:
            lines += ["", "Falls short: " + ", ".join(f"`{command}`" for command in each["bad"][:5]) + "."]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios to run; by default all of up to 300 Nodes")
    parser.add_argument("--large", action="store_true", help="those with more Nodes, too")
    parser.add_argument("--seeds", help="instead of those that the scenarios name")
    parser.add_argument("--jobs", type=int)
    arguments = parser.parse_args()
    kept: dict[str, dict[str, Any]] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in arguments.names or shipped():
        scenario = load(name)
        if scenario.nodes.count > LARGE and not arguments.large and not arguments.names:
            continue
        begun = time.monotonic()
        seeds = arguments.seeds or scenario.seeds
        runs = [(name, scenario, seed) for seed in seeds_of(seeds)]
        outcomes = run_all(runs, arguments.jobs, lambda outcome: None)
        kept[name] = record(scenario, outcomes) | {"seeds": seeds}
        KEPT.write_text(json.dumps({name: kept[name] for name in sorted(kept)}, indent=1) + "\n")
        PAGE.write_text(page(kept))
        bad = kept[name]["bad"]
        print(
            f"{name}: {len(runs) - len(bad)} of {len(runs)} as wanted, {time.monotonic() - begun:.0f} s",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
