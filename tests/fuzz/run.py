"""Runs fuzz targets, guided by the branches that an input takes: `python -m tests.fuzz.run --help`.

Everything is imported and instrumented once. Each target then runs in a fork of this process, a few at the same time.
"""

from __future__ import annotations

import argparse
import mmap
import os
import re
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Final, NamedTuple

try:
    import atheris
except ImportError:
    print("The fuzzer, atheris, is for CPython 3.11 to 3.13 on Linux on x86-64: here nothing is fuzzed.")
    sys.exit()

# What makes no decisions about what came is left alone: each branch that is watched takes time.
READERS: Final = ("masq.wire", "masq.chain", "masq.core.circuits", "masq.core.links", "masq.settings", "masq.shell")
OTHERS: Final = ("masq.wire.noise", "masq.chain.transaction", "masq.chain.rlp", "masq.core.circuits.passage")

# It names each module on the way.
with (
    redirect_stderr(StringIO()),
    atheris.instrument_imports(include=[*READERS, "dns.message", "tomllib"], exclude=list(OTHERS)),
):
    from tests.fuzz.once import make_once
    from tests.fuzz.targets import CORPUS, TARGETS

SLOW: Final = 0.25
"""CPU seconds from which an input is kept, to be looked at."""
STUCK: Final = 60
"""Seconds after which an input counts as a hang: a busy machine is slow, but not so slow."""
MAX_MEMORY: Final = 1_024
"""MB of a whole process."""
_MEASURED: Final = struct.Struct("Qdd")


class Report(NamedTuple):
    """What became of one target."""

    name: str
    inputs: int
    seconds: float
    slowest: float
    """CPU seconds of one input."""
    grown: int
    """MB that the process has grown by, the fuzzer's own included."""
    branches: int
    failure: str
    """The end of what the fuzzer said, if an input was too much for the target."""

    def __str__(self) -> str:
        rate = self.inputs / self.seconds if self.seconds else 0
        line = f"{self.name:20} {self.inputs:9,} inputs {rate:8,.0f}/s   slowest {self.slowest * 1000:6.1f} ms"
        return f"{line}   +{self.grown} MB   {self.branches} branches{'   FAILED' if self.failure else ''}"


def fuzz(
    names: Sequence[str], inputs: int, directory: Path, jobs: int, seed: int, longest: int, seconds: int = 0
) -> Iterator[Report]:
    """Reports of targets, as they end. In `directory` is what was found: per target a corpus, crashes and logs."""
    make_once()
    waiting, running = list(names), dict[int, tuple[str, mmap.mmap]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop(0)
            measured = mmap.mmap(-1, _MEASURED.size)
            # Else what is waiting in buffers would be written by the child as well.
            sys.stdout.flush()
            pid = os.fork()
            if not pid:
                _child(name, inputs, directory / name, seed, longest, seconds, measured)
            running[pid] = name, measured
        pid, status, usage = os.wait4(-1, 0)
        name, measured = running.pop(pid)
        yield _report(name, status, usage.ru_maxrss // 1024, measured, directory / name)


def _child(name: str, inputs: int, directory: Path, seed: int, longest: int, seconds: int, measured: mmap.mmap) -> None:
    """Fuzz one target in this process, which ends with that."""
    (directory / "corpus").mkdir(parents=True, exist_ok=True)
    log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    options = {
        "runs": inputs,
        "seed": seed,
        "max_len": longest,
        "timeout": STUCK,
        "rss_limit_mb": MAX_MEMORY,
        "max_total_time": seconds,
        "artifact_prefix": f"{directory}/",
        "print_final_stats": 1,
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    places = [str(directory / "corpus"), str(CORPUS / name)]
    atheris.Setup([sys.argv[0], *arguments, *places], _measuring(TARGETS[name], directory, measured))
    atheris.Fuzz()


def _measuring(target: Callable[[bytes], None], directory: Path, measured: mmap.mmap) -> Callable[[bytes], None]:
    begun, slowest, count = time.monotonic(), 0.0, 0
    clock = time.thread_time

    def measuring(data: bytes) -> None:
        nonlocal slowest, count
        before = clock()
        target(data)
        taken = clock() - before
        count += 1
        if taken > slowest:
            slowest = taken
            if taken > SLOW:
                (directory / f"slow-{taken:.2f}").write_bytes(data)
        if count % 100 == 0 or taken == slowest:
            _MEASURED.pack_into(measured, 0, count, slowest, time.monotonic() - begun)

    return measuring


def _report(name: str, status: int, memory: int, measured: mmap.mmap, directory: Path) -> Report:
    count, slowest, seconds = _MEASURED.unpack_from(measured)
    said = (directory / "log").read_text(errors="replace")
    done = re.search(r"stat::number_of_executed_units: *(\d+)", said)
    branches = re.findall(r"cov: (\d+)", said)
    failure = ""
    if status:
        kept = f"The input is in {directory}. Keep it, as a file with a telling name, in {CORPUS / name}."
        failure = f"{said[-3_000:]}\n{kept}"
    base = re.search(r"INITED.*rss: (\d+)Mb", said)
    return Report(
        name,
        int(done[1]) if done else count,
        seconds,
        slowest,
        memory - int(base[1]) if base else 0,
        int(branches[-1]) if branches else 0,
        failure,
    )


def main() -> None:
    """Exit status 1 if there is an input that was too much for a target."""
    parser = argparse.ArgumentParser(description="Fuzz what reads bytes from outside.")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="all, if none is named")
    parser.add_argument("--inputs", type=int, default=20_000, help="of each target")
    parser.add_argument("--seconds", type=int, default=0, help="at most, for each target; 0: without a bound")
    parser.add_argument("--longest", type=int, default=65_536, help="bytes of an input")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same one gives the same inputs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--directory", type=Path, help="where what is found is kept; a passing one if not given")
    chosen = parser.parse_args()
    names = chosen.targets or list(TARGETS)
    directory = chosen.directory or Path(tempfile.mkdtemp(prefix="masq-fuzz-"))
    begun, total, failed = time.monotonic(), 0, []
    for report in fuzz(
        names, chosen.inputs, directory.absolute(), chosen.jobs, chosen.seed, chosen.longest, chosen.seconds
    ):
        print(report, flush=True)
        total += report.inputs
        if report.failure:
            failed.append(report)
    print(f"{total:,} inputs for {len(names)} targets in {time.monotonic() - begun:.0f} s, seed {chosen.seed}")
    for report in failed:
        print(f"\n{report.name} FAILED:\n{report.failure}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
