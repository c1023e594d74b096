"""The secure link between Nodes of ours: handshake and frames, as a state machine of bytes (protocol.md 15.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from masq.crypto import CryptDE, Random
from masq.errors import CryptoError, MalformedError
from masq.types import PublicKey
from masq.wire import cbor
from masq.wire.noise import TAG, Direction, Handshake
from masq.wire.package import MAX_HOPS, Package

MAGIC: Final = b"MASQ-link1\n"
MAX_BODY: Final = 65_518
"""Bytes of a frame's body."""
LENGTH: Final = 2
"""Bytes before the ciphertext of a frame or handshake message."""
BODY: Final = LENGTH + 1
"""Where the body of a frame begins, after length and type."""
PING: Final = 8
"""Bytes of what a PING asks to be told again."""
PING_FRAME: Final = BODY + PING + TAG
"""Bytes of a PING or PONG."""
MAX_PONGS: Final = 4
"""PINGs that are answered of one read: an honest peer sends the next once the last was answered."""
FLOW: Final = 32
"""Bytes of the first element of a package's route that tell a route from others."""
MAX_HOLDS: Final = 256
"""HOLDs that are kept of one read."""
MAX_PACKAGE: Final = 16 * 1024 * 1024
MAX_ADDRESS: Final = 45
"""Characters of an IP address."""
MAX_HANDSHAKE: Final = 4_096
"""Bytes of a handshake message that are waited for."""


class FrameType(IntEnum):
    HELLO = 0x01
    PACKAGE = 0x02
    HOLD = 0x03
    OPEN = 0x10
    CELL = 0x11
    CONTROL = 0x12
    CLOSE = 0x13
    GOSSIP = 0x18
    PING = 0x20
    PONG = 0x21


_OF_THE_LINK: Final = frozenset(map(int, (FrameType.PACKAGE, FrameType.HOLD, FrameType.PING, FrameType.PONG)))


@dataclass(frozen=True, slots=True)
class Established:
    """The peer has proved both halves of its key."""

    key: PublicKey
    extensions: tuple[str, ...]
    port: int
    """Where it listens; 0: nowhere."""
    seen: str = ""
    """The IP address that it says we come from, if we dialled it; not looked at yet."""


class Frame(NamedTuple):
    """A frame of a peer, opened where it lay: good until the link hears more, and for whoever handles it to overwrite.

    `wire` is all of it, so that it can be sent on from the same place: 2 bytes of length, type, body, 16 of the tag.
    """

    type: int
    wire: memoryview

    @property
    def body(self) -> memoryview:
        return self.wire[BODY:-TAG]


Event = Established | Frame | Package


class SecureLink:
    """One end. Any failure is a CryptoError or MalformedError after which the link has to be closed without a word."""

    def __init__(
        self,
        keys: CryptDE,
        contract: bytes,
        port: int,
        extensions: tuple[str, ...],
        random: Random,
        peer_ip: str = "",
    ) -> None:
        """`peer_ip`: where an initiator comes from, to be told so."""
        self._keys = keys
        self._prologue = MAGIC + contract
        self._hello = {"key": keys.public_key, "extensions": list(extensions), "port": port}
        self._peer_ip = peer_ip
        self._random = random
        self._handshake: Handshake | None = None
        self._stage = "magic"
        self._begun = bytearray()
        """The beginning of a message whose end has not arrived yet."""
        self._peer = Established(b"", (), 0)
        self._proof_hash = b""
        self._out: Direction
        self._in: Direction
        self._pieces = bytearray()
        self.answer = b""
        """Bytes that the peer is owed after `receive`, to be taken with `take_answer`."""
        self.answers_pings = True
        self._pings: list[bytes] = []
        """To be answered: sealed as late as can be, as frames are numbered in the order in which they are written."""
        self._heard = 0
        self._holds: list[bytes] = []

    @property
    def up(self) -> bool:
        return self._stage == "up"

    def dial(self, peer_key: bytes) -> bytes:
        """Begin as initiator; at least the X25519 half of the peer's key has to be known. Returns what to send."""
        self._handshake = Handshake(
            True, self._keys.x25519_secret, self._random(32), self._prologue, bytes(peer_key[:32])
        )
        message = self._handshake.write_first(cbor.encode(self._hello))
        self._stage = "second"
        self._proof_hash = self._handshake.hash
        return MAGIC + _prefixed(message)

    @property
    def unfinished(self) -> int:
        """Bytes held of what has not ended: a frame, or a package in several."""
        return len(self._begun) + len(self._pieces)

    @property
    def _answers_one_more(self) -> bool:
        return self.answers_pings and len(self._pings) < MAX_PONGS

    def take_heard(self) -> int:
        """How many messages have come since this was asked last."""
        heard, self._heard = self._heard, 0
        return heard

    def take_holds(self) -> list[tuple[bytes, bool]]:
        """Routes whose packages the peer can't take now, or can again."""
        holds, self._holds = self._holds, []
        return [(hold[:FLOW], bool(hold[FLOW])) for hold in holds]

    def take_answer(self) -> bytes:
        pings, self._pings = self._pings, []
        for ping in pings:
            self.answer += self.frame(FrameType.PONG, ping)
        answer, self.answer = self.answer, b""
        return answer

    def receive(self, data: memoryview) -> Iterator[Event]:
        """What arrived, one after the other: each has to be dealt with before the next is asked for.

        Frames are opened in place, so `data` has to be writable, and is overwritten.
        """
        if self._stage == "magic":
            self._begun += data
            if not MAGIC.startswith(self._begun[: len(MAGIC)]):
                raise MalformedError("this is no secure link")
            if len(self._begun) < len(MAGIC):
                return
            data, self._begun = memoryview(self._begun)[len(MAGIC) :], bytearray()
            self._stage = "first"
        for message in self._messages(data):
            self._heard += 1
            if self._stage != "up":
                event = self._shake(bytes(message[LENGTH:]))
                if event is not None:
                    yield event
                continue
            if len(message) <= LENGTH + TAG:
                raise MalformedError("an empty frame")
            self._in.decrypt_into(message[LENGTH:], message[LENGTH:-TAG])
            kind = message[LENGTH]
            if kind not in _OF_THE_LINK:
                yield Frame(kind, message)
            elif kind == FrameType.PACKAGE:
                package = self._package_piece(message[BODY:-TAG])
                if package is not None:
                    yield package
            else:
                self._of_the_link(kind, bytes(message[BODY:-TAG]))

    def _of_the_link(self, kind: int, body: bytes) -> None:
        if kind == FrameType.PING and len(body) == PING and self._answers_one_more:
            self._pings.append(body)
        elif kind == FrameType.HOLD and len(body) == FLOW + 1 and len(self._holds) < MAX_HOLDS:
            self._holds.append(body)

    def _messages(self, data: memoryview) -> Iterator[memoryview]:
        """Whole messages, with their length: where they lie in `data`, but for one whose beginning came before."""
        at, end = 0, len(data)
        begun = self._begun
        if begun:
            if len(begun) < LENGTH:
                at = LENGTH - len(begun)
                begun += data[:at]
                if len(begun) < LENGTH:
                    return
            missing = self._size(begun, 0) - len(begun)
            begun += data[at : at + missing]
            at += missing
            if at > end:
                return
            self._begun = bytearray()
            yield memoryview(begun)
        while end - at >= LENGTH:
            after = at + self._size(data, at)
            if after > end:
                break
            yield data[at:after]
            at = after
        if at < end:
            self._begun = bytearray(data[at:])

    def _size(self, data: bytearray | memoryview, at: int) -> int:
        length = data[at] << 8 | data[at + 1]
        if length > MAX_HANDSHAKE and self._stage in ("first", "second"):
            raise MalformedError("a handshake message that is too long")
        return LENGTH + length

    def _shake(self, message: bytes) -> Event | None:
        if self._stage == "first":
            handshake = Handshake(False, self._keys.x25519_secret, self._random(32), self._prologue)
            payload = handshake.read_first(message)
            self._peer = _read_hello(payload, handshake.remote_static)
            signature = self._keys.sign_plain(b"masq-link-responder" + handshake.hash)
            hello = {**self._hello, "signature": signature, **({"seen": self._peer_ip} if self._peer_ip else {})}
            second = handshake.write_second(cbor.encode(hello))
            self.answer += _prefixed(second)
            self._handshake, self._stage = handshake, "third"
            self._out, self._in = handshake.split()
            return None
        handshake_or_none = self._handshake
        assert handshake_or_none
        if self._stage == "second":
            payload = handshake_or_none.read_second(message)
            self._peer = _read_hello(payload, handshake_or_none.remote_static)
            proof = cbor.decode(payload).get("signature")
            if not _proves(self._keys, b"masq-link-responder" + self._proof_hash, proof, self._peer.key):
                raise CryptoError("the peer does not hold the second half of its key")
            self._out, self._in = handshake_or_none.split()
            proof = self._keys.sign_plain(b"masq-link-initiator" + handshake_or_none.hash)
            self._stage = "up"
            self.answer += self.frame(FrameType.HELLO, cbor.encode({"signature": proof}))
            return self._peer
        # Stage "third": the first transport frame.
        if len(message) < 1 + TAG:
            raise MalformedError("an empty frame")
        plain = bytearray(len(message) - TAG)
        self._in.decrypt_into(memoryview(message), memoryview(plain))
        value = cbor.decode(bytes(plain[1:]))
        proof = value.get("signature") if isinstance(value, dict) else None
        signed = b"masq-link-initiator" + handshake_or_none.hash
        if plain[0] != FrameType.HELLO or not _proves(self._keys, signed, proof, self._peer.key):
            raise CryptoError("the peer does not hold the second half of its key")
        self._stage = "up"
        return self._peer

    def _package_piece(self, piece: memoryview) -> Package | None:
        if not piece:
            raise MalformedError("a piece of a package without content")
        self._pieces += piece[1:]
        if len(self._pieces) > MAX_PACKAGE:
            raise MalformedError("a package that is too large")
        if piece[0]:
            return None
        content = bytes(self._pieces)
        self._pieces.clear()
        hops, payload = cbor.fields(cbor.decode(content), ("route", "payload"), "package")
        if not isinstance(hops, list) or len(hops) > MAX_HOPS or not all(type(hop) is bytes for hop in hops):
            raise MalformedError("a route is a list of up to 32 byte strings")
        return Package(hops, cbor.byte_string(payload, "payload"))

    # --- sending ---

    def frame(self, type: int, body: bytes | bytearray | memoryview) -> bytearray:
        """A frame to be sent, in the order in which it was made."""
        wire = new_frame(type, len(body))
        wire[BODY:-TAG] = body
        self.seal(wire)
        return wire

    def seal(self, wire: bytearray | memoryview) -> None:
        """As `frame`, in place, for a frame that was laid out as by `new_frame`, or as it arrived at another link."""
        size = len(wire) - LENGTH
        if size > MAX_BODY + 1 + TAG:
            raise ValueError("a frame that is too large")
        wire[0], wire[1] = size >> 8, size & 0xFF
        view = memoryview(wire)
        self._out.encrypt_into(view[LENGTH:-TAG], view[LENGTH:])

    def hold(self, flow: bytes, on: bool) -> bytearray:
        """The frame that asks the peer for no more packages of a route, or for them again."""
        return self.frame(FrameType.HOLD, flow + bytes((on,)))

    def package(self, package: Package) -> bytes:
        """The frames that carry a package of 0.9.1, which need not be sealed to the neighbor once more."""
        content = cbor.encode({"route": package.hops, "payload": package.payload})
        step = MAX_BODY - 1
        pieces = [content[start : start + step] for start in range(0, len(content), step)]
        last = len(pieces) - 1
        return b"".join(
            self.frame(FrameType.PACKAGE, bytes((index < last,)) + piece) for index, piece in enumerate(pieces)
        )


def new_frame(type: int, size: int) -> bytearray:
    """Room for a frame with a body of `size` bytes: length, type, body, tag."""
    wire = bytearray(BODY + size + TAG)
    wire[LENGTH] = type
    return wire


def _prefixed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def _read_hello(payload: bytes, static: bytes) -> Established:
    value = cbor.decode(payload)
    if not isinstance(value, dict):
        raise MalformedError("a greeting that is no map")
    key = cbor.byte_string(value.get("key"), "key", 64)
    if key[:32] != static:
        raise CryptoError("the peer's key is not the one that the handshake proved")
    names = value.get("extensions")
    extensions = tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()
    seen = value.get("seen")
    seen = seen if isinstance(seen, str) and len(seen) <= MAX_ADDRESS else ""
    return Established(key, extensions[:32], cbor.unsigned(value.get("port"), "port", 16), seen)


def _proves(keys: CryptDE, data: bytes, signature: object, key: PublicKey) -> bool:
    return isinstance(signature, bytes) and keys.verify_plain(data, signature, key)
