"""When a debt is paid, and a debtor banned: a line that falls with the debt's age (accounting.md 2.2, 2.3, 2.7)."""

from __future__ import annotations

from typing import Final, NamedTuple

GWEI: Final = 10**9
MAX_INTERVAL: Final = 10**9


class PaymentThresholds(NamedTuple):
    """In the order in which operators write them."""

    debt_threshold_gwei: int
    maturity_threshold_sec: int
    payment_grace_period_sec: int
    permanent_debt_allowed_gwei: int
    threshold_interval_sec: int
    unban_below_gwei: int

    @property
    def permanent(self) -> int:
        """Wei that are never demanded."""
        return self.permanent_debt_allowed_gwei * GWEI

    def problem(self) -> str | None:
        """Why these thresholds can't be used."""
        debt, permanent, interval = (
            self.debt_threshold_gwei,
            self.permanent_debt_allowed_gwei,
            self.threshold_interval_sec,
        )
        if debt <= permanent:
            return f"the debt threshold {debt} must be greater than the permanent debt allowed {permanent}"
        if not 1 <= interval <= MAX_INTERVAL:
            return f"the threshold interval {interval} must be from 1 to {MAX_INTERVAL} seconds"
        return None

    def limit(self, age: int) -> int:
        """Wei that may be owed at this age, in whole seconds after maturity has begun to count."""
        start, end = self.debt_threshold_gwei * GWEI, self.permanent
        if age > self.maturity_threshold_sec + self.threshold_interval_sec:
            return end
        slope = -((start - end) // self.threshold_interval_sec)  # Truncated towards zero, as the network does.
        return start + slope * (age - self.maturity_threshold_sec)

    def to_be_paid(self, wei: int, age: int) -> bool:
        """Whether a payable of this age is paid, all of it."""
        return age > self.maturity_threshold_sec and wei > self.permanent and wei > self.limit(age)

    def allowed(self, age: int) -> int:
        """Wei that a debtor may owe at this age without being banned."""
        age -= self.payment_grace_period_sec
        return max(self.permanent, self.limit(max(age, self.maturity_threshold_sec)))

    def to_be_banned(self, wei: int, age: int) -> bool:
        """Whether a debtor is banned: the same line, later by the grace period."""
        return self.to_be_paid(wei, age - self.payment_grace_period_sec)

    @property
    def release(self) -> int:
        """Wei down to which a banned debtor has to pay."""
        return self.unban_below_gwei * GWEI

    def to_be_released(self, wei: int) -> bool:
        return wei <= self.release


DEFAULT_THRESHOLDS: Final = PaymentThresholds(1_000_000_000, 1_200, 1_200, 500_000_000, 21_600, 500_000_000)
