"""The CBOR profile: anything decodes, or raises the module's own error; the fast coder agrees with the generic one."""

from __future__ import annotations

import tracemalloc

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import cbor_values, hostile, repeated

from masq.errors import MalformedError
from masq.wire import cbor


@given(repeated)
def test_arrays_of_small_integers(data: bytes) -> None:
    encoded = cbor.encode_byte_array(data)
    assert encoded == cbor2.dumps(list(data))
    assert cbor.decode_byte_array(encoded) == data


@given(repeated, st.integers(0, 9000))
def test_broken_arrays_are_refused_or_right(data: bytes, at: int) -> None:
    encoded = bytearray(cbor.encode_byte_array(data))
    encoded[at % len(encoded)] ^= 0x41
    try:
        value = cbor.decode_byte_array(bytes(encoded))
    except MalformedError:
        return
    assert cbor.encode_byte_array(value) == bytes(encoded)


@given(repeated)
def test_sizes_are_known_before_encoding(data: bytes) -> None:
    assert cbor.sum_of_sizes(data) == sum(1 if byte < 24 else 2 for byte in data)


@given(hostile)
def test_any_bytes_are_an_item_or_malformed(data: bytes) -> None:
    for decode in (cbor.decode, cbor.decode_byte_array):
        try:
            decode(data)
        except MalformedError:
            continue


@given(cbor_values)
def test_any_item_comes_back(value: object) -> None:
    assert cbor.decode(cbor.encode(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "c4820a05",
        "c600",
        "d903e8a0",
        "c074" + "41" * 20,
        "d81c80",
        "a2616100616101",
        "0102",
        "81" * 200 + "00",
        "9bffffffffffffffff",
        "",
    ],
)
def test_what_the_network_does_not_use_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        cbor.decode(bytes.fromhex(text))


def test_the_self_describing_tag_is_skipped() -> None:
    assert cbor.decode(bytes.fromhex("d9d9f7a0")) == {}


@pytest.mark.parametrize("count", [1, 2, 3, 4094, 4095, 4096, 4097, 4098])
@pytest.mark.parametrize("value", [0x17, 0x18, 0x19, 0x00, 0xFF])
def test_runs_of_values_that_look_like_prefixes(value: int, count: int) -> None:
    for data in (bytes([value]) * count, b"\xff" + bytes([value]) * count + b"\x05\x18\x05"):
        encoded = cbor2.dumps(list(data))
        assert cbor.encode_byte_array(data) == encoded
        assert cbor.decode_byte_array(encoded) == data


def test_an_array_of_other_integers_is_left_to_the_generic_decoder() -> None:
    for value in ([256] * 5000, [-1] * 5000, [0] * 4999 + [b""]):
        with pytest.raises(MalformedError):
            cbor.decode_byte_array(cbor2.dumps(value))


# What a stranger sends may take memory in proportion to its size, and no more; a list of one byte takes seventy.


def test_many_small_items_are_refused_before_they_are_built() -> None:
    for item in (b"\x80", b"\xe0"):
        count = cbor.MAX_ITEMS + 1
        data = b"\x9a" + count.to_bytes(4, "big") + item * count
        assert peak_memory(data) < len(data)


def test_a_head_that_promises_much_costs_nothing() -> None:
    for head in (
        "9a7fffffff",
        "ba7fffffff",
        "5a7fffffff",
        "5b00000fffffffffff",
        "7b7fffffffffffffff",
        "9b7fffffffffffffff",
    ):
        assert peak_memory(bytes.fromhex(head)) < 100_000


def peak_memory(data: bytes) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError):
            cbor.decode(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("items", [cbor.MAX_ITEMS - 1, cbor.MAX_ITEMS])
def test_the_limit_counts_items_whatever_their_size(items: int) -> None:
    """The array itself is one of them."""
    item: object
    for item in (0, 24, b"four", "text", [], {}, 1 << 40, None, 1.5):
        data = b"\x9a" + items.to_bytes(4, "big") + cbor2.dumps(item) * items
        if items < cbor.MAX_ITEMS:
            assert len(cbor.decode(data)) == items
        elif len(data) > cbor.MAX_ITEMS:
            with pytest.raises(MalformedError, match="more than"):
                cbor.decode(data)


def test_large_strings_are_few_items() -> None:
    value = {"payload": bytes(5_000_000), "text": "x" * 300_000, "hops": [bytes(70_000)] * 8}
    assert cbor.decode(cbor.encode(value)) == value


@pytest.mark.parametrize("encoded", [b"\x81\xf5", b"\x82\x01\xf4"])
def test_true_and_false_are_no_integers_of_an_array(encoded: bytes) -> None:
    with pytest.raises(MalformedError):
        cbor.byte_array(cbor.decode(encoded), "array")
    with pytest.raises(MalformedError):
        cbor.decode_byte_array(encoded)


@pytest.mark.parametrize("odd", [b"\xf4", b"\x40", b"\x80", b"\x19", b"\xff"])
def test_a_prefix_too_many_does_not_make_up_for_one_that_is_missing(odd: bytes) -> None:
    body = b"\x18\x05" + odd + b"\x18\x18" * 4_999
    with pytest.raises(MalformedError):
        cbor.decode_byte_array(b"\x99" + (5_001).to_bytes(2, "big") + body)
