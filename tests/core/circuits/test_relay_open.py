"""A hop of circuits of others: which OPENs it accepts and refuses, and what it keeps (protocol.md 15.3)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from tests.circuit_ends import (
    BACK,
    ONWARD,
    WALLET,
    HonestHop,
    Originator,
    Said,
    Told,
    begin,
    close_frame,
    others,
    payer_for,
    sent,
)
from tests.core.circuits.relay_ends import NOTHING, NOW, at_exit, at_relay, id_onward, served
from tests.secure_ends import keys

from masq.chain.wallet import Wallet
from masq.core import limits
from masq.core.circuits import opens
from masq.core.circuits import relay as circuits
from masq.core.effects import CloseSocket, Connect, Log, WriteSocket
from masq.core.failure import Cause, Failure
from masq.keccak import keccak256
from masq.wire import cbor
from masq.wire.circuit import (
    CLOSE_TEXTS,
    OPEN_LIFE,
    Close,
    Command,
    Debt,
    circuit_of,
    data_of,
    debt_of,
)
from masq.wire.package import open_hop
from masq.wire.secure_link import Frame, FrameType


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


def test_whose_wallet_is_banned_hears_for_what() -> None:
    hop = HonestHop()
    hop.delinquent.add(WALLET.address)
    hop.debt = Debt(7, 1_800_000_000, 5, 3)
    user = Originator(hop.key)
    told, reason = user.hears(sent(hop.hears(user.open()), BACK))
    assert isinstance(told, Told)
    assert debt_of(told.value) == hop.debt
    assert reason is Close.DELINQUENT
    user = Originator(hop.key, circuit=3)
    hop.delinquent.clear()
    hop.next.clear()
    heard = user.hears(sent(hop.hears(user.open(next_key=keys().public_key)), BACK))
    assert heard == [Told(0, {"failed": "next hop unreachable", "detail": ""}), Close.UNREACHABLE], (
        "and for nothing else"
    )


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

    def repeated(circuit: int) -> list[Said | Told | Close]:
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
