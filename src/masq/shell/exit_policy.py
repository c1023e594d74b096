"""Whom an exit serves its users: what the operator's rules say, and never its own side of the Internet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address
from typing import Final

from masq.settings import Settings
from masq.settings.exit_rules import LAST_PORT, ExitRule
from masq.shell.own_addresses import OwnAddresses
from masq.wire.internet import IPAddress, is_public, judged

BROADCAST: Final = IPv4Address("255.255.255.255")


class ExitPolicy:
    """Judges targets of streams, datagrams and look-ups: the first rule that fits says.

    Whatever is not on the public Internet, and this machine itself, is refused before any rule unless private targets
    are allowed: an exit that reaches its operator's router or a cloud's metadata service for strangers harms its
    operator.
    """

    def __init__(self, rules: Sequence[ExitRule], own: OwnAddresses, allow_private: bool) -> None:
        self._rules = tuple(rules)
        self._own = own
        self.allows_private = allow_private
        self._of_port: dict[int, str | None] = {}
        """What was found of ports so far: there are few, and many rules."""

    def refusal(self, address: str, port: int | None = None) -> str | None:
        """Why an address, at this port, is not served; None if it is.

        Without a port: why none of its ports is. ValueError if it is no address.
        """
        if "%" in address:
            return f"exit policy: {address} is an address of one link"
        ip = judged(address)
        if ip.is_multicast or ip.is_unspecified or ip == BROADCAST:
            return f"exit policy: {address} is no address of one host"
        if not self.allows_private:
            if not is_public(ip):
                return f"exit policy: {address} is not on the public Internet"
            if ip in self._own:
                return f"exit policy: {address} is the exit itself"
        rule = self._first(ip, port) if port is not None else self._of_all_ports(ip)
        if rule is None or rule.accept:
            return None
        return f"exit policy: {address}{'' if port is None else f' port {port}'} falls under `{rule}`"

    def refusal_of_port(self, port: int) -> str | None:
        """Why a port is not served at any address, so that no name has to be looked up for it; None if it may be."""
        if port not in self._of_port:
            self._of_port[port] = self._refusal_of_port(port)
        return self._of_port[port]

    def _refusal_of_port(self, port: int) -> str | None:
        for rule in self._rules:
            if rule.names(port):
                if rule.accept:
                    return None
                if rule.anywhere:
                    return f"exit policy: port {port} falls under `{rule}`"
        return None

    def lines(self) -> Iterator[str]:
        """All that is judged by, in its order: for the operator to read."""
        if self.allows_private:
            yield "# exit-allow-private is on: this machine and its networks are served to strangers"
        else:
            yield "reject private:*"
            for ip in self._own.addresses():
                if is_public(ip):
                    yield f"reject {ip if ip.version == 4 else f'[{ip}]'}:*"
        yield from map(str, self._rules)

    def _first(self, ip: IPAddress, port: int) -> ExitRule | None:
        return next((rule for rule in self._rules if rule.names(port) and rule.covers(ip)), None)

    def _of_all_ports(self, ip: IPAddress) -> ExitRule | None:
        """The rule by which the last port of an address falls; None if one of them is served."""
        closed: list[tuple[int, int]] = []
        for rule in self._rules:
            if not rule.covers(ip):
                continue
            if rule.accept:
                if not _within(rule.first, rule.last, closed):
                    return None
                continue
            closed.append((rule.first, rule.last))
            if _within(1, LAST_PORT, closed):
                return rule
        return None


def exit_policy(settings: Settings, advertised: Iterable[str] = ()) -> ExitPolicy:
    """The policy of a Node with these settings, whom the world knows by these addresses."""
    return ExitPolicy(settings.exit_policy, OwnAddresses(advertised), settings.exit_allow_private)


def _within(first: int, last: int, spans: list[tuple[int, int]]) -> bool:
    """Whether all of a span of ports lies in these together."""
    for low, high in sorted(spans):
        if low <= first <= high:
            first = high + 1
    return first > last
