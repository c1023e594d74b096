"""The wire between the hosts: what comes out of one TUN device goes into another, later, at a rate, or never.

A program of its own: `python -m benchmarks.wan.forwarder` reads a `Plan` as JSON, makes the devices, says `ready`, and
forwards until its standard input ends. Each host has a line to the middle of the network, with a rate and a queue each
way; the way from middle to middle takes half the round trip.
"""

from __future__ import annotations

import fcntl
import heapq
import ipaddress
import json
import os
import random
import select
import struct
import sys
import time
from dataclasses import asdict, dataclass
from typing import Final

from benchmarks.wan.packets import on_the_wire, segments, target, without

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4 = 0x01, 0x02
READ: Final = 1 << 17
AT_ONCE: Final = 64
"""Packets that are read of one device before others are looked at."""


@dataclass(frozen=True)
class Line:
    """One host: the name of its device, its address, and its rate in bytes a second."""

    device: str
    ip: str
    rate: float


@dataclass(frozen=True)
class Plan:
    """A network: its hosts, its round trip in seconds, how long a queue may get in seconds, and its losses."""

    lines: list[Line]
    round_trip: float
    queue: float
    loss: float
    seed: int = 1

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Plan:
        value = json.loads(text)
        return cls(**{**value, "lines": [Line(**line) for line in value["lines"]]})


LEAST_QUEUE: Final = 256 * 1024
"""Bytes that a queue has room for at least: slow lines have no shorter ones."""


class Lane:
    """One direction of a host's line: what is sent over it waits until all before it is through."""

    __slots__ = ("_room", "free", "rate")

    def __init__(self, rate: float, queue: float) -> None:
        self.rate = rate
        self.free = 0.0
        self._room = max(queue, LEAST_QUEUE / rate)

    def pass_through(self, size: int, now: float) -> float | None:
        """When so many bytes are through; None: the queue is full."""
        begin = max(self.free, now)
        if begin - now > self._room:
            return None
        self.free = begin + size / self.rate
        return self.free


class Forwarder:
    def __init__(self, plan: Plan) -> None:
        self._delay = plan.round_trip / 2
        self._loss = plan.loss
        self._random = random.Random(plan.seed)
        self._spared = self._next_loss()
        self._up: dict[int, Lane] = {}
        self._down: dict[bytes, tuple[int, Lane]] = {}
        self._poll = select.epoll()
        for line in plan.lines:
            device = open_tun(line.device)
            self._up[device] = Lane(line.rate, plan.queue)
            self._down[ipaddress.ip_address(line.ip).packed] = device, Lane(line.rate, plan.queue)
            self._poll.register(device, select.EPOLLIN)
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN | select.EPOLLHUP)
        self._due: list[tuple[float, int, bool, bytes]] = []
        """When, a running number, whether it is through all, and a packet."""
        self._count = 0

    def run(self) -> None:
        stdin = sys.stdin.fileno()
        while True:
            now = time.monotonic()
            wait = max(0.0, self._due[0][0] - now) if self._due else 1.0
            for number, _ in self._poll.poll(wait):
                if number == stdin:
                    return
                self._read(number)
            self._deliver(time.monotonic())

    def _read(self, device: int) -> None:
        lane = self._up[device]
        now = time.monotonic()
        for _ in range(AT_ONCE):
            try:
                packet = os.read(device, READ)
            except BlockingIOError:
                return
            for piece in self._survivors(packet):
                through = lane.pass_through(on_the_wire(piece), now)
                if through is not None:
                    self._later(through + self._delay, False, piece)

    def _survivors(self, packet: bytes) -> list[bytes]:
        """A packet, or a train, after losses: each segment is lost with the same likelihood."""
        if not self._loss:
            return [packet]
        count = segments(packet)
        if self._spared >= count:
            self._spared -= count
            return [packet]
        lost, self._spared = self._spared, self._next_loss()
        before_and_after = without(packet, lost)
        if not before_and_after or lost == count - 1:
            return before_and_after
        return [*before_and_after[:-1], *self._survivors(before_and_after[-1])]

    def _next_loss(self) -> int:
        """Segments until the next one that is lost."""
        return int(self._random.expovariate(self._loss)) if self._loss else 0

    def _later(self, when: float, through: bool, packet: bytes) -> None:
        self._count += 1
        heapq.heappush(self._due, (when, self._count, through, packet))

    def _deliver(self, now: float) -> None:
        due = self._due
        while due and due[0][0] <= now:
            when, _, through, packet = heapq.heappop(due)
            known = self._down.get(target(packet))
            if known is None:
                continue
            device, lane = known
            if through:
                try:
                    os.write(device, packet)
                except OSError:
                    pass  # The host is down, or its queue full: lost.
                continue
            after = lane.pass_through(on_the_wire(packet), when)
            if after is not None:
                self._later(after, True, packet)


def open_tun(name: str) -> int:
    """The descriptor of a new TUN device, not blocking."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4)
    return device


def main() -> None:
    forwarder = Forwarder(Plan.decode(sys.stdin.readline()))
    print("ready", flush=True)
    forwarder.run()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
