"""What is known before a payment is signed: what the chain asks, what the wallet has (accounting.md 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from masq.chain.disperser import gas_limit
from masq.chain.head import Head, Prices


@dataclass(frozen=True, slots=True)
class Terms:
    """What the chain says before a payment: prices, the wallet's coins, tokens, and count of transactions."""

    head: Head
    prices: Prices
    coins: int
    tokens: int
    nonce: int
    """In blocks."""
    pending_nonce: int
    """With those that wait."""
    gas_per_payment: int = 75_000
    allowance: int | str | None = None
    """Wei that the contract which pays many may move; a text: why it can't be used; None: none is to be."""

    def gas(self, parts: int) -> int:
        """That a payment to so many may use."""
        return self.gas_per_payment if parts < 2 else gas_limit(parts)


@dataclass(frozen=True, slots=True)
class Means:
    """What the consuming wallet had when that was looked at, in wei."""

    tokens: int
    coins: int
    lacking: int
    """Tokens that are due, and aren't there."""
    clock: int
