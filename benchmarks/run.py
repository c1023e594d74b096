"""Measures, prints, and writes docs/performance.md: `make bench`, or `make bench ARGS=--quick`."""

from __future__ import annotations

import platform
import selectors
import socket
import statistics
import sys
import time
from pathlib import Path

from benchmarks.network import Network, running_network
from benchmarks.steps import steps

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
KINDS = {
    "circuits": {},
    "0.9.1 packages, secure links": {"package-policy": "masq"},
    "0.9.1 packages, JSON links": {"link-policy": "masq"},
}
REFERENCE = {
    "one stream, MB/s": "5",
    "CPU-seconds per GB": "370",
    "first byte, ms": "16",
    "1 KB fetches per second": "95",
}


def receive(stream: socket.socket, size: int) -> None:
    view = memoryview(bytearray(1 << 18))
    while size:
        got = stream.recv_into(view[: min(size, len(view))])
        if not got:
            raise ConnectionError("the stream ended too early")
        size -= got


def bulk(network: Network, streams: int, size: int) -> tuple[float, float]:
    """MB/s over all streams, and CPU-seconds of all Nodes per GB."""
    cpu, begun = network.cpu(), time.monotonic()
    left = {}
    selector = selectors.DefaultSelector()
    for _ in range(streams):
        stream = network.connect()
        stream.sendall(b"%d\n" % size)
        left[stream] = size
        selector.register(stream, selectors.EVENT_READ)
    view = memoryview(bytearray(1 << 18))
    while left:
        for key, _ in selector.select(30):
            stream = key.fileobj
            assert isinstance(stream, socket.socket)
            got = stream.recv_into(view)
            if not got:
                raise ConnectionError("the stream ended too early")
            left[stream] -= got
            if left[stream] <= 0:
                selector.unregister(stream)
                stream.close()
                del left[stream]
    total = streams * size
    return total / (time.monotonic() - begun) / 1e6, (network.cpu() - cpu) / (total / 1e9)


def first_byte(network: Network, count: int) -> float:
    """Median ms from a new connection to its first byte."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        with network.connect() as stream:
            stream.sendall(b"1\n")
            receive(stream, 1)
        times.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.005)
    return statistics.median(times)


def fetches(network: Network, count: int, at_once: int = 16) -> float:
    """1 KB fetches per second on new streams."""
    selector, waiting, begun = selectors.DefaultSelector(), {}, time.monotonic()
    started = done = 0
    while done < count:
        while started < count and len(waiting) < at_once:
            stream = network.connect()
            stream.sendall(b"1024\n")
            waiting[stream] = 1024
            selector.register(stream, selectors.EVENT_READ)
            started += 1
        for key, _ in selector.select(10):
            stream = key.fileobj
            assert isinstance(stream, socket.socket)
            waiting[stream] -= len(stream.recv(2048))
            if waiting[stream] <= 0:
                selector.unregister(stream)
                stream.close()
                del waiting[stream]
                done += 1
    return count / (time.monotonic() - begun)


def keep_alive(network: Network, count: int) -> float:
    """Requests per second, one after the other on one stream."""
    with network.connect() as stream:
        begun = time.monotonic()
        for _ in range(count):
            stream.sendall(b"1024\n")
            receive(stream, 1024)
        return count / (time.monotonic() - begun)


def measure(settings: dict[str, str], scale: float) -> dict[str, str]:
    with running_network(8, **settings) as network:
        size = int(300e6 * scale) if not settings else int(120e6 * scale)
        bulk(network, 1, 4_000_000)
        rate, cost = bulk(network, 1, size)
        eight, eight_cost = bulk(network, 8, size // 4)
        return {
            "one stream, MB/s": f"{rate:.0f}",
            "CPU-seconds per GB": f"{cost:.1f}",
            "eight streams, MB/s": f"{eight:.0f}",
            "eight streams, CPU-seconds per GB": f"{eight_cost:.1f}",
            "first byte, ms": f"{first_byte(network, int(60 * scale) + 10):.1f}",
            "1 KB fetches per second": f"{fetches(network, int(600 * scale) + 100):.0f}",
            "keep-alive requests per second": f"{keep_alive(network, int(500 * scale) + 100):.0f}",
            "peak memory of a Node, MB": f"{network.peak_memory()}",
            "8 Nodes one after the other, s to a route": f"{network.seconds_to_route:.1f}",
        }


def machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    cores = Path("/proc/cpuinfo").read_text().count("processor\t")
    return (
        f"{model}, {cores} cores, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}, uvloop"
    )


def main() -> None:
    scale = 0.2 if "--quick" in sys.argv else 1.0
    found = {}
    for kind, settings in KINDS.items():
        print(f"measuring {kind} ...", flush=True)
        found[kind] = measure(settings, scale)
    columns = [*KINDS, "MASQ Node 0.9.1"]
    lines = [
        "# Performance",
        "",
        "Written by `make bench`: real Node processes on loopback, three hops, client and server on the same machine.",
        f"Machine: {machine()}.",
        "",
        "| | " + " | ".join(columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for row in found["circuits"]:
        cells = [found[kind][row] for kind in KINDS] + [REFERENCE.get(row, "")]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "MASQ Node 0.9.1: measured on a machine of the same kind, with its own packages.",
        "",
        "## Where the time of a package goes",
        "",
        "Microseconds per package or cell that carries 64 KiB, in one process, step by step.",
        "",
        "| step | µs |",
        "|---|---|",
        *(f"| {name} | {value:.0f} |" for name, value in steps()),
        "",
        "The ends of a 0.9.1 route pay for the int array, two seals and the frame; a relay for opening",
        "and sealing again; a relay of a circuit for one frame opened, one layer and one frame sealed.",
    ]
    PAGE.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
