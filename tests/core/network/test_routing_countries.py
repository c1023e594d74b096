"""Exits by country: those preferred, others where there are none, or a reason (`exit-location`, `fallback-routing`)."""

from __future__ import annotations

import pytest
from tests.core.network.test_routing_ways import FAN, Net

from masq.core.network.routing import ExitWish
from masq.errors import UnavailableError

WHEEL = [*((0, at) for at in (1, 2)), *((at, far) for at in (1, 2) for far in (3, 4, 5, 6))]
COUNTRIES = {3: "DE", 4: "AT", 5: "CH"}
"""Where exits of two hops are; Node 6 doesn't say it."""


def wheel(*groups: set[str], fallback: bool = True) -> Net:
    net = Net(WHEEL, countries=COUNTRIES)
    net.exits = ExitWish(tuple(map(frozenset, groups)), fallback)
    return net


def exits(net: Net, hops: int = 2) -> set[int]:
    """Of many routes."""
    return {net.over(hops, seed=seed)[-1] for seed in range(60)}


def test_without_a_wish_exits_are_anywhere() -> None:
    assert exits(wheel()) == {3, 4, 5, 6}


def test_an_exit_is_in_one_of_the_countries_of_the_first_group() -> None:
    assert exits(wheel({"DE", "AT"}, {"CH"})) == {3, 4}


def test_the_next_group_is_used_if_the_first_has_no_exit() -> None:
    net = wheel({"FR", "NL"}, {"CH"})
    assert exits(net) == {5}
    assert net.find(2).compromise == ""


def test_another_country_will_do_only_if_that_is_allowed() -> None:
    net = wheel({"FR"})
    assert exits(net) == {3, 4, 5, 6}
    assert "exit-location" in net.find(2).compromise
    with pytest.raises(UnavailableError, match="no exit is known in FR, NL, where exit-location wants it"):
        wheel({"NL"}, {"FR"}, fallback=False).find(2)


def test_relays_may_be_anywhere() -> None:
    net = Net(FAN, countries={7: "DE", 1: "FR"})
    net.exits = ExitWish((frozenset(("DE",)),), False)
    assert {net.over(2, seed=seed)[1] for seed in range(60)} == set(range(1, 7))


def test_with_one_hop_a_neighbor_of_that_country_is_taken() -> None:
    net = Net([(0, 1), (0, 2)], countries={2: "DE"})
    net.exits = ExitWish((frozenset(("DE",)),), False)
    assert exits(net, 1) == {2}
