"""`masq sim`: the same seed is the same run in any process; what fails says how to see it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = """
about = "a few Nodes"
length = 20
[nodes]
count = 8
[[workloads]]
kind = "browse"
[[faults]]
kind = "kill"
at = 8
[[expect]]
measure = "parts"
at_most = 1
"""


def masq(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "masq", "sim", *words]
    return subprocess.run(command, env=os.environ | more, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return str(path)


def test_the_same_seed_is_the_same_run_whatever_the_order_of_sets(small: str) -> None:
    one, other = (masq(small, "--seed", "4", "--json", PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert one.returncode == other.returncode == 0, one.stderr
    assert json.loads(one.stdout)["trace"]
    assert one.stdout == other.stdout


def test_a_run_that_fails_says_how_to_see_it_again(small: str) -> None:
    Path(small).write_text(SMALL.replace("at_most = 1", "at_most = 0"))
    done = masq(small, "--seed", "5")
    assert done.returncode == 1
    assert f"again: masq sim {small} --seed 5" in done.stderr
    assert "killed: Node" in done.stdout


def test_several_seeds_end_with_those_that_failed(small: str) -> None:
    done = masq(small, "--seeds", "1-2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("no seed failed (0 of 2)")
    assert "2 of 2: seed" in done.stderr
    Path(small).write_text(SMALL.replace("at_most = 1", "at_most = 0"))
    done = masq(small, "--seeds", "1,2", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["failed"] == [1, 2]


def test_shipped_scenarios_are_listed() -> None:
    done = masq("--json")
    assert "smoke" in {each["name"] for each in json.loads(done.stdout)["scenarios"]}
    assert "kill-24" in masq().stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere",), "A scenario is a file, or one that is shipped: "),
        (("smoke", "--seeds", "1", "--seed", "2"), "choose one"),
        (("smoke", "--seeds", "one"), "no list of seeds"),
        (("smoke", "--plot", "/nowhere/x.png"), "--plot"),
    ],
)
def test_what_can_t_be_done_is_told_at_once(words: tuple[str, ...], told: str) -> None:
    done = masq(*words)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
