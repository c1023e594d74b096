"""Names to addresses: what the system's files say, and else what DNS servers answer."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from masq.core.failure import SERVER, Cause, Failure, FailureError
from masq.shell.process import is_scarcity
from masq.shell.system_names import HOSTS, RESOLV_CONF, Watched, asker, hosts
from masq.wire.circuit import MAX_ADDRESSES, NO_SUCH_NAME, Addresses, Resolution

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as AsyncResolver

TTL: Final = 60
"""Seconds that an address holds where nobody says."""
LOCALHOST: Final = (("127.0.0.1", TTL), ("::1", TTL))
LONGEST_NAME: Final = 253
"""Letters of a name (RFC 1035, 2.3.4)."""


class Resolver:
    """Looks names up at the given DNS servers, or at those of the system. No thread waits for anything.

    Names are taken as they are: no domain of the system's is put behind them, so no stranger asks for its neighbors.
    """

    def __init__(self, servers: Collection[str], timeout: float = 10.0, port: int = 53) -> None:
        self._timeout = timeout
        self._port = port
        self._hosts = None if servers else Watched(HOSTS, hosts)
        self._given = self._made(servers) if servers else None
        self._system = Watched(RESOLV_CONF, asker)
        self._backend: Any = None

    async def addresses(self, host: str) -> list[str]:
        """All addresses of a host, IPv4 first; an IP literal is itself. FailureError if there are none."""
        return [address for address, _ in await self.look_up(host)]

    async def look_up(self, host: str) -> Addresses:
        """All addresses of a host, IPv4 first, with the seconds that they hold. FailureError if there are none."""
        known = self.known(host)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._ask(host)
        except TimeoutError:
            words = f"the DNS server gave no answer in {self._timeout:.0f} s"
            raise _unresolved(host, Resolution((), words)) from None
        if found.error:
            raise _unresolved(host, found)
        pairs = [pair for pair in found.addresses if not ipaddress.ip_address(pair[0]).is_unspecified]
        if not pairs:
            raise _unresolved(host, Resolution((), "it has no address"))
        return tuple(sorted(pairs, key=lambda pair: ":" in pair[0]))[:MAX_ADDRESSES]

    def known(self, host: str) -> Addresses | None:
        """What nobody has to be asked for: literals, names of this machine (RFC 6761, 6.3), those in its file."""
        literal = literal_of(host)
        if literal is not None:
            return ((literal, TTL),)
        name = host.lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return LOCALHOST
        addresses = self._hosts.now().get(name) if self._hosts is not None else None
        return tuple((address, TTL) for address in addresses) if addresses else None

    def _made(self, servers: Collection[str]) -> AsyncResolver:
        import dns.asyncresolver

        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers = list(servers)
        made.port = self._port
        return made

    async def _ask(self, host: str) -> Resolution:
        import dns.exception
        import dns.resolver

        from masq.shell.dns_sockets import CleanBackend

        if not 0 < len(host) <= LONGEST_NAME:
            return Resolution((), "it is no name")
        resolver = self._given or self._system.now()
        backend = self._backend = self._backend or CleanBackend()

        scarce: list[str] = []

        async def ask(kind: str) -> Resolution:
            try:
                answer = await resolver.resolve(host, kind, search=False, lifetime=self._timeout, backend=backend)
            except dns.resolver.NXDOMAIN:
                return Resolution((), NO_SUCH_NAME)
            except dns.resolver.NoAnswer:
                return Resolution()
            except (dns.exception.DNSException, OSError, UnicodeError, ValueError) as error:
                if _is_scarcity(error):
                    scarce.append(kind)
                return Resolution((), str(error))
            ttl = answer.rrset.ttl if answer.rrset is not None else TTL
            return Resolution(tuple((record.address, ttl) for record in answer))

        both = await asyncio.gather(ask("A"), ask("AAAA"))
        pairs = tuple(pair for one in both for pair in one.addresses)
        if scarce and not pairs:
            raise FailureError(Failure(Cause.OVERLOADED, detail=f"no socket to ask a DNS server for {host}"))
        return Resolution(pairs, "" if pairs else both[0].error or both[1].error or "it has no address")


def _is_scarcity(error: Exception) -> bool:
    """Whether a DNS server could not be asked as there was no descriptor for it. The library tells of its tries."""
    import dns.exception

    tries = error.kwargs.get("errors", ()) if isinstance(error, dns.exception.DNSException) else ()
    return is_scarcity(error) or any(is_scarcity(each[3]) for each in tries)


def _unresolved(host: str, found: Resolution) -> FailureError:
    cause = Cause.NO_SUCH_NAME if found.no_such_name else Cause.NOT_RESOLVED
    return FailureError(Failure(cause, SERVER, f"{host} can't be resolved: {found.error}"))


def literal_of(host: str) -> str | None:
    """The address that a host is, in its usual form, IPv4 also where IPv6 wraps it; None if it is a name."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    return str(getattr(ip, "ipv4_mapped", None) or ip)
