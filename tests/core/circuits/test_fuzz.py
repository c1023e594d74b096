"""Whatever comes from a peer, an originator or an exit, in any order: nothing raises, and what is kept is bounded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.circuit_ends import BACK, WALLET, Entry, HonestHop, Nodes, Originator, frame_of
from tests.secure_ends import heard, keys, link
from tests.strategies import cbor_values

from masq.core.circuits.entry import Wish
from masq.core.effects import (
    Accepted,
    Bind,
    CloseLink,
    CloseSocket,
    Connect,
    EndSocket,
    Log,
    Reading,
    Resolve,
    Resolved,
    SendDatagram,
    SendFrame,
    WriteLink,
    WriteSocket,
)
from masq.core.failure import Cause, Failure
from masq.core.limits import MAX_WINDOW
from masq.core.node import Node
from masq.sim.world import World
from masq.types import Endpoint
from masq.wire import cbor
from masq.wire.circuit import (
    CIRCUIT_CREDIT,
    MAX_PLAIN,
    STREAM_CREDIT,
    Close,
    Command,
    Resolution,
    circuit_frame,
    encode_begin,
    encode_datagram,
    encode_end,
    encode_resolve,
    encode_resolved,
)
from masq.wire.noise import TAG
from masq.wire.secure_link import FrameType, SecureLink

FEW: Final = settings(max_examples=150, deadline=None)

# --- what may be in a cell ---

streams = st.sampled_from([0, 1, 1, 1, 2, 2, 3, 2**32 - 1])
contents = st.one_of(
    st.binary(max_size=40),
    st.integers(0, MAX_PLAIN).map(bytes),
    st.sampled_from([b"", bytes(4), b"\xff" * 4, b"\0\0\xff\xff", b"\0\x08\0\0"]),
    cbor_values.map(cbor.encode),
    st.builds(encode_begin, st.text(max_size=9), st.integers(0, 65_535), st.booleans()),
    st.text(max_size=9).map(encode_resolve),
    st.builds(encode_datagram, st.text(max_size=9), st.integers(0, 65_535), st.binary(max_size=20)),
    st.integers(0, 255).map(lambda code: encode_end(code, "why")),  # type: ignore[arg-type]
    st.sampled_from([Resolution((), "no"), Resolution((("192.0.2.1", 60),))]).map(encode_resolved),
)
fitting = {
    Command.BEGIN: st.builds(encode_begin, st.just("h"), st.just(1), st.booleans()),
    Command.CONNECTED: st.just(cbor.encode({"address": ""})),
    Command.DATA: st.sampled_from([0, 1, 100, 60_000]).map(bytes),
    Command.END: st.sampled_from([0, 0, 6]).map(lambda code: encode_end(code)),  # type: ignore[arg-type]
    Command.WINDOW: st.sampled_from([0, 1, 60_000, STREAM_CREDIT, 2**32 - 1]).map(lambda size: size.to_bytes(4, "big")),
    Command.RESOLVE: st.just(encode_resolve("h")),
    Command.RESOLVED: st.sampled_from([Resolution((), "no"), Resolution((("192.0.2.1", 60),))]).map(encode_resolved),
    Command.DATAGRAM: st.just(encode_datagram("h", 1, b"x")),
}
sensible = st.sampled_from(list(fitting)).flatmap(
    lambda command: st.tuples(streams, st.just(command), fitting[command])
)
any_message = st.tuples(streams, st.integers(0, 255), contents)
messages = st.lists(sensible, max_size=6) | st.lists(sensible | any_message, max_size=4)
plaintexts = messages.map(
    lambda said: b"".join(
        stream.to_bytes(4, "big") + bytes((command,)) + len(data).to_bytes(4, "big") + data
        for stream, command, data in said
    )[:MAX_PLAIN]
) | st.binary(max_size=60)
"""Plaintexts of cells: of good messages, most of them."""

pauses = st.sampled_from([0.0, 0.001, 1.0, 30.0])


class Sockets:
    """What a driver has opened for an exit or entry: effects that concern what isn't open are none of its business."""

    def __init__(self) -> None:
        self.kinds: dict[int, type] = {}
        self.closed: set[int] = set()
        self.ended: set[int] = set()

    def check(self, effects: Iterable[object]) -> None:
        for effect in effects:
            match effect:
                case Connect() | Bind() | Resolve():
                    assert effect.socket not in self.kinds
                    self.kinds[effect.socket] = type(effect)
                case WriteSocket(socket, _):
                    assert self.kinds[socket] is Connect
                    assert socket not in self.closed | self.ended
                case EndSocket(socket):
                    assert self.kinds[socket] is Connect
                    assert socket not in self.closed | self.ended
                    self.ended.add(socket)
                case SendDatagram(socket, host, _, data):
                    assert self.kinds[socket] is Bind
                    assert socket not in self.closed
                    assert isinstance(host, str)
                    assert isinstance(data, bytes)
                case Accepted(socket) | Reading(socket, _):
                    assert self.kinds[socket] is not Resolve
                    assert socket not in self.closed
                case CloseSocket(socket, _):
                    self.closed.add(socket)
                case Resolved(socket, _):
                    assert self.kinds[socket] is Resolve
                    assert socket not in self.closed
                    self.closed.add(socket)
                case SendFrame() | Log():
                    pass
                case _:
                    raise AssertionError(effect)

    @property
    def open(self) -> list[int]:
        return [socket for socket in self.kinds if socket not in self.closed]


# --- an exit and its originator ---

server_events = st.tuples(
    st.sampled_from(
        ["connected", "failed", "received", "ended", "closed", "congested", "drained", "datagram", "found"]
    ),
    st.integers(0, 5),
    st.sampled_from([1, 100, 60_000]),
)
exit_steps = st.lists(
    st.one_of(
        plaintexts.map(lambda plain: ("cell", plain)),
        plaintexts.map(lambda plain: ("cell", plain)),
        server_events,
        pauses.map(lambda seconds: ("wait", seconds)),
        st.sampled_from([("crowd",), ("free",)]),
    ),
    max_size=40,
)


def server_says(hop: HonestHop, what: str, socket: int, size: int, reading: bool) -> list[object]:
    """Something happens to a socket of an exit that its driver may tell."""
    exit, now = hop.exit, hop.now
    match what:
        case "connected":
            return list(exit.connected(socket, "192.0.2.1", now))
        case "failed":
            return list(exit.connect_failed(socket, Failure(Cause.NOT_CONNECTED), now))
        case "received":
            return list(exit.received(socket, memoryview(bytes(size)), now)) if reading else []
        case "ended":
            return list(exit.ended(socket, now))
        case "closed":
            return list(exit.closed(socket, Failure(Cause.BROKEN), now))
        case "congested":
            exit.congested(socket)
            return []
        case "drained":
            return list(exit.drained(socket, now))
        case "datagram":
            return list(exit.datagram(socket, "192.0.2.1", 53, bytes(size), now))
        case _:
            return list(exit.resolved(socket, (("192.0.2.1", 60),), now))


ALLOWED: Final = {
    Connect: {"connected", "failed", "received", "ended", "closed", "congested", "drained"},
    Bind: {"connected", "failed", "closed", "datagram"},
    Resolve: {"found"},
}
"""What drivers tell of which sockets."""


@FEW
@given(exit_steps)
def test_whatever_an_originator_seals_an_exit_takes_and_forgets(steps: list[tuple[Any, ...]]) -> None:
    hop, sockets, reading = HonestHop(), Sockets(), dict[int, bool]()
    user = Originator(hop.key)
    hop.hears(user.open())
    told: set[tuple[int, str]] = set()
    for step in steps:
        effects: list[object] = []
        match step:
            case ("cell", plain):
                effects = hop.hears(user.raw_cell(plain))
            case ("wait", seconds):
                hop.now += seconds
                effects = [*hop.circuits.tick(hop.now), *hop.flush()]
            case ("crowd",):
                hop.crowded.add(BACK)
            case ("free",):
                hop.crowded.clear()
                effects = list(hop.exit.link_free(BACK))
            case (what, number, size):
                socket = sockets.open[number] if number < len(sockets.open) else 10_000 + number
                kind = sockets.kinds.get(socket)
                once = what in ("connected", "failed", "found", "ended")
                if (kind and what not in ALLOWED[kind]) or (once and (socket, what) in told):
                    continue
                told.add((socket, what))
                effects = server_says(hop, what, socket, size, reading.get(socket, True))
            case _:
                raise AssertionError(step)
        sockets.check(effects)
        reading |= {each.socket: each.on for each in effects if isinstance(each, Reading)}
        for passage in hop.circuits:
            assert passage.terminal
            assert {each.id for each in passage.terminal.streams.values()} == passage.terminal.streams.keys()
            most = passage.terminal.pace.most  # More than CIRCUIT_CREDIT if the originator asks for that in an ECHO.
            assert CIRCUIT_CREDIT <= most <= MAX_WINDOW
            assert 0 <= passage.terminal.allowance <= most
            assert 0 <= passage.terminal.credit <= most
            for stream in passage.terminal.streams.values():
                assert 0 <= stream.allowance <= most
                assert 0 <= stream.credit <= most
                assert len(stream.early) <= most
                assert len(stream.early_datagrams) <= 64
                assert sum(map(len, stream.backlog)) <= 2 * 60_000
        assert sum(1 for _ in hop.exit.streams()) == sum(len(p.terminal.streams) for p in hop.circuits if p.terminal)
    sockets.check(hop.circuits.link_lost(BACK))
    assert [socket for socket in sockets.open if sockets.kinds[socket] is not Resolve] == []
    assert hop.counters() == (0,) * 6


# --- an entry and the Nodes of its circuits ---

hop_values = cbor_values | st.fixed_dictionaries(
    {},
    optional={
        "failed": st.sampled_from(["overloaded", "next hop unreachable", "refused"]) | cbor_values,
        "detail": st.text(max_size=20) | cbor_values,
        "bill": cbor_values | st.fixed_dictionaries({"cells": cbor_values, "wei": st.just("1") | cbor_values}),
    },
)
entry_steps = st.lists(
    st.one_of(
        plaintexts.map(lambda plain: ("cell", plain)),
        plaintexts.map(lambda plain: ("cell", plain)),
        st.tuples(st.just("control"), st.integers(0, 2), hop_values),
        st.tuples(st.just("frame"), st.integers(0, 255), st.binary(max_size=60)),
        st.sampled_from(list(Close)).map(lambda reason: ("close", reason)),
        st.sampled_from(list(Wish)).map(lambda kind: ("open", kind)),
        st.tuples(
            st.sampled_from(["received", "ended", "closed", "congested", "drained", "datagram"]),
            st.integers(0, 5),
            st.sampled_from([1, 100, 60_000]),
        ),
        pauses.map(lambda seconds: ("wait", seconds)),
        st.sampled_from([("crowd",), ("free",), ("lose",)]),
    ),
    max_size=40,
)


def client_says(entry: Entry, what: str, socket: int, size: int) -> list[object]:
    core, now = entry.entry, entry.now
    match what:
        case "received":
            return entry.says(bytes(size), socket)
        case "ended":
            return entry.carry(core.ended(socket, now))
        case "closed":
            return entry.carry(core.closed(socket, Failure(Cause.CLOSED), now))
        case "congested":
            core.congested(socket)
            return []
        case "drained":
            return entry.carry(core.drained(socket, now))
        case _:
            return entry.carry(core.datagram(socket, "h", 1, bytes(size), now))


CLIENTS: Final = {
    Wish.STREAM: (Connect, {"received", "ended", "closed", "congested", "drained"}),
    Wish.DATAGRAMS: (Bind, {"closed", "datagram"}),
    Wish.RESOLUTION: (Resolve, set[str]()),
}


@FEW
@given(entry_steps)
def test_whatever_exits_and_relays_seal_an_entry_takes_and_forgets(steps: list[tuple[Any, ...]]) -> None:
    entry = Entry(Nodes(), Nodes(), Nodes())
    sockets, kinds, reading = Sockets(), dict[int, Wish](), dict[int, bool]()
    ended: set[int] = set()

    def opens(kind: Wish) -> None:
        socket = entry._socket + 1
        sockets.kinds[socket] = CLIENTS[kind][0]
        kinds[socket] = kind
        entry.open(b"", kind)

    opens(Wish.STREAM)
    for step in steps:
        nodes = entry.ways[0]
        own = next(iter(entry.own), None)
        if own is not None:
            nodes = next(each for each in entry.ways if each.pairs[-1].public_key == own.route.exit.key)
        effects: list[object] = []
        match step:
            case ("open", kind):
                opens(kind)
            case ("wait", seconds):
                effects = entry.tick(seconds)
            case ("crowd",):
                entry.crowded.add(BACK)
            case ("free",):
                entry.crowded.clear()
                effects = entry.carry(entry.entry.link_free(BACK))
            case ("lose",):
                effects = entry.carry(entry.entry.link_lost(BACK, entry.now))
            case ("cell", plain):
                effects = entry.hears(nodes.raw_cell(plain)) if nodes.circuit else []
            case ("control", position, value):
                effects = entry.hears(nodes.control(position, value)) if nodes.circuit else []
            case ("frame", type, body):
                effects = entry.hears(
                    frame_of(circuit_frame(FrameType.CELL, nodes.circuit or 1, body))._replace(type=type)
                )
            case ("close", reason):
                effects = entry.hears(nodes.close(reason)) if nodes.circuit else []
            case (what, number, size):
                if number >= len(sockets.open):
                    continue
                socket = sockets.open[number]
                silenced = socket in ended or not reading.get(socket, True)
                if what not in CLIENTS[kinds[socket]][1] or (what in ("received", "ended") and silenced):
                    continue
                if what == "ended":
                    ended.add(socket)
                effects = client_says(entry, what, socket, size)
            case _:
                raise AssertionError(step)
        sockets.check(effects)
        reading |= {each.socket: each.on for each in effects if isinstance(each, Reading)}
        assert set(sockets.open) == {stream.socket for stream in entry.entry.streams()}, "nobody is forgotten"
        for own in entry.own:
            terminal = own.terminal
            assert 0 <= terminal.credit <= terminal.pace.most <= MAX_WINDOW
            for stream in terminal.streams.values():
                assert 0 <= stream.allowance <= terminal.pace.most
                assert 0 <= stream.credit <= terminal.pace.most
        assert len(list(entry.own)) <= len(steps) * 4 + 1
    for socket in sockets.open:
        sockets.check(entry.carry(entry.entry.closed(socket, Failure(Cause.CLOSED), entry.now)))
    sockets.check(entry.carry(entry.entry.link_lost(BACK, entry.now)))
    assert not list(entry.entry.streams())
    assert not list(entry.own)
    assert not entry.own._groups
    assert not entry.entry.departures._waiting
    assert not entry.entry._silent
    assert not entry.entry._held


# --- a Node and its peer ---

frames = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 255), st.sampled_from([0, 1, 2, 3, 77]), st.binary(max_size=80)),
        st.tuples(
            st.sampled_from([FrameType.CELL, FrameType.CONTROL, FrameType.CLOSE, FrameType.OPEN, FrameType.PACKAGE]),
            st.sampled_from([1, 1, 3, 2]),
            st.sampled_from([b"", bytes(TAG), bytes(528), os.urandom(528), bytes(65_000)]),
        ),
        st.sampled_from(["open", "open", "reopen", "cell", "begin", "close", "cut"]),
    ),
    max_size=25,
)


class Peer:
    """The other end of a secure link to a Node."""

    def __init__(self, node: Node, now: float) -> None:
        self.node = node
        self.now = now
        id, _ = node.accept(Endpoint("10.9.9.9", 40_000), now)
        assert id is not None
        self.id = id
        self.end: SecureLink = link(keys())
        self.closed = False
        self.circuits: list[Originator] = []
        for data in self.carry(node.link_received(id, _given(self.end.dial(node.keys.public_key)), now)):
            heard(self.end, data)
        self.sends(self.end.take_answer())
        assert not self.closed
        assert self.end.up

    def carry(self, effects: Iterable[object]) -> Iterator[bytes]:
        for effect in effects:
            if isinstance(effect, WriteLink) and effect.link == self.id:
                yield bytes(effect.data)
            elif isinstance(effect, CloseLink) and effect.link == self.id:
                self.closed = True

    def sends(self, data: bytes | bytearray) -> None:
        """Whatever is answered makes sense."""
        for answer in list(self.carry(self.node.link_received(self.id, _given(data), self.now))):
            heard(self.end, answer)

    def frame(self, type: int, circuit: int, body: bytes) -> bytearray:
        return self.end.frame(type, circuit.to_bytes(4, "big") + body)

    def step(self, step: str) -> bytearray:
        node = self.node
        if step in ("open", "cut") or not self.circuits:
            self.circuits.append(Originator(node.keys.public_key, circuit=2 * len(self.circuits) + 1))
            opening = self.circuits[-1].open(payer=_payer(node))
            data = self.end.frame(FrameType.OPEN, opening.body)
            return data[: len(data) // 2] if step == "cut" else data
        user = self.circuits[-1]
        match step:
            case "reopen":
                frame = user.open(payer=_payer(node))
            case "cell":
                frame = user.cell((1, Command.DATA, b"x"))
            case "begin":
                frame = user.cell(
                    (1, Command.BEGIN, encode_begin("h", 1)), (2, Command.BEGIN, encode_begin("h", 1, True))
                )
            case _:
                frame = user.close()
        return self.end.frame(frame.type, frame.body)


def _given(data: bytes | bytearray) -> memoryview:
    return memoryview(bytearray(data))


def _payer(node: Node) -> Any:
    from masq.wire.package import Payer

    return Payer.sign(WALLET, node.keys.digest)


@settings(max_examples=100, deadline=None)
@given(frames, st.booleans())
def test_whatever_a_peer_frames_a_node_takes_and_forgets(steps: list[Any], at_once: bool) -> None:
    world = World(1)
    node = world.add().node
    before = (len(list(node.links)), len(list(node.circuits)))
    peer = Peer(node, world.now)
    gathered = bytearray()
    for step in steps:
        if peer.closed:
            break
        data = peer.step(step) if isinstance(step, str) else peer.frame(*step)
        gathered += data
        if not at_once or len(gathered) > 200_000:
            peer.sends(gathered)
            gathered = bytearray()
        if step == "cut":
            break
    if not peer.closed:
        peer.sends(gathered)
    assert len(list(node.links)) <= 1
    assert len(list(node.circuits)) <= len(steps)
    assert sum(each.queued for each in node.links) == 0, "all was written"
    list(peer.carry(node.link_closed(peer.id, world.now)))
    assert (len(list(node.links)), len(list(node.circuits))) == before
    assert not list(node.circuit_exit.streams())
    assert not node.circuits._on_link
    assert not node.circuits._of_payer


def test_frames_of_the_fuzz_reach_what_they_are_for() -> None:
    """Or else the above would prove nothing."""
    world = World(1)
    node = world.add().node
    peer = Peer(node, world.now)
    for step in ("open", "begin", "cell", "open"):
        peer.sends(peer.step(step))
    assert len(list(node.circuits)) == 2
    assert len(list(node.circuit_exit.streams())) == 2
    peer.sends(peer.frame(FrameType.CELL, 0, b""))
    assert peer.closed, "circuit 0 is illegal"
