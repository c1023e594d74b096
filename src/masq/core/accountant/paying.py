"""Pays what we owe: each debt once, whatever a provider loses, hides or makes up (accounting.md 2.4 to 2.6).

Money is written before it moves: a payment is signed, saved, and only then sent. What is lost, late or said twice, the
same bytes are sent again. If their price is too low, a variant with the same nonce is signed: a chain takes one of them
at most. A second payment for a debt is made only when another transaction is seen to have the nonce of the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from masq.chain.receipt import Receipt
from masq.core.accountant.effects import (
    AccountantEffect,
    AskUse,
    Notice,
    Paid,
    Part,
    Payment,
    Save,
    SendPayments,
    State,
)
from masq.core.accountant.fees import Fee, Fees
from masq.core.accountant.ledger import Ledger
from masq.core.accountant.nonces import Nonces
from masq.core.accountant.payments import BOOKED, ENDS, UNDER_WAY, Look, Payments, Seen, after, outcome, with_variant
from masq.core.accountant.promises import Promises
from masq.core.accountant.search import Counted, Search
from masq.core.accountant.selection import Due, Selection
from masq.core.accountant.signing import Many, Signer, Signing
from masq.core.accountant.terms import Means, Terms
from masq.core.accountant.thresholds import PaymentThresholds
from masq.core.accountant.told import Told
from masq.core.accountant.worth import ANY_SHARE, GasShare
from masq.types import Address, address_text, amount_text

DOUBT_FOR: Final = 120.0
"""Seconds that a provider has to show what used the nonce of a payment, before it is asked for that by itself. Behind
one URL are often several servers, of which one may count a transaction before another shows its receipt."""
SLOW_AFTER: Final = 300
"""Seconds after which more is offered for a payment that no block takes, though its price should do."""
LOW_AFTER: Final = 15
"""The same, where its price is below what is needed."""


class Paying:
    """All that is paid, and to be paid, by one consuming wallet."""

    def __init__(  # noqa: PLR0913 - a payment has many sides
        self,
        wallet: Address | None,
        sign: Signer | None,
        ledger: Ledger,
        payments: Payments,
        outgo: Search,
        thresholds: PaymentThresholds,
        fees: Fees,
        told: Told,
        gas_share: GasShare = ANY_SHARE,
        many: Many | None = None,
        promises: Promises | None = None,
    ) -> None:
        self._wallet = wallet or b""
        self._signing = None if sign is None else Signing(self._wallet, sign, many)
        self._ledger = ledger
        self.payments = payments
        self.outgo = outgo
        """Transfers from the wallet, as blocks show them."""
        self._fees = fees
        self._told = told
        self._contract = many.contract if many else None
        self.promises = promises or Promises(None, None, ledger, None)
        promised = self.promises.promised
        self.selection = Selection(ledger, payments, outgo, thresholds, fees, gas_share, self._contract, promised)
        self.nonces = Nonces(self._wallet, payments)
        self._doubted: dict[bytes, float] = {}
        """Payments whose nonce is used and that nothing shows: since when."""
        for each in payments:
            if each.state in BOOKED:
                # It is forgotten before its log is seen again if the Node was down for long.
                self._know(each, (variant.hash for variant in each.variants), each.block or 0)
        self._earlier: set[bytes] = set()
        """What the wallet had sent before the start, and was not deep when that became known."""
        self.means: Means | None = None
        self.paid = 0
        """Wei confirmed since the start."""

    def look_into_purse(self, tokens: int, coins: int, clock: int) -> None:
        """What the wallet has, seen while nothing was due."""
        self.means = Means(tokens, coins, self.means.lacking if self.means else 0, clock)

    @property
    def can_pay(self) -> bool:
        return self._signing is not None

    def outlook(self, creditor: Address, owed: int, release: int) -> str:
        """What will be done, or what our user can do, about a creditor who serves the wallet no more.

        `owed`: what we count, in wei. `release`: what may be left, as the creditor says.
        """
        means, wallet = self.means, address_text(self._wallet)
        parts = [part for each in self.payments.under_way for part in each.made_to]
        under_way = sum(each.wei for each in parts if each.creditor == creditor)
        if under_way:
            return f"{amount_text(under_way)} are under way: it serves again once they are confirmed, and it has looked"
        if self.promises.promised(creditor):
            return f"a voucher promises it: see that {wallet} has it, and lets the contract pay (`masq wallet allow`)"
        if self.promises.takes(creditor) and owed:
            return "it may want a voucher: set vouchers to give, and let pay-many's contract pay (`masq wallet allow`)"
        if owed <= release:
            return "we count no such debt: if it was just paid, wait some minutes; else compare books: `masq audit`"
        if any(each.creditor == creditor for each in self.selection.dear):
            return "it is paid when its gas costs less, or before anybody bans for it (gas-share)"
        if means is not None and means.tokens < owed - release:
            missing = amount_text(owed - release - means.tokens)
            return f"send at least {missing} to {wallet}, which has {amount_text(means.tokens)}"
        if means is not None and means.coins == 0:
            return f"send {wallet} a little of the chain's coin: without it no payment can be sent"
        return "it is paid when payment-thresholds say so (`masq scan payables`): lower ones pay sooner"

    @property
    def searched(self) -> tuple[tuple[str, str], ...]:
        """What has to be saved of the search for transfers of ours."""
        if self.outgo.next is None:
            return ()
        return ("outgo_block", str(self.outgo.next)), ("known_outgo", self.outgo.known)

    def due(self, clock: int) -> list[Due]:
        """What is to be paid now, oldest debt first."""
        return self.selection.due(clock) if self.can_pay else []

    # --- signing ---

    def terms(self, terms: Terms, clock: int, now: float) -> list[AccountantEffect] | None:
        """The chain's answer: sign what can be afforded. None: what was paid before the start isn't known."""
        if self._signing is None:
            return []
        fee = self._fees.suggested(terms.head, terms.prices)
        if isinstance(fee, str):
            text = f"nothing is paid, as what the provider says can't be right: {fee}. If it lasts, use another one"
            return [*self._told.say("fee", "warning", text, now)]
        self._told.over("fee")
        problem = self.nonces.odd(terms, now)
        if problem:
            return [*self._told.say("nonce", "warning", problem, now)]
        self._told.over("nonce")
        if not self.nonces.sure:
            if not self.nonces.look_whether_sure(terms.nonce, terms.head.number, now):
                return None
            self._earlier = {hash for hash, _ in self.outgo.visible}
        made, notices = self._sign_due(self._signing, terms, fee, clock, now)
        return [*notices, *self._begin(made)]

    def _sign_due(
        self, signing: Signing, terms: Terms, fee: Fee, clock: int, now: float
    ) -> tuple[list[Payment], list[Notice]]:
        waiting = [each for each in self.payments.under_way if each.sender == self._wallet]
        due = self.selection.worth_it(terms, fee, clock)
        tokens = terms.tokens - sum(each.wei for each in waiting)
        parts, lacking = self.selection.affordable(due, tokens, terms, fee, clock)
        coins = terms.coins - sum(each.latest.most * terms.gas(len(each.parts)) for each in waiting)
        nonces = self.nonces.free(terms)
        groups = self.selection.groups(parts, waiting, terms)
        made: list[Payment] = []
        short_of_coins = 0
        while groups:
            group = groups.pop(0)
            cost = fee.most * terms.gas(len(group))
            if cost <= coins:
                made.append(signing.payment(group, next(nonces), fee, clock))
                coins -= cost
            elif len(group) > 1:
                groups[:0] = [(each,) for each in group]
            else:
                short_of_coins += 1
        self.means = Means(terms.tokens, terms.coins, lacking, clock)
        cost = fee.most * terms.gas_per_payment
        return made, [*self._poor(lacking, short_of_coins, cost, now), *self._not_together(parts, terms, now)]

    def _not_together(self, parts: Sequence[Part], terms: Terms, now: float) -> list[Notice]:
        """Why those that are due are not paid in one transaction, as it is wanted."""
        if self._contract is None or len(parts) < 2:
            return []
        owed = sum(each.wei for each in parts)
        if isinstance(terms.allowance, int):
            if owed <= terms.allowance:
                self._told.over("many")
                return []
            why = f"it may move {amount_text(terms.allowance)} of {amount_text(owed)} (`masq wallet allow`)"
        else:
            why = terms.allowance or "nobody has asked what it may move"
        text = f"not all creditors are paid by the contract {address_text(self._contract)} (pay-many): {why}"
        return [*self._told.say("many", "warning", text, now)]

    def _poor(self, lacking: int, short_of_coins: int, cost: int, now: float) -> list[Notice]:
        notices: list[Notice] = []
        wallet = address_text(self._wallet)
        if lacking:
            text = f"the consuming wallet has not enough tokens: send {lacking} wei of them to {wallet}"
            notices += self._told.say("tokens", "warning", f"{text}, or creditors will ban it", now)
        else:
            self._told.over("tokens")
        if short_of_coins:
            text = f"the consuming wallet has not enough coins for gas: send {short_of_coins * cost} wei to {wallet}"
            notices += self._told.say("coins", "warning", f"{text}, or creditors will ban it", now)
        else:
            self._told.over("coins")
        return notices

    def _begin(self, made: Sequence[Payment]) -> list[AccountantEffect]:
        if not made:
            return []
        for payment in made:
            self.payments.put(payment)
        save = Save(entries=self._ledger.take_changes(), payments=tuple(made))
        return [save, SendPayments(tuple(made))]

    def sent(self, results: Sequence[str | None], payments: Sequence[Payment], now: float) -> list[AccountantEffect]:
        """Which payments the provider took (None) or refused (why). Either way the chain decides, later."""
        effects: list[AccountantEffect] = []
        moved: list[Payment] = []
        for payment, problem in zip(payments, results, strict=True):
            known = self.payments.get(payment.hash)
            if known is None:
                continue
            key = f"sent {payment.hash.hex()}"
            if problem:
                text = f"the provider did not take {_what(payment)}: {problem}; it is sent again later"
                effects += self._told.say(key, "warning", text, now)
                continue
            self._told.over(key)
            state = after(known.state, Seen.TAKEN)
            if state is not known.state:
                moved.append(replace(known, state=state))
                self.payments.put(moved[-1])
        return [*([Save(payments=tuple(moved))] if moved else []), *effects]

    # --- what becomes of them ---

    def look(self, look: Look, clock: int, now: float) -> list[AccountantEffect]:
        """What the chain shows of the payments that are kept."""
        changed: list[Payment] = []
        over: list[bytes] = []
        paid: list[Paid] = []
        notices: list[AccountantEffect] = []
        again: list[Payment] = []
        for payment in list(self.payments):
            found = self.payments.see(payment, look, clock)
            notices += self._incomplete(payment, look, now)
            if found is None:
                continue
            seen, receipt = found
            notices += self._doubt(payment, seen, now)
            if receipt is not None and payment.sender == self._wallet:
                self.nonces.used(payment.nonce)
            moved = self._move(payment, seen, receipt, paid, clock, now, notices)
            if moved.state in ENDS:
                over.append(moved.hash)
            elif moved.state in UNDER_WAY and seen is Seen.WAITING:
                moved = self._raise(moved, look, clock, now, notices)
                if moved != payment or look.nonces[payment.sender][1] <= payment.nonce:
                    again.append(moved)  # No pool has it, or not this variant.
            if moved != payment:
                changed.append(moved)
        again += self._fill(look, clock, now, notices, changed)
        kept = tuple(each for each in changed if each.state not in ENDS)
        if changed or over:
            entries = self._ledger.take_changes()
            # What was booked by a receipt must not count again when a log shows it, whenever the Node dies.
            config = self.searched if over else ()
            notices.insert(
                0,
                Save(entries=entries, payments=kept, ended_payments=tuple(over), paid=tuple(paid), config=config),
            )
        if again:
            notices.append(SendPayments(tuple(again)))
        return notices

    def _move(
        self,
        payment: Payment,
        seen: Seen,
        receipt: Receipt | None,
        paid: list[Paid],
        clock: int,
        now: float,
        notices: list[AccountantEffect],
    ) -> Payment:
        """Into the state that follows from what is seen; the books follow."""
        state = after(payment.state, seen)
        block = receipt.block if receipt is not None else payment.block
        shown = outcome(payment, receipt) if receipt is not None and receipt.succeeded else None
        parts = payment.parts if shown is None else shown
        if state is payment.state and (state not in BOOKED or parts == payment.parts):
            return replace(payment, block=block) if block != payment.block else payment
        was, booked = payment.state in BOOKED, state in BOOKED
        moved = replace(payment, state=state, block=block, parts=parts if booked else _as_signed(parts))
        what = _what(payment)
        if was and (not booked or parts != payment.parts):
            self._unbook(payment)
        if booked and (not was or parts != payment.parts):
            self._book(moved, receipt, paid, clock)
            for part in moved.made_to:
                notices.append(Notice("info", f"{part.wei} wei were paid to {address_text(part.creditor)}"))
            for part in moved.parts:
                if part.failed:
                    notices += self._failed(
                        part.creditor, f"the part of {what} for {address_text(part.creditor)}", clock
                    )
        elif was and not booked:
            notices.append(Notice("warning", f"{what} is undone: its block was replaced"))
        if state is State.REVERTED:
            for part in payment.parts or payment.made_to or (Part(payment.creditor, 0),):
                told = self._failed(part.creditor, what, clock)
            notices += told
        elif state is State.DISPLACED:
            notices.append(Notice("warning", f"{what} was displaced by another transaction of its wallet"))
        if state in ENDS:
            self.payments.end(payment)
            self._doubted.pop(payment.hash, None)
            self._told.over(f"sent {payment.hash.hex()}")
        else:
            self.payments.put(moved)
        return moved

    def _failed(self, creditor: Address, what: str, clock: int) -> list[Notice]:
        """A creditor couldn't be paid: when that is tried again."""
        wait = self.selection.failed(creditor, clock)
        text = f"{what} was reverted by the token's contract: it is tried again in {wait // 60} minutes"
        return [Notice("warning", text)]

    def _book(self, payment: Payment, receipt: Receipt | None, paid: list[Paid], clock: int) -> None:
        hash = receipt.transaction_hash if receipt is not None else payment.latest.hash
        block = receipt.block if receipt is not None else self.payments.shown.get(hash, payment.block or 0)
        fee = receipt.fee if receipt is not None else None
        parts = payment.made_to
        self._know(payment, (hash,), block)
        for number, part in enumerate(parts):
            self._ledger.settle(True, part.creditor, part.wei, payment.made)
            self.selection.succeeded(part.creditor)
            self.paid += part.wei
            # What the transaction cost is shared; wei that can't be are the first one's.
            share = None if fee is None else fee // len(parts) + (fee % len(parts) if not number else 0)
            paid.append(Paid(hash, part.creditor, part.wei, block, share, clock, payment.sender))

    def _know(self, payment: Payment, hashes: Iterable[bytes], block: int) -> None:
        """It was booked: logs of it are no news."""
        for hash in hashes:
            for part in payment.made_to:
                self.outgo.know(hash, part.creditor, block, part.wei)

    def _unbook(self, payment: Payment) -> None:
        for part in payment.made_to:
            self._ledger.unsettle(True, part.creditor, part.wei, payment.made)
            self.paid -= part.wei

    def _incomplete(self, payment: Payment, look: Look, now: float) -> list[Notice]:
        """Tell of a receipt that doesn't say what became of each part."""
        key = f"incomplete {payment.hash.hex()}"
        receipts = [look.receipts.get(variant.hash) for variant in payment.variants]
        if not any(each and each.succeeded and outcome(payment, each) is None for each in receipts):
            self._told.over(key)
            return []
        text = (
            f"the receipt of {_what(payment)} doesn't show who was paid: nobody in it is paid again until that is "
            "known; another provider may know more"
        )
        return self._told.say(key, "warning", text, now)

    def _doubt(self, payment: Payment, seen: Seen, now: float) -> list[AccountantEffect]:
        """Ask what used a nonce, if nothing has shown it for long. Until it is shown, the debt isn't paid again."""
        key = f"doubt {payment.hash.hex()}"
        if seen is not Seen.USED:
            self._doubted.pop(payment.hash, None)
            self._told.over(key)
            return []
        since = self._doubted.setdefault(payment.hash, now)
        if now - since < DOUBT_FOR:
            return []
        text = (
            f"what became of {_what(payment)} isn't shown: something used its nonce {payment.nonce}, and the provider "
            "has no receipt of it. It isn't made again until that is known; another provider may know more"
        )
        ask = AskUse(payment.hash, payment.sender, payment.nonce)
        return [ask] if payment.state in BOOKED else [ask, *self._told.say(key, "warning", text, now)]

    def used(self, hash: bytes, user: bytes | None, block: int, head: int) -> bool:
        """What used the nonce of a payment: a transaction, in a block. Whether that displaces the payment for good."""
        payment = self.payments.get(hash)
        if payment is None or user is None or block > head - self.payments.confirmations:
            return False
        # Whether it did what it should, a receipt will show, or a log.
        return all(variant.hash != user for variant in payment.variants)

    def displaced(self, hash: bytes, clock: int, now: float) -> list[AccountantEffect]:
        payment = self.payments.get(hash)
        if payment is None:
            return []
        notices: list[AccountantEffect] = []
        self._move(payment, Seen.OTHER, None, [], clock, now, notices)
        return [Save(entries=self._ledger.take_changes(), ended_payments=(hash,)), *notices]

    def _raise(self, payment: Payment, look: Look, clock: int, now: float, notices: list[AccountantEffect]) -> Payment:
        """Offer more for what waits too long, or can't be mined for its price."""
        if self._signing is None or payment.sender != self._wallet:
            return payment
        age = clock - payment.latest.made
        low = self._fees.too_low(payment.latest, look.head, look.prices)
        first = look.nonces[payment.sender][0] == payment.nonce
        if not (low and age >= LOW_AFTER) and not (first and age >= SLOW_AFTER):
            return payment
        suggested = self._fees.suggested(look.head, look.prices)
        fee = suggested if isinstance(suggested, str) else self._fees.raised(payment.variants, suggested)
        key = f"raise {payment.hash.hex()}"
        if fee is None or isinstance(fee, str):
            text = f"{_what(payment)} waits, and no more is offered for it: {fee or 'its price is at its bound'}"
            notices += self._told.say(key, "warning", text, now)
            return payment
        raised = with_variant(payment, self._signing.again(payment, fee, clock))
        self.payments.put(raised)
        notices.append(Notice("info", f"{_what(payment)} waits: {fee.most} wei per gas are offered for it now"))
        return raised

    def _fill(
        self, look: Look, clock: int, now: float, notices: list[AccountantEffect], changed: list[Payment]
    ) -> list[Payment]:
        """Use nonces that nobody uses, below those of payments: they would wait for ever."""
        missing = self.nonces.to_fill(look.nonces.get(self._wallet), now)
        fee = self._fees.suggested(look.head, look.prices)
        if self._signing is None or not missing or isinstance(fee, str):
            return []
        fillers = [self._signing.payment((Part(self._wallet, 0),), nonce, fee, clock) for nonce in missing]
        for filler in fillers:
            self.payments.put(filler)
        changed += fillers
        text = f"payments wait for nonce {missing[0]} of the consuming wallet, which nobody uses: it is filled"
        notices.append(Notice("warning", text))
        return fillers

    # --- what logs show ---

    def shown(self, found: Iterable[Counted], clock: int, now: float) -> list[AccountantEffect]:
        """Transfers of the consuming wallet that blocks hold.

        One from before the start that these books don't know was made by what they were before they were rolled back,
        or by another program with the same wallet: either way the creditor has the money.
        """
        paid: list[Paid] = []
        notices: list[AccountantEffect] = []
        for hash in self.outgo.missing & self.payments.shown.keys():
            # Its block was replaced, or the provider left it out: it may be found anew.
            del self.payments.shown[hash]
            self.outgo.undo(hash)
        for each in found:
            if self.payments.show(each.hash, each.block):
                continue
            who = address_text(each.wallet)
            if each.wallet not in self._ledger.payables:
                continue
            redeemed = self.promises.redeemed(each.wallet, each.wei)
            if not redeemed and self.nonces.sure and each.hash not in self._earlier:
                text = f"{each.wei} wei went from the consuming wallet to {who}, and not by this Node"
                notices += self._told.say(f"foreign {each.hash.hex()}", "info", text, now)
                continue
            self._ledger.settle(True, each.wallet, each.wei, clock)
            self.paid += each.wei
            paid.append(Paid(each.hash, each.wallet, each.wei, each.block, None, clock, self._wallet))
            if redeemed:
                notices.append(Notice("info", f"{who} has redeemed {each.wei} wei of what was promised to it"))
                continue
            text = f"the chain shows a payment of {each.wei} wei to {who} that these books don't know: it counts"
            notices.append(Notice("warning", text))
        if paid:
            config = (*self.searched, *self.promises.rows)
            save = Save(entries=self._ledger.take_changes(), paid=tuple(paid), config=config)
            notices.insert(0, save)
        return notices


def _what(payment: Payment) -> str:
    if payment.fills:
        return f"the transaction that fills nonce {payment.nonce}"
    if payment.parts:
        return f"a payment of {payment.wei} wei to {len(payment.parts)} creditors"
    return f"a payment of {payment.wei} wei to {address_text(payment.creditor)}"


def _as_signed(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """As if nothing was known of them: in another block all may be made."""
    return tuple(part._replace(failed=False) for part in parts)
