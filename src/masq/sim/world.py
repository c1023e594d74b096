"""A world in seeded virtual time: its clock, its Nodes, the network between them, and what they reach."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable, Iterable
from typing import Final

from masq.chain.erc20 import sign_transfer
from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import AccountantConfig, Scan
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS, PaymentThresholds
from masq.core.build import NodeConfig, build_node
from masq.core.effects import WriteLink, WriteSocket
from masq.core.network.neighborhood import Contact, Profile
from masq.core.node import NodeEffect
from masq.crypto import CryptDE
from masq.sim import invariants
from masq.sim.chain import SimulatedChain
from masq.sim.host import Host, Memory, ip_of
from masq.sim.network import Conditions, Network
from masq.sim.workloads.application import Application
from masq.types import CHAINS, DEFAULT_RATE_PACK, Address, LinkPolicy, Mode, NodeAddress, PackagePolicy, RatePack

CHAIN: Final = CHAINS["dev"]
PORT: Final = 6001
EPOCH: Final = 1_800_000_000.0
CHECK_EVERY: Final = 1.0
"""Virtual seconds from one look at the invariants to the next."""


class World:
    """Everything there is, from one seed: the same seed gives the same trace. Invariants are checked all the time."""

    def __init__(self, seed: int, conditions: Conditions = Conditions()) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.network = Network(self, self.random.getrandbits(64), conditions)
        self.hosts: list[Host] = []
        self.by_ip: dict[str, Host] = {}
        self.servers: dict[tuple[str, int], Callable[[], Application]] = {}
        self.datagram_servers: dict[tuple[str, int], Callable[[bytes], list[bytes]]] = {}
        self.names: dict[str, str] = {}
        self.chain = SimulatedChain()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._check_at = 0.0
        self._trace = hashlib.sha256()
        self._written = hashlib.sha256()
        self._names_written: dict[tuple[int, str, int], int] = {}
        """Links and sockets in the order in which they were first written to: what ids they have is no matter."""

    # --- time ---

    def at(self, when: float, what: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._events, (when, self._sequence, what))

    def later(self, what: Callable[[], None], delay: float | None = None) -> None:
        """After the network's latency, in the order of the calls."""
        self.at(self.now + (self.network.conditions.latency if delay is None else delay), what)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.run_until(lambda: False, seconds)

    def run_until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until something holds; False if it doesn't within that time."""
        end = self.now + seconds
        while not holds():
            if not self._events or self._events[0][0] > end:
                self.now = end
                invariants.check(self)
                return holds()
            self.now, _, what = heapq.heappop(self._events)
            what()
            if self.now >= self._check_at:
                self._check_at = self.now + CHECK_EVERY
                invariants.check(self)
        return True

    def note(self, number: int, effect: NodeEffect) -> None:
        match effect:
            case WriteLink(id, data) | WriteSocket(id, data):
                kind = type(effect).__name__
                self._trace.update(f"{self.now:.6f} {number} {kind} {id} {len(data)} ".encode())
                self._trace.update(data)
                name = self._names_written.setdefault((number, kind, id), len(self._names_written))
                self._written.update(f"{self.now:.6f} {number} {kind} {name} {len(data)} ".encode())
                self._written.update(data)
            case _:
                self._trace.update(f"{self.now:.6f} {number} {effect!r}\n".encode())

    @property
    def trace(self) -> str:
        """The hash of all effects so far, with their times and Nodes."""
        return self._trace.hexdigest()

    @property
    def written(self) -> str:
        """The hash of all that was written to links and sockets: what a change of the house must leave as it was."""
        return self._written.hexdigest()

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
        ip = ip_of(number)
        accepts = mode.accepts_connections
        profile = Profile(
            earning_wallet=earning.address,
            rates=rates,
            accepts_connections=accepts,
            routes_data=mode.routes_data,
            country=None,
            address=NodeAddress(ip, (PORT,)) if accepts else None,
        )

        def sign(nonce: int, gas_price: int, recipient: Address, wei: int) -> SignedTransaction:
            return sign_transfer(consuming, CHAIN, nonce=nonce, gas_price=gas_price, recipient=recipient, amount=wei)

        accountant = AccountantConfig(
            earning_wallet=earning.address,
            consuming_wallet=consuming.address,
            rates=rates,
            sign=sign,
            thresholds=thresholds,
            intervals=dict.fromkeys(Scan, scan_every),
        )
        contacts = tuple(
            Contact(keys.first_contact_key(peer.node.keys.fragment()), NodeAddress(peer.ip, (PORT,)))
            for peer in neighbors
        )
        config = NodeConfig(
            keys=keys,
            alias=alias,
            mode=mode,
            profile=profile,
            wallet=consuming,
            accountant=accountant,
            hops=hops,
            contacts=contacts,
            contract=CHAIN.contract,
            link_policy=LinkPolicy(link_policy),
            package_policy=PackagePolicy(package_policy),
            epoch=EPOCH,
        )
        node = build_node(config, memory.state(), own_random.randbytes, self.now)
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
