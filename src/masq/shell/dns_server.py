"""A DNS server for programs that know no proxy: it asks the exits of circuits (RFC 1035, 7766; `dns-port`)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Final

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from masq.core.failure import Cause, Failure, FailureError
from masq.wire.circuit import Addresses

HEADER: Final = 12
PLAIN_UDP: Final = 512
"""Bytes of an answer over UDP to a client that doesn't name a size (RFC 1035, 4.2.1)."""
LONGEST_UDP: Final = 4_096
MAX_CONNECTIONS: Final = 16
"""Of TCP, which few programs ask over. Their descriptors are among those that are kept back (core/limits.py)."""
MAX_QUESTIONS: Final = 1_024
"""Questions that are under way at the same time."""
MAX_CACHED: Final = 4_096
MAX_TTL: Final = 3_600
IDLE: Final = 30.0
"""Seconds after which a TCP connection without a question is closed."""
LOCAL: Final = {"A": "127.0.0.1", "AAAA": "::1"}

LookUp = Callable[[str, str], Awaitable[Addresses]]
"""Asks an exit for the addresses of a host, on behalf of an isolation group. FailureError: there are none."""


class DnsServer:
    """Answers queries for addresses. `look_up` is asked once at a time for each name and client."""

    def __init__(self, look_up: LookUp, now: Callable[[], float]) -> None:
        self._look_up = look_up
        self._now = now
        self._cache: dict[tuple[str, str], tuple[float, Addresses]] = {}
        """By group and name: until when an answer holds."""
        self._under_way: dict[tuple[str, str], asyncio.Future[Addresses | Failure]] = {}
        self._questions = 0
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None

    async def start(self, ip: str, port: int) -> int:
        """Listen over UDP and TCP at the same port, which is returned. OSError if that can't be."""
        self._server = await asyncio.start_server(self._serve, ip, port)
        port = self._server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(ip, port))
        except OSError:
            self._server.close()
            raise
        self._transport = transport
        return port

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for writer in self._connections:
            writer.close()
        if self._server is not None:
            self._server.close()
        if self._transport is not None:
            self._transport.close()

    # --- queries ---

    def query_by_datagram(self, data: bytes, client: tuple[str, int]) -> None:
        async def work() -> None:
            answer = await self.answer(data, client[0], udp=True)
            if answer and self._transport is not None and not self._transport.is_closing():
                self._transport.sendto(answer, client)

        if len(self._tasks) < MAX_QUESTIONS:  # Else it is lost, as datagrams may be: the client asks again.
            task = asyncio.get_running_loop().create_task(work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Queries of one TCP connection, one after the other."""
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._connections.add(writer)
        peer = writer.get_extra_info("peername")
        try:
            while peer:
                async with asyncio.timeout(IDLE):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    data = await reader.readexactly(size)
                answer = await self.answer(data, str(peer[0]), udp=False)
                if not answer:
                    return
                writer.write(len(answer).to_bytes(2, "big") + answer)
                async with asyncio.timeout(IDLE):
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()

    async def answer(self, data: bytes, group: str, udp: bool) -> bytes | None:
        """The answer to a query; None to what is none."""
        if len(data) < HEADER or data[2] & 0x80:
            return None
        try:
            query = dns.message.from_wire(data)
            response = dns.message.make_response(query, recursion_available=True)
        except (dns.exception.DNSException, ValueError, IndexError, AttributeError):
            return data[:2] + bytes((0x80 | data[2] & 0x79, 0x80 | dns.rcode.FORMERR)) + bytes(8)
        await self._fill(query, response, group)
        size = min(max(query.payload, PLAIN_UDP), LONGEST_UDP) if udp else 65_535
        try:
            return response.to_wire(max_size=size)
        except dns.exception.TooBig:
            response.flags |= dns.flags.TC
            response.answer.clear()
            return response.to_wire(max_size=size)

    async def _fill(self, query: dns.message.Message, response: dns.message.Message, group: str) -> None:
        if query.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
            return
        if len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
            return
        (question,) = query.question
        if question.rdclass != dns.rdataclass.IN:
            response.set_rcode(dns.rcode.REFUSED)
            return
        kind = dns.rdatatype.to_text(question.rdtype)
        if kind in ("HTTPS", "SVCB"):
            return  # Browsers ask for them beside addresses: none is an answer they know.
        if kind not in LOCAL:
            response.set_rcode(dns.rcode.NOTIMP)
            return
        name = question.name.to_text(omit_final_dot=True).lower()
        found = await self._find(name, kind, group)
        if isinstance(found, Failure):
            missing, filtered = (found.cause is cause for cause in (Cause.NO_SUCH_NAME, Cause.POLICY))
            response.set_rcode(dns.rcode.NXDOMAIN if missing or filtered else dns.rcode.SERVFAIL)
            if query.edns >= 0 and not missing:
                code = dns.edns.EDECode.FILTERED if filtered else dns.edns.EDECode.NETWORK_ERROR
                why = dns.edns.EDEOption(code, str(found))
                response.use_edns(0, payload=LONGEST_UDP, options=[why])
            return
        version = 4 if kind == "A" else 6
        pairs = [pair for pair in found if ipaddress.ip_address(pair[0]).version == version]
        if pairs:
            ttl = min(min(ttl for _, ttl in pairs), MAX_TTL)
            addresses = [address for address, _ in pairs]
            response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", kind, *addresses))

    async def _find(self, name: str, kind: str, group: str) -> Addresses | Failure:
        """What is known of a name, or an exit says. Names that are no concern of the Internet's are not asked for."""
        labels = name.split(".")
        if labels[-1] == "localhost":
            return ((LOCAL[kind], MAX_TTL),)
        if len(labels) < 2 or labels[-1] in ("onion", "local"):
            return Failure(Cause.NO_SUCH_NAME)
        key = group, name
        until, known = self._cache.get(key, (0.0, ()))
        if until > self._now():
            left = max(1, int(until - self._now()))
            return tuple((address, min(ttl, left)) for address, ttl in known)
        if key in self._under_way:
            return await asyncio.shield(self._under_way[key])
        if self._questions >= MAX_QUESTIONS:
            return Failure(Cause.OVERLOADED, detail="too many look-ups are under way")
        self._questions += 1
        asking: asyncio.Future[Addresses | Failure] = asyncio.get_running_loop().create_future()
        self._under_way[key] = asking
        found: Addresses | Failure = Failure(Cause.STOPPED, detail="the Node is stopping")
        try:
            found = await self._look_up(name, group)
            self._remember(key, found)
        except FailureError as error:
            found = error.failure
        finally:
            self._questions -= 1
            del self._under_way[key]
            asking.set_result(found)
        return found

    def _remember(self, key: tuple[str, str], found: Addresses) -> None:
        ttl = min((ttl for _, ttl in found), default=0)
        if ttl > 0:
            if len(self._cache) >= MAX_CACHED:
                self._cache.pop(next(iter(self._cache)))
            self._cache[key] = self._now() + min(ttl, MAX_TTL), found


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        self._server.query_by_datagram(data, source)

    def error_received(self, error: Exception) -> None:
        """The client doesn't listen any more."""


async def serve_dns(look_up: LookUp, ip: str, port: int) -> tuple[DnsServer, int]:
    """A server that listens, and its port. OSError if it can't."""
    server = DnsServer(look_up, asyncio.get_running_loop().time)
    return server, await server.start(ip, port)
