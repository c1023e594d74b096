"""The CBOR profile: anything decodes, or raises the module's own error; the fast coder agrees with the generic one."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.errors import MalformedError, PeerError
from masq.wire import cbor
from masq.wire.message import decode_message
from masq.wire.package import Hop, Package

PARTS = st.binary(max_size=60) | st.lists(st.sampled_from([0, 23, 24, 25, 255]), max_size=60).map(bytes)
SMALL = st.tuples(PARTS, st.integers(1, 150)).map(lambda drawn: drawn[0] * drawn[1])


@given(SMALL)
def test_arrays_of_small_integers(data: bytes) -> None:
    encoded = cbor.encode_byte_array(data)
    assert encoded == cbor2.dumps(list(data))
    assert cbor.decode_byte_array(encoded) == data


@given(SMALL, st.integers(0, 9000))
def test_broken_arrays_are_refused_or_right(data: bytes, at: int) -> None:
    encoded = bytearray(cbor.encode_byte_array(data))
    encoded[at % len(encoded)] ^= 0x41
    try:
        value = cbor.decode_byte_array(bytes(encoded))
    except MalformedError:
        return
    assert cbor.encode_byte_array(value) == bytes(encoded)


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_the_modules_errors(data: bytes) -> None:
    for decode in (cbor.decode, Hop.decode, Package.decode, decode_message):
        try:
            decode(data)
        except PeerError:
            continue


@pytest.mark.parametrize(
    "text",
    ["c4820a05", "c074" + "41" * 20, "d81c80", "a2616100616101", "0102", "81" * 200 + "00", "9bffffffffffffffff", ""],
)
def test_what_the_network_does_not_use_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        cbor.decode(bytes.fromhex(text))


def test_the_self_describing_tag_is_skipped() -> None:
    assert cbor.decode(bytes.fromhex("d9d9f7a0")) == {}
