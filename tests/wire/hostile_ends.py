"""Ends of secure links that lie, and how they are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.secure_ends import (
    Rogue,
    greeting,
    held,
    keys,
    link,
)

from masq.errors import PeerError
from masq.wire.secure_link import (
    Event,
    SecureLink,
)

FRAME = 2 + 65_535
"""Bytes of the largest frame."""

FRESH = held(link(keys()))
"""Bytes that an end holds before anything was heard."""

SMALL = 512
"""Bytes of hashes, keys and the like."""


def assert_refused(end: SecureLink, data: bytes) -> None:
    """It is an error, and neither an event nor an answer nor a link comes of it."""
    events: list[Event] = []
    with pytest.raises(PeerError):
        for event in end.receive(memoryview(bytearray(data))):
            events.append(event)
    assert not events
    assert not end.up
    assert end.take_answer() == b""


def altered(data: bytes, at: int, change: int) -> bytes:
    return data[:at] + bytes((data[at] ^ change,)) + data[at + 1 :]


PLACES = ("first", "second", "third")

Payload = Callable[[Rogue], bytes]


def offered(place: str, payload: Payload) -> tuple[SecureLink, bytes]:
    """An honest end, and the message that it waits for, from a rogue that keeps to the cipher."""
    own = keys()
    victim = link(own)
    if place == "second":
        rogue = Rogue(keys())
        rogue.hear_first(victim.dial(rogue.keys.public_key))
        return victim, rogue.second(payload(rogue))
    rogue = Rogue(keys(), own.public_key)
    if place == "first":
        return victim, rogue.first(payload(rogue))
    rogue.dial(victim)
    return victim, rogue.frame(payload(rogue))


def said(place: str, rogue: Rogue, /, **changes: object) -> bytes:
    """The payload that is due, honest but for the changes."""
    if place == "third":
        return rogue.hello(**changes)
    proof = {"signature": rogue.responder_proof()} if place == "second" else {}
    return greeting(rogue.keys.public_key, **{**proof, **changes})
