"""Servers as on the web, clients that read slowly, and others that hang up."""

from __future__ import annotations

import hashlib

from masq.sim.workloads.application import Application


class Echo(Application):
    """Says what it hears, and ends when it is ended."""

    def heard(self, data: bytes) -> None:
        super().heard(data)
        self.send(data)

    def heard_end(self) -> None:
        super().heard_end()
        self.end()


class Download(Application):
    """Sends as many bytes as the line it hears says, then ends."""

    def heard(self, data: bytes) -> None:
        super().heard(data)
        if self.received.endswith(b"\n"):
            self.send(content_of(int(self.received)))
            self.end()


class HangsUp(Application):
    """Closes as soon as it hears anything."""

    def heard(self, data: bytes) -> None:
        super().heard(data)
        self.abort()


class Greeter(Application):
    """Speaks first."""

    def begun(self) -> None:
        self.send(b"220 ready\r\n")


class SlowReader(Application):
    """Reads 100 kB a second, whatever comes. `pace` may be changed."""

    pace = 100_000.0


def content_of(size: int) -> bytes:
    """The bytes that a Download of this size sends."""
    return hashlib.shake_128(str(size).encode()).digest(size)
