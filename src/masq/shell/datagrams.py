"""Datagrams: an exit's sockets to servers, and the associations of SOCKS5 clients (RFC 1928, 7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from masq.core.failure import Cause, Failure, FailureError
from masq.wire.proxy import decode_datagram, encode_datagram

MAX_WAITING: Final = 64
"""Datagrams that wait for the look-up of their host."""
MAX_KNOWN: Final = 1_024
"""Hosts, and addresses, that one socket remembers."""

Deliver = Callable[[str, int, bytes], None]
"""Takes a datagram: the host and port that it is from, or for, and its content."""


class ExitDatagrams(asyncio.DatagramProtocol):
    """One socket to any servers, of whose datagrams only those come in that answer."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._asked: dict[str, None] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def send(self, address: str, port: int, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if len(self._asked) >= MAX_KNOWN:
            self._asked.clear()
        self._asked[address] = None
        try:
            self._transport.sendto(data, (address, port))
        except OSError:
            pass  # Too large, or no way there: datagrams may be lost. (asyncio sends no empty ones.)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        if source[0] in self._asked:
            self._deliver(source[0], source[1], data)

    def error_received(self, error: Exception) -> None:
        """A server refused: the client finds out by waiting, as with any datagram."""

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class ExitSocket:
    """What an exit serves one association with: a socket for IPv4, and one for IPv6 where there is any."""

    def __init__(self, four: ExitDatagrams, six: ExitDatagrams | None) -> None:
        self._four = four
        self._six = six
        self._addresses: dict[str, str | list[tuple[int, bytes]]] = {}
        """What a host is known to be, or the datagrams that wait for that."""

    @classmethod
    async def open(cls, deliver: Deliver) -> ExitSocket:
        """FailureError if there can't be one."""
        loop = asyncio.get_running_loop()
        try:
            _, four = await loop.create_datagram_endpoint(lambda: ExitDatagrams(deliver), local_addr=("0.0.0.0", 0))
        except OSError as error:
            raise FailureError(Failure(Cause.OVERLOADED, detail=f"no socket for datagrams: {error}")) from error
        try:
            _, six = await loop.create_datagram_endpoint(lambda: ExitDatagrams(deliver), local_addr=("::", 0))
        except OSError:
            return cls(four, None)
        return cls(four, six)

    def known(self, host: str) -> str | None:
        """The address that a host is known to have; an empty text: there is none that it may be sent to."""
        address = self._addresses.get(host)
        return address if isinstance(address, str) else None

    def wait(self, host: str, port: int, data: bytes) -> bool:
        """Keep a datagram until its host is known. Whether it is the first one."""
        waiting = self._addresses.get(host)
        if isinstance(waiting, list):
            if len(waiting) < MAX_WAITING:
                waiting.append((port, data))
            return False
        if len(self._addresses) >= MAX_KNOWN:
            self._addresses.clear()
        self._addresses[host] = [(port, data)]
        return True

    def learn(self, host: str, address: str) -> None:
        """What a host is, or that it is nothing: then what waited is dropped."""
        waiting = self._addresses.get(host)
        self._addresses[host] = address
        if isinstance(waiting, list) and address:
            for port, data in waiting:
                self.send(address, port, data)

    def send(self, address: str, port: int, data: bytes) -> None:
        socket = self._six if ":" in address else self._four
        if socket is not None and port:
            socket.send(address, port, data)

    def close(self) -> None:
        self._four.close()
        if self._six is not None:
            self._six.close()


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
