"""Cells: layers, seals, messages and control messages (protocol.md 15.3-15.5)."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masq.errors import CryptoError, MalformedError, PeerError
from masq.wire.circuit import (
    MAX_ADDRESSES,
    MAX_DATA,
    MAX_DETAIL,
    Command,
    Control,
    Layer,
    Resolution,
    Seal,
    StreamEnd,
    circuit_of,
    data_of,
    decode_begin,
    decode_datagram,
    decode_resolve,
    decode_resolved,
    encode_begin,
    encode_datagram,
    encode_end,
    encode_resolve,
    encode_resolved,
    end_of,
    messages_of,
    new_cell,
    pass_on,
)
from masq.wire.noise import TAG

MESSAGES = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.sampled_from(list(Command)), st.binary(max_size=2000)), max_size=8
)


@given(MESSAGES)
def test_messages_come_out_as_they_went_in(messages: list[tuple[int, int, bytes]]) -> None:
    plain = data_of(new_cell(7, list(messages)))[:-TAG]
    assert len(plain) % 512 == 0
    assert [(m.stream, m.command, bytes(m.data)) for m in messages_of(plain)] == messages


@given(st.lists(st.binary(min_size=1, max_size=MAX_DATA), min_size=1, max_size=3))
@settings(max_examples=10, deadline=None)
def test_three_hops_there(contents: list[bytes]) -> None:
    secrets = [os.urandom(32) for _ in range(3)]
    seal, opener = Seal(secrets[-1], True), Seal(secrets[-1], True)
    ours, theirs = [Layer(s, True) for s in secrets], [Layer(s, True) for s in secrets]
    for content in contents:
        frame = memoryview(new_cell(1, [(5, Command.DATA, content)]))
        data = data_of(frame)
        seal.close(data)
        for layer in ours:
            layer.apply(data)
        for number, layer in enumerate(theirs[:2], 2):
            pass_on(frame, number, layer)
            assert circuit_of(frame) == number
        theirs[2].apply(data)
        assert [bytes(m.data) for m in messages_of(opener.open(data))] == [content]


def sealed(secret: bytes) -> memoryview:
    data = data_of(new_cell(1, [(5, Command.DATA, b"hello")]))
    Seal(secret, True).close(data)
    return data


def test_every_flipped_byte_of_a_cell_is_noticed() -> None:
    secret = os.urandom(32)
    data = sealed(secret)
    for at in range(len(data)):
        altered = bytearray(data)
        altered[at] ^= 0x80
        with pytest.raises(CryptoError):
            Seal(secret, True).open(memoryview(altered))


def test_a_repeated_cell_is_noticed() -> None:
    secret = os.urandom(32)
    data = sealed(secret)
    opener = Seal(secret, True)
    opener.open(memoryview(bytearray(data)))
    with pytest.raises(CryptoError):
        opener.open(data)


def test_only_the_right_hop_opens_a_control_message() -> None:
    one, other = os.urandom(32), os.urandom(32)
    box = Control(one).close({"failed": "overloaded"})
    assert Control(other).open(box) is None
    assert Control(one).open(box) == {"failed": "overloaded"}


@given(st.text(max_size=50), st.integers(0, 65535), st.booleans())
def test_begin(host: str, port: int, udp: bool) -> None:
    assert decode_begin(encode_begin(host, port, udp)) == (host, port, udp)


@given(st.text(max_size=60), st.integers(0, 65535), st.binary(max_size=100))
def test_datagrams(host: str, port: int, data: bytes) -> None:
    assert decode_datagram(memoryview(encode_datagram(host, port, data))) == (host, port, data)


@given(st.text(max_size=50))
def test_questions(host: str) -> None:
    assert decode_resolve(encode_resolve(host)) == (host, False)
    assert decode_resolve(encode_resolve(host, paid=True)) == (host, True)


ADDRESSES = st.lists(st.tuples(st.ip_addresses().map(str), st.integers(0, 2**32 - 1)), min_size=1, max_size=40)


@given(ADDRESSES)
def test_answers(addresses: list[tuple[str, int]]) -> None:
    assert decode_resolved(encode_resolved(Resolution(tuple(addresses)))).addresses == tuple(addresses[:MAX_ADDRESSES])


@given(st.text(min_size=1, max_size=300), st.sampled_from(list(StreamEnd)))
def test_reasons_in_words(words: str, code: StreamEnd) -> None:
    assert decode_resolved(encode_resolved(Resolution((), words))).error == words[:MAX_DETAIL]
    got, detail = end_of(memoryview(encode_end(code, words)))
    assert got == code
    assert detail.isprintable()
    assert len(detail) <= MAX_DETAIL


def test_an_address_with_a_zone_is_none() -> None:
    with pytest.raises(MalformedError):
        decode_resolved(encode_resolved(Resolution((("fe80::1%eth0", 60),))))


@given(st.binary(max_size=100))
def test_any_bytes_raise_only_the_modules_errors(data: bytes) -> None:
    for parse in (
        lambda: list(messages_of(memoryview(data))),
        lambda: circuit_of(memoryview(data)),
        lambda: decode_begin(data),
        lambda: decode_datagram(data),
        lambda: decode_resolve(data),
        lambda: decode_resolved(data),
        lambda: end_of(memoryview(data)),
    ):
        try:
            parse()
        except PeerError:
            continue
