"""What was sent in packages and never answered (accounting.md 2.11).

A Node of 0.9.1 books what it has passed on, whatever becomes of it, and says nothing of it: all that was sent is
charged and paid, as to pay too little is a ban. What a stream has cost is provisional until its first answer, which
shows that its way carries. What stays provisional is listed here for the user to see who is paid for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from masq.types import Address

PATIENCE: Final = 600.0
"""Seconds that a stream may be without an answer."""
MOST_WALLETS: Final = 1_000
"""Creditors that are remembered, those with the largest amounts."""


class Unanswered:
    """By earning wallet, in wei, since the start."""

    def __init__(self) -> None:
        self.wei: dict[Address, int] = {}

    def add(self, provisional: Mapping[Address, int]) -> None:
        for wallet, wei in provisional.items():
            self.wei[wallet] = self.wei.get(wallet, 0) + wei
        while len(self.wei) > MOST_WALLETS:
            del self.wei[min(self.wei, key=self.wei.__getitem__)]
