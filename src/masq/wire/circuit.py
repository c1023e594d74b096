"""Circuits on the wire: keys of a hop, cells and the messages in them, control messages (protocol.md 15.3-15.5)."""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from masq.errors import CryptoError, MalformedError
from masq.wire import cbor
from masq.wire.secure_link import FrameType

EXTENSION: Final = "circuit1"
BLOCK: Final = 512
"""Sealed plaintexts are padded to multiples of this."""
MAX_PLAIN: Final = 127 * BLOCK
HEAD: Final = 9
"""Bytes before the data of a message: stream, command, length."""
MAX_DATA: Final = MAX_PLAIN - HEAD
STREAM_CREDIT: Final = 1024 * 1024
CIRCUIT_CREDIT: Final = 4 * 1024 * 1024
OPEN_LIFE: Final = 120
"""Seconds that an OPEN may take to be accepted by all its hops."""
FRAME_HEAD: Final = 5
"""Type and circuit id, before the data of a cell."""

_MESSAGE: Final = struct.Struct(">IBI")
_ID: Final = struct.Struct(">I")
_TAG: Final = 16


class Command(IntEnum):
    BEGIN = 1
    CONNECTED = 2
    DATA = 3
    END = 4
    WINDOW = 5
    RESOLVE = 6
    RESOLVED = 7
    DATAGRAM = 8


class End(IntEnum):
    """Why one direction of a stream ends."""

    DONE = 0
    NOT_RESOLVED = 1
    NOT_CONNECTED = 2
    POLICY = 3
    BROKEN = 4
    OVERLOADED = 5
    STOPPED = 6
    """Nobody reads any more: the other end has to stop, too."""


END_TEXTS: Final = {
    End.DONE: "the stream is over",
    End.NOT_RESOLVED: "the host name could not be resolved",
    End.NOT_CONNECTED: "the server could not be reached",
    End.POLICY: "its policy does not allow this target",
    End.BROKEN: "the connection to the server broke",
    End.OVERLOADED: "it serves too many streams",
    End.STOPPED: "it was told to stop",
}


class Close(IntEnum):
    """Why a circuit is closed."""

    DONE = 0
    TAMPERED = 1
    REFUSED = 2
    UNREACHABLE = 3
    EXPIRED = 4
    REPLAYED = 5
    DELINQUENT = 6
    OVERLOADED = 7
    CREDIT = 8
    PROTOCOL = 9


CLOSE_TEXTS: Final = {
    Close.DONE: "the circuit was closed",
    Close.TAMPERED: "a cell was altered on the way",
    Close.REFUSED: "the circuit was refused",
    Close.UNREACHABLE: "next hop unreachable",
    Close.EXPIRED: "the circuit's invitation had expired",
    Close.REPLAYED: "the circuit's invitation was used before",
    Close.DELINQUENT: "the consuming wallet owes too much",
    Close.OVERLOADED: "overloaded",
    Close.CREDIT: "more was sent than allowed",
    Close.PROTOCOL: "the rules of circuits were broken",
}


class Message(NamedTuple):
    """One message in a cell. `data` is a view that the next cell overwrites."""

    stream: int
    command: int
    data: memoryview


def _derive(secret: bytes, label: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869) without salt, 32 bytes."""
    return hmac.digest(hmac.digest(bytes(32), secret, "sha256"), label + b"\x01", "sha256")


class Layer:
    """One hop's key stream in one direction: adding and removing it is the same."""

    def __init__(self, circuit_key: bytes, forward: bool) -> None:
        key = _derive(circuit_key, b"masq forward" if forward else b"masq backward")[:16]
        self._stream = Cipher(algorithms.AES128(key), modes.CTR(bytes(16))).encryptor()

    def apply(self, data: bytes | bytearray | memoryview, out: bytearray | memoryview) -> None:
        """Into `out`, which may be `data` itself."""
        self._stream.update_into(data, out)


class Seal:
    """End to end protection of cells in one direction: each cell's number is its nonce."""

    def __init__(self, circuit_key: bytes, forward: bool) -> None:
        self._aead = AESGCM(_derive(circuit_key, b"masq seal forward" if forward else b"masq seal backward"))
        self._count = 0

    def close(self, frame: bytearray, size: int) -> None:
        """Seal `size` bytes at FRAME_HEAD of a frame in place; the frame has 16 bytes more."""
        view = memoryview(frame)[FRAME_HEAD:]
        self._aead.encrypt_into(self._nonce(), view[:size], None, view)

    def open(self, data: memoryview, out: memoryview) -> int:
        """The size of the plaintext that was put into `out`. CryptoError if the cell was altered or repeated."""
        size = len(data) - _TAG
        if size < 0:
            raise CryptoError("a cell that is too short")
        try:
            self._aead.decrypt_into(self._nonce(), data, None, out[:size])
        except InvalidTag as error:
            raise CryptoError("a cell was altered") from error
        return size

    def _nonce(self) -> bytes:
        self._count += 1
        return (self._count - 1).to_bytes(12, "big")


class Control:
    """What a hop tells the originator: sealed with the hop's own key, numbered."""

    def __init__(self, circuit_key: bytes) -> None:
        self._aead = AESGCM(_derive(circuit_key, b"masq control"))
        self._count = 0

    def close(self, value: dict[str, Any]) -> bytes:
        self._count += 1
        return self._aead.encrypt((self._count - 1).to_bytes(12, "big"), cbor.encode(value), None)

    def open(self, data: bytes) -> dict[str, Any] | None:
        """The value, or None if another hop's key sealed it. MalformedError if it is no map."""
        try:
            plain = self._aead.decrypt(self._count.to_bytes(12, "big"), data, None)
        except InvalidTag:
            return None
        self._count += 1
        value = cbor.decode(plain)
        if not isinstance(value, dict):
            raise MalformedError("a control message is a map")
        return value


def new_cell(circuit: int, messages: list[tuple[int, int, bytes | memoryview]]) -> tuple[bytearray, int]:
    """An unsealed cell with these messages, padded, with room for the tag; and the size of its plaintext."""
    size = sum(HEAD + len(data) for _, _, data in messages)
    padded = -(-size // BLOCK) * BLOCK
    if padded > MAX_PLAIN:
        raise ValueError("too much for one cell")
    frame = bytearray(FRAME_HEAD + padded + _TAG)
    frame[0] = FrameType.CELL
    _ID.pack_into(frame, 1, circuit)
    at = FRAME_HEAD
    for stream, command, data in messages:
        _MESSAGE.pack_into(frame, at, stream, command, len(data))
        at += HEAD
        frame[at : at + len(data)] = data
        at += len(data)
    return frame, padded


def messages_of(plain: memoryview) -> Iterator[Message]:
    """The messages of an opened cell. MalformedError if their lengths don't fit."""
    at, end = 0, len(plain)
    while at + HEAD <= end:
        stream, command, size = _MESSAGE.unpack_from(plain, at)
        if command == 0:
            return  # Padding: no command is 0.
        at += HEAD
        if at + size > end:
            raise MalformedError("a message that is longer than its cell")
        yield Message(stream, command, plain[at : at + size])
        at += size


def circuit_frame(type: FrameType, circuit: int, body: bytes) -> bytes:
    """Type and body of an OPEN, CONTROL or CLOSE."""
    return bytes((type,)) + _ID.pack(circuit) + body


def circuit_of(body: memoryview) -> int:
    """The circuit id that a frame's body begins with. MalformedError if it can't."""
    if len(body) < 4:
        raise MalformedError("a frame without circuit")
    circuit: int = _ID.unpack_from(body)[0]
    if circuit == 0:
        raise MalformedError("circuit 0 is illegal")
    return circuit


def passing_cell(type: int, circuit: int, data: memoryview, layer: Layer) -> bytearray:
    """A cell or control message on its way to the next Node: its new id, one layer more or less."""
    frame = bytearray(FRAME_HEAD + len(data))
    frame[0] = type
    _ID.pack_into(frame, 1, circuit)
    layer.apply(data, memoryview(frame)[FRAME_HEAD:])
    return frame


def encode_begin(host: str, port: int, udp: bool = False) -> bytes:
    return cbor.encode({"host": host, "port": port, "udp": udp})


def decode_begin(data: bytes) -> tuple[str, int, bool]:
    host, port, udp = cbor.fields(cbor.decode(data), ("host", "port", "udp"), "BEGIN")
    return cbor.text(host, "host"), cbor.unsigned(port, "port", 16), cbor.boolean(udp, "udp")
