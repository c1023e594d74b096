"""Issue 9, 11: no address, network or owner gets more of our places than it may, and our own contacts keep theirs."""

from __future__ import annotations

from collections.abc import Callable

from tests.attacks.stranger import Stranger, at, invented, key_pair, record_of
from tests.network_ends import Ours, Peer, peers

from masq.core.effects import Log
from masq.core.limits import FRESH, KEPT_PLACES, MAX_DEGREE, MAX_LEAVES, MAX_LISTED, MAX_VISITORS
from masq.sim.world import World
from masq.types import DEFAULT_EARNING_WALLET, Endpoint, NodeAddress
from masq.wire.message import Gossip, GossipFailure, GossipRecord

VICTIM = Peer(0)


def intrudes(ours: Ours, number: int, ip: str, wallet: bytes, accepts: bool = True) -> bool:
    """A Debut that lists us already: a full neighbor at once, if it is taken."""
    keys = key_pair(number)
    record = invented(keys, frozenset((VICTIM.key,)), wallet=wallet, accepts=accepts)
    item = GossipRecord(record, NodeAddress(ip, (6001,)) if accepts else None)
    ours._take(ours.core.receive(Gossip((item,)), Endpoint(ip, 40_000 + number), ours.now, b""))
    return keys.public_key in ours.full


def wallet(number: int) -> bytes:
    return number.to_bytes(20, "big")


def test_11_five_keys_of_one_address_get_one_place(tell: Callable[[str], None]) -> None:
    world = World(1101)
    world.join(1)
    victim = world.hosts[0]
    stranger = Stranger(world, "10.0.9.9")
    for number in range(5):
        stranger.keys = key_pair(number)
        record = invented(stranger.keys, frozenset((victim.node.keys.public_key,)))
        stranger.say(victim, Gossip((at(record, stranger.ip),)))
    graph = victim.node.neighborhood.graph
    tell(f"5 keys of one address, one connection: {len(graph.root.neighbors)} of them listed")
    assert len(graph.root.neighbors) == 1
    assert len(graph.full_neighbors(graph.root_key)) == 1


def test_11_a_second_node_at_an_address_is_told_why_it_is_refused() -> None:
    ours = Ours()
    ours.befriends(Peer(1))
    ours.linked.add(Peer(1).key)
    second = GossipRecord(Peer(2).record(), Peer(1).address)
    (answer,) = ours.hears(Peer(1), second)
    assert answer.key == Peer(2).key
    assert answer.message is GossipFailure.MANUAL_REJECTION
    assert ours.full == [Peer(1).key]
    told = Ours(Peer(9).contact())
    told.starts()
    told._take(told.core.receive(GossipFailure.MANUAL_REJECTION, Peer(9).source, 1.0))
    assert "there is one at each" in told.logs[-1].detail


def test_11_nobody_takes_our_own_address() -> None:
    ours = Ours()
    (answer,) = ours._take(
        ours.core.receive(Gossip((GossipRecord(Peer(2).record(), Peer(0).address),)), Peer(0).source, 1.0)
    )
    assert answer.message is GossipFailure.MANUAL_REJECTION
    assert ours.graph.at(Peer(0).ip) == ours.key


def test_11_a_network_has_two_places_and_an_owner_one() -> None:
    """B12."""
    ours = Ours(diverse=True)
    assert [intrudes(ours, n, f"198.51.100.{n}", wallet(n)) for n in range(1, 5)] == [True, True, False, False]
    assert intrudes(ours, 6, "203.0.113.1", wallet(6))
    assert not intrudes(ours, 7, "192.0.2.1", wallet(6)), "another Node of that owner"


def test_11_a_thousand_keys_and_addresses_of_one_network_get_no_more(tell: Callable[[str], None]) -> None:
    ours = Ours(diverse=True)
    for number in range(1, 251):
        intrudes(ours, number, f"198.51.100.{number}", wallet(number))
    tell(f"250 keys, wallets and addresses of one /24: {len(ours.record.neighbors)} places")
    assert len(ours.record.neighbors) == 2


def test_11_the_wallet_that_stands_where_none_is_set_is_nobodys() -> None:
    ours = Ours(diverse=True)
    assert intrudes(ours, 1, "198.51.100.1", DEFAULT_EARNING_WALLET)
    assert intrudes(ours, 2, "203.0.113.1", DEFAULT_EARNING_WALLET)


def test_11_among_nodes_of_one_house_networks_and_owners_don_t_count() -> None:
    ours = Ours()
    assert all(intrudes(ours, n, f"10.2.0.{n}", wallet(1)) for n in range(1, MAX_DEGREE + 1))


def test_11_visitors_can_t_have_the_places_that_are_kept_for_those_we_choose() -> None:
    """B12."""
    chosen = peers(KEPT_PLACES, 20)
    ours = Ours(*(peer.contact() for peer in chosen), diverse=True)
    for number in range(1, 40):
        intrudes(ours, number, f"198.51.{number}.1", wallet(number))
    assert len(ours.full) == MAX_DEGREE - KEPT_PLACES
    ours.starts()
    for peer in chosen:
        ours.hears(peer, at(invented(peer.keys, frozenset((ours.key,)), wallet=wallet(1_000 + peer.number)), peer.ip))
    assert {peer.key for peer in chosen} <= set(ours.full)


def test_11_who_never_confirms_and_who_never_listens_lock_nobody_out(tell: Callable[[str], None]) -> None:
    ours = Ours()
    for number in range(1, 40):
        ours.hears(Peer(number), Peer(number).shown())
        hidden = Peer(100 + number)
        ours.hears(hidden, hidden.hidden(accepts=False))
    assert len(ours.record.neighbors) <= 2 * MAX_VISITORS
    ours.waits(FRESH + 1)
    honest = Peer(200)
    ours.befriends(honest)
    for number in range(300, 340):
        hidden = Peer(number)
        ours.hears(hidden, hidden.hidden(ours.key, accepts=False))
    leaves = [key for key in ours.full if key != honest.key]
    tell(f"78 visitors that never confirm, then 40 that never listen: {len(leaves)} of them listed at the end")
    assert len(leaves) <= MAX_LEAVES
    assert len(ours.record.neighbors) < MAX_LISTED
    assert honest.key in ours.full
    ours.befriends(Peer(201))


def test_11_visitors_that_hang_up_evict_nobody_whom_the_operator_named() -> None:
    named = peers(3, 20)
    ours = Ours(*(peer.contact() for peer in named))
    for number in range(1, 40):
        ours.befriends(Peer(100 + number))
        ours.loses(Peer(100 + number))
    asked = {tell.key for tell in ours.waits(1_300.0)}
    assert {peer.key for peer in named} <= asked
    assert len(ours.core.contacts.by_ip) <= MAX_LISTED


def test_11_honest_newcomers_still_join_while_somebody_visits_without_end() -> None:
    world = World(1102)
    world.join(5)
    world.run(10)
    for number in range(12):
        stranger = Stranger(world, f"10.0.9.{number}", seed=number)
        for host in world.hosts[:5]:
            stranger.say(host, Gossip((at(invented(stranger.keys), stranger.ip),)))
    newcomer = world.add(world.hosts[3:5])
    world.run(60)
    assert newcomer.node.has_route
    assert all(host.node.has_route for host in world.hosts)
    assert not [log for host in world.hosts for log in host.logs if isinstance(log, Log) and log.event == "offence"]
    circles = [log for host in world.hosts for log in host.logs if isinstance(log, Log) and log.event == "pass_loop"]
    assert len(circles) <= 60, "who is sent where it has been asks elsewhere, but not a thousand times a second"
    # Those that never confirm are gone by now, and leave their places.
    assert world.run_until(lambda: len(record_of(newcomer).neighbors) >= 3, 60)
