"""Both results beside each other: `python -m benchmarks.compare A.json B.json`; status 1 if B is slower than A.

Slower is a figure of ours that is worse by more than --tolerance per cent. What tor, sing-box or the client did
says how much the machine alone has changed between the runs: it is shown, and not judged.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import ROWS, SING_BOX, TOR
from benchmarks.results import Result

STEPS = "steps, µs"
CLIENT = "fetches, µs of the client"
LESS_IS_BETTER = {row.figure for row in ROWS if row.less} | {"eight streams, CPU of all", CLIENT}


@dataclass(frozen=True)
class Line:
    """One figure of one network in both runs."""

    network: str
    figure: str
    before: float
    after: float

    @property
    def ratio(self) -> float:
        if self.before:
            return self.after / self.before
        return 1.0 if not self.after else float("inf")

    @property
    def judged(self) -> bool:
        return self.network not in (TOR, SING_BOX) and self.figure != CLIENT

    def is_slower(self, tolerance: float) -> bool:
        """Whether it is ours, and worse by more than so many per cent."""
        less = self.network == STEPS or self.figure in LESS_IS_BETTER
        change = (self.ratio - 1) * 100
        # A hair's breadth for the division: 3 per cent worse is not more than 3 per cent.
        return self.judged and (change if less else -change) > tolerance + 1e-9


def lines(before: Result, after: Result) -> Iterator[Line]:
    """What both have measured."""
    old, new = {**before.networks, STEPS: before.steps}, {**after.networks, STEPS: after.steps}
    for network, figures in old.items():
        for figure, value in figures.items():
            if figure in new.get(network, {}):
                yield Line(network, figure, value, new[network][figure])


def notes(before: Result, after: Result) -> list[str]:
    """What keeps the two from being like and like."""
    found = []
    if before.machine != after.machine:
        found.append(f"The machines differ: {before.machine}, {after.machine}")
    if (before.quick, before.rounds) != (after.quick, after.rounds):
        found.append("One measured longer than the other.")
    common = {(line.network, line.figure) for line in lines(before, after)}
    for result, name in ((before, "the first"), (after, "the second")):
        measured = {**result.networks, STEPS: result.steps}
        alone = [f"{kind}: {figure}" for kind in measured for figure in measured[kind] if (kind, figure) not in common]
        if alone:
            found.append(f"Only in {name}: {', '.join(alone)}")
    return found


def table(found: list[Line], tolerance: float) -> list[str]:
    width = max((len(line.figure) for line in found), default=0)
    rows = []
    for number, line in enumerate(found):
        if number == 0 or line.network != found[number - 1].network:
            rows += ["", line.network]
        verdict = "  slower" if line.is_slower(tolerance) else ""
        rows.append(f"  {line.figure:{width}}{line.before:12,.2f}{line.after:12,.2f}{line.ratio:8.3f}{verdict}")
    return rows


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument(
        "--tolerance", type=float, default=3.0, metavar="PER_CENT", help="worse by so much is no slower"
    )
    arguments = parser.parse_args(words)
    try:
        before, after = Result.read(arguments.before), Result.read(arguments.after)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    found = list(lines(before, after))
    print(f"{before.commit} of {before.date}, then {after.commit} of {after.date}")
    print("\n".join([*notes(before, after), *table(found, arguments.tolerance)]))
    slower = [line for line in found if line.is_slower(arguments.tolerance)]
    judged = sum(line.judged for line in found)
    print(f"\n{len(slower)} of {judged} figures are worse by more than {arguments.tolerance:g} %")
    return 1 if slower or not found else 0


if __name__ == "__main__":
    sys.exit(main())
