"""Rogue peers in a simulated world: a stranger that speaks JSON from an address of its own, and lies of Nodes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from types import SimpleNamespace

from masq.core.effects import Log, Tell
from masq.core.offence import Rule
from masq.crypto import CryptDE, Keys
from masq.sim.host import SimNode as Host
from masq.sim.world import CHAIN, PORT, World
from masq.types import DEFAULT_RATE_PACK, Address, Endpoint, Mode, NodeAddress, PublicKey, RatePack
from masq.wire.frame import mask
from masq.wire.message import Gossip, GossipFailure, GossipRecord, NodeRecord, encode_message
from masq.wire.package import Package, single_hop


def key_pair(seed: int) -> CryptDE:
    return CryptDE(CHAIN.contract, random.Random(seed).randbytes)


def invented(
    keys: Keys,
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

    He stands in for a Node, and the turn it takes, where the network wants one.
    """

    def __init__(self, world: World, ip: str, seed: int = 1) -> None:
        self.world, self.ip, self.keys = world, ip, key_pair(seed)
        self.heard = 0
        self.alive = True
        self.node = self
        self.rules = SimpleNamespace(mode=Mode.STANDARD)
        self._numbers = itertools.count(1)
        self._by_ip: dict[str, int] = {}
        self._links = world.network.join(self, ip)  # type: ignore[arg-type]

    def say(self, host: Host, *messages: Gossip | GossipFailure) -> None:
        """Over JSON, on one connection for all."""
        if host.ip not in self._by_ip:
            self._by_ip[host.ip] = next(self._numbers)
            self.world.network.dial(self._links, self._by_ip[host.ip], Endpoint(host.ip, PORT))
        key = host.node.keys.public_key
        for message in messages:
            package = Package(single_hop(self.keys, key), self.keys.seal(key, encode_message(message)))
            self._links.write(self._by_ip.get(host.ip, 0), mask(self.keys.seal(key, package.encode())))
        self.world.run(0.5)

    def hang_up(self) -> None:
        self._links.close_all()
        self._by_ip.clear()
        self.world.run(0.5)

    # --- what the network calls ---

    @property
    def now(self) -> float:
        return self.world.now

    def carry(self, effects: Iterable[object]) -> None: ...

    def accept(self, peer: Endpoint, now: float) -> tuple[int, list[object]]:
        return next(self._numbers), []

    def dialled(self, link: int, now: float) -> list[object]:
        return []

    def dial_failed(self, link: int, reason: str, now: float) -> list[object]:
        return self.link_closed(link, now)

    def link_received(self, link: int, data: memoryview, now: float) -> list[object]:
        self.heard += len(data)
        return []

    def link_closed(self, link: int, now: float) -> list[object]:
        self._by_ip = {ip: other for ip, other in self._by_ip.items() if other != link}
        return []

    def link_congested(self, link: int, now: float) -> list[object]:
        return []

    def link_drained(self, link: int, now: float) -> list[object]:
        return []


def tell(rogue: Host, victim: Host, message: Gossip | GossipFailure) -> None:
    """A Node of the network sends a message over its own link."""
    endpoint = Endpoint(victim.ip, PORT)
    said = Tell(victim.node.keys.public_key, endpoint, message)
    rogue.carry(rogue.node._carry([said], rogue.turn.now))
    rogue.turn.clock.run(0.5)


def record_of(host: Host) -> NodeRecord:
    return host.node.neighborhood.graph.root


def is_full(one: Host, other: Host) -> bool:
    return one.node.neighborhood.graph.is_full(one.node.keys.public_key, other.node.keys.public_key)


def offences(host: Host, rule: Rule) -> list[str]:
    return [
        log.detail for log in host.logs if isinstance(log, Log) and log.event == "offence" and rule.words in log.detail
    ]
