"""The whole Node, by those whom it refuses: what is held against them, and that they are left at once."""

from __future__ import annotations

import pytest
from tests.node_ends import Nodes, One, events

from masq.core.effects import CloseLink, Log, SaveConfig
from masq.core.limits import MAX_MALFORMED, UNFINISHED_TOTAL
from masq.core.offence import BAN_AT, FIRST_BAN, Offence, Rule
from masq.types import Endpoint, LinkPolicy
from masq.wire.frame import mask

PEER = Endpoint("10.0.0.9", 40_000)
NO_HANDSHAKE = b"MASQ-link1\n\0\4abcd"


def visited(one: One, now: float, peer: Endpoint = PEER) -> int:
    link, _ = one.node.accept(peer, now)
    assert link is not None
    return link


def hear(one: One, link: int, data: bytes, now: float) -> list[object]:
    return list(one.node.link_received(link, memoryview(bytearray(data)), now))


def neighbors() -> tuple[Nodes, One, One]:
    nodes = Nodes()
    one, other = nodes.add(), nodes.add()
    nodes.line(one, other)
    return nodes, one, other


def test_who_sends_what_no_node_sends_again_and_again_is_banned() -> None:
    one = Nodes().add()
    for number in range(BAN_AT // Rule.MALFORMED.points + 1):
        now = 10.0 * number
        if one.node.bans.banned(PEER.ip, now):
            break
        hear(one, visited(one, now), NO_HANDSHAKE, now)
    assert number >= BAN_AT // Rule.MALFORMED.points
    assert one.node.accept(PEER, now) == (None, [])
    assert one.node.accept(Endpoint("10.0.0.8", 1), now)[0] is not None
    (seen,) = one.node.view(now).bans
    assert (seen.who, seen.banned) == (PEER.ip, True)
    assert one.node.accept(PEER, now + FIRST_BAN + 1)[0] is not None


def test_some_frames_that_make_no_sense_are_borne_and_then_the_link_ends() -> None:
    one = Nodes().add()
    link = visited(one, 0.0)
    logs: list[str] = []
    for _ in range(MAX_MALFORMED):
        logs += [log.event for log in hear(one, link, mask(b"no package"), 0.0) if isinstance(log, Log)]
    assert logs == ["package_dropped"] * MAX_MALFORMED
    effects = hear(one, link, mask(b"no package") * 3, 0.0)
    assert CloseLink(link) in effects
    assert [log.event for log in effects if isinstance(log, Log)] == ["package_dropped", "offence"]
    assert list(one.node.links) == []


def test_who_is_banned_is_left_at_once_with_all_links_of_his() -> None:
    nodes, one, other = neighbors()
    nodes.dial(one, other)
    assert len(one.node.view(nodes.now).links) == 2
    effects = one.node.ban(other.ip, 60.0, nodes.now)
    assert len([each for each in effects if isinstance(each, CloseLink)]) == 2
    nodes.do(one, effects)
    assert one.node.stage == "NotConnected"
    assert one.node.accept(Endpoint(other.ip, 40_000), nodes.now) == (None, [])


def test_a_banned_key_is_left_under_any_address() -> None:
    nodes, one, other = neighbors()
    nodes.cut(one, other)
    one.node.ban(other.node.keys.public_key.hex(), 600.0, nodes.now)
    nodes.greet(other, one)
    assert list(one.node.links) == []
    assert list(other.node.links) == []


def test_an_offence_that_a_part_reports_is_held_against_its_author() -> None:
    nodes, one, other = neighbors()
    key = other.node.keys.public_key
    told = one.node._carry([Offence(Rule.SWALLOWED, key=key, detail="words")], nodes.now)
    assert [log.event for log in told if isinstance(log, Log)] == ["offence"]
    assert len(list(one.node.links)) == 1
    for _ in range(BAN_AT // Rule.IMPOSTOR.points):
        nodes.do(one, one.node._carry([Offence(Rule.IMPOSTOR, key=key)], nodes.now))
    assert "banned" in events(one)
    assert list(one.node.links) == []


def test_what_is_held_against_somebody_is_saved_after_a_while() -> None:
    one = Nodes().add()
    one.node.ban("10.0.0.9", 600.0, 0.0)
    assert not [each for each in one.node.tick(5.0) if isinstance(each, SaveConfig) and each.name == "bans"]
    (saved,) = [each for each in one.node.tick(11.0) if isinstance(each, SaveConfig) and each.name == "bans"]
    assert "10.0.0.9" in saved.value


def test_of_too_many_unfinished_frames_the_largest_costs_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    assert UNFINISHED_TOTAL == 64 * 1024 * 1024
    monkeypatch.setattr("masq.core.links.links.UNFINISHED_TOTAL", 100_000)
    one = Nodes().add(link_policy=LinkPolicy.MASQ)
    first, second = visited(one, 0.0), visited(one, 0.0, Endpoint("10.0.0.8", 1))
    start = mask(bytes(90_000))
    assert CloseLink(first) not in hear(one, first, start[:70_000], 0.0)
    effects = hear(one, second, start[:50_000], 0.0)
    assert CloseLink(first) in effects
    assert [link.id for link in one.node.links] == [second]
