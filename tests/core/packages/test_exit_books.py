"""What the exit books, and when (protocol.md 8.6, 14.4)."""

from __future__ import annotations

from tests.package_ends import Originator

from masq.core.failure import SERVER, Cause, Failure

OTHER = b"t" * 20
NO_SUCH_NAME = Failure(Cause.NO_SUCH_NAME, SERVER, "no such host")


def rates_of(asker: Originator) -> tuple[int, int]:
    return asker.stop.rates.exit_service_rate, asker.stop.rates.exit_byte_rate


def test_requests_cost_their_data_and_responses_too_empty_ones_included() -> None:
    asker = Originator()
    service, byte = rates_of(asker)
    socket = asker.served(b"12345")
    assert asker.take_earned() == service + 5 * byte
    asker.asks(b"")
    assert asker.take_earned() == 0
    asker.server_says(b"123")
    assert asker.take_earned() == service + 3 * byte
    asker.exit.ended(socket, 1.0)
    assert asker.take_earned() == service


def test_a_packet_costs_when_it_arrives_behind_a_gap_or_again() -> None:
    asker = Originator()
    asker.served()
    asker.take_earned()
    service, byte = rates_of(asker)
    for _ in range(2):
        asker.asks(b"123", number=5)
        assert asker.take_earned() == service + 3 * byte


def test_a_request_of_0_9_1_costs_once_the_server_is_reached_and_nothing_if_it_is_not() -> None:
    asker = Originator(credits=False)
    service, byte = rates_of(asker)
    asker.asks(b"12345")
    asker.asks(b"678")
    assert asker.take_earned() == 0
    asker.connects()
    assert asker.take_earned() == 2 * service + 8 * byte
    asker.asks(b"12345", OTHER)
    asker.exit.connect_failed(asker.socket, NO_SUCH_NAME, 1.0)
    assert asker.take_earned() == 0


def test_a_request_of_ours_costs_though_the_server_is_not_reached_and_so_does_the_answer() -> None:
    asker = Originator()
    service, byte = rates_of(asker)
    asker.asks(b"12345")
    asker.exit.connect_failed(asker.socket, NO_SUCH_NAME, 1.0)
    assert asker.take_earned() == 2 * service + 5 * byte


def test_who_paid_for_the_latest_request_pays_for_answers() -> None:
    asker = Originator()
    asker.served()
    asker.take_earned()
    asker.payer = b"2" * 20
    asker.asks(b"x")
    asker.server_says(b"x")
    assert set(asker.stop.tab.earned) == {b"2" * 20}


def test_a_node_that_is_its_own_exit_books_nothing() -> None:
    asker = Originator(payer=None)
    asker.served()
    asker.server_says(b"page")
    assert asker.stop.tab.earned == {}
