"""Circuits on the wire: keys of a hop, cells and the messages in them, control messages (protocol.md 15.3-15.5)."""

from __future__ import annotations

import hmac
import ipaddress
import re
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from masq.errors import CryptoError, MalformedError
from masq.wire import cbor
from masq.wire.noise import TAG
from masq.wire.secure_link import BODY, FrameType, new_frame

EXTENSION: Final = "circuit1"
PACE: Final = "pace1"
"""The extension of Nodes that answer ECHO, and let as much wait for a circuit as windows beyond 4 MiB may bring."""
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
FRAME_HEAD: Final = BODY + 4
"""Where the data of a cell begins in its frame: after length, type and circuit id."""

MAX_DETAIL: Final = 200
"""Bytes of the words with which an END or a RESOLVED says why."""
NO_SUCH_NAME: Final = "no such name"
"""How the error of a RESOLVED begins for a host that doesn't exist, rather than wasn't found out about."""
MAX_ADDRESSES: Final = 32
"""Addresses of one RESOLVED."""
MAX_PAID_ANSWER: Final = 2_048
"""Bytes of a RESOLVED that are paid for at most: the longest honest one has fewer."""

AMOUNT: Final = re.compile("[0-9]{1,78}")
"""Wei as text: what fits into 256 bits."""

_MESSAGE: Final = struct.Struct(">IBI")
_ID: Final = struct.Struct(">I")


class Command(IntEnum):
    BEGIN = 1
    CONNECTED = 2
    DATA = 3
    END = 4
    WINDOW = 5
    RESOLVE = 6
    RESOLVED = 7
    DATAGRAM = 8
    ECHO = 9
    ECHOED = 10


BILLED: Final = (Command.DATA, Command.DATAGRAM)
"""Messages whose data the exit is paid for."""


class StreamEnd(IntEnum):
    """Why one direction of a stream ends."""

    DONE = 0
    NOT_RESOLVED = 1
    NOT_CONNECTED = 2
    POLICY = 3
    BROKEN = 4
    OVERLOADED = 5
    STOPPED = 6
    """Nobody reads any more: the other end has to stop, too."""
    REFUSED = 7
    """The server refused the connection: a kind of NOT_CONNECTED that older Nodes don't tell apart."""
    UNKNOWN = 255
    """What no Node sends: how a code is read that this program doesn't know."""


_STREAM_ENDS: Final = {int(end): end for end in StreamEnd}


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


class CellMessage(NamedTuple):
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
        self._update_into = Cipher(algorithms.AES128(key), modes.CTR(bytes(16))).encryptor().update_into

    def apply(self, data: memoryview) -> None:
        """Add or remove it, in place."""
        self._update_into(data, data)


class Seal:
    """End to end protection of cells in one direction: each cell's number is its nonce."""

    def __init__(self, circuit_key: bytes, forward: bool) -> None:
        self._aead = AESGCM(_derive(circuit_key, b"masq seal forward" if forward else b"masq seal backward"))
        self._count = 0

    def close(self, data: memoryview) -> None:
        """Seal the data of a cell in place; its last 16 bytes are room for the tag."""
        self._aead.encrypt_into(self._nonce(), data[:-TAG], None, data)

    def open(self, data: memoryview) -> memoryview:
        """Open the data of a cell in place: its plaintext. CryptoError if the cell was altered or repeated."""
        if len(data) < TAG:
            raise CryptoError("a cell that is too short")
        plain = data[:-TAG]
        try:
            self._aead.decrypt_into(self._nonce(), data, None, plain)
        except InvalidTag as error:
            raise CryptoError("a cell was altered") from error
        return plain

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


def new_cell(circuit: int, messages: list[tuple[int, int, bytes | memoryview]]) -> bytearray:
    """The frame of an unsealed cell with these messages, padded, with room for both tags."""
    size = 0
    for _, _, data in messages:
        size += HEAD + len(data)
    padded = -(-size // BLOCK) * BLOCK
    if padded > MAX_PLAIN:
        raise ValueError("too much for one cell")
    frame = new_frame(FrameType.CELL, 4 + padded + TAG)
    _ID.pack_into(frame, BODY, circuit)
    at = FRAME_HEAD
    for stream, command, data in messages:
        _MESSAGE.pack_into(frame, at, stream, command, len(data))
        at += HEAD
        frame[at : at + len(data)] = data
        at += len(data)
    return frame


def messages_of(plain: memoryview) -> Iterator[CellMessage]:
    """The messages of an opened cell. MalformedError if their lengths don't fit."""
    at, end = 0, len(plain)
    while at + HEAD <= end:
        stream, command, size = _MESSAGE.unpack_from(plain, at)
        if command == 0:
            return  # Padding: no command is 0.
        at += HEAD
        if at + size > end:
            raise MalformedError("a message that is longer than its cell")
        yield CellMessage(stream, command, plain[at : at + size])
        at += size


def circuit_frame(type: FrameType, circuit: int, data: bytes) -> bytearray:
    """The frame of an OPEN, CONTROL or CLOSE."""
    frame = new_frame(type, 4 + len(data))
    _ID.pack_into(frame, BODY, circuit)
    frame[FRAME_HEAD:-TAG] = data
    return frame


def circuit_of(frame: memoryview) -> int:
    """The circuit id of a circuit's frame. MalformedError if there can't be one."""
    if len(frame) < FRAME_HEAD + TAG:
        raise MalformedError("a frame without circuit")
    circuit: int = _ID.unpack_from(frame, BODY)[0]
    if circuit == 0:
        raise MalformedError("circuit 0 is illegal")
    return circuit


def data_of(frame: bytearray | memoryview) -> memoryview:
    """What a circuit's frame carries, behind the circuit's id."""
    return memoryview(frame)[FRAME_HEAD:-TAG]


def reason_of(frame: bytearray | memoryview) -> Close:
    """The reason that a CLOSE gives; DONE if it gives none that is known."""
    data = data_of(frame)
    return Close(data[0]) if len(data) and data[0] in Close._value2member_map_ else Close.DONE


def pass_on(frame: memoryview, circuit: int, layer: Layer) -> None:
    """Make a cell or control message one for the next Node, in place: its new id, one layer more or less."""
    _ID.pack_into(frame, BODY, circuit)
    layer.apply(frame[FRAME_HEAD:-TAG])


def encode_begin(host: str, port: int, udp: bool = False) -> bytes:
    return cbor.encode({"host": host, "port": port, "udp": udp})


def decode_begin(data: bytes | memoryview) -> tuple[str, int, bool]:
    host, port, udp = cbor.fields(cbor.decode(bytes(data)), ("host", "port", "udp"), "BEGIN")
    return cbor.text(host, "host"), cbor.unsigned(port, "port", 16), cbor.boolean(udp, "udp")


def encode_end(code: StreamEnd, detail: str = "") -> bytes:
    """Why a stream ends: a code, and words for people."""
    return bytes((code,)) + detail.encode()[:MAX_DETAIL]


def end_of(data: memoryview) -> tuple[StreamEnd, str]:
    """The code and the words of an END."""
    words = bytes(data[1 : 1 + MAX_DETAIL]).decode(errors="replace")
    return end_code(data[0] if data else 0), "".join(letter for letter in words if letter.isprintable())


def end_code(number: int) -> StreamEnd:
    """The code that a number stands for."""
    return _STREAM_ENDS.get(number, StreamEnd.UNKNOWN)


class Debt(NamedTuple):
    """What a hop that serves a wallet no more counts, in wei. It is the hop's word alone."""

    owed: int
    since: int
    """Unix time from which the debt's age counts."""
    most: int
    """What may be owed at that age."""
    release: int
    """The wallet is served again when it owes no more than this."""
    funds: int | None = None
    """Tokens that it was seen to have on the chain, if it is for being less than `owed` that it isn't served."""


def encode_ending(reason: Close, detail: str, debt: Debt | None = None) -> dict[str, Any]:
    """The control message in which a hop says why a circuit ends: a text of the table, words for people, and the debt
    that it ends for."""
    ending: dict[str, Any] = {"failed": CLOSE_TEXTS[reason], "detail": detail}
    if debt is not None:
        amounts = {"owed": str(debt.owed), "most": str(debt.most), "release": str(debt.release)}
        funds = {} if debt.funds is None else {"funds": str(debt.funds)}
        ending["debt"] = {**amounts, "since": debt.since, **funds}
    return ending


def debt_of(value: dict[str, Any]) -> Debt | None:
    """The debt that such a message names; None if it names none, or one that makes no sense."""
    debt = value.get("debt")
    if not isinstance(debt, dict):
        return None
    amounts = [debt.get(name) for name in ("owed", "most", "release")]
    since = debt.get("since")
    if type(since) is not int or not 0 <= since < 1 << 32:
        return None
    wei = [int(each) for each in amounts if type(each) is str and AMOUNT.fullmatch(each)]
    funds = debt.get("funds")
    seen = int(funds) if type(funds) is str and AMOUNT.fullmatch(funds) else None
    return Debt(wei[0], since, wei[1], wei[2], seen) if len(wei) == len(amounts) else None


def ending_of(value: dict[str, Any]) -> Close | None:
    """The reason that such a message gives; None if it gives none that is known."""
    return next((reason for reason, text in CLOSE_TEXTS.items() if text == value.get("failed")), None)


def encode_datagram(host: str, port: int, data: bytes) -> bytes:
    """A datagram to or from a host, which is a name or an IP address."""
    name = host.encode()
    return bytes((len(name),)) + name + port.to_bytes(2, "big") + data


def decode_datagram(data: bytes | memoryview) -> tuple[str, int, bytes]:
    """Host, port and content. MalformedError if it is cut off, or the host is no text."""
    raw = bytes(data)
    end = 1 + raw[0] if raw else 1
    if len(raw) < end + 2:
        raise MalformedError("a datagram without address")
    try:
        host = raw[1:end].decode()
    except UnicodeDecodeError as error:
        raise MalformedError("a datagram for a host that is no text") from error
    return host, int.from_bytes(raw[end : end + 2], "big"), raw[end + 2 :]


def encode_resolve(host: str, paid: bool = False) -> bytes:
    """`paid`: the originator pays for the answer, if the exit says that it takes that."""
    return cbor.encode({"host": host, "paid": True} if paid else {"host": host})


def decode_resolve(data: bytes | memoryview) -> tuple[str, bool]:
    """The host, and whether the answer will be paid for."""
    value = cbor.decode(bytes(data))
    (host,) = cbor.fields(value, ("host",), "RESOLVE")
    return cbor.text(host, "host"), _is_paid(value)


def _is_paid(value: Any) -> bool:
    return isinstance(value, dict) and value.get("paid") is True


def paid_bytes(resolve: int, resolved: int) -> int:
    """What a look-up counts for, as bytes of DATA: those of both messages."""
    return resolve + min(resolved, MAX_PAID_ANSWER)


Addresses = tuple[tuple[str, int], ...]
"""IP addresses of a host, with the seconds that each holds."""


class Resolution(NamedTuple):
    """What a RESOLVED says: addresses, or why there are none."""

    addresses: Addresses = ()
    error: str = ""
    paid: bool = False
    """Whether the exit has booked it, as the originator has offered."""

    @property
    def no_such_name(self) -> bool:
        """Whether the host doesn't exist, rather than wasn't found out about."""
        return self.error.startswith(NO_SUCH_NAME)


def encode_resolved(resolution: Resolution) -> bytes:
    said: dict[str, Any] = {"paid": True} if resolution.paid else {}
    if resolution.error:
        return cbor.encode({"error": resolution.error[:MAX_DETAIL], **said})
    pairs = [[address, ttl] for address, ttl in resolution.addresses[:MAX_ADDRESSES]]
    return cbor.encode({"addresses": pairs, **said})


def decode_resolved(data: bytes | memoryview) -> Resolution:
    """MalformedError unless it is an error, or a list of IP addresses with their seconds."""
    value = cbor.decode(bytes(data))
    if not isinstance(value, dict):
        raise MalformedError("RESOLVED is a map")
    if "error" in value:
        return Resolution((), cbor.text(value["error"], "error")[:MAX_DETAIL] or "unknown", _is_paid(value))
    found = []
    for pair in cbor.array(value.get("addresses"), "addresses")[:MAX_ADDRESSES]:
        address, ttl = pair if isinstance(pair, list) and len(pair) == 2 else (None, None)
        text = cbor.text(address, "address")
        if "%" in text:  # To Python, an address may name a network interface; to DNS it may not.
            raise MalformedError("an address with a zone of the exit's machine")
        try:
            found.append((str(ipaddress.ip_address(text)), cbor.unsigned(ttl, "ttl", 32)))
        except ValueError as error:
            raise MalformedError("an invalid address") from error
    return Resolution(tuple(found), "" if found else "it has no address", _is_paid(value))
