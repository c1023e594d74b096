"""Nodes under attack, and what it costs them: memory, CPU time, descriptors, and what honest users still get."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from tests.running import Running, wait_for

MIB: Final = 1024 * 1024
T = TypeVar("T")
TICKS: Final = os.sysconf("SC_CLK_TCK")


def files(soft: int, hard: int) -> dict[int, tuple[int, int]]:
    """Limits of a Node's descriptors."""
    return {resource.RLIMIT_NOFILE: (soft, hard)}


def alive(node: Running) -> bool:
    return node.process.poll() is None


# --- what it takes ---


def cpu_seconds(node: Running) -> float:
    """CPU time that a process has used, in user and system mode."""
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def descriptors(node: Running) -> int:
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


def _memory(node: Running, name: str) -> int:
    lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


@dataclass
class Cost:
    """What something has cost a Node."""

    cpu: float = 0.0
    """Seconds."""
    memory: int = 0
    """Bytes that it held more at its peak."""
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """Of one core."""
        return self.cpu / self.seconds

    def __str__(self) -> str:
        return f"+{self.memory / MIB:.0f} MiB, {self.cpu:.2f} CPU-s in {self.seconds:.1f} s"


@contextlib.contextmanager
def cost_to(node: Running) -> Iterator[Cost]:
    """What happens within costs a Node this. AssertionError if it costs its life."""
    # Linux forgets the peak so far if it is told 5.
    Path(f"/proc/{node.process.pid}/clear_refs").write_text("5")
    cost = Cost()
    memory, cpu, since = _memory(node, "VmRSS"), cpu_seconds(node), time.monotonic()
    yield cost
    assert alive(node), f"it ended with {node.process.returncode}: {last_words(node)}"
    cost.memory = max(0, _memory(node, "VmHWM") - memory)
    cost.cpu, cost.seconds = cpu_seconds(node) - cpu, time.monotonic() - since


def calm(node: Running, seconds: float = 30.0) -> None:
    """Wait until a Node is through with what came before. AssertionError if it isn't in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = cpu_seconds(node)
        time.sleep(0.3)
        if cpu_seconds(node) - before <= 0.03:
            return
    raise AssertionError(f"still at work {seconds:.0f} s after it was let alone")


def last_words(node: Running) -> str:
    lines = node.log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else ""


# --- where they are ---


class Network:
    """A network of its own on this machine, with addresses that look as if they were of the Internet. Needs root."""

    def __init__(self, *addresses: str) -> None:
        words = ["ip link set lo up"]
        words += [f"ip addr add {ip}/{128 if ':' in ip else 32} dev lo" for ip in addresses]
        script = " && ".join([*words, "echo ready", "exec sleep 600"])
        self._process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        assert self._process.stderr
        if self._process.stdout.readline() != "ready\n":
            words = [self._process.stderr.read().strip()]
            self.close()
            pytest.skip(f"no network of its own can be had: {words[0]}")
        self._at = f"/proc/{self._process.pid}/ns/net"

    @property
    def wrapper(self) -> list[str]:
        """The command that runs another one there."""
        return ["nsenter", f"--net={self._at}"]

    def run(self, what: Callable[[], T]) -> T:
        """Do something there: sockets that it makes belong there, wherever they are used afterwards."""
        result: list[T] = []
        problem: list[BaseException] = []

        def there() -> None:
            try:
                with open(self._at) as place:
                    # Of all the process, this moves this thread alone.
                    if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0):
                        raise OSError(ctypes.get_errno(), "setns")
                result.append(what())
            except BaseException as error:  # noqa: BLE001  # Handed on to the caller's thread.
                problem.append(error)

        thread = threading.Thread(target=there)
        thread.start()
        thread.join()
        if problem:
            raise problem[0]
        return result[0]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream
            stream.close()


# --- what users get ---


class Server:
    """A TCP server of this process: each connection goes to `talk` in a thread of its own."""

    def __init__(self, talk: Callable[[socket.socket], None], ip: str = "127.0.0.1", port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self.socket = socket.create_server((ip, port), family=family, backlog=4096)
        self.port = int(self.socket.getsockname()[1])
        self._talk = talk
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._talk(connection)

    def close(self) -> None:
        # `close` alone doesn't wake who waits in `accept`.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Holder:
    """A TCP server that accepts, and then neither speaks, reads nor hangs up."""

    def __init__(self, ip: str = "127.0.0.1", port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self.socket = socket.create_server((ip, port), family=family, backlog=4096)
        self.port = int(self.socket.getsockname()[1])
        self.held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.held.append(self.socket.accept()[0])

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.held:
            connection.close()


def pages(connection: socket.socket) -> None:
    """A web server: `/N` is N bytes long."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(65536)
        if not more:
            return
        head += more
    size = int(head.split()[1].rpartition(b"/")[2])
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size)
    piece = bytes(65536)
    while size:
        size -= connection.send(piece[: min(size, len(piece))])


def socks(node: Running, host: str, port: int, group: str = "", timeout: float = 15.0) -> socket.socket:
    """A stream through a Node's SOCKS port. Streams of different groups share no circuit."""
    stream = socket.create_connection((node.ip, 1080), timeout=timeout)
    try:
        if group:
            name = group.encode()
            stream.sendall(b"\x05\x01\x02\x01" + bytes((len(name),)) + name + b"\x01x")
            _exactly(stream, 4)
        else:
            stream.sendall(b"\x05\x01\x00")
            _exactly(stream, 2)
        name = host.encode()
        stream.sendall(b"\x05\x01\x00\x03" + bytes((len(name),)) + name + port.to_bytes(2, "big"))
        answer = _exactly(stream, 10)
        if answer[1]:
            raise ConnectionError(f"SOCKS says {answer[1]}")
    except OSError:
        stream.close()
        raise
    return stream


def _exactly(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise ConnectionError("hung up")
        data += more
    return data


def fetch(node: Running, port: int, size: int = 1_000, group: str = "", timeout: float = 15.0) -> float:
    """Fetch a page of this machine's over a new stream: the seconds it took. OSError if it comes not, or not all."""
    begun = time.monotonic()
    with socks(node, "127.0.0.1", port, group, timeout) as stream:
        stream.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % size)
        heard = 0
        head = -1
        start = b""
        while piece := stream.recv(1 << 18):
            if head < 0:
                start += piece
                if b"\r\n\r\n" in start:
                    head = start.index(b"\r\n\r\n") + 4
            heard += len(piece)
        if head < 0 or heard != head + size:
            raise ConnectionError(f"{heard} bytes came of {size}")
    return time.monotonic() - begun


@dataclass
class Traffic:
    """What an honest user gets."""

    fetches: list[float] = field(default_factory=list)
    """Seconds of each small fetch; one that failed took as long as was waited for it."""
    failed: int = 0
    speed: float = 0.0
    """MB/s of one stream."""

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.fetches, n=20)[-1]

    @property
    def rate(self) -> float:
        """Small fetches per second, one after the other."""
        return len(self.fetches) / sum(self.fetches)

    def __str__(self) -> str:
        text = f"p95 {self.p95 * 1000:.1f} ms, {self.rate:.0f} fetches/s"
        text += f", {self.failed} failed" if self.failed else ""
        return text + (f", {self.speed:.0f} MB/s" if self.speed else "")


def traffic(
    user: Running, web: int, fetches: int = 60, seconds: float = 0.0, at_most: float = 10.0, patience: float = 5.0
) -> Traffic:
    """Small fetches of a user, one after the other, for `at_most` seconds; then one stream for `seconds`.

    `patience`: seconds that one fetch is waited for.
    """
    measured = Traffic()
    begun = time.monotonic()
    while len(measured.fetches) < fetches and (time.monotonic() - begun < at_most or len(measured.fetches) < 2):
        try:
            measured.fetches.append(fetch(user, web, timeout=patience))
        except OSError:
            measured.fetches.append(patience)
            measured.failed += 1
    if seconds:
        measured.speed = stream_speed(user, web, seconds)
    return measured


def stream_speed(user: Running, web: int, seconds: float) -> float:
    """MB/s that come over one stream."""
    heard = 0
    with contextlib.suppress(TimeoutError), socks(user, "127.0.0.1", web) as stream:
        stream.settimeout(seconds + 5)
        stream.sendall(b"GET /100000000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        stream.recv(1 << 18)
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            heard += len(stream.recv(1 << 18))
    return heard / seconds / 1e6


@contextlib.contextmanager
def served(
    directory: Path, number: int, limits: dict[int, tuple[int, int]] | None = None, **settings: str
) -> Iterator[tuple[Running, Running, int]]:
    """A Node to be attacked, with these settings, a Node whose user browses over its exit, and a web server's port."""
    web = Server(pages)
    nodes = [Running(directory, number, limits=limits, **settings)]
    try:
        nodes.append(Running(directory, number + 1, nodes[0].descriptor))
        wait_for(lambda: nodes[1].status()["stage"] == "RouteFound")
        yield nodes[0], nodes[1], web.port
    finally:
        web.close()
        for node in nodes:
            node.stop()


@contextlib.contextmanager
def started(directory: Path, number: int, neighbors: str = "", **more: Any) -> Iterator[Running]:
    """One Node; `more` is for Running."""
    node = Running(directory, number, neighbors, **more)
    try:
        yield node
    finally:
        node.stop()
