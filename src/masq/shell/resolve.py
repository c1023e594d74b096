"""Names to addresses at the exit, and which addresses an exit may connect to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from masq.core.failure import SERVER, Cause, Failure, FailureError
from masq.wire.circuit import NO_SUCH_NAME, Addresses, Resolution

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as AsyncResolver

TTL: Final = 60
"""Seconds that an address holds where the system doesn't say."""


class Resolver:
    """Looks names up at the given DNS servers, or as the system does."""

    def __init__(self, servers: Collection[str], timeout: float = 10.0, port: int = 53) -> None:
        self._servers = list(servers)
        self._timeout = timeout
        self._port = port
        self._asker: AsyncResolver | None = None

    async def addresses(self, host: str) -> list[str]:
        """All addresses of a host, IPv4 first; an IP literal is itself. FailureError if there are none."""
        return [address for address, _ in await self.look_up(host)]

    async def look_up(self, host: str) -> Addresses:
        """All addresses of a host, IPv4 first, with the seconds that they hold. FailureError if there are none."""
        literal = _literal(host)
        if literal is not None:
            return ((literal, TTL),)
        try:
            async with asyncio.timeout(self._timeout):
                found = await (self._ask(host) if self._servers else self._ask_system(host))
        except TimeoutError:
            words = f"the DNS server gave no answer in {self._timeout:.0f} s"
            raise _unresolved(host, Resolution((), words)) from None
        if found.error:
            raise _unresolved(host, found)
        pairs = [pair for pair in found.addresses if not ipaddress.ip_address(pair[0]).is_unspecified]
        if not pairs:
            raise _unresolved(host, Resolution((), "it has no address"))
        return tuple(sorted(pairs, key=lambda pair: ":" in pair[0]))

    async def _ask_system(self, host: str) -> Resolution:
        try:
            answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            missing = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
            return Resolution((), NO_SUCH_NAME if missing else str(error.strerror))
        except (OSError, UnicodeError) as error:
            return Resolution((), str(error))
        return Resolution(tuple((address, TTL) for address in dict.fromkeys(str(answer[4][0]) for answer in answers)))

    async def _ask(self, host: str) -> Resolution:
        import dns.asyncresolver
        import dns.exception
        import dns.resolver

        if self._asker is None:
            made = dns.asyncresolver.Resolver(configure=False)
            made.nameservers = list(self._servers)
            made.port = self._port
            made.lifetime = self._timeout
            made.cache = None
            self._asker = made
        asker = self._asker

        async def ask(kind: str) -> Resolution:
            try:
                answer = await asker.resolve(host, kind, search=False)
            except dns.resolver.NXDOMAIN:
                return Resolution((), NO_SUCH_NAME)
            except dns.resolver.NoAnswer:
                return Resolution()
            except (dns.exception.DNSException, OSError, UnicodeError) as error:
                return Resolution((), str(error))
            ttl = answer.rrset.ttl if answer.rrset is not None else TTL
            return Resolution(tuple((record.address, ttl) for record in answer))

        both = await asyncio.gather(ask("A"), ask("AAAA"))
        pairs = tuple(pair for one in both for pair in one.addresses)
        return Resolution(pairs, "" if pairs else both[0].error or both[1].error or "it has no address")


def _unresolved(host: str, found: Resolution) -> FailureError:
    cause = Cause.NO_SUCH_NAME if found.no_such_name else Cause.NOT_RESOLVED
    return FailureError(Failure(cause, SERVER, f"{host} can't be resolved: {found.error}"))


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


@lru_cache(4096)
def refusal(address: str, own: tuple[str, ...], allow_private: bool) -> str | None:
    """Why an exit won't connect to an address; None if it may.

    Whatever is not on the public Internet is refused unless private targets are allowed: an exit that reaches its
    operator's router or a cloud's metadata service for strangers harms its operator.
    """
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    if ip.is_multicast or ip.is_unspecified:
        return f"{address} is no address of one host"
    if allow_private:
        return None
    if not ip.is_global:
        return f"exit policy: {address} is not on the public Internet"
    if str(ip) in own:
        return "exit policy: this is the exit itself"
    return None
