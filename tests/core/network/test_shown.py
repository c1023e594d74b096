"""Whose addresses one /24 is shown in an hour, and whose fault it is if that is all."""

from __future__ import annotations

import pytest
from tests.network_ends import peers

from masq.core.limits import SHOWN_PER_HOUR
from masq.core.network import shown as module
from masq.core.network.shown import HOUR, Shown

KEYS = [peer.key for peer in peers(SHOWN_PER_HOUR + 1)]
*FIRST, LAST = KEYS
IP, BESIDE, ELSEWHERE = "192.0.2.1", "192.0.2.2", "198.51.100.1"


def shown_all(*askers: str) -> Shown:
    ours = Shown()
    for number, key in enumerate(FIRST):
        assert ours.may_show(askers[number % len(askers)], key, 0.0)
    return ours


def test_a_prefix_is_shown_so_many_in_an_hour() -> None:
    ours = shown_all(IP)
    assert not ours.may_show(IP, LAST, 1.0)
    assert not ours.may_show(BESIDE, LAST, 1.0)
    assert ours.may_show(ELSEWHERE, LAST, 1.0)
    assert ours.may_show(IP, LAST, HOUR)


def test_one_that_is_shown_again_tells_nothing_new() -> None:
    ours = shown_all(IP)
    assert all(ours.may_show(BESIDE, key, HOUR / 2) for key in FIRST)
    assert ours.may_show(IP, LAST, HOUR), "nor does it count from then"


def test_who_asked_for_all_of_them_is_greedy_and_nobody_beside_him() -> None:
    ours = shown_all(IP)
    assert ours.greedy(IP, 0.0)
    assert not ours.greedy(BESIDE, 0.0)
    assert not ours.greedy(IP, HOUR)
    assert not shown_all(IP, BESIDE).greedy(IP, 0.0)


def test_ipv6_is_counted_by_48_bits() -> None:
    ours = shown_all("2001:db8:1::1")
    assert not ours.may_show("2001:db8:1:ffff::2", LAST, 0.0)
    assert ours.may_show("2001:db8:2::1", LAST, 0.0)


def test_the_prefix_that_asked_last_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ASKERS", 2)
    ours = shown_all(IP)
    ours.may_show(ELSEWHERE, LAST, 0.0)
    assert not ours.may_show(IP, LAST, 0.0)
    ours.may_show("203.0.113.1", LAST, 0.0)
    assert not ours.may_show(IP, LAST, 0.0)
    ours.may_show(ELSEWHERE, LAST, 0.0)
    ours.may_show("203.0.113.1", LAST, 0.0)
    assert ours.may_show(IP, LAST, 0.0), "two others have asked since"
    assert len(ours._by_prefix) == 2
