"""Frames of the JSON link: found whatever the chunking, in linear work, within bounds."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.errors import MalformedError
from masq.wire.frame import MAX_FRAME, Framer, mask, unmask


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


@pytest.mark.parametrize(
    "body",
    ['{"bodyText":null,"bodyData":"QUI="}', '{ "x": 1,\n "bodyData" : "QUI" }', '{"bodyText":"AB"}'],
)
def test_what_real_nodes_accept(body: str) -> None:
    assert unmask(body.encode()) == b"AB"


@pytest.mark.parametrize(
    "body", ["{}", '{"bodyData":"QU\\nI="}', '{"bodyData":"-_-_"}', '{"bodyData":1}', '{"bodyText":"","bodyData":""}']
)
def test_what_real_nodes_refuse(body: str) -> None:
    with pytest.raises(MalformedError):
        unmask(body.encode())


def test_a_large_frame_in_small_pieces_is_looked_at_once() -> None:
    frame = b'{"bodyData":"' + base64.b64encode(bytes(6_000_000)) + b'"}'
    framer, found = Framer(), []
    for start in range(0, len(frame), 1024):
        found += framer.feed(frame[start : start + 1024])
    assert found == [frame]


@pytest.mark.parametrize("start", [b'{"bodyData":"', b"{", b'{"bodyText":"\\"'])
def test_a_frame_without_end_is_given_up(start: bytes) -> None:
    framer = Framer()
    framer.feed(start)
    with pytest.raises(MalformedError):
        for _ in range(MAX_FRAME // 65536 + 2):
            framer.feed(b"x" * 65536)


def test_garbage_takes_no_memory() -> None:
    framer = Framer()
    for _ in range(100):
        assert framer.feed(b"}garbage\"'" * 1000) == []
    assert framer.pending == 0
