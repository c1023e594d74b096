"""Issue 9, 8: relays and exits that swallow what they are given, and those that lie about others.

In the simulator: there a Node of a route can be made to do anything.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from masq.core.circuits.origin import OwnCircuit
from masq.sim.faults.relays import lose_cells
from masq.sim.host import SimNode
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download, Echo, content_of
from masq.sim.world import World
from masq.types import PublicKey

Tell = Callable[[str], None]

SOON = 15.0
"""Virtual seconds in which a stream has to have found another way; a round trip takes 0.03."""
TOLD = 60.0
"""Virtual seconds in which a user whose stream had begun has to be told."""
MIDDLE = 6
"""A Node from which many ways lead."""


class Silent(Application):
    """Hears, and says nothing."""


def network(seed: int) -> tuple[World, SimNode]:
    """A world, and the Node of its user."""
    world = World(seed)
    world.join(14)
    world.run(20)
    world.servers |= {("files.test", 80): Download, ("echo.test", 7): Echo, ("silent.test", 1): Silent}
    return world, world.hosts[MIDDLE]


def client(host: SimNode, target: str, port: int, words: bytes, group: str = "") -> Application:
    application = Application()
    host.open(application, target, port, group)
    application.send(words)
    return application


def circuit_of(user: SimNode) -> OwnCircuit:
    """The circuit of the one stream that there is."""
    (stream,) = user.node.circuit_entry.streams()
    assert stream.circuit
    return stream.circuit


def hop_of(world: World, own: OwnCircuit, position: int) -> SimNode:
    key = own.route.over[position + 1]
    return next(host for host in world.hosts if host.node.keys.public_key == key)


def swallow(host: SimNode) -> None:
    """Let a Node accept circuits, and swallow all cells."""
    lose_cells(host, 1.0)


def lie(host: SimNode) -> None:
    """Let a Node say of all others that it can't reach them."""
    circuits = host.node.circuits
    circuits._ways = circuits._ways._replace(to=lambda key: None)


def avoided(user: SimNode) -> set[PublicKey]:
    """Whom a Node gives no circuits to for the time being."""
    return set(user.node.own_circuits.blame.keys(user.turn.now))


@pytest.mark.parametrize("position", [0, 1, 2])
def test_08_a_stream_goes_on_over_another_way_when_a_hop_swallows_it(position: int, tell: Tell) -> None:
    world, user = network(801)
    one = client(user, "files.test", 80, b"20\n")
    thief = hop_of(world, circuit_of(user), position)
    swallow(thief)
    begun = world.now
    there = world.run_until(lambda: one.ended, 60)
    tell(f"hop {position + 1}: " + (f"{world.now - begun:.1f} s" if there else "nothing in 60 s"))
    assert there
    assert one.received == content_of(20)
    assert world.now - begun < SOON


def test_08_a_user_is_told_when_a_hop_swallows_what_had_begun(tell: Tell) -> None:
    world, user = network(802)
    one = client(user, "echo.test", 7, b"hello")
    assert world.run_until(lambda: one.received == b"hello", 10)
    swallow(hop_of(world, circuit_of(user), 1))
    one.send(b"are you still there?")
    begun = world.now
    told = world.run_until(lambda: one.closed, TOLD)
    tell(f"told after {world.now - begun:.1f} s: {one.reason}" if told else f"nothing in {TOLD:.0f} s")
    assert told
    assert one.reason


def test_08_who_waits_for_a_silent_server_over_honest_hops_is_not_cut_off() -> None:
    world, user = network(803)
    one = client(user, "silent.test", 1, b"hello")
    world.run(300)
    assert not one.closed
    other = client(user, "files.test", 80, b"20\n")
    assert world.run_until(lambda: other.ended, 10)
    assert not avoided(user)


def test_08_one_swallower_among_many_fails_no_stream_and_is_avoided(tell: Tell) -> None:
    world, user = network(804)
    first = client(user, "files.test", 80, b"20\n")
    thief = hop_of(world, circuit_of(user), 1)
    swallow(thief)
    many = [first, *(client(user, "files.test", 80, b"20\n", f"group {number}") for number in range(24))]
    world.run_until(lambda: all(one.ended for one in many), 60)
    lost = sum(not one.ended for one in many)
    tell(f"{lost} of {len(many)} streams got nothing in 60 s; {len(avoided(user))} Nodes avoided")
    assert not lost
    for number in range(24):
        again = client(user, "files.test", 80, b"20\n", f"again {number}")
        assert world.run_until(lambda again=again: again.ended, 30)  # type: ignore[misc]
    assert thief.node.keys.public_key in avoided(user)
    assert len(avoided(user)) <= 3, "repetition tells the one from those that were only beside it"


def test_08_who_lies_about_others_has_no_honest_node_avoided_alone(tell: Tell) -> None:
    world, user = network(805)
    first = client(user, "files.test", 80, b"20\n")
    liar = hop_of(world, circuit_of(user), 0)
    lie(liar)
    many = [first]
    for number in range(200):  # Who is a suspect once is hardly taken.
        many.append(client(user, "files.test", 80, b"20\n", f"group {number}"))
        world.run_until(lambda: all(one.ended for one in many), 30)
        if number >= 24 and liar.node.keys.public_key in avoided(user):
            break
    lost = sum(not one.ended for one in many)
    honest = avoided(user) - {liar.node.keys.public_key}
    tell(f"{lost} streams failed; avoided: {len(honest)} honest Nodes, the liar: {len(honest) < len(avoided(user))}")
    assert not lost
    assert liar.node.keys.public_key in avoided(user)
    assert len(honest) <= 1
