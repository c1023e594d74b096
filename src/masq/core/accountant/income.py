"""Income: which blocks were searched, and what was credited, so that it counts once (accounting.md 4.6).

Behind a provider's URL are often several servers, of which one names a head that another hasn't seen: its logs end
before, without a word. And the newest blocks of a chain may still be replaced. So the last blocks are searched again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Final

from masq.chain.erc20 import Transfer
from masq.types import Address

OVERLAP: Final = 30
"""So many of the last blocks are searched again; at most a quarter of a search that a provider's limit cut short."""
REMEMBERED_BLOCKS: Final = 10_000
"""For so many blocks it is remembered what was credited: a transaction of a replaced block may be mined much later."""
MOST_REMEMBERED: Final = 10_000
"""What exceeds this is forgotten, and its blocks are not searched again: strangers' dust can make us keep no more."""


class Income:
    """`next` is the block after the highest that was searched; None: none was, the first search is of the head.

    `first` is where the next search begins; it is at most OVERLAP before `next`.
    """

    def __init__(self, next: int | None, known: str | None = None) -> None:
        """`known` is what `known` gave when `next` was saved."""
        self.next = next
        self.first: int | None = None
        self._floor = next or 0
        """Of the blocks before this one it isn't known what was credited, so they are not searched again."""
        self._credited: dict[tuple[bytes, Address], tuple[int, int]] = {}
        """By transaction and sender: the highest block that it was found in, and wei."""
        if next is not None and known is not None:
            self._recall(next, known)
        self.begin_again()

    @property
    def known(self) -> str:
        """What has to be saved together with `next` and the credits."""
        credited = [[hash.hex(), sender.hex(), *what] for (hash, sender), what in self._credited.items()]
        return json.dumps({"next": self.next, "floor": self._floor, "credited": credited})

    def _recall(self, next: int, known: str) -> None:
        """What makes no sense is as good as nothing: then the blocks before `next` are left alone."""
        try:
            content = json.loads(known)
            # Another `next` was saved by an older program, which credits and doesn't write down what.
            floor = min(next, max(0, int(content["floor"]))) if content["next"] == next else next
            credited = {
                (bytes.fromhex(hash), bytes.fromhex(sender)): (int(block), int(wei))
                for hash, sender, block, wei in content["credited"]
            }
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            return
        self._floor, self._credited = floor, credited

    def take(self, found: Iterable[Transfer], last: int, cut_short: bool) -> list[tuple[Address, int]]:
        """What a search that ended with block `last` found that wasn't credited yet: by whom, and wei.

        `cut_short`: the search was as long as the provider lets it be, so blocks after `last` may wait. A late answer
        to an earlier question credits nothing twice. What lies outside of the blocks that were asked for is left out.
        """
        if self.next is None or self.first is None:
            self.next = self.first = self._floor = last
        shown: Counter[tuple[bytes, Address, int]] = Counter()
        for transfer in dict.fromkeys(found):
            # Anybody can make a transfer of nothing, in anybody's name and without end.
            if transfer.amount and self.first <= transfer.block <= last:
                shown[transfer.transaction_hash, transfer.sender, transfer.block] += transfer.amount
        new: list[tuple[Address, int]] = []
        for (hash, sender, block), wei in shown.items():
            # When its block is replaced, a transaction gets into another one, with other log indices and, if a contract
            # makes it so, another amount. What counts is the most that any block showed.
            highest, credited = self._credited.get((hash, sender), (0, 0))
            if wei > credited:
                new.append((sender, wei - credited))
            self._credited[hash, sender] = max(block, highest), max(wei, credited)
        self.next = max(self.next, last + 1)
        self._forget(self.next)
        if cut_short:
            overlap = min(OVERLAP, (last + 1 - self.first) // 4)
            self.first = max(self._floor, last + 1 - overlap)
        else:
            self.begin_again()
        return new

    def begin_again(self) -> None:
        """All was searched that there is: the next search begins with the last blocks again."""
        if self.next is not None:
            self.first = max(self._floor, self.next - OVERLAP)

    def _forget(self, next: int) -> None:
        self._credited = {key: what for key, what in self._credited.items() if what[0] >= next - REMEMBERED_BLOCKS}
        surplus = len(self._credited) - MOST_REMEMBERED
        if surplus > 0:
            oldest_first = sorted(self._credited.items(), key=lambda item: item[1][0])
            self._floor = max(self._floor, oldest_first[surplus - 1][1][0] + 1)
            self._credited = dict(oldest_first[surplus:])
