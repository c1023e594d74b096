"""All addresses of this machine, whatever Node or mode: an exit serves none of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from ipaddress import IPv6Network, ip_address, ip_network
from typing import Final

import ifaddr

from masq.wire.internet import IPAddress

FRESH_FOR: Final = 5.0
"""Seconds that what the kernel said of its interfaces is believed: addresses come with DHCP and IPv6's privacy."""
LONGEST_SITE: Final = 48
"""Bits that a prefix of IPv6 has at least for the whole of it to be taken for the operator's own network."""

Interfaces = Callable[[], Iterable[tuple[str, int]]]
"""Gives all addresses of interfaces, with the lengths of their prefixes. OSError if it can't."""


def interfaces() -> Iterable[tuple[str, int]]:
    """As the kernel has them."""
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            yield each.ip if isinstance(each.ip, str) else each.ip[0], each.network_prefix


class OwnAddresses:
    """What is this machine, or its operator's own network.

    All of an IPv6 prefix counts: a router that lets nobody in from outside lets this machine reach the others there.
    A prefix of IPv4 with public addresses is shared with strangers, so it doesn't.
    """

    def __init__(
        self,
        advertised: Iterable[str] = (),
        look: Interfaces = interfaces,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`advertised`: addresses that the world knows this Node by, which a router may have instead of us."""
        self._advertised = frozenset(ip_address(each) for each in advertised)
        self._look = look
        self._clock = clock
        self._own = self._advertised
        self._networks: frozenset[IPv6Network] = frozenset()
        self._until = float("-inf")

    def __contains__(self, ip: IPAddress) -> bool:
        self._refresh()
        return ip in self._own or any(ip in network for network in self._networks)

    def addresses(self) -> list[IPAddress]:
        """In an order for people."""
        self._refresh()
        return sorted(self._own, key=lambda ip: (ip.version, int(ip)))

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._until:
            return
        self._until = now + FRESH_FOR
        try:
            found = [(ip_address(text.partition("%")[0]), bits) for text, bits in self._look()]
        except (OSError, ValueError):
            return  # What was known before is better than nothing.
        self._own = self._advertised | {ip for ip, _ in found}
        nets = (ip_network((ip, bits), strict=False) for ip, bits in found if bits >= LONGEST_SITE)
        self._networks = frozenset(net for net in nets if isinstance(net, IPv6Network))
