"""What this machine's settings say of names: /etc/resolv.conf and /etc/hosts, read again when they change."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as AsyncResolver

T = TypeVar("T")

RESOLV_CONF: Final = Path("/etc/resolv.conf")
HOSTS: Final = Path("/etc/hosts")

Stamp = tuple[int, int, int]


class Watched(Generic[T]):
    """What is read from a file, as it is now."""

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        """`read` finds something for a file that isn't there, too."""
        self._path = path
        self._read = read
        self._known: tuple[Stamp | None, T] | None = None

    def now(self) -> T:
        stamp = self._stamp()
        if self._known is None or self._known[0] != stamp:
            self._known = stamp, self._read(self._path)
        return self._known[1]

    def _stamp(self) -> Stamp | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size


def asker(path: Path = RESOLV_CONF) -> AsyncResolver:
    """A resolver that asks the servers which resolv.conf(5) names; the one of this machine if it names none."""
    import dns.asyncresolver
    import dns.exception

    made = dns.asyncresolver.Resolver(configure=False)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            made.read_resolv_conf(file)
    except (OSError, dns.exception.DNSException, ValueError):
        pass
    if not made.nameservers:
        made.nameservers = ["127.0.0.1"]
    return made


def hosts(path: Path = HOSTS) -> dict[str, tuple[str, ...]]:
    """The addresses of names, in lower case, that hosts(5) gives."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found: dict[str, dict[str, None]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            ip = str(ipaddress.ip_address(address.partition("%")[0]))
        except ValueError:
            continue
        for name in names:
            found.setdefault(name.lower().rstrip("."), {})[ip] = None
    return {name: tuple(addresses) for name, addresses in found.items()}
