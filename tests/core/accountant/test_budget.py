"""The budget of an hour."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from masq.core.accountant.budget import GRAIN, HOUR, Budget


def test_it_warns_once_at_four_fifths_and_once_when_it_is_used_up() -> None:
    budget = Budget(100)
    assert budget.spend(79, 0.0) is None
    assert "79" not in (budget.spend(1, 1.0) or "79")
    assert budget.spend(19, 2.0) is None
    assert not budget.used_up(2.0)
    assert "no new connection" in (budget.spend(1, 3.0) or "")
    assert budget.spend(50, 4.0) is None
    assert budget.used_up(5.0)


def test_after_an_hour_it_begins_anew() -> None:
    budget = Budget(100)
    budget.spend(100, 0.0)
    assert budget.used_up(HOUR - 1)
    assert not budget.used_up(HOUR + GRAIN)
    assert budget.spend(90, HOUR + GRAIN + 1), "and warns again"


def test_without_a_bound_nothing_is_used_up() -> None:
    budget = Budget(None)
    assert budget.spend(10**30, 0.0) is None
    assert not budget.used_up(0.0)


@given(st.lists(st.tuples(st.floats(0, 500), st.integers(0, 100)), max_size=60))
def test_it_never_counts_less_than_the_last_hour(charges: list[tuple[float, int]]) -> None:
    budget, now, made = Budget(1_000), 0.0, []
    for later, wei in charges:
        now += later
        made.append((now, wei))
        budget.spend(wei, now)
        exact = sum(wei for then, wei in made if now - then < HOUR)
        most = sum(wei for then, wei in made if now - then < HOUR + 2 * GRAIN)
        assert exact <= budget.spent <= most
        assert len(budget._charges) <= HOUR / GRAIN + 2
