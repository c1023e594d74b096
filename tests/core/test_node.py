"""The whole Node: what clients and servers do comes to the part that it concerns, and out at the other end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.node_ends import Nodes, One

from masq.core.effects import (
    Accepted,
    Bind,
    CloseSocket,
    Connect,
    EndSocket,
    Forward,
    Log,
    Reading,
    Resolve,
    Resolved,
    SendDatagram,
)
from masq.core.failure import CLIENT, NO_WALLET, SERVER, Cause, Failure, FailureError
from masq.types import LinkPolicy, Mode, PackagePolicy
from masq.wire.package import Package

GONE = Failure(Cause.CLOSED, CLIENT)
BROKEN = Failure(Cause.BROKEN, SERVER, "reset")


def user_and_exit(
    policy: PackagePolicy = PackagePolicy.AUTO, relays: int = 0, link_policy: LinkPolicy = LinkPolicy.AUTO
) -> tuple[Nodes, One, One]:
    """A user's Node and an exit, with so many relays between them."""
    nodes = Nodes()
    user = nodes.add(hops=relays + 1, package_policy=policy, link_policy=link_policy)
    between = [nodes.add(link_policy=link_policy) for _ in range(relays)]
    exit = nodes.add(link_policy=link_policy)
    nodes.line(user, *between, exit)
    return nodes, user, exit


def alone(pays: bool = False) -> tuple[Nodes, One]:
    """A Node that is its own exit."""
    nodes = Nodes()
    return nodes, nodes.add(mode=Mode.ZERO_HOP, pays=pays)


WAYS = pytest.mark.parametrize(
    ("policy", "relays", "link_policy"),
    [
        pytest.param(PackagePolicy.CIRCUITS, 2, LinkPolicy.AUTO, id="circuits"),
        pytest.param(PackagePolicy.MASQ, 2, LinkPolicy.AUTO, id="packages over secure links"),
        pytest.param(PackagePolicy.AUTO, 2, LinkPolicy.MASQ, id="packages over JSON"),
    ],
)


# --- streams ---


@WAYS
def test_a_client_and_a_server_talk_and_all_books_agree(
    policy: PackagePolicy, relays: int, link_policy: LinkPolicy
) -> None:
    nodes, user, exit = user_and_exit(policy, relays, link_policy)
    socket = nodes.open(user, b"GET /", host="b.test")
    assert [(each.host, each.port) for each in exit.take(Connect)] == [("b.test", 80)]
    server = exit.node.sockets._last
    nodes.do(exit, exit.node.connected(server, "192.0.2.1", nodes.now))
    assert exit.written(server) == b"GET /"
    nodes.says(exit, server, b"page")
    assert user.written(socket) == b"page"
    nodes.do(user, user.node.socket_ended(socket, nodes.now))
    assert exit.take(EndSocket) == [EndSocket(server)]
    nodes.do(exit, exit.node.socket_ended(server, nodes.now))
    assert user.take(CloseSocket) == [CloseSocket(socket)]
    assert exit.take(CloseSocket) == [CloseSocket(server)]
    earned = {one.config.profile.earning_wallet: one.is_owed()[user.wallet] for one in nodes.all[1:]}
    assert user.owes() == earned
    assert len(earned) == relays + 1
    assert not user.node.tab.owed
    assert not exit.node.tab.earned


@WAYS
def test_when_the_client_is_gone_the_exit_closes_and_when_the_server_breaks_the_client_is_told(
    policy: PackagePolicy, relays: int, link_policy: LinkPolicy
) -> None:
    nodes, user, exit = user_and_exit(policy, relays, link_policy)
    one = nodes.open(user)
    server = nodes.connect(exit)
    nodes.do(user, user.node.socket_closed(one, GONE, nodes.now))
    nodes.run(0.1)
    assert [each.socket for each in exit.take(CloseSocket)] == [server]
    other = nodes.open(user)
    server = nodes.connect(exit)
    nodes.says(exit, server, b"some")
    nodes.do(exit, exit.node.socket_closed(server, BROKEN, nodes.now))
    nodes.run(0.1)
    (closed,) = [each for each in user.take(CloseSocket) if each.socket == other]
    assert closed.failure
    assert closed.failure.cause is Cause.BROKEN
    assert closed.failure.at.key == exit.node.keys.public_key


@WAYS
def test_a_server_that_is_not_reached_is_a_failure_with_cause_and_place(
    policy: PackagePolicy, relays: int, link_policy: LinkPolicy
) -> None:
    nodes, user, exit = user_and_exit(policy, relays, link_policy)
    socket = nodes.open(user)
    for _ in range(4):
        for asked in exit.take(Connect):
            refused = Failure(Cause.REFUSED, SERVER, "refused")
            nodes.do(exit, exit.node.connect_failed(asked.socket, refused, nodes.now))
    (closed,) = user.take(CloseSocket)
    assert closed.socket == socket
    assert closed.failure
    assert (closed.failure.cause, closed.failure.at.key) == (Cause.REFUSED, exit.node.keys.public_key)


@WAYS
def test_a_server_may_speak_first(policy: PackagePolicy, relays: int, link_policy: LinkPolicy) -> None:
    nodes, user, exit = user_and_exit(policy, relays, link_policy)
    socket = nodes.open(user, b"")
    assert user.node.next_wake(nodes.now) <= nodes.now + 0.03
    nodes.run(0.1)
    nodes.says(exit, nodes.connect(exit), b"220 hello")
    assert user.written(socket) == b"220 hello"


@WAYS
def test_a_reader_that_is_slow_holds_up_the_writer_and_no_byte_is_lost(
    policy: PackagePolicy, relays: int, link_policy: LinkPolicy
) -> None:
    nodes, user, exit = user_and_exit(policy, relays, link_policy)
    socket = nodes.open(user)
    server = nodes.connect(exit)
    user.node.socket_congested(socket)
    sent, piece = 0, bytes(16_384)
    while not exit.take(Reading):
        nodes.says(exit, server, piece)
        sent += len(piece)
        assert sent < 2_000_000
    nodes.do(user, user.node.socket_drained(socket, nodes.now))
    received = len(user.written(socket))
    assert received == sent >= 1 << 20


def test_an_eager_client_is_told_when_the_server_is_reached() -> None:
    nodes, user, exit = user_and_exit(PackagePolicy.CIRCUITS)
    socket, effects = user.node.open("a.test", 80, "", nodes.now, eager=True)
    nodes.do(user, effects)
    assert user.take(Accepted) == []
    nodes.connect(exit)
    assert user.take(Accepted) == [Accepted(socket)]


def test_over_packages_an_eager_client_is_told_at_once() -> None:
    nodes, user, _ = user_and_exit(PackagePolicy.MASQ)
    socket, effects = user.node.open("a.test", 80, "", nodes.now, eager=True)
    assert effects == [Accepted(socket)]


@given(
    steps=st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=40_000)), max_size=8),
    policy=st.sampled_from([PackagePolicy.CIRCUITS, PackagePolicy.MASQ]),
)
@settings(max_examples=20)
def test_bytes_in_are_bytes_out_in_both_directions(steps: list[tuple[bool, bytes]], policy: PackagePolicy) -> None:
    nodes, user, exit = user_and_exit(policy, relays=1)
    socket = nodes.open(user, b"")
    nodes.run(0.1)
    server = nodes.connect(exit)
    for of_client, data in steps:
        nodes.says(*((user, socket) if of_client else (exit, server)), data)
    assert exit.written(server) == b"".join(data for of_client, data in steps if of_client)
    assert user.written(socket) == b"".join(data for of_client, data in steps if not of_client)
    assert sum(user.owes().values()) == sum(one.is_owed().get(user.wallet, 0) for one in nodes.all)


# --- datagrams and look-ups ---


def test_datagrams_travel_to_hosts_and_back() -> None:
    nodes, user, exit = user_and_exit(relays=1)
    socket, effects = user.node.open_datagrams("", nodes.now)
    nodes.do(user, effects)
    (bind,) = exit.take(Bind)
    nodes.do(exit, exit.node.connected(bind.socket, "", nodes.now))
    nodes.do(user, user.node.datagram_received(socket, "192.0.2.1", 53, b"question", nodes.now))
    assert exit.take(SendDatagram) == [SendDatagram(bind.socket, "192.0.2.1", 53, b"question")]
    nodes.do(exit, exit.node.datagram_received(bind.socket, "192.0.2.1", 53, b"answer", nodes.now))
    assert user.take(SendDatagram) == [SendDatagram(socket, "192.0.2.1", 53, b"answer")]


def test_a_host_is_looked_up_by_the_exit() -> None:
    nodes, user, exit = user_and_exit(relays=1)
    socket, effects = user.node.resolve("a.test", "", nodes.now)
    nodes.do(user, effects)
    (asked,) = exit.take(Resolve)
    assert asked.host == "a.test"
    nodes.do(exit, exit.node.resolved(asked.socket, (("192.0.2.1", 60),), nodes.now))
    assert user.take(Resolved) == [Resolved(socket, (("192.0.2.1", 60),))]


@pytest.mark.parametrize("wish", ["datagrams", "look-up"])
def test_only_circuits_carry_datagrams_and_look_ups(wish: str) -> None:
    for nodes, user in (alone(), user_and_exit(PackagePolicy.MASQ)[:2], user_and_exit(link_policy=LinkPolicy.MASQ)[:2]):
        with pytest.raises(FailureError, match="only circuits carry this") as raised:
            if wish == "datagrams":
                user.node.open_datagrams("", nodes.now)
            else:
                user.node.resolve("a.test", "", nodes.now)
        assert raised.value.failure.cause is Cause.NO_ROUTE


# --- whose sockets ---


def test_a_socket_that_nobody_has_is_closed_or_passed_over() -> None:
    node = alone()[1].node
    assert node.socket_received(7, b"x", 0.0) == [CloseSocket(7)]
    assert node.socket_ended(7, 0.0) == [CloseSocket(7)]
    assert node.datagram_received(7, "192.0.2.1", 53, b"x", 0.0) == [CloseSocket(7)]
    assert node.connected(7, "", 0.0) == [CloseSocket(7)]
    assert node.connect_failed(7, BROKEN, 0.0) == []
    assert node.socket_closed(7, GONE, 0.0) == []
    assert node.socket_drained(7, 0.0) == []
    node.socket_congested(7)


@pytest.mark.parametrize("policy", [PackagePolicy.CIRCUITS, PackagePolicy.MASQ])
def test_a_client_s_socket_is_never_connected_to_a_server(policy: PackagePolicy) -> None:
    nodes, user, _ = user_and_exit(policy)
    socket = nodes.open(user)
    assert user.node.connected(socket, "192.0.2.1", nodes.now) == [CloseSocket(socket)]
    assert user.node.connect_failed(socket, BROKEN, nodes.now) == []


def test_a_stream_over_packages_takes_no_datagrams() -> None:
    nodes, user, _ = user_and_exit(PackagePolicy.MASQ)
    socket = nodes.open(user)
    assert user.node.datagram_received(socket, "192.0.2.1", 53, b"x", nodes.now) == [CloseSocket(socket)]


def test_all_four_owners_take_their_ids_from_one_row() -> None:
    nodes, user, exit = user_and_exit()
    for policy in (PackagePolicy.CIRCUITS, PackagePolicy.MASQ):
        for one, other in ((user, exit), (exit, user)):
            one.node.rules = replace(one.node.rules, package_policy=policy)
            nodes.open(one)
            nodes.connect(other)
    for one in (user, exit):
        owners = {type(one.node.sockets.owner(socket)).__name__ for socket in range(1, one.node.sockets._last + 1)}
        assert owners == {"PackageEntry", "CircuitEntry", "PackageExit", "CircuitExit"}


# --- what is refused before it begins ---


def test_without_a_wallet_nothing_is_opened() -> None:
    """R5, R6."""
    nodes = Nodes()
    user, exit = nodes.add(pays=False), nodes.add()
    nodes.line(user, exit)
    with pytest.raises(FailureError) as stream:
        user.node.open("a.test", 80, "", 0.0)
    with pytest.raises(FailureError) as question:
        user.node.resolve("a.test", "", 0.0)
    with pytest.raises(FailureError) as datagrams:
        user.node.open_datagrams("", 0.0)
    assert {raised.value.failure for raised in (stream, question, datagrams)} == {NO_WALLET}


def test_where_circuits_are_demanded_a_route_without_them_is_none() -> None:
    nodes = Nodes()
    user, exit = nodes.add(package_policy=PackagePolicy.CIRCUITS), nodes.add(extensions=("flow1",))
    nodes.line(user, exit)
    with pytest.raises(FailureError) as raised:
        user.node.open("a.test", 80, "", nodes.now)
    assert raised.value.failure.cause is Cause.NO_ROUTE


@pytest.mark.parametrize("extensions", [("flow1",), ()])
def test_where_a_node_of_the_route_knows_no_circuits_packages_carry_the_stream(extensions: tuple[str, ...]) -> None:
    nodes = Nodes()
    user, exit = nodes.add(), nodes.add(extensions=extensions)
    nodes.line(user, exit)
    socket = nodes.open(user)
    assert len(list(user.node.package_entry)) == 1
    nodes.says(exit, nodes.connect(exit), b"page")
    assert user.written(socket) == b"page"


def test_without_a_route_the_reason_says_what_is_missing() -> None:
    _, user = Nodes(), Nodes().add()
    with pytest.raises(FailureError, match="no neighbors yet"):
        user.node.open("a.test", 80, "", 0.0)


# --- a Node that is its own exit ---


def test_a_zero_hop_node_serves_itself_without_a_wallet_and_books_nothing() -> None:
    nodes, user = alone()
    socket = nodes.open(user)
    server = nodes.connect(user)
    assert user.node.sockets._last == 2
    nodes.says(user, server, b"page")
    assert user.written(socket) == b"page"
    nodes.do(user, user.node.socket_ended(server, nodes.now))
    nodes.do(user, user.node.socket_ended(socket, nodes.now))
    assert {each.socket for each in user.take(CloseSocket)} == {socket, server}
    assert user.owes() == user.is_owed() == {}
    assert (user.node.stage, user.node.view(nodes.now).routes.available) == ("ZeroHop", True)


def test_a_zero_hop_node_tells_its_client_that_the_server_is_not_reached() -> None:
    nodes, user = alone()
    nodes.open(user)
    for _ in range(4):
        for asked in user.take(Connect):
            nodes.do(user, user.node.connect_failed(asked.socket, Failure(Cause.NO_SUCH_NAME), nodes.now))
    (closed,) = user.take(CloseSocket)
    assert closed.failure
    assert closed.failure.cause is Cause.NOT_RESOLVED


def test_a_package_to_ourselves_that_makes_no_sense_is_dropped() -> None:
    _, user = alone()
    package = Package([b"no element"], b"")
    (log,) = user.node._carry([Forward(user.node.keys.public_key, package, b"")], 0.0)
    assert isinstance(log, Log)
    assert (log.event, log.detail.startswith("from ourselves")) == ("package_dropped", True)
