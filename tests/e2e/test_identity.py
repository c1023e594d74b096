"""A Node that comes back with the key that it kept, to Nodes of 0.9.1 that remember it."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.old_nodes import descriptor_of, old_nodes
from tests.old_node import OldNode
from tests.running import Running, wait_for


@contextlib.contextmanager
def running(directory: Path, number: int, *neighbors: OldNode, **settings: str) -> Iterator[Running]:
    words = ",".join(map(descriptor_of, neighbors))
    node = Running(directory, number, words, None, (), **settings)
    try:
        yield node
    finally:
        node.stop()


def full(status: dict[str, Any]) -> int:
    return sum(neighbor["full"] for neighbor in status["neighbors"])


def ends(node: Running) -> int:
    node.process.send_signal(signal.SIGTERM)
    return node.process.wait(20)


def test_it_takes_another_key_within_the_process_and_says_so(tmp_path: Path) -> None:
    settings = {"log-level": "info"}
    with old_nodes("127.0.4.1", "127.0.4.2", "127.0.4.3") as old:
        with running(tmp_path, 60, *old[:1], **settings) as node:
            wait_for(lambda: full(node.status()) >= 2)
            key, first = node.status()["public_key"], node.descriptor
            assert ends(node) == 0
        with running(tmp_path, 60, *old[:1], **settings) as node:
            assert node.descriptor == first, "it has kept its key"
            begun = time.monotonic()
            entry = node.status()["entry"].rpartition(":")
            wait_for(lambda: node.status()["public_key"] != key, 15)
            with socket.create_connection((entry[0], int(entry[2])), 5):
                pass
            wait_for(lambda: full(node.status()) >= 2, 15)
            print(f"back after {time.monotonic() - begun:.1f} s")
            status = node.status()
            assert node.process.poll() is None
            assert status["pid"] == node.process.pid
            assert status["entry"] == "".join(entry)
            assert status["descriptor"] != first
            assert node.process.stdout
            assert node.process.stdout.readline().decode().strip() == status["descriptor"]
            (warning,) = (text for text in status["warnings"] if text.startswith("identity:"))
            assert "took a new one" in warning
            assert "masq descriptor" in warning
            assert status["verdict"]["works"]
            assert status["verdict"]["advice"] == warning
            assert "overlooked" in node.log.read_text()
            assert ends(node) == 0
        # It is the new one that is kept.
        with running(tmp_path, 60, *old[:1], **{**settings, "new-public-key": "off"}) as node:
            assert node.descriptor == status["descriptor"]
            assert node.status()["public_key"] == status["public_key"]


def test_who_insists_on_his_key_is_told_what_to_do(tmp_path: Path) -> None:
    with old_nodes("127.0.4.4", "127.0.4.5") as old:
        with running(tmp_path, 61, *old[:1]) as node:
            wait_for(lambda: full(node.status()) >= 1)
            key = node.status()["public_key"]
            assert ends(node) == 0
        with running(tmp_path, 61, *old[:1], **{"new-public-key": "off"}) as node:
            wait_for(lambda: node.status()["overlooked"], 20)
            status = node.status()
            assert status["public_key"] == key
            assert not status["verdict"]["works"]
            assert "remember its key" in status["verdict"]["words"]
            assert "new-public-key" in status["verdict"]["advice"]
