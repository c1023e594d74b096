"""`masq exec`: what a program does inside goes through the Node, and with the Node dead no packet leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from tests.packaging.world import SERVER, run_inside

from masq.cli import namespace
from masq.errors import LocalError

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    done = run_inside("tests.packaging.exec_inside")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_connections_go_through_the_node_without_a_proxy_set(told: dict[str, Any]) -> None:
    assert told["alive"]["server"] == "hi", told
    assert told["alive"]["entry"] in ("HTTP", "", "ConnectionResetError"), "the entry is there, too"


def test_look_ups_go_through_the_node(told: dict[str, Any]) -> None:
    assert told["alive"]["name"] == SERVER, told


def test_what_the_node_can_not_carry_goes_nowhere(told: dict[str, Any]) -> None:
    for kind in ("udp", "device", "leave"):
        assert told["alive"][kind] in ("ConnectionRefusedError", "PermissionError", "TimeoutError", "OSError"), told


def test_the_program_is_who_it_was_and_its_exit_status_is_told(told: dict[str, Any]) -> None:
    assert told["alive"]["user"] == 0
    assert told["status"] == 7
    assert told["missing"][0] == 127
    assert "no-such-program" in told["missing"][1]


def test_with_the_node_dead_no_packet_leaves(told: dict[str, Any]) -> None:
    dead = told["dead"]
    assert told["dead_packets"] == 0, told
    assert told["plain_packets"] > 0, "outside, the same program is seen"
    assert dead["server"] in ("ConnectionResetError", "ConnectionRefusedError", ""), dead
    assert dead["name"] == "gaierror"


def test_without_nft_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: None if name == "nft" else f"/sbin/{name}")
    with pytest.raises(LocalError, match="install the package nftables"):
        namespace.enter(1080)


def test_without_a_node_nothing_is_run(tmp_path: Any) -> None:
    words = [sys.executable, "-m", "masq", "exec", "--data-directory", str(tmp_path), "touch", str(tmp_path / "x")]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ})
    assert (done.returncode, (tmp_path / "x").exists()) == (1, False)
    assert "no Node runs" in done.stderr
    words[4:6] = ["--entry", "nowhere"]
    assert "is no address and port" in subprocess.run(words, capture_output=True, text=True).stderr
