"""Ways that lead nowhere any more, or never answer: streams that have heard nothing take others (protocol.md 8.5)."""

from __future__ import annotations

import pytest
from tests.package_ends import OURS, REAL, User, only

from masq.core.attempt import RETRIES
from masq.core.effects import CloseSocket, WriteSocket
from masq.core.failure import Cause, Failure
from masq.core.packages.entry import ANSWER_WITHIN, SILENT_EXIT, STALE_FOR
from masq.core.packages.flow import WINDOW

HELLO = b"\x16\x03\x01\x02\x00"
"""A TLS hello begins so."""


def dies(user: User, exit: int = 0) -> None:
    """Those beside an exit list it no more."""
    user.graph.forget(user.exits[exit].key)


def closed(effects: list[object]) -> Failure:
    (close,) = only(CloseSocket, effects)
    assert close.failure
    return close.failure


def asked(user: User) -> int:
    """The number of the exit that heard the latest."""
    return user.exits.index(user.latest.stop)


# --- what the graph says ---


@pytest.mark.parametrize("extensions", [OURS, REAL])
def test_a_new_stream_takes_no_way_over_nodes_that_are_linked_no_more(extensions: tuple[str, ...]) -> None:
    user = User(extensions, extensions)
    user.open(group="a")
    user.open(group="a")
    assert asked(user) == 0
    dies(user)
    user.open(group="a")
    assert asked(user) == 1


@pytest.mark.parametrize("extensions", [OURS, REAL])
def test_a_stream_that_has_heard_nothing_leaves_such_a_way_after_a_second(extensions: tuple[str, ...]) -> None:
    user = User(extensions, extensions)
    socket = user.open(b"POST /")
    dies(user)
    user.take()
    assert user.tick(STALE_FOR / 2) == []
    assert user.heard == []
    assert user.tick(STALE_FOR) == []
    assert asked(user) == 1
    assert [data for _, data, _, _ in user.take_said()] == [b"POST /"]
    assert WriteSocket(socket, b"page") in user.answers(b"page", window=WINDOW)


def test_one_that_has_heard_something_stays_as_there_is_no_other_server_to_go_on_with() -> None:
    user = User(REAL, REAL)
    socket = user.open()
    user.answers(b"pa")
    dies(user)
    user.take()
    assert user.tick(ANSWER_WITHIN) == []
    assert user.heard == []
    assert user.answers(b"ge") == [WriteSocket(socket, b"ge")]


def test_without_another_way_the_client_is_told() -> None:
    user = User(OURS)
    user.open()
    dies(user)
    assert closed(user.tick(STALE_FOR)).cause is Cause.UNREACHABLE
    assert list(user.entry) == []


def test_what_the_left_exit_says_after_all_is_not_mixed_in() -> None:
    user = User(REAL, REAL)
    socket = user.open()
    left = user.latest
    dies(user)
    user.tick(STALE_FOR)
    assert user.answers(b"old", to=left) == []
    assert user.answers(b"new") == [WriteSocket(socket, b"new")]


# --- silence ---


@pytest.mark.parametrize(("extensions", "first"), [(OURS, b"POST /"), (REAL, HELLO)])
def test_where_an_answer_has_to_come_soon_silence_is_a_failure(extensions: tuple[str, ...], first: bytes) -> None:
    """Of an exit of ours that it has reached the server, of a TLS server its hello."""
    user = User(*[extensions] * (RETRIES + 1))
    user.open(first)
    for number in range(RETRIES):
        assert user.tick(ANSWER_WITHIN - 1.0) == []
        assert asked(user) == number
        assert user.tick(1.0) == []
        assert asked(user) == number + 1
    failure = closed(user.tick(ANSWER_WITHIN))
    assert (failure.cause, failure.at.key) == (Cause.SILENT, user.exits[RETRIES].key)


def test_how_long_a_client_takes_to_say_something_does_not_count() -> None:
    user = User(REAL, REAL)
    user.open(b"")
    user.tick(10 * ANSWER_WITHIN)
    user.says(HELLO)
    user.tick(ANSWER_WITHIN - 1.0)
    assert asked(user) == 0


def test_a_server_behind_a_real_exit_may_think_about_a_request() -> None:
    user = User(REAL, REAL)
    socket = user.open(b"GET /")
    assert user.tick(10 * ANSWER_WITHIN) == []
    assert asked(user) == 0
    assert user.answers(b"page") == [WriteSocket(socket, b"page")]


def test_who_said_all_and_hears_nothing_from_a_real_exit_is_not_kept_for_ever() -> None:
    user = User(REAL)
    socket = user.open(b"GET /")
    user.ends()
    assert user.tick(SILENT_EXIT) == []
    assert user.tick(1.0) == [CloseSocket(socket)]
    assert list(user.entry) == []


# --- real exits that end a stream before its first byte ---


@pytest.mark.parametrize("first", [b"GET /", b"HEAD /", HELLO])
def test_what_harms_nobody_is_tried_over_other_exits_and_then_the_client_is_told(first: bytes) -> None:
    user = User(*[REAL] * (RETRIES + 1))
    user.open(first)
    for number in range(RETRIES):
        assert asked(user) == number
        assert user.answers(b"", last=True) == []
    user.take()
    failure = closed(user.answers(b"", last=True))
    assert (failure.cause, failure.at.key) == (Cause.NOT_CONNECTED, user.exits[RETRIES].key)
    assert "a.test" in failure.detail


def test_the_next_exit_s_answer_is_heard_from_its_beginning() -> None:
    user = User(REAL, REAL)
    socket = user.open()
    user.answers(b"", last=True)
    assert user.answers(b"page", last=True) == [WriteSocket(socket, b"page"), CloseSocket(socket)]


def test_what_may_have_been_done_is_not_asked_for_again() -> None:
    user = User(REAL, REAL)
    user.open(b"POST /")
    assert closed(user.answers(b"", last=True)).cause is Cause.NOT_CONNECTED
    assert {each.stop for each in user.take()} == {user.exits[0]}


def test_a_server_that_has_heard_all_may_end_without_a_word() -> None:
    user = User(REAL, REAL)
    socket = user.open(b"GET /")
    user.ends()
    assert user.answers(b"", last=True) == [CloseSocket(socket)]
