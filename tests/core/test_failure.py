"""Failures: each cause has words and is told by codes that mean the same; a hop's own words decide nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.core.failure import (
    CLIENT,
    CLOSE_CAUSES,
    END_CAUSES,
    END_CODES,
    NO_WALLET,
    SERVER,
    SOME_HOP,
    TEXTS,
    US,
    Cause,
    Failure,
    FailureError,
    Place,
    hop,
    name_of,
    printable,
)
from masq.errors import UnavailableError
from masq.wire.circuit import MAX_DETAIL, Close, StreamEnd

KEY = bytes(range(64))


def test_each_cause_has_words() -> None:
    assert set(TEXTS) == set(Cause)
    assert len(set(TEXTS.values())) == len(Cause)


def test_each_reason_of_a_circuits_end_is_a_cause_of_its_own() -> None:
    assert set(CLOSE_CAUSES) == set(Close)
    assert len(set(CLOSE_CAUSES.values())) == len(Close)


def test_each_code_of_a_streams_end_is_read_as_a_cause_that_is_told_by_it() -> None:
    assert set(END_CAUSES) == set(StreamEnd)
    for code, cause in END_CAUSES.items():
        assert code is StreamEnd.UNKNOWN or END_CODES[cause] is code


def test_what_an_exit_can_not_tell_has_no_code() -> None:
    assert Cause.CREDIT not in END_CODES
    assert Cause.PACKET_LOST not in END_CODES


@pytest.mark.parametrize("place", [US, CLIENT, SERVER])
@pytest.mark.parametrize("cause", Cause)
def test_what_failed_here_is_told_in_its_own_words_if_it_has_some(cause: Cause, place: Place) -> None:
    assert str(Failure(cause, place)) == TEXTS[cause]
    assert str(Failure(cause, place, "own words")) == "own words"


@pytest.mark.parametrize("cause", Cause)
def test_what_failed_at_a_hop_begins_with_the_hop_and_what_it_says_comes_last(cause: Cause) -> None:
    place = hop(0, 3, KEY)
    assert str(Failure(cause, place)) == f"relay 1 00010203: {TEXTS[cause]}"
    assert str(Failure(cause, place, "its words")) == f"relay 1 00010203: {TEXTS[cause]} (its words)"
    assert str(Failure(cause, SOME_HOP)) == f"a Node of the route: {TEXTS[cause]}"


@given(hops=st.integers(1, 6), position=st.integers(0, 5))
def test_the_last_hop_is_the_exit_and_relays_are_counted_from_1(hops: int, position: int) -> None:
    position %= hops
    place = hop(position, hops, KEY)
    assert place.key == KEY
    assert place.role == ("exit" if position == hops - 1 else f"relay {position + 1}")


def test_a_place_is_named_by_role_and_the_first_letters_of_the_key() -> None:
    assert name_of(KEY) == "00010203"
    assert str(Place("exit", KEY)) == "exit 00010203"
    assert str(SOME_HOP) == "a Node of the route"


def test_the_error_carries_the_failure_and_says_its_words() -> None:
    error = FailureError(NO_WALLET)
    assert error.failure is NO_WALLET
    assert isinstance(error, UnavailableError)
    assert "--consuming-private-key" in str(error)


@given(words=st.text(max_size=3 * MAX_DETAIL))
def test_a_strangers_words_are_cut_and_can_not_steer_a_terminal(words: str) -> None:
    shown = printable(words)
    assert len(shown) <= MAX_DETAIL
    assert shown.isprintable()
    assert shown == "".join(letter for letter in words[:MAX_DETAIL] if letter.isprintable())


def test_escapes_and_lines_are_left_out() -> None:
    assert printable("no \x1b[31mred\n\u202e line") == "no [31mred line"
    assert printable(None) == "None"
