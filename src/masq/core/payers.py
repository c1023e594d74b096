"""What proves to each Node that our wallet pays for its service (protocol.md 5.5)."""

from __future__ import annotations

from typing import Final

from masq.chain.wallet import Wallet
from masq.crypto import Keys
from masq.types import PublicKey
from masq.wire.package import Payer

REMEMBERED: Final = 4_096


class Payers:
    """Signs for each Node once: that takes longer than to seal what is sent to it."""

    def __init__(self, wallet: Wallet | None, keys: Keys) -> None:
        self._wallet = wallet
        self._keys = keys
        self._signed: dict[PublicKey, Payer] = {}

    def of(self, reader: PublicKey) -> Payer | None:
        """The proof for one Node; None without a wallet."""
        if self._wallet is None:
            return None
        payer = self._signed.get(reader)
        if payer is None:
            if len(self._signed) >= REMEMBERED:
                self._signed.clear()
            payer = self._signed[reader] = Payer.sign(self._wallet, self._keys.digest_of(reader))
        return payer
