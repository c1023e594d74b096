"""Proofs of payment: our wallet signs for each Node that serves us, and who wants our service has signed for us.

(protocol.md 5.5)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from masq.chain.wallet import Wallet
from masq.crypto import Keys
from masq.errors import PeerError
from masq.types import Address, PublicKey
from masq.wire.package import Hop, Payer

REMEMBERED: Final = 4_096
"""Proofs of either kind: making or checking one takes longer than all else that is done for a package."""


class Unpaid(PeerError):
    """Nobody has proved to pay for a service."""


class Proofs:
    """Made, and checked. Each once: the packages of a stream repeat them."""

    def __init__(
        self,
        keys: Keys,
        wallet: Wallet | None,
        statement: Callable[[PublicKey, Address, float], bytes] = lambda key, wallet, now: b"",
        voucher: Callable[[Address], bytes] = lambda wallet: b"",
        taken: Callable[[Address, object, float], None] = lambda wallet, contract, now: None,
    ) -> None:
        """`wallet`: the consuming wallet, if there is one. `statement`: what we count that we owe a Node at its wallet,
        signed; empty: it was told that lately. `voucher`: what the wallet promises to a creditor. `taken`: to be told
        by which contract a creditor takes vouchers."""
        self._statement = statement
        self._voucher = voucher
        self.taken = taken
        self._vouched: set[Address] = set()
        """Creditors whose last OPEN had a voucher."""
        self._keys = keys
        self._wallet = wallet
        self._made: dict[PublicKey, Payer] = {}
        self._proven: set[Payer] = set()

    def of(self, reader: PublicKey) -> Payer | None:
        """The proof for one Node; None without a wallet."""
        if self._wallet is None:
            return None
        payer = self._made.get(reader)
        if payer is None:
            if len(self._made) >= REMEMBERED:
                self._made.clear()
            payer = self._made[reader] = Payer.sign(self._wallet, self._keys.digest_of(reader))
        return payer

    def said_to(self, reader: PublicKey, creditor: Address, now: float) -> tuple[bytes, bytes]:
        """The statement of account and the voucher for a Node's element of OPEN. There is room for one of the two: they
        take turns."""
        voucher = self._voucher(creditor)
        if voucher and creditor not in self._vouched:
            self._vouched.add(creditor)
            return b"", voucher
        self._vouched.discard(creditor)
        return self._statement(reader, creditor, now), b""

    def payer_of(self, hop: Hop) -> Address | None:
        """Who pays us for a hop: None if nobody is named, Unpaid if the proof is not valid for us."""
        payer = hop.payer
        if payer is None:
            return None
        if payer not in self._proven:
            if not payer.proves(self._keys.digest):
                raise Unpaid("a payer whose proof is not valid for this Node")
            if len(self._proven) >= REMEMBERED:
                self._proven.clear()
            self._proven.add(payer)
        return payer.address
