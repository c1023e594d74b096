"""Packages of a route that wait for a slow link: they are stopped where they come from (protocol.md 2.4)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.network_ends import End, Peer, links, visited, written

from masq.core.effects import Flow, Hold, Log, ReadLink
from masq.core.limits import NEIGHBOR_READ
from masq.core.links.links import MAX_HELD, MAX_QUEUE, MAX_ROUTE, STUCK_FOR, Links
from masq.core.links.pressure import FEWEST, FULL, OURSELVES, Change, Pressure, Source
from masq.types import Endpoint
from masq.wire.package import Package
from masq.wire.secure_link import FLOW

SLOW, FAST, OTHER = Peer(1), Peer(2), Peer(3)
ROUTE, ANOTHER = b"r" * FLOW, b"a" * FLOW
THERE, ELSEWHERE = b"t" * FLOW, b"e" * FLOW
"""What routes are told by where their packages come from."""
PIECE = 64 * 1024


def congested(ours: Links, peer: Peer = SLOW) -> End:
    """A link of ours whose driver takes nothing for now."""
    end = visited(ours, peer)
    ours.congested(end.id)
    return end


def json_link(ours: Links, peer: Peer = FAST) -> int:
    id, _ = ours.accept(Endpoint(peer.ip, 40_000), 0.0)
    assert id is not None
    list(ours.received(id, memoryview(bytearray(b'{"bodyData":""}')), 0.0, []))
    link = ours.get(id)
    assert link
    ours.introduce(link)
    return id


def send(ours: Links, source: Source, size: int, flow: Flow = ROUTE, to: Peer = SLOW) -> list[object]:
    """Packages of so many bytes in all; what they set off."""
    effects: list[object] = []
    while size > 0:
        package = Package([b"hop"], bytes(min(size, PIECE) - 3))
        effects += ours.send(Endpoint(to.ip, 6001), to.key, package, flow, True, 0.0, source)
        size -= PIECE
    return effects


def drain(ours: Links, end: End, size: int) -> list[object]:
    """The driver takes at least so many bytes."""
    link = ours.get(end.id)
    assert link
    effects: list[object] = []
    before = link.queued
    while link.queues and link.queued > before - size:
        effects += ours.drained(end.id)
    ours.congested(end.id)
    return effects


def holds(end: End, effects: Iterable[object]) -> list[tuple[bytes, bool]]:
    """What the other end of a secure link is asked."""
    data = written(effects, end.id)
    if data:
        list(end.theirs.receive(memoryview(bytearray(data))))
    return end.theirs.take_holds()


# --- where they come from ---


def test_a_link_of_json_is_not_read_until_half_of_that_is_gone() -> None:
    ours = links()
    slow, source = congested(ours), json_link(ours)
    assert send(ours, Source(source, THERE), FULL) == []
    assert send(ours, Source(source, THERE), PIECE) == [ReadLink(source, 0)]
    assert send(ours, Source(source, THERE), PIECE) == [], "once"
    ours.tick(1.0)
    assert ReadLink(source, NEIGHBOR_READ) not in ours.tick(2.0)[1]
    assert ReadLink(source, NEIGHBOR_READ) not in drain(ours, slow, FULL // 2 - PIECE)
    assert ReadLink(source, NEIGHBOR_READ) in drain(ours, slow, 4 * PIECE)


def test_it_is_read_again_when_the_last_of_its_routes_may_go_on() -> None:
    ours = links()
    ends = [congested(ours, peer) for peer in (SLOW, OTHER)]
    source = json_link(ours)
    for peer, flow in ((SLOW, ROUTE), (OTHER, ANOTHER)):
        send(ours, Source(source, THERE), FULL + PIECE, flow, peer)
    assert ReadLink(source, NEIGHBOR_READ) not in drain(ours, ends[0], FULL)
    assert ReadLink(source, NEIGHBOR_READ) in drain(ours, ends[1], FULL)


def test_who_speaks_over_a_secure_link_is_told_of_the_one_route() -> None:
    ours = links()
    slow, source = congested(ours), visited(ours, FAST)
    effects = send(ours, Source(source.id, THERE), FULL + PIECE)
    assert not [effect for effect in effects if isinstance(effect, ReadLink)], "circuits and PINGs come over it, too"
    assert holds(source, effects) == [(THERE, True)]
    assert holds(source, send(ours, Source(source.id, ELSEWHERE), PIECE, ANOTHER)) == []
    assert holds(source, drain(ours, slow, FULL)) == [(THERE, False)]


def test_what_we_send_ourselves_is_held_back_by_ourselves() -> None:
    ours = links()
    slow = congested(ours)
    assert send(ours, Source(OURSELVES, ROUTE), FULL + PIECE) == [Hold(ROUTE, True)]
    assert Hold(ROUTE, False) in drain(ours, slow, FULL)


def test_a_route_that_comes_over_another_link_now_is_stopped_there() -> None:
    ours = links()
    slow, before, after = congested(ours), visited(ours, FAST), visited(ours, OTHER)
    assert holds(before, send(ours, Source(before.id, THERE), FULL + PIECE)) == [(THERE, True)]
    effects = send(ours, Source(after.id, THERE), PIECE)
    assert (holds(before, effects), holds(after, effects)) == ([(THERE, False)], [(THERE, True)])
    effects = drain(ours, slow, FULL)
    assert (holds(before, effects), holds(after, effects)) == ([], [(THERE, False)])


def test_nobody_waits_for_a_link_that_is_gone() -> None:
    ours = links()
    slow, source, told = congested(ours), json_link(ours), visited(ours, OTHER)
    send(ours, Source(source, THERE), FULL + PIECE)
    assert holds(told, send(ours, Source(told.id, THERE), FULL + PIECE, ANOTHER)) == [(THERE, True)]
    _, effects = ours.closed(slow.id, 1.0)
    assert ReadLink(source, NEIGHBOR_READ) in effects
    assert holds(told, effects) == [(THERE, False)]


def test_a_source_that_is_gone_is_told_nothing() -> None:
    ours = links()
    slow, source = congested(ours), json_link(ours)
    send(ours, Source(source, THERE), FULL + PIECE)
    ours.closed(source, 1.0)
    assert not [effect for effect in drain(ours, slow, FULL) if isinstance(effect, ReadLink)]


# --- the last resort ---


def test_too_much_of_one_route_all_the_same_is_lost_as_a_whole() -> None:
    ours = links()
    slow, deaf = congested(ours), visited(ours, FAST)
    effects = send(ours, Source(deaf.id, THERE), MAX_ROUTE + PIECE)
    (log,) = (effect for effect in effects if isinstance(effect, Log))
    assert log.event == "queue_full"
    assert str(MAX_ROUTE) in log.detail
    link = ours.get(slow.id)
    assert link
    assert (link.queued, link.dropped) == (0, 1)


def test_nodes_that_wait_for_one_another_lose_one_route_after_a_minute() -> None:
    ours = links()
    congested(ours)
    source = json_link(ours)
    send(ours, Source(source, THERE), FULL + PIECE)
    told = [[effect for effect in ours.tick(at)[1] if isinstance(effect, Log | ReadLink)] for at in (1.0, 60.0, 61.0)]
    assert told[:2] == [[], []]
    assert [type(effect) for effect in told[2]] == [Log, ReadLink]


def test_slowly_is_not_never() -> None:
    ours = links()
    slow, source = congested(ours), json_link(ours)
    send(ours, Source(source, THERE), FULL + PIECE)
    for minute in range(1, 5):
        drain(ours, slow, PIECE)
        assert not [effect for effect in ours.tick(minute * STUCK_FOR - 1.0)[1] if isinstance(effect, Log)]


def test_an_unfinished_frame_of_a_link_that_is_not_read_is_nobodys_fault() -> None:
    ours = links()
    congested(ours)
    source = json_link(ours)
    list(ours.received(source, memoryview(bytearray(b'{"bodyData":"AAAA')), 0.0, []))
    send(ours, Source(source, THERE), FULL + PIECE)
    for second in range(1, int(STUCK_FOR)):
        assert source not in ours.tick(float(second))[0]


# --- what a peer asks of us ---


def asks(ours: Links, end: End, flow: bytes, on: bool) -> list[object]:
    effects: list[object] = []
    list(ours.received(end.id, memoryview(end.theirs.hold(flow, on)), 0.0, effects))  # type: ignore[arg-type]
    return effects


def test_packages_that_a_peer_cannot_take_wait_and_others_go_on() -> None:
    ours = links()
    end, source = visited(ours, SLOW), visited(ours, FAST)
    assert asks(ours, end, ROUTE, True) == []
    assert end.reads(send(ours, Source(source.id, THERE), PIECE)) == []
    assert len(end.reads(send(ours, Source(source.id, ELSEWHERE), PIECE, ANOTHER))) == 1
    assert not ours.crowded(end.id)
    effects = asks(ours, end, ROUTE, False)
    assert len(end.reads(effects)) == 1
    link = ours.get(end.id)
    assert link
    assert (link.queued, link.parked, link.waiting) == (0, {}, {})


def test_what_waited_already_waits_on_and_all_of_it_goes_in_its_order() -> None:
    ours = links()
    end = congested(ours)
    send(ours, Source(OURSELVES, ROUTE), 20 * PIECE)
    asks(ours, end, ROUTE, True)
    send(ours, Source(OURSELVES, ROUTE), 3 * PIECE)
    assert drain(ours, end, 1) == []
    ours.drained(end.id)
    got = end.reads(asks(ours, end, ROUTE, False))
    for second in range(1, 20):
        got += end.reads(ours.tick(float(second))[1])
    assert len(got) == 23, "what is more than a batch goes out by and by"


def test_it_is_pushed_back_further() -> None:
    """From Node to Node, to who reads the server."""
    ours = links()
    end, source = visited(ours, SLOW), visited(ours, FAST)
    asks(ours, end, ROUTE, True)
    assert holds(source, send(ours, Source(source.id, THERE), FULL + PIECE)) == [(THERE, True)]
    effects = asks(ours, end, ROUTE, False)
    for second in range(1, 40):
        effects += ours.tick(float(second))[1]
    assert holds(source, effects) == [(THERE, False)]


def test_a_stranger_and_one_who_asks_too_often_hold_back_nothing() -> None:
    ours = links(close=False)
    end = visited(ours, SLOW)
    asks(ours, end, ROUTE, True)
    link = ours.get(end.id)
    assert link
    assert not link.held
    ours = links()
    end = visited(ours, SLOW)
    link = ours.get(end.id)
    assert link
    for number in range(MAX_HELD + 10):
        asks(ours, end, number.to_bytes(FLOW, "big"), True)
    assert len(link.held) == MAX_HELD


# --- how much may wait ---


@pytest.mark.parametrize(("room", "most"), [(MAX_QUEUE, FULL), (16 << 20, 2 << 20), (0, FEWEST)])
def test_where_much_waits_already_less_may_wait_of_one_route(room: int, most: int) -> None:
    pressure, source = Pressure(), Source(7, THERE)
    assert pressure.waits(1, ROUTE, source, most, room) == []
    assert pressure.waits(1, ROUTE, source, most + 1, room) == [Change(source, True)]
    assert pressure.drains(1, ROUTE, most // 2 + 1, room) == []
    assert pressure.drains(1, ROUTE, most // 2, room) == [Change(source, False)]


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from([ROUTE, ANOTHER]), st.integers(0, 4), st.booleans(), st.booleans())
    )
)
def test_every_source_that_is_stopped_is_let_go_once_nothing_waits(
    steps: list[tuple[int, bytes, int, bool, bool]],
) -> None:
    pressure, stopped = Pressure(), set[Source]()
    gone = set[int]()
    for link, flow, source, waits, ends in steps:
        if ends:
            changes = pressure.ends(link + 10)
            gone.add(source)
            changes += pressure.ends(source)
        elif source in gone:
            continue
        elif waits:
            changes = pressure.waits(link + 10, flow, Source(source, bytes((link,)) + flow), FULL + 1, MAX_QUEUE)
        else:
            changes = pressure.drains(link + 10, flow, 0, MAX_QUEUE)
        for change in changes:
            assert (change.source in stopped) != change.stop or change.source.link in gone
            (stopped.add if change.stop else stopped.discard)(change.source)
        stopped = {each for each in stopped if each.link not in gone}
    for link in (11, 12, 13):
        for change in pressure.ends(link):
            stopped.discard(change.source)
    assert not stopped
    assert not any(pressure.behind(source) for source in range(5))
