"""The one place where the parts of a Node are made and joined: both drivers build their Nodes here."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace

from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import Accountant, AccountantConfig, SavedState
from masq.core.accountant.desk import Desk
from masq.core.accountant.statements import SMALL, Statements, Us
from masq.core.circuits.entry import CircuitEntry
from masq.core.circuits.exit import CircuitExit
from masq.core.circuits.origin import OwnCircuits, Paying
from masq.core.circuits.passage import Billing
from masq.core.circuits.refusals import Refusals
from masq.core.circuits.relay import PassingCircuits
from masq.core.circuits.ways import Peer, Ways
from masq.core.limits import Limits
from masq.core.links.door import Door
from masq.core.links.links import Links
from masq.core.network.bans import Bans
from masq.core.network.contacts import Contact, remembered
from masq.core.network.neighborhood import Neighborhood
from masq.core.network.own_record import Profile
from masq.core.network.recognition import Identity
from masq.core.network.reputation import Reputation
from masq.core.network.routing import Ceiling, ExitWish, Routes
from masq.core.node import Node, Parts, Rules
from masq.core.packages.entry import PackageEntry
from masq.core.packages.exit import PackageExit
from masq.core.packages.relay import PackageRelay
from masq.core.proofs import Proofs
from masq.core.purses import Purses
from masq.core.sockets import Sockets
from masq.core.tab import Tab
from masq.crypto import Keys, Random
from masq.types import Address, Endpoint, LinkPolicy, Mode, PackagePolicy, PublicKey
from masq.wire.circuit import EXTENSION, PACE
from masq.wire.message import Spelling
from masq.wire.news import GOSSIP2


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherWallet:
    """One more consuming wallet, for the isolation groups that it falls to."""

    wallet: Wallet
    accountant: AccountantConfig
    saved: SavedState
    """What its own books were."""
    statements: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """What a Node is made of."""

    keys: Keys
    alias: Keys
    """The key pair that answers over packages are sealed to."""
    mode: Mode
    profile: Profile
    wallet: Wallet | None
    """The consuming wallet."""
    accountant: AccountantConfig
    hops: int
    contacts: tuple[Contact, ...] = ()
    """Those that the operator names."""
    past_neighbors: str | None = None
    """What was saved of the neighbors of before, who are asked after those."""
    first_version: int = 0
    identity: Identity = field(default_factory=Identity)
    scans: bool = True
    contract: Address = bytes(20)
    """The token contract of the chain: Nodes of other chains don't understand us."""
    link_policy: LinkPolicy = LinkPolicy.AUTO
    package_policy: PackagePolicy = PackagePolicy.AUTO
    epoch: float = 0.0
    """Unix time where `now` is 0."""
    ceiling: Ceiling = field(default_factory=Ceiling)
    limits: Limits = field(default_factory=Limits)
    bans: str | None = None
    """What was saved of bans."""
    reputation: str | None = None
    """What was saved of reputation."""
    exits: ExitWish = field(default_factory=ExitWish)
    refusals: str | None = None
    """What was saved of who refuses our wallets."""
    statements: tuple[str | None, ...] = ()
    """What was saved of statements of account."""
    further: tuple[FurtherWallet, ...] = ()
    purses: str | None = None
    """What was saved of whose wallet is which."""
    spelling: Spelling = field(default_factory=Spelling)


def build_node(config: NodeConfig, saved: SavedState, random: Random, now: float) -> Node:
    """A Node that remembers `saved`, and gets its random bytes from `random`."""
    keys = config.keys
    zero_hop = config.mode is Mode.ZERO_HOP
    hops = 0 if zero_hop else config.hops
    profile = config.profile
    if config.link_policy is LinkPolicy.MASQ or not keys.links_securely:
        profile = replace(
            profile, extensions=tuple(name for name in profile.extensions if name not in (EXTENSION, PACE, GOSSIP2))
        )
    port = profile.address.ports[0] if profile.address else 0
    own = frozenset(each.wallet.address for each in config.further)
    accountant = Accountant(replace(config.accountant, own=own), saved, config.epoch)

    def is_linked(key: PublicKey, ip: str, but: Endpoint) -> bool:
        """Whether a link stands to a Node: one that proved its key, or one of JSON at its address, other than `but`."""
        return any(
            link.key == key if link.secure is not None else link.peer.ip == ip and link.peer != but
            for link in links
            if link.up
        )

    contacts = [] if zero_hop else _contacts(config)
    profile = replace(profile, diverse=profile.diverse or _in_the_world(profile, contacts))
    neighborhood = Neighborhood(
        keys,
        profile,
        contacts,
        config.hops,
        config.first_version,
        now,
        is_linked,
        random,
        lambda key, ip: links.secure_link(ip, key) is not None,
        config.identity,
    )
    graph = neighborhood.graph
    links = Links(
        keys,
        config.contract,
        port,
        profile.extensions,
        config.link_policy,
        random,
        config.limits,
        Door(config.limits, neighborhood.is_close, profile.diverse),
    )
    neighborhood.recognition.standing, neighborhood.contacts.pending = links.standing, links.pending
    bans = Bans(config.bans, config.epoch)

    def secure_link_to(key: PublicKey) -> int | None:
        address = graph.address(key)
        return links.secure_link(address.ip, key) if address else None

    def peer_at(link: int) -> Peer:
        entry = links.get(link)
        if entry is None:
            return Peer("", b"", False)
        return Peer(entry.peer.ip, entry.key, graph.is_full(graph.root_key, entry.key))

    def paces(key: PublicKey) -> bool:
        record = graph.record(key)
        return record is not None and PACE in record.extensions

    ways = Ways(secure_link_to, links.is_outbound, links.crowded, peer_at)
    exits = config.mode is not Mode.CONSUME_ONLY

    def refuses(wallet: Address) -> bool:
        return accountant.refuses(wallet) or bans.refuses_wallet(wallet)

    def wallet_of(key: PublicKey) -> bytes:
        record = graph.record(key)
        return record.earning_wallet if record else b""

    reputation = Reputation(config.epoch, config.reputation, wallet_of)
    routes = Routes(graph, random, config.ceiling, bans.refuses_key, reputation, profile.diverse)
    routes.exits = config.exits
    reputation.guards = lambda: routes.guards.text
    us = Us(
        keys=keys,
        earning=config.accountant.earning_wallet,
        consuming=config.wallet,
        contract=config.contract,
        rates=profile.rates,
        dust=config.accountant.thresholds.permanent // SMALL,
    )
    statements = Statements(us, accountant.ledger, config.statements, config.epoch)
    sockets, tab, proofs = Sockets(config.limits), Tab(), _proofs(keys, config.wallet, statements, accountant)
    desks = tuple(
        _desk(number, further, us, accountant, config.epoch) for number, further in enumerate(config.further, 1)
    )
    purses = _purses(config, proofs, desks)
    package_relay = PackageRelay(keys, config.alias, proofs, not zero_hop, config.spelling)
    package_entry = PackageEntry(keys, config.alias, routes, purses, hops, sockets, tab, random)
    package_exit = PackageExit(keys, profile.rates, sockets, tab, config.limits)
    billing = _billing(profile, tab, statements, accountant)
    circuit_exit = CircuitExit(billing, sockets, ways, config.limits)
    circuits = PassingCircuits(keys, proofs, billing, circuit_exit, ways, refuses, exits, config.epoch)
    own_circuits = OwnCircuits(
        keys,
        routes,
        Paying(purses, tab, _refusals(config)),
        hops,
        random,
        ways,
        circuits.new_id,
        config.epoch,
        paces,
        reputation,
    )
    circuit_entry = CircuitEntry(own_circuits, sockets, ways)
    rules = Rules(
        mode=config.mode,
        hops=hops,
        pays=config.wallet is not None,
        exits=exits,
        relays=profile.routes_data,
        rates=profile.rates,
        package_policy=config.package_policy,
        scans=config.scans,
    )
    parts = Parts(
        accountant=accountant,
        links=links,
        neighborhood=neighborhood,
        routes=routes,
        package_relay=package_relay,
        package_entry=package_entry,
        package_exit=package_exit,
        circuits=circuits,
        circuit_exit=circuit_exit,
        own_circuits=own_circuits,
        circuit_entry=circuit_entry,
        sockets=sockets,
        tab=tab,
        bans=bans,
        reputation=reputation,
        statements=statements,
        purses=purses,
        desks=desks,
        spelling=config.spelling,
    )
    return Node(keys, rules, parts, now)


def _proofs(keys: Keys, wallet: Wallet | None, statements: Statements, accountant: Accountant) -> Proofs:
    promises = accountant.promises
    return Proofs(keys, wallet, statements.for_creditor, promises.voucher, promises.taken)


def _billing(profile: Profile, tab: Tab, statements: Statements, accountant: Accountant) -> Billing:
    owed, debt, vouchers = accountant.owed_by, accountant.debt_of, accountant.vouchers
    return Billing(profile.rates, tab, owed, statements.for_debtor, debt, vouchers.heard, vouchers.taken_by)


def _purses(config: NodeConfig, proofs: Proofs, desks: tuple[Desk, ...]) -> Purses:
    """The default wallet's proofs, and those of each further one."""
    further = zip(config.further, desks, strict=True)
    others = [_proofs(config.keys, each.wallet, desk.statements, desk.accountant) for each, desk in further]
    return Purses([proofs, *others], config.purses)


def _refusals(config: NodeConfig) -> Refusals:
    payers = (config.wallet.address if config.wallet else b"", *(each.wallet.address for each in config.further))
    return Refusals(payers, config.epoch, config.refusals)


def _desk(number: int, further: FurtherWallet, us: Us, accountant: Accountant, epoch: float) -> Desk:
    """The books of a further wallet. Our user's budget is one for all."""
    config = replace(further.accountant, earns=False)
    books = Accountant(config, further.saved, epoch, accountant.budget)
    statements = Statements(replace(us, consuming=further.wallet), books.ledger, further.statements, epoch)
    return Desk(number, further.wallet.address, books, statements)


def _contacts(config: NodeConfig) -> list[Contact]:
    named = {contact.address.ip for contact in config.contacts}
    return [*config.contacts, *(each for each in remembered(config.past_neighbors) if each.address.ip not in named)]


def _in_the_world(profile: Profile, contacts: list[Contact]) -> bool:
    """Whether our neighbors are strangers, rather than Nodes of one house or machine: as our own address shows, or,
    without one, those of our contacts."""
    places = [profile.address] if profile.address else [contact.address for contact in contacts]
    return any(ipaddress.ip_address(place.ip).is_global for place in places)
