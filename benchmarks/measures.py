"""What is measured of one network, measure by measure."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks import load
from benchmarks.network import Network, cpu_of

Figures = dict[str, float]
WARM_UP = 4_000_000


@dataclass
class Subject:
    """A network, the server behind it, and how much of everything is done."""

    network: Network
    server: subprocess.Popen[bytes]
    scale: float
    rate: float = 0.0
    """MB/s as found so far, from which the size of the next bulk is chosen."""

    def settle(self) -> None:
        """Until the network has nothing left to do, but 5 seconds at most."""
        for _ in range(25):
            before = self.network.cpu()
            time.sleep(0.2)
            if self.network.cpu() - before < 0.03:
                return

    def bulk(self, streams: int) -> tuple[float, float, float]:
        """MB/s, CPU-seconds per GB of the network, and of the network, server and client."""
        if not self.rate:
            load.bulk(self.network.way, 1, WARM_UP)
            self.rate = load.bulk(self.network.way, 1, WARM_UP)
        size = max(WARM_UP, int(self.rate * 1e6 * 4 * self.scale)) // streams
        self.settle()
        before, both_before = self.network.cpu(), time.process_time() + cpu_of(self.server)
        self.rate = load.bulk(self.network.way, streams, size)
        cpu, both = self.network.cpu() - before, time.process_time() + cpu_of(self.server) - both_before
        gigabytes = streams * size / 1e9
        return self.rate, cpu / gigabytes, (cpu + both) / gigabytes


def one_stream(subject: Subject) -> Figures:
    rate, cost, whole = subject.bulk(1)
    return {"one stream": rate, "one stream, CPU": cost, "one stream, CPU of all": whole}


def eight_streams(subject: Subject) -> Figures:
    rate, cost, whole = subject.bulk(8)
    return {"eight streams": rate, "eight streams, CPU": cost, "eight streams, CPU of all": whole}


def idle(subject: Subject) -> Figures:
    """Each stream after a tenth of a second of silence: all acknowledgements of the last one are through by then."""
    times = load.first_bytes(subject.network.way, 10 + int(40 * subject.scale), 0.1)
    return {"first byte": median(times), "first byte, p90": quantiles(times, n=10)[-1]}


def under_bulk(subject: Subject) -> Figures:
    with load.bulk_running(subject.network.way, 8):
        times = load.first_bytes(subject.network.way, 10 + int(40 * subject.scale), 0.02)
    return {"first byte under bulk": median(times), "first byte under bulk, p90": quantiles(times, n=10)[-1]}


def fetches(subject: Subject) -> Figures:
    count = 300 + int(2000 * subject.scale)
    network, client = subject.network.cpu(), time.process_time()
    rate = load.fetches(subject.network.way, count)
    client = time.process_time() - client
    subject.settle()  # Ends of streams are part of their price.
    network = subject.network.cpu() - network
    return {"fetches": rate, "fetches, CPU": network / count * 1e3, "fetches, µs of the client": client / count * 1e6}


def keep_alive(subject: Subject) -> Figures:
    return {"keep-alive": load.keep_alive(subject.network.way, 200 + int(800 * subject.scale))}


def at_the_end(subject: Subject) -> Figures:
    return {"memory": subject.network.peak_memory(), "seconds to a route": subject.network.seconds_to_route}


MEASURES: list[Callable[[Subject], Figures]] = [one_stream, eight_streams, idle, under_bulk, fetches, keep_alive]
