"""Vouchers that others have given us: kept, looked after on the chain, and asked for (accounting.md 2.13).

A voucher is worth what its payer has, and lets the contract move. As far as that was seen it covers a debt: nobody is
banned for what a voucher covers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import Any, Final

from masq.chain.voucher import Deal, Voucher
from masq.core.accountant.effects import AskBacking, Backing
from masq.core.accountant.ledger import Ledger
from masq.core.accountant.promises import Dealing
from masq.core.limits import MAX_VOUCHERS, STATEMENT_EVERY
from masq.core.unsaved import Unsaved
from masq.errors import MalformedError
from masq.types import Address

SHARDS: Final = tuple(f"vouchers.{number:02x}" for number in range(64))
"""Names of the values that are saved: a change rewrites one of them."""
LOOK_EVERY: Final = 600.0
"""Seconds from one look at what stands behind vouchers to the next."""
FIRST_LOOK: Final = 60.0
MOST_ASKED: Final = 64
"""Payers that are looked after at once, those with the largest promises."""
FREE: Final = 100
"""The share of the debt that is never demanded that needs no voucher, where vouchers are asked for."""
AT_ONCE: Final = 10
"""The share of it without a voucher beyond which nobody is served on, however short it takes."""
PATIENCE: Final = 1_800.0
"""Seconds that a voucher may be late: circuits take new streams for ten minutes, and it comes with every second one."""


@dataclass(slots=True)
class Held:
    """The highest voucher of a payer."""

    voucher: Voucher
    redeemed: int = 0
    backed: int | None = None
    """Wei of it that could be redeemed when that was looked at; None: it wasn't yet."""

    @property
    def left(self) -> int:
        """Wei that it promises yet."""
        return max(0, self.voucher.total - self.redeemed)


class Vouchers:
    """Of all who owe us, by wallet."""

    def __init__(
        self, dealing: Dealing | None, earning: Address, ledger: Ledger, saved: Iterable[str | None], permanent: int
    ) -> None:
        """`saved`: what was saved under SHARDS. `permanent`: wei of the debt that is never demanded."""
        self._dealing = dealing
        self._earning = earning
        self._ledger = ledger
        self._free, self._most = permanent // FREE, permanent // AT_ONCE
        self._held: dict[Address, Held] = {}
        self._changed: dict[str, None] = {}
        self._unsaved = Unsaved()
        self._heard: dict[Address, float] = {}
        self._short: dict[Address, float] = {}
        """Who owes more than needs no voucher: since when."""
        self._now = 0.0
        self._looked: float | None = None
        for shard in saved:
            self._recall(shard)

    @property
    def taken_by(self) -> bytes:
        """The contract by which vouchers are taken, as bills name it; empty: they aren't."""
        return self._dealing.contract if self._dealing else b""

    def held(self, payer: Address) -> Held | None:
        return self._held.get(payer)

    # --- what comes ---

    def heard(self, payer: Address, data: bytes, now: float) -> None:
        """A voucher came with a circuit. Of those that are no good, or not higher, nothing is made."""
        self._now = now
        dealing, held = self._dealing, self._held.get(payer)
        if dealing is None or not data or payer not in self._ledger.receivables:
            return  # Wallets cost nothing: only who was served is listened to.
        if now - self._heard.get(payer, float("-inf")) < STATEMENT_EVERY:
            return
        try:
            voucher = Voucher.decode(data)
        except MalformedError:
            return
        if held is not None and voucher.total <= held.voucher.total:
            return
        if len(self._heard) >= MAX_VOUCHERS:
            self._heard = {each: at for each, at in self._heard.items() if now - at < STATEMENT_EVERY}
            if len(self._heard) >= MAX_VOUCHERS:
                return
        self._heard[payer] = now
        if not voucher.is_for(Deal(dealing.chain, dealing.contract, payer, self._earning)):
            return
        if held is None and not self._room(voucher.total):
            return
        if held is None:
            self._held[payer] = Held(voucher)
        else:
            held.voucher = voucher
        self._touch(payer, now)

    def _room(self, total: int) -> bool:
        """Whether one more may be kept: beyond the bound the one that promises least goes, if it is less."""
        if len(self._held) < MAX_VOUCHERS:
            return True
        least = min(self._held, key=lambda each: self._worth(self._held[each]))
        # What was never looked after may promise anything.
        if self._worth(self._held[least]) >= total or self._worth(self._held[least]) > 0:
            return False
        del self._held[least]
        self._changed[_shard(least)] = None
        return True

    @staticmethod
    def _worth(held: Held) -> int:
        return min(held.left, held.backed or 0)

    # --- what they are worth ---

    def covers(self, payer: Address) -> int:
        """Wei of a debt that could be redeemed, as far as the chain was seen to show it."""
        held = self._held.get(payer)
        return self._worth(held) if held else 0

    def needs(self, payer: Address) -> int | None:
        """Down to how many wei without a voucher a wallet has to come to be served; None: it is served."""
        if self._dealing is None or not self._dealing.asks:
            return None
        account, held = self._ledger.receivables.get(payer), self._held.get(payer)
        trusted = 0 if held is None else held.left if held.backed is None else self._worth(held)
        bare = (account.wei if account else 0) - trusted
        if bare <= self._free:
            self._short.pop(payer, None)
            return None
        since = self._short.setdefault(payer, self._now)
        return self._free + trusted if bare > self._most or self._now - since > PATIENCE else None

    def ask(self, now: float) -> list[AskBacking]:
        """Look after what stands behind them, now and then."""
        self._now = now
        if self._looked is None:
            self._looked = now - LOOK_EVERY + FIRST_LOOK
        if self._dealing is None or now - self._looked < LOOK_EVERY:
            return []
        self._looked = now
        self._short = {each: since for each, since in self._short.items() if each in self._ledger.receivables}
        left = {payer: held.left for payer, held in self._held.items() if held.left and self._owed(payer)}
        payers = tuple(nlargest(MOST_ASKED, left, key=lambda each: min(left[each], self._owed(each))))
        return [AskBacking(self._dealing.contract, payers)] if payers else []

    def _owed(self, payer: Address) -> int:
        account = self._ledger.receivables.get(payer)
        return max(0, account.wei) if account else 0

    def backing(self, found: Mapping[Address, Backing], now: float) -> None:
        """What the chain shows: what was redeemed, and what stands behind the rest."""
        for payer, each in found.items():
            held = self._held.get(payer)
            if held is None:
                continue
            held.backed = min(each.allowance, each.tokens)
            if each.redeemed != held.redeemed:
                held.redeemed = each.redeemed
                self._touch(payer, now)

    # --- memory ---

    def rows(self, now: float) -> tuple[tuple[str, str], ...]:
        """What is new, to be saved."""
        if not self._unsaved.is_due(now):
            return ()
        self._unsaved.take()
        rows: dict[str, list[list[str]]] = {name: [] for name in self._changed}
        self._changed.clear()
        for payer, held in self._held.items():
            if (name := _shard(payer)) in rows:
                rows[name].append([payer.hex(), held.voucher.encode().hex(), str(held.redeemed)])
        return tuple((name, json.dumps(each)) for name, each in rows.items())

    def _touch(self, payer: Address, now: float) -> None:
        self._changed[_shard(payer)] = None
        self._unsaved.touch(now)

    def _recall(self, shard: str | None) -> None:
        self._held.update(recalled(shard))


def recalled(shard: str | None) -> dict[Address, Held]:
    """The vouchers that were saved under one name. What makes no sense is as good as nothing."""
    found: dict[Address, Held] = {}
    try:
        rows: Any = json.loads(shard or "[]")
        for payer, voucher, redeemed in rows:
            found[bytes.fromhex(payer)] = Held(Voucher.decode(bytes.fromhex(voucher)), int(redeemed))
    except (ValueError, TypeError, RecursionError, MalformedError):
        pass
    return found


def _shard(payer: Address) -> str:
    return SHARDS[payer[0] % len(SHARDS)]
