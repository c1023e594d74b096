"""Which addresses are those of hosts on the public Internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

IPAddress = IPv4Address | IPv6Address

NAT64: Final = IPv6Network("64:ff9b::/96")
"""IPv4 as hosts with IPv6 alone reach it (RFC 6052): the last 32 bits are the address."""
PUBLIC_SIX: Final = IPv6Network("2000::/3")
"""All that was ever given out as global unicast: the rest is for one machine, one link, one site, or for nobody."""
NOT_PUBLIC_FOUR: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""IANA's registry of special addresses, without those for services that anybody may reach (AS112, AMT). Own tables
rather than `is_global`, which says another thing in each version of Python."""
NOT_PUBLIC_SIX: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo among them: whoever answers there is behind somebody's tunnel.
        "2001:db8::/32",
        "2002::/16",  # 6to4: the same.
        "3fff::/20",
    )
)


def judged(address: str) -> IPAddress:
    """What a text is the address of: the IPv4 address inside where IPv6 only wraps one. ValueError if it is none."""
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else ip


def is_public(ip: IPAddress) -> bool:
    """Whether an address is that of a host which everybody on the Internet may reach."""
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in NOT_PUBLIC_FOUR)
    return ip in PUBLIC_SIX and not any(ip in network for network in NOT_PUBLIC_SIX)
