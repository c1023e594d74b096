"""The secure link between Nodes of ours: handshake and frames, as a state machine of bytes (protocol.md 15.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from masq.crypto import CryptDE, Random
from masq.errors import CryptoError, MalformedError
from masq.types import PublicKey
from masq.wire import cbor
from masq.wire.noise import TAG, Direction, Handshake
from masq.wire.package import Package

MAGIC: Final = b"MASQ-link1\n"
MAX_BODY: Final = 65_518
"""Bytes of a frame's body."""
MAX_PACKAGE: Final = 16 * 1024 * 1024
MAX_HANDSHAKE: Final = 4_096
"""Bytes of a handshake message that are waited for."""


class FrameType(IntEnum):
    HELLO = 0x01
    PACKAGE = 0x02
    OPEN = 0x10
    CELL = 0x11
    CONTROL = 0x12
    CLOSE = 0x13
    PING = 0x20
    PONG = 0x21


@dataclass(frozen=True, slots=True)
class Established:
    """The peer has proved both halves of its key."""

    key: PublicKey
    extensions: tuple[str, ...]
    port: int
    """Where it listens; 0: nowhere."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a peer. `body` is a view that is overwritten by the next frame."""

    type: int
    body: memoryview


Event = Established | Frame | Package


class SecureLink:
    """One end. Any failure is a CryptoError or MalformedError after which the link has to be closed without a word."""

    def __init__(self, keys: CryptDE, contract: bytes, port: int, extensions: tuple[str, ...], random: Random) -> None:
        self._keys = keys
        self._prologue = MAGIC + contract
        self._hello = {"key": keys.public_key, "extensions": list(extensions), "port": port}
        self._random = random
        self._handshake: Handshake | None = None
        self._stage = "magic"
        self._buffer = bytearray()
        self._peer = Established(b"", (), 0)
        self._proof_hash = b""
        self._out: Direction | None = None
        self._in: Direction | None = None
        self._plain = memoryview(bytearray(65_536))
        self._pieces = bytearray()
        self._position = 0
        self.answer = b""
        """Bytes that the peer is owed after `receive`, to be taken with `take_answer`."""

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

    def take_answer(self) -> bytes:
        answer, self.answer = self.answer, b""
        return answer

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """What arrived, one after the other: each has to be dealt with before the next is asked for."""
        self._buffer += data
        while (taken := self._take()) is not None:
            if self._stage == "up":
                event = self._frame(*taken)
            else:
                start, end = taken
                event = self._shake(bytes(self._buffer[start:end]))
                del self._buffer[:end]
                self._position = 0
            if event is not None:
                yield event
        del self._buffer[: self._position]
        self._position = 0

    def _take(self) -> tuple[int, int] | None:
        """Where the next message lies in the buffer, if it is there as a whole."""
        buffer, start = self._buffer, self._position
        if self._stage == "magic":
            head = bytes(buffer[: len(MAGIC)])
            if not MAGIC.startswith(head):
                raise MalformedError("this is no secure link")
            if len(head) < len(MAGIC):
                return None
            del buffer[: len(MAGIC)]
            self._stage = "first"
        if len(buffer) - start < 2:
            return None
        length = int.from_bytes(buffer[start : start + 2], "big")
        if self._stage in ("first", "second") and length > MAX_HANDSHAKE:
            raise MalformedError("a handshake message that is too long")
        end = start + 2 + length
        if len(buffer) < end:
            return None
        self._position = end
        return start + 2, end

    def _shake(self, message: bytes) -> Event | None:
        if self._stage == "first":
            handshake = Handshake(False, self._keys.x25519_secret, self._random(32), self._prologue)
            payload = handshake.read_first(message)
            self._peer = _read_hello(payload, handshake.remote_static)
            signature = self._keys.sign_plain(b"masq-link-responder" + handshake.hash)
            second = handshake.write_second(cbor.encode({**self._hello, "signature": signature}))
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
        assert self._in
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

    def _frame(self, start: int, end: int) -> Event | None:
        size = end - start - TAG
        if size < 1:
            raise MalformedError("an empty frame")
        assert self._in
        plain = self._plain[:size]
        with memoryview(self._buffer) as view:
            self._in.decrypt_into(view[start:end], plain)
        if plain[0] != FrameType.PACKAGE:
            return Frame(plain[0], plain[1:])
        if size < 2:
            raise MalformedError("a piece of a package without content")
        self._pieces += plain[2:]
        if len(self._pieces) > MAX_PACKAGE:
            raise MalformedError("a package that is too large")
        if plain[1]:
            return None
        content = bytes(self._pieces)
        self._pieces.clear()
        hops, payload = cbor.fields(cbor.decode(content), ("route", "payload"), "package")
        if not isinstance(hops, list) or not all(type(hop) is bytes for hop in hops):
            raise MalformedError("a route is a list of byte strings")
        return Package(hops, cbor.byte_string(payload, "payload"))

    # --- sending ---

    def frame(self, type: int, body: bytes | bytearray | memoryview) -> bytearray:
        """A frame to be sent, in the order in which it was made."""
        plain = bytearray(1)
        plain[0] = type
        plain += body
        return self.seal(plain)

    def seal(self, plain: bytes | bytearray | memoryview) -> bytearray:
        """As `frame`, for type and body in one."""
        if len(plain) > MAX_BODY + 1:
            raise ValueError("a frame that is too large")
        assert self._out
        size = len(plain) + TAG
        frame = bytearray(2 + size)
        frame[0], frame[1] = size >> 8, size & 0xFF
        self._out.encrypt_into(plain, memoryview(frame)[2:])
        return frame

    def package(self, package: Package) -> bytes:
        """The frames that carry a package of 0.9.1, which need not be sealed to the neighbor once more."""
        content = cbor.encode({"route": package.hops, "payload": package.payload})
        step = MAX_BODY - 1
        pieces = [content[start : start + step] for start in range(0, len(content), step)]
        last = len(pieces) - 1
        return b"".join(
            self.frame(FrameType.PACKAGE, bytes((index < last,)) + piece) for index, piece in enumerate(pieces)
        )


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
    return Established(key, extensions[:32], cbor.unsigned(value.get("port"), "port", 16))


def _proves(keys: CryptDE, data: bytes, signature: object, key: PublicKey) -> bool:
    return isinstance(signature, bytes) and keys.verify_plain(data, signature, key)
