"""One Node in a world: the core's second driver. Gives it links, sockets and a bank, and carries out what it wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from masq.core.accountant.effects import (
    AskBacking,
    AskBalances,
    AskGone,
    AskReceipts,
    AskTerms,
    AskTransfers,
    AskUse,
    Notice,
    OfPurse,
    Save,
    SendPayments,
)
from masq.core.effects import (
    Accepted,
    Bind,
    CloseLink,
    CloseSocket,
    Connect,
    Dial,
    EndSocket,
    Log,
    NewIdentity,
    Reading,
    ReadLink,
    Resolve,
    Resolved,
    SaveConfig,
    SendDatagram,
    SocketEffect,
    WriteLink,
    WriteSocket,
)
from masq.core.node import Node, NodeEffect
from masq.sim.bank import Bank
from masq.sim.chain import SimulatedChain
from masq.sim.clients import Clients
from masq.sim.clock import Clock
from masq.sim.memory import Memory, Owner
from masq.sim.network import Network
from masq.sim.servers import Internet, Servers
from masq.sim.sockets import Sockets
from masq.sim.turn import Turn
from masq.sim.workloads.application import Application


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all Nodes of a world share."""

    clock: Clock
    network: Network
    internet: Internet
    chain: SimulatedChain
    note: Callable[[int, NodeEffect], None]
    """Hears the number of a Node and each effect of it, before it is carried out."""


class SimNode:
    """One Node from its start to its crash. Its owner may start another one, which remembers what this one saved."""

    def __init__(self, around: Surroundings, node: Node, owner: Owner) -> None:
        self._around = around
        self.node = node
        self.owner = owner
        self.number = owner.number
        self.ip = owner.ip
        self.consuming = owner.consuming
        self.earning = owner.earning
        self.memory: Memory = owner.memory
        self.logs: list[Log | Notice] = []
        self.turn = Turn(node, around.clock, around.network.after_latency, self._perform)
        self.links = around.network.join(self.turn, self.ip)
        self.sockets = Sockets(self.turn)
        self.servers = Servers(self.turn, self.sockets, around.internet)
        self.clients = Clients(self.turn, self.sockets)
        self.bank = Bank(self.turn, owner, around.chain)
        self.further = [Bank(self.turn, owner, around.chain, number + 1) for number in range(len(owner.further))]
        self._note = around.note
        self.again: Callable[[], object] = lambda: None
        """Starts it anew, as its owner does after its end, with another key pair."""

    @property
    def alive(self) -> bool:
        return self.turn.alive

    def start(self) -> None:
        self.carry(self.node.start(self.turn.now))

    def carry(self, effects: Iterable[NodeEffect]) -> None:
        """Carry out effects, in order."""
        self.turn.carry(effects)

    def move(self, ip: str) -> None:
        """Its machine gets another address; nobody tells the Node."""
        self.ip = ip
        self.owner = replace(self.owner, ip=ip)
        self._around.network.move(self.links, ip)

    def lose_links(self) -> None:
        """All connections break."""
        self.links.cut_all()

    def crash(self) -> None:
        """The process ends without a word; its connections are closed by its machine."""
        self.turn.alive = False
        self.links.close_all()

    def _renew(self) -> None:
        """It ends in good order, and begins again as another one."""
        if self.alive:
            self.carry(self.node.stop(self.turn.now))
            self.crash()
            self.again()

    # --- what its user does: UnavailableError if it can't have it ---

    def open(self, application: Application, host: str, port: int, group: str = "") -> None:
        """A client of this Node connects."""
        self.clients.open(application, host, port, group)

    def open_datagrams(self, group: str = "") -> int:
        """The user wants to exchange datagrams; those that come are in `clients.datagrams`."""
        return self.clients.open_datagrams(group)

    def datagram(self, socket: int, host: str, port: int, data: bytes) -> None:
        self.clients.datagram(socket, host, port, data)

    def resolve(self, host: str, group: str = "") -> int:
        """The user looks a host up; the answer is in `clients.resolutions`."""
        return self.clients.resolve(host, group)

    # --- what the Node wants done ---

    def _perform(self, effect: NodeEffect) -> None:
        self._note(self.number, effect)
        if not self.alive:
            return  # Who hears of an effect may end the process before it is carried out.
        match effect:
            case WriteLink(link, data):
                self.links.write(link, data)
            case WriteSocket(socket, data):
                self.sockets.write(socket, data)
            case Log() | Notice():
                self.logs.append(effect)
            case Dial(link, endpoint):
                self.links.dial(link, endpoint)
            case CloseLink(link):
                self.links.close(link)
            case ReadLink(link, most):
                self.links.read(link, most)
            case SaveConfig(name, value):
                self.bank.save_config(name, value)
            case NewIdentity():
                self._around.clock.later(self._renew)
            case Save():
                self.bank.save(effect)
            case (
                AskTerms()
                | SendPayments()
                | AskReceipts()
                | AskTransfers()
                | AskUse()
                | AskGone()
                | AskBacking()
                | AskBalances()
            ):
                self.bank.ask(effect)
            case OfPurse(purse, of_purse):
                self.further[purse - 1].perform(of_purse)
            case _:
                self._perform_socket(effect)

    def _perform_socket(self, effect: SocketEffect) -> None:
        match effect:
            case Reading(socket, on):
                self.sockets.set_reading(socket, on)
            case EndSocket(socket):
                self.sockets.end(socket)
            case CloseSocket(socket, failure):
                self.servers.close_datagrams(socket)
                self.sockets.close(socket, failure)
            case Connect(socket, host, port):
                self.servers.connect(socket, host, port)
            case Bind(socket):
                self.servers.bind(socket)
            case SendDatagram(socket, host, port, data):
                self.servers.send_datagram(socket, host, port, data)
                self.clients.send_datagram(socket, host, port, data)
            case Resolve(socket, host):
                self.servers.resolve(socket, host)
            case Resolved(socket, found):
                self.clients.resolved(socket, found)
            case Accepted() | WriteSocket():
                pass
            case _:
                assert_never(effect)
