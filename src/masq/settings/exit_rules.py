"""The rules of an exit policy, as tor writes them: `reject *:25, accept 192.0.2.0/24:80-90, accept *:*`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from masq.wire.internet import IPAddress, is_public

Network = IPv4Network | IPv6Network

LAST_PORT: Final = 65_535
DEFAULT_RULES: Final = (
    "reject *:25, reject *:119, reject *:135-139, reject *:445, reject *:563, reject *:1214, reject *:4661-4666, "
    "reject *:6346-6429, reject *:6699, reject *:6881-6999, accept *:*"
)
"""Mail, news, shares of Windows and the file sharing of old: what gets an exit's address listed, as tor has it."""

_RULE: Final = re.compile(
    r"(?P<verb>accept|reject)\s+"
    r"(?P<host>\*[46]?|private|[0-9.]+|\[[0-9A-Fa-f:.]+\])(?:/(?P<bits>[0-9]{1,3}))?"
    r"(?::(?P<ports>\*|[0-9]{1,5}(?:-[0-9]{1,5})?))?"
)
_EVERYWHERE: Final = {"*4": "0.0.0.0/0", "*6": "::/0"}


@dataclass(frozen=True, slots=True)
class ExitRule:
    """One rule. `network` None with `private` false is any address; `private`: what isn't on the public Internet."""

    accept: bool
    network: Network | None
    private: bool
    first: int
    last: int
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def anywhere(self) -> bool:
        return self.network is None and not self.private

    def covers(self, ip: IPAddress) -> bool:
        if self.private:
            return not is_public(ip)
        return self.network is None or ip in self.network

    def names(self, port: int) -> bool:
        return self.first <= port <= self.last


def exit_rules(text: str) -> tuple[ExitRule, ...]:
    """Rules of a policy, separated by commas; ValueError says which one is wrong.

    Unless one of them is about everything, those by default follow: what an operator adds takes nothing away.
    """
    rules = tuple(_rule(part.strip()) for part in text.split(",")) if text.strip() else ()
    if any(rule.anywhere and (rule.first, rule.last) == (1, LAST_PORT) for rule in rules):
        return rules
    return rules + exit_rules(DEFAULT_RULES)


def _rule(text: str) -> ExitRule:
    match = _RULE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no rule such as reject 192.0.2.0/24:25 or accept [2001:db8::]/32:80-90")
    host, bits = match["host"], match["bits"]
    if host in ("*", "private") or host in _EVERYWHERE:
        if bits is not None:
            raise ValueError(f"{text!r}: {host} has no length")
        network = ip_network(_EVERYWHERE[host]) if host in _EVERYWHERE else None
    else:
        try:
            network = ip_network(host.strip("[]") + (f"/{bits}" if bits is not None else ""), strict=False)
        except ValueError:
            raise ValueError(f"{text!r}: {host} is no network") from None
        if (network.version == 6) != host.startswith("["):
            raise ValueError(f"{text!r}: IPv6 stands in brackets, and nothing else")
    low, _, high = (match["ports"] or "*").partition("-")
    first, last = (1, LAST_PORT) if low == "*" else (int(low), int(high or low))
    if not 1 <= first <= last <= LAST_PORT:
        raise ValueError(f"{text!r}: ports go from 1 to {LAST_PORT}")
    return ExitRule(match["verb"] == "accept", network, host == "private", first, last, " ".join(text.split()))
