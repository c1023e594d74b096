"""The client: streams over a SOCKS port to the server, with as little work of its own as Python allows."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

GREETING = b"\x05\x01\x00"
NAMED_GREETING = b"\x05\x01\x02"
METHOD, CONNECTED = 2, 10
"""Bytes of the two answers of SOCKS."""
FETCH = 1024
ENDLESS = 10**15
PATIENCE = 60.0

# The C class: one new stream costs less with it than with the Python one on top of it.
Socket = socket.SocketType


class Way(NamedTuple):
    """A SOCKS port, and the server beyond it."""

    socks: tuple[str, int]
    server_port: int
    server_ip: str = "127.0.0.1"
    user: str = ""
    """Streams of different users share no circuits."""

    def request(self) -> bytes:
        return b"\x05\x01\x00\x01" + socket.inet_aton(self.server_ip) + self.server_port.to_bytes(2, "big")


def open_stream(way: Way, timeout: float = PATIENCE) -> Socket:
    """A new stream to the server, blocking."""
    stream = Socket(socket.AF_INET, socket.SOCK_STREAM)
    stream.settimeout(timeout)
    try:
        stream.connect(way.socks)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if way.user:
            name = way.user.encode()
            stream.sendall(NAMED_GREETING)
            exactly(stream, METHOD)
            stream.sendall(b"\x01" + bytes((len(name),)) + name + b"\x01x")
        else:
            stream.sendall(GREETING)
        exactly(stream, METHOD)
        stream.sendall(way.request())
        if code := exactly(stream, CONNECTED)[1]:
            raise ConnectionError(f"SOCKS refused the stream: {code}")
    except BaseException:
        stream.close()
        raise
    return stream


def exactly(stream: Socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise ConnectionError("the stream ended too early")
        data += more
    return data


def first_byte(way: Way, timeout: float = PATIENCE) -> float:
    """Milliseconds from a new connection to its first byte."""
    begun = time.perf_counter()
    stream = open_stream(way, timeout)
    try:
        stream.sendall(b"1\n")
        exactly(stream, 1)
        return (time.perf_counter() - begun) * 1000
    finally:
        stream.close()


def wait_for_stream(way: Way, deadline: float) -> None:
    """Until a stream works; what it failed by (OSError) if none does until then, by the monotonic clock."""
    while True:
        try:
            first_byte(way, timeout=5)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def first_bytes(way: Way, count: int, pause: float, seconds: float = 20.0) -> list[float]:
    """Milliseconds of so many new streams, one after the other with pauses; fewer if that takes too long."""
    times: list[float] = []
    begun = time.monotonic()
    while len(times) < 2 or (len(times) < count and time.monotonic() - begun < seconds):
        time.sleep(pause)
        times.append(first_byte(way))
    return times


def bulk(way: Way, streams: int, size: int) -> float:
    """MB/s over so many streams of so many bytes each."""
    begun = time.monotonic()
    for _ in receiving(way, streams, size):
        pass
    return streams * size / (time.monotonic() - begun) / 1e6


def receiving(way: Way, streams: int, size: int) -> Iterator[int]:
    """Receive streams until all have ended; yields bytes of all so far, each time that some came."""
    poll, total = select.epoll(), 0
    left: dict[int, list[Any]] = {}
    for _ in range(streams):
        stream = open_stream(way)
        stream.sendall(b"%d\n" % size)
        left[stream.fileno()] = [stream, size]
        poll.register(stream.fileno(), select.EPOLLIN)
    room = memoryview(bytearray(1 << 20))
    while left:
        ready = poll.poll(PATIENCE)
        if not ready:
            raise TimeoutError(f"no byte on any of {len(left)} streams for {PATIENCE:.0f} s")
        for number, _ in ready:
            entry = left[number]
            got = entry[0].recv_into(room)
            if not got:
                raise ConnectionError("the stream ended too early")
            total += got
            entry[1] -= got
            if entry[1] <= 0:
                del left[number]
                entry[0].close()
        yield total
    poll.close()


@contextmanager
def bulk_running(way: Way, streams: int) -> Iterator[None]:
    """Streams that are received without end by a process of their own, meanwhile."""
    words = [*map(str, way.socks), way.server_ip, str(way.server_port), str(streams)]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.load", *words], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        if not process.stdout.readline():
            raise ConnectionError("the bulk streams did not start")
        yield
        if process.poll() is not None:
            raise ConnectionError("the bulk streams ended: what was measured beside them means nothing")
    finally:
        process.kill()
        process.wait()


def fetches(way: Way, count: int, at_once: int = 16) -> float:
    """Fetches of 1 KB per second, each on a new stream, so many in flight all the time."""
    poll = select.epoll()
    # What is sent next, after so many bytes have come.
    steps = {0: GREETING, METHOD: way.request(), METHOD + CONNECTED: b"%d\n" % FETCH}
    whole = METHOD + CONNECTED + FETCH
    streams: dict[int, list[Any]] = {}
    started = done = 0

    def start() -> None:
        stream = Socket(socket.AF_INET, socket.SOCK_STREAM)
        stream.setblocking(False)
        stream.connect_ex(way.socks)
        number = stream.fileno()
        try:
            # On loopback the connection is there at once.
            stream.send(GREETING)
            poll.register(number, select.EPOLLIN)
        except BlockingIOError:
            poll.register(number, select.EPOLLOUT)
        streams[number] = [stream, 0]

    begun = time.monotonic()
    while started < min(at_once, count):
        start()
        started += 1
    while done < count:
        ready = poll.poll(PATIENCE)
        if not ready:
            raise TimeoutError(f"no answer to any of {len(streams)} fetches for {PATIENCE:.0f} s")
        for number, event in ready:
            entry = streams[number]
            stream = entry[0]
            if event & select.EPOLLOUT:
                stream.send(GREETING)
                poll.modify(number, select.EPOLLIN)
                continue
            data = stream.recv(2048)
            if not data:
                raise ConnectionError("the stream ended too early")
            if entry[1] == METHOD and len(data) > 1 and data[1]:
                raise ConnectionError(f"SOCKS refused the stream: {data[1]}")
            entry[1] = got = entry[1] + len(data)
            if got >= whole:
                del streams[number]
                stream.close()
                done += 1
                if started < count:
                    start()
                    started += 1
            elif got in steps:
                stream.send(steps[got])
    poll.close()
    return count / (time.monotonic() - begun)


def keep_alive(way: Way, count: int) -> float:
    """Requests of 1 KB per second, one after the other on one stream."""
    stream, line = open_stream(way), b"%d\n" % FETCH
    room = memoryview(bytearray(2 * FETCH))

    def ask() -> None:
        stream.send(line)
        left = FETCH
        while left:
            got = stream.recv_into(room)
            if not got:
                raise ConnectionError("the stream ended too early")
            left -= got

    ask()  # Not counted: part of a new stream.
    begun = time.monotonic()
    for _ in range(count):
        ask()
    seconds = time.monotonic() - begun
    stream.close()
    return count / seconds


def main() -> None:
    """Receive without end; says so in a line once each stream may have got something."""
    host, port, server_ip, server_port, streams = sys.argv[1:]
    running = receiving(Way((host, int(port)), int(server_port), server_ip), int(streams), ENDLESS)
    for total in running:
        if total > int(streams) << 20:
            print("running", flush=True)
            break
    for _ in running:
        pass


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
