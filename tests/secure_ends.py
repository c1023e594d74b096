"""Ends of secure links: honest ones, and one that keeps to no rule but that of the cipher."""

from __future__ import annotations

import os
from dataclasses import dataclass

from masq.crypto import CryptDE
from masq.types import CHAINS, PublicKey
from masq.wire import cbor
from masq.wire.noise import TAG, Direction, Handshake
from masq.wire.secure_link import MAGIC, Established, Event, Frame, FrameType, SecureLink

DEV, SEPOLIA = CHAINS["dev"].contract, CHAINS["base-sepolia"].contract


def keys() -> CryptDE:
    return CryptDE(DEV, os.urandom)


def link(own: CryptDE, contract: bytes = DEV) -> SecureLink:
    return SecureLink(own, contract, 6001, ("circuit1",), os.urandom)


def as_heard(type: int, body: bytes) -> Frame:
    """A frame as `heard` gives it: without what its place on the wire was used for."""
    return Frame(type, memoryview(bytes((0, 0, type)) + body + bytes(TAG)))


def heard(end: SecureLink, data: bytes) -> list[Event]:
    events: list[Event] = []
    for event in end.receive(memoryview(bytearray(data))):
        events.append(as_heard(event.type, bytes(event.body)) if isinstance(event, Frame) else event)
    return events


def held(end: SecureLink) -> int:
    """Bytes in all buffers of an end."""
    return sum(len(value) for value in vars(end).values() if isinstance(value, bytes | bytearray | memoryview))


@dataclass
class Session:
    """An honest handshake between `one`, which dials, and `other`; and its three messages as they travelled."""

    one: SecureLink
    other: SecureLink
    first: bytes
    second: bytes
    third: bytes


def session(a: CryptDE, b: CryptDE) -> Session:
    one, other = link(a), link(b)
    first = one.dial(b.public_key[:32] + bytes(32))
    assert heard(other, first) == []
    second = other.take_answer()
    assert heard(one, second) == [Established(b.public_key, ("circuit1",), 6001)]
    third = one.take_answer()
    assert heard(other, third) == [Established(a.public_key, ("circuit1",), 6001)]
    assert other.take_answer() == b""
    return Session(one, other, first, second, third)


def joined() -> tuple[SecureLink, SecureLink]:
    both = session(keys(), keys())
    return both.one, both.other


def prefixed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def greeting(own_key: PublicKey, /, **changes: object) -> bytes:
    """What a handshake carries; `changes` replace or add entries, `...` takes one out."""
    return _encoded({"key": own_key, "extensions": ["circuit1"], "port": 6001, **changes})


def _encoded(entries: dict[str, object]) -> bytes:
    return cbor.encode({name: value for name, value in entries.items() if value is not ...})


class Rogue:
    """An end that holds keys and knows the cipher. What it says in handshake and frames is the test's."""

    def __init__(self, own: CryptDE, dials: PublicKey = b"", contract: bytes = DEV) -> None:
        """`dials`: the key of whom it dials; none if it listens."""
        self.keys = own
        self.shake = Handshake(bool(dials), own.x25519_secret, os.urandom(32), MAGIC + contract, dials[:32])
        self.first_hash = b""
        self._out: Direction

    def first(self, payload: bytes) -> bytes:
        message = self.shake.write_first(payload)
        self.first_hash = self.shake.hash
        return MAGIC + prefixed(message)

    def hear_first(self, data: bytes) -> None:
        self.shake.read_first(data[len(MAGIC) + 2 :])
        self.first_hash = self.shake.hash

    def second(self, payload: bytes) -> bytes:
        message = self.shake.write_second(payload)
        self._out, _ = self.shake.split()
        return prefixed(message)

    def hear_second(self, data: bytes) -> None:
        self.shake.read_second(data[2:])
        self._out, _ = self.shake.split()

    def frame(self, plain: bytes) -> bytes:
        """A frame of any content, encrypted as it should be."""
        box = bytearray(len(plain) + TAG)
        self._out.encrypt_into(plain, memoryview(box))
        return prefixed(bytes(box))

    def responder_proof(self) -> bytes:
        return self.keys.sign_plain(b"masq-link-responder" + self.first_hash)

    def initiator_proof(self) -> bytes:
        return self.keys.sign_plain(b"masq-link-initiator" + self.shake.hash)

    def hello(self, /, **changes: object) -> bytes:
        """Type and body of the proof; `changes` as for `greeting`."""
        return bytes((FrameType.HELLO,)) + _encoded({"signature": self.initiator_proof(), **changes})

    def dial(self, victim: SecureLink, /, **changes: object) -> None:
        """Both messages of the handshake with an end that listens: HELLO is due. `changes` are those of `greeting`."""
        assert heard(victim, self.first(greeting(self.keys.public_key, **changes))) == []
        self.hear_second(victim.take_answer())


def rogue_and_victim(up: bool = True) -> tuple[Rogue, SecureLink]:
    """A rogue that has dialled an honest end, and proved its key if `up`."""
    own = keys()
    rogue, victim = Rogue(keys(), own.public_key), link(own)
    rogue.dial(victim)
    if up:
        heard(victim, rogue.frame(rogue.hello()))
        assert victim.up
    return rogue, victim
