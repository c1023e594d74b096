"""The leak guards of nftables: of whom they are for no packet leaves the machine, and everybody else's do."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.packaging.guard_inside import GUARDED, NODE, OTHER

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users in one namespace"),
]


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, list[object]]]:
    command = ["unshare", "--net", sys.executable, "-m", "tests.packaging.guard_inside"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, list[object]]] = json.loads(done.stdout)
    return found


def packets(told: dict[str, dict[str, list[object]]], guard: str) -> dict[int, bool]:
    return {int(user): bool(count) for user, (count, _) in told[guard].items()}


def test_without_a_guard_everybody_s_packets_are_seen(told: dict[str, dict[str, list[object]]]) -> None:
    assert packets(told, "none") == {GUARDED: True, NODE: True, OTHER: True}


def test_of_guarded_users_nothing_leaves(told: dict[str, dict[str, list[object]]]) -> None:
    assert packets(told, "leak-guard.nft") == {GUARDED: False, NODE: True, OTHER: True}


def test_of_a_guarded_machine_only_the_node_leaves(told: dict[str, dict[str, list[object]]]) -> None:
    assert packets(told, "leak-guard-all.nft") == {GUARDED: False, NODE: True, OTHER: False}


@pytest.mark.parametrize("guard", ["leak-guard.nft", "leak-guard-all.nft"])
def test_who_is_guarded_reaches_the_node_and_its_names(told: dict[str, dict[str, list[object]]], guard: str) -> None:
    words = str(told[guard][str(GUARDED)][1]).split()
    assert words[0] == "looked-up", told
    assert words[-1] == "entry", told
