"""The window of a Node as a process: `masq open` finds it, and it does what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.running import Running, wait_for

pytestmark = pytest.mark.e2e
NUMBER = 200 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Each of those that run tests side by side has an address of its own."""


@pytest.fixture(scope="module")
def node() -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="m") as directory:
        running = Running(Path(directory), NUMBER)
        wait_for(lambda: running.status()["pid"])
        yield running
        running.stop()


def opened(node: Running) -> tuple[str, str]:
    """Where it is, and the token."""
    words = [sys.executable, "-m", "masq.cli.main", "open", "--no-browser", "--data-directory", str(node.directory)]
    url = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    place, _, token = url.partition("#token=")
    return place, token


def said(node: Running, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    place, token = opened(node)
    request = urllib.request.Request(place + path.lstrip("/"), method=method)
    request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read().decode()
            return answer.status, json.loads(text) if answer.headers.get_content_type() == "application/json" else text
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_it_shows_what_the_control_socket_shows(node: Running) -> None:
    status, document = said(node, "GET", "/api/status")
    assert status == 200
    assert document["pid"] == node.process.pid
    assert document["nodes"][0]["neighbors"] == []
    assert len(document["nodes"][0]["rates"]) == 4
    assert document.keys() == node.status().keys()


def test_prometheus_reads_it(node: Running) -> None:
    status, text = said(node, "GET", "/metrics")
    assert status == 200
    assert "masq_works" in text


def test_a_setting_is_changed_for_good_and_a_wrong_one_changes_nothing(node: Running) -> None:
    path = node.directory / "config.toml"
    path.write_text("# mine\nlog-level = 'warn'  # little\n")
    assert said(node, "PATCH", "/api/settings", {"name": "max-bandwidth", "value": "2.5"})[1]["changed"] == [
        "max-bandwidth"
    ]
    assert said(node, "PATCH", "/api/settings", {"name": "log-level", "value": "info"})[1]["changed"] == ["log-level"]
    text = '# mine\nlog-level = "info"\nmax-bandwidth = "2.5"\n'
    assert path.read_text() == text
    rows = {row["name"]: row for row in said(node, "GET", "/api/settings")[1]["settings"]}
    assert rows["max-bandwidth"]["value"] == "2.5"
    assert rows["consuming-private-key"]["value"] is None
    assert rows["db-password"]["secret"]
    status, answer = said(node, "PATCH", "/api/settings", {"name": "max-bandwidth", "value": "much"})
    assert (status, "MB" in answer["error"]) == (422, True)
    # Right by itself, and wrong with the others.
    status, answer = said(node, "PATCH", "/api/settings", {"name": "dns-servers", "value": "1.1.1.1,,"})
    assert status == 422
    status, answer = said(node, "PATCH", "/api/settings", {"name": "consuming-private-key-file", "value": "/none"})
    assert (status, "/none" in answer["error"]) == (409, True)
    assert path.read_text() == text


def test_a_port_that_is_taken_is_told(node: Running, tmp_path: Path) -> None:
    place, _ = opened(node)
    port = place.rstrip("/").rpartition(":")[2]
    other = Running(tmp_path, NUMBER + 20, "", None, (), **{"gateway-port": port})
    assert other.process.wait(30) == 2
    other.stop()
    assert f"gateway-port: can't listen at 127.0.0.1:{port}" in other.log.read_text()


def test_without_one_it_says_so(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="m") as directory:
        other = Running(Path(directory), NUMBER + 40, "", None, (), **{"gateway-port": "off"})
        try:
            wait_for(lambda: other.status()["pid"])
            assert other.status()["window"] is None
            words = [sys.executable, "-m", "masq.cli.main", "open", "--data-directory", str(other.directory)]
            told = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
            assert told.returncode != 0
            assert "--gateway-port" in told.stderr
        finally:
            other.stop()


def test_where_nothing_is_set_up_it_leads_through_that_and_becomes_the_node() -> None:
    """tests/browser/test_setup.py does it with a page."""
    with tempfile.TemporaryDirectory(prefix="m") as directory:
        place = Path(directory) / "node"

        def command(*words: str) -> list[str]:
            return [sys.executable, "-m", "masq.cli.main", *words, "--data-directory", str(place)]

        def says(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(command(*words), check=False, capture_output=True, text=True, timeout=60)

        assert "`masq open` leads through it" in says("run").stderr
        assert says("open", "--json").returncode == 1
        with subprocess.Popen(command("open", "--no-browser"), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            url = process.stdout.readline().strip()
            assert says("open", "--no-browser").stdout.strip() == url
            assert says("status").stdout.startswith("it is not set up yet")
            at, _, token = url.partition("#token=")
            body = {"values": {"neighborhood-mode": "zero-hop", "entry-port": "0", "chain": "dev"}}
            request = urllib.request.Request(f"{at}api/draft/keep", json.dumps(body).encode(), method="POST")
            request.add_header("Content-Type", "application/json")
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(request, timeout=60)
            request.add_header("Authorization", f"Bearer {token}")
            urllib.request.urlopen(request, timeout=60).close()
            wait_for(lambda: "works: a proxy on this machine" in says("status").stdout)
            assert says("open", "--no-browser").stdout.strip() == url
            assert json.loads(says("status", "--json").stdout)["pid"] == process.pid
            assert says("stop").returncode == 0
            assert process.wait(60) == 0
