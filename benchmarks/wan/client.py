"""What a user at the entry's host measures: `python -m benchmarks.wan.client SOCKS_IP SOCKS_PORT SERVER_IP SERVER_PORT
WHAT SECONDS` prints figures as JSON."""

from __future__ import annotations

import json
import select
import sys
import time
from statistics import median
from typing import Final

from benchmarks.load import ENDLESS, Way, bulk_running, first_byte, first_bytes, open_stream, wait_for_stream

WARM: Final = 0.4
"""The part of the time that streams have to find their speed, and that doesn't count."""


def received(ways: list[Way], seconds: float) -> list[float]:
    """MB/s of an endless stream over each way, at the same time, once they have found their speed."""
    poll = select.epoll()
    streams = {}
    for number, way in enumerate(ways):
        stream = open_stream(way)
        stream.sendall(b"%d\n" % ENDLESS)
        poll.register(stream.fileno(), select.EPOLLIN)
        streams[stream.fileno()] = number, stream
    room = memoryview(bytearray(1 << 20))
    counts = [0] * len(ways)
    begun = time.monotonic()
    counted_from = None
    while (now := time.monotonic()) < begun + seconds:
        if counted_from is None and now >= begun + WARM * seconds:
            counted_from, counts = now, [0] * len(ways)
        for ready, _ in poll.poll(0.1):
            number, stream = streams[ready]
            got = stream.recv_into(room)
            if not got:
                raise ConnectionError("a stream ended too early")
            counts[number] += got
    for _, stream in streams.values():
        stream.close()
    poll.close()
    return [count / (now - (counted_from or begun)) / 1e6 for count in counts]


def download(way: Way, size: int) -> float:
    """Seconds of a download of so many bytes, from the connection to the last one."""
    begun = time.monotonic()
    stream = open_stream(way)
    stream.sendall(b"%d\n" % size)
    room = memoryview(bytearray(1 << 20))
    left = size
    while left > 0:
        got = stream.recv_into(room)
        if not got:
            raise ConnectionError("a stream ended too early")
        left -= got
    stream.close()
    return time.monotonic() - begun


def measure(way: Way, what: str, seconds: float) -> dict[str, float]:
    match what:
        case "one":
            return {"one stream": sum(received([way], seconds))}
        case "eight":
            return {"eight streams": sum(received([way] * 8, seconds))}
        case "two users":
            rates = received([way._replace(user=user) for user in ("alice", "bob")], seconds)
            return {"two users": sum(rates), "two users, share of the first": rates[0] / max(sum(rates), 1e-9)}
        case "idle":
            first_byte(way)
            return {"first byte": median(first_bytes(way, 7, 0.3))}
        case "under bulk":
            with bulk_running(way, 4):
                time.sleep(seconds / 2)
                return {"first byte under bulk": median(first_bytes(way, 9, 0.3, seconds))}
        case "download":
            return {"10 MB": download(way, 10_000_000)}
        case "ready":
            wait_for_stream(way, time.monotonic() + seconds)
            return {}
        case _:
            raise SystemExit(f"what is {what}?")


def main() -> None:
    ip, port, server_ip, server_port, what, seconds = sys.argv[1:]
    print(json.dumps(measure(Way((ip, int(port)), int(server_port), server_ip), what, float(seconds))))


if __name__ == "__main__":
    main()
