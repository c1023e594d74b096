"""The server that all networks lead to: each line that it gets asks for so many bytes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from benchmarks.wan.hosts import Host

BLOCK = memoryview(bytes(1 << 20))


class Answers(asyncio.Protocol):
    """One connection."""

    __slots__ = ("left", "line", "paused", "transport")
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # No check of its class: uvloop's is of none of asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        self.left, self.line, self.paused = 0, b"", False

    def data_received(self, data: bytes) -> None:
        *lines, self.line = (self.line + data).split(b"\n")
        self.left += sum(map(int, lines))
        self.pump()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.pump()

    def pump(self) -> None:
        while self.left and not self.paused and not self.transport.is_closing():
            size = min(self.left, len(BLOCK))
            self.left -= size
            self.transport.write(BLOCK[:size])


@contextmanager
def running_server(host: Host | None = None) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The server's process, and its port: at a host of a wide network, else at 127.0.0.1."""
    words = [sys.executable, "-m", "benchmarks.server"]
    process = subprocess.Popen(host.command([*words, host.ip]) if host else words, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


async def serve(ip: str) -> None:
    server = await asyncio.get_running_loop().create_server(Answers, ip, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(serve(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"))
    except KeyboardInterrupt:
        pass
