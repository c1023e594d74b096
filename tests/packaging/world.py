"""A network namespace for tests: with a way out, on which every packet is counted."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

ETH_P_ALL = 3
OWN = "198.51.100.1"
BEYOND = "198.51.100.9"
"""An address at the other end of the way out, where nobody is."""
SERVER = "192.0.2.10"
"""An address of this machine where tests let servers listen."""


def run_inside(module: str, *words: str, timeout: float = 100.0) -> subprocess.CompletedProcess[str]:
    """A module of tests, as root of a namespace of its own: no privileges are needed for that."""
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", module, *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MASQ_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)


def call(*words: str, text: str | None = None) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, input=text).stdout


def make() -> None:
    """The way out: a pair of devices, of which the other end is silent."""
    call("ip", "link", "set", "lo", "up")
    call("ip", "address", "add", f"{SERVER}/32", "dev", "lo")
    call("ip", "link", "add", "out", "type", "veth", "peer", "name", "beyond")
    for device in ("out", "beyond"):
        with open(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6", "w") as switch:
            switch.write("1")
        call("ip", "link", "set", device, "up")
    call("ip", "address", "add", f"{OWN}/24", "dev", "out")
    call("ip", "neighbor", "add", BEYOND, "lladdr", "02:00:00:00:00:01", "dev", "out")
    call("ip", "route", "add", "default", "via", BEYOND)


class Sniffer:
    """Counts the packets that go out."""

    def __init__(self) -> None:
        self.count = 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind(("beyond", 0))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while self._socket.recv(65536):
            self.count += 1

    def during(self, words: Sequence[str]) -> tuple[int, subprocess.CompletedProcess[str]]:
        """How many went out while a command ran, and a moment after it."""
        before = self.count
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        time.sleep(0.3)
        return self.count - before, done
