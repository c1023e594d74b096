"""A run's figures with what they depend on, as one file of JSON, to be compared with another run's.

The folder is not kept by git: machines differ. A file that shall be kept is added by name (`git add --force`).
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measures import Figures

FOLDER = Path(__file__).parent / "results"
FORMAT = 1


@dataclass(frozen=True)
class Machine:
    """What figures of different runs have to have in common to mean something beside each other."""

    cpu: str
    cores: int
    kernel: str
    python: str

    @classmethod
    def this(cls) -> Machine:
        model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        cpu = model.group(1) if model else platform.processor()
        return cls(cpu, os.cpu_count() or 1, platform.release(), platform.python_version())


@dataclass(frozen=True)
class Result:
    """One run: medians of each network, by figure, and microseconds of each step."""

    date: str
    commit: str
    quick: bool
    rounds: int
    machine: Machine
    networks: Mapping[str, Figures]
    steps: Figures

    def write(self, folder: Path = FOLDER) -> Path:
        """Keep it under its date and commit; where."""
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.date.replace(':', '')}-{self.commit}.json"
        path.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Result:
        """ValueError if it is no such file, or one of another version of this program."""
        try:
            fields = json.loads(path.read_text())
            if fields.pop("format") != FORMAT:
                raise ValueError(f"{path}: of another version of the benchmarks")
            return cls(**{**fields, "machine": Machine(**fields["machine"])})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: no result of a benchmark") from error


def new(networks: Mapping[str, Figures], steps: Figures, *, quick: bool, rounds: int) -> Result:
    """A result of now, here, with the code as it is."""
    date = datetime.now(UTC).isoformat(timespec="seconds").removesuffix("+00:00")
    return Result(date, commit(), quick, rounds, Machine.this(), networks, steps)


def commit() -> str:
    """Of the code that runs; with a mark if it was changed since."""
    words = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(
            words, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
