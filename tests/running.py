"""Node processes for tests that use them as people do."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


class Running:
    """A Node process. Its address is 127.0.3.<number>."""

    def __init__(
        self,
        directory: Path,
        number: int,
        neighbors: str = "",
        limits: Mapping[int, tuple[int, int]] | None = None,
        wrapper: Sequence[str] = (),
        **settings: str,
    ) -> None:
        """`limits`: soft and hard ones by RLIMIT_. `wrapper`: a command that executes the one behind it."""
        self.directory = directory / str(number)
        self.ip = f"127.0.3.{number}"
        words = {
            "chain": "dev",
            "ip": self.ip,
            "clandestine-port": "6001",
            "entry-ip": self.ip,
            "data-directory": str(self.directory),
            "blockchain-service-url": "http://127.0.0.1:9",
            "earning-wallet": "0x" + f"{number:040x}",
            "scans": "off",
            "min-hops": "1",
            "exit-allow-private": "on",
            **settings,
        } | ({"neighbors": neighbors} if neighbors else {})
        self.log = directory / f"log-{number}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *wrapper,
                    sys.executable,
                    "-m",
                    "masq.cli.main",
                    "run",
                    *(f"--{n}={v}" for n, v in words.items() if v != "-"),
                ],
                env={**os.environ, "MASQ_CONSUMING_PRIVATE_KEY": f"{number + 1:064x}", "MASQ_DB_PASSWORD": "secret"},
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=(lambda: _set(limits)) if limits else None,
            )
        assert self.process.stdout
        self.descriptor = self.process.stdout.readline().decode().strip()

    def status(self) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.directory / "masq.sock"))
            control.sendall(b"status\n")
            answer = b""
            while piece := control.recv(65536):
                answer += piece
        told: dict[str, Any] = json.loads(answer)
        return told

    def memory(self) -> int:
        line = next(
            line for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if "VmRSS" in line
        )
        return int(line.split()[1]) * 1024

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


def _set(limits: Mapping[int, tuple[int, int]]) -> None:
    for kind, values in limits.items():
        resource.setrlimit(kind, values)


@contextlib.contextmanager
def linked_pair(directory: Path, number: int, **settings: str) -> Iterator[tuple[Running, Running]]:
    """A Node, and the next one, with these settings, whose user browses over the first one's exit."""
    first = Running(directory, number)
    second = Running(directory, number + 1, first.descriptor, None, (), **settings)
    try:
        wait_for(lambda: second.status()["stage"] == "RouteFound")
        yield first, second
    finally:
        first.stop()
        second.stop()


def wait_for(holds: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if holds():  # type: ignore[operator]
                return
        time.sleep(0.02)
    raise AssertionError("it did not come true in time")
