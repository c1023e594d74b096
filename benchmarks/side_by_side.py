"""Another checkout and this one, measured in turns: `python -m benchmarks.side_by_side OTHER`; status 1 if slower.

What else a machine does changes figures by more than most changes of a program; here it meets both alike. OTHER has
been set up (`make setup-dev`). Each figure is the median over the rounds, and of the ratios of each round.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.compare import LESS_IS_BETTER
from benchmarks.measures import MEASURES, Figures, Subject
from benchmarks.namespace import enter
from benchmarks.network import running_network
from benchmarks.run import OURS
from benchmarks.server import running_server

HERE = "this"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=0.5, help="how much is done per round; 1 is that of make bench")
    parser.add_argument("--kind", choices=OURS, default="circuits")
    parser.add_argument("--tolerance", type=float, default=5.0, help="per cent")
    arguments = parser.parse_args()
    enter()
    pythons = {"other": str(arguments.other.resolve() / ".venv" / "bin" / "python"), HERE: sys.executable}
    found: dict[str, list[Figures]] = {name: [] for name in pythons}
    with ExitStack() as stack:
        server, port = stack.enter_context(running_server())
        subjects = {}
        for number, (name, python) in enumerate(pythons.items()):
            network = running_network(name, port, 2 + number, OURS[arguments.kind], python=python)
            subjects[name] = Subject(stack.enter_context(network), server, arguments.scale)
        for number in range(arguments.rounds):
            for name in subjects:
                found[name].append({})
            for work in MEASURES:
                # Who begins changes, as a machine may get slower with time.
                for name in list(subjects)[:: 1 if number % 2 else -1]:
                    subjects[name].settle()
                    found[name][-1] |= work(subjects[name])
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    slower = 0
    for figure in found[HERE][0]:
        before, after = (median(each[figure] for each in found[name]) for name in pythons)
        ratio = median(b[figure] / a[figure] for a, b in zip(found["other"], found[HERE], strict=True))
        worse = (ratio if figure in LESS_IS_BETTER else 1 / ratio) > 1 + arguments.tolerance / 100
        slower += worse
        print(f"{figure:<30} {before:>12,.2f} {after:>12,.2f} {ratio:>8.3f} {'slower' if worse else ''}")
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()
