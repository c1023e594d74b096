"""One Node in the world: the core's second driver. What survives its crashes is its memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import SavedState, Scan
from masq.core.accountant.effects import (
    AccountantEffect,
    AskReceipts,
    AskTerms,
    AskTransfers,
    Notice,
    Payment,
    Save,
    SendPayments,
)
from masq.core.accountant.ledger import BookEntry
from masq.core.effects import (
    Accepted,
    Bind,
    CloseLink,
    CloseSocket,
    Connect,
    Dial,
    EndSocket,
    Log,
    Reading,
    Resolve,
    Resolved,
    SaveConfig,
    SendDatagram,
    WriteLink,
    WriteSocket,
)
from masq.core.failure import SERVER, Cause, Failure
from masq.core.node import Node, NodeEffect
from masq.sim.workloads.application import Application
from masq.types import Address, Endpoint
from masq.wire.circuit import Addresses

if TYPE_CHECKING:
    from masq.sim.world import World

SOCKET_HIGH_WATER: Final = 128 * 1024
READS_PER_SECOND: Final = 20
"""How often an application with a pace reads."""


@dataclass(slots=True)
class Memory:
    """What survives a restart of a Node."""

    entries: dict[tuple[bool, Address], BookEntry] = field(default_factory=dict)
    payments: dict[bytes, Payment] = field(default_factory=dict)
    banned: dict[Address, None] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)

    def save(self, save: Save) -> None:
        self.entries |= {(entry.payable, entry.wallet): entry for entry in save.entries}
        self.payments |= {payment.hash: payment for payment in save.payments}
        for hash in save.ended_payments:
            self.payments.pop(hash, None)
        self.banned |= dict.fromkeys(save.banned)
        for wallet in save.released:
            self.banned.pop(wallet, None)
        self.config |= dict(save.config)

    def state(self) -> SavedState:
        block = self.config.get("start_block")
        return SavedState(
            tuple(self.entries.values()),
            tuple(self.payments.values()),
            tuple(self.banned),
            int(block) if block else None,
            self.config.get("known_income"),
        )


@dataclass(slots=True)
class _Socket:
    """A connection of a client or server, as the Node that holds it sees it."""

    application: Application
    reading: bool = True
    waiting: list[bytes] = field(default_factory=list)
    """What the application sent and the Node has not read."""
    ended: bool = False
    end_told: bool = False
    unread: bytearray = field(default_factory=bytearray)
    """What the Node wrote and the application has not read."""
    congested: bool = False
    closing: bool = False
    half_closed: bool = False


class Host:
    """One Node, with its sockets; its links are the network's."""

    def __init__(self, world: World, number: int, node: Node, consuming: Wallet, earning: Wallet, memory: Memory):
        self.world = world
        self.number = number
        self.node = node
        self.consuming = consuming
        self.earning = earning
        self.memory = memory
        self.alive = True
        self.logs: list[Log | Notice] = []
        self.resolutions: dict[int, Addresses | Failure] = {}
        """Answers to look-ups of this Node's user."""
        self.datagrams: dict[int, list[tuple[str, int, bytes]]] = {}
        """Datagrams that came for this Node's user."""
        self._bound: dict[int, None] = {}
        self._sockets: dict[int, _Socket] = {}
        self._wake = float("inf")
        self._flushing = False

    @property
    def ip(self) -> str:
        return ip_of(self.number)

    def carry(self, effects: Iterable[NodeEffect]) -> None:
        """Carry out effects, in order."""
        if not self.alive:
            return
        for effect in effects:
            self._perform(effect)
        if self.node.flush_due <= self.world.now and not self._flushing:
            self._flushing = True
            self.world.later(self._flush, 0.0)
        wake = self.node.next_wake(self.world.now)
        if wake < self._wake or self._wake <= self.world.now:
            self._wake = wake
            self.world.at(max(wake, self.world.now) + 0.001, self._tick)

    def _flush(self) -> None:
        self._flushing = False
        if self.alive:
            self.carry(self.node.flush(self.world.now))

    def _tick(self) -> None:
        if self.alive and self._wake <= self.world.now:
            self._wake = float("inf")
            self.carry(self.node.tick(self.world.now))

    def _perform(self, effect: NodeEffect) -> None:
        world = self.world
        world.note(self.number, effect)
        match effect:
            case Dial(link, endpoint):
                world.later(lambda: self._dial(link, endpoint))
            case WriteLink(link, data):
                wire = world.network.of(self, link)
                if wire is not None:
                    wire.write(bytes(data))
            case CloseLink(link):
                wire = world.network.of(self, link)
                if wire is not None:
                    wire.close()
            case Connect(socket, host, port):
                world.later(lambda: self._connect(socket, host, port))
            case WriteSocket(socket, data):
                self._write_socket(socket, bytes(data))
            case EndSocket(socket):
                self._end_socket(socket)
            case CloseSocket(socket, failure):
                self._bound.pop(socket, None)
                self._close_socket(socket, failure)
            case Reading(socket, on):
                if socket in self._sockets:
                    self._sockets[socket].reading = on
                    world.later(lambda: self._read(socket), 0.0)
            case Accepted(socket):
                pass
            case Bind(socket):
                self._bound[socket] = None
                world.later(lambda: self.carry(self.node.connected(socket, "", world.now)))
            case SendDatagram(socket, host, port, data):
                self._send_datagram(socket, host, port, data)
            case Resolve(socket, host):
                known = ((world.names[host], 60),) if host in world.names else None
                answer = known or Failure(Cause.NOT_RESOLVED, SERVER, "no such host")
                world.later(lambda: self.carry(self.node.resolved(socket, answer, world.now)))
            case Resolved(socket, found):
                self.resolutions[socket] = found
            case SaveConfig(name, value):
                self.memory.config[name] = value
            case Log():
                self.logs.append(effect)
            case _:
                self._perform_money(effect)

    def open_datagrams(self, group: str = "") -> int:
        """The user wants to exchange datagrams. UnavailableError if he can't."""
        socket, effects = self.node.open_datagrams(group, self.world.now)
        self.datagrams[socket] = []
        self.carry(effects)
        return socket

    def datagram(self, socket: int, host: str, port: int, data: bytes) -> None:
        self.carry(self.node.datagram_received(socket, host, port, data, self.world.now))

    def resolve(self, host: str, group: str = "") -> int:
        socket, effects = self.node.resolve(host, group, self.world.now)
        self.carry(effects)
        return socket

    def _send_datagram(self, socket: int, host: str, port: int, data: bytes) -> None:
        if socket in self.datagrams:
            self.datagrams[socket].append((host, port, data))
        elif socket in self._bound and (host, port) in self.world.datagram_servers:
            for answer in self.world.datagram_servers[host, port](data):
                self._later_datagram(socket, port, answer)

    def _later_datagram(self, socket: int, port: int, data: bytes) -> None:
        world = self.world
        world.later(lambda: self.carry(self.node.datagram_received(socket, "192.0.2.1", port, data, world.now)))

    # --- money ---

    def _perform_money(self, effect: AccountantEffect) -> None:
        world, chain, node = self.world, self.world.chain, self.node
        match effect:
            case Save():
                self.memory.save(effect)
            case Notice():
                self.logs.append(effect)
            case _ if chain.away:
                scan = {AskTerms: Scan.PAYABLES, AskReceipts: Scan.PENDING_PAYABLES, AskTransfers: Scan.RECEIVABLES}
                failed = scan.get(type(effect))
                if failed is not None:
                    world.later(lambda: self.carry(node.scan_failed(failed, "no answer", world.now)))
            case AskTerms():
                terms = chain.terms(self.consuming.address)
                world.later(lambda: self.carry(node.terms(terms, world.now)))
            case SendPayments(payments):
                results = [chain.send(payment.raw, payment.hash) for payment in payments]
                world.later(lambda: self.carry(node.sent(results, payments, world.now)))
            case AskReceipts(hashes):
                found = [chain.receipt(hash) for hash in hashes]
                head, nonce = chain.head, chain.nonce(self.consuming.address)
                world.later(lambda: self.carry(node.receipts(found, head, nonce, world.now)))
            case AskTransfers(first, most):
                start = chain.head if first is None else first
                last = chain.head if most is None else min(chain.head, start + most - 1)
                transfers = chain.transfers(self.earning.address, start, last)
                known = last if start <= chain.head else None
                world.later(lambda: self.carry(node.transfers(transfers, known, world.now)))

    # --- links ---

    @property
    def listens(self) -> bool:
        return self.node.rules.mode.accepts_connections

    def _dial(self, link: int, endpoint: Endpoint) -> None:
        if self.alive:
            self.world.network.dial(self, link, endpoint)

    def dialled(self, link: int) -> None:
        self.carry(self.node.dialled(link, self.world.now))

    def dial_failed(self, link: int) -> None:
        self.carry(self.node.dial_failed(link, "refused", self.world.now))

    def link_heard(self, link: int, data: bytes) -> None:
        if self.alive:
            self.carry(self.node.link_received(link, memoryview(bytearray(data)), self.world.now))

    def link_lost(self, link: int) -> None:
        if self.alive:
            self.carry(self.node.link_closed(link, self.world.now))

    def link_congested(self, link: int) -> None:
        if self.alive:
            self.carry(self.node.link_congested(link, self.world.now))

    def link_drained(self, link: int) -> bool:
        """Whether something was written, so that there may be more."""
        if not self.alive:
            return False
        effects = self.node.link_drained(link, self.world.now)
        self.carry(effects)
        return any(isinstance(effect, WriteLink) for effect in effects)

    def lose_links(self) -> None:
        """All connections break."""
        for wire in self.world.network.all_of(self):
            wire.cut()

    def crash(self) -> None:
        """The process ends without a word; its connections are closed by its machine."""
        self.alive = False
        for wire in self.world.network.all_of(self):
            wire.close()

    # --- sockets ---

    def open(self, application: Application, host: str, port: int, group: str = "") -> None:
        """A client of this Node connects. UnavailableError if it gets no stream."""
        socket, effects = self.node.open(host, port, group, self.world.now)
        self._register(socket, application)
        self.carry(effects)

    def _connect(self, socket: int, host: str, port: int) -> None:
        if not self.alive:
            return
        server = self.world.servers.get((host, port))
        if server is None:
            failure = Failure(Cause.REFUSED, SERVER, f"{host}:{port} refuses")
            self.carry(self.node.connect_failed(socket, failure, self.world.now))
            return
        self._register(socket, server())
        self.carry(self.node.connected(socket, "192.0.2.1", self.world.now))

    def _register(self, socket: int, application: Application) -> None:
        self._sockets[socket] = _Socket(application)
        application.attach(
            lambda data: self._queue(socket, data), lambda: self._queue(socket, b""), lambda: self._abort(socket)
        )

    def _queue(self, socket: int, data: bytes) -> None:
        entry = self._sockets.get(socket)
        if entry is None:
            return
        if data:
            entry.waiting.append(data)
        else:
            entry.ended = True
        self.world.later(lambda: self._read(socket))

    def _read(self, socket: int) -> None:
        """The Node reads what the application sent, if it wants to."""
        entry = self._sockets.get(socket)
        if entry is None or not self.alive or entry.closing:
            return
        if entry.waiting and entry.reading:
            self.carry(self.node.socket_received(socket, entry.waiting.pop(0), self.world.now))
            if entry.waiting and entry.reading:
                self.world.later(lambda: self._read(socket), 0.0)
        if not entry.waiting and entry.ended and not entry.end_told and socket in self._sockets:
            entry.end_told = True
            self.carry(self.node.socket_ended(socket, self.world.now))

    def _abort(self, socket: int) -> None:
        entry = self._sockets.pop(socket, None)
        if entry is not None and not entry.closing:
            failure = Failure(Cause.BROKEN, detail="reset")
            self.world.later(lambda: self.carry(self.node.socket_closed(socket, failure, self.world.now)), 0.0)

    def _write_socket(self, socket: int, data: bytes) -> None:
        entry = self._sockets.get(socket)
        if entry is None:
            return
        if entry.application.pace is None and not entry.unread:
            entry.application.heard(data)
            return
        if not entry.unread:
            self.world.later(lambda: self._hear(socket), 1 / READS_PER_SECOND)
        entry.unread += data
        if len(entry.unread) > SOCKET_HIGH_WATER and not entry.congested:
            entry.congested = True
            self.node.socket_congested(socket)

    def _hear(self, socket: int) -> None:
        """An application with a pace reads."""
        entry = self._sockets.get(socket)
        if entry is None or not self.alive:
            return
        pace = entry.application.pace
        size = len(entry.unread) if pace is None else int(pace / READS_PER_SECOND)
        data = bytes(entry.unread[:size])
        del entry.unread[:size]
        if data:
            entry.application.heard(data)
        if entry.unread:
            self.world.later(lambda: self._hear(socket), 1 / READS_PER_SECOND)
        if entry.congested and len(entry.unread) <= SOCKET_HIGH_WATER // 4:
            entry.congested = False
            if not entry.closing:
                self.carry(self.node.socket_drained(socket, self.world.now))
        if not entry.unread:
            self._finish(socket, entry)

    def _finish(self, socket: int, entry: _Socket) -> None:
        """All was read: what comes after it can be told."""
        if entry.half_closed and not entry.application.ended:
            entry.application.heard_end()
        if entry.closing and self._sockets.pop(socket, None) is not None:
            entry.application.heard_close(None)

    def _end_socket(self, socket: int) -> None:
        entry = self._sockets.get(socket)
        if entry is not None:
            entry.half_closed = True
            if not entry.unread:
                self._finish(socket, entry)

    def _close_socket(self, socket: int, failure: Failure | None) -> None:
        entry = self._sockets.get(socket)
        if entry is None:
            return
        entry.closing = True
        if failure is not None:
            del self._sockets[socket]
            entry.application.heard_close(failure)
        elif not entry.unread:
            self._finish(socket, entry)

    @property
    def sockets(self) -> int:
        """How many connections of clients and to servers are open."""
        return len(self._sockets)

    def waiting_at_servers(self) -> int:
        """Bytes that applications have ready and that are not read: back-pressure has reached them."""
        return sum(len(data) for entry in self._sockets.values() for data in entry.waiting)

    def unread(self) -> int:
        """The most bytes that wait at one socket for its application to read."""
        return max((len(entry.unread) for entry in self._sockets.values()), default=0)


def ip_of(number: int) -> str:
    return f"10.0.{number // 250}.{number % 250 + 1}"
