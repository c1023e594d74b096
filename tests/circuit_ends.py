"""Ends of circuits that say what a test wants: an originator, all Nodes of a circuit in one hand, and honest hops."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence, Sized
from itertools import pairwise
from typing import Any, Final, NamedTuple

from tests.fixed_routes import FixedRoutes
from tests.secure_ends import keys

from masq.chain.wallet import Wallet
from masq.core.circuits.entry import CircuitEntry, EntryEffect, Wish
from masq.core.circuits.exit import CircuitExit
from masq.core.circuits.origin import OwnCircuit, OwnCircuits, Paying
from masq.core.circuits.passage import Billing
from masq.core.circuits.relay import PassingCircuits
from masq.core.circuits.ways import Peer, Ways
from masq.core.effects import EndCircuit, SendFrame, Service
from masq.core.limits import Limits
from masq.core.proofs import Proofs
from masq.core.purses import Purses
from masq.core.sockets import Sockets
from masq.core.tab import Tab
from masq.crypto import CryptDE
from masq.keccak import keccak256
from masq.types import DEFAULT_RATE_PACK, PublicKey
from masq.wire import cbor
from masq.wire.circuit import (
    OPEN_LIFE,
    Close,
    Control,
    Debt,
    Layer,
    Seal,
    circuit_frame,
    circuit_of,
    data_of,
    encode_begin,
    messages_of,
    new_cell,
    reason_of,
)
from masq.wire.noise import TAG
from masq.wire.package import Component, Hop, Payer
from masq.wire.secure_link import BODY, LENGTH, Frame, FrameType, new_frame

EPOCH: Final = 1_800_000_000.0
WALLET: Final = Wallet(keccak256(b"the originator"))
BACK, ONWARD = 1, 2
"""A hop's links: towards the originator, and to the Node after it."""

Said = tuple[int, int, bytes]
"""A message: stream, command, data."""


class Told(NamedTuple):
    """A control message, and the position of the hop whose it is."""

    position: int
    value: dict[str, Any]


def frame_of(wire: bytes | bytearray | memoryview) -> Frame:
    """A frame as it arrives at the other end of a link: in memory of its own."""
    copy = memoryview(bytearray(wire))
    return Frame(copy[LENGTH], copy)


def sent(effects: Iterable[object], link: int) -> list[Frame]:
    """The frames among effects that go over a link."""
    return [frame_of(each.frame) for each in effects if isinstance(each, SendFrame) and each.link == link]


def others(effects: Iterable[object]) -> list[object]:
    """The effects that are no frames."""
    return [each for each in effects if not isinstance(each, SendFrame)]


def close_frame(circuit: int, reason: int = Close.DONE) -> Frame:
    return frame_of(circuit_frame(FrameType.CLOSE, circuit, bytes((reason,))))


def plain_cell(circuit: int, plain: bytes) -> bytearray:
    """The frame of an unsealed cell with any plaintext, of any length."""
    wire = new_frame(FrameType.CELL, 4 + len(plain) + TAG)
    wire[BODY : BODY + 4] = circuit.to_bytes(4, "big")
    wire[BODY + 4 : BODY + 4 + len(plain)] = plain
    return wire


def begin(stream: int = 1, host: str = "example.com", port: int = 80, udp: bool = False) -> Said:
    return stream, 1, encode_begin(host, port, udp)


class Originator:
    """One circuit over the readers of the keys given, from the side of who opened it."""

    def __init__(self, *way: PublicKey, circuit: int = 1, now: float = 0.0) -> None:
        self.way = way
        self.circuit = circuit
        self.secrets = [os.urandom(32) for _ in way]
        self.expires = int(EPOCH + now) + OPEN_LIFE
        self._seal, self._opener = Seal(self.secrets[-1], True), Seal(self.secrets[-1], False)
        self._forward = [Layer(secret, True) for secret in self.secrets]
        self._backward = [Layer(secret, False) for secret in self.secrets]
        self._controls = [Control(secret) for secret in self.secrets]

    def hop(self, position: int, /, **changes: Any) -> Hop:
        """What an element says; `changes` replace its fields."""
        following = self.way[position + 1] if position + 1 < len(self.way) else b""
        said = {
            "next_key": following,
            "payer": payer_for(self.way[position]),
            "component": Component.HOPPER if following else Component.PROXY_CLIENT,
            "circuit_key": self.secrets[position],
            "expires": self.expires,
        }
        return Hop(**{**said, **changes})

    def elements(self, /, **changes: Any) -> list[bytes]:
        """The elements of OPEN; `changes` are made to the first one."""
        sealer = keys()
        made = [sealer.seal(self.way[0], self.hop(0, **changes).encode())]
        made += [sealer.seal(self.way[at], self.hop(at).encode()) for at in range(1, len(self.way))]
        return [*made, os.urandom(len(made[0]))]

    def open(self, /, **changes: Any) -> Frame:
        return self.open_with(self.elements(**changes))

    def open_with(self, elements: object) -> Frame:
        return frame_of(circuit_frame(FrameType.OPEN, self.circuit, cbor.encode(elements)))

    def cell(self, *messages: Said) -> Frame:
        return self.sealed(new_cell(self.circuit, list(messages)))

    def raw_cell(self, plain: bytes) -> Frame:
        return self.sealed(plain_cell(self.circuit, plain))

    def sealed(self, wire: bytearray) -> Frame:
        data = data_of(wire)
        self._seal.close(data)
        for layer in reversed(self._forward):
            layer.apply(data)
        return frame_of(wire)

    def close(self, reason: int = Close.DONE) -> Frame:
        return close_frame(self.circuit, reason)

    def hears(self, frames: Iterable[Frame]) -> list[Said | Told | Close]:
        """What frames mean that came back over this circuit. CryptoError: what nobody of it can have sent."""
        heard: list[Said | Told | Close] = []
        for type, wire in frames:
            if circuit_of(wire) != self.circuit:
                continue
            data = data_of(wire)
            if type == FrameType.CLOSE:
                heard.append(reason_of(wire))
            elif type == FrameType.CONTROL:
                heard.append(self._told(data))
            else:
                assert type == FrameType.CELL
                for layer in self._backward:
                    layer.apply(data)
                heard += [
                    (each.stream, each.command, bytes(each.data)) for each in messages_of(self._opener.open(data))
                ]
        return heard

    def _told(self, data: memoryview) -> Told:
        for position, (layer, control) in enumerate(zip(self._backward, self._controls, strict=True)):
            layer.apply(data)
            value = control.open(bytes(data))
            if value is not None:
                return Told(position, value)
        raise AssertionError("a control message that is nobody's")


_PAYERS: Final[dict[PublicKey, Payer]] = {}


def payer_for(reader: PublicKey, wallet: Wallet = WALLET) -> Payer:
    """The proof for a reader, made once."""
    if wallet is not WALLET:
        return Payer.sign(wallet, keys().digest_of(reader))
    if reader not in _PAYERS:
        _PAYERS[reader] = Payer.sign(wallet, keys().digest_of(reader))
    return _PAYERS[reader]


class HonestHop:
    """The circuits of one Node, driven without a Node around them: relay or exit."""

    def __init__(
        self,
        exits: bool = True,
        outbound: Sequence[int] = (ONWARD,),
        limits: Limits = Limits(),
        takes: bytes = b"",
    ) -> None:
        """`outbound`: the links that it has dialled. `takes`: the contract by which it takes vouchers."""
        self.keys = keys()
        self.next: dict[PublicKey, int] = {}
        self.delinquent: set[bytes] = set()
        self.crowded: set[int] = set()
        self.owed = 0
        self.vouchers: list[tuple[bytes, bytes]] = []
        """Those that have come, by payer."""
        self.statements = b"", b""
        """What it says to payers besides its bills."""
        self.now = 0.0
        self.earned = 0
        self.sockets, self.tab = Sockets(limits), Tab()
        self.strangers: dict[int, str] = {}
        """Links of who is no neighbor, and their addresses."""
        ways = Ways(self.next.get, lambda link: link in outbound, lambda link: link in self.crowded, self.peer)
        self.debt: Debt | None = None
        """For what it says that it serves somebody no more."""
        billing = Billing(
            DEFAULT_RATE_PACK,
            self.tab,
            lambda payer: self.owed,
            lambda payer, now: self.statements,
            lambda payer, now: self.debt,
            self.vouch,
            takes,
        )
        self.exit = CircuitExit(billing, self.sockets, ways)
        self.circuits = PassingCircuits(
            self.keys,
            Proofs(self.keys, None),
            billing,
            self.exit,
            ways,
            lambda payer: payer in self.delinquent,
            exits,
            EPOCH,
        )

    @property
    def key(self) -> PublicKey:
        return self.keys.public_key

    def vouch(self, payer: bytes, voucher: bytes, now: float) -> None:
        """Whoever promises anything is served."""
        self.vouchers.append((payer, voucher))
        self.delinquent.discard(payer)

    def peer(self, link: int) -> Peer:
        """Who is at the other end of a link: a neighbor, unless it is a stranger's."""
        if link in self.strangers:
            return Peer(self.strangers[link], b"stranger %d" % link, False)
        return Peer(f"192.0.2.{link}", b"neighbor %d" % link, True)

    @property
    def next_socket(self) -> int:
        """The id that was given last."""
        return self.sockets._last

    def hears(self, frame: Frame, link: int = BACK) -> list[object]:
        """A frame arrives: all effects of it, with the cells that are due."""
        return self.done(self.circuits.frame((link, circuit_of(frame.wire)), frame, self.now)) + self.flush()

    def done(self, effects: Iterable[object]) -> list[object]:
        """Effects, after those that are for this Node were carried out."""
        out: list[object] = []
        for effect in effects:
            if isinstance(effect, EndCircuit):
                out += self.done(self.circuits.end((effect.link, effect.circuit), effect.reason, effect.detail))
            else:
                out.append(effect)
        return out

    def flush(self, after: float = 0.0) -> list[object]:
        effects = self.done(self.exit.flush(self.now + after))
        self.earned += sum(self.tab.earned.values())
        self.tab.earned.clear()
        return effects

    def counters(self) -> tuple[int, ...]:
        """Sizes of all that circuits leave behind, but for OPENs that can't be repeated yet."""
        exit, circuits = self.exit, self.circuits
        waiting = exit.departures._waiting
        owners: list[object] = [*circuits._of_payer, *circuits._opens.circuits_of]
        kept: list[Sized] = [circuits._legs, circuits._on_link, owners, exit._sockets, exit._held, waiting]
        return tuple(len(each) for each in kept)


class Line:
    """Honest hops in a row, and the links between them: frames run until there are none left."""

    def __init__(self, *hops: HonestHop) -> None:
        self.hops = hops
        for hop, following in pairwise(hops):
            hop.next[following.key] = ONWARD
        self.alter: Callable[[int, Frame], Frame | None] = lambda position, frame: frame
        """What happens to a frame on its way to the hop at a position; to the originator at -1."""
        self.effects: list[list[object]] = [[] for _ in hops]
        """What each hop wanted done beside frames."""

    def hears(self, frame: Frame) -> list[Frame]:
        """A frame of the originator arrives at the first hop: what comes back to him."""
        return self.run([(0, BACK, frame)])

    def carry(self, position: int, effects: Iterable[object]) -> list[Frame]:
        """Effects of a hop are carried out: what comes back to the originator."""
        return self.run(self._after(position, list(effects)))

    def run(self, way: list[tuple[int, int, Frame]]) -> list[Frame]:
        home: list[Frame] = []
        while way:
            position, link, frame = way.pop(0)
            altered = self.alter(position, frame)
            if altered is None:
                continue
            if position < 0:
                home.append(altered)
            else:
                way += self._after(position, self.hops[position].hears(altered, link))
        return home

    def _after(self, position: int, effects: list[object]) -> list[tuple[int, int, Frame]]:
        self.effects[position] += others(effects)
        back = [(position - 1, ONWARD, frame) for frame in sent(effects, BACK)]
        return back + [(position + 1, BACK, frame) for frame in sent(effects, ONWARD)]

    def tick(self, seconds: float) -> list[Frame]:
        home: list[Frame] = []
        for hop in self.hops:
            hop.now += seconds
        for position, hop in enumerate(self.hops):
            home += self.carry(position, [*hop.circuits.tick(hop.now), *hop.flush()])
        return home


class Nodes:
    """All Nodes of a circuit that somebody else opens, in one hand: the last is the exit."""

    def __init__(self, *pairs: CryptDE) -> None:
        self.pairs = pairs or (keys(), keys(), keys())
        self.circuit = 0
        self.controls: list[Control] = []
        self.promised: list[bytes] = []
        """The vouchers that came with OPEN, by hop."""
        self.said: list[Said] = []
        """What the entry has said, until somebody takes it."""

    @property
    def services(self) -> list[Service]:
        return [Service(pair.public_key, pair.public_key[:20], DEFAULT_RATE_PACK) for pair in self.pairs]

    def take(self, frame: Frame) -> None:
        """Take OPEN."""
        assert frame.type == FrameType.OPEN
        self.circuit = circuit_of(frame.wire)
        elements = cbor.decode(bytes(data_of(frame.wire)))
        hops = [Hop.decode(pair.open(element)) for pair, element in zip(self.pairs, elements, strict=False)]
        self.promised = [hop.voucher for hop in hops]
        secrets = [hop.circuit_key or b"" for hop in hops]
        self._opener, self._seal = Seal(secrets[-1], True), Seal(secrets[-1], False)
        self._forward = [Layer(secret, True) for secret in secrets]
        self._backward = [Layer(secret, False) for secret in secrets]
        self.controls = [Control(secret) for secret in secrets]

    def take_said(self) -> list[Said]:
        said, self.said = self.said, []
        return said

    def hears(self, frame: Frame) -> list[Said]:
        """The messages of a cell."""
        assert frame.type == FrameType.CELL
        data = data_of(frame.wire)
        for layer in self._forward:
            layer.apply(data)
        return [(each.stream, each.command, bytes(each.data)) for each in messages_of(self._opener.open(data))]

    def cell(self, *messages: Said) -> Frame:
        return self.sealed(new_cell(self.circuit, list(messages)))

    def raw_cell(self, plain: bytes) -> Frame:
        return self.sealed(plain_cell(self.circuit, plain))

    def sealed(self, wire: bytearray) -> Frame:
        data = data_of(wire)
        self._seal.close(data)
        return self._layered(wire, len(self.pairs) - 1)

    def control(self, position: int, value: Any, layered_at: int | None = None) -> Frame:
        """A control message of the hop at a position; `layered_at`: from where on it is layered, if not from there."""
        wire = circuit_frame(FrameType.CONTROL, self.circuit, self.controls[position].close(value))
        return self._layered(wire, position if layered_at is None else layered_at)

    def bill(self, position: int, **bill: Any) -> Frame:
        return self.control(position, {"bill": {"cells": 1, "bytes": 1, "wei": "1", "owed": "1", **bill}})

    def close(self, reason: int = Close.DONE) -> Frame:
        return close_frame(self.circuit, reason)

    def _layered(self, wire: bytearray, position: int) -> Frame:
        data = data_of(wire)
        for layer in reversed(self._backward[: position + 1]):
            layer.apply(data)
        return frame_of(wire)


class Entry:
    """The circuits of one Node's own users, driven without a Node around them, and the Nodes at the other end."""

    def __init__(self, *ways: Nodes) -> None:
        self.ways = list(ways) or [Nodes(), Nodes()]
        self.keys = keys()
        self.now = 0.0
        self.crowded: set[int] = set()
        self.tab = Tab()
        self.statement = b""
        """What it says to hops besides its payer."""
        self.vouchers: dict[bytes, bytes] = {}
        """What it promises, by creditor."""
        self.takers: list[tuple[bytes, object]] = []
        """What creditors say of vouchers."""
        proofs = Proofs(
            self.keys,
            WALLET,
            lambda key, wallet, now: self.statement,
            lambda wallet: self.vouchers.get(wallet, b""),
            lambda wallet, contract, now: self.takers.append((wallet, contract)),
        )
        peer = Peer("192.0.2.1", b"first", True)
        links = Ways(lambda key: BACK, lambda link: True, lambda link: link in self.crowded, lambda link: peer)
        self.own = OwnCircuits(
            self.keys,
            FixedRoutes(self.keys.public_key, *self.ways),  # type: ignore[arg-type]
            Paying(Purses([proofs]), self.tab),
            len(self.ways[0].pairs),
            os.urandom,
            links,
            self._new_id,
            EPOCH,
        )
        self.entry = CircuitEntry(self.own, Sockets(), links)
        self._id = -1
        self._socket = 0

    def _new_id(self, link: int) -> int:
        self._id += 2
        return self._id

    def open(self, first: bytes = b"GET /", kind: Wish = Wish.STREAM, group: str = "", host: str = "a.test") -> int:
        """A client's socket; what it says first is on its way."""
        self._socket, effects = self.entry.open(kind, host, 80, group, self.now)
        self.carry(effects)
        if first and kind is Wish.STREAM:
            self.says(first)
        return self._socket

    def says(self, data: bytes, socket: int | None = None) -> list[object]:
        return self.carry(self.entry.received(socket or self._socket, memoryview(data), self.now))

    def carry(self, effects: Iterable[EntryEffect]) -> list[object]:
        """Frames arrive at those that they are for; all effects, with the cells that are due."""
        out: list[object] = [*effects, *self.entry.flush(self.now)]
        for frame in sent(out, BACK):
            id = circuit_of(frame.wire)
            if frame.type == FrameType.OPEN:
                exit = self.circuit(id).route.exit.key
                next(each for each in self.ways if each.pairs[-1].public_key == exit).take(frame)
            elif frame.type == FrameType.CELL:
                for nodes in self.ways:
                    if nodes.circuit == id:
                        nodes.said += nodes.hears(frame)
        return out

    def circuit(self, id: int) -> OwnCircuit:
        own = self.own.get(BACK, id)
        assert own
        return own

    def hears(self, frame: Frame) -> list[object]:
        """A frame arrives, if it is for a circuit that is still known."""
        own = self.own.get(BACK, circuit_of(frame.wire))
        return [] if own is None else self.carry(self.entry.frame(own, frame, self.now))

    def tick(self, seconds: float) -> list[object]:
        self.now += seconds
        return self.carry(self.entry.tick(self.now))

    def owed(self, nodes: Nodes) -> list[int]:
        """Wei that are booked for each hop of a circuit."""
        return [hop.wei for hop in self.circuit(nodes.circuit).hops]
