"""Where a Node is: the address that it tells others, where it listens, which country that is."""

from __future__ import annotations

import ipaddress
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from masq.errors import SettingError
from masq.settings import Settings
from masq.shell.store import Store
from masq.types import NodeAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a Node is reached; nowhere, if it doesn't listen."""

    address: NodeAddress | None
    local_ip: str | None
    """The same IP address, if this machine itself has it; behind NAT it is the router's."""
    listener: socket.socket | None
    country: str | None


def find_place(settings: Settings, store: Store) -> Place:
    """The place for these settings, its port bound. SettingError if there is none."""
    if not settings.neighborhood_mode.accepts_connections:
        return Place(address=None, local_ip=None, listener=None, country=None)
    ip = settings.ip or _own_ip()
    local = ip if _is_local(ip) else None
    listener, port = _listen(settings, store, local)
    return Place(address=NodeAddress(ip, (port,)), local_ip=local, listener=listener, country=country_of(ip))


def _listen(settings: Settings, store: Store, local: str | None) -> tuple[socket.socket, int]:
    """A bound socket at the clandestine port: the one given, the one remembered, or a free one, then remembered."""
    given = settings.clandestine_port
    remembered = store.get("clandestine_port")
    candidates: Sequence[int]
    if given is not None:
        candidates = [given]
    elif remembered is not None:
        candidates = [int(remembered)]
    else:
        candidates = random.sample(range(1025, 9999), 50)
    problem: OSError | None = None
    for port in candidates:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # Behind NAT the advertised address is the router's: all of ours listen then.
            listener.bind((local or "0.0.0.0", port))
        except OSError as error:
            listener.close()
            problem = error
            continue
        if str(port) != remembered:
            store.set("clandestine_port", str(port))
        return listener, port
    raise SettingError("clandestine-port", f"can't listen at {candidates[0]}: {problem}; choose another one")


def _own_ip() -> str:
    """The address that this machine sends from, if the world can reach it there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # Nothing is sent: the kernel only looks up the way.
            ip = str(probe.getsockname()[0])
        except OSError:
            ip = "0.0.0.0"
    if not ipaddress.ip_address(ip).is_global:
        raise SettingError("ip", f"this machine's address is {ip}, which the world can't reach: give your public one")
    return ip


def _is_local(ip: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((ip, 0))
        except OSError:
            return False
    return True


def country_of(ip: str) -> str | None:
    """The country to which an IP address of the world is allotted."""
    if not ipaddress.ip_address(ip).is_global:
        return None
    import iptocc

    country = iptocc.country_code(ip)
    return str(country) if country else None
