"""What clients say on the entry port: SOCKS5 (RFC 1928, 1929), HTTP CONNECT, plain HTTP (RFC 9110, 9112)."""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final
from urllib.parse import urlsplit

from masq.wire.http_request import Head, OneRequest, RequestRefused, check_lines, forwarded, read_head

MAX_HEAD: Final = 65_536
"""Bytes of an HTTP request head."""


class ClientSpeech(Enum):
    """How the client is to be answered."""

    SOCKS5 = auto()
    CONNECT = auto()
    HTTP = auto()


class ClientCommand(Enum):
    """What a client wants: of HTTP always the first."""

    CONNECT = 1
    ASSOCIATE = 3
    RESOLVE = 0xF0
    """An extension that tor began with: the address of a host, in the reply."""


class Reply(Enum):
    """How a client is told that it gets no connection: SOCKS5 reply code, HTTP status and phrase."""

    GENERAL = (1, 502, "Bad Gateway")
    REFUSED = (5, 502, "Bad Gateway")
    NOT_ALLOWED = (2, 403, "Forbidden")
    PAYMENT = (2, 402, "Payment Required")
    NO_ROUTE = (3, 503, "Service Unavailable")
    UNREACHABLE = (4, 504, "Gateway Timeout")
    OVERLOADED = (1, 503, "Service Unavailable")
    UNSUPPORTED = (7, 501, "Not Implemented")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client wants to go."""

    speech: ClientSpeech
    host: str
    port: int
    group: str
    """Isolation: the user name and password given, or empty."""
    rest: bytes
    """The first bytes for the server."""
    command: ClientCommand = ClientCommand.CONNECT
    request: OneRequest | None = field(default=None, compare=False)
    """Of plain HTTP: what of the bytes that follow is for the server, too."""

    @property
    def place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ClientRefused(Exception):
    """The client's wish can't be fulfilled: `answer` is what it is told before the connection ends."""

    def __init__(self, answer: bytes, problem: str) -> None:
        super().__init__(problem)
        self.answer = answer


class Greeting:
    """Reads a client's opening, piece by piece. What it is told on the way is in `answers`."""

    def __init__(self) -> None:
        self._buffer = b""
        self._stage = 0
        self._group = ""
        self.answers = b""

    def feed(self, data: bytes) -> Target | None:
        """The target once it is known. Refused for what is malformed or not supported."""
        self._buffer += data
        if not self._buffer:
            return None
        first = self._buffer[0]
        if first == 5:
            return self._socks()
        if first == 4:
            raise ClientRefused(b"\x00\x5b" + bytes(6), "SOCKS4 is not spoken here: use SOCKS5 (socks5h://) or HTTP")
        if 0x41 <= first <= 0x5A:
            return self._http()
        raise ClientRefused(b"", f"a client opened with byte 0x{first:02x}: neither SOCKS5 nor HTTP")

    # --- SOCKS5 ---

    def _socks(self) -> Target | None:
        if self._stage == 0:
            if len(self._buffer) < 2 or len(self._buffer) < 2 + self._buffer[1]:
                return None
            methods, self._buffer = self._buffer[2 : 2 + self._buffer[1]], self._buffer[2 + self._buffer[1] :]
            # A client that offers a name is asked for it: it isolates its streams from those of others.
            method = 2 if 2 in methods else 0 if 0 in methods else 0xFF
            self.answers += bytes((5, method))
            if method == 0xFF:
                raise ClientRefused(
                    self._take_answers(), "the client offers no authentication method that is known here"
                )
            self._stage = 1 if method == 2 else 2
            self._buffer = b"\x05" + self._buffer  # Keeps the first byte telling the protocol apart.
        if self._stage == 1:
            said = self._buffer[1:]
            if len(said) < 2 or len(said) < 3 + said[1] or len(said) < 3 + said[1] + said[2 + said[1]]:
                return None
            name = said[2 : 2 + said[1]]
            end = 3 + said[1] + said[2 + said[1]]
            secret = said[3 + said[1] : end]
            if said[0] != 1:
                raise ClientRefused(
                    self._take_answers() + b"\x01\x01", "the client's authentication is of an unknown version"
                )
            self._group = f"{name.hex()}:{secret.hex()}"
            self.answers += b"\x01\x00"
            self._buffer = b"\x05" + said[end:]
            self._stage = 2
        return self._socks_request(self._buffer[1:])

    def _socks_request(self, said: bytes) -> Target | None:
        if len(said) < 5:
            return None
        version, command, _, kind, length = said[:5]
        size = {1: 4, 4: 16, 3: length + 1}.get(kind)
        if version != 5 or size is None:
            raise ClientRefused(self._take_answers() + socks_reply(8), "the client's request is malformed")
        if command not in ClientCommand._value2member_map_:
            text = "of SOCKS5's commands CONNECT, UDP ASSOCIATE and RESOLVE are supported"
            raise ClientRefused(self._take_answers() + socks_reply(7), text)
        end = 4 + size
        if len(said) < end + 2:
            return None
        address = said[4:end]
        if kind == 3:
            try:
                host = address[1:].decode("ascii")
            except UnicodeDecodeError:
                host = ""
            if not _is_host(host) and ClientCommand(command) is not ClientCommand.ASSOCIATE:
                raise ClientRefused(self._take_answers() + socks_reply(8), "the client's host name is malformed")
        else:
            host = ".".join(map(str, address)) if kind == 1 else str(ipaddress.ip_address(address))
        port = int.from_bytes(said[end : end + 2], "big")
        return Target(ClientSpeech.SOCKS5, host, port, self._group, said[end + 2 :], ClientCommand(command))

    def _take_answers(self) -> bytes:
        answers, self.answers = self.answers, b""
        return answers

    # --- HTTP ---

    def _http(self) -> Target | None:
        try:
            return self._http_request()
        except RequestRefused as error:
            raise request_refused(error) from error

    def _http_request(self) -> Target | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            check_lines(self._buffer)
            if len(self._buffer) > MAX_HEAD:
                raise RequestRefused(431, "Request Header Fields Too Large", "The head is too long.")
            return None
        head, rest = read_head(self._buffer[: end + 4]), self._buffer[end + 4 :]
        group = _credentials(b"".join(head.all(b"proxy-authorization")[:1]))
        if head.method == b"CONNECT":
            host, port = _authority(head.target, None)
            return Target(ClientSpeech.CONNECT, host, port, group, rest)
        authority, target = _absolute(head)
        host, port = _authority(authority, 80)
        start, request = forwarded(head, authority, target)
        return Target(ClientSpeech.HTTP, host, port, group, start + request.part(memoryview(rest)), request=request)


def _absolute(head: Head) -> tuple[bytes, bytes]:
    """Authority and path of the whole URL that a proxy is asked for.

    A path alone is not completed by the Host header: a page that has its own name point at this proxy could use it so.
    """
    if not head.target.lower().startswith(b"http://"):
        advice = "Give the whole URL (http://host/path), or use CONNECT for everything that is not plain HTTP."
        raise RequestRefused(400, "Bad Request", advice)
    rest = head.target[7:].partition(b"#")[0]
    begin = re.search(rb"[/?]", rest)
    authority, path = (rest, b"") if begin is None else (rest[: begin.start()], rest[begin.start() :])
    if not path and head.method == b"OPTIONS":
        path = b"*"
    elif not path.startswith(b"/"):
        path = b"/" + path
    return authority.rpartition(b"@")[2], path


def request_refused(error: RequestRefused) -> ClientRefused:
    """What a client is told whose request is refused by the proxy itself."""
    return ClientRefused(http_page(error.status, error.phrase, str(error)), f"an HTTP request was refused: {error}")


def _authority(text: bytes, default: int | None) -> tuple[str, int]:
    try:
        parts = urlsplit("//" + text.decode("ascii"))
        host, port = parts.hostname, parts.port or default
    except ValueError:
        host, port = None, None
    if not host or not _is_host(host) or port is None or parts.username is not None:
        raise RequestRefused(400, "Bad Request", "The target is not host:port.")
    return host, port


def _is_host(host: str) -> bool:
    return 0 < len(host) <= 253 and host.isascii() and host.isprintable() and not set(host) & set(" /@\\?#")


def _credentials(value: bytes) -> str:
    scheme, _, encoded = value.partition(b" ")
    if scheme.lower() != b"basic":
        return ""
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).partition(b":")
    except ValueError:
        return ""
    return f"{name.hex()}:{secret.hex()}"


def accepted(speech: ClientSpeech) -> bytes:
    """What a client is told when its stream is on its way."""
    match speech:
        case ClientSpeech.SOCKS5:
            return _ACCEPTED
        case ClientSpeech.CONNECT:
            return b"HTTP/1.1 200 Connection established\r\n\r\n"
        case ClientSpeech.HTTP:
            return b""


def refused(speech: ClientSpeech, reply: Reply, reason: str) -> bytes:
    """What a client is told when it gets no stream."""
    code, status, phrase = reply.value
    return socks_reply(code) if speech is ClientSpeech.SOCKS5 else http_page(status, phrase, reason)


def socks_reply(code: int, address: str = "0.0.0.0", port: int = 0) -> bytes:
    return bytes((5, code, 0)) + _socks_address(address, port)


def _socks_address(host: str, port: int) -> bytes:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode()
        return bytes((3, len(name))) + name + port.to_bytes(2, "big")
    return bytes((1 if ip.version == 4 else 4,)) + ip.packed + port.to_bytes(2, "big")


_ACCEPTED: Final = socks_reply(0)


def decode_datagram(data: bytes) -> tuple[str, int, bytes] | None:
    """Host, port and content of a client's datagram (RFC 1928, 7); None if it is malformed, or a fragment."""
    if len(data) < 5 or data[:3] != bytes(3):
        return None
    kind = data[3]
    start, size = (5, data[4]) if kind == 3 else (4, {1: 4, 4: 16}.get(kind, 0))
    end = start + size
    if not size or len(data) < end + 2:
        return None
    address = data[start:end]
    host = address.decode("ascii", "replace") if kind == 3 else str(ipaddress.ip_address(address))
    return (host, int.from_bytes(data[end : end + 2], "big"), data[end + 2 :]) if _is_host(host) else None


def encode_datagram(host: str, port: int, data: bytes) -> bytes:
    """A datagram for a client."""
    return bytes(3) + _socks_address(host, port) + data


def http_page(status: int, phrase: str, reason: str) -> bytes:
    """An error page that says what happened."""
    text = reason.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    body = f"<!doctype html><title>{status} {phrase}</title><h1>{phrase}</h1><p>MASQ Node: {text}</p>\n".encode()
    head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
