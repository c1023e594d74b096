"""`masq demo` as a newcomer runs it: it holds what it promises, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A short one: the Nodes make sockets below it, whose paths the system bounds at 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="m") as directory:
        yield Path(directory)


def demo(tmp_path: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "masq.cli.main", "demo", *words],
        env={**os.environ, "TMPDIR": str(tmp_path), "MASQ_DB_PASSWORD": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def node_processes(directory: Path) -> list[int]:
    """Processes whose command line names a directory below this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(directory).encode() in words:
                found.append(int(entry.name))
    return found


@pytest.mark.timeout(150)
def test_a_page_over_three_hops_is_booked_and_paid(tmp_path: Path) -> None:
    report_path = tmp_path / "out.json"
    process = demo(tmp_path, "--once", "--size", "8", "--json", str(report_path))
    output, _ = process.communicate(timeout=140)
    assert process.returncode == 0, output.decode()
    report = json.loads(report_path.read_text())
    assert report["ok"]
    assert len(report["route"]) == 4
    assert len(set(report["route"])) == 4
    assert report["bytes"] == 8 * 1024 * 1024
    assert report["bytes_equal"]
    paid = [line for line in report["booked"] if line["hop_wei"] != "0"]
    assert len(paid) == 3
    assert all(line["hop_wei"] == line["originator_wei"] for line in report["booked"])
    before = sum(int(line["before"]) for line in report["balances"])
    after = sum(int(line["after"]) for line in report["balances"])
    assert before == after
    assert sum(int(line["after"]) > int(line["before"]) for line in report["balances"]) == 3
    assert node_processes(tmp_path) == []
    assert list(tmp_path.glob("masq-demo-*")) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle_it_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    process = demo(tmp_path, "--once", "--nodes", "5", "--size", "1")
    deadline = time.monotonic() + 20
    while len(node_processes(tmp_path)) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(node_processes(tmp_path)) >= 5
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1, output.decode()
    assert node_processes(tmp_path) == []
    assert list(tmp_path.glob("masq-demo-*")) == []


@pytest.mark.timeout(60)
def test_a_node_that_dies_is_noticed(tmp_path: Path) -> None:
    process = demo(tmp_path, "--nodes", "5", "--size", "1")
    deadline = time.monotonic() + 20
    while len(nodes := node_processes(tmp_path)) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(nodes[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=50)
    assert process.returncode == 1
    assert b"node-" in output
    assert node_processes(tmp_path) == []
    assert list(tmp_path.glob("masq-demo-*")) == []
