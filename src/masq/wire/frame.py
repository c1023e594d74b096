"""Frames of the JSON link: one JSON object per package, found by counting braces (protocol.md 2.2, 2.3)."""

from __future__ import annotations

import re
from typing import Final

import msgspec
import pybase64

from masq.errors import MalformedError

MAX_FRAME: Final = 16 * 1024 * 1024
"""Bytes of one frame; a peer that sends more loses its link."""

_HEAD: Final = b'{"bodyData":"'
_TAIL: Final = b'"}'
_OUTSIDE: Final = re.compile(rb"""[{}"']""")
_ENDS: Final = {0x22: re.compile(rb'["\\]'), 0x27: re.compile(rb"['\\]")}
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*={0,2}")


class _Members(msgspec.Struct):
    bodyText: str | None = None
    bodyData: str | None = None


def mask(package: bytes) -> bytes:
    """The frame that carries a sealed package: always the `bodyData` form, which every Node accepts."""
    return _HEAD + pybase64.b64encode(package) + _TAIL


def unmask(frame: bytes) -> bytes:
    """The bytes in a frame. MalformedError if it is no JSON object with exactly one body."""
    if frame.startswith(_HEAD) and frame.endswith(_TAIL):
        try:
            return pybase64.b64decode(memoryview(frame)[len(_HEAD) : -len(_TAIL)], validate=True)
        except ValueError:
            pass
    try:
        # Other members are skipped, not built: what they hold costs no memory.
        members = msgspec.json.decode(frame, type=_Members)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"frame: not JSON of the form that carries a package: {error}") from error
    text, data = members.bodyText, members.bodyData
    if (text is None) == (data is None):
        raise MalformedError("frame: it needs one of bodyText and bodyData")
    try:
        return text.encode() if text is not None else _base64((data or "").encode())
    except ValueError as error:
        raise MalformedError("frame: its body is broken") from error


def _base64(text: bytes) -> bytes:
    # Missing padding is accepted, other alphabets and line breaks are not (recorded behaviour).
    if not _BASE64.fullmatch(text):
        raise ValueError("not in the standard alphabet")
    text = text.rstrip(b"=")
    return pybase64.b64decode(text + b"=" * (-len(text) % 4), validate=True)


class Framer:
    """Finds the frames in a stream of bytes: each byte is looked at once, and at most one frame is held."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._depth = 0
        self._quote = 0  # The quote character of the string that the scan is in, or 0.
        self._plain = True  # Whether the frame may still be `{"bodyData":"..."}`, whose end one search finds.

    @property
    def pending(self) -> int:
        """Bytes held of a frame that has not ended."""
        return len(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview, most: int = MAX_FRAME) -> list[bytes]:
        """The frames that end in `data`. MalformedError when one exceeds `most` bytes: the link is lost then."""
        buffer = self._buffer
        buffer += data
        frames: list[bytes] = []
        start = 0
        while True:
            if self._depth == 0:
                start = buffer.find(b"{", max(start, self._scanned))
                if start < 0:
                    buffer.clear()
                    self._scanned = 0
                    return frames
                self._depth, self._quote, self._plain, self._scanned = 1, 0, True, start + 1
            end = self._find_end(start)
            if end < 0:
                break
            if end - start > most:
                break
            frames.append(bytes(memoryview(buffer)[start:end]))
            start = self._scanned = end
        if start:
            del buffer[:start]
            self._scanned -= start
        if len(buffer) > most:
            raise MalformedError(f"a frame of more than {most} bytes")
        return frames

    def _find_end(self, start: int) -> int:
        buffer = self._buffer
        if self._plain:
            body = start + len(_HEAD)
            head = buffer[start : min(body, len(buffer))]
            if head != _HEAD[: len(head)]:
                self._plain = False
            else:
                quote = buffer.find(b'"', max(self._scanned, body))
                if quote < 0 or quote + 1 >= len(buffer):
                    # Nothing was decided on the last byte but one yet, if that is the closing quote.
                    self._scanned = max(start + 1, len(buffer) if quote < 0 else quote)
                    if len(buffer) < body:
                        self._scanned = start + 1
                    return -1
                if buffer[quote + 1] == 0x7D and buffer.find(b"\\", body, quote) < 0:
                    self._depth = 0
                    return quote + 2
                self._plain = False
            self._scanned, self._depth, self._quote = start + 1, 1, 0
        position = self._scanned
        while True:
            if self._quote:
                match = _ENDS[self._quote].search(buffer, position)
                if match is None:
                    position = len(buffer)
                    break
                position = match.end()
                if buffer[position - 1] == 0x5C:
                    if position == len(buffer):
                        position -= 1  # The byte that the backslash makes inert is still to come.
                        break
                    position += 1
                else:
                    self._quote = 0
                continue
            match = _OUTSIDE.search(buffer, position)
            if match is None:
                position = len(buffer)
                break
            position = match.end()
            byte = buffer[position - 1]
            if byte == 0x7B:
                self._depth += 1
            elif byte == 0x7D:
                self._depth -= 1
                if self._depth == 0:
                    return position
            else:
                self._quote = byte
        self._scanned = position
        return -1
