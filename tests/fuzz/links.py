"""Fuzz targets: secure links, from both ends, in each of their stages."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.fuzz.wire import KEYS, SECRET, pieces
from tests.secure_ends import DEV, Rogue, heard, held

from masq.crypto import CryptDE
from masq.errors import CryptoError, MalformedError
from masq.wire.noise import Direction
from masq.wire.secure_link import MAX_HANDSHAKE, Established, FrameType, SecureLink, new_frame

LONGEST = 65_000
"""Bytes of what is encrypted here; with what is around it, it has to fit 16 bits of length."""
OTHER = CryptDE(DEV, lambda size: SECRET[::-1][:size], SECRET[::-1])


def _end() -> SecureLink:
    return SecureLink(KEYS, DEV, 6001, ("circuit1",), lambda size: SECRET[:size])


def _hear(end: SecureLink, said: list[bytes]) -> None:
    """All of it, until the link would be closed; what is kept of it is bounded by what came."""
    with suppress(CryptoError, MalformedError):
        for piece in said:
            for event in heard(end, piece):
                if isinstance(event, Established):
                    assert len(event.key) == 64
                    assert len(event.extensions) <= 32
            assert held(end) <= MAX_HANDSHAKE + 2 * sum(map(len, said))


def link_accepted(data: bytes) -> None:
    _hear(_end(), pieces(data))


def link_dialled(data: bytes) -> None:
    end = _end()
    end.dial(OTHER.public_key)
    _hear(end, pieces(data))


def link_greeting(data: bytes) -> None:
    """The payload of a first message that is encrypted as it should be."""
    _hear(_end(), [Rogue(OTHER, KEYS.public_key).first(data[:LONGEST])])


def link_answer(data: bytes) -> None:
    """Likewise of the second."""
    end, rogue = _end(), Rogue(OTHER)
    rogue.hear_first(end.dial(OTHER.public_key))
    _hear(end, [rogue.second(data[:LONGEST])])


@functools.cache
def _before_the_proof() -> tuple[dict[str, Any], Rogue]:
    """What an end that was dialled is made of when HELLO is due, and who dialled it."""
    end, rogue = _end(), Rogue(OTHER, KEYS.public_key)
    rogue.dial(end)
    return vars(end), rogue


def link_proof(data: bytes) -> None:
    """Likewise of the third."""
    made_of, rogue = _before_the_proof()
    end = _end()
    vars(end).update(made_of)
    end._begun, end._pieces, end._in._count, rogue._out._count = bytearray(), bytearray(), 0, 0
    _hear(end, [rogue.frame(data[:LONGEST])])


def link_frames(data: bytes) -> None:
    """Frames on a link that stands: each a byte of its length, and what is in it. The last may be any length."""
    end, sealer = _end(), Direction(SECRET)
    end._stage, end._in, end._out = "up", Direction(SECRET), Direction(SECRET)
    said, at = bytearray(), 0
    while at < len(data) and at < 100:
        size = data[at] if data[at] < 100 else len(data)
        plain = data[at + 1 : at + 1 + size][:LONGEST]
        frame = new_frame(0, max(0, len(plain) - 1))
        frame[2 : 2 + len(plain)] = plain
        body = len(frame) - 2
        frame[:2] = body.to_bytes(2, "big")
        sealer.encrypt_into(memoryview(frame)[2:-16], memoryview(frame)[2:])
        said += frame
        at += 1 + size
    _hear(end, [bytes(said)])


def link_raw_frames(data: bytes) -> None:
    end = _end()
    end._stage, end._in, end._out = "up", Direction(SECRET), Direction(SECRET)
    _hear(end, pieces(data))


PACKAGE = bytes((FrameType.PACKAGE,))


def link_package(data: bytes) -> None:
    """A package that came over a secure link, in one piece."""
    link_frames(b"\xff" + PACKAGE + b"\x00" + data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "link-accepted": link_accepted,
    "link-dialled": link_dialled,
    "link-greeting": link_greeting,
    "link-answer": link_answer,
    "link-proof": link_proof,
    "link-frames": link_frames,
    "link-raw-frames": link_raw_frames,
    "link-package": link_package,
}
