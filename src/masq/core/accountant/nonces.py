"""Which nonces of the consuming wallet are free, and what the others say (accounting.md 2.4 to 2.6).

Each transaction of a wallet has the next number. One that is missing holds up all above it; one that these books don't
know may have paid what they call a debt.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final

from masq.core.accountant.payments import BOOKED, Payments
from masq.core.accountant.terms import Terms
from masq.types import Address

GAP_FOR: Final = 30.0
"""Seconds that a nonce below those of our payments has to be free, before it is filled."""
MOST_GAP: Final = 16
"""Nonces that are filled at once."""
MOST_LOOKED_AT: Final = 1_000
"""Nonces, from the first that isn't used: so many are looked at, whatever a provider says."""
FOREIGN_FOR: Final = 3_600.0
"""Seconds that payments wait for transactions of their wallet that aren't theirs."""
SURE_AFTER: Final = 120.0
"""Seconds after which what a wallet has sent is taken to be known where a chain makes no blocks."""


class Nonces:
    """Those of one wallet."""

    def __init__(self, wallet: Address, payments: Payments) -> None:
        self._wallet = wallet
        self._payments = payments
        self._next = max((each.nonce + 1 for each in payments if each.state in BOOKED), default=0)
        """One more than the highest nonce of a payment that a block holds: no lower one can be used again."""
        self._foreign_since: float | None = None
        """Since when transactions of the wallet wait that aren't ours."""
        self._gap: tuple[int, float] | None = None
        """The lowest nonce that is missing, and since when."""
        self._unsure: tuple[int, int, float] | None = None
        """How many transactions the wallet had sent when all of them were looked for, at which head, and when."""
        self.sure = False
        """Whether all that the wallet had sent before the start is known."""
        self.looks_again = False
        """Whether a look at once may be enough to be sure."""

    def used(self, nonce: int) -> None:
        """A block holds a transaction with it."""
        self._next = max(self._next, nonce + 1)

    def look_whether_sure(self, nonce: int, head: int, now: float) -> bool:
        """Whether it is known what the wallet has sent before the start: nothing since that was looked for, and it is
        deep."""
        if self.sure:
            return True
        if self._unsure is None or self._unsure[0] != nonce:
            self._unsure = nonce, head, now
            self.looks_again = not self._payments.confirmations
            return False
        _, since, when = self._unsure
        self.sure = head - since >= self._payments.confirmations or now - when >= SURE_AFTER
        self.looks_again = False
        return self.sure

    def odd(self, terms: Terms, now: float) -> str | None:
        """Why nothing is paid as long as it is so: transactions wait that these books don't know.

        One of them may pay what is to be paid now, if the books were rolled back. Those that nobody mines in an hour
        are replaced: payments get their nonces, and so the same debt can't be paid twice.
        """
        own = {each.nonce for each in self._payments if each.sender == self._wallet}
        nonces = range(max(terms.nonce, self._next), min(terms.pending_nonce, terms.nonce + MOST_LOOKED_AT))
        foreign = [nonce for nonce in nonces if nonce not in own]
        if not foreign:
            self._foreign_since = None
            return None
        if self._foreign_since is None:
            self._foreign_since = now
        if now - self._foreign_since >= FOREIGN_FOR:
            return None
        return (
            f"the provider says that {len(foreign)} transactions of the consuming wallet wait which are not this Node's"
            f": payments wait for them, and replace those that are still there after {FOREIGN_FOR // 60:.0f} minutes"
        )

    def free(self, terms: Terms) -> Iterator[int]:
        """Those for new payments: the lowest first, as a gap would hold up every payment above it."""
        taken = {each.nonce for each in self._payments if each.sender == self._wallet}
        first = terms.pending_nonce if self._foreign_since is None else terms.nonce
        return (nonce for nonce in count(max(first, self._next)) if nonce not in taken)

    def to_fill(self, nonces: tuple[int, int] | None, now: float) -> list[int]:
        """Those that nobody has used for a while, below those of payments, which would wait for ever.

        `nonces`: how many transactions of the wallet blocks hold, and how many with those that wait.
        """
        waiting = {each.nonce for each in self._payments.under_way if each.sender == self._wallet}
        missing: list[int] = []
        if nonces is not None and waiting:
            highest = min(max(waiting), nonces[1] + MOST_LOOKED_AT)
            missing = [nonce for nonce in range(nonces[1], highest) if nonce not in waiting]
        if not missing:
            self._gap = None
            return []
        if self._gap is None or self._gap[0] != missing[0]:
            self._gap = missing[0], now
        return missing[:MOST_GAP] if now - self._gap[1] >= GAP_FOR else []
