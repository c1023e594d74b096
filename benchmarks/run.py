"""Measures, prints, keeps the result, and writes docs/performance.md: `make bench`.

`make bench ARGS=--quick` takes one or two minutes, and keeps its result too; the page is left as it is.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from statistics import median
from typing import NoReturn

from benchmarks import namespace, report, results, sing_box, tor
from benchmarks.measures import MEASURES, Figures, Subject, at_the_end
from benchmarks.network import Network, running_network
from benchmarks.server import running_server
from benchmarks.steps import steps

Start = Callable[[int], AbstractContextManager[Network]]
"""Starts a network that leads to the server at a port."""
OURS = {
    "circuits": {},
    "0.9.1 packages, secure links": {"package-policy": "masq"},
    "0.9.1 packages, JSON links": {"link-policy": "masq"},
}


def main() -> None:
    arguments = read_arguments()
    signal.signal(signal.SIGTERM, end)
    separate = namespace.enter()
    print(f"namespace of its own: {separate}, MTU {namespace.mtu()}, {namespace.congestion_control()}", flush=True)
    others: list[Start] = []
    for program, start, wanted in (
        (tor, tor.running_tor, not arguments.no_tor),
        (sing_box, sing_box.running_sing_box, not arguments.no_sing_box),
    ):
        if not program.installed():
            print(program.MISSING)
        elif wanted:
            others.append(start)
    rounds = 1 if arguments.quick else arguments.rounds
    found = measure(arguments.only or list(OURS), others, rounds, 0.2 if arguments.quick else 1.0)
    middle = {kind: medians(each) for kind, each in found.items()}
    show(middle)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=1))
    costs = steps()
    result = results.new(middle, dict(costs), quick=arguments.quick, rounds=rounds)
    print(f"\nkept in {result.write()}: python -m benchmarks.compare BEFORE AFTER")
    if arguments.page or not (arguments.only or arguments.quick):
        report.write(middle, separate, rounds, costs)
        print(f"written to {report.PAGE}")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of little, instead of three")
    parser.add_argument("--only", action="append", choices=OURS, help="of our networks only this one")
    parser.add_argument("--no-tor", action="store_true", help="no tor network to compare with")
    parser.add_argument("--no-sing-box", action="store_true", help="no sing-box to compare with")
    parser.add_argument("--rounds", type=int, default=3, help="of which medians are taken")
    parser.add_argument("--page", action="store_true", help="write the page, though not all networks are measured")
    parser.add_argument("--json", metavar="FILE", help="write the figures of each round there")
    return parser.parse_args()


def end(*_: object) -> NoReturn:
    """So that a SIGTERM ends what was started, too."""
    raise SystemExit(143)


def measure(kinds: list[str], others: Sequence[Start], rounds: int, scale: float) -> dict[str, list[Figures]]:
    """The figures of each network in each round. All are up all the time, and take turns measure by measure."""
    found: dict[str, list[Figures]] = {}
    with ExitStack() as stack:
        server, port = stack.enter_context(running_server())
        networks = []
        for start in others:
            networks.append(stack.enter_context(start(port)))
            print(f"{networks[-1].name} is up after {networks[-1].seconds_to_route:.0f} s", flush=True)
        for kind in kinds:
            networks.append(stack.enter_context(running_network(kind, port, 2 + len(networks), OURS[kind])))
            print(f"{kind} are up after {networks[-1].seconds_to_route:.0f} s", flush=True)
        subjects = [Subject(network, server, scale) for network in networks]
        for number in range(rounds):
            for subject in subjects:
                found.setdefault(subject.network.name, []).append({})
            for work in MEASURES:
                for subject in subjects:
                    subject.settle()
                    figures = work(subject)
                    found[subject.network.name][-1] |= figures
                    words = ", ".join(f"{name} {value:.5g}" for name, value in figures.items())
                    print(f"round {number + 1}, {subject.network.name}: {words}", flush=True)
        for subject in subjects:
            found[subject.network.name][-1] |= at_the_end(subject)
    return found


def medians(rounds: list[Figures]) -> Figures:
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {name: median(figures[name] for figures in rounds if name in figures) for name in names}


def show(middle: dict[str, Figures]) -> None:
    print("\n" + " " * 30 + "".join(f"{kind[-14:]:>16}" for kind in middle))
    for name in next(iter(middle.values())):
        print(f"{name:30}" + "".join(f"{figures[name]:16.2f}" for figures in middle.values()))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
