"""One plain HTTP request of a client of the proxy, and where it ends (RFC 9110, 9112).

Own code, as h11 takes half line ends, and gives bodies decoded: here what a client said has to pass as it was said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_LINE: Final = 4_096
"""Bytes of a chunk's first line, and of a line of a trailer."""
MAX_TRAILER: Final = 65_536

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header may hold: tabs alone are allowed of what doesn't print."""
_HALF_LINE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)|\x00")
"""Line ends that one server takes for some, and another one for none: by them a request hides in another."""
_TARGET: Final = re.compile(rb"[^\x00-\x20\x7f]+")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")

_FOR_THE_PROXY: Final = {
    b"connection",
    b"proxy-connection",
    b"proxy-authorization",
    b"proxy-authenticate",
    b"keep-alive",
    b"te",
    b"upgrade",
    b"http2-settings",
}
"""Headers of the way to the next server alone (RFC 9110, 7.6.1)."""
_NEEDED: Final = {b"host", b"content-length", b"transfer-encoding"}
"""Headers that can't be of that kind: without them the server reads another request than we."""


class RequestRefused(Exception):
    """A request that is answered with this status by the proxy itself; the text says why."""

    def __init__(self, status: int, phrase: str, advice: str) -> None:
        super().__init__(advice)
        self.status = status
        self.phrase = phrase


def _malformed(advice: str) -> RequestRefused:
    return RequestRefused(400, "Bad Request", advice)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request, read."""

    method: bytes
    target: bytes
    version: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    """Names as they were written, and values without the space around them."""

    def all(self, name: bytes) -> list[bytes]:
        """The values of a header, which is named in small letters."""
        return [value for each, value in self.fields if each.lower() == name]

    def words(self, name: bytes) -> list[bytes]:
        """The words of a header that lists some, in small letters."""
        listed = (word.strip().lower() for value in self.all(name) for word in value.split(b","))
        return [word for word in listed if word]


def check_lines(data: bytes) -> None:
    """RequestRefused if what has come of a head has other line ends than CR LF, or a zero."""
    if _HALF_LINE.search(data.removesuffix(b"\r")):
        raise _malformed("The head has line ends that are no CR LF.")


def read_head(data: bytes) -> Head:
    """A head, with the empty line at its end or without. RequestRefused if it is malformed in any way."""
    check_lines(data)
    data = data.removesuffix(b"\r\n\r\n")
    line, *rest = data.split(b"\r\n")
    words = line.split(b" ")
    if (
        len(words) != 3
        or not _TOKEN.fullmatch(words[0])
        or not _TARGET.fullmatch(words[1])
        or words[2] not in (b"HTTP/1.1", b"HTTP/1.0")
    ):
        raise _malformed("This is no HTTP/1.1 request.")
    fields = []
    for each in rest:
        name, colon, value = each.partition(b":")
        if not colon or not _TOKEN.fullmatch(name) or _CONTROL.search(value):
            raise _malformed("The head has a line that is no header.")
        fields.append((name, value.strip(b" \t")))
    return Head(words[0], words[1], words[2], tuple(fields))


def forwarded(head: Head, authority: bytes, target: bytes) -> tuple[bytes, OneRequest]:
    """The head that the server gets, and what behind it is for the server, too. RequestRefused if that is unclear."""
    if len(head.all(b"host")) > 1:
        raise _malformed("There is more than one Host header.")
    options = set(head.words(b"connection"))
    if options & _NEEDED:
        raise _malformed("The Connection header lists a header that the server needs.")
    body = _body(head)
    upgrade = _upgrade(head, options)
    lines = [b" ".join((head.method, target, head.version)), b"Host: " + authority]
    for name, value in head.fields:
        if name.lower() not in _FOR_THE_PROXY | options | {b"host"}:
            lines.append(name + b": " + value)
    if upgrade:
        lines += [b"Connection: Upgrade", b"Upgrade: " + upgrade]
    else:
        # One request a connection: the answer then ends where the stream ends, whatever the exit.
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n", OneRequest(body, bool(upgrade))


def _upgrade(head: Head, options: set[bytes]) -> bytes:
    """The protocols that the client wants to go on with.

    Not HTTP/2, as servers that don't know it keep the connection open after their answer (RFC 9113 has dropped this).
    """
    if b"upgrade" not in options or head.version != b"HTTP/1.1":
        return b""
    wanted = (word.strip() for value in head.all(b"upgrade") for word in value.split(b","))
    return b", ".join(word for word in wanted if word and word.lower() != b"h2c")


def _body(head: Head) -> Body:
    lengths, codings = head.all(b"content-length"), head.words(b"transfer-encoding")
    if head.all(b"transfer-encoding"):
        if lengths:
            raise _malformed("There are both Content-Length and Transfer-Encoding.")
        if head.version == b"HTTP/1.0":
            raise _malformed("HTTP/1.0 has no Transfer-Encoding.")
        if codings != [b"chunked"]:
            raise RequestRefused(501, "Not Implemented", "The only Transfer-Encoding that is known here is chunked.")
        return Chunks()
    if not lengths:
        return Length(0)
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise _malformed("The Content-Length is no number, or given twice.")
    return Length(int(lengths[0]))


class Length:
    """A body of so many bytes."""

    def __init__(self, left: int) -> None:
        self._left = left

    def part(self, data: memoryview) -> int:
        """How many of these bytes belong to it."""
        size = min(self._left, len(data))
        self._left -= size
        return size


class Chunks:
    """A body in chunks (RFC 9112, 7.1): it is followed, not decoded."""

    def __init__(self) -> None:
        self._left = 0
        """Bytes of the chunk that are still to come."""
        self._line = bytearray()
        self._next = "size"
        self._trailer = 0

    def part(self, data: memoryview) -> int:
        """How many of these bytes belong to it. RequestRefused if they are no chunks."""
        at = 0
        while at < len(data) and self._next != "end":
            if self._left:
                size = min(self._left, len(data) - at)
                self._left -= size
                at += size
                continue
            rest = bytes(data[at : at + MAX_LINE])
            end = rest.find(b"\n")
            piece = rest if end < 0 else rest[: end + 1]
            self._line += piece
            at += len(piece)
            if len(self._line) > MAX_LINE:
                raise _malformed("A line of the chunked body is too long.")
            if end >= 0:
                line = bytes(self._line)
                self._line.clear()
                self._take(line)
        return at

    def _take(self, line: bytes) -> None:
        if _HALF_LINE.search(line):
            raise _malformed("The chunked body has line ends that are no CR LF.")
        text = line[:-2]
        if self._next == "size":
            size = _CHUNK.fullmatch(text)
            if size is None:
                raise _malformed("The chunked body has a chunk of no size.")
            self._left = int(size[1], 16)
            self._next = "after" if self._left else "trailer"
        elif self._next == "after":
            if text:
                raise _malformed("The chunked body has a chunk of another size than it says.")
            self._next = "size"
        elif not text:
            self._next = "end"
        else:
            self._trailer += len(line)
            name, colon, value = text.partition(b":")
            if self._trailer > MAX_TRAILER or not colon or not _TOKEN.fullmatch(name) or _CONTROL.search(value):
                raise _malformed("The chunked body has no proper trailer.")


Body = Length | Chunks


class OneRequest:
    """What the one server of a connection is told: one request, and more only once it has changed the protocol."""

    def __init__(self, body: Body, upgrades: bool) -> None:
        self._body = body
        self._undecided = upgrades
        self._status = b""
        self._switched = False
        self.surplus = False
        """Whether the client has said more, which was for this server or for another one: it may ask again."""

    def part(self, data: memoryview) -> memoryview:
        """What of the client's bytes is for this server. RequestRefused if that can't be told."""
        if self._switched:
            return data
        size = self._body.part(data)
        if size < len(data):
            self.surplus = True
        return data[:size]

    def answered(self, data: bytes | bytearray | memoryview) -> None:
        """Bytes of the server. Its first line says whether it changes the protocol."""
        if not self._undecided:
            return
        self._status += bytes(data[: 13 - len(self._status)])
        if len(self._status) == 13:
            self._undecided = False
            # What was said too early is lost, so what comes after it would be misunderstood.
            self._switched = self._status == b"HTTP/1.1 101 " and not self.surplus
