"""What the originator books: the mirror image of what each hop books, to the wei (protocol.md 8.6, 14.4)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.package_ends import OURS, REAL, User, only

from masq.core.effects import Accepted, CloseSocket, Connect, Forward, WriteSocket
from masq.core.failure import SERVER, Cause, Failure
from masq.core.packages.entry import SERVER_FIRST
from masq.core.packages.flow import WINDOW
from masq.core.packages.unanswered import MOST_WALLETS, PATIENCE, Unanswered

BROKEN = Failure(Cause.BROKEN, SERVER)


class Both:
    """An entry, relays and a whole exit: packages are carried until nobody has one left."""

    def __init__(self, *exits: tuple[str, ...]) -> None:
        self.user = User(*(exits or (OURS,)))
        self.exit = self.user.exits[0]
        self.socket = self.server = 0
        self.to_server = self.to_client = b""

    def run(self) -> None:
        while self.user.heard:
            for _, arrival in self.user.take():
                exit = self.exit.exit
                self.at_exit(exit.request(arrival.request, arrival.hop, arrival.package, arrival.payer, self.user.now))

    def at_exit(self, effects: object) -> None:
        assert isinstance(effects, list)
        for effect in effects:
            if isinstance(effect, Forward):
                self.at_entry(self.user.back(effect.key, effect.package))
            elif isinstance(effect, Connect):
                self.server = effect.socket
            elif isinstance(effect, WriteSocket):
                self.to_server += effect.data

    def at_entry(self, effects: list[object]) -> None:
        self.to_client += b"".join(each.data for each in only(WriteSocket, effects))

    def books(self) -> tuple[dict[bytes, int], dict[bytes, int]]:
        """What the user owes, and what it is expected to pay, by wallet."""
        earned = {stop.wallet: stop.earned() for stop in self.user.stops.values()}
        return self.user.owed(), {wallet: wei for wallet, wei in earned.items() if wei}


steps = st.lists(
    st.tuples(st.sampled_from(["client", "server"]), st.binary(max_size=5) | st.just(bytes(WINDOW // 3))), max_size=12
)


@given(steps=steps, ends=st.permutations(["client", "server"]), extensions=st.sampled_from([OURS]))
@settings(max_examples=30)
def test_bytes_in_are_bytes_out_and_books_of_both_ends_and_all_relays_agree(
    steps: list[tuple[str, bytes]], ends: list[str], extensions: tuple[str, ...]
) -> None:
    both = Both(extensions)
    user, exit = both.user, both.exit.exit
    socket = user.open(b"")
    user.tick(SERVER_FIRST)
    both.run()
    both.at_exit(exit.connected(both.server, "192.0.2.1", 0.0))
    said: dict[str, bytes] = {"client": b"", "server": b""}
    for who, data in steps:
        said[who] += data
        if who == "client":
            both.at_entry(user.says(data, socket))
        else:
            both.at_exit(exit.received(both.server, memoryview(data), 0.0))
        both.run()
    for who in ends:
        if who == "client":
            user.ends(socket)
        else:
            both.at_exit(exit.ended(both.server, 0.0))
        both.run()
    assert (both.to_server, both.to_client) == (said["client"], said["server"])
    assert list(user.entry) == []
    assert list(exit) == []
    owed, earned = both.books()
    assert owed == earned


def test_a_server_that_is_not_reached_costs_both_the_same() -> None:
    both = Both(OURS, OURS, OURS, OURS, OURS)
    both.user.open(b"GET /")
    both.run()
    both.exit, first = both.user.exits[1], both.exit
    both.at_exit(first.exit.connect_failed(both.server, BROKEN, 0.0))
    both.run()
    owed, earned = both.books()
    assert owed == earned
    assert owed[first.wallet] == first.rates.exit_charge(5) + first.rates.exit_charge(0)


def test_with_an_exit_of_0_9_1_books_differ_by_its_service_rate_for_the_closing_packet() -> None:
    both = Both(REAL)
    both.user.open(b"GET /")
    both.run()
    both.at_exit(both.exit.exit.connected(both.server, "192.0.2.1", 0.0))
    both.at_exit(both.exit.exit.received(both.server, memoryview(b"page"), 0.0))
    both.user.ends()
    both.run()
    owed, earned = both.books()
    assert owed.pop(both.exit.wallet) - earned.pop(both.exit.wallet) == both.exit.rates.exit_service_rate
    assert owed == earned


@pytest.mark.parametrize(("extensions", "charged"), [(OURS, 0), (REAL, 1)])
def test_an_empty_request_is_booked_for_an_exit_of_0_9_1_only(extensions: tuple[str, ...], charged: int) -> None:
    user = User(extensions)
    user.open(b"GET /")
    user.tab.owed.clear()
    user.ends()
    exit, relay = user.exits[0], user.relays[0]
    assert user.owed().get(exit.wallet, 0) == charged * exit.rates.exit_service_rate
    assert user.owed()[relay.wallet] > relay.rates.routing_service_rate


def test_a_failed_look_up_is_an_exit_service_of_no_bytes_and_its_package_is_paid() -> None:
    user = User(REAL)
    user.open(b"GET /")
    user.answers(b"page")
    user.tab.owed.clear()
    relay = user.relays[0]
    before = relay.earned()
    user.take()
    user.fails()
    # The exit is told that nobody listens, as there is no second try: that is booked too.
    rates = user.exits[0].rates
    assert user.owed() == {user.exits[0].wallet: 2 * rates.exit_service_rate, relay.wallet: relay.earned() - before}


def test_an_answer_to_a_stream_that_is_over_is_owed_for_all_the_same() -> None:
    user = User(REAL)
    user.open(b"GET /")
    user.answers(b"page", last=True)
    user.tab.owed.clear()
    assert user.answers(b"again", number=7) == []
    assert user.owed()[user.exits[0].wallet] == user.exits[0].rates.exit_charge(5)


def test_a_node_that_is_its_own_exit_owes_nobody() -> None:
    user = User(hops=0)
    socket, effects = user.entry.open("a.test", 80, "", 0.0, eager=True)
    assert effects == [Accepted(socket)]
    (sent,) = user.entry.received(socket, memoryview(b"GET /"), 0.0)
    assert isinstance(sent, Forward)
    assert sent.key == user.keys.public_key
    assert user.owed() == {}
    assert user.entry.closed(socket, BROKEN, 0.0) != [CloseSocket(socket)]
    assert user.owed() == {}


def test_what_was_sent_is_provisional_until_the_first_answer() -> None:
    user = User(REAL)
    user.open()
    assert user.entry.unanswered.wei == {}
    user.says(b"more")
    sent = user.owed()
    user.answers(b"hello")
    user.says(b"and more")
    user.ends()
    user.answers(b"", last=True)
    assert (sum(user.owed().values()) > sum(sent.values()), user.entry.unanswered.wei) == (True, {})


def test_what_was_never_answered_is_paid_and_listed() -> None:
    user = User(REAL)
    user.open(b"a wish that can't be said twice")
    user.tick(PATIENCE - 1)
    assert user.entry.unanswered.wei == {}
    owed = user.owed()
    user.tick(1)
    assert user.entry.unanswered.wei == owed
    # Once listed it stays, and isn't listed again.
    user.answers(b"late")
    user.tick(PATIENCE)
    assert user.entry.unanswered.wei == owed


def test_what_a_way_has_cost_is_listed_when_its_client_leaves() -> None:
    user = User(REAL)
    socket = user.open(b"a wish")
    user.carry(user.entry.closed(socket, BROKEN, user.now))
    assert user.entry.unanswered.wei == user.owed()


def test_another_way_owes_an_answer_of_its_own() -> None:
    user = User(REAL, REAL)
    user.open(b"GET /")
    first = user.owed()
    user.fails("no such host")
    # A failure is an answer of the first way; the second has given none.
    assert user.entry.unanswered.wei == {}
    user.carry(user.entry.closed(user.socket, BROKEN, user.now))
    listed = user.entry.unanswered.wei
    assert 0 < sum(listed.values()) < sum(user.owed().values())
    assert first


def test_the_list_is_bounded_and_keeps_the_largest() -> None:
    unanswered = Unanswered()
    for number in range(2 * MOST_WALLETS):
        unanswered.add({number.to_bytes(20, "big"): number})
    assert len(unanswered.wei) == MOST_WALLETS
    assert min(unanswered.wei.values()) == MOST_WALLETS
