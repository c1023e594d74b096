"""What the counts of system calls, wake-ups and CPU time are made of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.wakeups import calls_in, middle, usage

SUMMARY = """\
    calls syscall
--------- ----------------
      120 epoll_pwait
       80 read
--------- ----------------
      200 total
"""


def test_calls_are_read_from_what_strace_sums_up(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    assert dict(calls_in(summary)) == {}, "it was not there, or may not trace"
    summary.write_text(SUMMARY)
    assert dict(calls_in(summary)) == {"epoll_pwait": 120, "read": 80}


def test_one_disturbed_round_changes_no_figure() -> None:
    rounds = ({"CPU-ms": 1.0}, {"CPU-ms": 90.0}, {"CPU-ms": 1.2})
    assert middle(rounds) == {"CPU-ms": 1.2}


def test_a_process_that_works_and_waits_is_seen_to() -> None:
    work = "[time.sleep(0.001) for _ in range(20)]; print(sum(range(1_000_000)), flush=True)"
    program = f"import time\nfor line in open(0): {work}"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        before = usage(process)
        process.stdin.write(b"go\n")
        process.stdin.flush()
        process.stdout.readline()
        after = usage(process)
        process.stdin.close()
    assert after["wake-ups"] - before["wake-ups"] >= 20
    assert after["CPU-ms"] > before["CPU-ms"]
