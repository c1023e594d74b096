"""Four Nodes that serve and pay each other over a chain, and all that can go wrong with that (accounting.md 2).

Whatever happens, and in whatever order: nobody is paid twice, a kill costs a second of charges at most, and nobody is
banned who is known to have paid. When the world is kind again, all is paid, and the books say so.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from typing import Final

from tests.soak.chain import BLOCK_TIME, LEAP, PooledChain

from masq.chain.head import Prices
from masq.core.accountant.effects import Notice, Question, Save, Scan, SendPayments
from masq.core.accountant.search import ALL_AGAIN
from masq.core.accountant.thresholds import PaymentThresholds
from masq.core.effects import Log, SaveConfig
from masq.core.node import NodeEffect
from masq.errors import UnavailableError
from masq.sim.clock import EPOCH
from masq.sim.host import SimNode
from masq.sim.memory import Memory
from masq.sim.turn import ASK_AFTER, WAKE_AFTER
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download
from masq.sim.world import World
from masq.types import Address

NODES: Final = 4
CONFIRMATIONS: Final = 2
DEEPEST: Final = 8
"""Blocks that may be replaced: more than confirm a payment, and fewer than bury it."""
THRESHOLDS: Final = PaymentThresholds(2, 1, 120, 1, 1, 1)
SCAN_EVERY: Final = 20.0
TOKENS: Final = 10**24
LOST_AT_MOST: Final = 1.0
"""Seconds of charges that a kill may cost."""
SLACK: Final = ASK_AFTER + 2 * WAKE_AFTER
"""Seconds that a Node of the simulator is late."""
PATIENCE: Final = 20_000.0
"""Seconds in which all is well again: who was reverted again and again is tried after hours."""

FAULTS: Final[dict[str, dict[str, object]]] = {
    "away": {"away": True},
    "silent": {"silent": True},
    "refuses": {"refuses": True},
    "lags": {"lag": 4},
    "leaps": {"leap": LEAP},
    "shows half": {"half": True},
    "hides": {"hides": True},
    "hides and lags": {"hides": True, "lag": 4},
    "counts too many": {"miscounts": 2},
    "counts too few": {"miscounts": -1},
    "loses": {"lose_next": 2},
    "reverts": {"revert_next": 1},
    "price of nothing": {"prices": Prices(0)},
    "price of 1 wei": {"prices": Prices(1)},
    "price beyond all": {"prices": Prices(10**15)},
    "prices rise": {"prices": Prices(10**10), "floor": 10**10},
}
"""What may be wrong with the provider, or the chain."""
HIDES_LOGS: Final = frozenset({"lags", "shows half", "hides and lags"})
"""With these, books that were rolled back can't find what they had paid."""


def words(log: Log | Notice) -> str:
    return log.detail if isinstance(log, Log) else log.text


Key = tuple[bool, Address]
"""An account: whether it is a payable, and whose."""


class Watch:
    """What one owner's Nodes have ever charged, and what of it their deaths could cost."""

    def __init__(self) -> None:
        self.charged: Counter[Key] = Counter()
        self.unsaved: list[tuple[float, Key, int]] = []
        self.at_risk: Counter[Key] = Counter()
        """Charges that were lost with a Node, at most: what wasn't saved, and what a copy of its books didn't have."""
        self.copied: Counter[Key] = Counter()

    def charge(self, now: float, key: Key, wei: int) -> None:
        self.charged[key] += wei
        self.unsaved.append((now, key, wei))

    def save(self, key: Key, behind: int) -> None:
        """An account was saved that is so many wei behind what it is now: those came last."""
        kept = []
        for each in reversed(self.unsaved):
            if each[1] != key or behind > 0:
                kept.append(each)
            behind -= each[2] if each[1] == key else 0
        self.unsaved = kept[::-1]

    def saved(self) -> Counter[Key]:
        saved = self.charged.copy()
        for _, key, wei in self.unsaved:
            saved[key] -= wei
        return saved

    def die(self) -> None:
        for _, key, wei in self.unsaved:
            self.at_risk[key] += wei
        self.unsaved.clear()

    def copy(self) -> None:
        self.copied = self.saved()

    def roll_back(self) -> None:
        self.at_risk += self.charged - self.copied


class Town(World):
    """The world, what happens in it, and what always holds."""

    chain: PooledChain

    def __init__(self, seed: int) -> None:
        super().__init__(seed, chain=PooledChain())
        self.watches = [Watch() for _ in range(NODES)]
        self.copies: dict[int, Memory] = {}
        self.killed = 0
        self.rolled_back = False
        self.harmed = False
        """Whether anything but service and time has happened."""
        self.doomed: dict[int, int] = {}
        """By number of a Node: before which of its next effects it is killed."""
        self.servers["files.test", 80] = Download
        for _ in range(NODES):
            self.watch(
                self.add(
                    self.hosts[-2:],
                    thresholds=THRESHOLDS,
                    scan_every=SCAN_EVERY,
                    confirmations=CONFIRMATIONS,
                    tokens=TOKENS,
                )
            )
            self.run(0.5)
        self.clock.later(self._mine, BLOCK_TIME)
        self.run(10)

    def _mine(self) -> None:
        self.chain.mine()
        self.clock.later(self._mine, BLOCK_TIME)

    def watch(self, host: SimNode) -> None:
        ledger, watch = host.node.accountant.ledger, self.watches[host.number]
        book = ledger.book

        def watched(payable: bool, wallet: Address, wei: int, now: int) -> bool:
            booked = book(payable, wallet, wei, now)
            if booked and host.alive:  # What still arrives at a Node that was killed is nobody's.
                watch.charge(self.now, (payable, wallet), wei)
            return booked

        ledger.book = watched  # type: ignore[method-assign]

    def note(self, number: int, effect: NodeEffect) -> None:
        """Money is written before it moves; and a Node may die before any effect that has to do with it."""
        host = self.hosts[number] if number < len(self.hosts) else None
        if host is None or not host.alive or not isinstance(effect, Save | Question | SaveConfig):
            return
        if number in self.doomed:
            self.doomed[number] -= 1
            if self.doomed[number] <= 0:
                self.kill(number)
                return
        if isinstance(effect, SendPayments):
            for payment in effect.payments:
                assert payment.latest in host.memory.payments[payment.hash].variants, "written before it moves"
        if isinstance(effect, Save):
            self.is_saved(host, effect)

    def is_saved(self, host: SimNode, save: Save) -> None:
        ledger, watch = host.node.accountant.ledger, self.watches[host.number]
        for entry in save.entries:
            account = (ledger.payables if entry.payable else ledger.receivables).get(entry.wallet)
            watch.save((entry.payable, entry.wallet), account.wei - entry.wei if account else 0)
        for wallet in save.banned:
            self.is_not_wronged(host, wallet)

    # --- what happens ---

    def browse(self, number: int, size: int, seconds: float) -> None:
        host = self.hosts[number]
        if host.alive:
            client = Application()
            try:
                host.open(client, "files.test", 80)
                client.send(b"%d\n" % size)
            except UnavailableError:
                pass
        self.run(seconds)

    def scan(self, number: int, scan: Scan) -> None:
        host = self.hosts[number]
        host.carry(host.node.scan(scan, self.now))

    def kill(self, number: int) -> None:
        self.doomed.pop(number, None)
        self.harmed = True
        host = self.hosts[number]
        if host.alive:
            self.little_is_unsaved(number)
            host.crash()
            self.killed += 1
            self.watches[number].die()

    def doom(self, number: int, effects: int) -> None:
        self.doomed[number] = effects

    def restart(self, number: int) -> None:
        host = self.hosts[number]
        if host.alive:
            return
        others = [other for other in self.hosts if other.alive]
        # It remembers what it has counted, and not what else it was shown.
        self.chain.shown[host.earning.address] = {each.hash: None for each in host.memory.earned}
        self.watch(
            self.add(
                others[:2], thresholds=THRESHOLDS, scan_every=SCAN_EVERY, confirmations=CONFIRMATIONS, replacing=host
            )
        )

    def set_clock(self, number: int, ahead: float) -> None:
        self.harmed = True
        host = self.hosts[number]
        host.carry(host.node.set_clock(EPOCH + ahead, self.now))

    def copy_books(self, number: int) -> None:
        self.copies[number] = copy.deepcopy(self.hosts[number].memory)
        self.watches[number].copy()

    def put_back(self, number: int) -> None:
        if number not in self.copies:
            return
        self.rolled_back = True
        self.kill(number)
        host = self.hosts[number]
        older = copy.deepcopy(self.copies[number])
        host.owner = replace(host.owner, memory=older)
        self.watches[number].roll_back()
        # Books that were rolled back know nothing of what waits above a gap in the nonces, and nobody tells them.
        self.chain.forget(host.consuming.address)
        self.restart(number)

    def provider(self, fault: str) -> None:
        if self.rolled_back and fault in HIDES_LOGS:
            return
        self.harmed = True
        for name, value in FAULTS[fault].items():
            setattr(self.chain, name, value)

    def provider_is_honest(self) -> None:
        self.chain.be_honest()

    def reorganise(self, depth: int, forgets: bool) -> None:
        self.harmed = True
        # Who is shown a made-up head for a minute takes for deep what isn't: that it is forgotten then is too much.
        self.chain.reorganise(depth, forgets and not self.rolled_back and not self.chain.leap)

    def pay(self, number: int) -> None:
        """Its user browses, and a payment for that is on its way to a block, unless it takes long."""
        self.browse(number, 100_000, 3.0)
        wallet = self.hosts[number].consuming.address
        self.run_until(lambda: any(sender == wallet for sender, _ in self.chain.pool), 60)

    def revert(self) -> None:
        self.harmed = True
        self.chain.revert_next = 1

    def lose(self, number: int) -> None:
        self.harmed = True
        self.chain.lose(self.hosts[number].consuming.address)

    def spend(self, number: int) -> None:
        self.harmed = True
        self.chain.spend(self.hosts[number].consuming.address)

    # --- what always holds ---

    def always(self) -> None:
        self.nobody_is_paid_twice()
        for host in self.hosts:
            if host.alive:
                self.little_is_unsaved(host.number)
                self.one_payment_each(host)

    def nobody_is_paid_twice(self) -> None:
        for payer, watch in zip(self.hosts, self.watches, strict=True):
            for payee in self.hosts:
                paid = self.chain.paid(payer.consuming.address, payee.earning.address)
                charged = watch.charged[True, payee.earning.address]
                assert paid <= charged, f"Node {payer.number} paid {paid} wei to {payee.number} for {charged}"

    def little_is_unsaved(self, number: int) -> None:
        since = min((when for when, _, _ in self.watches[number].unsaved), default=self.now)
        age = self.now - since
        assert age <= LOST_AT_MOST + SLACK, f"Node {number} would lose charges of {age} s"

    def one_payment_each(self, host: SimNode) -> None:
        kept = host.memory.payments.values()
        assert len({(each.sender, each.nonce) for each in kept}) == len(kept), "two payments with one nonce"

    def is_not_wronged(self, host: SimNode, wallet: Address) -> None:
        """Who is banned owes, by what was charged, less what the Node was ever shown of his payments."""
        charged = self.watches[host.number].charged[False, wallet]
        known = self.chain.known_to(host.earning.address, wallet)
        assert charged - known > THRESHOLDS.permanent, f"Node {host.number} bans for {charged - known} wei"
        assert self.harmed, f"Node {host.number} bans in a world in which nothing has gone wrong"

    # --- the end ---

    def banned_rightly(self, host: SimNode) -> bool:
        """Those who are banned owe: their Nodes have lost charges, which they don't pay therefore."""
        return all(host.memory.entries[False, wallet].wei > THRESHOLDS.release for wallet in host.memory.banned)

    def is_well(self) -> bool:
        return (
            all(
                not host.node.accountant.view(self.now).payments
                and all(each.wei <= THRESHOLDS.permanent for each in host.node.accountant.ledger.payables.values())
                and self.banned_rightly(host)
                for host in self.hosts
            )
            # What waits and was paid by books that were rolled back, nobody knows of.
            and (self.rolled_back or not self.chain.pool)
        )

    def settle(self) -> None:
        """The world is kind from now on."""
        self.chain.be_honest()
        self.doomed.clear()
        for number in range(NODES):
            self.restart(number)
            host = self.hosts[number]
            host.carry(host.node.set_clock(EPOCH, self.now))
        self.run(60)
        began = self.now
        while not self.is_well():
            self.always()
            self.run(100)
            assert self.now - began < PATIENCE, self.unwell()
        # Until nothing that is booked could still be undone, and every payment was found: those of blocks that a
        # provider showed without their logs four times, by a search of all of them.
        self.run(300 + ALL_AGAIN * SCAN_EVERY)
        self.always()
        self.books_are_right()

    def story(self) -> Counter[str]:
        """What has happened, for people to see that something does."""
        said = [words(log) for host in self.hosts for log in host.logs]
        story = Counter(paid=len(self.chain.accepted), replaced=len(self.chain.forks), killed=self.killed)
        for what in ("undone", "displaced", "reverted", "banned"):
            story[what] = sum(what in detail for detail in said)
        return story

    def unwell(self) -> str:
        lines = [f"not well after {PATIENCE} s:"]
        for host in self.hosts:
            view = host.node.accountant.view(self.now)
            last = [words(log) for log in host.logs[-5:]]
            lines.append(f"Node {host.number}: {view.payables} {view.payments} {view.banned} {last}")
        lines.append(f"waiting: {list(self.chain.pool.values())}")
        return "\n".join(lines)

    def books_are_right(self) -> None:
        """What was charged was paid, or is owed, or was lost with a Node: on both sides."""
        for payer in self.hosts:
            for payee in self.hosts:
                if payer is payee:
                    continue
                paid = self.chain.paid(payer.consuming.address, payee.earning.address)
                debit, credit = (True, payee.earning.address), (False, payer.consuming.address)
                for host, key in ((payer, debit), (payee, credit)):
                    entry, watch = host.memory.entries.get(key), self.watches[host.number]
                    lost = watch.charged[key] - (entry.wei if entry else 0) - paid
                    what = f"of Node {payer.number}'s debt to {payee.number}, {host.number} has lost {lost} wei"
                    assert 0 <= lost <= watch.at_risk[key], f"{what}, and could lose {watch.at_risk[key]}"
                if not self.harmed:
                    charged = self.watches[payer.number].charged[debit]
                    assert charged == self.watches[payee.number].charged[credit], "debits and credits differ"
