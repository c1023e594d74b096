"""The exit keeps to its credit, gives some, and lets servers wait for readers and readers for servers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.package_ends import Originator, only, said

from masq.core.effects import CloseSocket, Reading, WriteSocket
from masq.core.packages.flow import MAX_GAP, MAX_HELD, WINDOW
from masq.wire.message import ClientResponse

OTHER = b"t" * 20


def test_a_server_is_not_read_beyond_the_credit_and_read_again_when_there_is_more() -> None:
    asker = Originator()
    asker.asks(b"GET /", window=100)
    socket = asker.socket
    assert only(Reading, asker.connects()) == []
    assert asker.server_says(bytes(99))[1:] == []
    assert asker.server_says(bytes(50))[1:] == [Reading(socket, False)]
    assert asker.asks(b"", window=149) == []
    assert asker.asks(b"", window=100) == []
    assert asker.asks(b"", window=150) == [Reading(socket, True)]


def test_with_no_credit_to_begin_with_a_server_is_not_read_at_all() -> None:
    asker = Originator()
    asker.asks(b"GET /", window=100)
    asker.asks(b"", window=1, number=1)
    asker.connects()
    assert asker.server_says(bytes(100))[1:] == [Reading(asker.socket, False)]


def test_for_an_originator_of_0_9_1_a_server_is_always_read() -> None:
    asker = Originator(credits=False)
    asker.served()
    assert only(Reading, asker.server_says(bytes(8 * WINDOW))) == []


def test_an_originator_gets_new_credit_once_half_is_used_up_and_the_server_keeps_pace() -> None:
    asker = Originator()
    socket = asker.served(bytes(WINDOW // 2 - 1))
    assert said(asker.asks(b"x")) == [(0, b"", False, WINDOW + WINDOW // 2)]
    asker.exit.congested(socket)
    assert said(asker.asks(bytes(WINDOW))) == []
    effects = asker.effects(asker.exit.drained(socket, 1.0))
    assert said(effects) == [(1, b"", False, 2 * WINDOW + WINDOW // 2)]


def test_before_the_server_is_reached_there_is_no_new_credit_and_then_at_once() -> None:
    asker = Originator()
    assert said(asker.asks(bytes(WINDOW))) == []
    assert said(asker.connects()) == [(0, b"", False, 2 * WINDOW)]


def test_a_server_that_has_ended_may_read_on_and_so_there_is_new_credit() -> None:
    asker = Originator()
    socket = asker.served()
    asker.effects(asker.exit.ended(socket, 1.0))
    assert said(asker.asks(bytes(WINDOW))) == [(1, b"", True, 2 * WINDOW + 5)]
    assert said(asker.asks(bytes(WINDOW), last=True)) == [], "who says no more needs none"


@pytest.mark.parametrize("reached", [True, False])
def test_too_much_for_a_slow_server_ends_the_stream(reached: bool) -> None:
    asker = Originator(credits=False)
    socket = asker.served(b"x") if reached else 0
    if reached:
        asker.exit.congested(socket)
        assert only(WriteSocket, asker.asks(bytes(MAX_HELD)))
    else:
        asker.asks(bytes(MAX_HELD))
    effects = asker.asks(b"x")
    assert effects[0] == CloseSocket(asker.socket)
    assert said(effects) == [(0, b"", True, None)]
    assert asker.stream_count == 0


def test_a_server_that_has_caught_up_may_be_slow_again() -> None:
    asker = Originator(credits=False)
    socket = asker.served(bytes(MAX_HELD))
    for _ in range(3):
        asker.exit.congested(socket)
        assert only(WriteSocket, asker.asks(bytes(MAX_HELD)))
        assert asker.exit.drained(socket, 1.0) == []


def test_a_server_that_is_slow_from_the_start_is_still_slow() -> None:
    asker = Originator(credits=False)
    asker.asks(bytes(MAX_HELD))
    asker.exit.congested(asker.socket)
    asker.connects()
    assert only(CloseSocket, asker.asks(b"x"))


def test_a_packet_that_is_lost_ends_the_stream_once_too_much_waits_for_it() -> None:
    asker = Originator()
    socket = asker.served()
    for number in range(2, 2 + MAX_GAP):
        assert asker.asks(b"x", number=number) == []
    effects = asker.asks(b"x", number=2 + MAX_GAP)
    assert effects[0] == CloseSocket(socket)
    assert said(effects) == [(0, b"", True, 0)]
    (told,) = only(ClientResponse, effects)
    assert told.reason == "a packet was lost on the way"


def test_a_congested_link_stops_the_servers_whose_data_goes_there_and_no_others() -> None:
    asker = Originator()
    socket = asker.served()
    asker.asks(b"not connected yet", OTHER)
    back = asker.keys.public_key
    assert asker.exit.hold(b"another neighbor", True) == []
    assert asker.exit.hold(back, True) == [Reading(socket, False)]
    assert asker.exit.hold(back, True) == []
    assert asker.exit.hold(back, False) == [Reading(socket, True)]
    assert asker.exit.hold(back, False) == []


def test_a_server_that_has_ended_is_neither_stopped_nor_read() -> None:
    asker = Originator()
    socket = asker.served()
    asker.exit.ended(socket, 1.0)
    back = asker.keys.public_key
    assert asker.exit.hold(back, True) == asker.exit.hold(back, False) == []


@given(sizes=st.lists(st.integers(1, WINDOW), max_size=12))
def test_an_exit_that_is_read_as_it_says_never_sends_more_than_one_read_beyond_the_credit(sizes: list[int]) -> None:
    asker = Originator()
    asker.served()
    sent, reading = 0, True
    for size in sizes:
        if reading:
            for effect in asker.server_says(bytes(size)):
                sent += len(effect.packet.data) if isinstance(effect, ClientResponse) else 0
                reading = effect.on if isinstance(effect, Reading) else reading
            assert sent < WINDOW + size
    assert reading == (sent < WINDOW)
