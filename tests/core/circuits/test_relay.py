"""A hop of circuits of others: what it accepts and refuses, what ends a circuit, what it keeps (protocol.md 15.3)."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise

import pytest
from tests.circuit_ends import (
    BACK,
    EPOCH,
    ONWARD,
    WALLET,
    HonestHop,
    Line,
    Originator,
    Told,
    begin,
    close_frame,
    frame_of,
    others,
    payer_for,
    sent,
)
from tests.secure_ends import joined, keys

from masq.chain.wallet import Wallet
from masq.core import limits
from masq.core.circuits import opens
from masq.core.circuits import relay as circuits
from masq.core.circuits.opens import Source
from masq.core.circuits.relay import CLOSING, IDLE
from masq.core.circuits.ways import Peer
from masq.core.effects import CloseSocket, Connect, EndSocket, Log, WriteSocket
from masq.core.failure import Cause, Failure
from masq.core.offence import Offence, Rule
from masq.errors import CryptoError
from masq.keccak import keccak256
from masq.types import DEFAULT_RATE_PACK
from masq.wire import cbor
from masq.wire.circuit import (
    BLOCK,
    CLOSE_TEXTS,
    MAX_DATA,
    MAX_PLAIN,
    OPEN_LIFE,
    Close,
    Command,
    circuit_frame,
    circuit_of,
    data_of,
    encode_end,
    new_cell,
)
from masq.wire.noise import TAG
from masq.wire.package import open_hop
from masq.wire.secure_link import MAX_BODY, Frame, FrameType

NOTHING = (0,) * 6
"""The counters of a hop without circuits."""
SOMEBODY = keys().public_key


def at_exit(circuit: int = 1, hop: HonestHop | None = None) -> tuple[HonestHop, Originator]:
    """A hop, and a circuit that ends at it."""
    hop = hop or HonestHop()
    user = Originator(hop.key, circuit=circuit, now=hop.now)
    assert hop.hears(user.open()) == []
    return hop, user


def at_relay(circuit: int = 1, hop: HonestHop | None = None) -> tuple[HonestHop, Originator]:
    """A hop, and a circuit that goes through it, to nobody that answers."""
    hop = hop or HonestHop()
    hop.next[SOMEBODY] = ONWARD
    user = Originator(hop.key, SOMEBODY, circuit=circuit, now=hop.now)
    (frame,) = sent(hop.hears(user.open()), ONWARD)
    assert frame.type == FrameType.OPEN
    return hop, user


def served(hop: HonestHop, user: Originator, stream: int = 1) -> int:
    """Begin a stream whose server is reached: its socket."""
    (connect,) = others(hop.hears(user.cell(begin(stream))))
    assert isinstance(connect, Connect)
    hop.exit.connected(connect.socket, "192.0.2.1", hop.now)
    user.hears(sent(hop.flush(after=1.0), BACK))
    return connect.socket


def works(hop: HonestHop, user: Originator, socket: int) -> bool:
    """Whether a circuit's first stream carries bytes both ways."""
    there = others(hop.hears(user.cell((1, Command.DATA, b"question"))))
    back = hop.exit.received(socket, memoryview(b"answer"), hop.now)
    said = user.hears(sent([*back, *hop.flush()], BACK))
    return there == [WriteSocket(socket, b"question")] and said == [(1, Command.DATA, b"answer")]


# --- OPEN ---


@pytest.mark.parametrize(("outbound", "id"), [((ONWARD,), 1), ((), 2)])
def test_a_relay_hands_open_on_shifted_under_an_id_of_its_side_of_the_link(outbound: tuple[int, ...], id: int) -> None:
    hop, following = HonestHop(outbound=outbound), keys()
    hop.next[following.public_key] = ONWARD
    for number in range(3):
        user = Originator(hop.key, following.public_key, circuit=1 + 2 * number)
        elements = user.elements()
        (frame,) = sent(hop.hears(user.open_with(elements)), ONWARD)
        assert frame.type == FrameType.OPEN
        assert circuit_of(frame.wire) == id + 2 * number
        passed = cbor.decode(bytes(data_of(frame.wire)))
        assert passed[:-1] == elements[1:]
        assert len(passed[-1]) == len(elements[0]), "no Node can tell how many were before it"
        assert open_hop(passed[0], following) == user.hop(1)


def test_an_exit_accepts_open_without_a_word_and_connects_for_the_first_cell() -> None:
    hop, user = at_exit()
    (connect,) = hop.hears(user.cell(begin(7, "example.com", 443), (7, Command.DATA, b"hello")))
    assert connect == Connect(hop.next_socket, "example.com", 443, WALLET.address)
    written = hop.exit.connected(hop.next_socket, "192.0.2.1", hop.now)
    assert written == [WriteSocket(hop.next_socket, b"hello")]
    (said,) = user.hears(sent(hop.flush(after=1.0), BACK))
    assert said == (7, Command.CONNECTED, cbor.encode({"address": "192.0.2.1"}))


def altered_by(**changes: object) -> Callable[[HonestHop, Originator], Frame]:
    return lambda hop, user: user.open(**changes)


def with_elements(elements: object) -> Callable[[HonestHop, Originator], Frame]:
    return lambda hop, user: user.open_with(elements)


def sealed_to_another(hop: HonestHop, user: Originator) -> Frame:
    return user.open_with([keys().seal(keys().public_key, user.hop(0).encode()), b"garbage"])


def flipped(hop: HonestHop, user: Originator) -> Frame:
    elements = user.elements()
    elements[0] = bytes((elements[0][0] ^ 1,)) + elements[0][1:]
    return user.open_with(elements)


def proven_for_another(hop: HonestHop, user: Originator) -> Frame:
    return user.open(payer=payer_for(keys().public_key))


def unpaid(hop: HonestHop, user: Originator) -> Frame:
    hop.delinquent.add(WALLET.address)
    return user.open()


def without_next(hop: HonestHop, user: Originator) -> Frame:
    return user.open(next_key=keys().public_key)


NOW = int(EPOCH)
REFUSALS = [
    pytest.param(sealed_to_another, Close.REFUSED, None, id="sealed to another key"),
    pytest.param(flipped, Close.REFUSED, None, id="altered"),
    pytest.param(with_elements([]), Close.REFUSED, None, id="no elements"),
    pytest.param(with_elements([b"x"] * 33), Close.REFUSED, None, id="33 elements"),
    pytest.param(with_elements(["text"]), Close.REFUSED, None, id="elements of text"),
    pytest.param(with_elements({"a": 1}), Close.REFUSED, None, id="no list"),
    pytest.param(altered_by(circuit_key=None), Close.REFUSED, None, id="no circuit key"),
    pytest.param(altered_by(circuit_key=bytes(31)), Close.REFUSED, None, id="a circuit key of 31 bytes"),
    pytest.param(altered_by(expires=None), Close.REFUSED, None, id="no expiry"),
    pytest.param(altered_by(payer=None), Close.REFUSED, None, id="no payer"),
    pytest.param(proven_for_another, Close.REFUSED, None, id="a proof for another Node"),
    pytest.param(altered_by(expires=NOW - 1), Close.EXPIRED, None, id="expired"),
    pytest.param(altered_by(expires=NOW + 2 * OPEN_LIFE + 1), Close.EXPIRED, None, id="valid for too long"),
    pytest.param(unpaid, Close.DELINQUENT, "the consuming wallet owes too much", id="a banned wallet"),
    pytest.param(without_next, Close.UNREACHABLE, "next hop unreachable", id="no link to the next Node"),
]


@pytest.mark.parametrize(("make", "reason", "words"), REFUSALS)
def test_a_refused_open_is_answered_with_its_reason_and_leaves_nothing(
    make: Callable[[HonestHop, Originator], Frame], reason: Close, words: str | None
) -> None:
    hop = HonestHop()
    user = Originator(hop.key)
    effects = hop.hears(make(hop, user))
    told = [] if words is None else [Told(0, {"failed": words, "detail": ""})]
    assert user.hears(sent(effects, BACK)) == [*told, reason]
    assert all(isinstance(effect, Log) for effect in others(effects))
    assert not sent(effects, ONWARD)
    assert hop.counters() == NOTHING
    hop.delinquent.clear()
    again = Originator(hop.key)
    assert hop.hears(again.open()) == [], "the same id can be used, as nothing was made of it"


def test_the_last_second_of_an_open_is_still_good() -> None:
    hop = HonestHop()
    assert hop.hears(Originator(hop.key).open(expires=NOW)) == []
    assert hop.hears(Originator(hop.key, circuit=3).open(expires=NOW + 2 * OPEN_LIFE)) == []


def test_a_node_that_is_no_exit_refuses_to_be_one_and_still_relays() -> None:
    hop = HonestHop(exits=False)
    user = Originator(hop.key)
    assert user.hears(sent(hop.hears(user.open()), BACK)) == [
        Told(0, {"failed": CLOSE_TEXTS[Close.REFUSED], "detail": ""}),
        Close.REFUSED,
    ]
    assert hop.counters() == NOTHING
    at_relay(3, hop)


def test_an_open_is_good_for_one_circuit_also_after_that_was_closed_and_until_it_expires() -> None:
    hop = HonestHop()
    user = Originator(hop.key)
    elements = user.elements()
    assert hop.hears(user.open_with(elements)) == []

    def repeated(circuit: int) -> list[object]:
        other = Originator(hop.key, circuit=circuit)
        return other.hears(sent(hop.hears(other.open_with([elements[0], os.urandom(50)])), BACK))

    assert repeated(3) == [Close.REPLAYED], "while it is open"
    assert user.hears(sent(hop.hears(user.close()), BACK)) == [Close.DONE]
    assert repeated(3) == [Close.REPLAYED], "and after it was closed"
    hop.now = OPEN_LIFE
    hop.circuits.tick(hop.now)
    assert repeated(3) == [Close.REPLAYED], "in its last second"
    hop.now += 1
    hop.circuits.tick(hop.now)
    assert repeated(3) == [Close.EXPIRED], "and what is forgotten has expired"
    assert not len(hop.circuits._opens)


def test_who_refused_an_open_for_the_moment_doesn_t_take_it_later() -> None:
    hop = HonestHop()
    user = Originator(hop.key)
    elements = user.elements()
    hop.delinquent.add(WALLET.address)
    assert user.hears(sent(hop.hears(user.open_with(elements)), BACK))[-1] == Close.DELINQUENT
    hop.delinquent.clear()
    assert user.hears(sent(hop.hears(user.open_with(elements)), BACK)) == [Close.REPLAYED]


@pytest.mark.parametrize(("outbound", "wrong"), [((), 2), ((BACK,), 1), ((), 2**32 - 2), ((BACK,), 2**32 - 1)])
def test_an_id_of_our_own_side_is_refused(outbound: tuple[int, ...], wrong: int) -> None:
    hop = HonestHop(outbound=outbound)
    user = Originator(hop.key, circuit=wrong)
    assert user.hears(sent(hop.hears(user.open()), BACK)) == [Close.PROTOCOL]
    assert hop.counters() == NOTHING


def test_an_id_that_is_in_use_ends_the_circuit_that_has_it_on_both_sides() -> None:
    hop, user = at_exit()
    socket = served(hop, user)
    again = Originator(hop.key)
    effects = hop.hears(again.open())
    assert user.hears(sent(effects, BACK))[-1] == Close.PROTOCOL
    assert others(effects) == [CloseSocket(socket, Failure(Cause.CLOSED))]
    assert hop.counters() == NOTHING
    hop, user = at_relay()
    effects = hop.hears(Originator(hop.key, circuit=id_onward(hop)).open(), ONWARD)
    assert user.hears(sent(effects, BACK))[-1] == Close.PROTOCOL, "nor may the Node after us take it"
    assert [frame.type for frame in sent(effects, ONWARD)] == [FrameType.CLOSE]
    assert hop.counters() == NOTHING


def test_an_id_counts_on_one_link_alone() -> None:
    hop = HonestHop()
    for link in (BACK, 5, 6):
        assert hop.hears(Originator(hop.key).open(), link) == []
    assert len(list(hop.circuits)) == 3


def test_a_link_has_so_many_circuits_and_others_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opens, "CIRCUITS_PER_LINK", 3)
    hop = HonestHop()
    users = [at_exit(1 + 2 * number, hop)[1] for number in range(3)]
    more = Originator(hop.key, circuit=7)
    assert more.hears(sent(hop.hears(more.open()), BACK)) == [
        Told(0, {"failed": "overloaded", "detail": ""}),
        Close.OVERLOADED,
    ]
    assert hop.hears(Originator(hop.key).open(), 5) == []
    hop.hears(users[0].close())
    at_exit(9, hop)


def test_a_wallet_has_so_many_circuits_over_all_links_and_others_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits, "CIRCUITS_PER_PAYER", 3)
    hop = HonestHop()
    users = [Originator(hop.key) for _ in range(3)]
    for link, user in enumerate(users, 5):
        assert hop.hears(user.open(), link) == []
    more = Originator(hop.key)
    assert more.hears(sent(hop.hears(more.open(), 8), 8))[-1] == Close.OVERLOADED
    assert hop.hears(Originator(hop.key).open(payer=payer_for(hop.key, Wallet(keccak256(b"other")))), 9) == []
    hop.hears(users[0].close(), 5)
    assert hop.hears(Originator(hop.key).open(), 10) == []


def test_so_many_opens_are_remembered_and_more_are_refused_until_some_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opens, "MAX_SEEN", 3)
    hop = HonestHop()
    for number in range(3):
        _, user = at_exit(1 + 2 * number, hop)
        hop.hears(user.close())
    more = Originator(hop.key, circuit=7)
    assert more.hears(sent(hop.hears(more.open()), BACK))[-1] == Close.OVERLOADED
    assert len(hop.circuits._opens) == 3
    hop.now += OPEN_LIFE + 1
    hop.circuits.tick(hop.now)
    at_exit(9, hop)


@pytest.mark.parametrize("make", [at_exit, at_relay], ids=["exit", "relay"])
def test_a_flood_of_opens_leaves_nothing_once_they_are_closed_and_expired(
    make: Callable[[int, HonestHop], tuple[HonestHop, Originator]],
) -> None:
    hop = HonestHop()
    for number in range(5_000):
        hop.now += 1 / limits.ONWARD_SHARE.each_second
        _, user = make(1 + 2 * number, hop)
        if number % 2:
            hop.hears(user.close())
            if make is at_relay:
                hop.hears(close_frame(id_onward(hop)), ONWARD)
        elif number % 500 == 0:
            hop.circuits.link_lost(BACK)
    hop.circuits.link_lost(BACK)
    assert hop.counters() == NOTHING
    assert len(hop.circuits._opens) == 5_000
    hop.now += OPEN_LIFE + 1
    hop.circuits.tick(hop.now)
    assert not len(hop.circuits._opens)


# --- floods of OPENs ---

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
        assert not [
            each for each in asked(hop, BACK, circuit, Originator(hop.key).open_with([b"x"])) if each not in Close
        ]
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
    for number, frame in enumerate(
        [{"expires": NOW - 1}, {"expires": NOW + 999}, {"payer": None}, {"circuit_key": None}]
    ):
        user = Originator(hop.key, circuit=1 + 2 * number)
        asked(hop, STRANGER, user.circuit, user.open(**frame))
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
    monkeypatch.setattr(hop.circuits, "_heaviest", lambda source: (looks.append(True), heaviest(source))[1])
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


def id_onward(hop: HonestHop, number: int = -1) -> int:
    """Under which id the Node after a relay knows one of its circuits, by default the newest."""
    passage = list(hop.circuits)[number]
    assert passage.onward
    return passage.onward[1]


# --- cells that don't fit ---


@pytest.mark.parametrize("type", [FrameType.CELL, FrameType.CONTROL, FrameType.CLOSE, 0x55])
@pytest.mark.parametrize("link", [BACK, ONWARD, 9])
def test_frames_without_circuit_are_ignored(type: int, link: int) -> None:
    hop, user = at_exit()
    socket = served(hop, user)
    for body in (b"", b"\x00", bytes(528), bytes(65_514)):
        assert hop.hears(frame_of(circuit_frame(FrameType(0x11), 77, body))._replace(type=type), link) == []
    assert works(hop, user, socket)


def line(*circuits: int) -> tuple[Line, list[Originator], list[int]]:
    """A relay and an exit, and circuits over both with a stream each."""
    path = Line(HonestHop(), HonestHop())
    users, sockets = [], []
    for circuit in circuits:
        user = Originator(*(hop.key for hop in path.hops), circuit=circuit)
        assert path.hears(user.open()) == []
        path.hears(user.cell(begin()))
        connect = path.effects[1].pop()
        assert isinstance(connect, Connect)
        exit = path.hops[1]
        exit.exit.connected(connect.socket, "", 0.0)
        user.hears(path.carry(1, exit.flush(after=1.0)))
        users.append(user)
        sockets.append(connect.socket)
    return path, users, sockets


def works_over(path: Line, user: Originator, socket: int) -> bool:
    path.effects[1].clear()
    there = path.hears(user.cell((1, Command.DATA, b"question")))
    back = path.hops[1].exit.received(socket, memoryview(b"answer"), 0.0)
    said = user.hears(path.carry(1, [*back, *path.hops[1].flush()]))
    return not there and path.effects[1] == [WriteSocket(socket, b"question")] and (1, 3, b"answer") in said


def assert_tampered(path: Line, user: Originator, home: list[Frame], socket: int) -> None:
    """The exit has noticed, and everybody knows."""
    heard = user.hears(home)
    assert heard[0] == Told(1, {"failed": CLOSE_TEXTS[Close.TAMPERED], "detail": ""})
    assert heard[-1] == Close.TAMPERED
    bills = [told.value["bill"]["cells"] for told in heard[1:-1] if isinstance(told, Told)]
    assert len(bills) in (1, 2), "and what it has cost is told by each hop that has earned"
    assert path.effects[1] == [CloseSocket(socket, Failure(Cause.CLOSED))]


def test_each_flipped_byte_of_a_cell_ends_its_circuit_and_nothing_else() -> None:
    path, (bystander,), (safe,) = line(1)
    size = BLOCK + TAG
    for at in range(size):
        for hop in path.hops:
            hop.now += 0.1  # More slowly than would be refused.
        user = Originator(*(hop.key for hop in path.hops), circuit=3 + 2 * at)
        path.hears(user.open())
        path.hears(user.cell(begin()))
        socket = path.hops[1].next_socket
        path.effects[1].clear()

        def alter(position: int, frame: Frame, at: int = at) -> Frame:
            if position == 1 and frame.type == FrameType.CELL:
                data_of(frame.wire)[at] ^= 1 + at % 255
            return frame

        path.alter = alter
        home = path.hears(user.cell((1, Command.DATA, b"x" * 200)))
        path.alter = lambda position, frame: frame
        assert_tampered(path, user, home, socket)
    assert [len(list(hop.circuits)) for hop in path.hops] == [1, 1]
    assert works_over(path, bystander, safe)


@pytest.mark.parametrize("at", range(4))
def test_a_cell_whose_circuit_id_is_flipped_is_missed_by_its_own_circuit(at: int) -> None:
    path, (user, bystander), (socket, safe) = line(1, 3)

    def alter(position: int, frame: Frame) -> Frame:
        if position == 1 and frame.type == FrameType.CELL:
            frame.wire[3 + at] ^= 0x40
        return frame

    path.alter = alter
    assert path.hears(user.cell((1, Command.DATA, b"x"))) == []
    path.alter = lambda position, frame: frame
    path.effects[1].clear()
    assert_tampered(path, user, path.hears(user.cell((1, Command.DATA, b"y"))), socket)
    assert works_over(path, bystander, safe)


@pytest.mark.parametrize("order", [[0, 0], [1], [1, 0], [0, 2], [0, 1, 1], [0, 1, 0]])
def test_repeated_dropped_and_reordered_cells_end_their_circuit(order: list[int]) -> None:
    path, (user, bystander), (socket, safe) = line(1, 3)
    cells = [user.cell((1, Command.DATA, b"%d" % number)) for number in range(3)]
    path.effects[1].clear()
    home: list[Frame] = []
    for number in order:
        home += path.hears(frame_of(cells[number].wire))
    good = [before for before, after in pairwise([-1, *order]) if after == before + 1]
    written = path.effects[1][:-1]
    path.effects[1] = path.effects[1][-1:]
    assert len(written) == len(good)
    assert_tampered(path, user, home, socket)
    assert path.hears(user.cell((1, Command.DATA, b"late"))) == [], "whatever comes after it is for nobody"
    assert works_over(path, bystander, safe)


@pytest.mark.parametrize("size", [0, 1, TAG - 1, TAG])
def test_a_cell_that_is_too_short_for_a_seal_ends_its_circuit(size: int) -> None:
    hop, user = at_exit()
    cell = frame_of(circuit_frame(FrameType.CELL, 1, bytes(size)))
    assert user.hears(sent(hop.hears(cell), BACK))[-1] == Close.TAMPERED
    assert hop.counters() == NOTHING


def test_bytes_altered_on_the_way_back_are_noticed_by_the_originator_alone() -> None:
    path, (user,), (socket,) = line(1)

    def alter(position: int, frame: Frame) -> Frame:
        if position == 0 and frame.type == FrameType.CELL:
            data_of(frame.wire)[5] ^= 1
        return frame

    path.alter = alter
    back = path.hops[1].exit.received(socket, memoryview(b"answer"), 0.0)
    home = path.carry(1, [*back, *path.hops[1].flush()])
    with pytest.raises(CryptoError):
        user.hears(home)
    assert [len(list(hop.circuits)) for hop in path.hops] == [1, 1]


# --- frames at the wrong time or place ---


def test_cells_after_close_end_the_circuit_at_a_relay_and_are_for_nobody_at_an_exit() -> None:
    hop, user = at_relay()
    (closed,) = sent(hop.hears(user.close()), ONWARD)
    assert closed.type == FrameType.CLOSE
    effects = hop.hears(user.cell((1, Command.DATA, b"late")))
    assert user.hears(sent(effects, BACK)) == [
        Told(0, {"failed": CLOSE_TEXTS[Close.PROTOCOL], "detail": ""}),
        Close.PROTOCOL,
    ]
    assert [frame.type for frame in sent(effects, ONWARD)] == [FrameType.CLOSE]
    assert hop.counters() == NOTHING
    hop, user = at_exit()
    assert user.hears(sent(hop.hears(user.close()), BACK)) == [Close.DONE]
    assert hop.hears(user.cell((1, Command.DATA, b"late"))) == []


def test_what_is_on_its_way_back_after_close_is_let_pass_and_billed() -> None:
    path, (user,), (socket,) = line(1)
    relay, exit = path.hops
    (cell,) = sent([*exit.exit.received(socket, memoryview(b"answer"), 0.0), *exit.flush()], BACK)
    (closing,) = sent(relay.hears(user.close()), ONWARD)
    before = relay.earned
    assert user.hears(path.run([(0, ONWARD, cell)])) == [(1, Command.DATA, b"answer")]
    assert relay.earned - before == DEFAULT_RATE_PACK.routing_charge(BLOCK + TAG)
    heard = user.hears(path.run([(1, BACK, closing)]))
    assert [told.position for told in heard if isinstance(told, Told)] == [1, 0], "both bill to the end"
    assert heard[-1] == Close.DONE
    assert relay.counters() == exit.counters() == NOTHING


def test_a_circuit_whose_rest_doesn_t_answer_close_ends_after_a_while() -> None:
    hop, user = at_relay()
    hop.hears(user.close())
    hop.now = CLOSING
    assert hop.circuits.tick(hop.now) == []
    hop.now = CLOSING + 1
    effects = hop.circuits.tick(hop.now)
    assert user.hears(sent(effects, BACK)) == [Close.DONE]
    assert [frame.type for frame in sent(effects, ONWARD)] == [FrameType.CLOSE]
    assert hop.counters() == NOTHING


@pytest.mark.parametrize("type", [FrameType.CONTROL, FrameType.HELLO, 0x55])
def test_frames_that_no_originator_sends_end_the_circuit(type: int) -> None:
    for make in (at_exit, at_relay):
        hop, user = make(1, HonestHop())
        effects = hop.hears(frame_of(circuit_frame(FrameType(0x11), 1, b""))._replace(type=type))
        assert user.hears(sent(effects, BACK))[-1] == Close.PROTOCOL
        assert hop.counters() == NOTHING


def test_frames_that_no_next_node_sends_end_the_circuit() -> None:
    hop, user = at_relay()
    id = id_onward(hop)
    effects = hop.hears(frame_of(circuit_frame(FrameType(0x11), id, b""))._replace(type=0x55), ONWARD)
    assert user.hears(sent(effects, BACK))[-1] == Close.PROTOCOL
    assert [frame.type for frame in sent(effects, ONWARD)] == [FrameType.CLOSE]
    assert hop.counters() == NOTHING


@pytest.mark.parametrize("reason", list(Close))
def test_why_the_rest_ended_a_circuit_is_passed_on(reason: Close) -> None:
    hop, user = at_relay()
    assert user.hears(sent(hop.hears(close_frame(id_onward(hop), reason), ONWARD), BACK)) == [reason]
    assert hop.counters() == NOTHING


def test_a_reason_that_is_unknown_or_missing_ends_a_circuit_all_the_same() -> None:
    for body in (b"", b"\xff", b"\x63more"):
        hop, user = at_exit()
        closing = frame_of(circuit_frame(FrameType.CLOSE, 1, body))
        assert user.hears(sent(hop.hears(closing), BACK)) == [Close.DONE]
        assert hop.counters() == NOTHING


# --- ends of circuits ---


def test_a_lost_link_ends_its_circuits_and_tells_the_other_side() -> None:
    hop, user = at_relay()
    effects = hop.circuits.link_lost(ONWARD)
    assert user.hears(sent(effects, BACK)) == [
        Told(0, {"failed": "next hop unreachable", "detail": "the link to it was lost"}),
        Close.UNREACHABLE,
    ]
    assert hop.counters() == NOTHING
    hop, user = at_relay()
    effects = hop.circuits.link_lost(BACK)
    assert [frame.type for frame in sent(effects, ONWARD)] == [FrameType.CLOSE]
    assert hop.counters() == NOTHING
    hop, user = at_exit()
    socket = served(hop, user)
    assert others(hop.circuits.link_lost(BACK)) == [CloseSocket(socket, Failure(Cause.CLOSED))]
    assert hop.counters() == NOTHING


def test_a_circuit_whose_wallet_is_banned_ends_and_so_does_an_idle_one() -> None:
    hop, user = at_exit()
    socket = served(hop, user)
    hop.delinquent.add(WALLET.address)
    effects = hop.circuits.tick(hop.now)
    heard = user.hears(sent(effects, BACK))
    assert heard == [Told(0, {"failed": CLOSE_TEXTS[Close.DELINQUENT], "detail": ""}), Close.DELINQUENT]
    assert others(effects) == [CloseSocket(socket, Failure(Cause.CLOSED))]
    hop, user = at_exit()
    hop.now = IDLE + 1
    assert user.hears(sent(hop.circuits.tick(hop.now), BACK)) == [Close.DONE]
    assert hop.counters() == NOTHING


def test_what_overruns_a_link_ends_its_circuit_alone() -> None:
    path, (user, bystander), (socket, safe) = line(1, 3)
    onward = id_onward(path.hops[0], 0)
    path.effects[1].clear()
    heard = user.hears(path.carry(0, path.hops[0].circuits.overrun(ONWARD, onward)))
    assert heard[0] == Told(0, {"failed": "overloaded", "detail": ""})
    assert heard[-1] == Close.OVERLOADED
    assert path.effects[1] == [CloseSocket(socket, Failure(Cause.CLOSED))]
    assert path.hops[0].circuits.overrun(ONWARD, onward) == []
    assert works_over(path, bystander, safe)


def test_a_hop_whose_cells_back_were_lost_says_so_in_a_way_that_the_originator_understands() -> None:
    path, (user,), (socket,) = line(1)
    path.alter = lambda position, frame: None if frame.type == FrameType.CELL and position < 0 else frame
    back = path.hops[1].exit.received(socket, memoryview(b"answer"), 0.0)
    path.carry(1, [*back, *path.hops[1].flush()])
    path.effects[1].clear()
    home = path.carry(0, path.hops[0].circuits.overrun(BACK, 1))
    assert user.hears(home) == [Close.OVERLOADED], "what is layered after lost cells can't be read any more"
    assert path.effects[1] == [CloseSocket(socket, Failure(Cause.CLOSED))]
    assert [hop.counters() for hop in path.hops] == [NOTHING, NOTHING]


def test_a_stopped_stream_ends_alone() -> None:
    hop, user = at_exit()
    first, second = served(hop, user, 1), served(hop, user, 2)
    assert others(hop.hears(user.cell((2, Command.END, encode_end(6))))) == [CloseSocket(second)]
    assert others(hop.hears(user.cell((1, Command.END, encode_end(0))))) == [EndSocket(first)]
    assert others(hop.exit.ended(first, hop.now)) == [CloseSocket(first)]
    assert user.hears(sent(hop.flush(), BACK)) == [(1, Command.END, encode_end(0))]


# --- cells of strange sizes ---


def test_more_than_a_cell_holds_can_t_be_packed_nor_sent() -> None:
    new_cell(1, [(1, Command.DATA, bytes(MAX_DATA))])
    with pytest.raises(ValueError, match="too much"):
        new_cell(1, [(1, Command.DATA, bytes(MAX_DATA + 1))])
    one, _ = joined()
    with pytest.raises(ValueError, match="too large"):
        one.seal(bytearray(3 + MAX_BODY + 1 + TAG))


def test_a_cell_up_to_what_a_frame_holds_is_served_and_paid_as_any_other() -> None:
    plain = MAX_BODY - 4 - TAG
    assert plain > MAX_PLAIN
    path, (user,), (socket,) = line(1)
    content = os.urandom(plain - 9)
    message = b"\0\0\0\1" + bytes((Command.DATA,)) + len(content).to_bytes(4, "big") + content
    earned = [hop.earned for hop in path.hops]
    path.effects[1].clear()
    assert path.hears(user.raw_cell(message)) == []
    assert path.effects[1] == [WriteSocket(socket, content)]
    charges = [hop.earned - before for hop, before in zip(path.hops, earned, strict=True)]
    assert charges == [
        DEFAULT_RATE_PACK.routing_charge(MAX_BODY - 4),
        DEFAULT_RATE_PACK.exit_charge(len(content)),
    ]


def test_endless_padding_does_nothing_but_cost() -> None:
    path, (user,), (socket,) = line(1)
    state, earned = [hop.counters() for hop in path.hops], [hop.earned for hop in path.hops]
    path.effects[1].clear()
    for size in [MAX_PLAIN] * 50 + [0, 1, 8, 9, 511]:
        assert path.hears(user.raw_cell(bytes(size))) == []
    assert path.effects[1] == []
    assert [hop.counters() for hop in path.hops] == state
    assert path.hops[0].earned - earned[0] >= 50 * DEFAULT_RATE_PACK.routing_charge(MAX_PLAIN + TAG)
    assert path.hops[1].earned == earned[1], "an exit is paid for data"
    assert works_over(path, user, socket)
