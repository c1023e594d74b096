"""A hop of circuits of others: floods of OPENs, and who is refused, or loses circuits, for them (protocol.md 15.3)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.circuit_ends import (
    BACK,
    ONWARD,
    HonestHop,
    Originator,
    Told,
    begin,
    payer_for,
    sent,
)
from tests.core.circuits.relay_ends import (
    NOW,
    SOMEBODY,
    at_exit,
)

from masq.chain.wallet import Wallet
from masq.core import limits
from masq.core.circuits import opens
from masq.core.circuits import relay as circuits
from masq.core.circuits.opens import Source
from masq.core.circuits.ways import Peer
from masq.core.offence import Offence, Rule
from masq.keccak import keccak256
from masq.wire.circuit import (
    Close,
)
from masq.wire.secure_link import Frame

STRANGER, OTHER = 20, 30
"""Links of who is no neighbor."""


def with_strangers(*addresses: tuple[int, str]) -> HonestHop:
    hop = HonestHop()
    hop.strangers = dict(addresses)
    return hop


def asked(hop: HonestHop, link: int, circuit: int = 1, frame: Frame | None = None) -> list[object]:
    """What an OPEN comes to: what its originator hears, and what is held against the link."""
    user = Originator(hop.key, circuit=circuit, now=hop.now)
    effects = hop.hears(frame or user.open(), link)
    return [*user.hears(sent(effects, link)), *(each for each in effects if isinstance(each, Offence))]


def test_opens_of_a_link_are_looked_at_so_fast_and_beyond_that_nothing_is_done_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opens, "OPENS_OF_NEIGHBOR", limits.Pace(2, 5))
    hop = HonestHop()
    assert [asked(hop, BACK, circuit) for circuit in (1, 3, 5, 7, 9)] == [[]] * 5
    opened = []
    monkeypatch.setattr(circuits, "open_hop", lambda *_: opened.append(True))
    assert [asked(hop, BACK, circuit) for circuit in range(11, 2_000, 2)] == [[Close.OVERLOADED]] * 995
    assert not opened
    monkeypatch.undo()
    assert asked(hop, 5) == [], "others have their own"
    hop.now += 0.5
    assert asked(hop, BACK, 11) == []


def test_all_links_of_a_stranger_s_address_share_what_it_may_open() -> None:
    hop = with_strangers((STRANGER, "192.0.2.1"), (STRANGER + 1, "192.0.2.1"), (OTHER, "192.0.2.2"))
    for circuit in range(1, 2 * limits.CIRCUITS_PER_STRANGER, 2):
        assert asked(hop, STRANGER + circuit % 4 // 2, circuit) == []
    assert asked(hop, STRANGER, 999) == [Close.OVERLOADED], "they came too fast"
    hop.now += 60.0
    assert asked(hop, STRANGER + 1, 999)[-1] == Close.OVERLOADED, "and are too many"
    assert asked(hop, OTHER) == []
    assert asked(hop, BACK) == []


def test_so_many_refused_opens_of_a_stranger_are_a_flood_and_of_a_neighbor_they_are_not_its_own() -> None:
    hop = with_strangers((STRANGER, "192.0.2.1"))
    told: list[object] = []
    for number in range(2 * limits.MAX_REFUSED_OPENS + 2):
        circuit = 1 + 2 * number
        told += asked(hop, STRANGER, circuit, Originator(hop.key, circuit=circuit).open_with([b"x"]))
        of_neighbor = asked(hop, BACK, circuit, Originator(hop.key).open_with([b"x"]))
        assert all(isinstance(each, Close) for each in of_neighbor)
    offence = Offence(Rule.FLOOD, "192.0.2.1", b"stranger 20", detail="256 circuits that had to be refused")
    assert [each for each in told if isinstance(each, Offence)] == [offence, offence]


def test_refused_opens_now_and_then_are_no_flood() -> None:
    hop = with_strangers((STRANGER, "192.0.2.1"))
    for number in range(1_000):
        circuit = 1 + 2 * number
        assert asked(hop, STRANGER, circuit, Originator(hop.key, circuit=circuit).open_with([b"x"])) == [Close.REFUSED]
        hop.now += 1.0


def test_what_is_refused_for_its_form_its_time_or_its_link_is_not_remembered() -> None:
    hop = with_strangers((STRANGER, "192.0.2.1"))
    wrong: list[dict[str, Any]] = [
        {"expires": NOW - 1},
        {"expires": NOW + 999},
        {"payer": None},
        {"circuit_key": None},
    ]
    for number, changes in enumerate(wrong):
        user = Originator(hop.key, circuit=1 + 2 * number)
        asked(hop, STRANGER, user.circuit, user.open(**changes))
    assert not len(hop.circuits._opens)


def test_what_strangers_have_opened_leaves_room_for_neighbors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opens, "CIRCUITS_OF_STRANGERS", 4)
    monkeypatch.setattr(opens, "SEEN_OF_STRANGERS", 6)
    hop = with_strangers(*((link, f"192.0.2.{link}") for link in range(20, 30)))
    assert [asked(hop, link) for link in range(20, 24)] == [[]] * 4
    assert asked(hop, 24)[-1] == Close.OVERLOADED
    assert asked(hop, BACK) == []
    for link in range(20, 24):
        hop.circuits.link_lost(link)
    assert [asked(hop, link, 3) for link in (24, 25)] == [[]] * 2
    assert asked(hop, 26)[-1] == Close.OVERLOADED, "no more are remembered"
    assert asked(hop, BACK, 3) == []


def test_one_source_can_t_have_all_that_the_next_node_takes_of_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opens, "ONWARD_SHARE", limits.Pace(1, 3))
    monkeypatch.setattr(opens, "ONWARD_OPENS", limits.Pace(1, 7))
    hop = HonestHop()
    hop.next[SOMEBODY] = ONWARD

    def passed(link: int, circuit: int) -> bool:
        user = Originator(hop.key, SOMEBODY, circuit=circuit)
        effects = hop.hears(user.open(), link)
        told = user.hears(sent(effects, link))
        assert told in ([], [Told(0, {"failed": "overloaded", "detail": ""}), Close.OVERLOADED])
        return len(sent(effects, ONWARD)) == 1

    assert [passed(BACK, circuit) for circuit in (1, 3, 5, 7)] == [True, True, True, False]
    assert [passed(5, circuit) for circuit in (1, 3, 5, 7)] == [True, True, True, False]
    assert [passed(6, circuit) for circuit in (1, 3)] == [True, False], "they are few for the next Node, too"
    hop.now += 1.0
    assert passed(BACK, 9)
    assert asked(hop, BACK, 11) == [], "those that end here are none of them"


def test_what_is_passed_on_is_less_than_a_neighbor_takes() -> None:
    assert limits.ONWARD_OPENS.each_second < limits.OPENS_OF_NEIGHBOR.each_second
    assert limits.ONWARD_OPENS.burst < limits.OPENS_OF_NEIGHBOR.burst


def test_when_there_are_as_many_circuits_as_may_be_who_has_most_loses_those_that_are_idle_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opens, "MAX_CIRCUITS", 6)
    monkeypatch.setattr(circuits, "ENDED_AT_ONCE", 2)
    hop = HonestHop()
    others_user = at_exit(1, hop)[1]
    many = []
    for number in range(5):
        user = Originator(hop.key, circuit=1 + 2 * number)
        hop.hears(user.open(payer=payer_for(hop.key, Wallet(keccak256(b"%d" % number)))), 5)
        many.append(user)
        hop.now += 1.0
    assert asked(hop, 6)[-1] == Close.OVERLOADED, "none is idle"
    hop.now += limits.IDLE_ENOUGH
    hop.hears(many[0].cell(begin()), 5)
    effects = hop.hears(Originator(hop.key, now=hop.now).open(), 6)
    assert [each.hears(sent(effects, 5))[-1:] for each in many[1:2]] == [[Close.OVERLOADED]]
    assert {passage.back for passage in hop.circuits} == {(BACK, 1), (5, 1), (5, 7), (5, 9), (6, 1)}
    assert hop.hears(others_user.cell(begin())), "the one of another goes on"


def test_who_pays_for_most_circuits_pays_for_the_room_wherever_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opens, "MAX_CIRCUITS", 6)
    monkeypatch.setattr(circuits, "ENDED_AT_ONCE", 1)
    hop = HonestHop()
    other = payer_for(hop.key, Wallet(keccak256(b"other")))
    for link in (10, 11, 12, 13):
        assert asked(hop, link) == []
    for circuit in (1, 3):
        hop.hears(Originator(hop.key, circuit=circuit).open(payer=other), 5)
    hop.now += limits.IDLE_ENOUGH + 1
    hop.hears(Originator(hop.key, now=hop.now).open(payer=other), 6)
    assert {passage.back for passage in hop.circuits} == {(11, 1), (12, 1), (13, 1), (5, 1), (5, 3), (6, 1)}


def test_who_is_refused_for_want_of_room_costs_no_look_at_all_circuits_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opens, "MAX_CIRCUITS", 1)
    hop = HonestHop()
    asked(hop, BACK)
    looks: list[bool] = []
    heaviest = hop.circuits._heaviest

    def counted(source: Source) -> object:
        looks.append(True)
        return heaviest(source)

    monkeypatch.setattr(hop.circuits, "_heaviest", counted)
    for circuit in range(1, 100, 2):
        assert asked(hop, 5, circuit)[-1] == Close.OVERLOADED
    assert len(looks) == 1


def test_who_has_been_quiet_is_forgotten() -> None:
    hop = with_strangers((STRANGER, "192.0.2.1"))
    for circuit in (1, 3, 5):
        asked(hop, STRANGER, circuit, Originator(hop.key, circuit=circuit).open_with([b"x"]))
    hop.now += 1.0
    hop.circuits.tick(hop.now)
    assert hop.circuits._opens._buckets
    hop.now += 60.0
    hop.circuits.tick(hop.now)
    assert not hop.circuits._opens._buckets


@pytest.mark.parametrize(("ip", "same"), [("2001:db8::2", True), ("2001:db8:0:7::1", True), ("2001:db9::1", False)])
def test_who_owns_many_ipv6_addresses_is_one_source(ip: str, same: bool) -> None:
    assert (Source.of(Peer(ip, b"", False)) == Source.of(Peer("2001:db8::1", b"", False))) == same
