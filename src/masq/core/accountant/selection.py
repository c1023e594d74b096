"""Which debts are paid now, how much of each, and which of them together (accounting.md 2.2, 2.4).

The oldest debt first; what isn't worth its gas waits as long as nobody bans for it; a creditor whose payment was
reverted is tried again later and later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from masq.chain.disperser import MOST_PARTS
from masq.core.accountant.effects import Part, Payment
from masq.core.accountant.fees import Fee, Fees
from masq.core.accountant.ledger import Ledger
from masq.core.accountant.payments import Payments
from masq.core.accountant.search import Search
from masq.core.accountant.terms import Terms
from masq.core.accountant.thresholds import PaymentThresholds
from masq.core.accountant.worth import GasShare, can_t_wait
from masq.types import Address

RETRY_REVERTED: Final = 600
"""Seconds after which a debt whose payment was reverted twice is tried again; twice as many after each further time."""
MOST_RETRY: Final = 86_400
LEAST_PART: Final = 100
"""What can be paid of a debt isn't paid if it is less than a so manyth part."""


class Due(NamedTuple):
    """A debt that is to be paid. In the order in which debts are: the oldest first."""

    since: int
    creditor: Address
    wei: int


@dataclass(frozen=True, slots=True)
class Dear:
    """A debt that is due, and waits until its gas costs less."""

    creditor: Address
    wei: int
    gas: int
    """What its gas would have cost when that was last looked at, in wei of MASQ."""


class Selection:
    """Of the debts of one consuming wallet."""

    def __init__(
        self,
        ledger: Ledger,
        payments: Payments,
        outgo: Search,
        thresholds: PaymentThresholds,
        fees: Fees,
        gas_share: GasShare,
        contract: Address | None,
        promised: Callable[[Address], int] = lambda _: 0,
    ) -> None:
        """`promised`: wei that a creditor gets by a voucher."""
        self._ledger = ledger
        self._payments = payments
        self._outgo = outgo
        self._thresholds = thresholds
        self._fees = fees
        self._contract = contract
        self._promised = promised
        self.gas_share = gas_share
        self.dear: tuple[Dear, ...] = ()
        """What waited when it was last decided what to pay, the oldest debt first."""
        self._reverted: dict[Address, tuple[int, int]] = {}
        """Creditors whose last payment was reverted: when to try again, and after how many seconds the time after."""

    def due(self, clock: int) -> list[Due]:
        """What is to be paid now, oldest debt first."""
        visible = {wallet for hash, wallet in self._outgo.visible if self._payments.of(hash) is None}
        return sorted(
            Due(account.since, creditor, wei)
            for creditor, account in self._ledger.payables.items()
            if (wei := account.wei - self._promised(creditor)) > 0
            and self._thresholds.to_be_paid(wei, clock - account.since)
            and clock >= self._reverted.get(creditor, (0, 0))[0]
            and not self._payments.pays(creditor)
            and creditor not in visible
        )

    def worth_it(self, terms: Terms, fee: Fee, clock: int) -> list[Due]:
        """What of it is paid at today's price of gas: what is worth it, and what can't wait."""
        due = self.due(clock)
        price, paid = self._fees.expected(fee, terms.head), list(due)
        while True:
            # The fewer are paid together, the more each costs.
            together = [each for each in paid if self._goes_along(each.creditor, each.wei, terms)]
            count = min(len(together), MOST_PARTS)
            alone, shared = price * terms.gas(1), price * terms.gas(count) // max(1, count)
            costs = {each.creditor: alone for each in paid} | {each.creditor: shared for each in together}
            left = [each for each in paid if self._is_worth(each, each.wei, costs[each.creditor], clock)]
            if len(left) == len(paid):
                break
            paid = left
        kept = {each.creditor for each in paid}
        gas = self.gas_share.in_masq(price * terms.gas(1))
        self.dear = tuple(Dear(each.creditor, each.wei, gas) for each in due if each.creditor not in kept)
        return paid

    def affordable(self, due: Iterable[Due], tokens: int, terms: Terms, fee: Fee, clock: int) -> tuple[list[Part], int]:
        """What is paid to whom with so many tokens, and how many are lacking."""
        expected = self._fees.expected(fee, terms.head) * terms.gas_per_payment
        parts: list[Part] = []
        lacking = 0
        for each in due:
            part = min(each.wei, tokens)
            if part < each.wei:
                lacking += each.wei - max(0, part)
                if part * LEAST_PART < each.wei or not self._is_worth(each, part, expected, clock):
                    continue
            parts.append(Part(each.creditor, part))
            tokens -= part
        return parts, lacking

    def groups(self, parts: Sequence[Part], waiting: Iterable[Payment], terms: Terms) -> list[tuple[Part, ...]]:
        """Who is paid together, as far as the contract may move that much; the others alone."""
        left = terms.allowance if isinstance(terms.allowance, int) else 0
        left -= sum(each.wei for each in waiting if each.parts)
        together: list[Part] = []
        alone: list[tuple[Part, ...]] = []
        for part in parts:
            if part.wei <= left and self._goes_along(part.creditor, part.wei, terms):
                together.append(part)
                left -= part.wei
            else:
                alone.append((part,))
        groups = [tuple(together[at : at + MOST_PARTS]) for at in range(0, len(together), MOST_PARTS)]
        return [*groups, *alone]

    def failed(self, creditor: Address, clock: int) -> int:
        """A payment to it was reverted: seconds until that is tried again."""
        wait = self._reverted.get(creditor, (0, 0))[1]
        self._reverted[creditor] = clock + wait, min(max(2 * wait, RETRY_REVERTED), MOST_RETRY)
        return wait

    def succeeded(self, creditor: Address) -> None:
        self._reverted.pop(creditor, None)

    def _goes_along(self, creditor: Address, wei: int, terms: Terms) -> bool:
        """Whether a creditor may be paid together with others: not after a payment that failed, as it might again."""
        allowed = terms.allowance if self._contract and isinstance(terms.allowance, int) else 0
        return wei <= allowed and creditor not in self._reverted

    def _is_worth(self, due: Due, wei: int, coins: int, clock: int) -> bool:
        """Whether so much of a debt is paid, if its gas costs `coins`."""
        return self.gas_share.allows(wei, coins) or can_t_wait(self._thresholds, due.wei, clock - due.since)
