"""Statements of account: what one side of a pair of wallets counts, signed by it (protocol.md 15.9)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from masq.chain.wallet import Wallet, recover
from masq.crypto import Keys
from masq.errors import CryptoError, MalformedError
from masq.keccak import keccak256
from masq.types import Address, PublicKey

SIZE: Final = 101
_FIGURES: Final = struct.Struct(">16s16sI")
_DEBTOR: Final = b"masq statement 1 debtor"
_CREDITOR: Final = b"masq statement 1 creditor"
_MOST: Final = 2**126


@dataclass(frozen=True, slots=True)
class Pair:
    """Whose account it is: who is paid at which wallet, who pays with which, on which chain."""

    creditor: Address
    debtor: Address
    contract: Address
    """Of the chain's token."""

    @property
    def text(self) -> bytes:
        """What is signed with the figures."""
        return self.contract + self.creditor + self.debtor


@dataclass(frozen=True, slots=True)
class Statement:
    """`owed` is the balance, below zero for credit; `paid` all that was ever paid of it; both in wei. `when`: unix
    seconds."""

    owed: int
    paid: int
    when: int
    signature: bytes = bytes(65)

    @property
    def charged(self) -> int:
        """All that was ever charged. It only grows, whatever is paid, and whoever sees a payment first."""
        return self.owed + self.paid

    @property
    def _figures(self) -> bytes:
        return _FIGURES.pack(self.owed.to_bytes(16, "big", signed=True), self.paid.to_bytes(16, "big"), self.when)

    def encode(self) -> bytes:
        return self._figures + self.signature

    @classmethod
    def decode(cls, data: object) -> Statement:
        """MalformedError if it isn't SIZE bytes, or of amounts that can't be."""
        if type(data) is not bytes or len(data) != SIZE:
            raise MalformedError(f"a statement has {SIZE} bytes")
        owed, paid, when = _FIGURES.unpack_from(data)
        statement = cls(
            int.from_bytes(owed, "big", signed=True), int.from_bytes(paid, "big"), when, data[_FIGURES.size :]
        )
        if abs(statement.owed) > _MOST or statement.paid > _MOST:
            raise MalformedError("a statement of amounts that can't be")
        return statement

    def by_debtor(self, pair: Pair, wallet: Wallet) -> Statement:
        """The same, signed by the consuming wallet."""
        v, r, s = wallet.sign_recoverable(self._digest(pair))
        return Statement(self.owed, self.paid, self.when, bytes((v,)) + r + s)

    def is_by_debtor(self, pair: Pair) -> bool:
        signature = self.signature
        try:
            return recover(self._digest(pair), signature[0], signature[1:33], signature[33:]) == pair.debtor
        except CryptoError:
            return False

    def by_creditor(self, pair: Pair, keys: Keys) -> Statement:
        """The same, signed by the Node that the creditor is paid for."""
        signature = keys.sign(_CREDITOR + pair.text + self._figures)
        return Statement(self.owed, self.paid, self.when, b"\0" + signature)

    def is_by_creditor(self, pair: Pair, keys: Keys, node: PublicKey) -> bool:
        """Whether the Node with this key signed it. `keys`: of anybody on its chain."""
        return keys.verify(_CREDITOR + pair.text + self._figures, self.signature[1:], node)

    def _digest(self, pair: Pair) -> bytes:
        return keccak256(_DEBTOR + pair.text + self._figures)
