"""Issue 9, 13: a neighbor that invents Nodes fills no table, and leads nobody astray by their addresses."""

from __future__ import annotations

from collections.abc import Callable

from tests.attacks.stranger import at, invented, is_full, key_pair, record_of, tell
from tests.network_ends import Ours, Peer

from masq.core.limits import BELIEVED_AT_ONCE, KNOWN_SHARE, MAX_KNOWN
from masq.crypto import CryptDE
from masq.sim.world import World
from masq.types import RatePack
from masq.wire.message import Gossip, GossipRecord

CHEAP = RatePack(1, 1, 1, 1)


def crowd(liar: bytes, first: int, count: int) -> list[CryptDE]:
    return [key_pair(number) for number in range(first, first + count)]


def lies(ours: Ours, liar: Peer, version: int, first: int) -> None:
    """Sixty Nodes that list the liar, and it lists them: all of it true to the rules, and none of them there."""
    keys = crowd(liar.key, first, 60)
    listed = [each.public_key for each in keys]
    records = [at(invented(each, frozenset((liar.key,)), rates=CHEAP)) for each in keys]
    ours.hears(liar, liar.shown(ours.key, *listed, version=version), *records)


def test_13_one_neighbor_is_believed_so_much_and_no_more(tell: Callable[[str], None]) -> None:
    ours = Ours()
    liar, honest = Peer(1), Peer(2)
    ours.befriends(liar)
    ours.befriends(honest)
    for number in range(8):
        lies(ours, liar, 10 + number, 10_000 + 100 * number)
    at_once = len(ours.graph) - 3
    assert at_once <= BELIEVED_AT_ONCE + 1
    for number in range(40):
        ours.now += 60.0
        lies(ours, liar, 100 + number, 20_000 + 100 * number)
    by_liar = ours.graph.known_by(liar.key)
    tell(f"480 invented Nodes at once: {at_once} believed; 2,400 more within 40 minutes: {by_liar} known in all")
    assert by_liar <= MAX_KNOWN // KNOWN_SHARE
    found = [Peer(number) for number in range(300, 310)]
    ours.hears(
        honest, honest.shown(ours.key, *(p.key for p in found), version=9), *(p.hidden(honest.key) for p in found)
    )
    assert all(ours.knows(peer) for peer in found), "what others tell is still heard"


def test_13_strangers_tell_of_nobody_whom_we_don_t_know() -> None:
    ours = Ours()
    neighbor, stranger = Peer(1), Peer(5)
    ours.befriends(neighbor, Peer(6).key)
    ours.hears(stranger, stranger.shown(), Peer(6).hidden(neighbor.key), Peer(7).hidden())
    assert not ours.knows(Peer(6))


def test_13_streams_go_on_though_a_neighbor_invents_hundreds(tell: Callable[[str], None]) -> None:
    world = World(1301)
    world.join(10)
    world.run(20)
    victim = world.hosts[4]
    liar = next(host for host in world.hosts if host is not victim and is_full(victim, host))
    own = record_of(liar)
    before = len(victim.node.neighborhood.graph)
    for turn in range(4):
        keys = crowd(own.public_key, 30_000 + 100 * turn, 50)
        listed = own.neighbors | {each.public_key for each in keys}
        root = invented(
            liar.node.keys,
            listed,
            own.version + turn + 1,
            rates=own.rates,
            wallet=own.earning_wallet,
            extensions=own.extensions,
        )
        pairs = [at(invented(each, frozenset((own.public_key,)), rates=CHEAP)) for each in keys]
        _say(liar, victim, at(root, liar.ip), pairs)
    after = len(victim.node.neighborhood.graph)
    tell(f"200 Nodes invented by one neighbor: {before} known before, {after} after")
    assert after - before <= BELIEVED_AT_ONCE + 8


def _say(liar: object, victim: object, root: GossipRecord, others: list[GossipRecord]) -> None:
    tell(liar, victim, Gossip((root, *others)))  # type: ignore[arg-type]
