"""Cells: layers, seals, messages and control messages (protocol.md 15.3-15.5)."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masq.errors import CryptoError, PeerError
from masq.wire.circuit import (
    FRAME_HEAD,
    MAX_DATA,
    Command,
    Control,
    Layer,
    Seal,
    circuit_of,
    decode_begin,
    encode_begin,
    messages_of,
    new_cell,
    passing_cell,
)

MESSAGES = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.sampled_from(list(Command)), st.binary(max_size=2000)), max_size=8
)


@given(MESSAGES)
def test_messages_come_out_as_they_went_in(messages: list[tuple[int, int, bytes]]) -> None:
    frame, size = new_cell(7, messages)
    assert size % 512 == 0
    plain = memoryview(frame)[FRAME_HEAD : FRAME_HEAD + size]
    assert [(m.stream, m.command, bytes(m.data)) for m in messages_of(plain)] == messages


@given(st.lists(st.binary(min_size=1, max_size=MAX_DATA), min_size=1, max_size=3))
@settings(max_examples=10, deadline=None)
def test_three_hops_there(contents: list[bytes]) -> None:
    secrets = [os.urandom(32) for _ in range(3)]
    seal, opener = Seal(secrets[-1], True), Seal(secrets[-1], True)
    ours, theirs = [Layer(s, True) for s in secrets], [Layer(s, True) for s in secrets]
    for content in contents:
        frame, size = new_cell(1, [(5, Command.DATA, content)])
        seal.close(frame, size)
        for layer in ours:
            layer.apply(memoryview(frame)[FRAME_HEAD:], memoryview(frame)[FRAME_HEAD:])
        for layer in theirs[:2]:
            frame = passing_cell(0x11, 3, memoryview(frame)[FRAME_HEAD:], layer)
        data, out = bytearray(memoryview(frame)[FRAME_HEAD:]), memoryview(bytearray(65_536))
        theirs[2].apply(data, data)
        plain = out[: opener.open(memoryview(data), out)]
        assert [bytes(m.data) for m in messages_of(plain)] == [content]


def test_every_flipped_byte_of_a_cell_is_noticed() -> None:
    secret = os.urandom(32)
    frame, size = new_cell(1, [(5, Command.DATA, b"hello")])
    Seal(secret, True).close(frame, size)
    out = memoryview(bytearray(65_536))
    for at in range(FRAME_HEAD, len(frame)):
        altered = bytearray(frame)
        altered[at] ^= 0x80
        with pytest.raises(CryptoError):
            Seal(secret, True).open(memoryview(altered)[FRAME_HEAD:], out)


def test_a_repeated_cell_is_noticed() -> None:
    secret = os.urandom(32)
    frame, size = new_cell(1, [(5, Command.DATA, b"hello")])
    Seal(secret, True).close(frame, size)
    opener, out = Seal(secret, True), memoryview(bytearray(65_536))
    opener.open(memoryview(frame)[FRAME_HEAD:], out)
    with pytest.raises(CryptoError):
        opener.open(memoryview(frame)[FRAME_HEAD:], out)


def test_only_the_right_hop_opens_a_control_message() -> None:
    one, other = os.urandom(32), os.urandom(32)
    box = Control(one).close({"failed": "overloaded"})
    assert Control(other).open(box) is None
    assert Control(one).open(box) == {"failed": "overloaded"}


@given(st.text(max_size=50), st.integers(0, 65535), st.booleans())
def test_begin(host: str, port: int, udp: bool) -> None:
    assert decode_begin(encode_begin(host, port, udp)) == (host, port, udp)


@given(st.binary(max_size=100))
def test_any_bytes_raise_only_the_modules_errors(data: bytes) -> None:
    for parse in (
        lambda: list(messages_of(memoryview(data))),
        lambda: circuit_of(memoryview(data)),
        lambda: decode_begin(data),
    ):
        try:
            parse()
        except PeerError:
            continue
