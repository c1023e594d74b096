"""Names to addresses at the exit, and which addresses an exit may connect to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection
from typing import Final

from masq.errors import UnavailableError
from masq.wire.circuit import Resolution

TTL: Final = 60
"""Seconds that an address holds where the system doesn't say."""


class Resolver:
    """Looks names up at the given DNS servers, or as the system does."""

    def __init__(self, servers: Collection[str], timeout: float = 10.0) -> None:
        self._servers = list(servers)
        self._timeout = timeout
        self._asker: object | None = None

    async def addresses(self, host: str) -> list[str]:
        """All addresses of a host, IPv4 first; an IP literal is itself. UnavailableError if there are none."""
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        try:
            async with asyncio.timeout(self._timeout):
                found = await (self._ask(host) if self._servers else self._ask_system(host))
        except TimeoutError as error:
            raise UnavailableError(f"the DNS server gave no answer about {host} in {self._timeout:.0f} s") from error
        addresses = [address for address in found if not ipaddress.ip_address(address).is_unspecified]
        if not addresses:
            raise UnavailableError(f"{host} has no address")
        return addresses

    async def look_up(self, host: str) -> Resolution:
        """For somebody else: addresses that are public or not, with the seconds they hold, or what went wrong."""
        try:
            return Resolution(tuple((address, TTL) for address in await self.addresses(host)))
        except UnavailableError as error:
            return Resolution((), str(error))

    async def _ask_system(self, host: str) -> list[str]:
        try:
            answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UnavailableError(f"{host} can't be resolved: {error}") from error
        found = [str(answer[4][0]) for answer in answers]
        return sorted(dict.fromkeys(found), key=lambda address: ":" in address)

    async def _ask(self, host: str) -> list[str]:
        import dns.asyncresolver
        import dns.exception

        if self._asker is None:
            asker = dns.asyncresolver.Resolver(configure=False)
            asker.nameservers = list(self._servers)
            asker.lifetime = self._timeout
            asker.cache = None
            self._asker = asker
        assert isinstance(self._asker, dns.asyncresolver.Resolver)
        found: list[str] = []
        problem: Exception | None = None
        for kind in ("A", "AAAA"):
            try:
                answer = await self._asker.resolve(host, kind, search=False)
                found += [record.address for record in answer]
            except (dns.exception.DNSException, OSError, UnicodeError) as error:
                problem = error
            if found:
                break
        if not found and problem is not None:
            raise UnavailableError(f"{host} can't be resolved: {problem}")
        return found


def refusal(address: str, own: Collection[str], allow_private: bool) -> str | None:
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
