"""Scenarios S1 to S12 (accounting.md 8): services, and what is booked for them."""

from __future__ import annotations

import pytest
from tests.charges import consumed, exited, relayed
from tests.money import CREDITORS, EARNING, EPOCH, PAYER, Desk
from tests.node_ends import Nodes, wallet
from tests.package_ends import OURS, REAL, User

from masq.types import PackagePolicy, RatePack

RATES = RatePack(24, 42, 24, 42)
A, B, C = CREDITORS


@pytest.mark.parametrize("book", [relayed, exited])
def test_S1_S2_a_service_is_a_receivable_of_its_rate_and_its_bytes(book: object) -> None:
    desk = Desk()
    assert callable(book)
    assert book(desk.books, A, 1_234, 7.0, RATES) == []
    account = desk.books.ledger.receivables[A]
    assert (account.wei, account.since) == (42 + 1_234 * 24, int(EPOCH) + 7)
    assert desk.books.ledger.payables == {}


def test_S3_what_others_did_is_owed_to_the_exit_and_to_each_relay() -> None:
    desk = Desk()
    relays = [(B, RatePack(24, 42, 0, 0)), (C, RatePack(33, 52, 0, 0))]
    consumed(desk.books, (A, RatePack(0, 0, 30, 120), 1_200), relays, 3_456, 7.0)
    owed = [(name, account.wei, account.since) for name, account in desk.books.ledger.payables.items()]
    when = int(EPOCH) + 7
    assert owed == [(A, 36_120, when), (B, 82_986, when), (C, 114_100, when)]


@pytest.mark.parametrize("own", [PAYER.address, EARNING])
@pytest.mark.parametrize("book", [relayed, exited])
def test_S4_nothing_is_booked_for_a_wallet_of_our_own(own: bytes, book: object) -> None:
    """Nor is there a warning: a circuit may lead through its own originator, and that is nobody's fault."""
    desk = Desk()
    assert callable(book)
    assert book(desk.books, own, 1_234, 0.0) == []
    assert desk.books.ledger.receivables == {}


@pytest.mark.parametrize("own", [PAYER.address, EARNING])
def test_S5_a_hop_that_is_paid_at_a_wallet_of_ours_is_owed_nothing_and_the_others_are(own: bytes) -> None:
    desk = Desk()
    consumed(desk.books, (A, RATES, 10), [(own, RATES), (B, RATES)], 100, 0.0)
    assert desk.books.ledger.payables.keys() == {A, B}
    assert desk.books.ledger.payables[B].wei == RATES.routing_charge(100)


def test_S7_an_answer_that_comes_too_late_is_told_nobody_and_owed_all_the_same() -> None:
    user = User(REAL)
    user.open()
    user.answers(b"page", last=True)
    user.tab.owed.clear()
    relay, exit = user.relays[0], user.exits[0]
    before = relay.earned()
    assert user.answers(bytes(30), number=7) == []
    assert user.owed() == {exit.wallet: exit.rates.exit_charge(30), relay.wallet: relay.earned() - before}
    assert relay.earned() - before > relay.rates.routing_charge(30), "the package is larger than what it carries"


def test_S8_answers_over_two_ways_of_one_stream_are_owed_each_by_its_own_size() -> None:
    user = User(OURS, OURS)
    user.open()
    first = user.latest
    user.fails("no such host", 1)
    second = user.latest
    assert (first.stop, second.stop) == (user.exits[0], user.exits[1])
    relay = user.relays[0]
    for heard, size in ((second, 3_000), (first, 30)):
        user.tab.owed.clear()
        before = relay.earned()
        user.answers(bytes(size), to=heard)
        charge = heard.stop.rates.exit_charge(size)
        assert user.owed() == {heard.stop.wallet: charge, relay.wallet: relay.earned() - before}


def test_S9_S12_a_relay_books_each_package_that_it_passes_on_and_none_of_who_is_banned() -> None:
    nodes = Nodes()
    user, relay, exit = nodes.add(hops=2, package_policy=PackagePolicy.MASQ), nodes.add(), nodes.add()
    nodes.line(user, relay, exit)
    payer = wallet("consuming 1").address
    nodes.open(user)
    rates = relay.config.profile.rates
    size, rest = divmod(relay.is_owed()[payer] - rates.routing_service_rate, rates.routing_byte_rate)
    assert rest == 0
    assert size > len(b"GET /")
    assert relay.is_owed()[payer] == user.owes()[relay.config.profile.earning_wallet]
    before = relay.is_owed(), exit.is_owed()
    relay.node.accountant._earning.banned[payer] = None
    nodes.open(user, group="another")
    assert (relay.is_owed(), exit.is_owed()) == before
