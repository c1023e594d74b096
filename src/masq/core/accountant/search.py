"""Transfers: which blocks were searched, and what was counted, so that it counts once (accounting.md 4.6).

Behind a provider's URL are often several servers, of which one names a head that another hasn't seen: its logs end
before, or have holes, without a word. And the newest blocks of a chain may still be replaced. So what was searched is
searched again, the last blocks each time, and many now and then.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from masq.chain.erc20 import Transfer
from masq.core.accountant.effects import Place, Way
from masq.types import Address

OVERLAP: Final = 30
"""So many of the last blocks are searched again at least; at most a quarter of a search that was cut short."""
TIMES: Final = 4
"""So often each block is searched, at the usual intervals."""
REMEMBERED_BLOCKS: Final = 10_000
"""For so many blocks it is remembered what was counted: a transaction of a replaced block may be mined much later."""
ALL_AGAIN: Final = 25
"""Of so many searches one is of all blocks that are remembered."""
MOST_REMEMBERED: Final = 10_000
"""What exceeds this is forgotten, and its blocks are not searched again: strangers' dust can make us keep no more."""
MOST_DOUBTED: Final = 20
"""Transfers at once that are asked for as they are no more where they were."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Wei that count from now on: of which transaction, whose, in which block."""

    hash: bytes
    wallet: Address
    wei: int
    block: int


@dataclass(slots=True)
class _Known:
    block: int
    """The highest that it was found in."""
    wei: int
    block_hash: bytes = b""


class Search:
    """`next` is the block after the highest that counts; None: none was searched, the first search is of the head.

    `first` is where the next search begins, which is before `next`.
    """

    def __init__(self, way: Way, next: int | None, known: str | None = None) -> None:
        """`known` is what `known` gave when `next` was saved."""
        self._way = way
        self.next = next
        self.first: int | None = None
        self._floor = next or 0
        """Of the blocks before this one it isn't known what was counted, so they are not searched again."""
        self._counted: dict[tuple[bytes, Address], _Known] = {}
        """By transaction and wallet."""
        self.visible: dict[tuple[bytes, Address], _Known] = {}
        """What blocks hold and doesn't count yet, as they may still be replaced: by transaction and wallet. Income that
        a later search leaves out stays until it is known to be gone: who has paid isn't banned for a hole in logs."""
        self.doubted: tuple[Place, ...] = ()
        """What counts, or was visible, and the last search didn't show again where it was."""
        self.missing: set[bytes] = set()
        """Transactions that count, and of which that is so."""
        self._extents: deque[int] = deque(maxlen=TIMES - 1)
        """By how many blocks the last searches went on."""
        self._searches = 0
        self._begun: int | None = None
        self._before = 0
        """`next` when the search began."""
        self._shown: set[tuple[bytes, Address]] = set()
        if next is not None and known is not None:
            self._recall(next, known)
        self.begin_again()

    @property
    def known(self) -> str:
        """What has to be saved together with `next` and what was counted."""
        counted = [
            [hash.hex(), wallet.hex(), each.block, each.wei, each.block_hash.hex()]
            for (hash, wallet), each in self._counted.items()
        ]
        return json.dumps({"next": self.next, "floor": self._floor, "credited": counted})

    def _recall(self, next: int, known: str) -> None:
        """What makes no sense is as good as nothing: then the blocks before `next` are left alone."""
        try:
            content = json.loads(known)
            # Another `next` was saved by an older program, which credits and doesn't write down what.
            floor = min(next, max(0, int(content["floor"]))) if content["next"] == next else next
            counted = {
                (bytes.fromhex(hash), bytes.fromhex(wallet)): _Known(int(block), int(wei), bytes.fromhex("".join(rest)))
                for hash, wallet, block, wei, *rest in content["credited"]
            }
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            return
        self._floor, self._counted = floor, counted

    def take(
        self, found: Iterable[Transfer], last: int, cut_short: bool, confirmations: int = 0, head: int | None = None
    ) -> list[Counted]:
        """What a search that ended with block `last` found that didn't count yet.

        `cut_short`: blocks after `last` wait. `head`: the newest block, `last` if None; what isn't followed by as many
        blocks as `confirmations` is visible, but doesn't count. A late answer to an earlier question counts nothing
        twice. What lies outside of the blocks that were asked for is left out.
        """
        if self.next is None or self.first is None:
            self.next = self.first = self._floor = last
        if self._begun is None:
            self._begun, self._before = self.first, self.next
            self._shown.clear()
            kept = self.visible.items() if self._way is Way.IN else ()
            self.visible = {key: seen for key, seen in kept if seen.block_hash}
        deep = min(last, (last if head is None else head) - confirmations)
        sums: Counter[tuple[bytes, Address, int]] = Counter()
        hashes: dict[tuple[bytes, Address], bytes] = {}
        for transfer in dict.fromkeys(found):
            # Anybody can make a transfer of nothing, in anybody's name and without end.
            if not transfer.amount or not self.first <= transfer.block <= last:
                continue
            wallet = transfer.sender if self._way is Way.IN else transfer.recipient
            key = transfer.transaction_hash, wallet
            if key not in self._shown:
                self._shown.add(key)
                self.visible.pop(key, None)
            if transfer.block > deep:
                if key not in self._counted:
                    seen = self.visible.setdefault(key, _Known(transfer.block, 0, transfer.block_hash))
                    seen.wei += transfer.amount
                continue
            sums[*key, transfer.block] += transfer.amount
            hashes[key] = transfer.block_hash
        new = [self._count(hash, wallet, block, wei, hashes) for (hash, wallet, block), wei in sums.items()]
        self.next = max(self.next, deep + 1)
        self._forget(self.next)
        if cut_short:
            overlap = min(OVERLAP, (last + 1 - self.first) // 4)
            self.first = max(self._floor, last + 1 - overlap)
            self.doubted, self.missing = (), set()
        else:
            self._extents.append(self.next - self._before)
            self._end(last, deep)
        return [each for each in new if each is not None]

    def _count(
        self, hash: bytes, wallet: Address, block: int, wei: int, hashes: dict[tuple[bytes, Address], bytes]
    ) -> Counted | None:
        # When its block is replaced, a transaction gets into another one, with other log indices and, if a contract
        # makes it so, another amount. What counts is the most that any block showed.
        known = self._counted.get((hash, wallet), _Known(0, 0))
        more = wei - known.wei
        if block >= known.block:
            known.block_hash = hashes[hash, wallet]
        known.block, known.wei = max(block, known.block), max(wei, known.wei)
        self._counted[hash, wallet] = known
        return Counted(hash, wallet, more, block) if more > 0 else None

    def _end(self, last: int, deep: int) -> None:
        """All was searched that there is."""
        begun = self._begun if self._begun is not None else last
        missing = [
            (hash, known)
            for (hash, wallet), known in self._counted.items()
            if begun <= known.block <= deep and (hash, wallet) not in self._shown
        ]
        self.missing = {hash for hash, _ in missing}
        missing += [
            (hash, seen)
            for (hash, wallet), seen in self.visible.items()
            if begun <= seen.block <= last and (hash, wallet) not in self._shown
        ]
        places = [Place(hash, known.block, known.block_hash) for hash, known in missing if known.block_hash]
        self.doubted = tuple(places[:MOST_DOUBTED])
        self._searches += 1
        self.begin_again()

    def begin_again(self) -> None:
        """The next search begins with blocks that were searched already."""
        self._begun = None
        if self.next is None:
            return
        # A search that is long as it is isn't made longer by much.
        usual = [each for each in self._extents if each <= REMEMBERED_BLOCKS // TIMES]
        overlap = max(OVERLAP, min(sum(usual), REMEMBERED_BLOCKS))
        if self._searches and self._searches % ALL_AGAIN == 0:
            overlap = REMEMBERED_BLOCKS
        self.first = max(self._floor, self.next - overlap)

    def begin_at(self, block: int) -> None:
        """Search from a block on, whatever was searched. What is remembered still counts once."""
        self.next = self.first = self._floor = block
        self._begun = None

    def coming(self) -> Counter[Address]:
        """Wei that are visible, by wallet."""
        coming: Counter[Address] = Counter()
        for (_, wallet), seen in self.visible.items():
            coming[wallet] += seen.wei
        return coming

    def know(self, hash: bytes, wallet: Address, block: int, wei: int) -> None:
        """This is counted already, elsewhere."""
        self._counted.setdefault((hash, wallet), _Known(block, wei))

    def undo(self, hash: bytes) -> list[Counted]:
        """A transaction is in no block any more: what it made count does so no more."""
        self.visible = {key: seen for key, seen in self.visible.items() if key[0] != hash}
        gone = [(key, known) for key, known in self._counted.items() if key[0] == hash]
        for key, _ in gone:
            del self._counted[key]
        return [Counted(hash, wallet, known.wei, known.block) for (_, wallet), known in gone]

    def _forget(self, next: int) -> None:
        seen = {key: each for key, each in self.visible.items() if each.block >= next - REMEMBERED_BLOCKS}
        self.visible = dict(list(seen.items())[-MOST_REMEMBERED:])
        # By what was found, not by `next`: a liar's head may lead that astray, and it comes back when that is mended.
        long_past = max((each.block for each in self._counted.values()), default=0) - REMEMBERED_BLOCKS
        self._counted = {key: known for key, known in self._counted.items() if known.block >= long_past}
        surplus = len(self._counted) - MOST_REMEMBERED
        if surplus > 0:
            oldest_first = sorted(self._counted.items(), key=lambda item: item[1].block)
            self._floor = max(self._floor, oldest_first[surplus - 1][1].block + 1)
            self._counted = dict(oldest_first[surplus:])
