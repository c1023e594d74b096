"""What one new stream costs each Node of its way: `python -m benchmarks.wakeups`.

Counts, not times: they say the same on a machine that others use, too. System calls are counted in a run of their own,
as strace changes all else; without it, or without the right to trace, they are left out. `--other CHECKOUT` counts for
another version beside this one.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from benchmarks import load
from benchmarks.namespace import enter
from benchmarks.network import Network, running_network
from benchmarks.run import OURS
from benchmarks.server import running_server

PLACES = ("Node 1", "Node 2", "Node 3", "entry")
"""As many as a way of three hops has; which one is the exit is seen by what connects to servers."""
ROUNDS = 5
PAUSE = 0.05
"""Seconds between two streams: until all that one leaves behind was done."""
OTHER = "other"
HERE = "this"

Counts = dict[str, float]
"""Per stream, by name."""


def _alone(network: Network, count: int) -> None:
    load.first_bytes(network.way, count, PAUSE, seconds=60.0)


def _many(network: Network, count: int) -> None:
    load.fetches(network.way, count)


WORK: dict[str, tuple[Callable[[Network, int], None], int]] = {
    "one stream after the other, a byte each": (_alone, 40),
    "16 at once, 1 KB each": (_many, 1000),
}
"""What is done, with how many streams a round."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wakeups", description=__doc__)
    parser.add_argument("--other", type=Path, help="a checkout to compare with, which has been set up")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    enter()
    pythons = {HERE: sys.executable}
    if arguments.other:
        pythons = {OTHER: str(arguments.other.resolve() / ".venv" / "bin" / "python"), **pythons}
    with ExitStack() as stack:
        _, port = stack.enter_context(running_server())
        networks = {
            name: stack.enter_context(running_network(name, port, 2 + number, OURS["circuits"], len(PLACES), python))
            for number, (name, python) in enumerate(pythons.items())
        }
        for work, (do, count) in WORK.items():
            found: dict[str, list[list[Counts]]] = {name: [] for name in networks}
            for network in networks.values():
                do(network, count)  # To warm up.
            for _ in range(arguments.rounds):
                for name, network in networks.items():
                    found[name].append(counted(network, do, count))
            print(f"\n{work}, per stream:")
            calls = {name: traced(network, do, count) for name, network in networks.items()}
            for name in networks:
                show(name, [middle(each) for each in zip(*found[name], strict=True)], calls[name])


def counted(network: Network, do: Callable[[Network, int], None], count: int) -> list[Counts]:
    """Of each process: how often it slept until it was woken, and ms of CPU."""
    before = [usage(process) for process in network.processes]
    do(network, count)
    time.sleep(PAUSE)
    after = [usage(process) for process in network.processes]
    return [{name: (now[name] - then[name]) / count for name in now} for then, now in zip(before, after, strict=True)]


def usage(process: subprocess.Popen[bytes]) -> Counts:
    """Since it began."""
    tasks = list(Path(f"/proc/{process.pid}/task").iterdir())
    words = [line.split() for task in tasks for line in (task / "status").read_text().splitlines()]
    woken = sum(int(word[1]) for word in words if word[0] == "voluntary_ctxt_switches:")
    spent = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    return {"wake-ups": float(woken), "CPU-ms": spent / 1e6}


def middle(rounds: tuple[Counts, ...]) -> Counts:
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


def traced(network: Network, do: Callable[[Network, int], None], count: int) -> list[Counts]:
    """Of each process: its system calls, by name."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        files = [Path(folder) / str(process.pid) for process in network.processes]
        if not shutil.which("strace"):
            return [{} for _ in files]
        for process, file in zip(network.processes, files, strict=True):
            stack.enter_context(_tracing(process.pid, file))
        do(network, count)
        time.sleep(PAUSE)
        stack.close()
        return [{name: calls / count for name, calls in calls_in(file)} for file in files]


@contextmanager
def _tracing(pid: int, file: Path) -> Iterator[None]:
    command = ["strace", "-f", "-c", "-U", "calls,name", "-o", str(file), "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as strace:
        assert strace.stderr
        strace.stderr.readline()  # It is attached, or says why not.
        try:
            yield
        finally:
            strace.send_signal(signal.SIGINT)


def calls_in(file: Path) -> Iterator[tuple[str, int]]:
    """The calls that a summary of strace lists; none if there is no such file."""
    for line in file.read_text().splitlines() if file.exists() else ():
        words = line.split()
        if len(words) == 2 and words[0].isdecimal() and words[1] != "total":
            yield words[1], int(words[0])


def show(name: str, counts: list[Counts], calls: list[Counts]) -> None:
    """A line for each process, and one for all."""
    for place, count, each in zip(PLACES, counts, calls, strict=True):
        often = sorted(each.items(), key=lambda call: -call[1])
        listed = ", ".join(f"{call} {times:.2f}" for call, times in often if times >= 0.05)
        line = f"{count['wake-ups']:>8.2f} wake-ups {count['CPU-ms']:>7.3f} CPU-ms {sum(each.values()):>8.2f} calls"
        print(f"  {name:>5} {place:>6} {line}: {listed}")
    woken, spent = (sum(each[key] for each in counts) for key in ("wake-ups", "CPU-ms"))
    all_calls = sum(sum(each.values()) for each in calls)
    print(f"  {name:>5} {'all':>6} {woken:>8.2f} wake-ups {spent:>7.3f} CPU-ms {all_calls:>8.2f} calls", flush=True)


if __name__ == "__main__":
    main()
