"""A world in seeded virtual time: Nodes, the network between them, and what they reach. The core's second driver."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from masq.chain.erc20 import sign_transfer
from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import Accountant, AccountantConfig, SavedState, Scan
from masq.core.accountant.effects import AskReceipts, AskTerms, AskTransfers, Notice, Payment, Save, SendPayments
from masq.core.accountant.ledger import BookEntry
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS, PaymentThresholds
from masq.core.effects import (
    CloseLink,
    CloseSocket,
    Connect,
    Dial,
    EndSocket,
    Log,
    Reading,
    SaveConfig,
    WriteLink,
    WriteSocket,
)
from masq.core.neighborhood import Contact, Profile
from masq.core.node import Node, NodeConfig, NodeEffect
from masq.crypto import CryptDE
from masq.sim.chain import SimulatedChain
from masq.types import CHAINS, DEFAULT_RATE_PACK, Address, Endpoint, Mode, NodeAddress, RatePack

CHAIN: Final = CHAINS["dev"]
PORT: Final = 6001
EPOCH: Final = 1_800_000_000.0
CHUNK: Final = 16_384


class Application:
    """One end of a connection outside the network of Nodes: a client's, or a server's. What it hears, it keeps."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = False
        self.closed = False
        self.reason: str | None = None
        self._send: Callable[[bytes], None]
        self._end: Callable[[], None]
        self._abort: Callable[[], None]

    def attach(self, send: Callable[[bytes], None], end: Callable[[], None], abort: Callable[[], None]) -> None:
        self._send, self._end, self._abort = send, end, abort
        self.begun()

    def begun(self) -> None:
        """The connection stands."""

    def heard(self, data: bytes) -> None:
        self.received += data

    def heard_end(self) -> None:
        self.ended = True

    def heard_close(self, reason: str | None) -> None:
        self.closed, self.reason = True, reason

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            self._send(data[start : start + CHUNK])

    def end(self) -> None:
        self._end()

    def abort(self) -> None:
        self._abort()


class Echo(Application):
    """Says what it hears, and ends when it is ended."""

    def heard(self, data: bytes) -> None:
        super().heard(data)
        self.send(data)

    def heard_end(self) -> None:
        super().heard_end()
        self.end()


class Download(Application):
    """Sends as many bytes as the line it hears says, then ends."""

    def heard(self, data: bytes) -> None:
        super().heard(data)
        if self.received.endswith(b"\n"):
            self.send(content_of(int(self.received)))
            self.end()


def content_of(size: int) -> bytes:
    """The bytes that a Download of this size sends."""
    return hashlib.shake_128(str(size).encode()).digest(size)


@dataclass(slots=True)
class _Socket:
    """A connection as the Node that holds it sees it."""

    application: Application
    reading: bool = True
    waiting: list[bytes] = field(default_factory=list)
    ended: bool = False
    end_told: bool = False


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
        )


class Host:
    """One Node in the world, with its links and sockets."""

    def __init__(self, world: World, number: int, node: Node, consuming: Wallet, earning: Wallet, memory: Memory):
        self.world = world
        self.number = number
        self.node = node
        self.consuming = consuming
        self.earning = earning
        self.memory = memory
        self.alive = True
        self.logs: list[Log | Notice] = []
        self._links: dict[int, tuple[Host, int]] = {}
        self._sockets: dict[int, _Socket] = {}
        self._wake = float("inf")

    @property
    def ip(self) -> str:
        return f"10.0.{self.number // 250}.{self.number % 250 + 1}"

    def carry(self, effects: Iterable[NodeEffect]) -> None:
        """Carry out effects, in order."""
        if not self.alive:
            return
        for effect in effects:
            self._perform(effect)
        wake = self.node.next_wake(self.world.now)
        if wake < self._wake or self._wake <= self.world.now:
            self._wake = wake
            self.world.at(max(wake, self.world.now) + 0.001, self._tick)

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
                copy = bytes(data)
                if link in self._links:
                    peer, theirs = self._links[link]
                    world.later(lambda: peer._hear(theirs, copy))
            case CloseLink(link):
                self._unlink(link)
            case Connect(socket, host, port):
                world.later(lambda: self._connect(socket, host, port))
            case WriteSocket(socket, data):
                if socket in self._sockets:
                    self._sockets[socket].application.heard(data)
            case EndSocket(socket):
                if socket in self._sockets:
                    self._sockets[socket].application.heard_end()
            case CloseSocket(socket, reason):
                gone = self._sockets.pop(socket, None)
                if gone:
                    gone.application.heard_close(reason)
            case Reading(socket, on):
                if socket in self._sockets:
                    self._sockets[socket].reading = on
                    world.later(lambda: self._read(socket), 0.0)
            case Save():
                self.memory.save(effect)
            case SaveConfig(name, value):
                self.memory.config[name] = value
            case Log() | Notice():
                self.logs.append(effect)
            case AskTerms():
                terms = world.chain.terms(self.consuming.address)
                world.later(lambda: self.carry(self.node.accountant.terms(terms, world.now)))
            case SendPayments(payments):
                results = [world.chain.send(payment.raw, payment.hash) for payment in payments]
                world.later(lambda: self.carry(self.node.accountant.sent(results, payments, world.now)))
            case AskReceipts(hashes):
                found = [world.chain.receipt(hash) for hash in hashes]
                nonce = world.chain.nonce(self.consuming.address)
                head = world.chain.head
                world.later(lambda: self.carry(self.node.accountant.receipts(found, head, nonce, world.now)))
            case AskTransfers(first, _):
                start = world.chain.head if first is None else first
                last = world.chain.head if start <= world.chain.head else None
                transfers = world.chain.transfers(self.earning.address, start)
                world.later(lambda: self.carry(self.node.accountant.transfers(transfers, last, world.now)))

    # --- links ---

    def _dial(self, link: int, endpoint: Endpoint) -> None:
        if not self.alive:
            return
        target = self.world.by_ip.get(endpoint.ip)
        source = Endpoint(self.ip, 40_000 + link)
        theirs = target.node.accept(source, self.world.now) if target and target.alive and target.listens else None
        if target is None or theirs is None:
            self.carry(self.node.dial_failed(link, "refused", self.world.now))
            return
        self._links[link] = target, theirs
        target._links[theirs] = self, link
        self.carry(self.node.dialled(link, self.world.now))

    @property
    def listens(self) -> bool:
        return self.node.config.profile.accepts_connections

    def _hear(self, link: int, data: bytes) -> None:
        if self.alive and link in self._links:
            self.carry(self.node.link_received(link, data, self.world.now))

    def _unlink(self, link: int) -> None:
        other = self._links.pop(link, None)
        if other is not None:
            peer, theirs = other
            self.world.later(lambda: peer._lost(theirs))

    def _lost(self, link: int) -> None:
        if self._links.pop(link, None) is not None and self.alive:
            self.carry(self.node.link_closed(link, self.world.now))

    def lose_links(self) -> None:
        """All connections break."""
        for link in list(self._links):
            self._unlink(link)
            self.carry(self.node.link_closed(link, self.world.now))

    def crash(self) -> None:
        """The process ends without a word; its connections are closed by its machine."""
        self.alive = False
        for link in list(self._links):
            self._unlink(link)

    # --- sockets ---

    def open(self, application: Application, host: str, port: int, group: str = "") -> None:
        """A client of this Node connects. UnavailableError if it gets no stream."""
        socket, effects = self.node.open(host, port, group, self.world.now)
        self._register(socket, application)
        self.carry(effects)

    def _connect(self, socket: int, host: str, port: int) -> None:
        server = self.world.servers.get((host, port))
        if server is None:
            self.carry(self.node.connect_failed(socket, f"{host}:{port} refuses", self.world.now))
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
        entry = self._sockets.get(socket)
        if entry is None or not self.alive:
            return
        if entry.waiting and entry.reading:
            self.carry(self.node.socket_received(socket, entry.waiting.pop(0), self.world.now))
            if entry.waiting and entry.reading:
                self.world.later(lambda: self._read(socket), 0.0)
        if not entry.waiting and entry.ended and not entry.end_told and socket in self._sockets:
            entry.end_told = True
            self.carry(self.node.socket_ended(socket, self.world.now))

    def _abort(self, socket: int) -> None:
        if self._sockets.pop(socket, None) is not None:
            self.carry(self.node.socket_closed(socket, "reset", self.world.now))

    def waiting_at_servers(self) -> int:
        """Bytes that servers have ready and that are not read: back-pressure has reached them."""
        return sum(len(data) for entry in self._sockets.values() for data in entry.waiting)


class World:
    """Everything there is, from one seed: the same seed gives the same trace."""

    def __init__(self, seed: int, latency: float = 0.005) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.latency = latency
        self.hosts: list[Host] = []
        self.by_ip: dict[str, Host] = {}
        self.servers: dict[tuple[str, int], Callable[[], Application]] = {}
        self.chain = SimulatedChain()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._trace = hashlib.sha256()

    # --- time ---

    def at(self, when: float, what: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._events, (when, self._sequence, what))

    def later(self, what: Callable[[], None], delay: float | None = None) -> None:
        """After the network's latency, in the order of the calls."""
        self.at(self.now + (self.latency if delay is None else delay), what)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = end

    def run_until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until something holds; False if it doesn't within that time."""
        end = self.now + seconds
        while not holds():
            if not self._events or self._events[0][0] > end:
                self.now = end
                return holds()
            self.now, _, what = heapq.heappop(self._events)
            what()
        return True

    def note(self, number: int, effect: NodeEffect) -> None:
        self._trace.update(f"{self.now:.6f} {number} {effect!r}\n".encode())

    @property
    def trace(self) -> str:
        """The hash of all effects so far, with their times and Nodes."""
        return self._trace.hexdigest()

    # --- Nodes ---

    def add(
        self,
        neighbors: Iterable[Host] = (),
        *,
        mode: Mode = Mode.STANDARD,
        hops: int = 3,
        rates: RatePack = DEFAULT_RATE_PACK,
        thresholds: PaymentThresholds = DEFAULT_THRESHOLDS,
        scan_every: float = 60.0,
        link_policy: str = "auto",
        package_policy: str = "auto",
        tokens: int = 10**24,
        replacing: Host | None = None,
    ) -> Host:
        """A Node that joins by the descriptors of others; `replacing` starts a crashed one again from its memory."""
        number = replacing.number if replacing else len(self.hosts)
        consuming = replacing.consuming if replacing else Wallet(self.random.randbytes(32))
        earning = replacing.earning if replacing else Wallet(self.random.randbytes(32))
        own_random = random.Random(self.random.getrandbits(64))
        keys = CryptDE(CHAIN.contract, own_random.randbytes)
        alias = CryptDE(CHAIN.contract, own_random.randbytes)
        memory = replacing.memory if replacing else Memory()
        ip = f"10.0.{number // 250}.{number % 250 + 1}"
        accepts = mode.accepts_connections
        profile = Profile(
            earning.address, rates, accepts, mode.routes_data, None, NodeAddress(ip, (PORT,)) if accepts else None
        )

        def sign(nonce: int, gas_price: int, recipient: Address, wei: int) -> SignedTransaction:
            return sign_transfer(consuming, CHAIN, nonce=nonce, gas_price=gas_price, recipient=recipient, amount=wei)

        accountant = Accountant(
            AccountantConfig(
                earning.address, consuming.address, rates, sign, thresholds, dict.fromkeys(Scan, scan_every)
            ),
            memory.state(),
            EPOCH,
        )
        contacts = tuple(
            Contact(keys.first_contact_key(peer.node.keys.fragment()), NodeAddress(peer.ip, (PORT,)))
            for peer in neighbors
        )
        config = NodeConfig(
            keys,
            alias,
            mode,
            profile,
            consuming,
            hops,
            contacts,
            contract=CHAIN.contract,
            link_policy=link_policy,
            package_policy=package_policy,
            epoch=EPOCH,
        )
        node = Node(config, accountant, own_random.randbytes, self.now)
        host = Host(self, number, node, consuming, earning, memory)
        if replacing:
            self.hosts[number] = host
        else:
            self.hosts.append(host)
            self.chain.fund(consuming.address, tokens)
        self.by_ip[host.ip] = host
        host.carry(node.start(self.now))
        return host

    def join(self, count: int, every: float = 0.5, **settings: object) -> list[Host]:
        """Nodes that join one after the other, each by the descriptors of up to two that are there."""
        for _ in range(count):
            there = self.hosts[-2:]
            self.add(there, **settings)  # type: ignore[arg-type]
            self.run(every)
        return self.hosts
