"""The Node: its parts put together, and what concerns a sibling handed on. The drivers talk to this alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from masq.chain.erc20 import Transfer
from masq.chain.head import Head
from masq.core.accountant.accountant import Accountant
from masq.core.accountant.desk import Desk, wallet_view
from masq.core.accountant.effects import AccountantEffect, AskTransfers, Backing, OfPurse, Payment, Save, Scan
from masq.core.accountant.payments import Look
from masq.core.accountant.statements import Statements
from masq.core.accountant.terms import Terms
from masq.core.accountant.worth import GasShare
from masq.core.circuits.entry import CircuitEntry, Wish
from masq.core.circuits.exit import CircuitExit
from masq.core.circuits.origin import OwnCircuits
from masq.core.circuits.relay import PassingCircuits
from masq.core.effects import (
    CloseLink,
    CloseSocket,
    Connect,
    Effect,
    EndCircuit,
    EndSocket,
    Forward,
    Hold,
    Log,
    OuterEffect,
    Overrun,
    Prove,
    Reading,
    Say,
    SendFrame,
    Stated,
    Tell,
    WriteSocket,
)
from masq.core.failure import BUDGET, NO_WALLET, Cause, Failure, FailureError
from masq.core.limits import BOX_COST, OPEN_COST
from masq.core.links.links import GOSSIP_FLOW, Link, Links, LinkSpeech, LinkUp, Written
from masq.core.links.pressure import OURSELVES, Source
from masq.core.network.bans import Bans
from masq.core.network.neighborhood import Neighborhood
from masq.core.network.reputation import Reputation
from masq.core.network.routing import Ceiling, ExitWish, Route, Routes
from masq.core.offence import Offence, Rule
from masq.core.packages.entry import PackageEntry
from masq.core.packages.exit import PackageExit
from masq.core.packages.relay import ForEntry, ForExit, ForNeighborhood, PackageArrival, PackageRelay, Relayed
from masq.core.purses import Purses
from masq.core.sockets import Sockets
from masq.core.tab import Tab
from masq.core.view import (
    BooksView,
    KnownView,
    NodeView,
    RefusalView,
    ReputationView,
    RoutesView,
    StatementView,
    UnansweredView,
)
from masq.crypto import Keys
from masq.errors import CryptoError, PeerError, UnavailableError
from masq.types import Address, Endpoint, Mode, PackagePolicy, PublicKey, RatePack, Wei, address_text
from masq.wire.circuit import EXTENSION, Addresses, circuit_of
from masq.wire.frame import unmask
from masq.wire.message import Spelling
from masq.wire.news import News
from masq.wire.noise import TAG
from masq.wire.package import Package, single_hop
from masq.wire.secure_link import BODY, FLOW, Frame, FrameType, new_frame

ROUTE_CHECK: Final = 10_000
"""Bytes of the imagined request with which a Node looks whether it has a route."""
HOUSEKEEPING: Final = 5.0
_TOLD: Final = (Tell, Say)
"""What goes to neighbors: a tuple that is made once, as each effect is compared with it."""
_OF_STREAMS: Final = (WriteSocket, Reading, Connect, EndSocket, CloseSocket)
"""What is for the driver, and of which each stream has some: it is told from the rest at once."""

NodeEffect = OuterEffect | AccountantEffect | OfPurse


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a Node does, and for whom."""

    mode: Mode
    hops: int
    """0: it is its own exit."""
    pays: bool
    """Whether there is a consuming wallet."""
    exits: bool
    relays: bool
    rates: RatePack
    package_policy: PackagePolicy
    scans: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a Node consists of; `build.py` makes them."""

    accountant: Accountant
    links: Links
    neighborhood: Neighborhood
    routes: Routes
    package_relay: PackageRelay
    package_entry: PackageEntry
    package_exit: PackageExit
    circuits: PassingCircuits
    circuit_exit: CircuitExit
    own_circuits: OwnCircuits
    circuit_entry: CircuitEntry
    sockets: Sockets
    tab: Tab
    bans: Bans
    reputation: Reputation
    statements: Statements
    purses: Purses
    desks: tuple[Desk, ...]
    spelling: Spelling


class Node:
    """One Node. Inputs take `now` (seconds, steady, from any origin) and return the effects to carry out, in order."""

    def __init__(self, keys: Keys, rules: Rules, parts: Parts, now: float) -> None:
        self.keys = keys
        self.rules = rules
        self.hops = rules.hops
        self.accountant = parts.accountant
        self.links = parts.links
        self.neighborhood = parts.neighborhood
        self.routes = parts.routes
        self.package_relay = parts.package_relay
        self.package_entry = parts.package_entry
        self.package_exit = parts.package_exit
        self.circuits = parts.circuits
        self.circuit_exit = parts.circuit_exit
        self.own_circuits = parts.own_circuits
        self.circuit_entry = parts.circuit_entry
        self.sockets = parts.sockets
        self.tab = parts.tab
        self.bans = parts.bans
        self.reputation = parts.reputation
        self.statements = parts.statements
        self.purses = parts.purses
        self.desks = parts.desks
        """Of the further consuming wallets."""
        self._spelling = parts.spelling
        self._route_revision = -1
        self._route: Route | None = None
        """The last one that was found when it was looked whether there is one, unless what is wanted has changed."""
        self.has_route = False
        self._why_not: str | None = None
        self._compromise: str | None = None
        self._scanning = False
        self._held: dict[int, PublicKey] = {}
        """Links that are congested, and for whose packages clients and servers wait for them."""
        self._housekept = now

    # --- time ---

    def start(self, now: float) -> list[NodeEffect]:
        return self.tick(now)

    def tick(self, now: float) -> list[NodeEffect]:
        """Does what is due; to be called at `next_wake`, or whenever."""
        effects: list[NodeEffect] = []
        for tick in (self.neighborhood.tick, self.package_entry.tick, self.circuit_entry.tick):
            if due := tick(now):
                effects += self._carry(due, now)
        if self.flush_due <= now:
            effects += self.flush(now)
        dead, of_links = self.links.tick(now)
        if of_links:
            effects += self._carry(of_links, now)
        for link in dead:
            effects += [CloseLink(link), *self.link_closed(link, now)]
        if now - self._housekept >= HOUSEKEEPING:
            self._housekept = now
            self.package_relay.tick(now)
            effects += self._carry(self.package_exit.tick(now), now)
            effects += self._carry(self.circuit_exit.tick(now), now)
            effects += self._carry(self.circuits.tick(now), now)
            effects += self._upgrade_links(now)
            for link in self.links.spare(now):
                if not self.circuits.uses(link) and not self.own_circuits.over(link):
                    effects += [CloseLink(link), *self.link_closed(link, now)]
        effects += self._carry(self.accountant.tick(now), now)
        effects += self.bans.tick(now)
        effects += self.reputation.tick(now)
        effects += self.statements.tick(now)
        effects += self.purses.tick(now)
        effects += self.own_circuits.refusals.tick(now)
        for desk in self.desks:
            effects += desk.tick(now)
        return effects + self._look_for_route(now)

    def next_wake(self, now: float) -> float:
        return min(
            self._housekept + HOUSEKEEPING,
            self.neighborhood.next_wake(now),
            self.package_entry.next_wake(now),
            self.links.next_wake(now),
            self.circuit_entry.next_wake(now),
            self.flush_due,
            self.accountant.next_wake(),
            *(desk.accountant.next_wake() for desk in self.desks),
        )

    @property
    def flush_due(self) -> float:
        """When `flush` has something to do. The driver calls it once all that has happened by then was told."""
        ours, theirs = self.circuit_entry.departures.due, self.circuit_exit.departures.due
        return min(theirs, ours)

    def flush(self, now: float) -> list[NodeEffect]:
        """Send what was gathered: small messages for one circuit share a cell."""
        return self._carry([*self.circuit_entry.flush(now), *self.circuit_exit.flush(now)], now)

    # --- links ---

    def accept(self, peer: Endpoint, now: float) -> tuple[int | None, list[NodeEffect]]:
        """A peer has connected: the id of the link, or None if it is to be refused."""
        if self.bans.banned(peer.ip, now):
            return None, []
        link, effects = self.links.accept(peer, now)
        return link, self._carry(effects, now)

    def dialled(self, link: int, now: float) -> list[NodeEffect]:
        return self._carry(self.links.dialled(link, now), now)

    def dial_failed(self, link: int, reason: str, now: float) -> list[NodeEffect]:
        entry = self.links.get(link)
        peer = entry.peer if entry else None
        return [Log("info", "dial_failed", f"{peer}: {reason}"), *self.link_closed(link, now)]

    def link_received(self, link: int, data: memoryview, now: float) -> list[NodeEffect]:
        """Bytes from a peer: whole frames are opened and dealt with.

        `data` is writable, and overwritten. The effects may hold views of it.
        """
        entry = self.links.get(link)
        if entry is None:
            return [CloseLink(link)]
        effects: list[NodeEffect] = []
        answers: list[Written] = []
        """What the link says itself, before anything else: it is sealed already, what comes of frames is not yet."""
        frames: list[Effect] = []
        try:
            for arrival in self.links.received(link, data, now, answers):
                if isinstance(arrival, Frame) and arrival.type != FrameType.GOSSIP:
                    # Frames lie side by side in `data`: what comes of all of them is carried out together.
                    frames += self._circuit_frame(link, arrival, now)
                    continue
                if answers or frames:
                    effects += [*self._settled(answers, now), *self._carry(frames, now)]
                    frames.clear()
                    answers.clear()
                effects += self._on_link(entry, arrival, now)
                if self.links.get(link) is None:
                    return effects  # It was too much of the same.
            if answers or frames:
                effects += [*self._settled(answers, now), *self._carry(frames, now)]
        except PeerError as error:
            # A handshake that fails gets no word of explanation on the wire.
            effects += [*self._settled(answers, now), *self._carry(frames, now)]
            effects += [Log("warning", "link_refused", f"{entry.peer}: {error}"), *self._end_link(link, now)]
            effects += self._judge(Offence(Rule.MALFORMED, entry.peer.ip, detail=str(error)), now)
        return effects

    def _settled(self, answers: list[Written], now: float) -> list[NodeEffect]:
        """What links want done of themselves; one that holds too much of an unfinished frame ends."""
        effects: list[NodeEffect] = []
        for answer in answers:
            if isinstance(answer, CloseLink):
                effects += self._end_link(answer.link, now)
            elif isinstance(answer, Hold | Overrun):
                effects += self._carry((answer,), now)
            else:
                effects.append(answer)
        return effects

    def _end_link(self, link: int, now: float) -> list[NodeEffect]:
        return [CloseLink(link), *self.link_closed(link, now)]

    def _on_link(self, link: Link, arrival: bytes | Package | LinkUp | Frame, now: float) -> list[NodeEffect]:
        if isinstance(arrival, LinkUp):
            if self.bans.banned_key(arrival.key, now):
                return self._end_link(link.id, now)
            return self._carry(self.neighborhood.proven(arrival.key, link.peer, arrival.port, now, arrival.seen), now)
        if isinstance(arrival, Frame):
            return self._news(link, bytes(arrival.body), now)
        relay = self.package_relay
        try:
            package = relay.open(unmask(arrival)) if isinstance(arrival, bytes) else arrival
        except PeerError as error:
            return self._malformed(link, error, now)
        self.links.introduce(link)
        effects: list[NodeEffect] = [*self.links.worked(link, BOX_COST, now)]
        try:
            opened = relay.arrive(package)
        except PeerError as error:
            # What lies in a package is its originator's: a neighbor that has passed it on is not to blame.
            if not link.close:
                return effects + self._malformed(link, error, now)
            return [*effects, Log("info", "package_dropped", f"from {link.peer}: {error}")]
        source = Source(link.id, package.hops[0][:FLOW])
        sender = link.key if link.secure is not None else b""
        return effects + self._arrived(opened, link.peer, now, sender, source)

    def _news(self, link: Link, body: bytes, now: float) -> list[NodeEffect]:
        """What a Node of ours tells of the network. MalformedError if it makes no sense."""
        effects: list[NodeEffect] = [*self.links.worked(link, BOX_COST, now)]
        effects += self._carry(self.neighborhood.hear(News.decode(body), link.peer, now, link.key), now)
        return effects + self._look_for_route(now)

    def _malformed(self, link: Link, error: PeerError, now: float) -> list[NodeEffect]:
        """A frame made no sense. Some are borne; then the link ends, and its address has something to answer for."""
        log = Log("info", "package_dropped", f"from {link.peer}: {error}")
        effects: list[NodeEffect] = [log, *self.links.worked(link, BOX_COST, now)]
        if not self.links.malformed(link, now):
            return effects
        ended = [*self._end_link(link.id, now), *self._judge(Offence(Rule.FLOOD, link.peer.ip, detail=str(error)), now)]
        return effects + ended

    def _circuit_frame(self, link: int, frame: Frame, now: float) -> Sequence[Effect]:
        circuit = circuit_of(frame.wire)
        own = self.own_circuits.get(link, circuit)
        if own is not None:
            return self.circuit_entry.frame(own, frame, now)
        if not self.rules.relays:
            return []
        effects: Sequence[Effect] = self.circuits.frame((link, circuit), frame, now)
        if frame.type == FrameType.OPEN:
            known = self.links.get(link)
            return [*effects, *self.links.worked(known, OPEN_COST, now)] if known else effects
        return effects

    def _upgrade_links(self, now: float) -> list[NodeEffect]:
        """Neighbors that we speak JSON to though they know secure links: the one with the lower key dials."""
        if all(link.speech is not LinkSpeech.JSON for link in self.links):
            return []
        graph = self.neighborhood.graph
        effects: list[NodeEffect] = []
        for record in graph.full_neighbors(graph.root_key):
            address = graph.address(record.public_key)
            ours_to_dial = graph.root_key < record.public_key or not graph.root.accepts_connections
            if EXTENSION in record.extensions and record.accepts_connections and address and ours_to_dial:
                effects += self.links.upgrade(address.endpoint, record.public_key, now)
        return effects

    def link_congested(self, link: int, now: float) -> list[NodeEffect]:
        """The driver's buffer for this link is full."""
        self.links.congested(link)
        entry = self.links.get(link)
        key = self.neighborhood.graph.at(entry.peer.ip) if entry else None
        if key is None:
            return []
        self._held[link] = key
        return self._hold(key, True, now)

    def link_drained(self, link: int, now: float) -> list[NodeEffect]:
        """The driver can take more. It asks again until it gets nothing or is full."""
        effects = self._carry(self.links.drained(link), now)
        if effects:
            return effects
        free = [*self.circuit_entry.link_free(link), *self.circuit_exit.link_free(link)]
        return self._carry(free, now) + self._release(link, now)

    def link_closed(self, link: int, now: float) -> list[NodeEffect]:
        ip, again = self.links.closed(link, now)
        effects = self._carry(again, now)
        effects += self._carry(self.circuit_entry.link_lost(link, now), now)
        effects += self._carry(self.circuits.link_lost(link), now)
        effects += self._release(link, now)
        if ip is None:
            return effects
        key = self.neighborhood.graph.at(ip)
        effects += self._carry(self.neighborhood.link_lost(ip, now), now)
        if key is not None:
            effects += self._carry(self.package_entry.neighbor_lost(key, now), now)
            effects += self._carry(self.package_exit.neighbor_lost(key), now)
        return effects + self._look_for_route(now)

    def _release(self, link: int, now: float) -> list[NodeEffect]:
        """A link has drained, or ended: nobody waits for it any more. Its Node may have another, congested, one."""
        key = self._held.pop(link, None)
        return [] if key is None or key in self._held.values() else self._hold(key, False, now)

    def _hold(self, key: PublicKey, on: bool, now: float) -> list[NodeEffect]:
        return self._carry([*self.package_entry.hold(key, on), *self.package_exit.hold(key, on)], now)

    # --- sockets ---

    def open(self, host: str, port: int, group: str, now: float, eager: bool = False) -> tuple[int, list[NodeEffect]]:
        """A client asks for a connection: the id of its socket. FailureError says why there can't be one.

        `group` isolates: streams of different groups share no route. `eager`: the client says nothing until it is
        told, by Accepted, that the server is reached.
        """
        self._check_purse(now)
        if self.hops and self.rules.package_policy is not PackagePolicy.MASQ:
            try:
                socket, opened = self.circuit_entry.open(Wish.STREAM, host, port, group, now, eager)
                return socket, self._carry(opened, now)
            except UnavailableError:
                if self.rules.package_policy is PackagePolicy.CIRCUITS:
                    raise
        socket, begun = self.package_entry.open(host, port, group, now, eager)
        return socket, self._carry(begun, now)

    def open_datagrams(self, group: str, now: float) -> tuple[int, list[NodeEffect]]:
        """A client wants to exchange datagrams with any hosts. UnavailableError says why it can't."""
        return self._over_circuit(Wish.DATAGRAMS, "", group, now)

    def resolve(self, host: str, group: str, now: float) -> tuple[int, list[NodeEffect]]:
        """A client wants to know a host's addresses: the id that `Resolved` will answer with. UnavailableError."""
        return self._over_circuit(Wish.RESOLUTION, host, group, now)

    def _over_circuit(self, kind: Wish, host: str, group: str, now: float) -> tuple[int, list[NodeEffect]]:
        self._check_purse(now)
        if not self.hops or self.rules.package_policy is PackagePolicy.MASQ:
            words = "only circuits carry this, and this Node is set to use none"
            raise FailureError(Failure(Cause.NO_ROUTE, detail=words))
        try:
            socket, effects = self.circuit_entry.open(kind, host, 0, group, now)
            return socket, self._carry(effects, now)
        except FailureError as error:
            words = f"only circuits carry this: {error}"
            raise FailureError(replace(error.failure, detail=words)) from error

    def _check_purse(self, now: float) -> None:
        """FailureError if our user can't pay, or has spent enough."""
        if not self.rules.pays and self.hops:
            raise FailureError(NO_WALLET)
        if self.accountant.budget.used_up(now):
            raise FailureError(BUDGET)

    def connected(self, socket: int, address: str, now: float) -> list[NodeEffect]:
        """The exit has reached a server, at this address, or has a socket for datagrams."""
        owner = self.sockets.owner(socket)
        if isinstance(owner, PackageExit | CircuitExit):
            return self._carry(owner.connected(socket, address, now), now)
        return [CloseSocket(socket)]

    def connect_failed(self, socket: int, failure: Failure, now: float) -> list[NodeEffect]:
        owner = self.sockets.owner(socket)
        return (
            self._carry(owner.connect_failed(socket, failure, now), now)
            if isinstance(owner, PackageExit | CircuitExit)
            else []
        )

    def resolved(self, socket: int, found: Addresses | Failure, now: float) -> list[NodeEffect]:
        """What a look-up for somebody's circuit has brought."""
        return self._carry(self.circuit_exit.resolved(socket, found, now), now)

    def datagram_received(self, socket: int, host: str, port: int, data: bytes, now: float) -> list[NodeEffect]:
        """A datagram of a client for a host, or of a host for a client of somebody."""
        owner = self.sockets.owner(socket)
        if isinstance(owner, CircuitEntry | CircuitExit):
            return self._carry(owner.datagram(socket, host, port, data, now), now)
        return [CloseSocket(socket)]

    def socket_received(self, socket: int, data: bytes | memoryview, now: float) -> list[NodeEffect]:
        """Bytes of a client or server, at most the package size at once. The effects may hold views of them."""
        owner = self.sockets.owner(socket)
        return (
            [CloseSocket(socket)] if owner is None else self._carry(owner.received(socket, memoryview(data), now), now)
        )

    def socket_ended(self, socket: int, now: float) -> list[NodeEffect]:
        owner = self.sockets.owner(socket)
        return [CloseSocket(socket)] if owner is None else self._carry(owner.ended(socket, now), now)

    def socket_closed(self, socket: int, failure: Failure, now: float) -> list[NodeEffect]:
        owner = self.sockets.owner(socket)
        return [] if owner is None else self._carry(owner.closed(socket, failure, now), now)

    def socket_congested(self, socket: int) -> None:
        owner = self.sockets.owner(socket)
        if owner is not None:
            owner.congested(socket)

    def socket_drained(self, socket: int, now: float) -> list[NodeEffect]:
        owner = self.sockets.owner(socket)
        return [] if owner is None else self._carry(owner.drained(socket, now), now)

    # --- money: what the driver was asked to find out, or to do, on the chain ---

    # `purse` is the number of the consuming wallet that was asked for; 0: the default one.

    def _told(self, purse: int, effects: Sequence[AccountantEffect], now: float) -> list[NodeEffect]:
        """What the Accountant of a wallet wants done."""
        if not purse:
            return self._carry(effects, now)
        for effect in effects:
            if isinstance(effect, Save):
                self._has_paid(purse, effect, now)
        return [*self.desks[purse - 1].marked(effects)]

    def _has_paid(self, purse: int, save: Save, now: float) -> None:
        """Who refuses a wallet that has paid it is tried again soon."""
        if save.paid:
            self.own_circuits.settled(purse, {each.creditor for each in save.paid}, now)

    def accountant_of(self, purse: int) -> Accountant:
        return self.desks[purse - 1].accountant if purse else self.accountant

    def scan(self, scan: Scan, now: float) -> list[NodeEffect]:
        """Begin a scan at once, as the user wants."""
        effects = self._carry(self.accountant.scan(scan, now), now)
        for desk in self.desks:
            effects += desk.marked(desk.accountant.scan(scan, now))
        return effects

    def terms(self, terms: Terms, now: float, purse: int = 0) -> list[NodeEffect]:
        return self._told(purse, self.accountant_of(purse).terms(terms, now), now)

    def used(
        self, payment: bytes, user: bytes | None, block: int, head: int, now: float, purse: int = 0
    ) -> list[NodeEffect]:
        """Which transaction has the nonce of a payment, and in which block; None: that isn't known."""
        return self._told(purse, self.accountant_of(purse).used(payment, user, block, head, now), now)

    def gone(self, hashes: Iterable[bytes], now: float) -> list[NodeEffect]:
        """Transactions that were credited, and that no block holds any more."""
        return self._carry(self.accountant.gone(hashes, now), now)

    def backing(self, found: Mapping[Address, Backing], now: float) -> list[NodeEffect]:
        """What stands behind vouchers of others."""
        self.accountant.backing(found, now)
        return []

    def set_clock(self, epoch: float, now: float) -> list[NodeEffect]:
        """What the wall clock says: unix time was `epoch` where the steady clock was 0."""
        effects = self.accountant.set_clock(epoch)
        done = self._carry([*effects, *self.accountant.clock_was_set(now)], now) if effects else []
        for desk in self.desks:
            if desk.accountant.set_clock(epoch):
                done += desk.marked(desk.accountant.clock_was_set(now))
        return done

    def search_from(self, block: int, now: float) -> list[NodeEffect]:
        """Look for income from a block on."""
        return self._carry(self.accountant.search_from(block, now), now)

    def sent(
        self, results: Sequence[str | None], payments: Sequence[Payment], now: float, purse: int = 0
    ) -> list[NodeEffect]:
        return self._told(purse, self.accountant_of(purse).sent(results, payments, now), now)

    def receipts(self, look: Look, now: float, purse: int = 0) -> list[NodeEffect]:
        return self._told(purse, self.accountant_of(purse).receipts(look, now), now)

    def transfers(
        self, asked: AskTransfers, found: Iterable[Transfer], last: int | None, head: Head, now: float, purse: int = 0
    ) -> list[NodeEffect]:
        """Transfers up to a block; None: the provider hasn't even the first that was asked for."""
        return self._told(purse, self.accountant_of(purse).transfers(asked, found, last, head, now), now)

    def scan_failed(
        self, scan: Scan | None, problem: str, now: float, most_blocks: int | None = None, purse: int = 0
    ) -> list[NodeEffect]:
        """A scan, or something else that was asked, came to nothing. `most_blocks`: the provider's limit, if any."""
        return self._told(purse, self.accountant_of(purse).failed(scan, problem, now, most_blocks), now)

    def stop(self, now: float) -> list[NodeEffect]:
        """What has to be done before the end: charges that were gathered are saved."""
        effects = [*self._carry(self.accountant.flush(), now), *self.reputation.save(now), *self.purses.save()]
        effects += self.own_circuits.refusals.save()
        for desk in self.desks:
            effects += desk.marked(desk.accountant.flush())
        return effects

    # --- inside ---

    def _arrived(
        self,
        arrival: PackageArrival,
        source: Endpoint,
        now: float,
        sender: PublicKey = b"",
        stopped_at: Source | None = None,
    ) -> list[NodeEffect]:
        """`stopped_at`: where more of them are stopped, if they came over a link."""
        match arrival:
            case Relayed(forward, payer, size):
                if not self.rules.relays or self.circuits.closed:
                    return [Log("info", "package_dropped", f"from {source}: this Node relays nothing")]
                if self._refuses(payer):
                    return [_delinquent(payer, source)]
                self.tab.earn(payer, self.rules.rates.routing_charge(size))
                sent = self._forward(forward, now, stopped_at)
                return sent + self._carry((), now)
            case ForExit(request, hop, package, payer):
                if not self.rules.exits or self.circuits.closed:
                    return [Log("info", "package_dropped", f"from {source}: this Node is no exit")]
                if payer is not None and self._refuses(payer):
                    return [_delinquent(payer, source)]
                return self._carry(self.package_exit.request(request, hop, package, payer, now), now)
            case ForEntry(message, return_id, payload_size):
                return self._carry(self.package_entry.response(message, return_id, payload_size, now), now)
            case ForNeighborhood(gossip):
                effects = self._carry(self.neighborhood.receive(gossip, source, now, sender), now)
                return effects + self._look_for_route(now)

    def serve_others(self, on: bool, now: float) -> list[NodeEffect]:
        """Whether others are served. If not, what they have here ends."""
        self.circuits.closed = not on
        return [] if on else self._carry(self.circuits.close_all(), now)

    def _refuses(self, payer: Address) -> bool:
        return self.accountant.is_delinquent(payer) or self.bans.refuses_wallet(payer)

    def _carry(self, effects: Iterable[Effect | AccountantEffect], now: float) -> list[NodeEffect]:
        """Hand on what concerns a sibling; the rest is for the driver."""
        out: list[NodeEffect] = []
        overrun: list[Overrun | Hold] = []
        for effect in effects:
            if isinstance(effect, SendFrame):
                _part(self.links.send_frame(*effect), out, overrun)
            elif isinstance(effect, _OF_STREAMS):
                out.append(effect)
            elif isinstance(effect, Overrun):
                overrun.append(effect)
            else:
                out += self._handed_on(effect, now)
        if self.tab.earned or self.tab.owed or self.tab.further:
            out += self._book(now)
        # Only now: what was still to be sent for these circuits must not follow their end.
        for each in overrun:
            if isinstance(each, Hold):
                out += self._handed_on(each, now)
                continue
            ended = [
                *self.circuit_entry.overrun(each.link, each.circuit, now),
                *self.circuits.overrun(each.link, each.circuit),
            ]
            out += self._carry(ended, now)
        return out

    def _handed_on(self, effect: Effect | AccountantEffect, now: float) -> list[NodeEffect]:
        """What comes of one that is rarer than cells and bytes of streams: itself, if it is for the driver."""
        if isinstance(effect, Forward):
            return self._forward(effect, now)
        if isinstance(effect, _TOLD):
            return self._tell(effect, now) if isinstance(effect, Tell) else self._say(effect, now)
        if isinstance(effect, Hold):
            of_clients, of_servers = self.package_entry, self.package_exit
            held = [*of_clients.hold(effect.flow, effect.on), *of_servers.hold(effect.flow, effect.on)]
            return self._carry(held, now)
        if isinstance(effect, Prove):
            return [*self.links.upgrade(effect.endpoint, effect.key, now)]
        if isinstance(effect, EndCircuit):
            leg = (effect.link, effect.circuit)
            return self._carry(self.circuits.end(leg, effect.reason, effect.detail), now)
        if isinstance(effect, Offence):
            return self._judge(effect, now)
        if isinstance(effect, Save):
            self._has_paid(0, effect, now)
            return [self.statements.join(effect)]
        if isinstance(effect, Stated):
            statements = self.desks[effect.purse - 1].statements if effect.purse else self.statements
            return [*statements.heard(effect, now)]
        assert not isinstance(effect, SendFrame | Overrun)
        return [effect]

    def _judge(self, offence: Offence, now: float) -> list[NodeEffect]:
        """Hold something against a peer; who is banned for it is left at once."""
        who = offence.ip or offence.key.hex()[:8] or "0x" + offence.wallet.hex()
        effects: list[NodeEffect] = [Log("info", "offence", f"{who} {offence.rule.words}: {offence.detail}")]
        banned = self.bans.offend(offence, now)
        if not banned:
            return effects
        effects.append(Log("warning", "banned", f"{', '.join(banned)} for a while: {offence.rule.words}"))
        return effects + self._leave_banned(now)

    def _leave_banned(self, now: float) -> list[NodeEffect]:
        effects: list[NodeEffect] = []
        for link in list(self.links):
            if self.bans.banned(link.peer.ip, now) or (link.key and self.bans.banned_key(link.key, now)):
                effects += self._end_link(link.id, now)
        return effects

    def ban(self, who: str, seconds: float, now: float) -> list[NodeEffect]:
        """The operator bans an address, a key or a wallet."""
        self.bans.add(who, seconds, now)
        return self._leave_banned(now)

    def _book(self, now: float) -> list[NodeEffect]:
        """Tell the Accountant what this input has earned and cost: once, as its cells are many."""
        effects: list[NodeEffect] = []
        for payable, amounts in ((False, self.tab.earned), (True, self.tab.owed)):
            for wallet, wei in amounts.items():
                effects += self.accountant.charge(payable, wallet, wei, now)
            amounts.clear()
        for purse, owed in self.tab.further.items():
            desk = self.desks[purse - 1]
            for wallet, wei in owed.items():
                effects += desk.marked(desk.accountant.charge(True, wallet, wei, now))
        self.tab.further.clear()
        return effects

    def _tell(self, tell: Tell, now: float) -> list[NodeEffect]:
        try:
            package = Package(
                single_hop(self.keys, tell.key), self.keys.seal(tell.key, self._spelling.encode(tell.message))
            )
        except CryptoError as error:
            return [Log("warning", "gossip_not_sent", f"{tell.endpoint}: {error}")]
        known = self._speaks_securely(tell.key)
        known = tell.secure if known is None else known
        return self._carry(self.links.send(tell.endpoint, tell.key, package, GOSSIP_FLOW, known, now), now)

    def _say(self, say: Say, now: float) -> list[NodeEffect]:
        link = self.links.secure_link(say.ip, say.key)
        if link is None:
            return []
        frame = new_frame(FrameType.GOSSIP, len(say.news))
        frame[BODY:-TAG] = say.news
        return self._carry(self.links.send_frame(link, frame, GOSSIP_FLOW), now)

    def _forward(self, forward: Forward, now: float, source: Source | None = None) -> list[NodeEffect]:
        """`source`: where more of these packages are stopped; None: at our own entry and exit."""
        key, package, flow = forward.key, forward.package, forward.flow
        if key == self.keys.public_key:
            try:
                return self._arrived(self.package_relay.arrive(package), Endpoint("0.0.0.0", 0), now)
            except PeerError as error:
                return [Log("warning", "package_dropped", f"from ourselves: {error}")]
        address = self.neighborhood.graph.address(key)
        if address is None:
            return [Log("info", "package_dropped", "the next Node of a route is not known, or its address isn't")]
        known = self._speaks_securely(key)
        stopped_at = source or Source(OURSELVES, flow)
        return self._carry(self.links.send(address.endpoint, key, package, flow, known, now, stopped_at), now)

    def _speaks_securely(self, key: PublicKey) -> bool | None:
        record = self.neighborhood.graph.record(key)
        return None if record is None else EXTENSION in record.extensions

    def _look_for_route(self, now: float) -> list[NodeEffect]:
        graph = self.neighborhood.graph
        if not self.hops or self._route_revision == graph.revision:
            return []
        before, self._route_revision = self._route_revision, graph.revision
        if self._route is not None and self.routes.finds_again(self._route, before):
            return []
        try:
            route = self._route = self.routes.find(self.hops, ROUTE_CHECK)
            found, self._why_not, self._compromise = True, None, route.compromise or None
        except UnavailableError as error:
            found, self._why_not, self._compromise, self._route = False, str(error), None, None
        effects: list[NodeEffect] = []
        self.neighborhood.contacts.tell_route(found, now)
        if found != self.has_route:
            self.has_route = found
            text = f"a route over {self.hops} hops was found" if found else "there is no route any more"
            effects.append(Log("info", "route", text))
        if found and not self._scanning and self.rules.scans:
            self._scanning = True
            effects += self._carry(self.accountant.start_scans(now), now)
            for desk in self.desks:
                effects += desk.marked(desk.accountant.start_scans(now))
        return effects

    def renew_routes(self) -> int:
        """Our user's new streams take new routes, to other exits where there are any: how many are left."""
        return self.own_circuits.renew() + self.package_entry.renew()

    def pay_at_most(self, ceiling: Ceiling, per_hour: int | None) -> None:
        """Other prices that our user will pay: for a route, and wei in an hour (None: any)."""
        self.routes.pay_at_most(ceiling)
        self.accountant.budget.per_hour = per_hour
        self._route_revision, self._route = -1, None

    def pay_gas(self, share: GasShare) -> None:
        """Another share of a payment that its gas may cost."""
        for accountant in (self.accountant, *(desk.accountant for desk in self.desks)):
            accountant.pay_gas(share)

    def exit_in(self, wish: ExitWish) -> None:
        """Other countries for exits: new streams take new routes, those that there are go on."""
        self.routes.exits = wish
        self._route_revision, self._route = -1, None
        self.own_circuits.renew(leave=False)
        self.package_entry.renew()

    def proven(self, group: str, now: float) -> bool:
        """Whether a stream of this group goes a way that has answered before, or one that never tells."""
        if not self.hops or self.rules.package_policy is PackagePolicy.MASQ:
            return True
        return self.own_circuits.proven(group, now)

    @property
    def stage(self) -> str:
        """NotConnected, ConnectedToNeighbor or RouteFound (neighborhood.md 5.5), or ZeroHop."""
        if not self.hops:
            return "ZeroHop"
        if self.has_route:
            return "RouteFound"
        graph = self.neighborhood.graph
        return "ConnectedToNeighbor" if graph.full_neighbors(graph.root_key) else "NotConnected"

    def _reputation_of(self, key: PublicKey) -> ReputationView | None:
        return None if key == self.keys.public_key else self.reputation.view(key, key in self.routes.guards)

    def view(self, now: float) -> NodeView:
        graph = self.neighborhood.graph
        places = {known.record.public_key: place for place, known in enumerate(graph)}
        return NodeView(
            mode=str(self.rules.mode),
            stage=self.stage,
            public_key=self.keys.public_key.hex(),
            record_version=graph.root.version,
            nodes_known=len(graph),
            neighbors=self.neighborhood.view(),
            routes=RoutesView(
                self.has_route or not self.hops,
                self.hops,
                self._why_not,
                self.own_circuits.heard(now),
                self._compromise,
            ),
            exits=self.own_circuits.exits(now, graph.record),
            nodes=tuple(
                KnownView(
                    known.record.public_key.hex(),
                    str(known.address.endpoint) if known.address else None,
                    known.record.country,
                    address_text(known.record.earning_wallet),
                    known.record.routes_data,
                    tuple(known.record.rates),
                    tuple(sorted(places[key] for key in known.record.neighbors if key in places)),
                    self._reputation_of(known.record.public_key),
                )
                for known in graph
            ),
            streams=(*self.package_entry.view(now), *self.circuit_entry.view(now)),
            serving=sum(1 for _ in self.package_exit) + sum(1 for _ in self.circuit_exit.streams()),
            circuits=sum(1 for _ in self.circuits),
            avoided=self.own_circuits.blame.view(now),
            overbilled=self.own_circuits.view(now),
            disputed=sum(each.disputed for each in (self.statements, *(desk.statements for desk in self.desks))),
            links=self.links.view(),
            bans=self.bans.view(now),
            overlooked=self.neighborhood.recognition.advice(now),
        )

    def audit(self) -> tuple[StatementView, ...]:
        """What the other sides of all accounts have signed, beside our own count."""
        return (*self.statements.view(), *(row for desk in self.desks for row in desk.statements.view()))

    def unanswered(self) -> tuple[UnansweredView, ...]:
        """Who is paid for what was sent in packages and never answered, the largest amount first."""
        found = sorted(self.package_entry.unanswered.wei.items(), key=lambda item: (-item[1], item[0]))
        return tuple(UnansweredView(address_text(wallet), Wei(wei)) for wallet, wei in found)

    def _refused_by(self, now: float) -> tuple[RefusalView, ...]:
        rows = []
        for each in reversed(list(self.own_circuits.refusals)):
            books = self.accountant_of(each.purse)
            ours, advice = books.outlook(each.wallet, each.debt.release)
            rows.append(
                RefusalView(
                    each.key.hex(),
                    address_text(each.wallet),
                    address_text(books.wallet or b""),
                    Wei(each.debt.owed),
                    Wei(ours),
                    each.debt.since,
                    Wei(each.debt.most),
                    Wei(each.debt.release),
                    now - each.when,
                    advice,
                )
            )
        return tuple(rows)

    def books(self, now: float) -> BooksView:
        """The books of all wallets together."""
        books = replace(self.accountant.view(now), refused_by=self._refused_by(now))
        if not self.desks:
            return books
        others = [desk.view(now) for desk in self.desks]
        wallet = self.accountant.wallet or b""
        return replace(
            books,
            payables=(*books.payables, *(each for _, other in others for each in other.payables)),
            payments=(*books.payments, *(each for _, other in others for each in other.payments)),
            paid_wei=Wei(books.paid_wei + sum(other.paid_wei for _, other in others)),
            money=replace(
                books.money,
                owed_wei=Wei(books.money.owed_wei + sum(other.money.owed_wei for _, other in others)),
                lacking=Wei(books.money.lacking + sum(other.money.lacking for _, other in others)),
                accounts=books.money.accounts + sum(other.money.accounts for _, other in others),
                dear=(*books.money.dear, *(each for _, other in others for each in other.money.dear)),
            ),
            wallets=(wallet_view(wallet, books), *(view for view, _ in others)),
        )


def _part(effects: list[Written], out: list[NodeEffect], overrun: list[Overrun | Hold]) -> None:
    """Most often there is one effect, and it is a write."""
    for effect in effects:
        if isinstance(effect, Overrun | Hold):
            overrun.append(effect)
        else:
            out.append(effect)


def _delinquent(payer: bytes, source: Endpoint) -> Log:
    return Log("info", "delinquent", f"a package from {source} was dropped: its payer 0x{payer.hex()} owes too much")
