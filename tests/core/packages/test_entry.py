"""The entry: what a client says comes to its exit, what the exit answers to its client, and nothing else does."""

from __future__ import annotations

import pytest
from tests.package_ends import OURS, REAL, User, only

from masq.core.effects import Accepted, CloseSocket, EndSocket, Log, Reading, WriteSocket
from masq.core.failure import CLIENT, Cause, Failure, FailureError
from masq.core.packages.entry import ANSWER_WITHIN, ROUTE_LIFE, ROUTE_MEMORY, SERVER_FIRST, SILENT_EXIT, STALE_FOR
from masq.core.packages.flow import MAX_GAP, MAX_HELD, ONE_READ, WINDOW
from masq.wire.message import ClientResponse, SequencedPacket

GONE = Failure(Cause.CLOSED, CLIENT)


def written(effects: list[object]) -> bytes:
    return b"".join(each.data for each in only(WriteSocket, effects))


def failure_of(effects: list[object]) -> Failure:
    """Why the one socket closes."""
    (closed,) = only(CloseSocket, effects)
    assert closed.failure
    return closed.failure


# --- there and back ---


def test_what_a_client_says_comes_to_the_exit_and_the_answer_to_the_client() -> None:
    user = User()
    socket = user.open(b"GET /", host="b.test", port=8080)
    (heard,) = user.take()
    assert heard.said == (0, b"GET /", False, WINDOW)
    assert (heard.request.hostname, heard.request.port, heard.request.protocol) == ("b.test", 8080, "HTTP")
    assert heard.request.originator_key == user.alias.public_key
    assert user.answers(b"hello", window=WINDOW) == [WriteSocket(socket, b"hello")]


def test_port_443_is_named_tls() -> None:
    user = User()
    user.open(port=443)
    assert user.latest.request.protocol == "TLS"


def test_packets_are_numbered_and_all_of_one_stream_take_the_same_way() -> None:
    user = User()
    user.open(b"a")
    user.says(b"b")
    user.ends()
    heard = user.take()
    assert [each.said for each in heard] == [(0, b"a", False, WINDOW), (1, b"b", False, WINDOW), (2, b"", True, WINDOW)]
    assert len({each.request.stream_key for each in heard}) == 1
    assert len({each.arrival.package.hops[0] for each in heard}) == 1


def test_a_client_that_waits_is_told_at_once_that_it_is_connected() -> None:
    user = User()
    socket, effects = user.entry.open("a.test", 80, "", 0.0, eager=True)
    assert effects == [Accepted(socket)]


def test_answers_are_put_in_order_and_repetitions_dropped() -> None:
    user = User()
    socket = user.open()
    assert user.answers(b"c", number=2, window=WINDOW) == []
    assert user.answers(b"b", number=1, window=WINDOW) == []
    assert user.answers(b"a", number=0, window=WINDOW) == [WriteSocket(socket, b"abc")]
    assert user.answers(b"a", number=0, window=WINDOW) == []


def test_two_streams_are_not_mixed_up() -> None:
    user = User()
    one, first = user.open(), user.latest
    other, second = user.open(), user.latest
    assert user.answers(b"2", to=second) == [WriteSocket(other, b"2")]
    assert user.answers(b"1", to=first) == [WriteSocket(one, b"1")]


def test_without_a_route_nothing_is_opened() -> None:
    user = User()
    user.graph.forget(user.exits[0].key)
    with pytest.raises(FailureError) as raised:
        user.entry.open("a.test", 80, "", 0.0)
    assert raised.value.failure.cause is Cause.NO_ROUTE
    assert list(user.entry) == []


def test_a_socket_that_is_not_known_is_closed_or_passed_over() -> None:
    user = User()
    assert user.entry.received(7, memoryview(b"x"), 0.0) == [CloseSocket(7)]
    assert user.entry.ended(7, 0.0) == []
    assert user.entry.closed(7, GONE, 0.0) == []
    assert user.entry.drained(7, 0.0) == []
    user.entry.congested(7)
    assert user.heard == []


def test_what_may_be_seen_of_a_stream() -> None:
    user = User()
    user.open(b"GET /", host="b.test", port=8080)
    user.answers(b"answer", window=WINDOW)
    (seen,) = user.entry.view(12.5)
    assert (seen.target, seen.sent, seen.received, seen.age) == ("b.test:8080", 5, 6, 12.5)
    way = [user.keys.public_key.hex(), user.relays[0].key.hex(), user.exits[0].key.hex()]
    assert list(seen.route) == way
    assert list(seen.back) == way[::-1]


# --- ends ---


def test_of_a_half_closed_stream_the_other_half_goes_on() -> None:
    user = User(OURS)
    socket = user.open()
    assert user.ends() == []
    assert user.answers(b"late", window=WINDOW) == [WriteSocket(socket, b"late")]
    assert user.answers(last=True, window=WINDOW) == [CloseSocket(socket)]
    assert list(user.entry) == []


def test_a_server_that_is_through_still_hears_the_client() -> None:
    user = User(OURS)
    socket = user.open()
    assert user.answers(b"bye", last=True, window=WINDOW) == [WriteSocket(socket, b"bye"), EndSocket(socket)]
    user.take()
    assert user.says(b"more") == []
    assert user.take_said() == [(1, b"more", False, WINDOW)]
    assert user.ends() == [CloseSocket(socket)]
    assert user.take_said() == [(2, b"", True, WINDOW)]
    assert list(user.entry) == []


def test_the_last_packet_of_an_exit_of_0_9_1_ends_the_stream() -> None:
    user = User(REAL)
    socket = user.open()
    assert user.answers(b"bye", last=True) == [WriteSocket(socket, b"bye"), CloseSocket(socket)]
    assert list(user.entry) == []


@pytest.mark.parametrize(("extensions", "window"), [(OURS, 0), (REAL, None)])
def test_when_the_client_is_gone_an_empty_last_packet_tells_the_exit(
    extensions: tuple[str, ...], window: int | None
) -> None:
    user = User(extensions)
    socket = user.open()
    user.take()
    assert user.carry(user.entry.closed(socket, GONE, 1.0)) == []
    assert user.take_said() == [(1, b"", True, window)]
    assert user.answers(b"late") == []
    assert list(user.entry) == []


def test_an_exit_of_0_9_1_is_not_told_twice_that_the_client_is_gone() -> None:
    user = User(REAL)
    socket = user.open()
    user.ends()
    user.take()
    assert user.carry(user.entry.closed(socket, GONE, 1.0)) == []
    assert user.heard == []


def test_an_exit_of_ours_is_told_that_nobody_listens_after_the_client_has_ended_too() -> None:
    user = User(OURS)
    socket = user.open()
    user.ends()
    user.take()
    user.carry(user.entry.closed(socket, GONE, 1.0))
    assert [window for _, _, _, window in user.take_said()] == [0]


def test_who_has_ended_can_not_end_again_nor_say_more() -> None:
    user = User()
    user.open()
    user.ends()
    user.take()
    assert user.ends() == []
    assert user.says(b"more") == []
    assert user.heard == []


# --- credit and back-pressure ---


def test_a_client_is_not_read_beyond_its_credit_and_read_again_when_there_is_more() -> None:
    user = User(OURS)
    socket = user.open()
    assert user.says(bytes(WINDOW - 5)) == [Reading(socket, False)]
    assert user.answers(window=WINDOW) == []
    assert user.answers(window=2 * WINDOW) == [Reading(socket, True)]


def test_credit_is_a_total_so_a_message_that_comes_late_takes_nothing_back() -> None:
    user = User(OURS)
    socket = user.open()
    user.answers(window=3 * WINDOW, number=1)
    user.answers(window=WINDOW, number=0)
    assert user.says(bytes(2 * WINDOW)) == []
    assert user.says(bytes(WINDOW)) == [Reading(socket, False)]


def test_for_an_exit_of_0_9_1_a_client_is_always_read() -> None:
    user = User(REAL)
    user.open()
    assert user.says(bytes(4 * WINDOW)) == []


def test_the_exit_gets_new_credit_once_half_of_it_is_used_up() -> None:
    user = User(OURS)
    user.open()
    user.take()
    half = bytes(WINDOW // 2 - 1)
    user.answers(half, window=WINDOW)
    assert user.heard == []
    user.answers(b"x", window=WINDOW)
    assert user.take_said() == [(1, b"", False, WINDOW + WINDOW // 2)]


def test_the_exit_gets_no_credit_while_the_client_does_not_read() -> None:
    user = User(OURS)
    socket = user.open()
    user.take()
    user.entry.congested(socket)
    user.answers(bytes(WINDOW - 1), window=WINDOW)
    assert user.heard == []
    assert user.carry(user.entry.drained(socket, user.now)) == []
    assert user.take_said() == [(1, b"", False, 2 * WINDOW - 1)]


def test_credit_that_is_given_after_the_client_has_ended_says_again_that_it_has() -> None:
    user = User(OURS)
    user.open()
    user.ends()
    user.take()
    user.answers(bytes(WINDOW // 2), window=WINDOW)
    assert user.take_said() == [(2, b"", True, WINDOW + WINDOW // 2)]


def test_many_streams_share_the_credit() -> None:
    user = User(OURS)
    for _ in range(16):
        user.open()
    assert user.latest.said[3] == WINDOW // 4


def test_an_exit_that_sends_more_than_allowed_is_left_and_named() -> None:
    user = User(OURS)
    socket = user.open()
    user.entry.congested(socket)
    user.take()
    assert written(user.answers(bytes(WINDOW), window=WINDOW)) == bytes(WINDOW)
    assert written(user.answers(bytes(ONE_READ), window=WINDOW)) == bytes(ONE_READ)
    failure = failure_of(user.answers(b"x", window=WINDOW))
    assert (failure.cause, failure.at.key) == (Cause.CREDIT, user.exits[0].key)
    assert [window for _, _, _, window in user.take_said()] == [0]
    assert list(user.entry) == []


def test_a_slow_client_of_an_exit_of_0_9_1_is_given_up_when_too_much_waits() -> None:
    user = User(REAL)
    socket = user.open()
    user.entry.congested(socket)
    assert written(user.answers(bytes(MAX_HELD))) == bytes(MAX_HELD)
    user.take()
    failure = failure_of(user.answers(b"x"))
    assert (failure.cause, failure.at) == (Cause.SLOW_READER, CLIENT)
    assert user.take_said() == [(1, b"", True, None)]


def test_a_client_that_has_caught_up_may_be_slow_again() -> None:
    user = User(REAL)
    socket = user.open()
    for _ in range(3):
        user.entry.congested(socket)
        assert written(user.answers(bytes(MAX_HELD))) == bytes(MAX_HELD)
        assert user.carry(user.entry.drained(socket, user.now)) == []


def test_a_congested_link_stops_the_clients_whose_data_goes_there_and_no_others() -> None:
    user = User(OURS)
    socket = user.open()
    first = user.relays[0].key
    assert user.entry.hold(b"another neighbor", True) == []
    assert user.entry.hold(first, True) == [Reading(socket, False)]
    assert user.entry.hold(first, True) == []
    assert user.entry.hold(first, False) == [Reading(socket, True)]
    assert user.entry.hold(first, False) == []


def test_a_free_link_does_not_make_up_for_credit_that_is_used_up() -> None:
    user = User(OURS)
    socket = user.open()
    user.says(bytes(WINDOW))
    first = user.relays[0].key
    assert user.entry.hold(first, True) == []
    assert user.entry.hold(first, False) == []
    assert user.answers(window=3 * WINDOW) == [Reading(socket, True)]


def test_a_client_that_has_ended_is_neither_stopped_nor_read() -> None:
    user = User(OURS)
    user.open()
    user.ends()
    first = user.relays[0].key
    assert user.entry.hold(first, True) == user.entry.hold(first, False) == []
    assert user.answers(window=3 * WINDOW) == []


# --- what goes wrong ---


def test_a_packet_that_is_lost_ends_the_stream_once_too_much_waits_for_it() -> None:
    user = User(OURS)
    user.open()
    user.take()
    for number in range(1, MAX_GAP + 1):
        assert user.answers(b"x", number=number, window=WINDOW) == []
    failure = failure_of(user.answers(b"x", number=MAX_GAP + 1, window=WINDOW))
    assert failure.cause is Cause.PACKET_LOST
    assert failure.at.key == b""
    assert user.take_said() == [(1, b"", True, 0)]


def test_an_exit_that_ends_with_a_reason_is_quoted_and_its_code_counts() -> None:
    user = User(OURS)
    user.open()
    user.answers(b"some", window=WINDOW)
    failure = failure_of(user.answers(last=True, window=0, reason="the \x1b[2Jserver\n broke", code=4))
    assert (failure.cause, failure.at.key, failure.at.role) == (Cause.BROKEN, user.exits[0].key, "exit")
    assert failure.detail == "the [2Jserver broke"


def test_an_exit_that_ends_without_a_word_is_still_named() -> None:
    user = User(OURS)
    user.open(host="b.test")
    failure = failure_of(user.answers(last=True, window=0))
    assert failure.cause is Cause.CLOSED
    assert "b.test" in failure.detail


def test_a_code_that_nobody_knows_is_an_unknown_cause() -> None:
    user = User(OURS)
    user.open()
    assert failure_of(user.answers(last=True, window=0, code=99)).cause is Cause.UNKNOWN


def test_an_answer_over_a_route_that_is_not_known_is_dropped() -> None:
    user = User()
    user.open()
    stranger = ClientResponse(user.latest.request.stream_key, SequencedPacket(0, b"x"))
    (log,) = user.entry.response(stranger, 12345 ^ next(iter(user.entry._ways)), 100, 0.0)
    assert isinstance(log, Log)
    assert log.event == "unknown_return_route"
    assert not set(user.owed()) - {user.exits[0].wallet, user.relays[0].wallet}


def test_an_exit_of_0_9_1_that_falls_silent_after_an_answer_is_left_after_two_minutes() -> None:
    user = User(REAL)
    socket = user.open()
    user.answers(b"page")
    user.take()
    assert user.tick(SILENT_EXIT) == []
    assert user.tick(1.0) == [CloseSocket(socket)]
    assert user.take_said() == [(1, b"", True, None)]


def test_the_silence_counts_from_the_last_byte_of_either_side() -> None:
    user = User(REAL)
    socket = user.open()
    user.answers(b"page")
    user.tick(SILENT_EXIT)
    user.says(b"next")
    assert user.tick(SILENT_EXIT) == []
    user.answers(b"page")
    assert user.tick(SILENT_EXIT) == []
    assert user.tick(1.0) == [CloseSocket(socket)]


def test_after_the_client_s_end_a_silent_exit_is_left_without_a_word() -> None:
    user = User(REAL)
    socket = user.open()
    user.answers(b"page")
    user.ends()
    user.take()
    assert user.tick(SILENT_EXIT + 1) == [CloseSocket(socket)]
    assert user.heard == []


@pytest.mark.parametrize("extensions", [OURS, REAL])
def test_a_server_that_takes_its_time_for_the_first_answer_is_waited_for(extensions: tuple[str, ...]) -> None:
    user = User(extensions)
    user.open()
    if extensions is OURS:
        user.answers(window=WINDOW)  # It is reached.
    assert user.tick(3_600.0) == []
    assert len(list(user.entry)) == 1


def test_an_exit_of_ours_may_be_silent_for_hours() -> None:
    user = User(OURS)
    user.open()
    user.answers(b"page", window=WINDOW)
    assert user.tick(3_600.0) == []


# --- servers that speak first ---


def test_a_stream_is_opened_at_an_exit_of_ours_though_the_client_says_nothing() -> None:
    user = User(OURS)
    socket = user.open(b"")
    assert user.entry.next_wake(0.0) == SERVER_FIRST
    user.tick(SERVER_FIRST / 2)
    assert user.heard == []
    user.tick(SERVER_FIRST / 2)
    assert user.take_said() == [(0, b"", False, WINDOW)]
    user.tick(1.0)
    assert user.heard == []
    assert user.answers(b"220 hello", window=WINDOW) == [WriteSocket(socket, b"220 hello")]


def test_an_exit_of_0_9_1_can_not_be_asked_to_let_the_server_speak_first() -> None:
    user = User(REAL)
    user.open(b"")
    user.tick(1.0)
    assert user.heard == []


def test_with_nothing_to_wait_for_the_next_look_is_in_ten_seconds() -> None:
    user = User()
    user.open()
    assert user.entry.next_wake(0.0) == STALE_FOR
    assert user.entry.next_wake(5.0) == ANSWER_WITHIN
    user.answers(window=WINDOW)
    assert user.entry.next_wake(5.0) == 15.0


# --- routes ---


def test_streams_of_one_group_share_a_route_for_a_minute() -> None:
    user = User()
    user.open(group="a")
    user.now = ROUTE_LIFE - 1
    user.open(group="a")
    user.now = ROUTE_LIFE
    user.open(group="a")
    ways = [each.arrival.package.hops[0] for each in user.take()]
    assert ways[0] == ways[1] != ways[2]


def test_streams_of_different_groups_share_none() -> None:
    user = User()
    user.open(group="a")
    user.open(group="b")
    one, other = user.take()
    assert one.arrival.package.hops[0] != other.arrival.package.hops[0]
    assert len({stream.way.return_id for stream in user.entry}) == 2


def test_a_stream_stays_on_its_route_however_old_that_is() -> None:
    user = User()
    user.open()
    first = user.latest.arrival.package.hops[0]
    user.answers(window=WINDOW)
    user.tick(2 * ROUTE_MEMORY)
    user.says(b"more")
    assert user.latest.arrival.package.hops[0] == first
    assert written(user.answers(b"answer", window=WINDOW)) == b"answer"


def test_answers_over_a_route_are_known_for_ten_minutes_after_its_last_use() -> None:
    user = User()
    socket = user.open()
    last = user.latest
    user.carry(user.entry.closed(socket, GONE, 0.0))
    user.tick(ROUTE_MEMORY - 1)
    assert user.answers(b"late", to=last) == []
    user.tick(ROUTE_MEMORY - 1)
    assert user.answers(b"later", to=last) == []
    user.tick(ROUTE_MEMORY)
    (log,) = user.answers(b"too late", to=last)
    assert isinstance(log, Log)
