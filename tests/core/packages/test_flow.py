"""One direction of a stream: any order is restored, what waits behind a gap is bounded, credit is kept to."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.core.links.links import MAX_QUEUE, MAX_ROUTE
from masq.core.packages.flow import (
    MAX_GAP,
    MAX_HELD,
    MAX_TOGETHER,
    ONE_READ,
    WINDOW,
    Incoming,
    Outgoing,
    shared_window,
)
from masq.errors import MalformedError
from masq.wire.message import SequencedPacket

pieces = st.lists(st.binary(max_size=20), min_size=1, max_size=30)


def packets(data: list[bytes]) -> list[SequencedPacket]:
    """As one direction of a stream sends them: the last one is flagged."""
    outgoing = Outgoing()
    return [outgoing.packet(piece, number == len(data) - 1) for number, piece in enumerate(data)]


def packet(number: int, data: bytes = b"x", last: bool = False) -> SequencedPacket:
    return SequencedPacket(number, data, last)


# --- arriving ---


@given(data=pieces, order=st.randoms(use_true_random=False), again=st.lists(st.integers(0, 29), max_size=10))
def test_packets_in_any_order_and_any_number_of_times_are_the_bytes_that_were_sent(
    data: list[bytes], order: Random, again: list[int]
) -> None:
    sent = packets(data)
    arriving = sent + [sent[number] for number in again if number < len(sent)]
    order.shuffle(arriving)
    incoming = Incoming()
    assert b"".join(incoming.push(each) for each in arriving) == b"".join(data)
    assert incoming.ended
    assert incoming.received == sum(map(len, data))
    assert not incoming._early
    assert incoming._held == 0


@given(data=pieces, lost=st.integers(0, 29))
def test_nothing_behind_a_gap_is_delivered_before_the_gap_is_filled(data: list[bytes], lost: int) -> None:
    sent = packets(data)
    lost %= len(sent)
    incoming = Incoming()
    heard = b"".join(incoming.push(each) for each in sent if each.sequence != lost)
    assert heard == b"".join(data[:lost])
    assert not incoming.ended
    assert incoming.push(sent[lost]) == b"".join(data[lost:])
    assert incoming.ended


def test_the_first_of_two_packets_with_one_number_counts() -> None:
    incoming = Incoming()
    assert incoming.push(packet(1, b"first")) == b""
    assert incoming.push(packet(1, b"other")) == b""
    assert incoming.push(packet(0, b"a ")) == b"a first"
    assert incoming.push(packet(0, b"again")) == b""


def test_what_comes_behind_the_last_packet_is_dropped_and_not_kept() -> None:
    incoming = Incoming()
    assert incoming.push(packet(0, b"all", last=True)) == b"all"
    assert incoming.push(packet(1, b"more")) == b""
    assert incoming.push(packet(7, b"more")) == b""
    assert not incoming._early
    assert incoming.received == 3


def test_a_last_packet_in_the_middle_ends_the_stream_there() -> None:
    incoming = Incoming()
    assert incoming.push(packet(2, b"c")) == b""
    assert incoming.push(packet(1, b"b", last=True)) == b""
    assert incoming.push(packet(0, b"a")) == b"ab"
    assert incoming.ended


def test_a_last_packet_behind_a_gap_ends_nothing_yet() -> None:
    incoming = Incoming()
    assert incoming.push(packet(1, b"", last=True)) == b""
    assert not incoming.ended
    assert incoming.push(packet(0, b"a")) == b"a"
    assert incoming.ended


def test_so_many_packets_may_wait_behind_a_gap_and_no_more() -> None:
    incoming = Incoming()
    for number in range(1, MAX_GAP + 1):
        incoming.push(packet(number, b""))
    with pytest.raises(MalformedError, match="lost"):
        incoming.push(packet(MAX_GAP + 1, b""))
    assert len(incoming._early) == MAX_GAP


def test_so_many_bytes_may_wait_behind_a_gap_and_no_more() -> None:
    incoming = Incoming()
    incoming.push(packet(1, bytes(MAX_HELD - 1)))
    incoming.push(packet(2, b"x"))
    with pytest.raises(MalformedError, match="lost"):
        incoming.push(packet(3, b"x"))


def test_what_was_delivered_makes_room_behind_the_next_gap() -> None:
    incoming = Incoming()
    incoming.push(packet(1, bytes(MAX_HELD)))
    assert len(incoming.push(packet(0))) == MAX_HELD + 1
    assert incoming.push(packet(3, bytes(MAX_HELD))) == b""
    assert len(incoming.push(packet(2))) == MAX_HELD + 1


# --- leaving ---


@given(data=pieces)
def test_packets_are_numbered_from_0_without_a_gap_and_the_bytes_counted(data: list[bytes]) -> None:
    outgoing = Outgoing()
    sent = [outgoing.packet(piece) for piece in data]
    assert [each.sequence for each in sent] == list(range(len(data)))
    assert outgoing.sent == sum(map(len, data))
    assert not outgoing.ended


def test_the_last_packet_ends_it_and_what_may_follow_does_not_undo_that() -> None:
    outgoing = Outgoing()
    assert outgoing.packet(b"", last=True).last
    assert outgoing.packet(b"").sequence == 1
    assert outgoing.ended


def test_the_read_that_reaches_the_limit_blocks_and_a_higher_limit_frees() -> None:
    outgoing = Outgoing(limit=10)
    outgoing.packet(bytes(9))
    assert not outgoing.blocked
    outgoing.packet(bytes(5))
    assert outgoing.blocked
    outgoing.limit = 15
    assert not outgoing.blocked


def test_without_credit_nothing_blocks() -> None:
    outgoing = Outgoing()
    outgoing.packet(bytes(2 * WINDOW))
    assert not outgoing.blocked


# --- credit ---


@given(streams=st.integers(0, 10_000))
def test_a_streams_share_is_between_64_kib_and_a_mib(streams: int) -> None:
    assert 65_536 <= shared_window(streams) <= WINDOW == 1_048_576
    assert shared_window(streams) >= shared_window(streams + 1)
    if streams <= 64:
        assert streams * shared_window(streams) <= MAX_TOGETHER


@pytest.mark.parametrize(("streams", "window"), [(0, WINDOW), (4, WINDOW), (5, 838_860), (64, 65_536), (1_000, 65_536)])
def test_up_to_four_streams_have_a_mib_each_and_more_share_four(streams: int, window: int) -> None:
    assert shared_window(streams) == window


def test_a_relay_has_room_for_the_credit_of_sixty_streams_that_begin_at_once() -> None:
    credit = sum(shared_window(number) for number in range(1, 61))
    assert 2 * (credit + 60 * ONE_READ // 2) < MAX_ROUTE < MAX_QUEUE
