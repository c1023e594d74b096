"""The exit: bytes of strangers to servers and back, each stream by the latest way back, nobody's without bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.package_ends import KEY, WALLET, Originator, only, said
from tests.secure_ends import keys

from masq.core.effects import CloseSocket, Connect, EndSocket, Forward, Log, WriteSocket
from masq.core.failure import SERVER, Cause, Failure
from masq.core.limits import QUIET_FOR, QUIET_UNDER_PRESSURE, STALLED_FOR, Limits
from masq.core.packages.exit import IDLE, MAX_STREAMS, TOO_MANY
from masq.core.packages.flow import WINDOW
from masq.wire.circuit import StreamEnd
from masq.wire.message import ClientResponse, DnsResolveFailed, decode_message

OTHER = b"t" * 20


def refusal(effects: list[object]) -> tuple[str | None, int | None]:
    """Reason and code of the one message in which a stream is refused or ended."""
    (message,) = [each for each in effects if isinstance(each, ClientResponse | DnsResolveFailed)]
    return message.reason, message.code


# --- there and back ---


@pytest.mark.parametrize("credits", [True, False])
def test_a_first_request_connects_and_what_came_meanwhile_is_written_in_order(credits: bool) -> None:
    asker = Originator(credits)
    assert asker.asks(b"GET ") == [Connect(asker.socket, "a.test", 80, WALLET.address)]
    assert asker.asks(b"/ ") == []
    assert asker.asks(b"HTTP/1.0") == []
    socket = asker.socket
    assert asker.connects() == [WriteSocket(socket, each) for each in (b"GET ", b"/ ", b"HTTP/1.0")]


@pytest.mark.parametrize(("credits", "window"), [(True, WINDOW), (False, None)])
def test_what_the_server_says_is_numbered_and_answered_in_kind(credits: bool, window: int | None) -> None:
    asker = Originator(credits)
    asker.served()
    effects = [*asker.server_says(b"page "), *asker.server_says(b"goes on")]
    assert said(effects) == [(0, b"page ", False, window), (1, b"goes on", False, window)]
    assert {message.stream_key for message in only(ClientResponse, effects)} == {KEY}


@given(order=st.permutations(range(5)), credits=st.booleans())
def test_requests_in_any_order_reach_the_server_as_they_were_said(order: list[int], credits: bool) -> None:
    asker = Originator(credits)
    effects = [each for number in order for each in asker.asks(b"%d" % number, number=number)] if not credits else []
    if credits:  # The first packet opens the stream: one with a higher number would be refused.
        effects = asker.asks(b"0", number=0)
        effects += [each for number in order for each in asker.asks(b"%d" % number, number=number)]
    effects += asker.connects()
    assert b"".join(each.data for each in only(WriteSocket, effects)) == b"01234"


def test_two_streams_have_a_server_each() -> None:
    asker = Originator()
    one, other = asker.served(b"1"), asker.served(b"2", OTHER)
    (answer,) = only(ClientResponse, asker.server_says(b"two", other))
    assert answer.stream_key == OTHER
    assert asker.asks(b"more") == [WriteSocket(one, b"more")]
    assert asker.stream_count == 2


@pytest.mark.parametrize(
    ("name", "dialled"),
    [
        ("192.0.2.1:8080", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("a.test", "a.test"),
        ("a.test:80", "a.test:80"),
    ],
)
def test_an_address_may_have_a_port_behind_it_or_brackets_around_it(name: str, dialled: str) -> None:
    asker = Originator()
    (connect,) = only(Connect, asker.asks(b"x", host=name))
    assert (connect.host, connect.port) == (dialled, 80)


def test_answers_go_back_the_way_of_the_latest_request() -> None:
    asker = Originator()
    socket = asker.served()
    others = keys()
    asker.asks(b"more", by=others)
    (sent,) = only(Forward, asker.exit.received(socket, memoryview(b"answer"), 0.0))
    assert sent.key == others.public_key
    assert sent.flow == sent.package.hops[0][:32]
    assert isinstance(decode_message(asker.alias.open(sent.package.payload)), ClientResponse)


def test_of_a_lost_neighbor_only_the_streams_whose_answers_it_carried_end() -> None:
    asker = Originator()
    others = keys()
    one = asker.served()
    asker.asks(b"x", OTHER, by=others)
    assert asker.exit.neighbor_lost(asker.keys.public_key) == [CloseSocket(one)]
    assert asker.exit.neighbor_lost(others.public_key) == [CloseSocket(asker.socket)]
    assert asker.stream_count == 0


def test_a_socket_that_is_not_known_is_closed_or_passed_over() -> None:
    exit = Originator().exit
    assert exit.received(7, memoryview(b"x"), 0.0) == [CloseSocket(7)]
    assert exit.ended(7, 0.0) == [CloseSocket(7)]
    assert exit.connected(7, "", 0.0) == [CloseSocket(7)]
    assert exit.connect_failed(7, Failure(Cause.REFUSED), 0.0) == []
    assert exit.closed(7, Failure(Cause.BROKEN), 0.0) == []
    assert exit.drained(7, 0.0) == []
    exit.congested(7)


# --- opening ---


def test_an_empty_first_packet_with_a_window_opens_a_stream_for_a_server_that_speaks_first() -> None:
    asker = Originator()
    assert only(Connect, asker.asks(b""))
    assert asker.connects() == []
    assert said(asker.server_says(b"220 hello")) == [(0, b"220 hello", False, WINDOW)]


def test_an_empty_packet_without_a_window_opens_nothing() -> None:
    asker = Originator(credits=False)
    assert asker.asks(b"") == []
    assert asker.asks(b"", last=True) == []
    assert asker.stream_count == 0


def test_the_closing_packet_of_a_stream_that_is_over_opens_nothing() -> None:
    asker = Originator()
    assert asker.asks(b"", last=True, window=0) == []
    assert asker.asks(b"", last=True, window=WINDOW, number=5) == []


def test_a_later_packet_of_a_stream_that_is_not_known_any_more_is_answered_with_0_and_a_reason() -> None:
    asker = Originator()
    effects = asker.asks(b"more", number=3)
    assert said(effects) == [(0, b"", True, 0)]
    assert refusal(effects) == ("the exit does not know this stream any more", None)
    assert asker.stream_count == 0


def test_of_an_originator_of_0_9_1_a_later_packet_opens_a_stream_and_waits_for_the_first() -> None:
    asker = Originator(credits=False)
    assert only(Connect, asker.asks(b"b", number=1))
    assert asker.asks(b"a", number=0) == []
    assert asker.connects() == [WriteSocket(asker.socket, b"ab")]


def test_without_a_host_name_nothing_is_opened() -> None:
    asker = Originator()
    effects = asker.asks(b"x", host=None)
    assert refusal(effects) == ("no host name came with the first packet", StreamEnd.NOT_RESOLVED)
    assert only(Connect, effects) == []


def fill(asker: Originator, streams: int, payers: int = 1) -> None:
    for number in range(streams):
        asker.payer = bytes((number % payers,)) * 20
        assert only(Connect, asker.asks(b"x", number.to_bytes(20, "big"), by=keys()))


def test_nobody_has_more_streams_than_are_left_and_others_are_served_still() -> None:
    asker = Originator(limits=Limits(served=6))
    fill(asker, 3)
    effects = asker.asks(b"x", by=keys())
    assert refusal(effects) == (str(TOO_MANY), StreamEnd.OVERLOADED)
    assert isinstance(effects[-1], Log)
    asker.payer = WALLET.address
    assert only(Connect, asker.asks(b"x", OTHER, by=keys()))
    for number in (0, 1):
        asker.asks(b"", number.to_bytes(20, "big"), last=True, window=0)
    asker.payer = bytes(20)
    assert only(Connect, asker.asks(b"x", b"u" * 20, by=keys()))


def test_the_neighbor_that_answers_go_to_has_no_more_than_are_left_whoever_pays() -> None:
    asker = Originator(limits=Limits(served=6))
    for number in range(4):
        asker.payer = bytes((number,)) * 20
        effects = asker.asks(b"x", bytes((number,)) * 20)
        assert bool(only(Connect, effects)) == (number < 3)


def test_a_zero_hop_node_s_own_user_has_all_there_are() -> None:
    asker = Originator(payer=None, limits=Limits(served=4))
    for number in range(4):
        assert only(Connect, asker.asks(b"x", number.to_bytes(20, "big")))
    assert refusal(asker.asks(b"x"))[1] == StreamEnd.OVERLOADED


def test_an_exit_serves_so_many_streams_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_STREAMS == 8_192
    monkeypatch.setattr("masq.core.packages.exit.MAX_STREAMS", 3)
    asker = Originator()
    fill(asker, 3, payers=3)
    asker.payer = WALLET.address
    assert refusal(asker.asks(b"x"))[1] == StreamEnd.OVERLOADED
    assert asker.asks(b"more", (0).to_bytes(20, "big")) == []
    assert asker.stream_count == 3


# --- a server that is not reached ---


FAILURES = [
    (Failure(Cause.NO_SUCH_NAME, SERVER, "no such host"), StreamEnd.NOT_RESOLVED),
    (Failure(Cause.POLICY, SERVER, "not allowed"), StreamEnd.POLICY),
    (Failure(Cause.REFUSED, SERVER, "refused"), StreamEnd.REFUSED),
    (Failure(Cause.NOT_CONNECTED, SERVER, "timed out"), StreamEnd.NOT_CONNECTED),
]


@pytest.mark.parametrize(("failure", "code"), FAILURES)
def test_a_name_that_is_not_reached_is_a_failed_look_up_with_reason_and_code(failure: Failure, code: int) -> None:
    asker = Originator()
    asker.asks(b"GET /")
    effects = asker.effects(asker.exit.connect_failed(asker.socket, failure, 1.0))
    assert only(DnsResolveFailed, effects) == [DnsResolveFailed(KEY, failure.detail, code)]
    (log,) = only(Log, effects)
    assert (log.event, log.detail) == ("exit_refused", failure.detail)
    assert asker.stream_count == 0


@pytest.mark.parametrize(("failure", "code"), FAILURES)
def test_an_address_that_is_not_reached_is_the_end_of_the_stream(failure: Failure, code: int) -> None:
    asker = Originator()
    asker.asks(b"GET /", host="192.0.2.1")
    effects = asker.effects(asker.exit.connect_failed(asker.socket, failure, 1.0))
    assert said(effects) == [(0, b"", True, 0)]
    assert refusal(effects) == (failure.detail, code)


@pytest.mark.parametrize("host", ["a.test", "192.0.2.1"])
def test_an_originator_of_0_9_1_is_told_no_more_than_it_can_read(host: str) -> None:
    asker = Originator(credits=False)
    asker.asks(b"GET /", host=host)
    effects = asker.effects(asker.exit.connect_failed(asker.socket, FAILURES[0][0], 1.0))
    assert refusal(effects) == (None, None)
    assert [window for _, _, _, window in said(effects)] == ([] if host == "a.test" else [None])


def test_answers_to_a_key_that_is_none_close_the_stream() -> None:
    asker = Originator()
    asker.asks(b"GET /", sealed_to=b"no key")
    asker.connects()
    closed, log = asker.server_says(b"page")
    assert closed == CloseSocket(asker.socket)
    assert isinstance(log, Log)
    assert log.event == "bad_originator_key"
    assert asker.stream_count == 0


# --- ends ---


def test_of_ours_an_end_of_the_client_ends_one_direction() -> None:
    asker = Originator()
    socket = asker.served()
    assert asker.asks(b"bye", last=True) == [WriteSocket(socket, b"bye"), EndSocket(socket)]
    assert said(asker.server_says(b"still here")) == [(0, b"still here", False, WINDOW)]
    effects = asker.effects(asker.exit.ended(socket, 1.0))
    assert said(effects) == [(1, b"", True, WINDOW)]
    assert effects[-1] == CloseSocket(socket)
    assert asker.stream_count == 0


def test_of_ours_an_end_of_the_server_ends_the_other() -> None:
    asker = Originator()
    socket = asker.served()
    effects = asker.effects(asker.exit.ended(socket, 1.0))
    assert said(effects) == [(0, b"", True, WINDOW)]
    assert only(CloseSocket, effects) == []
    assert asker.asks(b"more") == [WriteSocket(socket, b"more")]
    assert asker.asks(b"", last=True) == [CloseSocket(socket)]
    assert asker.stream_count == 0


def test_of_0_9_1_an_end_of_the_client_ends_the_stream() -> None:
    asker = Originator(credits=False)
    socket = asker.served()
    assert asker.asks(b"", last=True) == [CloseSocket(socket)]
    assert asker.stream_count == 0


def test_of_0_9_1_an_end_of_the_server_ends_the_stream_as_it_happens() -> None:
    asker = Originator(credits=False)
    socket = asker.served()
    effects = asker.effects(asker.exit.ended(socket, 1.0))
    assert said(effects) == [(0, b"", True, None)]
    assert effects[-1] == CloseSocket(socket)
    assert asker.stream_count == 0


@pytest.mark.parametrize("credits", [True, False])
def test_a_client_that_has_ended_before_the_server_was_reached_is_served_all_the_same(credits: bool) -> None:
    asker = Originator(credits)
    asker.asks(b"GET /")
    assert asker.asks(b"", last=True) == []
    effects = asker.connects()
    assert effects[0] == WriteSocket(asker.socket, b"GET /")
    assert effects[1] == (EndSocket(asker.socket) if credits else CloseSocket(asker.socket))


def test_credit_0_closes_the_connection_at_once() -> None:
    asker = Originator()
    socket = asker.served()
    assert asker.asks(b"", last=True, window=0) == [CloseSocket(socket)]
    assert asker.stream_count == 0


@pytest.mark.parametrize(("credits", "window"), [(True, 0), (False, None)])
def test_a_connection_that_breaks_is_told_with_its_reason(credits: bool, window: int | None) -> None:
    asker = Originator(credits)
    socket = asker.served()
    effects = asker.effects(asker.exit.closed(socket, Failure(Cause.BROKEN, SERVER, "reset"), 1.0))
    assert said(effects) == [(0, b"", True, window)]
    assert refusal(effects) == (("reset", StreamEnd.BROKEN) if credits else (None, None))
    assert asker.stream_count == 0


def test_a_stream_is_closed_after_two_hours_without_a_byte() -> None:
    asker = Originator()
    one = asker.served()
    asker.now = 100.0
    asker.served(b"x", OTHER)
    assert only(CloseSocket, asker.exit.tick(IDLE)) == []
    effects = asker.effects(asker.exit.tick(IDLE + 1))
    assert only(CloseSocket, effects) == [CloseSocket(one)]
    assert refusal(effects) == ("nothing was sent any more", StreamEnd.DONE)
    assert asker.stream_count == 1


def test_of_a_half_closed_stream_a_quiet_rest_is_closed_as_an_end_and_not_as_a_failure() -> None:
    asker = Originator()
    socket = asker.served()
    asker.asks(b"", last=True)
    assert only(CloseSocket, asker.exit.tick(QUIET_FOR)) == []
    effects = asker.effects(asker.exit.tick(QUIET_FOR + 1))
    assert said(effects) == [(1, b"", True, WINDOW)]
    assert effects[-1] == CloseSocket(socket)


def test_after_the_server_s_end_a_quiet_client_is_told_to_stop() -> None:
    asker = Originator()
    socket = asker.served()
    asker.exit.ended(socket, 0.0)
    effects = asker.effects(asker.exit.tick(QUIET_FOR + 1))
    assert effects[0] == CloseSocket(socket)
    assert refusal(effects)[1] == StreamEnd.DONE


def test_a_half_closed_stream_that_waits_for_somebody_is_given_more_time() -> None:
    asker = Originator()
    socket = asker.served()
    asker.asks(b"", last=True)
    asker.exit.congested(socket)
    assert only(CloseSocket, asker.exit.tick(STALLED_FOR)) == []
    assert only(CloseSocket, asker.exit.tick(STALLED_FOR + 1))


def test_where_streams_are_many_quiet_ones_are_closed_sooner() -> None:
    asker = Originator(payer=None, limits=Limits(served=4))
    for number in range(4):
        asker.asks(b"x", bytes((number,)) * 20)
        asker.connects()
        asker.asks(b"", bytes((number,)) * 20, last=True)
    assert asker.exit.tick(QUIET_UNDER_PRESSURE) == []
    assert len(only(CloseSocket, asker.exit.tick(QUIET_UNDER_PRESSURE + 1))) == 4


@pytest.mark.parametrize("whose", ["server", "client", "connecting"])
def test_bytes_of_either_side_keep_a_stream(whose: str) -> None:
    asker = Originator()
    asker.asks(b"GET /")
    asker.now = IDLE
    if whose == "connecting":
        asker.connects()
    elif whose == "client":
        asker.asks(b"more")
    else:
        asker.server_says(b"page")
    assert only(CloseSocket, asker.exit.tick(IDLE + 1)) == []


def test_ids_of_sockets_are_not_used_twice() -> None:
    asker = Originator()
    seen = []
    for number in range(5):
        seen.append(asker.served(b"x", number.to_bytes(20, "big")))
        asker.asks(b"", number.to_bytes(20, "big"), window=0)
    assert len(set(seen)) == 5
