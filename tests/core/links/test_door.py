"""Who is let in, and how much work strangers may make us do (docs/security.md)."""

from __future__ import annotations

from tests.network_ends import Peer

from masq.core.limits import (
    CONNECTS_AT_ONCE,
    CONNECTS_PER_SECOND,
    LINKS_PER_ADDRESS,
    LINKS_PER_PREFIX,
    STRANGER_WORK,
    UNKNOWN_SHARE,
    WORK_SAVED,
    Limits,
)
from masq.core.links.door import Door
from masq.core.links.links import Link, LinkSpeech
from masq.types import Endpoint

LIMITS = Limits(links=32)
FRIEND = "10.1.0.1"


def door(diverse: bool = False) -> Door:
    return Door(LIMITS, lambda ip, key: ip == FRIEND, diverse)


def link(number: int, ip: str, since: float = 0.0, introduced: bool = True, outbound: bool = False) -> Link:
    return Link(number, Endpoint(ip, 40_000), outbound, LinkSpeech.UNKNOWN, since, introduced=introduced)


def test_one_address_has_few_links_and_a_neighbor_as_many_as_there_is_room() -> None:
    ours = door()
    there = [link(number, "10.1.0.9") for number in range(LINKS_PER_ADDRESS)]
    assert ours.refusal("10.1.0.9", there, 0.0)
    assert not ours.refusal("10.1.0.8", there, 0.0)
    there = [link(number, FRIEND) for number in range(LINKS_PER_ADDRESS)]
    assert not ours.refusal(FRIEND, there, 0.0)


def test_one_network_has_few_links_where_that_makes_sense() -> None:
    there = [link(number, f"203.0.113.{number}") for number in range(LINKS_PER_PREFIX)]
    assert door(True).refusal("203.0.113.200", there, 0.0)
    assert not door(True).refusal("198.51.100.1", there, 0.0)
    assert not door(False).refusal("203.0.113.200", there, 0.0)


def test_strangers_leave_room_for_neighbors_until_there_is_none() -> None:
    ours = door()
    there = [link(number, f"10.2.{number}.1") for number in range(LIMITS.links - LIMITS.links // 4)]
    assert ours.refusal("10.3.0.1", there, 0.0)
    assert not ours.refusal(FRIEND, there, 0.0)
    full = [link(number, f"10.2.{number}.1") for number in range(LIMITS.links)]
    assert ours.refusal(FRIEND, full, 0.0)


def test_who_connects_again_and_again_has_to_wait() -> None:
    ours = door()
    for _ in range(CONNECTS_AT_ONCE):
        assert not ours.refusal("10.1.0.9", [], 0.0)
    assert ours.refusal("10.1.0.9", [], 0.0)
    assert not ours.refusal("10.1.0.8", [], 0.0), "and nobody else has"
    assert not ours.refusal("10.1.0.9", [], 2 / CONNECTS_PER_SECOND)


def test_of_those_who_say_nothing_the_oldest_of_the_largest_crowd_goes() -> None:
    ours = door()
    few = [link(number, f"10.2.{number}.1", number, False) for number in range(LIMITS.links // UNKNOWN_SHARE)]
    assert ours.surplus(few) is None
    crowd = [link(100, "10.3.0.1", 50.0, False), link(101, "10.3.0.1", 40.0, False)]
    assert ours.surplus([*few, *crowd]) == 101
    known = [link(each.id, each.peer.ip) for each in few]
    assert ours.surplus([*known, *crowd]) is None


def test_own_dials_are_no_visitors() -> None:
    ours = door()
    dials = [link(number, f"10.2.{number}.1", introduced=False, outbound=True) for number in range(LIMITS.links - 1)]
    assert ours.surplus(dials) is None
    assert not ours.refusal(Peer(3).ip, dials, 0.0)


def test_work_is_done_as_it_is_allowed_and_one_stranger_s_is_not_another_s() -> None:
    ours = door()
    assert not ours.worked("10.1.0.9", WORK_SAVED / 2, 0.0)
    assert ours.worked("10.1.0.9", WORK_SAVED, 0.0)
    assert not ours.rested("10.1.0.9", 0.1)
    assert ours.rested("10.1.0.9", WORK_SAVED / STRANGER_WORK)
    assert ours.rested("10.1.0.8", WORK_SAVED / STRANGER_WORK)


def test_all_strangers_together_have_a_bound() -> None:
    ours = door()
    tired = [ours.worked(f"10.4.{number}.1", WORK_SAVED / 10, 0.0) for number in range(20)]
    assert not any(tired[:9])
    assert all(tired[11:])
