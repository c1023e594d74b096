"""Rogue peers in a simulated world: a stranger that speaks JSON from an address of its own, and lies of Nodes."""

from __future__ import annotations

import itertools
import random
from typing import Final

from masq.core.effects import Log, Tell
from masq.core.offence import Rule
from masq.crypto import CryptDE
from masq.sim.host import Host
from masq.sim.world import CHAIN, PORT, World
from masq.types import DEFAULT_RATE_PACK, Address, Endpoint, NodeAddress, PublicKey, RatePack
from masq.wire.frame import mask
from masq.wire.message import Gossip, GossipFailure, GossipRecord, NodeRecord, encode_message
from masq.wire.package import Package, single_hop

NUMBERS: Final = itertools.count(10_000)


def key_pair(seed: int) -> CryptDE:
    return CryptDE(CHAIN.contract, random.Random(seed).randbytes)


def invented(
    keys: CryptDE,
    neighbors: frozenset[PublicKey] = frozenset(),
    version: int = 0,
    *,
    wallet: Address = bytes(20),
    rates: RatePack = DEFAULT_RATE_PACK,
    accepts: bool = True,
    extensions: tuple[str, ...] = (),
) -> NodeRecord:
    return NodeRecord.sign(keys, wallet, rates, neighbors, accepts, True, version, None, extensions)


def at(record: NodeRecord, ip: str | None = None, port: int = PORT) -> GossipRecord:
    return GossipRecord(record, NodeAddress(ip, (port,)) if ip else None)


class Stranger:
    """Somebody at an address of a world, who takes every connection and hears what he is told, without a word.

    It stands in for a Host where the network wants one.
    """

    def __init__(self, world: World, ip: str, seed: int = 1) -> None:
        self.world, self.ip, self.keys = world, ip, key_pair(seed)
        self.number, self.alive, self.listens = next(NUMBERS), True, True
        self.heard = 0
        self.node = self
        self._links = itertools.count(1)
        self._by_ip: dict[str, int] = {}
        world.by_ip[ip] = self  # type: ignore[assignment]

    def say(self, host: Host, *messages: Gossip | GossipFailure) -> None:
        """Over JSON, on one connection for all."""
        if host.ip not in self._by_ip:
            self._by_ip[host.ip] = next(self._links)
            self.world.network.dial(self, self._by_ip[host.ip], Endpoint(host.ip, PORT))  # type: ignore[arg-type]
        wire = self.world.network.of(self, self._by_ip[host.ip])  # type: ignore[arg-type]
        key = host.node.keys.public_key
        for message in messages:
            package = Package(single_hop(self.keys, key), self.keys.seal(key, encode_message(message)))
            if wire is not None:
                wire.write(mask(self.keys.seal(key, package.encode())))
        self.world.run(0.5)

    def hang_up(self) -> None:
        for wire in self.world.network.all_of(self):  # type: ignore[arg-type]
            wire.close()
        self._by_ip.clear()
        self.world.run(0.5)

    # What the network calls.

    def accept(self, peer: Endpoint, now: float) -> int:
        return next(self._links)

    def dialled(self, link: int) -> None: ...

    def dial_failed(self, link: int) -> None:
        self._by_ip = {ip: other for ip, other in self._by_ip.items() if other != link}

    def link_heard(self, link: int, data: bytes) -> None:
        self.heard += len(data)

    def link_lost(self, link: int) -> None:
        self.dial_failed(link)

    def link_congested(self, link: int) -> None: ...

    def link_drained(self, link: int) -> bool:
        return False


def tell(rogue: Host, victim: Host, message: Gossip | GossipFailure) -> None:
    """A Node of the network sends a message over its own link."""
    endpoint = Endpoint(victim.ip, PORT)
    said = Tell(victim.node.keys.public_key, endpoint, message)
    rogue.carry(rogue.node._carry([said], rogue.world.now))
    rogue.world.run(0.5)


def record_of(host: Host) -> NodeRecord:
    return host.node.neighborhood.graph.root


def is_full(one: Host, other: Host) -> bool:
    return one.node.neighborhood.graph.is_full(one.node.keys.public_key, other.node.keys.public_key)


def offences(host: Host, rule: Rule) -> list[str]:
    return [
        log.detail for log in host.logs if isinstance(log, Log) and log.event == "offence" and rule.words in log.detail
    ]
