"""Floods by a stranger, as a process of his own: what he needs of the CPU is not taken from who measures.

    python -m tests.attacks.floods KIND DESCRIPTOR ADDRESS SECONDS [BYTES_PER_SECOND]

It says `ready` once all is prepared and the first bytes have left, and in the end, or when it is told to end, as JSON,
how much was taken. A lost connection is made again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from tests.attacks.rogue import PATIENCE, RogueLink, Stranger, bad_opens, pings
from tests.running import Running
from tests.secure_ends import DEV, greeting, keys

from masq.keccak import keccak256
from masq.types import DEFAULT_RATE_PACK, NodeAddress
from masq.wire.circuit import circuit_frame
from masq.wire.descriptor import parse_descriptor
from masq.wire.frame import mask
from masq.wire.message import Gossip, GossipRecord, NodeRecord, encode_message
from masq.wire.noise import Handshake
from masq.wire.package import Package, single_hop
from masq.wire.secure_link import MAGIC, FrameType

TICK: Final = 0.02
"""Seconds from one portion to the next."""
BURST: Final = 0.25
"""Seconds of the rate that may be said at once."""
RATE: Final = 1_000_000
SOME: Final = 65_536
CONNECTS: Final = 400
"""Connections that are made in a second at most."""
RECORDS: Final = 512
MESSAGES: Final = 8


STOPPING: Final = threading.Event()


class Target:
    """The Node that is flooded."""

    def __init__(self, descriptor: str, ip: str) -> None:
        parsed = parse_descriptor(descriptor)
        assert parsed.address
        self.key = parsed.first_contact_key
        self.ip = parsed.address.ip
        self.stranger = Stranger(ip)
        self.link: RogueLink | None = None

    def connect(self) -> socket.socket:
        return self.stranger.connect(self.ip)

    def connect_securely(self) -> socket.socket:
        self.link = self.stranger.link_to(self.key, self.ip)
        return self.link.socket


Portions = Iterator[bytes]


def braces(target: Target) -> Portions:
    """JSON frames that say nothing."""
    yield from cycle([b"{}" * (SOME // 2)])


def boxes(target: Target) -> Portions:
    """Packages over JSON that nobody can open."""
    frames = [mask(os.urandom(60)) for _ in range(500)]
    yield from cycle([b"".join(frames)])


def cells(target: Target) -> Portions:
    """Small frames of secure links, of unknown kinds and of circuits that there aren't."""
    while True:
        assert target.link
        made = bytearray()
        for number in range(1_000):
            if number % 2:
                made += target.link.frame(0x7F, b"what is this")
            else:
                frame = circuit_frame(FrameType.CELL, 1_000_001 + number, bytes(32))
                target.link.secure.seal(frame)
                made += frame
        yield bytes(made)


def opens(target: Target) -> Portions:
    while True:
        assert target.link
        yield bad_opens(target.link, 30_000)


def ping(target: Target) -> Portions:
    while True:
        assert target.link
        yield pings(target.link, 30_000)


def records(target: Target) -> Portions:
    """Gossip of many records that are signed as they should be, of Nodes that there aren't."""
    frames = []
    own = keys()
    for message in range(MESSAGES):
        invented = [keys() for _ in range(RECORDS)]
        signed = [
            NodeRecord.sign(
                each,
                keccak256(each.public_key)[:20],
                DEFAULT_RATE_PACK,
                frozenset({invented[(at + 1) % RECORDS].public_key}),
                True,
                True,
                message,
            )
            for at, each in enumerate(invented)
        ]
        gossip = Gossip(
            tuple(
                GossipRecord(record, NodeAddress(f"127.{100 + message}.{at // 250}.{at % 250 + 1}", (6001,)))
                for at, record in enumerate(signed)
            )
        )
        package = Package(single_hop(own, target.key), own.seal(target.key, encode_message(gossip)))
        frames.append(mask(own.seal(target.key, package.encode())))
    yield from cycle(frames)


def handshakes(target: Target) -> Portions:
    """The first message of one handshake, again and again, each on a connection of its own."""
    own = keys()
    shake = Handshake(True, own.x25519_secret, os.urandom(32), MAGIC + DEV, target.key[:32])
    message = shake.write_first(greeting(own.public_key))
    yield from cycle([MAGIC + len(message).to_bytes(2, "big") + message])


KINDS: Final[dict[str, tuple[Callable[[Target], Portions], bool]]] = {
    "braces": (braces, False),
    "boxes": (boxes, False),
    "records": (records, False),
    "handshakes": (handshakes, False),
    "cells": (cells, True),
    "opens": (opens, True),
    "pings": (ping, True),
}
"""What is said, and whether over secure links."""


def flood(kind: str, target: Target, seconds: float, rate: float, ready: Callable[[], None] | None) -> dict[str, int]:
    """Say it for some seconds. What he hears he reads, and forgets."""
    made, secure = KINDS[kind]
    connect = target.connect_securely if secure else target.connect
    each_its_own = kind == "handshakes"
    connection: socket.socket | None = None
    portions = made(target)
    figures = {"bytes": 0, "connections": 0, "refused": 0}
    if not secure:
        portion = next(portions)
    begun = last = filled = time.monotonic()
    budget = 0.0
    rest = b""
    while (now := time.monotonic()) - begun < seconds and not STOPPING.is_set():
        # What a victim that is busy didn't take in time is not made up for.
        budget, filled = min(budget + (now - filled) * rate, rate * BURST), now
        try:
            if connection is None:
                connection = connect()
                figures["connections"] += 1
                rest = b""
            if budget >= 1:
                rest = rest or (portion if each_its_own else next(portions))
                sent = connection.send(rest[: int(budget)] if not each_its_own else rest)
                rest = rest[sent:]
                figures["bytes"] += sent
                budget -= sent
                if ready:
                    ready()
                    ready = None
            _forget(connection)
            if each_its_own:
                connection.close()
                connection = None
        except OSError:
            if connection is not None:
                connection.close()
                connection = None
            figures["refused"] += 1
            time.sleep(TICK)
        if each_its_own:
            time.sleep(max(0.0, last + 1 / CONNECTS - time.monotonic()))
            last = time.monotonic()
        elif budget < 1:
            time.sleep(TICK)
    if ready:
        ready()
    return figures


def _forget(connection: socket.socket) -> None:
    connection.settimeout(0.0)
    try:
        while True:
            if not connection.recv(1 << 18):
                raise ConnectionError("hung up")
    except BlockingIOError:
        pass
    finally:
        connection.settimeout(PATIENCE)


class Flood:
    """The process, seen from a test."""

    def __init__(self, kind: str, node: Running, ip: str, seconds: float, rate: float = RATE) -> None:
        words = [kind, node.descriptor, ip, str(seconds), str(rate)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.attacks.floods", *words],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self._out = self._process.stdout
        if self._out.readline() != "ready\n":
            self.stop()
            raise RuntimeError("the flood has not begun")

    def figures(self) -> dict[str, Any]:
        """End it: what has become of it."""
        self._process.terminate()
        figures: dict[str, Any] = json.loads(self._out.readline())
        return figures

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        self._out.close()

    def __enter__(self) -> Flood:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: STOPPING.set())
    kind, descriptor, ip, seconds, *rate = sys.argv[1:]
    target = Target(descriptor, ip)
    amount = float(rate[0]) if rate else RATE
    print(json.dumps(flood(kind, target, float(seconds), amount, lambda: print("ready", flush=True))), flush=True)


if __name__ == "__main__":
    main()
