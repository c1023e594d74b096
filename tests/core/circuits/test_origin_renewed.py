"""Circuits that our user leaves for new ones, and what may be seen of those in use."""

from __future__ import annotations

from tests.circuit_ends import Nodes
from tests.core.circuits.entry_ends import DATA, answered, closes, started

from masq.core.circuits.origin import IDLE
from masq.core.failure import CLIENT, Cause, Failure
from masq.core.view import ExitView


def test_a_circuit_is_proven_when_its_exit_has_answered() -> None:
    entry, nodes, _ = started()
    assert not entry.own.proven("", 0.0)
    assert entry.own.heard(0.0) is None
    entry.hears(nodes.cell((1, DATA, b"y")))
    assert entry.own.heard(3.0) == 3.0
    assert entry.own.proven("", 0.0)
    assert not entry.own.proven("another", 0.0)


def test_exits_in_use_are_seen_with_their_countries() -> None:
    entry, nodes, _ = answered()
    key = nodes.pairs[-1].public_key
    assert entry.own.exits(entry.now, lambda asked: None) == (ExitView(key.hex(), None, 1),)


def test_new_streams_leave_and_open_ones_stay() -> None:
    entry, nodes, socket = answered()
    assert entry.own.renew() == 1
    assert entry.own.exits(entry.now, lambda key: None) == ()
    assert not entry.own.proven("", entry.now)
    assert entry.own.renew() == 0
    entry.open(b"more")
    exits = [own.route.exit.key for own in entry.own]
    assert exits == [nodes.pairs[-1].public_key, entry.ways[1].pairs[-1].public_key]
    assert entry.hears(nodes.cell((1, DATA, b"z")))
    assert socket


def test_new_streams_may_get_the_exit_that_they_had_if_nobody_wants_to_leave_it() -> None:
    entry, nodes, _ = answered()
    assert entry.own.renew(leave=False) == 1
    entry.open(b"more")
    assert [own.route.exit.key for own in entry.own] == [nodes.pairs[-1].public_key] * 2


def test_the_same_exit_is_taken_again_if_there_is_no_other() -> None:
    entry, nodes, _ = started(b"x", Nodes())
    entry.own.renew()
    entry.open(b"more")
    assert [own.route.exit.key for own in entry.own] == [nodes.pairs[-1].public_key] * 2


def test_a_circuit_that_was_left_is_closed_when_its_streams_are_over() -> None:
    entry, nodes, socket = answered()
    entry.own.renew()
    entry.now = IDLE / 2
    assert closes([*entry.entry.tick(entry.now)]) == []
    entry.entry.closed(socket, Failure(Cause.CLOSED, CLIENT), entry.now)
    entry.now += 2 * IDLE
    assert [circuit for circuit, _ in closes([*entry.entry.tick(entry.now)])] == [nodes.circuit]


def test_leaving_again_and_again_goes_on_to_exits_not_left_yet() -> None:
    entry, _, _ = started(b"x", Nodes(), Nodes(), Nodes())
    for _ in range(4):
        entry.own.renew()
        entry.open(b"more")
    found = [own.route.exit.key for own in entry.own]
    assert found[:3] == [nodes.pairs[-1].public_key for nodes in entry.ways]
    assert found[3] != found[2]
