"""What the Nodes of one world need not do twice: open what another has sealed here, read what another has written here.

All of it gives what the real work would give, byte for byte, and only sooner.
"""

from __future__ import annotations

from typing import Final, TypeVar

from masq.crypto import CryptDE, Random
from masq.types import Address, PublicKey
from masq.wire.message import MAX_NEIGHBORS, MAX_RECORD, Gossip, Message, Spelling, decode_message
from masq.wire.message import encode_message as encoded

UNDER_WAY: Final = 4_096
"""Boxes and messages that are remembered until they arrive."""
VERIFIED: Final = 20_000
"""Signatures whose verdict is remembered."""
RECORDS: Final = 512
"""Records of a message that is remembered: no honest Node sends more."""


Key = TypeVar("Key")
Value = TypeVar("Value")


class Shared:
    """What one world remembers."""

    def __init__(self) -> None:
        self.boxes: dict[bytes, tuple[bytes, bytes]] = {}
        """By box: whom it is for, and what is in it."""
        self.messages: dict[bytes, Message] = {}
        self.verdicts: dict[tuple[bytes, bytes, bytes], bool] = {}
        self.spelling = Spelling(self._encode, self._decode)

    def keys(self, contract: Address, random: Random) -> SharedKeys:
        return SharedKeys(contract, random, self)

    def _encode(self, message: Message) -> bytes:
        data = encoded(message)
        if isinstance(message, Gossip) and _is_plain(message):
            _remember(self.messages, data, message)
        return data

    def _decode(self, data: bytes) -> Message:
        known = self.messages.pop(data, None)
        return decode_message(data) if known is None else known


class SharedKeys(CryptDE):
    """A key pair of a Node in a world."""

    def __init__(self, contract: Address, random: Random, shared: Shared) -> None:
        super().__init__(contract, random)
        self._shared = shared

    def seal(self, key: PublicKey, message: bytes) -> bytes:
        box = super().seal(key, message)
        _remember(self._shared.boxes, box, (key[:32], message))
        return box

    def open(self, box: bytes) -> bytes:
        known = self._shared.boxes.get(box)
        if known is None or known[0] != self.public_key[:32]:
            return super().open(box)
        del self._shared.boxes[box]
        return known[1]

    def verify(self, data: bytes, signature: bytes, key: PublicKey) -> bool:
        verdicts = self._shared.verdicts
        found = verdicts.get((data, signature, key))
        if found is None:
            found = super().verify(data, signature, key)
            _remember(verdicts, (data, signature, key), found, VERIFIED)
        return found


def _is_plain(gossip: Gossip) -> bool:
    """Whether reading it gives just this: nothing in it is left out for its size, nor put in another order."""
    return len(gossip.records) <= RECORDS and all(
        len(item.record.signed_data) <= MAX_RECORD
        and len(item.record.neighbors) <= MAX_NEIGHBORS
        and (item.address is None or len(item.address.ports) == 1)
        for item in gossip.records
    )


def _remember(known: dict[Key, Value], key: Key, value: Value, most: int = UNDER_WAY) -> None:
    """Remember it, and forget what has been there longest if it is too much."""
    if len(known) >= most:
        del known[next(iter(known))]
    known[key] = value
