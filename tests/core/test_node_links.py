"""The whole Node, by its links: how they come up and end, what is dropped, who is held up, and what that means."""

from __future__ import annotations

import os

import pytest
from tests.circuit_ends import WALLET as PAYER
from tests.circuit_ends import Originator, begin
from tests.node_ends import Nodes, One, events
from tests.secure_ends import Rogue, greeting, keys

from masq.core.effects import CloseLink, CloseSocket, Connect, Dial, Forward, Log, Prove, Reading, Tell, WriteLink
from masq.core.failure import Cause
from masq.core.limits import LINKS_PER_ADDRESS, MAX_MALFORMED, UNKNOWN_FOR
from masq.core.links.links import PATIENCE, PING_AFTER, SPARE_FOR
from masq.types import Endpoint, LinkPolicy, Mode, PackagePolicy
from masq.wire.frame import mask
from masq.wire.message import Gossip, GossipFailure
from masq.wire.package import Package
from masq.wire.secure_link import Frame, FrameType

PEER = Endpoint("10.0.0.9", 40_000)


def row(hops: int = 2, **settings: object) -> tuple[Nodes, list[One]]:
    """A user's Node, relays, and an exit; `settings` are those of the user."""
    nodes = Nodes()
    all = [nodes.add(hops=hops, **settings)]  # type: ignore[arg-type]
    all += [nodes.add() for _ in range(hops)]
    nodes.line(*all)
    return nodes, all


def speech(one: One) -> list[str]:
    return [link.speech for link in one.node.view(0.0).links]


def hear(one: One, link: int, data: bytes, now: float = 0.0) -> list[object]:
    return list(one.node.link_received(link, memoryview(bytearray(data)), now))


def visited(one: One) -> int:
    link, effects = one.node.accept(PEER, 0.0)
    assert effects == []
    assert link is not None
    return link


def joined(node: One, rogue: Rogue) -> int:
    """A rogue has dialled a Node, and proved its key."""
    link = visited(node)
    effects = hear(node, link, rogue.first(greeting(rogue.keys.public_key)))
    (answer,) = [bytes(each.data) for each in effects if isinstance(each, WriteLink)]
    rogue.hear_second(answer)
    assert hear(node, link, rogue.frame(rogue.hello())) == []
    return link


def framed(rogue: Rogue, frame: Frame) -> bytes:
    return rogue.frame(bytes((frame.type,)) + bytes(frame.body))


# --- joining ---


@pytest.mark.parametrize(("policy", "spoken"), [(LinkPolicy.AUTO, "secure"), (LinkPolicy.MASQ, "json")])
def test_nodes_join_by_a_descriptor_and_find_a_route(policy: LinkPolicy, spoken: str) -> None:
    nodes = Nodes()
    first = nodes.add(link_policy=policy)
    second = nodes.add(link_policy=policy, contacts=[first])
    assert second.node.stage == "NotConnected"
    assert second.node.view(0.0).routes.available is False
    for one in nodes.all:
        nodes.do(one, one.node.start(nodes.now))
    nodes.run(5)
    assert speech(first) == speech(second) == [spoken]
    for one, other in ((first, second), (second, first)):
        view = one.node.view(nodes.now)
        assert view.stage == "RouteFound"
        assert view.nodes_known == 2
        assert [(each.key, each.address, each.full) for each in view.neighbors] == [
            (other.node.keys.public_key.hex(), f"{other.ip}:6001", True)
        ]
        assert "route" in events(one)
    socket = nodes.open(second)
    nodes.says(first, nodes.connect(first), b"page")
    assert second.written(socket) == b"page"


def test_with_a_neighbor_but_no_exit_so_far_away_it_is_connected_and_no_more() -> None:
    nodes = Nodes()
    user, other = nodes.add(hops=2), nodes.add()
    nodes.line(user, other)
    assert user.node.stage == "ConnectedToNeighbor"
    assert user.node.view(nodes.now).routes.hops == 2
    assert not user.node.has_route


def test_a_node_that_says_nothing_gives_its_port_as_none_and_dials_only() -> None:
    nodes = Nodes()
    first = nodes.add()
    hidden = nodes.add(mode=Mode.ORIGINATE_ONLY, contacts=[first])
    for one in nodes.all:
        nodes.do(one, one.node.start(nodes.now))
    nodes.run(5)
    assert [link.outbound for link in hidden.node.view(nodes.now).links] == [True]
    assert hidden.node.stage == "RouteFound"


def test_gossip_for_a_key_that_is_none_is_not_sent() -> None:
    one = Nodes().add()
    tell = Tell(b"short", PEER, Gossip(()))
    (log,) = one.node._carry([tell], 0.0)
    assert isinstance(log, Log)
    assert log.event == "gossip_not_sent"
    assert list(one.node.links) == []


def test_who_could_not_take_our_debut_is_heard() -> None:
    nodes = Nodes()
    one, other = nodes.add(), nodes.add()
    nodes.do(
        one, one.node._carry([Tell(other.node.keys.public_key, Endpoint(other.ip, 6001), GossipFailure.UNKNOWN)], 0)
    )
    assert events(other) == ["gossip_failure"]


# --- connections ---


def test_a_visitor_for_whom_there_is_no_room_is_told_to_nobody_but_the_log() -> None:
    one = Nodes().add()
    links = [one.node.accept(PEER, 0.0) for _ in range(LINKS_PER_ADDRESS + 1)]
    assert len({link for link, _ in links}) == LINKS_PER_ADDRESS + 1
    link, effects = links[-1]
    assert link is None
    assert [log.event for log in effects if isinstance(log, Log)] == ["link_refused"]


def test_a_link_that_is_not_known_is_closed() -> None:
    node = Nodes().add().node
    assert node.dialled(7, 0.0) == [CloseLink(7)]
    assert node.link_received(7, memoryview(bytearray(b"x")), 0.0) == [CloseLink(7)]
    assert node.link_closed(7, 0.0) == []
    assert node.link_drained(7, 0.0) == []
    assert node.link_congested(7, 0.0) == []
    (log,) = node.dial_failed(7, "no answer", 0.0)
    assert isinstance(log, Log)


def test_a_dial_that_fails_says_who_and_why() -> None:
    nodes = Nodes()
    user, gone = nodes.add(package_policy=PackagePolicy.MASQ), nodes.add()
    nodes.line(user, gone)
    nodes.cut(user, gone)
    nodes.all.remove(gone)
    nodes.run(1.0)
    logs = [log.detail for log in user.take(Log) if log.event == "dial_failed"]
    assert logs == ["10.0.0.2:6001: nobody answers"]


@pytest.mark.parametrize("words", [b"MASQ-link1\n\0\4abcd", b"M" * 5_000])
def test_a_handshake_that_is_none_closes_the_link_without_a_word(words: bytes) -> None:
    one = Nodes().add()
    link = visited(one)
    log, close, offence = hear(one, link, words)
    assert isinstance(log, Log)
    assert isinstance(offence, Log)
    assert (log.event, close, offence.event) == ("link_refused", CloseLink(link), "offence")
    assert list(one.node.links) == []


def test_a_json_frame_that_is_none_is_dropped_and_the_link_goes_on() -> None:
    one = Nodes().add()
    link = visited(one)
    (log,) = hear(one, link, mask(b"no package"))
    assert isinstance(log, Log)
    assert log.event == "package_dropped"
    assert one.node.links.get(link) is not None


def test_what_came_before_a_broken_frame_is_carried_out() -> None:
    one = Nodes().add()
    rogue = Rogue(keys(), one.node.keys.public_key)
    link = joined(one, rogue)
    asker = Originator(one.node.keys.public_key)
    good = b"".join(framed(rogue, each) for each in (asker.open(), asker.cell(begin())))
    effects = hear(one, link, good + b"\0\x20" + bytes(32))
    assert [type(each) for each in effects] == [Connect, Log, CloseLink, CloseSocket, Log]
    assert list(one.node.links) == []


def test_a_visitor_that_does_not_finish_its_handshake_is_closed() -> None:
    one = Nodes().add()
    link = visited(one)
    hear(one, link, b"MASQ-link1\n")
    assert CloseLink(link) not in one.node.tick(UNKNOWN_FOR - 0.1)
    assert CloseLink(link) in one.node.tick(UNKNOWN_FOR)


def test_a_silent_neighbor_is_pinged_and_at_last_left() -> None:
    nodes, (user, relay, _) = row()
    relay.mute = True
    assert user.node.stage == "RouteFound"
    nodes.run(PING_AFTER + PATIENCE + 1, 1.0)
    assert relay.node.keys.public_key not in user.node.neighborhood.graph.root.neighbors
    assert any("no route any more" in log.detail for log in user.take(Log))


def test_an_honest_neighbor_that_says_nothing_is_kept() -> None:
    nodes, (user, *_) = row()
    nodes.run(10 * PING_AFTER, 1.0)
    assert user.node.stage == "RouteFound"
    assert set(speech(user)) == {"secure"}


# --- links that are better, and links too many ---


def test_the_one_with_the_lower_key_dials_a_secure_link_beside_the_json_link() -> None:
    nodes = Nodes()
    one, other = nodes.add(extensions=("flow1",)), nodes.add(extensions=("flow1",))
    nodes.line(one, other)
    assert speech(one) == speech(other) == ["json"]
    nodes.learn(one, other, extensions=("flow1", "circuit1"))
    nodes.run(10.0, 1.0)
    assert speech(one) == speech(other) == ["json", "secure"]
    dials = {each.ip: [link.outbound for link in each.node.view(0.0).links][1] for each in (one, other)}
    lower = min((one, other), key=lambda each: each.node.keys.public_key)
    assert dials[lower.ip] is True


def test_a_second_secure_link_that_carries_nothing_is_closed_after_a_minute() -> None:
    nodes = Nodes()
    one, other = nodes.add(), nodes.add()
    nodes.line(one, other)
    nodes.dial(other, one)
    assert speech(one) == speech(other) == ["secure", "secure"]
    nodes.run(SPARE_FOR - 10, 1.0)
    assert len(speech(one)) == 2
    nodes.run(30.0, 1.0)
    assert speech(one) == speech(other) == ["secure"]
    assert one.node.has_route


# --- packages and frames of strangers ---


def test_a_package_for_a_node_that_is_not_known_is_dropped() -> None:
    one = Nodes().add()
    (log,) = one.node._carry([Forward(b"k" * 64, Package([b"x"], b""), b"x")], 0.0)
    assert isinstance(log, Log)
    assert (log.event, log.level) == ("package_dropped", "info")


def test_packages_that_do_not_open_are_dropped_and_their_link_goes_on() -> None:
    one = Nodes().add()
    rogue = Rogue(keys(), one.node.keys.public_key)
    link = joined(one, rogue)
    package = b"\0\xa2\x65route\x81\x41x\x67payload\x41x"
    (log,) = hear(one, link, rogue.frame(bytes((FrameType.PACKAGE,)) + package))
    assert isinstance(log, Log)
    assert log.event == "package_dropped"
    assert one.node.links.get(link) is not None


def test_what_a_neighbor_has_passed_on_is_its_originator_s_however_often() -> None:
    nodes, (user, relay, _) = row()
    for _ in range(2 * MAX_MALFORMED):
        package = Package([os.urandom(90), os.urandom(90)], b"x")
        nodes.do(user, user.node._carry([Forward(relay.node.keys.public_key, package, b"flow")], nodes.now))
    assert set(events(relay)) == {"package_dropped"}
    assert relay.node.view(nodes.now).bans == ()
    assert speech(relay) == ["secure", "secure"]


def test_who_speaks_json_to_us_is_asked_to_prove_its_key_over_a_secure_link() -> None:
    nodes = Nodes()
    one, other = nodes.add(extensions=("flow1",)), nodes.add(extensions=("flow1",))
    nodes.line(one, other)
    nodes.do(one, one.node._carry([Prove(other.node.keys.public_key, Endpoint(other.ip, 6001))], nodes.now))
    assert speech(one) == speech(other) == ["json", "secure"]


def test_a_stranger_s_circuit_is_served_and_costs_him() -> None:
    nodes = Nodes()
    one = nodes.add()
    rogue = Rogue(keys(), one.node.keys.public_key)
    link = joined(one, rogue)
    asker = Originator(one.node.keys.public_key)
    effects = hear(one, link, b"".join(framed(rogue, each) for each in (asker.open(), asker.cell(begin()))))
    (connect,) = [each for each in effects if isinstance(each, Connect)]
    assert connect.host == "example.com"
    view = one.node.view(0.0)
    assert (view.circuits, view.serving) == (1, 1)
    one.node.connected(connect.socket, "192.0.2.1", 0.0)
    one.node.socket_received(connect.socket, b"page", 0.0)
    one.node.flush(1.0)
    assert one.is_owed() == {PAYER.address: one.config.profile.rates.exit_charge(4)}


def test_an_open_that_is_none_is_refused_and_nothing_kept() -> None:
    one = Nodes().add()
    rogue = Rogue(keys(), one.node.keys.public_key)
    link = joined(one, rogue)
    effects = hear(one, link, rogue.frame(bytes((FrameType.OPEN,)) + b"\0\0\0\1" + b"garbage"))
    assert [type(each) for each in effects] == [WriteLink, Log]
    assert one.node.view(0.0).circuits == 0


def test_a_node_that_relays_nothing_answers_no_circuit() -> None:
    one = Nodes().add(mode=Mode.CONSUME_ONLY)
    rogue = Rogue(keys(), one.node.keys.public_key)
    link = joined(one, rogue)
    assert hear(one, link, framed(rogue, Originator(one.node.keys.public_key).open())) == []


# --- congestion ---


@pytest.mark.parametrize("policy", [PackagePolicy.CIRCUITS, PackagePolicy.MASQ])
def test_a_client_whose_data_waits_for_a_congested_link_is_not_read_until_it_is_free(policy: PackagePolicy) -> None:
    nodes, (user, relay, exit) = row(package_policy=policy)
    socket = nodes.open(user)
    server = nodes.connect(exit)
    exit.written(server)
    link = nodes.link(user, relay)
    nodes.do(user, user.node.link_congested(link, nodes.now))
    if policy is PackagePolicy.CIRCUITS:
        nodes.says(user, socket, b"more")
    assert user.take(Reading) == [Reading(socket, False)]
    assert exit.written(server) == b""
    while effects := user.node.link_drained(link, nodes.now):
        nodes.do(user, effects)
        if any(isinstance(each, Reading) for each in effects):
            break
    assert user.take(Reading) == [Reading(socket, True)]
    assert exit.written(server) == (b"more" if policy is PackagePolicy.CIRCUITS else b"")


@pytest.mark.parametrize("policy", [PackagePolicy.CIRCUITS, PackagePolicy.MASQ])
def test_a_server_whose_data_waits_for_a_congested_link_is_not_read(policy: PackagePolicy) -> None:
    nodes, (user, relay, exit) = row(package_policy=policy)
    socket = nodes.open(user)
    server = nodes.connect(exit)
    link = nodes.link(exit, relay)
    exit.asked.clear()
    nodes.do(exit, exit.node.link_congested(link, nodes.now))
    if policy is PackagePolicy.CIRCUITS:
        nodes.says(exit, server, b"page")
    assert exit.take(Reading) == [Reading(server, False)]
    while effects := exit.node.link_drained(link, nodes.now):
        nodes.do(exit, effects)
        if any(isinstance(each, Reading) for each in effects):
            break
    assert exit.take(Reading) == [Reading(server, True)]
    assert user.written(socket) == (b"page" if policy is PackagePolicy.CIRCUITS else b"")


@pytest.mark.parametrize("another", [True, False])
def test_a_link_that_ends_while_it_is_congested_holds_nobody_up_after_it(another: bool) -> None:
    nodes, (user, relay, exit) = row(package_policy=PackagePolicy.MASQ)
    link = nodes.link(exit, relay)
    if another:
        nodes.dial(exit, relay)
    nodes.do(exit, exit.node.link_congested(link, nodes.now))
    if another:
        nodes.do(exit, [CloseLink(link)])
        nodes.do(exit, exit.node.link_closed(link, nodes.now))
    else:
        nodes.cut(exit, relay)
        nodes.line(user, relay, exit)
    socket = nodes.open(user)
    server = nodes.connect(exit)
    assert exit.take(Reading) == []
    nodes.says(exit, server, b"page")
    assert user.written(socket) == b"page"


def test_of_two_congested_links_to_a_node_both_have_to_drain() -> None:
    nodes, (user, relay, exit) = row(package_policy=PackagePolicy.MASQ)
    first = nodes.link(exit, relay)
    nodes.dial(exit, relay)
    second = nodes.link(exit, relay)
    nodes.open(user)
    server = nodes.connect(exit)
    exit.asked.clear()
    for link in (first, second):
        nodes.do(exit, exit.node.link_congested(link, nodes.now))
    assert exit.take(Reading) == [Reading(server, False)]
    nodes.do(exit, exit.node.link_drained(first, nodes.now))
    assert exit.take(Reading) == []
    nodes.do(exit, exit.node.link_drained(second, nodes.now))
    assert exit.take(Reading) == [Reading(server, True)]


def test_a_circuit_for_which_too_much_waits_ends_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("masq.core.links.links.MAX_FLOW", 100_000)
    monkeypatch.setattr("masq.core.links.links.WIDE_FLOW", 100_000)
    nodes, (user, relay, exit) = row(package_policy=PackagePolicy.CIRCUITS)
    socket = nodes.open(user)
    server = nodes.connect(exit)
    nodes.says(exit, server, b"begin")
    user.asked.clear()
    link = nodes.link(relay, user)
    nodes.do(relay, relay.node.link_congested(link, nodes.now))
    while exit.node.sockets.owner(server):
        nodes.says(exit, server, bytes(16_384))
    assert "queue_full" in events(relay)
    assert [each.socket for each in exit.take(CloseSocket)] == [server]
    nodes.do(relay, relay.node.link_drained(link, nodes.now))
    (closed,) = user.take(CloseSocket)
    assert closed.socket == socket
    assert closed.failure
    assert closed.failure.cause is Cause.OVERLOADED
    assert relay.node.view(nodes.now).circuits == 0


def test_our_own_circuit_for_which_too_much_waits_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("masq.core.links.links.MAX_FLOW", 50_000)
    monkeypatch.setattr("masq.core.links.links.WIDE_FLOW", 50_000)
    nodes, (user, relay, exit) = row(package_policy=PackagePolicy.CIRCUITS)
    socket = nodes.open(user)
    nodes.says(exit, nodes.connect(exit), b"begin")
    user.asked.clear()
    nodes.do(user, user.node.link_congested(nodes.link(user, relay), nodes.now))
    while user.node.sockets.owner(socket):
        nodes.says(user, socket, bytes(16_384))
    (closed,) = user.take(CloseSocket)
    assert closed.failure
    assert closed.failure.cause is Cause.OVERLOADED


def test_an_exit_that_keeps_too_much_ends_the_circuit_that_holds_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("masq.core.circuits.exit.MAX_HELD", 100_000)
    monkeypatch.setattr("masq.core.circuits.exit.LOOK_EVERY", 10_000)
    nodes, (user, _, exit) = row(package_policy=PackagePolicy.CIRCUITS)
    socket = nodes.open(user)
    server = nodes.connect(exit)
    nodes.says(exit, server, b"begin")
    exit.node.socket_congested(server)
    exit.asked.clear()
    for _ in range(10):
        nodes.says(user, socket, bytes(16_384))
    assert "circuit_overloaded" in [log.event for log in exit.asked if isinstance(log, Log)]
    assert [each.socket for each in exit.take(CloseSocket)] == [server]
    assert exit.node.view(nodes.now).circuits == 0


# --- links that are lost ---


@pytest.mark.parametrize("policy", [PackagePolicy.CIRCUITS, PackagePolicy.MASQ])
def test_with_a_link_end_the_streams_over_it_at_both_sides(policy: PackagePolicy) -> None:
    nodes, (user, relay, exit) = row(package_policy=policy)
    socket = nodes.open(user)
    server = nodes.connect(exit)
    nodes.says(exit, server, b"page")
    user.asked.clear()
    nodes.cut(user, relay)
    (closed,) = user.take(CloseSocket)
    assert closed.socket == socket
    assert closed.failure
    assert (closed.failure.cause, closed.failure.at.key) == (Cause.LINK_LOST, relay.node.keys.public_key)
    if policy is PackagePolicy.CIRCUITS:
        assert [each.socket for each in exit.take(CloseSocket)] == [server]
    else:
        nodes.cut(relay, exit)
        assert [each.socket for each in exit.take(CloseSocket)] == [server]
    assert user.node.stage == "NotConnected"
    view = exit.node.view(nodes.now)
    assert (view.serving, view.circuits) == (0, 0)


def test_a_lost_neighbor_is_dialled_again() -> None:
    nodes, (user, relay, _) = row()
    nodes.cut(user, relay)
    dialled: list[Dial] = []
    for _ in range(20):
        nodes.now += 0.1
        dialled += [each for each in user.node.tick(nodes.now) if isinstance(each, Dial)]
    assert dialled == [Dial(dialled[0].link, Endpoint(relay.ip, 6001))]
