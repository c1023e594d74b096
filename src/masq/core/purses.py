"""Which consuming wallet pays for which isolation group: who serves two groups can't join them by who pays.

The groups take the wallets in turn, in the order in which they come. What was taken is kept over restarts: a wallet
that an exit has seen with one group isn't seen with another if that can be helped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from masq.core.effects import SaveConfig
from masq.core.proofs import Proofs
from masq.core.unsaved import Unsaved

NAME: Final = "purses"
"""What is saved of it goes by this name."""
REMEMBERED: Final = 1_000
"""Groups, the latest: browsers make one per site. Saved they take 25 kB."""
_DIGEST: Final = 8
"""Bytes that a group is remembered by: its name may hold a password."""


class Purses:
    """Proofs by wallet, the default one first, and who has which."""

    def __init__(self, proofs: Sequence[Proofs], saved: str | None = None) -> None:
        """`saved`: what was saved under NAME; what makes no sense is as good as nothing."""
        self._proofs = tuple(proofs)
        self._taken: dict[str, int] = {}
        self._next = 0
        self._unsaved = Unsaved()
        if len(self._proofs) > 1 and saved is not None:
            self._recall(saved)

    def __getitem__(self, purse: int) -> Proofs:
        return self._proofs[purse]

    def of(self, group: str, now: float) -> int:
        """The number of the wallet that pays for a group; 0 is the default one."""
        if len(self._proofs) == 1:
            return 0
        name = hashlib.blake2b(group.encode(errors="surrogatepass"), digest_size=_DIGEST).hexdigest()
        purse = self._taken.pop(name, None)
        if purse is None:
            purse = self._next
            self._next = (purse + 1) % len(self._proofs)
            self._unsaved.touch(now)
            if len(self._taken) >= REMEMBERED:
                del self._taken[next(iter(self._taken))]
        self._taken[name] = purse  # As the latest.
        return purse

    def tick(self, now: float) -> list[SaveConfig]:
        """Save what is new."""
        return self.save() if self._unsaved.is_due(now) else []

    def save(self) -> list[SaveConfig]:
        """Save what is new, at once."""
        if not self._unsaved.take():
            return []
        return [SaveConfig(NAME, json.dumps([self._next, list(self._taken.items())]))]

    def _recall(self, saved: str) -> None:
        """A group whose wallet is there no more takes another."""
        try:
            following, taken = json.loads(saved)
            rows: list[tuple[Any, Any]] = [(name, purse) for name, purse in taken][-REMEMBERED:]
        except (ValueError, TypeError, RecursionError):
            return
        if type(following) is int and following >= 0:
            self._next = following % len(self._proofs)
        self._taken = {
            name: purse
            for name, purse in rows
            if type(name) is str and type(purse) is int and 0 <= purse < len(self._proofs)
        }
