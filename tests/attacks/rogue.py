"""A stranger who means harm: a fresh key, no gossip, a wallet without funds, and sockets.

He keeps to no rule but those of the ciphers. What he says, when, and whether he ever reads is the test's.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable
from typing import Final

from tests.circuit_ends import EPOCH, Originator, Said, Told, begin, frame_of
from tests.running import Running
from tests.secure_ends import DEV, keys

from masq.chain.wallet import Wallet
from masq.types import PublicKey
from masq.wire import cbor
from masq.wire.circuit import (
    Close,
    Command,
    circuit_frame,
    circuit_of,
    encode_datagram,
    encode_resolve,
)
from masq.wire.descriptor import parse_descriptor
from masq.wire.package import Payer
from masq.wire.secure_link import Established, Frame, FrameType, SecureLink

PORT: Final = 6001
PATIENCE: Final = 10.0
"""Seconds in which who is sent to has to take it, or who is asked to answer."""


class Stranger:
    """Somebody without any standing, at an address of the loopback."""

    def __init__(self, ip: str = "127.0.9.1") -> None:
        self.ip = ip
        self.keys = keys()
        self.wallet = Wallet(os.urandom(32))
        self._proofs: dict[PublicKey, Payer] = {}

    def connect(self, ip: str, port: int = PORT, unread: int = 0) -> socket.socket:
        """A connection. `unread`: bytes that its own side's kernel may keep, for one that never reads."""
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.settimeout(PATIENCE)
            if unread:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, unread)
            connection.bind((self.ip, 0))
            connection.connect((ip, port))
        except OSError:
            connection.close()
            raise
        return connection

    def link(self, node: Running, unread: int = 0) -> RogueLink:
        """A secure link to a Node, dialled and proved."""
        target = parse_descriptor(node.descriptor)
        assert target.address
        return self.link_to(target.key, target.address.ip, unread)

    def link_to(self, key: bytes, ip: str, unread: int = 0) -> RogueLink:
        link = RogueLink(self, self.connect(ip, unread=unread), odd=True)
        link.socket.sendall(link.secure.dial(key))
        return link.shaken()

    def answered(self, connection: socket.socket) -> RogueLink:
        """A secure link that somebody dials who takes the stranger for a Node."""
        return RogueLink(self, connection, odd=False).shaken()

    def renew_wallet(self) -> None:
        """Pay, from now on, with another wallet: they cost nothing."""
        self.wallet = Wallet(os.urandom(32))
        self._proofs.clear()

    def proof_for(self, reader: PublicKey) -> Payer:
        """The wallet's signature, which is valid: that there is nothing in it doesn't show."""
        if reader not in self._proofs:
            self._proofs[reader] = Payer.sign(self.wallet, self.keys.digest_of(reader))
        return self._proofs[reader]


class RogueLink:
    """The stranger's end of a secure link."""

    def __init__(self, stranger: Stranger, connection: socket.socket, odd: bool) -> None:
        """`odd`: it was dialled from here, so our circuits have odd ids."""
        self.stranger = stranger
        self.socket = connection
        self.secure = SecureLink(stranger.keys, DEV, PORT, ("circuit1",), os.urandom)
        self.peer: PublicKey = b""
        self.circuits: dict[int, RogueCircuit] = {}
        self.closes = 0
        """CLOSEs heard for circuits that are nobody's here."""
        self.ended = False
        self._next = 1 if odd else 2

    def __enter__(self) -> RogueLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def shaken(self) -> RogueLink:
        """Itself, once the other end has proved its key."""
        try:
            self.pump(PATIENCE, lambda: bool(self.peer))
            if not self.peer:
                raise ConnectionError("no handshake")
        except OSError:
            self.socket.close()
            raise
        return self

    # --- saying ---

    def frame(self, type: int, body: bytes) -> bytes:
        """A frame of any type and content, encrypted as it should be. They have to be sent in their order."""
        return bytes(self.secure.frame(type, body))

    def new_id(self) -> int:
        self._next += 2
        return self._next - 2

    def say(self, *frames: Frame) -> None:
        """Send what circuits have made."""
        for frame in frames:
            self.secure.seal(frame.wire)
        self.socket.sendall(b"".join(bytes(frame.wire) for frame in frames))

    def open(self, *way: PublicKey) -> RogueCircuit:
        """A circuit that ends at the peer, or goes on over `way`."""
        circuit = RogueCircuit(self, way)
        self.circuits[circuit.id] = circuit
        self.say(circuit.opening())
        return circuit

    # --- hearing ---

    def pump(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Hear what comes until something holds; whether it does within that time."""
        deadline = time.monotonic() + seconds
        while not until():
            left = deadline - time.monotonic()
            if self.ended or left <= 0 or not self._hear(left):
                return until()
        return True

    def drain(self) -> None:
        """Hear what has come already."""
        while not self.ended and self._hear(0.0):
            pass

    def _hear(self, seconds: float) -> bool:
        # Not 0: that would be another mode of the socket, in which nothing is waited for at all.
        self.socket.settimeout(max(seconds, 0.0001))
        try:
            data = self.socket.recv(1 << 20)
        except TimeoutError:
            return False
        except OSError:
            data = b""
        finally:
            self.socket.settimeout(PATIENCE)
        if not data:
            self.ended = True
            return False
        for event in self.secure.receive(memoryview(bytearray(data))):
            if isinstance(event, Established):
                self.peer = event.key
            elif isinstance(event, Frame):
                self._heard(event)
        answer = self.secure.take_answer()
        if answer:
            with contextlib.suppress(OSError):
                self.socket.sendall(answer)
        return True

    def _heard(self, frame: Frame) -> None:
        if frame.type not in (FrameType.CELL, FrameType.CONTROL, FrameType.CLOSE):
            return
        circuit = self.circuits.get(circuit_of(frame.wire))
        if circuit is not None:
            circuit.heard(frame)
        elif frame.type == FrameType.CLOSE:
            self.closes += 1


class RogueCircuit:
    """A circuit of the stranger's, paid for by a wallet with nothing in it."""

    def __init__(self, link: RogueLink, way: tuple[PublicKey, ...] = ()) -> None:
        self.link = link
        self.id = link.new_id()
        self._ends = Originator(link.peer, *way, circuit=self.id, now=time.time() - EPOCH)
        self.said: list[Said] = []
        """What the exit has said, but for credit."""
        self.told: list[Told] = []
        """What hops have told of: bills, and failures."""
        self.closed: Close | None = None
        self.credit: dict[int, int] = {}
        """Bytes that may be sent more, by stream; 0 is the circuit."""

    def opening(self) -> Frame:
        """The OPEN, as an honest originator makes it."""
        ends, sealer = self._ends, self.link.stranger
        elements = [
            sealer.keys.seal(reader, ends.hop(at, payer=sealer.proof_for(reader)).encode())
            for at, reader in enumerate(ends.way)
        ]
        return ends.open_with([*elements, os.urandom(len(elements[0]))])

    def say(self, *messages: Said) -> None:
        """One cell with these messages."""
        self.link.say(self._ends.cell(*messages))

    def begin(self, streams: Iterable[int], host: str, port: int, udp: bool = False) -> None:
        """Ask for all these streams in one cell."""
        self.say(*(begin(stream, host, port, udp) for stream in streams))

    def resolve(self, names: Iterable[str], first: int = 1) -> None:
        """Ask for all these names in one cell."""
        self.say(*((first + at, Command.RESOLVE, encode_resolve(name)) for at, name in enumerate(names)))

    def datagram(self, stream: int, host: str, port: int, data: bytes) -> int:
        """Send a datagram, whatever the credit. How much it takes of that."""
        message = encode_datagram(host, port, data)
        self.say((stream, Command.DATAGRAM, message))
        for flow in (0, stream):
            self.credit[flow] = self.credit.get(flow, 0) - len(message)
        return len(message)

    def heard(self, frame: Frame) -> None:
        for what in self._ends.hears([frame_of(frame.wire)]):
            if isinstance(what, Told):
                self.told.append(what)
            elif isinstance(what, Close):
                self.closed = what
            elif what[1] == Command.WINDOW:
                self.credit[what[0]] = self.credit.get(what[0], 0) + int.from_bytes(what[2], "big")
            else:
                self.said.append(what)

    def answers(self, command: int) -> dict[int, bytes]:
        """What was said of one kind, by stream."""
        return {stream: data for stream, said, data in self.said if said == command}


def bad_opens(link: RogueLink, size: int) -> bytes:
    """Frames of at least `size` bytes with OPENs that say nothing sensible, each of a circuit of its own."""
    frames = bytearray()
    body = cbor.encode([b"x"])
    while len(frames) < size:
        frame = circuit_frame(FrameType.OPEN, link.new_id(), body)
        link.secure.seal(frame)
        frames += frame
    return bytes(frames)


def pings(link: RogueLink, size: int) -> bytes:
    """PINGs of at least `size` bytes in all."""
    frames = bytearray()
    while len(frames) < size:
        frames += link.secure.frame(FrameType.PING, b"8 bytes.")
    return bytes(frames)


def push(connection: socket.socket, data: bytes, step: int = 1 << 18) -> int:
    """Send as much as the other end takes before it hangs up, or stops to read for PATIENCE: how many bytes."""
    sent = 0
    view = memoryview(data)
    with contextlib.suppress(OSError):
        while sent < len(data):
            sent += connection.send(view[sent : sent + step])
    return sent
