"""Second tries of the entry: over other exits, as long as nothing was answered, and never with more than is kept."""

from __future__ import annotations

import pytest
from tests.package_ends import OURS, REAL, Stop, User, only

from masq.core.attempt import MAX_UNANSWERED, RETRIES
from masq.core.effects import CloseSocket, WriteSocket
from masq.core.failure import Cause, Failure
from masq.core.packages.flow import WINDOW


def closed(effects: list[object]) -> Failure:
    (close,) = only(CloseSocket, effects)
    assert close.failure
    return close.failure


def asked(user: User) -> Stop:
    return user.latest.stop


def test_another_exit_is_told_all_that_was_said_from_number_0_on() -> None:
    user = User(OURS, OURS)
    socket = user.open(b"GET /")
    user.says(b" HTTP/1.0")
    assert asked(user) is user.exits[0]
    user.take()
    assert user.fails("no such host", 1) == []
    assert asked(user) is user.exits[1]
    assert user.take_said() == [(0, b"GET /", False, WINDOW), (1, b" HTTP/1.0", False, WINDOW)]
    assert user.answers(b"page", window=WINDOW) == [WriteSocket(socket, b"page")]


def test_a_client_that_has_ended_has_ended_at_the_other_exit_too() -> None:
    user = User(OURS, OURS)
    user.open(b"GET /")
    user.ends()
    user.take()
    user.fails()
    assert user.take_said() == [(0, b"GET /", False, WINDOW), (1, b"", True, WINDOW)]


def test_exits_that_failed_are_avoided_and_after_three_more_the_client_is_told_the_last_failure() -> None:
    """R16, X15."""
    user = User(*[OURS] * 6)
    user.open()
    for number in range(RETRIES):
        assert asked(user) is user.exits[number]
        assert user.fails("words", 1) == []
    assert asked(user) is user.exits[RETRIES]
    user.take()
    failure = closed(user.fails("the last words", 3))
    assert failure == Failure(Cause.POLICY, failure.at, "the last words")
    assert failure.at.key == user.exits[RETRIES].key
    assert list(user.entry) == []


def test_the_same_exit_is_tried_again_if_there_is_no_other() -> None:
    user = User(REAL)
    user.open()
    for _ in range(RETRIES):
        assert user.fails() == []
        assert asked(user) is user.exits[0]
    failure = closed(user.fails())
    assert (failure.cause, failure.at.key) == (Cause.NOT_RESOLVED, user.exits[0].key)
    assert "a.test" in failure.detail


def test_over_an_exit_of_0_9_1_a_second_try_has_no_credit() -> None:
    user = User(OURS, REAL)
    user.open(b"GET /")
    user.take()
    user.fails()
    assert user.take_said() == [(0, b"GET /", False, None)]
    assert user.says(bytes(3 * WINDOW)) == []


def test_after_an_answer_nothing_is_tried_again() -> None:
    user = User(OURS, OURS)
    user.open()
    user.answers(b"", window=WINDOW)
    user.take()
    closed(user.fails())
    assert [(last, window) for _, _, last, window in user.take_said()] == [(True, 0)]


def test_who_has_said_more_than_is_kept_is_not_tried_again() -> None:
    user = User(OURS, OURS)
    user.open(bytes(MAX_UNANSWERED))
    user.says(b"x")
    user.take()
    assert closed(user.fails(code=4)).cause is Cause.BROKEN
    assert {each.stop for each in user.take()} == {user.exits[0]}


def test_new_streams_of_the_group_take_the_new_way_too() -> None:
    """R16."""
    user = User(OURS, OURS)
    user.open(group="a")
    user.fails()
    user.open(group="a")
    assert asked(user) is user.exits[1]
    user.open(group="b")
    assert asked(user) is user.exits[0]


def test_streams_of_a_lost_neighbor_go_over_another_one() -> None:
    user = User(OURS, relays=2)
    user.open(b"GET /")
    first = user.relays[0]
    user.take()
    # The same relay again, as long as it is believed to be there: a route is all that is asked for.
    user.graph.forget(first.key)
    assert user.carry(user.entry.neighbor_lost(first.key, 1.0)) == []
    assert user.take_said() == [(0, b"GET /", False, WINDOW)]
    assert {stream.way.first for stream in user.entry} == {user.relays[1].key}


def test_streams_over_other_neighbors_are_left_alone() -> None:
    user = User(OURS, relays=2)
    user.open()
    user.take()
    assert user.carry(user.entry.neighbor_lost(user.relays[1].key, 1.0)) == []
    assert user.heard == []


def test_without_another_way_the_client_is_told_which_link_was_lost() -> None:
    user = User(OURS)
    user.open()
    user.take()
    first = user.relays[0]
    user.graph.forget(first.key)
    failure = closed(user.carry(user.entry.neighbor_lost(first.key, 1.0)))
    assert (failure.cause, failure.at.key, failure.at.role) == (Cause.LINK_LOST, first.key, "relay 1")
    assert list(user.entry) == []


def test_with_the_neighbor_no_new_stream_shares_its_way() -> None:
    user = User(OURS, relays=2)
    socket = user.open()
    user.answers(b"page", window=WINDOW)
    first = user.relays[0]
    user.graph.forget(first.key)
    assert closed(user.carry(user.entry.neighbor_lost(first.key, 1.0))).cause is Cause.LINK_LOST
    assert user.entry._sockets.get(socket) is None
    user.open()
    assert {stream.way.first for stream in user.entry} == {user.relays[1].key}


@pytest.mark.parametrize("hops", [1, 2])
def test_a_lost_exit_next_to_us_is_named_as_exit(hops: int) -> None:
    user = User(OURS, relays=hops - 1)
    user.open()
    user.answers(b"page", window=WINDOW)
    first = user.relays[0] if hops == 2 else user.exits[0]
    failure = closed(user.carry(user.entry.neighbor_lost(first.key, 1.0)))
    assert failure.at.role == ("relay 1" if hops == 2 else "exit")


def test_a_way_that_our_user_leaves_is_for_the_streams_it_has() -> None:
    user = User(OURS, OURS)
    user.open()
    assert user.entry.renew() == 1
    assert user.entry.renew() == 0
    first = user.latest
    user.open()
    assert user.latest.arrival.package != first.arrival.package
    assert len(user.entry._ways) == 2
