"""A world in seeded virtual time: its Nodes, the network between them, the Internet and the chain that they reach."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from masq.chain.erc20 import sign_transfer
from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import AccountantConfig
from masq.core.accountant.effects import Scan
from masq.core.accountant.fees import Fee
from masq.core.accountant.statements import SHARDS
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS, PaymentThresholds
from masq.core.build import FurtherWallet, NodeConfig, build_node
from masq.core.network.contacts import Contact
from masq.core.network.own_record import Profile
from masq.core.network.recognition import Identity
from masq.core.node import NodeEffect
from masq.crypto import CryptDE
from masq.sim.chain import SimulatedChain
from masq.sim.clock import EPOCH, Clock
from masq.sim.host import SimNode, Surroundings
from masq.sim.invariants.every import Check
from masq.sim.memory import Memory, Owner, address_of
from masq.sim.network import Conditions, Network
from masq.sim.servers import Internet
from masq.sim.shared import Shared
from masq.sim.trace import Trace
from masq.types import CHAINS, DEFAULT_RATE_PACK, Address, LinkPolicy, Mode, NodeAddress, PackagePolicy, RatePack

CHAIN: Final = CHAINS["dev"]
PORT: Final = 6001
VERSIONS_OF_A_RUN: Final = 100
"""By so many a record's version is higher at each start with a key that was kept."""


class World:
    """Everything there is, from one seed: the same seed gives the same trace. Invariants are checked all the time."""

    def __init__(self, seed: int, conditions: Conditions = Conditions(), chain: SimulatedChain | None = None) -> None:
        self.random = random.Random(seed)
        self.clock = Clock(self._check)
        self.network = Network(self.clock, self.random.getrandbits(64), conditions)
        self.hosts: list[SimNode] = []
        self.chain = chain or SimulatedChain()
        internet = Internet()
        self.servers = internet.servers
        self.datagram_servers = internet.datagram_servers
        self.names = internet.names
        self._trace = Trace()
        self._shared = Shared()
        self._invariants = Check()
        self._around = Surroundings(
            clock=self.clock, network=self.network, internet=internet, chain=self.chain, note=self.note
        )

    # --- time ---

    @property
    def now(self) -> float:
        return self.clock.now

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run(seconds)

    def run_until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until something holds; False if it doesn't within that time."""
        return self.clock.run_until(holds, seconds)

    def _check(self) -> None:
        self._invariants(self.hosts, self.chain)

    def note(self, number: int, effect: NodeEffect) -> None:
        """Hears each effect, before it is carried out."""
        self._trace.note(self.clock.now, number, effect)

    @property
    def trace(self) -> str:
        """The hash of all effects so far, with their times and Nodes."""
        return self._trace.all

    @property
    def written(self) -> str:
        """The hash of all that was written to links and sockets: what a change of the house must leave as it was."""
        return self._trace.written

    # --- Nodes ---

    def add(  # noqa: PLR0913 - a Node has many settings
        self,
        neighbors: Iterable[SimNode] = (),
        *,
        mode: Mode = Mode.STANDARD,
        hops: int = 3,
        rates: RatePack = DEFAULT_RATE_PACK,
        thresholds: PaymentThresholds = DEFAULT_THRESHOLDS,
        scan_every: float = 60.0,
        link_policy: str = "auto",
        package_policy: str = "auto",
        tokens: int = 10**24,
        ip: str | None = None,
        replacing: SimNode | None = None,
        wallets: int = 1,
        confirmations: int = 0,
        kept: bool = False,
        fixed: bool = False,
        changes: int = 0,
    ) -> SimNode:
        """A Node that joins by the descriptors of others, at an address of its own or at `ip`.

        `replacing` starts a crashed one again from its memory; `kept`: with the key pair that it had. `wallets`: how
        many it pays with. `fixed`: its user insists on the key; `changes`: how many it has given up.
        """
        neighbors = tuple(neighbors)
        owner = replacing.owner if replacing else self._owner(ip, wallets)
        own_random = random.Random(self.random.getrandbits(64)).randbytes
        shared = self._shared
        keys, alias = shared.keys(CHAIN.contract, own_random), shared.keys(CHAIN.contract, own_random)
        before = replacing.node if replacing and kept else None
        config = NodeConfig(
            keys=before.keys if before else keys,
            alias=alias,
            mode=mode,
            profile=_profile(owner, mode, rates),
            wallet=owner.consuming,
            accountant=_accountant(owner, owner.consuming, thresholds, scan_every, confirmations),
            hops=hops,
            contacts=tuple(_contact(keys, peer) for peer in neighbors),
            past_neighbors=owner.memory.config.get("past_neighbors"),
            first_version=before.neighborhood.graph.root.version + VERSIONS_OF_A_RUN if before else 0,
            identity=Identity(remembered=kept, fixed=fixed, changes=changes),
            contract=CHAIN.contract,
            link_policy=LinkPolicy(link_policy),
            package_policy=PackagePolicy(package_policy),
            epoch=EPOCH,
            spelling=shared.spelling,
            bans=owner.memory.config.get("bans"),
            reputation=owner.memory.config.get("reputation"),
            refusals=owner.memory.config.get("refusals"),
            statements=tuple(owner.memory.config.get(name) for name in SHARDS),
            further=tuple(
                FurtherWallet(
                    wallet=wallet,
                    accountant=_accountant(owner, wallet, thresholds, scan_every, confirmations),
                    saved=memory.state(),
                    statements=tuple(memory.config.get(name) for name in SHARDS),
                )
                for wallet, memory in owner.further
            ),
            purses=owner.memory.config.get("purses"),
        )
        host = SimNode(self._around, build_node(config, owner.memory.state(), own_random, self.now), owner)
        host.again = partial(
            self.add,
            neighbors,
            mode=mode,
            hops=hops,
            rates=rates,
            thresholds=thresholds,
            scan_every=scan_every,
            link_policy=link_policy,
            package_policy=package_policy,
            replacing=host,
            confirmations=confirmations,
            changes=changes + 1,
        )
        if replacing:
            self.hosts[owner.number] = host
        else:
            self.hosts.append(host)
            for wallet in (owner.consuming, *(wallet for wallet, _ in owner.further)):
                self.chain.fund(wallet.address, tokens)
        host.start()
        return host

    def join(self, count: int, every: float = 0.5, **settings: object) -> list[SimNode]:
        """Nodes that join one after the other, each by the descriptors of up to two that are there."""
        for _ in range(count):
            there = self.hosts[-2:]
            self.add(there, **settings)  # type: ignore[arg-type]
            self.run(every)
        return self.hosts

    def _owner(self, ip: str | None, wallets: int) -> Owner:
        """Somebody new, with wallets of its own."""
        consuming, earning = Wallet(self.random.randbytes(32)), Wallet(self.random.randbytes(32))
        number = len(self.hosts)
        further = tuple((Wallet(self.random.randbytes(32)), Memory()) for _ in range(wallets - 1))
        return Owner(number, consuming, earning, Memory(), ip or address_of(number), further)


def _profile(owner: Owner, mode: Mode, rates: RatePack) -> Profile:
    accepts = mode.accepts_connections
    return Profile(
        earning_wallet=owner.earning.address,
        rates=rates,
        accepts_connections=accepts,
        routes_data=mode.routes_data,
        country=None,
        address=NodeAddress(owner.ip, (PORT,)) if accepts else None,
    )


def _accountant(
    owner: Owner, wallet: Wallet, thresholds: PaymentThresholds, scan_every: float, confirmations: int
) -> AccountantConfig:
    def sign(nonce: int, fee: Fee, recipient: Address, wei: int) -> SignedTransaction:
        return sign_transfer(wallet, CHAIN, nonce=nonce, gas_price=fee.most, recipient=recipient, amount=wei)

    return AccountantConfig(
        earning_wallet=owner.earning.address,
        consuming_wallet=wallet.address,
        sign=sign,
        thresholds=thresholds,
        intervals=dict.fromkeys(Scan, scan_every),
        confirmations=confirmations,
    )


def _contact(keys: CryptDE, peer: SimNode) -> Contact:
    """As the descriptor of a peer says."""
    return Contact(keys.first_contact_key(peer.node.keys.fragment()), NodeAddress(peer.ip, (PORT,)))
