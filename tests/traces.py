"""Proof that a change of the house changes nothing: hashes of all that Nodes write, over seeds and workloads.

`python -m tests.traces > before.json` at one commit, `python -m tests.traces --compare before.json` at the next.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from masq.core.accountant.thresholds import PaymentThresholds
from masq.errors import UnavailableError
from masq.sim.host import SimNode
from masq.sim.network import Conditions
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download, Echo, Greeter, HangsUp, SlowReader
from masq.sim.world import World
from masq.types import Mode

SEEDS: Final = range(1001, 1013)
QUICK: Final = PaymentThresholds(2, 1, 20, 1, 1, 1)
SERVER: Final = "192.0.2.1"


def _open(host: SimNode, application: Application, target: str, port: int, words: bytes = b"", group: str = "") -> None:
    try:
        host.open(application, target, port, group)
    except UnavailableError:
        return
    if words:
        application.send(words)


def _network(seed: int, /, count: int = 8, **settings: object) -> World:
    world = World(seed)
    world.servers |= {
        ("echo.test", 7): Echo,
        ("files.test", 80): Download,
        ("mail.test", 25): Greeter,
        ("rude.test", 80): HangsUp,
        ("slow.test", 80): SlowReader,
    }
    world.names["files.test"] = SERVER
    world.datagram_servers[SERVER, 53] = lambda data: [data[::-1], data]
    world.join(count, 0.5, **settings)
    world.run(10)
    return world


def _browse(world: World) -> None:
    """Streams of every kind, both ways, from two users."""
    for number, user in enumerate(world.hosts[:2]):
        for size in (100, 70_000, 600_000):
            _open(user, Application(), "files.test", 80, b"%d\n" % size, str(number))
        _open(user, Application(), "echo.test", 7, bytes(300_000))
        _open(user, Application(), "mail.test", 25)
        _open(user, Application(), "rude.test", 80, b"hello")
        _open(user, Application(), "nowhere.test", 80, b"hello")
        _open(user, Application(), "slow.test", 80, bytes(400_000))
        _open(user, SlowReader(), "files.test", 80, b"700000\n")
        hangs_up = Application()
        _open(user, hangs_up, "files.test", 80, b"3000000\n")
        world.run(0.3)
        hangs_up.abort()
    world.run(20)


def _ask(world: World) -> None:
    """Look-ups and datagrams."""
    for user in world.hosts[:3]:
        for host in ("files.test", "nowhere.test"):
            try:
                user.resolve(host)
                socket = user.open_datagrams()
            except UnavailableError:
                return
            world.run(0.2)
            for size in (1, 900, 60_000):
                user.datagram(socket, SERVER, 53, bytes(size))
    world.run(5)


def _suffer(world: World) -> None:
    """Narrow links that break and are refused, crashes, restarts."""
    world.network.conditions = Conditions(0.02, 400_000.0, True, 0.1, 4.0)
    _browse(world)
    for victim in (2, 5):
        world.hosts[victim].crash()
        _open(world.hosts[0], Application(), "files.test", 80, b"200000\n")
        world.run(5)
        world.add(world.hosts[victim + 1 : victim + 2], replacing=world.hosts[victim])
        world.run(10)
    world.network.conditions = Conditions()
    world.run(60)


def _pay(world: World) -> None:
    """Debts, a debtor who is banned, an absent chain, a lost and a reverted payment."""
    world.chain.tokens[world.hosts[1].consuming.address] = 0
    world.chain.supply = sum(world.chain.tokens.values())
    _browse(world)
    world.chain.away = True
    world.run(30)
    world.chain.away = False
    world.chain.lose_next = world.chain.revert_next = 1
    world.run(150)
    _browse(world)


WORKLOADS: Final[dict[str, tuple[Callable[[World], None], dict[str, object]]]] = {
    "circuits": (_browse, {}),
    "packages": (_browse, {"package_policy": "masq"}),
    "json": (_browse, {"link_policy": "masq"}),
    "asking": (_ask, {}),
    "hardship": (_suffer, {}),
    "hardship over packages": (_suffer, {"package_policy": "masq"}),
    "money": (_pay, {"thresholds": QUICK, "scan_every": 5.0}),
    "originate-only": (_browse, {"mode": Mode.ORIGINATE_ONLY}),
    "zero-hop": (_browse, {"mode": Mode.ZERO_HOP}),
}


def trace(workload: str, seed: int) -> str:
    """The hash of what was written in one world."""
    work, settings = WORKLOADS[workload]
    if settings.get("mode") is Mode.ORIGINATE_ONLY:
        world = _network(seed, 6)
        world.hosts.insert(0, world.hosts.pop(world.hosts.index(world.add(world.hosts[-2:], mode=Mode.ORIGINATE_ONLY))))
        world.run(10)
    else:
        world = _network(seed, 8, **settings)
    work(world)
    return world.written


def _all() -> dict[str, str]:
    wanted = [(workload, seed) for workload in WORKLOADS for seed in SEEDS]
    with ProcessPoolExecutor() as pool:
        return {
            f"{workload} {seed}": hash
            for (workload, seed), hash in zip(wanted, pool.map(trace, *zip(*wanted, strict=True)), strict=True)
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compare", type=Path, help="hashes of another commit, as this command prints them")
    arguments = parser.parse_args()
    found = _all()
    if arguments.compare is None:
        json.dump(found, sys.stdout, indent=1)
        return 0
    before = json.loads(arguments.compare.read_text())
    differ = sorted(name for name in before.keys() | found.keys() if before.get(name) != found.get(name))
    print(f"{len(found) - len(differ)} of {len(found)} traces are equal")
    for name in differ:
        print(f"differs: {name}")
    return bool(differ)


if __name__ == "__main__":
    sys.exit(main())
