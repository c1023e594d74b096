"""Our own IP address, as those see it whom we dial: when another one is believed (protocol.md 15.2)."""

from __future__ import annotations

import pytest
from tests.network_ends import Ours, Peer, peers

NEW = "198.51.100.7"
ALPHA, BETA, GAMMA = peers(3)


def ours(*contacts: Peer) -> Ours:
    core = Ours(*(peer.contact() for peer in contacts or (ALPHA, BETA)))
    core.starts()
    return core


def at(node: Ours) -> str:
    address = node.graph.root_address
    assert address
    return address.ip


def here_once(node: Ours) -> str:
    """Somebody has seen us where we say we are."""
    before = at(node)
    node.is_seen(GAMMA, before)
    node.loses(GAMMA)
    return before


def test_who_is_seen_elsewhere_by_all_whom_it_dials_is_there() -> None:
    node = ours()
    before = here_once(node)
    node.is_seen(ALPHA, NEW)
    assert at(node) == before
    asked = {each.key: each.message.records[0].address for each in [*node.is_seen(BETA, NEW), *node.waits(1.0)]}  # type: ignore[union-attr]
    assert at(node) == NEW
    assert node.graph.at(NEW) == node.graph.root_key
    assert node.graph.at(before) is None
    assert {address.ip for address in asked.values() if address} == {NEW}, "everybody is told"
    assert len(asked) == 2


def test_with_one_contact_its_word_is_enough() -> None:
    node = ours(ALPHA)
    here_once(node)
    node.is_seen(ALPHA, NEW)
    assert at(node) == NEW


def test_who_was_never_seen_at_its_address_keeps_it() -> None:
    node = ours()
    before = at(node)
    node.is_seen(ALPHA, NEW)
    node.is_seen(BETA, NEW)
    assert at(node) == before, "behind some routers one comes from elsewhere"
    assert node.events().count("address_doubted") == 1
    node.is_seen(GAMMA, NEW)
    assert node.events().count("address_doubted") == 1, "told once"


def test_who_dialled_nobody_before_and_was_found_at_its_address_leaves_it() -> None:
    """The first Node of a network: all others came to it."""
    node = ours()
    before = at(node)
    node.is_found(GAMMA)
    node.befriends(GAMMA)
    node.is_seen(ALPHA, NEW)
    node.is_seen(BETA, NEW)
    assert at(node) == before, "who came is there still"
    node.loses(GAMMA)
    node.is_seen(BETA, NEW)
    assert at(node) == NEW


def test_who_was_seen_elsewhere_before_anybody_found_it_keeps_its_address() -> None:
    node = ours()
    before = at(node)
    for _ in range(2):
        for peer in (ALPHA, BETA):
            node.is_seen(peer, NEW)
        node.is_found(GAMMA)
    assert at(node) == before, "it is behind such a router"


def test_one_voice_against_others_is_nothing() -> None:
    node = ours()
    before = here_once(node)
    node.is_seen(GAMMA, before)
    for peer in (ALPHA, BETA):
        node.is_seen(peer, NEW)
    assert at(node) == before
    node.loses(GAMMA)
    node.is_seen(BETA, "198.51.100.8")
    node.is_seen(ALPHA, NEW)
    assert at(node) == before, "nor two that differ"


def test_as_long_as_a_neighbor_that_came_to_us_is_there_we_are_where_it_came() -> None:
    node = ours()
    before = here_once(node)
    node.befriends(GAMMA)
    node.is_seen(ALPHA, NEW)
    node.is_seen(BETA, NEW)
    assert at(node) == before
    node.loses(GAMMA)
    node.is_seen(BETA, NEW)
    assert at(node) == NEW


@pytest.mark.parametrize("seen", ["", "nonsense", "0.0.0.0", "224.0.0.1", "2001:db8::1", "1.2.3.4.5", "::ffff:9.9.9.9"])
def test_what_is_no_address_of_ours_is_not_heard(seen: str) -> None:
    node = ours()
    before = here_once(node)
    for peer in (ALPHA, BETA):
        node.is_seen(peer, seen)
    assert at(node) == before
