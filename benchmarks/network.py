"""A network of real Node processes on loopback, and what the processes of a network have cost."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Way
from benchmarks.wan.hosts import Host
from masq.cli.control import ask
from masq.errors import MasqError

PATIENCE = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Network:
    """Processes that carry streams from a SOCKS port to the server."""

    name: str
    processes: list[subprocess.Popen[bytes]]
    way: Way
    seconds_to_route: float

    def cpu(self) -> float:
        """CPU-seconds of all processes so far."""
        return sum(map(cpu_of, self.processes))

    def peak_memory(self) -> int:
        """MB of the process that has ever used most."""
        peaks = []
        for process in self.processes:
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peaks.append(int(line.split()[1]) // 1000)
        return max(peaks)


def cpu_of(process: subprocess.Popen[bytes]) -> float:
    """CPU-seconds of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def status(directory: Path) -> dict[str, object]:
    value = json.loads(ask(directory))
    assert isinstance(value, dict)
    return value


@contextmanager
def running_network(
    name: str,
    server_port: int,
    subnet: int,
    settings: Mapping[str, str],
    count: int = 8,
    python: str = sys.executable,
    hosts: Sequence[Host] = (),
    server_ip: str = "127.0.0.1",
    each: Sequence[Mapping[str, str]] = (),
) -> Iterator[Network]:
    """Nodes that have found each other; all gone afterwards.

    They are at 127.0.subnet.1 and so on, or, if there are `hosts` of a wide network, one at each of these. `each`:
    settings of one Node alone.
    """
    ips = [host.ip for host in hosts] or [f"127.0.{subnet}.{number}" for number in range(1, count + 1)]
    count = len(ips)
    directory = Path(tempfile.mkdtemp(prefix="masq-bench-"))
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        begun, descriptor = time.monotonic(), ""
        for number, ip in enumerate(ips, 1):
            words = {
                "chain": "dev",
                "ip": ip,
                "clandestine-port": "6001",
                "entry-ip": ip,
                "data-directory": str(directory / str(number)),
                "blockchain-service-url": "http://127.0.0.1:9",
                "earning-wallet": "0x" + secrets.token_hex(20),
                "scans": "off",
                "exit-allow-private": "on",
                **settings,
                **(each[number - 1] if each else {}),
            } | ({"neighbors": descriptor} if descriptor else {})
            command = [python, "-m", "masq.cli.main", "run", *(f"--{n}={v}" for n, v in words.items())]
            process = subprocess.Popen(
                hosts[number - 1].command(command) if hosts else command,
                env={**os.environ, "MASQ_CONSUMING_PRIVATE_KEY": secrets.token_hex(32)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            nodes.append(process)
            assert process.stdout
            descriptor = process.stdout.readline().decode().strip()
        while True:
            try:
                if status(directory / str(count))["stage"] == "RouteFound":
                    break
            except MasqError:
                pass  # It doesn't answer yet.
            if any(process.poll() is not None for process in nodes) or time.monotonic() - begun > PATIENCE:
                raise ConnectionError(f"{name}: a Node has ended, or there is no route after {PATIENCE:.0f} s")
            time.sleep(0.02)
        seconds = time.monotonic() - begun
        time.sleep(1.5)  # Until gossip is quiet.
        yield Network(name, nodes, Way((ips[-1], 1080), server_port, server_ip), seconds)
    finally:
        for process in nodes:
            process.terminate()
        for process in nodes:
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)
