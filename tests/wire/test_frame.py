"""Frames of the JSON link: found whatever the chunking, in linear work, within bounds."""

from __future__ import annotations

import base64
import json
import sys
import tracemalloc
from types import FrameType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.errors import MalformedError
from masq.wire.frame import MAX_FRAME, Framer, mask, unmask

if TYPE_CHECKING:
    from _typeshed import TraceFunction


def reference(data: bytes) -> list[bytes]:
    """The rules of protocol.md 2.3, byte by byte."""
    frames, start, depth, quote, skip = [], -1, 0, 0, False
    for at, byte in enumerate(data):
        if start < 0:
            if byte == 0x7B:
                start, depth, quote, skip = at, 1, 0, False
        elif skip:
            skip = False
        elif quote:
            skip = byte == 0x5C
            quote = 0 if byte == quote else quote
        elif byte in b"\"'":
            quote = byte
        elif byte == 0x7B:
            depth += 1
        elif byte == 0x7D:
            depth -= 1
            if depth == 0:
                frames.append(data[start : at + 1])
                start = -1
    return frames


PIECES = st.sampled_from(
    [b'{"bodyData":"', b'"}', b"{", b"}", b'"', b"'", b"\\", b"QUJD", b"garbage", mask(b"\xff\xfe")]
)


@given(st.lists(PIECES | st.binary(max_size=5), max_size=30).map(b"".join), st.data())
def test_frames_don_t_depend_on_the_chunking(data: bytes, choice: st.DataObject) -> None:
    framer, found, rest = Framer(), [], data
    while rest:
        size = choice.draw(st.integers(1, len(rest)))
        found += framer.feed(rest[:size])
        rest = rest[size:]
    assert found == reference(data)


@given(st.binary())
def test_what_is_masked_is_unmasked(package: bytes) -> None:
    assert unmask(mask(package)) == package


@given(st.binary() | st.text().map(lambda text: json.dumps({"bodyText": text}).encode()))
def test_any_bytes_raise_only_the_modules_error(data: bytes) -> None:
    try:
        unmask(data)
    except MalformedError:
        return


def test_known_frames() -> None:
    assert mask(bytes.fromhex("7bc07dc1")) == b'{"bodyData":"e8B9wQ=="}'
    assert unmask(b'{"bodyData":"e8B9wQ=="}').hex() == "7bc07dc1"
    assert unmask(b'{"bodyText":"Fourscore and seven years ago"}') == b"Fourscore and seven years ago"
    assert unmask(rb"""{"component": "NBHD", "bodyText": "\\}\"{'"}""") == b"\\}\"{'"


@pytest.mark.parametrize(
    ("pieces", "frames"),
    [
        (
            [b'}garbage}{"component": "NBHD", "bodyText": "x"} more garbage'],
            [b'{"component": "NBHD", "bodyText": "x"}'],
        ),
        (
            [
                b'}garbage}{"compone',
                b'nt": "PXSV',
                b'", "bodyText": "stuff and nonsense',
                b'"}{"x": "glabber"}{"component": "HOPR"',
                b', "bodyText": "boing"}',
            ],
            [
                b'{"component": "PXSV", "bodyText": "stuff and nonsense"}',
                b'{"x": "glabber"}',
                b'{"component": "HOPR", "bodyText": "boing"}',
            ],
        ),
        (
            [b'}}#$%^&*({"x": "blah"}upi3r"\'jhbgva;oue\\{"x": "halb"};owhe'],
            [b'{"x": "blah"}', b'{"x": "halb"}'],
        ),
    ],
    ids=["garbage around", "in pieces", "noise"],
)
def test_known_streams(pieces: list[bytes], frames: list[bytes]) -> None:
    framer = Framer()
    assert [frame for piece in pieces for frame in framer.feed(piece)] == frames


@pytest.mark.parametrize(
    "body",
    ['{"bodyText":null,"bodyData":"QUI="}', '{ "x": 1,\n "bodyData" : "QUI" }', '{"bodyText":"AB"}'],
)
def test_what_real_nodes_accept(body: str) -> None:
    assert unmask(body.encode()) == b"AB"


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "{ goobly ][ whop }",
        '{"bodyData": "()[]"}',
        '{"bodyData":"AAAA","bodyText":"x"}',
        '{"bodyData":"A"}',
        '{"bodyData":"QU\\nI="}',
        '{"bodyData":"-_-_"}',
        '{"bodyData":1}',
        '{"bodyText":"","bodyData":""}',
    ],
)
def test_what_real_nodes_refuse(body: str) -> None:
    with pytest.raises(MalformedError):
        unmask(body.encode())


# The work of the framer is counted by what it searches: lines of Python run once per search, not once per byte.


def lines_run(framer: Framer, data: bytes, size: int) -> tuple[int, list[bytes]]:
    """Lines of the framer's code that ran while `data` was fed in pieces of `size`, and the frames found."""
    count, found = 0, []

    def trace(scope: FrameType, event: str, _: object) -> TraceFunction | None:
        nonlocal count
        if scope.f_code.co_filename != Framer.feed.__code__.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        sys.settrace(trace)
        try:
            found += framer.feed(piece)
        finally:
            sys.settrace(before)
    return count, found


SLOW = {
    "base64": (b'{"bodyData":"', b"QUJD" * 256, b'"}'),
    "another member first": (b'{"x":1,"bodyData":"', b"QUJD" * 256, b'"}'),
    "escaped text": (b'{"bodyText":"', b"abc\\u0041" * 32, b'"}'),
    "a quote in the body": (b'{"bodyData":"\\"', b"QUJD" * 256, b'"}'),
    "apostrophes": (b"{'", b"\\'}{\"" * 32, b"'}"),
    "braces": (b'{"x":', b"{}{}[]" * 32, b"}"),
}


@pytest.mark.parametrize("kind", SLOW)
def test_twice_the_frame_is_twice_the_work(kind: str) -> None:
    start, middle, end = SLOW[kind]

    def work(times: int) -> int:
        frame = start + middle * times + end
        count, found = lines_run(Framer(), frame, 1024)
        assert found == [frame]
        return count

    assert work(400) < 2.2 * work(200)


class CountingBuffer(bytearray):
    """A buffer that adds up how far its searches go."""

    searched = 0

    def find(self, what: bytes, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]
        found = super().find(what, start, len(self) if end is None else end)
        CountingBuffer.searched += (found if found >= 0 else len(self) if end is None else end) - start
        return found


def test_a_large_frame_in_small_pieces_is_looked_at_once() -> None:
    frame = b'{"bodyData":"' + base64.b64encode(bytes(6_000_000)) + b'"}'
    framer, found = Framer(), []
    framer._buffer = CountingBuffer()
    for start in range(0, len(frame), 1024):
        found += framer.feed(frame[start : start + 1024])
    assert found == [frame]
    # Once for the end, once more for backslashes when it is found.
    assert CountingBuffer.searched < 2.1 * len(frame)


@pytest.mark.parametrize("start", [b'{"bodyData":"', b"{", b'{"bodyText":"\\"'])
def test_a_frame_without_end_is_given_up(start: bytes) -> None:
    framer = Framer()
    framer.feed(start)
    with pytest.raises(MalformedError):
        for _ in range(MAX_FRAME // 65536 + 2):
            framer.feed(b"x" * 65536)


def test_the_limit_does_not_depend_on_the_chunking() -> None:
    just = b'{"bodyData":"' + b"A" * (MAX_FRAME - 15) + b'"}'
    over = b'{"bodyData":"' + b"A" * (MAX_FRAME - 14) + b'"}'
    for size in (1 << 16, 1 << 20, 1 << 26):
        assert feed(Framer(), b"x{}" + just + b"{}", size) == [b"{}", just, b"{}"]
        with pytest.raises(MalformedError, match="a frame of more than"):
            feed(Framer(), over, size)


def feed(framer: Framer, data: bytes, size: int) -> list[bytes]:
    return [frame for start in range(0, len(data), size) for frame in framer.feed(data[start : start + size])]


def test_members_that_nobody_reads_take_no_memory() -> None:
    frame = b'{"x":[' + b"[]," * 500_000 + b'[]],"bodyText":"x"}'
    tracemalloc.start()
    try:
        assert unmask(frame) == b"x"
        assert tracemalloc.get_traced_memory()[1] < len(frame)
    finally:
        tracemalloc.stop()


def test_nesting_is_refused_in_time() -> None:
    with pytest.raises(MalformedError):
        unmask(b'{"x":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b',"bodyText":"x"}')


def test_garbage_takes_no_memory() -> None:
    framer = Framer()
    for _ in range(100):
        assert framer.feed(b"}garbage\"'" * 1000) == []
    assert framer.pending == 0
