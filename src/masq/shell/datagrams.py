"""Datagrams: an exit's sockets to servers, and the associations of SOCKS5 clients (RFC 1928, 7)."""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import Callable
from typing import Final, cast

from masq.core.failure import Cause, Failure, FailureError
from masq.core.limits import DATAGRAM_BYTES, DATAGRAM_BYTES_TOTAL, DATAGRAMS_PER_NAME, NAMES_PER_SOCKET
from masq.types import Address
from masq.wire.proxy import decode_datagram, encode_datagram

MAX_KNOWN: Final = 1_024
"""Targets, and addresses, that one socket remembers; the oldest go first."""
MAPPED: Final = "::ffff:"
"""How a socket of IPv6 writes the addresses of IPv4."""
OVERHEAD: Final = 200
"""Bytes that a datagram takes beside its content, while it waits."""

Deliver = Callable[[str, int, bytes], None]
"""Takes a datagram: the host and port that it is from, or for, and its content."""
Judge = Callable[[str, int], str]
"""The address that a port of a host may be written to at; empty if there is none."""


class Lent:
    """Bytes of datagrams that wait for look-ups, of all sockets of an exit."""

    def __init__(self) -> None:
        self.bytes = 0


class ExitSocket(asyncio.DatagramProtocol):
    """What an exit serves one association with: one socket to any servers, for both families.

    Of their datagrams only those come in that answer.
    """

    def __init__(self, payer: Address | None, lent: Lent, deliver: Deliver) -> None:
        self.payer = payer
        self._lent = lent
        self._deliver = deliver
        self._asked: dict[str, None] = {}
        self._targets: dict[tuple[str, int], str] = {}
        """The address of a host, for a port; empty if it is not to be written to."""
        self._waiting: dict[str, list[tuple[int, bytes]]] = {}
        """Datagrams for hosts that are looked up."""
        self._bytes = 0
        self._mapped = False
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = False

    async def open(self) -> None:
        """FailureError if there can't be a socket."""
        loop = asyncio.get_running_loop()
        try:
            made, self._mapped = _bound()
        except OSError as error:
            raise FailureError(Failure(Cause.OVERLOADED, detail=f"no socket for datagrams: {error}")) from error
        try:
            await loop.create_datagram_endpoint(lambda: self, sock=made)
        except asyncio.CancelledError:
            self.close()
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        if self._closed:
            self.close()

    # --- to servers ---

    def target(self, host: str, port: int) -> str | None:
        """The address that a host is known to have; an empty text: there is none that it may be sent to."""
        return self._targets.get((host, port))

    def remember(self, host: str, port: int, address: str) -> None:
        if len(self._targets) >= MAX_KNOWN:
            self._targets.pop(next(iter(self._targets)))
        self._targets[host, port] = address

    @property
    def waits(self) -> bool:
        """Whether datagrams wait for look-ups."""
        return bool(self._waiting)

    def wait(self, host: str, port: int, data: bytes) -> bool:
        """Keep a datagram until its host is known, if there is room; else it is lost. Whether it is the first one."""
        waiting = self._waiting.get(host)
        size = len(data) + OVERHEAD
        full = self._bytes + size > DATAGRAM_BYTES or self._lent.bytes + size > DATAGRAM_BYTES_TOTAL
        if full or (len(self._waiting) >= NAMES_PER_SOCKET if waiting is None else len(waiting) >= DATAGRAMS_PER_NAME):
            return False
        self._waiting.setdefault(host, []).append((port, data))
        self._count(size)
        return waiting is None

    def learn(self, host: str, judge: Judge) -> None:
        """A host was looked up: what waited is sent where it may be, or lost."""
        for port, data in self._waiting.pop(host, ()):
            self._count(-len(data) - OVERHEAD)
            address = self.target(host, port)
            if address is None:
                address = judge(host, port)
                if address:
                    self.remember(host, port, address)
            if address:
                self.send(address, port, data)

    def _count(self, size: int) -> None:
        self._bytes += size
        self._lent.bytes += size

    def send(self, address: str, port: int, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing() or not port:
            return
        if ":" not in address and self._mapped:
            address = MAPPED + address
        if address not in self._asked:
            if len(self._asked) >= MAX_KNOWN:
                self._asked.pop(next(iter(self._asked)))
            self._asked[address] = None
        try:
            self._transport.sendto(data, (address, port))
        except (OSError, ValueError):
            pass  # Too large, or no way there: datagrams may be lost. (asyncio sends no empty ones.)

    # --- from servers ---

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        if source[0] in self._asked:
            self._deliver(source[0].removeprefix(MAPPED) if self._mapped else source[0], source[1], data)

    def error_received(self, error: Exception) -> None:
        """A server refused: the client finds out by waiting, as with any datagram."""

    def close(self) -> None:
        self._closed = True
        self._waiting.clear()
        self._count(-self._bytes)
        if self._transport is not None:
            self._transport.close()


def _bound() -> tuple[sockets.socket, bool]:
    """A socket at any port, and whether it is one of IPv6 that takes IPv4, too. OSError if there can't be one."""
    for family, ip in ((sockets.AF_INET6, "::"), (sockets.AF_INET, "0.0.0.0")):
        try:
            made = sockets.socket(family, sockets.SOCK_DGRAM)
        except OSError:
            if family == sockets.AF_INET:
                raise
            continue
        try:
            if family == sockets.AF_INET6:
                made.setsockopt(sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY, 0)
            made.setblocking(False)
            made.bind((ip, 0))
        except OSError:
            made.close()
            if family == sockets.AF_INET:
                raise
            continue
        return made, family == sockets.AF_INET6
    raise OSError("no family of addresses")


class Association(asyncio.DatagramProtocol):
    """The socket that a SOCKS5 client sends its datagrams to. Those of anybody else are dropped."""

    def __init__(self, client_ip: str, deliver: Deliver) -> None:
        self._client_ip = client_ip
        self._deliver = deliver
        self._client: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        if source[0] != self._client_ip:
            return
        datagram = decode_datagram(data)
        if datagram is not None:
            self._client = source
            self._deliver(*datagram)

    def send(self, host: str, port: int, data: bytes) -> None:
        if self._transport is not None and self._client is not None and not self._transport.is_closing():
            self._transport.sendto(encode_datagram(host, port, data), self._client)

    def error_received(self, error: Exception) -> None:
        """The client doesn't listen any more: its connection will tell."""

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
