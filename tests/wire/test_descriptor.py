"""Node descriptors against the forms that MASQ Node 0.9.1 accepts, refuses and prints (protocol.md 4.2)."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.errors import MalformedError
from masq.types import CHAINS, NodeAddress
from masq.wire.descriptor import Descriptor, parse_descriptor

KEY = "ZjPLnb9RrgsRM1D9edqH8jx9DkbPZSWqqFqLnmdKhsk"

addresses = st.builds(
    lambda ip, ports: NodeAddress(str(ip), tuple(sorted(ports))),
    st.ip_addresses(v=4),
    st.sets(st.integers(1025, 65535), min_size=1, max_size=5),
)
descriptors = st.builds(
    Descriptor, st.sampled_from(list(CHAINS.values())), st.binary(min_size=32, max_size=32), st.none() | addresses
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (f"masq://base-mainnet:{KEY}@112.55.78.0:7878", NodeAddress("112.55.78.0", (7878,))),
        (
            "masq://base-sepolia:OHsC2CAm4rmfCkaFfiynwxflUgVTJRb2oY5mWxNCQkY@150.60.42.72:6642/4789/5254",
            NodeAddress("150.60.42.72", (4789, 5254, 6642)),
        ),
        (
            "masq://polygon-amoy:A6PGHT3rRjaeFpD_rFi3qGEXAVPq7bJDfEUZpZaIyq8@14.10.50.6:10504",
            NodeAddress("14.10.50.6", (10504,)),
        ),
        (f"masq://dev:{KEY}@:", None),
        (f"masq://dev:{KEY}@1.2.3.4:5000/4000/5000", NodeAddress("1.2.3.4", (4000, 5000))),
    ],
)
def test_accepted(text: str, address: NodeAddress | None) -> None:
    descriptor = parse_descriptor(text)
    assert descriptor.address == address
    assert len(descriptor.key) == 32
    assert text.startswith(f"masq://{descriptor.chain.name}:{urlsafe_b64encode(descriptor.key).decode().rstrip('=')}@")


@pytest.mark.parametrize(
    ("text", "key", "ports"),
    [
        ("masq://eth-mainnet:AQIDBAUGBwg@123.45.67.89:2345/3456", bytes(range(1, 9)), (2345, 3456)),
        ("masq://eth-ropsten:R29vZEtleQ@1.2.3.4:1234/2345/3456", b"GoodKey", (1234, 2345, 3456)),
        ("masq://eth-mainnet:R29vZEtleQ@:", b"GoodKey", None),
    ],
)
def test_keys_of_the_null_cipher_have_any_length(text: str, key: bytes, ports: tuple[int, ...] | None) -> None:
    descriptor = parse_descriptor(text, key_length=None)
    assert descriptor.key == key
    assert (descriptor.address.ports if descriptor.address else None) == ports
    assert str(descriptor) == text
    with pytest.raises(MalformedError, match="must have 43 characters"):
        parse_descriptor(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must start with masq://"),
        ("https://eth-mainnet:as45cs5c5@1.2.3.4:4444", "must start with masq://"),
        ("masq://bitcoin:as45cs5c5@1.2.3.4:4444", "'bitcoin' is no chain"),
        ("masq://dev.as45cs5c5/1.4.4.5;4545", "no @"),
        ("masq://dev.as45cs5c5@1.4.4.5:4545", "no colon"),
        ("masq://dev:@1.2.3.4:1234/2345", "key is empty"),
        (f"masq://dev:{KEY[:-1]}@:", "43 characters, it has 42"),
        (f"masq://dev:{KEY}A@:", "43 characters, it has 44"),
        ("masq://eth-ropsten:abJ5XvhVbmVyGejkYUkmftF09pmGZGKg/PzRNnWQxFw@12.23.34.45:5678", "URL-safe"),
        (f"masq://dev:{KEY[:-1]}=@:", "URL-safe"),
        (f"masq://dev:{KEY[:-1]}l@:", "last character of the key, l,"),
        (f"masq://eth-mainnet:{KEY}@1.2.3.4:1234;2345", "is no port"),
        (f"masq://dev:{KEY}@1.2.3.4:1024", "'1024' is no port from 1025 to 65535"),
        (f"masq://dev:{KEY}@1.2.3.4:65536", "is no port"),
        (f"masq://dev:{KEY}@1.2.3.4:5678/", "'' is no port"),
        (f"masq://dev:{KEY}@1.2.3.4:+5678", "is no port"),
        (f"masq://dev:{KEY}@1.2.3.4:٥٦٧٨", "is no port"),
        (f"masq://dev:{KEY}@1.2.3.4", "one colon"),
        (f"masq://dev:{KEY}@", "one colon"),
        (f"masq://dev:{KEY}@[::1]:5678", "one colon"),
        (f"masq://dev:{KEY}@1.2.3.256:5678", "is no IPv4 address"),
        (f"masq://dev:{KEY}@1.2.3.04:5678", "is no IPv4 address"),
        (f"masq://dev:{KEY}@node.example:5678", "host names are not possible"),
        (f"masq://dev:{KEY}@:5678", "is no IPv4 address"),
        ("masq://" + "x" * 5000, "at most 4096 characters"),
    ],
)
def test_refused(text: str, problem: str) -> None:
    with pytest.raises(MalformedError) as refusal:
        parse_descriptor(text)
    assert problem in str(refusal.value)


def test_a_key_of_impossible_length() -> None:
    with pytest.raises(MalformedError, match="no key is 5 characters"):
        parse_descriptor("masq://dev:AAAAA@:", key_length=None)


def test_first_contact_key() -> None:
    descriptor = parse_descriptor(f"masq://dev:{KEY}@:")
    assert descriptor.first_contact_key == descriptor.key + bytes(32)


@given(descriptors)
def test_printing_and_parsing_are_inverse(descriptor: Descriptor) -> None:
    assert parse_descriptor(str(descriptor)) == descriptor


@given(st.text() | st.text(alphabet="masq:/dev@.123456AQ-_").map("masq://dev:".__add__))
def test_any_text_is_a_descriptor_or_malformed(text: str) -> None:
    try:
        descriptor = parse_descriptor(text, key_length=None)
    except MalformedError:
        return
    if len(descriptor.key) <= 32:
        assert parse_descriptor(str(descriptor), key_length=None) == descriptor
