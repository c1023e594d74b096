"""Worlds in which circuits are used, and what tests say of them."""

from __future__ import annotations

from masq.core.circuits.origin import OwnCircuit
from masq.core.failure import Cause, Failure
from masq.sim.host import SimNode
from masq.sim.network import Conditions
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download, Echo, HangsUp
from masq.sim.world import World

DNS = "192.0.2.1"


class Sink(Application):
    """Hears, and says how much it was in the end."""

    def heard_end(self) -> None:
        super().heard_end()
        self.send(b"%d" % len(self.received))
        self.end()


class Silent(Application):
    """Hears, and says nothing."""


class Chatty(Application):
    """Says a word for each that it hears, and never ends."""

    def heard(self, data: bytes) -> None:
        super().heard(data)
        self.send(b"yes")


def network(seed: int, count: int = 14, conditions: Conditions = Conditions()) -> World:
    world = World(seed, conditions)
    world.join(count)
    world.run(20)
    world.servers |= {
        ("echo.test", 7): Echo,
        ("files.test", 80): Download,
        ("sink.test", 9): Sink,
        ("silent.test", 1): Silent,
        ("chatty.test", 2): Chatty,
        ("rude.test", 3): HangsUp,
    }
    world.datagram_servers["dns.test", 53] = lambda data: [data, data[::-1]]
    world.names["files.test"] = DNS
    return world


def client(host: SimNode, target: str, port: int, words: bytes = b"", group: str = "") -> Application:
    application = Application()
    host.open(application, target, port, group)
    if words:
        application.send(words)
    return application


def circuits(world: World) -> int:
    """How many circuits any Node knows of."""
    return sum(len(list(host.node.circuits)) + len(list(host.node.own_circuits)) for host in world.hosts if host.alive)


def circuit_of(user: SimNode) -> OwnCircuit:
    """The circuit of the one stream that there is."""
    (stream,) = user.node.circuit_entry.streams()
    assert stream.circuit
    return stream.circuit


def hop_of(world: World, own: OwnCircuit, position: int) -> SimNode:
    """The Node at a position of a circuit, the first relay at 0."""
    return next(host for host in world.hosts if host.node.keys.public_key == own.route.over[position + 1])


def datagrams(world: World, user: SimNode) -> None:
    socket = user.open_datagrams()
    world.run(1)
    for number in range(100):
        user.datagram(socket, "dns.test", 53, b"question %d" % number)
    world.run(1)
    answers = user.clients.datagrams[socket]
    assert len(answers) == 200
    assert all(host == DNS and port == 53 for host, port, _ in answers)
    assert {data for _, _, data in answers} >= {b"question 42", b"question 42"[::-1]}
    user.carry(user.node.socket_closed(socket, Failure(Cause.CLOSED), world.now))


def questions(world: World, user: SimNode) -> None:
    sockets = [user.resolve(host) for host in ("files.test", "nowhere.test")]
    assert world.run_until(lambda: len(user.clients.resolutions) == 2, 60)
    good, bad = (user.clients.resolutions[socket] for socket in sockets)
    assert good == ((DNS, 60),)
    assert isinstance(bad, Failure)
