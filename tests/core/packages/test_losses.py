"""No stream stands still for ever: it gets all its bytes, or, where packages were lost, an end (protocol.md 14.2)."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.package_ends import OURS, REAL, Originator, User, only, said
from tests.package_streams import HOUSEKEEPING, Streams

from masq.core.effects import CloseSocket, Forward, WriteSocket
from masq.core.failure import Cause
from masq.core.packages.entry import ANSWER_WITHIN
from masq.core.packages.flow import ASIDE, LOST_AFTER, WINDOW, Incoming, Losses, Outgoing
from masq.wire.message import SequencedPacket

KNOWN_WITHIN: Final = ASIDE[1] + LOST_AFTER + 4 * HOUSEKEEPING
"""Seconds within which a stream that has lost something has ended, if packages get through again by `ASIDE[1]`."""
SIZES: Final = st.sampled_from([1, 1_000, WINDOW // 2, WINDOW, 5 * WINDOW // 2])
DELAYS: Final = st.lists(st.floats(0.001, 0.5), min_size=1, max_size=7)


@given(
    delays=DELAYS,
    in_order=st.booleans(),
    asks=st.lists(SIZES, min_size=1, max_size=3),
    answers=SIZES,
    pauses=st.lists(st.tuples(st.integers(0, 5), st.floats(0.0, 3.0), st.floats(0.01, 5.0)), max_size=5),
)
@settings(max_examples=25, deadline=None)
def test_whoever_reads_slowly_and_however_links_fill_every_byte_arrives(
    delays: list[float],
    in_order: bool,
    asks: list[int],
    answers: int,
    pauses: list[tuple[int, float, float]],
) -> None:
    """Clients and servers that rest, links that are congested, packages that are slow: nobody waits for somebody who
    waits for him."""
    streams = Streams(delays, in_order=in_order, answers=answers)
    clients = [streams.open(size, ends=True) for size in asks]

    def pause(who: int, seconds: float) -> None:
        if who == 0:
            streams.hold(streams.user.entry, seconds)
        elif who == 1:
            streams.hold(streams.exit, seconds)
        else:
            talkers = [*streams.clients, *streams.servers]
            streams.rest(talkers[who % len(talkers)], seconds)

    for who, at, seconds in pauses:
        streams.later(at, lambda who=who, seconds=seconds: pause(who, seconds))  # type: ignore[misc]
    streams.run(60.0)
    assert [client.heard for client in clients] == [answers] * len(clients)
    assert sorted(server.heard for server in streams.servers) == sorted(asks)
    assert all(client.closed and client.failure is None for client in clients)


@given(
    lost=st.sets(st.integers(0, 60), min_size=1, max_size=4),
    asks=SIZES,
    answers=SIZES,
    ends=st.booleans(),
    stays=st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_a_stream_of_which_packages_are_lost_has_all_its_bytes_or_ends(
    lost: set[int], asks: int, answers: int, ends: bool, stays: bool
) -> None:
    streams = Streams(lost=lost, answers=answers, stays=stays)
    client = streams.open(asks, ends)
    streams.run(KNOWN_WITHIN + 3 * ASIDE[1])
    arrived = client.heard == answers and any(server.heard == asks for server in streams.servers)
    assert client.closed or (arrived and (stays or client.heard_end))
    assert client.heard == answers or client.failure


@given(
    since=st.floats(0.0, 2.0), lasts=st.floats(0.0, ASIDE[1] - 10.0), answers=SIZES, streams_at_once=st.integers(1, 8)
)
@settings(max_examples=25, deadline=None)
def test_where_a_link_of_the_route_is_lost_for_a_while_no_stream_stands_for_ever(
    since: float, lasts: float, answers: int, streams_at_once: int
) -> None:
    streams = Streams(down=[(since, since + lasts)], answers=answers, stays=True)
    clients = [streams.open() for _ in range(streams_at_once)]
    streams.run(since + KNOWN_WITHIN + 40.0)
    assert all(client.heard == answers or client.failure for client in clients)


# --- one end ---


def test_a_packet_is_lost_once_others_have_waited_for_it_and_for_no_other() -> None:
    losses, incoming = Losses(), Incoming()
    incoming.push(SequencedPacket(1, b"b", False))
    assert not losses.lost(incoming, 1.0)
    assert not losses.lost(incoming, LOST_AFTER + 0.9)
    incoming.push(SequencedPacket(3, b"d", False))
    incoming.push(SequencedPacket(0, b"a", False))
    assert not losses.lost(incoming, LOST_AFTER + 1.0), "now 2 is missing, and only just"
    assert not losses.lost(incoming, 2 * LOST_AFTER + 0.9)
    assert losses.lost(incoming, 2 * LOST_AFTER + 1.0)
    incoming.push(SequencedPacket(2, b"c", False))
    assert not losses.lost(incoming, 9 * LOST_AFTER)


def test_an_end_that_says_no_more_says_something_empty_twice() -> None:
    losses, outgoing = Losses(), Outgoing()
    assert not losses.unsure(outgoing, 100.0), "nothing can be lost before the first packet"
    asides = []
    for second in range(200):
        if second in (0, 10):
            outgoing.packet(b"x")
        if losses.unsure(outgoing, float(second)):
            outgoing.packet(b"")
            asides.append(second)
    assert asides == [6, 16, 40]


# --- the entry ---


@pytest.mark.parametrize("extensions", [OURS, REAL])
def test_the_client_is_told_that_a_packet_was_lost_and_the_exit_to_stop(extensions: tuple[str, ...]) -> None:
    user = User(extensions)
    socket = user.open()
    assert user.answers(b"pa", window=WINDOW)
    assert user.answers(b"!", number=2, window=WINDOW) == []
    user.tick(1.0)
    user.take()
    (closed,) = user.tick(LOST_AFTER)
    assert isinstance(closed, CloseSocket)
    assert closed.socket == socket
    assert closed.failure
    assert closed.failure.cause is Cause.PACKET_LOST
    assert [(last, window) for _, _, last, window in user.take_said()] == [(True, 0 if extensions else None)]


def test_only_an_exit_that_understands_it_is_asked_by_an_empty_packet() -> None:
    for extensions in (OURS, REAL):
        user = User(extensions)
        user.open()
        user.answers(b"page", window=WINDOW)
        user.tick(0.1)
        user.take()
        user.tick(ASIDE[0])
        assert user.take_said() == ([(1, b"", False, WINDOW)] if extensions else [])


def test_a_node_that_is_its_own_exit_loses_nothing() -> None:
    user = User(OURS, hops=0)
    socket, _ = user.entry.open("a.test", 80, "", 0.0)
    assert only(Forward, user.entry.received(socket, memoryview(b"GET /"), 0.0))
    assert [user.entry.tick(HOUSEKEEPING * number) for number in range(20)] == [[]] * 20


@pytest.mark.parametrize("extensions", [OURS, REAL])
def test_a_stream_whose_way_is_gone_ends_once_nothing_comes_over_it(extensions: tuple[str, ...]) -> None:
    user = User(extensions)
    socket = user.open()
    user.answers(b"pa", window=WINDOW)
    user.graph.forget(user.exits[0].key)
    assert user.tick(1.0) == []
    user.now += ANSWER_WITHIN / 2
    assert user.answers(b"ge", window=WINDOW) == [WriteSocket(socket, b"ge")], "it carries, whatever gossip says"
    assert user.tick(ANSWER_WITHIN - 1.0) == []
    (closed,) = user.tick(1.0)
    assert isinstance(closed, CloseSocket)
    assert closed.failure
    assert closed.failure.cause is Cause.UNREACHABLE


def test_a_way_that_stands_again_in_time_is_gone_on_with() -> None:
    user = User(OURS)
    user.open()
    user.answers(b"pa", window=WINDOW)
    record = user.graph.record(user.exits[0].key)
    assert record
    user.graph.forget(record.public_key)
    assert user.tick(ANSWER_WITHIN) == []
    user.graph.add(record, None, user.now)
    assert user.tick(1.0) == []
    user.graph.forget(record.public_key)
    assert user.tick(ANSWER_WITHIN - 1.0) == []


def test_an_answer_that_waits_behind_those_to_others_is_waited_for() -> None:
    user = User(OURS, OURS)
    user.open(b"POST /1")
    first = user.latest
    user.open(b"POST /2")
    user.take()
    for _ in range(4):
        user.tick(ANSWER_WITHIN - 1.0)
        user.answers(b"page", window=WINDOW, to=first)
    assert {each.stop for each in user.take()} == {user.exits[0]}
    user.tick(ANSWER_WITHIN)
    assert user.latest.stop == user.exits[1], "until nothing comes at all"


def test_an_exit_that_is_left_is_told_to_stop_and_the_next_attempt_is_another_stream() -> None:
    user = User(OURS)
    user.open(b"POST /")
    left = user.latest
    user.take()
    user.tick(ANSWER_WITHIN)
    stopped, begun = user.take()
    assert stopped.said == (1, b"", True, 0)
    assert begun.said == (0, b"POST /", False, WINDOW)
    assert stopped.request.stream_key == left.request.stream_key != begun.request.stream_key


# --- the exit ---


def test_an_exit_tells_that_a_packet_was_lost() -> None:
    asker = Originator()
    socket = asker.served()
    asker.asks(b"c", number=2)
    assert only(CloseSocket, asker.exit.tick(1.0)) == []
    effects = asker.effects(asker.exit.tick(1.0 + LOST_AFTER))
    assert only(CloseSocket, effects) == [CloseSocket(socket)]
    assert said(effects)[-1][2:] == (True, 0)
    assert asker.stream_count == 0


def test_a_server_that_takes_its_time_is_said_to_be_reached() -> None:
    streams = Streams(answers=1_000, thinks=50.0)
    client = streams.open()
    streams.run(60.0)
    assert (client.heard, client.heard_end, len(streams.servers)) == (1_000, True, 1)


def test_one_that_is_not_reached_is_asked_for_over_another_exit() -> None:
    asker = Originator()
    asker.asks(b"GET /")
    assert asker.exit.tick(HOUSEKEEPING) == []


def test_for_an_originator_of_0_9_1_nothing_is_said_aside() -> None:
    asker = Originator(credits=False)
    asker.served()
    asker.server_says(b"page")
    assert [asker.exit.tick(5.0 * number) for number in range(10)] == [[]] * 10


def test_what_is_said_only_to_be_heard_keeps_no_stream() -> None:
    asker = Originator()
    socket = asker.served()
    asker.effects(asker.exit.ended(socket, 0.0))
    for second in (6.0, 29.0):
        asker.now = second
        asker.asks(b"")
    assert only(CloseSocket, asker.exit.tick(31.0)) == [CloseSocket(socket)]
