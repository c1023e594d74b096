"""The entry's end of circuits: datagrams and questions."""

from __future__ import annotations

import pytest
from tests.circuit_ends import BACK, Entry, Nodes, close_frame, others, sent
from tests.core.circuits.entry_ends import (
    DATA,
    FOUND,
    RESOLVED,
    answered,
    place,
)

from masq.core.attempt import RETRIES
from masq.core.circuits.entry import RESOLVE_FOR, Wish
from masq.core.effects import (
    Resolved,
    SendDatagram,
)
from masq.core.failure import Cause, Failure
from masq.wire.circuit import (
    MAX_DATA,
    NO_SUCH_NAME,
    STREAM_CREDIT,
    Command,
    Resolution,
    encode_begin,
    encode_datagram,
    encode_resolve,
    encode_resolved,
)


def test_datagrams_go_and_come() -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.DATAGRAMS, host="")
    nodes = entry.ways[0]
    effects = entry.carry(entry.entry.datagram(socket, "a.test", 53, b"question", entry.now))
    assert nodes.circuit == 1
    assert len(sent(effects, BACK)) == 1
    effects = entry.hears(nodes.cell((1, Command.DATAGRAM, encode_datagram("192.0.2.1", 53, b"answer"))))
    assert effects == [SendDatagram(socket, "192.0.2.1", 53, b"answer")]


def test_datagrams_go_another_way_when_a_circuit_ends_though_some_have_come() -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.DATAGRAMS, host="")
    entry.hears(entry.ways[0].cell((1, Command.DATAGRAM, encode_datagram("192.0.2.1", 53, b"x"))))
    effects = entry.hears(entry.ways[0].close())
    assert others(effects) == []
    assert entry.ways[1].take_said() == [(1, Command.BEGIN, encode_begin("", 80, True))]
    effects = entry.hears(entry.ways[1].cell((1, Command.DATAGRAM, encode_datagram("192.0.2.1", 53, b"y"))))
    assert effects == [SendDatagram(socket, "192.0.2.1", 53, b"y")]


@pytest.mark.parametrize("size", [MAX_DATA - 7, 65_535])
def test_a_datagram_that_is_too_large_or_has_no_credit_is_lost(size: int) -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.DATAGRAMS, host="")
    gone = 0
    for _ in range(30):
        gone += len(sent(entry.carry(entry.entry.datagram(socket, "host", 53, bytes(size), entry.now)), BACK))
    assert gone == (STREAM_CREDIT // MAX_DATA if size < MAX_DATA else 0)


def test_a_question_is_answered() -> None:
    entry = Entry()
    entry.open(b"", group="x")
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test", group="x")
    nodes = entry.ways[0]
    assert entry.hears(nodes.cell((2, RESOLVED, encode_resolved(Resolution(FOUND))))) == [Resolved(socket, FOUND)]
    assert entry.hears(nodes.cell((2, RESOLVED, encode_resolved(Resolution(FOUND))))) == []


def test_a_question_that_one_exit_can_t_answer_is_asked_of_others() -> None:
    entry = Entry(*(Nodes() for _ in range(RETRIES + 2)))
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test")
    effects: list[object] = []
    for nodes in entry.ways[: RETRIES + 1]:
        assert others(effects) == []
        effects = entry.hears(nodes.cell((1, RESOLVED, encode_resolved(Resolution((), "no server")))))
    assert effects == [Resolved(socket, Failure(Cause.NOT_RESOLVED, place(nodes, 2), "no server"))]


def test_a_name_that_does_not_exist_is_not_asked_for_again() -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test")
    nothing = Resolution((), f"{NO_SUCH_NAME}: b.test")
    failure = Failure(Cause.NO_SUCH_NAME, place(entry.ways[0], 2), nothing.error)
    assert entry.hears(entry.ways[0].cell((1, RESOLVED, encode_resolved(nothing)))) == [Resolved(socket, failure)]


def test_an_exit_that_does_not_answer_a_question_is_left_for_another() -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test")
    assert entry.tick(RESOLVE_FOR) == []
    effects = entry.tick(1)
    assert entry.ways[1].take_said() == [(1, Command.RESOLVE, encode_resolve("b.test", paid=True))]
    effects = entry.hears(entry.ways[1].cell((1, RESOLVED, encode_resolved(Resolution(FOUND)))))
    assert effects == [Resolved(socket, FOUND)]
    assert not list(entry.entry.streams())


def test_a_question_without_answer_from_anybody_ends() -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test")
    entry.tick(RESOLVE_FOR + 1)
    at = place(entry.ways[1], 2)
    assert others(entry.tick(RESOLVE_FOR + 1)) == [Resolved(socket, Failure(Cause.SILENT, at))]


def test_frames_for_circuits_that_are_gone_mean_nothing() -> None:
    entry, nodes, _ = answered()
    entry.hears(nodes.close())
    for frame in (nodes.cell((1, DATA, b"x")), nodes.bill(0), nodes.close(), close_frame(77)):
        assert entry.hears(frame) == []
