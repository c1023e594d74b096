"""Which addresses are of the public Internet, in whatever IPv6 wraps them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.wire.internet import is_public, judged


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "192.31.196.1", "2606:4700::1111", "2a00:1450::5", "3ffe::1"])
def test_hosts_of_the_internet(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.1",
        "127.0.0.1",
        "100.127.255.255",
        "172.31.0.1",
        "192.0.0.8",
        "192.88.99.1",
        "198.19.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "fc00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "2002:808:808::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
    ],
)
def test_what_is_none(text: str) -> None:
    assert not is_public(judged(text))


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_ipv4_is_judged_as_itself_however_it_is_wrapped(ip: IPv4Address) -> None:
    for text in (str(ip), f"::ffff:{ip}", f"64:ff9b::{ip}"):
        assert judged(text) == ip


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_what_python_calls_private_is_never_public(ip: IPv4Address) -> None:
    assert not (is_public(ip) and (ip.is_private or ip.is_multicast or ip.is_reserved or ip.is_link_local))


@given(
    st.integers(0, 2**128 - 1).map(IPv6Address) | st.integers(0, 2**125 - 1).map(lambda low: IPv6Address(2**125 + low))
)
def test_the_same_of_ipv6(ip: IPv6Address) -> None:
    odd = ip.is_private or ip.is_multicast or ip.is_reserved or ip.is_link_local or ip.is_site_local
    assert not (is_public(ip) and odd)
