"""A network of real Node processes on loopback, a fast server, and what the processes have cost."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from masq.cli.status import ask
from masq.errors import MasqError

TICKS = os.sysconf("SC_CLK_TCK")

SERVER = """
import asyncio, sys
block = bytes(1 << 18)
class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport; self.left = 0; self.line = b""; self.paused = False
    def data_received(self, data):
        # Each line asks for so many bytes.
        *lines, self.line = (self.line + data).split(b"\\n")
        self.left += sum(map(int, lines))
        self.pump()
    def pause_writing(self): self.paused = True
    def resume_writing(self):
        self.paused = False; self.pump()
    def pump(self):
        while self.left and not self.paused:
            n = min(self.left, len(block)); self.left -= n; self.transport.write(block[:n])
async def main():
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
try:
    import uvloop; uvloop.run(main())
except KeyboardInterrupt: pass
"""


@dataclass
class Network:
    nodes: list[subprocess.Popen[bytes]]
    directory: Path
    server_port: int
    seconds_to_route: float

    @property
    def entry(self) -> tuple[str, int]:
        return f"127.0.2.{len(self.nodes)}", 1080

    def cpu(self) -> float:
        """CPU-seconds of all Nodes so far."""
        total = 0
        for process in self.nodes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def peak_memory(self) -> int:
        """MB of the Node that has ever used most."""
        peaks = []
        for process in self.nodes:
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peaks.append(int(line.split()[1]) // 1000)
        return max(peaks)

    def connect(self) -> socket.socket:
        """A new stream to the server, through SOCKS5."""
        stream = socket.create_connection(self.entry)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.sendall(b"\x05\x01\x00" + b"\x05\x01\x00\x01\x7f\x00\x00\x01" + self.server_port.to_bytes(2, "big"))
        answer = b""
        while len(answer) < 12:
            answer += stream.recv(12 - len(answer))
        assert answer[3] == 0, answer
        return stream


def status(directory: Path) -> dict[str, object]:
    value = json.loads(ask(directory))
    assert isinstance(value, dict)
    return value


@contextmanager
def running_network(count: int = 8, **settings: str) -> Iterator[Network]:
    """Nodes that have found each other, and the server; all gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="masq-bench-"))
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        assert server.stdout
        port = int(server.stdout.readline())
        begun, descriptor = time.monotonic(), ""
        for number in range(1, count + 1):
            words = {
                "chain": "dev",
                "ip": f"127.0.2.{number}",
                "clandestine-port": "6001",
                "entry-ip": f"127.0.2.{number}",
                "data-directory": str(directory / str(number)),
                "blockchain-service-url": "http://127.0.0.1:9",
                "earning-wallet": "0x" + secrets.token_hex(20),
                "scans": "off",
                "exit-allow-private": "on",
                **settings,
            } | ({"neighbors": descriptor} if descriptor else {})
            process = subprocess.Popen(
                [sys.executable, "-m", "masq.cli.main", "run", *(f"--{n}={v}" for n, v in words.items())],
                env={**os.environ, "MASQ_CONSUMING_PRIVATE_KEY": secrets.token_hex(32)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            nodes.append(process)
            assert process.stdout
            descriptor = process.stdout.readline().decode().strip()
        while True:
            try:
                if status(directory / str(count))["stage"] == "RouteFound":
                    break
            except (MasqError, SystemExit):
                pass
            time.sleep(0.02)
        network = Network(nodes, directory, port, time.monotonic() - begun)
        time.sleep(1.5)  # Until gossip is quiet.
        yield network
    finally:
        for process in nodes:
            process.terminate()
        for process in nodes:
            process.wait()
        server.kill()
        server.wait()
        shutil.rmtree(directory, ignore_errors=True)
