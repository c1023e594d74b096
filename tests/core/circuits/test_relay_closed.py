"""A hop that serves nobody for a while: what it has ends with a bill, and nothing new is taken."""

from __future__ import annotations

from tests.circuit_ends import BACK, HonestHop, Originator, Told, sent

from masq.wire.circuit import Close


def heard(user: Originator, effects: list[object]) -> list[object]:
    return list(user.hears(sent(effects, BACK)))


def test_what_is_there_ends_with_its_last_bill_and_the_reason() -> None:
    hop = HonestHop()
    user = Originator(hop.key)
    hop.hears(user.open())
    hop.circuits.closed = True
    said = heard(user, hop.done(hop.circuits.close_all()))
    assert said[-1] == Close.OVERLOADED
    assert any(isinstance(each, Told) for each in said)
    assert list(hop.circuits) == []
    assert hop.circuits.close_all() == []


def test_new_ones_are_refused_until_it_serves_again() -> None:
    hop = HonestHop()
    hop.circuits.closed = True
    refused = Originator(hop.key)
    assert heard(refused, hop.hears(refused.open())) == [Close.OVERLOADED]
    hop.circuits.closed = False
    taken = Originator(hop.key, circuit=3)
    hop.hears(taken.open())
    assert len(list(hop.circuits)) == 1
