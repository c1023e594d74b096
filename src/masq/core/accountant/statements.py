"""Nodes compare books: what the other side of an account has signed, beside our own count (protocol.md 15.9).

What is compared is all that was ever charged: the balance and all that was paid. It only grows, and a payment which one
side has seen and the other hasn't makes no difference. Nothing is ever paid, and nobody is refused, for what is said
here: who claims more than we count is told of with both figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from masq.chain.wallet import Wallet
from masq.core.accountant.effects import Save
from masq.core.accountant.ledger import Ledger
from masq.core.effects import Log, SaveConfig, Stated
from masq.core.failure import name_of
from masq.core.limits import MAX_SETTLED, MAX_STATEMENTS, STATEMENT_EVERY
from masq.core.unsaved import Unsaved
from masq.core.view import StatementView
from masq.crypto import Keys
from masq.errors import MalformedError
from masq.types import Address, PublicKey, RatePack, Wei, address_text
from masq.wire.statement import Pair, Statement

SHARDS: Final = tuple(f"statements.{number:02x}" for number in range(64))
"""Names of the values that are saved: a change rewrites one of them."""
SMALL: Final = 1_000_000
"""The share of the debt that is never demanded below which an account is too small to be compared: some megabytes."""
SECOND: Final = 128 * 1024 * 1024
"""Bytes that are assumed to pass in a second at most: what a Node that is killed may not have saved."""
TOLERATED: Final = 100
"""The share of an account that may differ without being told: what was lost where circuits broke."""
AHEAD: Final = 86_400
"""Seconds that another clock may be ahead of ours."""
NOTES: Final = 4
"""What is remembered of one account, the latest."""

Peer = tuple[bool, bytes]
"""Whether we are the debtor; then the creditor's key, else the debtor's wallet."""


class State(StrEnum):
    """How the latest statement of the other side compares with our book."""

    AGREES = "agrees"
    LESS = "counts less"
    MORE = "counts more"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class Us:
    """Who signs here: the Node for the earning wallet, and the consuming wallet, if there is one."""

    keys: Keys
    earning: Address
    consuming: Wallet | None
    contract: Address
    rates: RatePack
    dust: int
    """Wei below which an account isn't worth keeping a statement."""


@dataclass(slots=True)
class _Kept:
    """What we know of one account."""

    wallet: Address
    theirs: Statement
    counted: int
    """What we counted then."""
    state: State
    agreed: int = 0
    """Unix time of the last statement that agreed; 0: none."""
    notes: list[tuple[int, str]] = field(default_factory=list)


class Statements:
    """Makes statements, compares those that come, and remembers the last of each account."""

    def __init__(self, us: Us, ledger: Ledger, saved: Iterable[str | None], epoch: float) -> None:
        """`saved`: what was saved under SHARDS. `epoch`: unix time at `now` 0."""
        self._us = us
        self._ledger = ledger
        self._epoch = epoch
        self._kept: dict[Peer, _Kept] = {}
        self._paid: dict[tuple[bool, Address], int] = {}
        """Wei ever settled, by book and wallet."""
        self._changed: dict[str, None] = {}
        self._unsaved = Unsaved()
        self._made: dict[Peer, float] = {}
        self._heard: dict[Peer, float] = {}
        for shard in saved:
            self._recall(shard)

    # --- what we count, and say ---

    def _count(self, payable: bool, wallet: Address) -> Statement:
        self._take_settled()
        book = self._ledger.payables if payable else self._ledger.receivables
        account = book.get(wallet)
        return Statement(account.wei if account else 0, max(0, self._paid.get((payable, wallet), 0)), 0)

    def for_creditor(self, node: PublicKey, wallet: Address, now: float) -> bytes:
        """What we count that we owe: signed by the consuming wallet, for the Node that gets it. Empty: nothing new."""
        us = self._us
        if us.consuming is None or not self._is_time(self._made, (True, node), now):
            return b""
        pair = Pair(wallet, us.consuming.address, us.contract)
        return replace(self._count(True, wallet), when=self._clock(now)).by_debtor(pair, us.consuming).encode()

    def for_debtor(self, wallet: Address, now: float) -> tuple[bytes, bytes]:
        """What we count that a wallet owes us, signed by this Node; and the last that it has signed itself. Either may
        be empty."""
        kept = self._kept.get((False, wallet))
        echo = kept.theirs.encode() if kept else b""
        if not self._is_time(self._made, (False, wallet), now):
            return b"", echo
        pair = Pair(self._us.earning, wallet, self._us.contract)
        return replace(self._count(False, wallet), when=self._clock(now)).by_creditor(
            pair, self._us.keys
        ).encode(), echo

    # --- what others say ---

    def heard(self, said: Stated, now: float) -> list[Log]:
        """The other side's statement, and the last of ours that it knows. What isn't signed by it is nothing."""
        payable = bool(said.key)
        peer: Peer = (payable, said.key or said.wallet)
        us = self._us
        count = self._count(payable, said.wallet)
        if not payable and count.charged < us.dust:
            return []  # Wallets cost nothing: only who was served is listened to.
        if (payable and us.consuming is None) or not self._is_time(self._heard, peer, now):
            return []
        if payable:
            assert us.consuming
            pair = Pair(said.wallet, us.consuming.address, us.contract)
        else:
            pair = Pair(us.earning, said.wallet, us.contract)
        try:
            theirs = Statement.decode(said.statement)
        except MalformedError:
            return []
        good = theirs.is_by_creditor(pair, us.keys, said.key) if payable else theirs.is_by_debtor(pair)
        if not good or theirs.when > self._clock(now) + AHEAD:
            return []
        logs = self._compare(peer, said, theirs, count.charged, now)
        return [*logs, *self._reminded(peer, said, pair, count.charged, now)] if payable else logs

    def _compare(self, peer: Peer, said: Stated, theirs: Statement, counted: int, now: float) -> list[Log]:
        payable = peer[0]
        clock = self._clock(now)
        kept = self._kept.get(peer)
        if kept is not None and theirs.when <= kept.theirs.when:
            return []
        if kept is None and not self._room(payable, counted):
            return []
        slack = said.slack + max(counted, theirs.charged, 0) // TOLERATED
        gap = theirs.charged - counted
        more = State.DISPUTED if payable else State.MORE
        state = more if gap > slack else State.LESS if gap < -slack else State.AGREES
        if kept is None:
            kept = self._kept[peer] = _Kept(said.wallet, theirs, counted, state)
            before, fell, known = State.AGREES, 0, theirs.when
        else:
            before, fell, known = kept.state, kept.theirs.charged - theirs.charged, kept.theirs.when
        kept.wallet, kept.theirs, kept.counted, kept.state = said.wallet, theirs, counted, state
        logs: list[Log] = []
        who = _name(peer)
        if fell > 0:
            why = (
                "as after a kill"
                if fell <= self._second
                else "its book was put back, or altered, or forgot a small old debt"
            )
            text = f"{who} signed {fell} wei less than at {known}: {why}"
            logs.append(self._note(kept, clock, text, "info" if fell <= self._second else "warning"))
        if state is State.AGREES:
            kept.agreed = clock
        elif state is not before:
            since = f"since {kept.agreed}" if kept.agreed else "since the first statement"
            does = {
                State.DISPUTED: f"claims {theirs.charged} wei in all, we count {counted}; the difference isn't paid",
                State.MORE: f"says that it owes {theirs.charged} wei in all, we count {counted}",
                State.LESS: f"counts {theirs.charged} wei in all, we count {counted}",
            }[state]
            text = f"{who} {does} ({since})"
            logs.append(self._note(kept, clock, text, "warning" if state is State.DISPUTED else "info"))
        self._touch(peer[1], now)
        return logs

    def _reminded(self, peer: Peer, said: Stated, pair: Pair, counted: int, now: float) -> list[Log]:
        """A creditor shows what we have signed: our own book may have lost it."""
        kept = self._kept.get(peer)
        if kept is None or not said.echo:
            return []
        try:
            ours = Statement.decode(said.echo)
        except MalformedError:
            return []
        lost = ours.charged - counted
        if lost <= 0 or not ours.is_by_debtor(pair):
            return []
        text = f"{_name(peer)} shows our own statement of {ours.when}, of {lost} wei more than our book has"
        if lost <= self._second:
            text += ": as after a kill"
        else:
            text += ": was an older copy of the data directory put back, or does this wallet pay for another Node, too?"
        if kept.notes and kept.notes[-1][1] == text:
            return []
        return [self._note(kept, self._clock(now), text, "info" if lost <= self._second else "warning")]

    @property
    def _second(self) -> int:
        """Wei that a second of charges is at most."""
        return SECOND * max(self._us.rates.routing_byte_rate, self._us.rates.exit_byte_rate)

    @staticmethod
    def _note(kept: _Kept, clock: int, text: str, level: str) -> Log:
        kept.notes = [*kept.notes, (clock, text)][-NOTES:]
        return Log(level, "statement", text)

    def _room(self, payable: bool, counted: int) -> bool:
        """Whether one more may be kept: beyond the bound, the account of which we count least goes, if it is less."""
        same = [(kept.counted, peer) for peer, kept in self._kept.items() if peer[0] == payable]
        if len(same) < MAX_STATEMENTS:
            return True
        least, peer = min(same)
        if least >= counted:
            return False
        del self._kept[peer]
        self._changed[_shard(peer[1])] = None
        return True

    # --- memory ---

    def join(self, save: Save) -> Save:
        """What is saved, and with it what it says was paid: neither counts without the other."""
        self._take_settled()
        if not self._changed:
            return save
        return replace(save, config=(*save.config, *self._rows()))

    def _take_settled(self) -> None:
        settled = self._ledger.settled
        if not settled:
            return
        for (payable, wallet), wei in settled.items():
            self._paid[payable, wallet] = self._paid.get((payable, wallet), 0) + wei
            self._changed[_shard(wallet)] = None
        settled.clear()
        while len(self._paid) > MAX_SETTLED:
            least = min(self._paid, key=lambda each: self._paid[each])
            del self._paid[least]
            self._changed[_shard(least[1])] = None

    def tick(self, now: float) -> list[SaveConfig]:
        """Save what is new."""
        if not self._unsaved.is_due(now):
            return []
        self._take_settled()
        return [SaveConfig(name, value) for name, value in self._rows()]

    def _rows(self) -> list[tuple[str, str]]:
        rows: dict[str, list[list[Any]]] = {name: [] for name in self._changed}
        for (payable, who), kept in self._kept.items():
            if (name := _shard(who)) in rows:
                words = [kept.wallet.hex(), kept.theirs.encode().hex(), str(kept.counted), kept.state]
                rows[name].append([payable, who.hex(), *words, kept.agreed, kept.notes])
        for (payable, wallet), wei in self._paid.items():
            if (name := _shard(wallet)) in rows:
                rows[name].append([payable, wallet.hex(), str(wei)])
        self._changed.clear()
        self._unsaved.take()
        return [(name, json.dumps(each)) for name, each in rows.items()]

    def _recall(self, shard: str | None) -> None:
        """What makes no sense is as good as nothing."""
        try:
            rows: Any = json.loads(shard or "[]")
            for payable, who, first, *rest in rows:
                peer: Peer = (bool(payable), bytes.fromhex(who))
                if not rest:
                    self._paid[peer] = int(first)
                    continue
                theirs, counted, state, agreed, notes = rest
                said = Statement.decode(bytes.fromhex(theirs))
                past = [(int(when), str(text)) for when, text in notes]
                self._kept[peer] = _Kept(bytes.fromhex(first), said, int(counted), State(state), int(agreed), past)
        except (ValueError, TypeError, RecursionError, MalformedError):
            return

    def _touch(self, who: bytes, now: float) -> None:
        self._changed[_shard(who)] = None
        self._unsaved.touch(now)

    @staticmethod
    def _is_time(times: dict[Peer, float], peer: Peer, now: float) -> bool:
        """Whether it is time for one more: they cost a signature each."""
        if now - times.get(peer, -STATEMENT_EVERY) < STATEMENT_EVERY:
            return False
        if len(times) >= 2 * MAX_STATEMENTS:
            for other in [other for other, at in times.items() if now - at >= STATEMENT_EVERY]:
                del times[other]
            if len(times) >= 2 * MAX_STATEMENTS:
                return False
        times[peer] = now
        return True

    def _clock(self, now: float) -> int:
        return int(self._epoch + now)

    @property
    def disputed(self) -> int:
        """Accounts whose other side claims more than we count."""
        return sum(kept.state is State.DISPUTED for kept in self._kept.values())

    def view(self) -> tuple[StatementView, ...]:
        """Those that differ first, and of these the largest difference."""

        def rank(each: tuple[Peer, _Kept]) -> tuple[bool, int]:
            kept = each[1]
            return kept.state is State.AGREES, -abs(kept.theirs.charged - kept.counted)

        return tuple(
            StatementView(
                peer[1].hex() if peer[0] else None,
                address_text(kept.wallet),
                "owed" if peer[0] else "earned",
                Wei(kept.theirs.charged),
                Wei(kept.counted),
                Wei(kept.theirs.paid),
                str(kept.state),
                kept.theirs.when,
                kept.agreed or None,
                tuple(f"{when}: {text}" for when, text in kept.notes),
            )
            for peer, kept in sorted(self._kept.items(), key=rank)
        )


def _name(peer: Peer) -> str:
    return f"Node {name_of(peer[1])}" if peer[0] else f"wallet {address_text(peer[1])}"


def _shard(who: bytes) -> str:
    return SHARDS[who[-1] % len(SHARDS)]
