"""Network namespaces, one per host, each with one TUN device whose other end is the forwarder's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.wan.forwarder import Line, Plan

NEEDS_ROOT = "a wide network needs root (network namespaces and TUN devices): run this as root"
NEEDS = "a wide network needs %s on this machine"


def missing() -> str:
    """Why there can be no wide network here; empty if there can."""
    if os.geteuid():
        return NEEDS_ROOT
    if shutil.which("ip") is None:
        return NEEDS % "the command ip (iproute2)"
    if not Path("/dev/net/tun").exists():
        return NEEDS % "/dev/net/tun"
    probe = f"masq-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", probe], stderr=subprocess.DEVNULL).returncode:
        return NEEDS % "network namespaces"
    _ip("netns", "del", probe)
    return ""


@dataclass(frozen=True)
class Setting:
    """What a network is like: milliseconds of a round trip between any two hosts, MB/s of a line, losses.

    A line's queue has room for what it carries in a round trip, as the rule of thumb for routers is.
    """

    name: str
    round_trip: float
    rate: float
    loss: float = 0.0
    slow: dict[str, float] = field(default_factory=dict)
    """MB/s of hosts that are slower."""

    @property
    def slowest(self) -> float:
        """MB/s of the slowest line."""
        return min(self.rate, *self.slow.values()) if self.slow else self.rate


@dataclass(frozen=True)
class Host:
    """One namespace."""

    namespace: str
    ip: str

    def command(self, words: Sequence[str]) -> list[str]:
        """A command that runs there."""
        return ["ip", "netns", "exec", self.namespace, *words]


@contextmanager
def wide_network(
    names: Sequence[str], setting: Setting, congestion_control: str = "cubic"
) -> Iterator[dict[str, Host]]:
    """Hosts by these names, as far from each other as `setting` says; all gone afterwards."""
    mark = f"masq{os.getpid()}"
    hosts = {name: Host(f"{mark}-{name}", f"10.{number}.0.1") for number, name in enumerate(names, 1)}
    lines = [
        Line(f"{mark}-{number}"[:15], host.ip, setting.slow.get(name, setting.rate) * 1e6)
        for number, (name, host) in enumerate(hosts.items(), 1)
    ]
    plan = Plan(lines, setting.round_trip / 1000, setting.round_trip / 1000, setting.loss)
    forwarder = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.wan.forwarder"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    made: list[Host] = []
    try:
        assert forwarder.stdin
        assert forwarder.stdout
        forwarder.stdin.write(plan.encode() + "\n")
        forwarder.stdin.flush()
        if forwarder.stdout.readline() != "ready\n":
            raise ConnectionError("the forwarder of the wide network did not start")
        for host, line in zip(hosts.values(), lines, strict=True):
            _ip("netns", "add", host.namespace)
            made.append(host)
            _set_up(host, line.device, congestion_control)
        yield hosts
    finally:
        if forwarder.stdin:
            forwarder.stdin.close()
        forwarder.kill()
        forwarder.wait()
        for host in made:
            _ip("netns", "del", host.namespace)


def _set_up(host: Host, device: str, congestion_control: str) -> None:
    space = host.namespace
    _ip("link", "set", device, "netns", space)
    _ip("-n", space, "link", "set", "lo", "up")
    _ip("-n", space, "link", "set", device, "mtu", "1500", "txqueuelen", "1000", "up")
    _ip("-n", space, "address", "add", f"{host.ip}/32", "dev", device)
    _ip("-n", space, "route", "add", "default", "dev", device, "congctl", congestion_control)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
