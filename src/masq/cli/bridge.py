"""Serves the doors of a namespace: what a program inside sends goes to a Node's entry, and nowhere else."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

from masq.cli.namespace import Doors
from masq.core.failure import Cause, Failure, FailureError
from masq.shell.dns_server import MAX_QUESTIONS, DnsServer
from masq.types import Endpoint
from masq.wire.circuit import Addresses

ORIGINAL: Final = 80
"""SO_ORIGINAL_DST, and its sister of IPv6: where a connection was to go before it was redirected."""
PATIENCE: Final = 90.0
"""Seconds that the Node has to connect: it may try several exits."""
PIECE: Final = 65_536
KEPT: Final = 60
"""Seconds that an answer of a look-up holds: SOCKS tells none."""
_CONNECT, _RESOLVE = 1, 0xF0
_SIZES: Final = {1: 4, 4: 16}


@dataclass(frozen=True, slots=True)
class Outside:
    """The Node, as seen from outside. `group`: streams with another one share no route with ours."""

    entry: Endpoint
    group: str


async def serve(doors: Doors, outside: Outside) -> None:
    """Until it is cancelled."""

    async def look_up(host: str, group: str) -> Addresses:
        return await resolved(outside, host)

    loop = asyncio.get_running_loop()
    names = DnsServer(look_up, loop.time)

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            host, port = original(writer.get_extra_info("socket"))
            async with asyncio.timeout(PATIENCE):
                answers, asks, _ = await socks(outside, _CONNECT, host, port)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, KeyError):
            writer.transport.abort()
            return
        await _pump_both(reader, writer, answers, asks)

    async def straight(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, asks = await asyncio.open_connection(*outside.entry)
        except OSError:
            writer.transport.abort()
            return
        await _pump_both(reader, writer, answers, asks)

    async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                answer = await names.answer(await reader.readexactly(size), "", udp=False) or b""
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        writer.close()

    servers = [await asyncio.start_server(through, sock=each) for each in (doors.tcp, doors.tcp6)]
    servers.append(await asyncio.start_server(straight, sock=doors.entry))
    servers.append(await asyncio.start_server(asked, sock=doors.dns_tcp))
    await loop.create_datagram_endpoint(lambda: _Questions(names), sock=doors.dns)
    await asyncio.gather(*(server.serve_forever() for server in servers))


# --- connections ---


def original(raw: socket.socket) -> tuple[str, int]:
    """Where the program wanted to go."""
    if raw.family == socket.AF_INET6:
        port, packed = struct.unpack_from("!2xH4x16s", raw.getsockopt(socket.IPPROTO_IPV6, ORIGINAL, 28))
    else:
        port, packed = struct.unpack_from("!2xH4s", raw.getsockopt(socket.SOL_IP, ORIGINAL, 16))
    return str(ipaddress.ip_address(packed)), port


async def socks(
    outside: Outside, command: int, host: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
    """A stream of the Node's, and the address in its answer. OSError: it was refused, or nobody is there."""
    reader, writer = await asyncio.open_connection(*outside.entry)
    try:
        group = outside.group.encode()
        writer.write(b"\x05\x01\x02\x01" + bytes((len(group),)) + group + b"\x01x")
        writer.write(bytes((5, command, 0)) + _address(host) + port.to_bytes(2, "big"))
        if await reader.readexactly(4) != b"\x05\x02\x01\x00":
            raise OSError("what answers at the entry is no Node")
        _, code, _, kind = await reader.readexactly(4)
        if code:
            raise ConnectionRefusedError(code, f"the Node refuses, with code {code}")
        packed = await reader.readexactly(_SIZES[kind])
        await reader.readexactly(2)
    except BaseException:
        writer.close()
        raise
    return reader, writer, str(ipaddress.ip_address(packed))


def _address(host: str) -> bytes:
    try:
        packed = ipaddress.ip_address(host).packed
    except ValueError:
        return bytes((3, len(host))) + host.encode("ascii", "replace")
    return bytes((1 if len(packed) == 4 else 4,)) + packed


async def resolved(outside: Outside, host: str) -> Addresses:
    """By SOCKS's RESOLVE, which knows one address of a name. FailureError: there is none."""
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer, address = await socks(outside, _RESOLVE, host[:255], 0)
    except ConnectionRefusedError as error:
        # Refused by the Node, in its own words; without a word by the system: nobody is there.
        said = error.errno in range(1, 9)
        raise FailureError(Failure(Cause.NO_SUCH_NAME if said else Cause.NOT_RESOLVED, detail=str(error))) from error
    except (OSError, TimeoutError, asyncio.IncompleteReadError, KeyError) as error:
        raise FailureError(Failure(Cause.NOT_RESOLVED, detail=str(error))) from error
    writer.close()
    return ((address, KEPT),)


async def _pump_both(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    answers: asyncio.StreamReader,
    asks: asyncio.StreamWriter,
) -> None:
    """Both directions, each to its own end."""
    try:
        await asyncio.gather(_pump(reader, asks), _pump(answers, writer))
        asks.close()
        writer.close()
    except OSError:
        asks.transport.abort()
        writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


# --- look-ups ---


class _Questions(asyncio.DatagramProtocol):
    def __init__(self, names: DnsServer) -> None:
        self._names = names
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # The loop's own is no subclass.

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        if len(self._tasks) < MAX_QUESTIONS:
            task = asyncio.get_running_loop().create_task(self._answer(data, peer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, peer: tuple[str, int]) -> None:
        answer = await self._names.answer(data, "", udp=True)
        if answer and self._transport is not None:
            self._transport.sendto(answer, peer)
