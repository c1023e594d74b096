"""What waits at a link: turns, bounds, and who loses what when there is too much (protocol.md 15.2, 15.4)."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.network_ends import End, Peer, frame, links, visited, written

from masq.core.effects import Dial, Flow, Log, Overrun, WriteLink
from masq.core.links.links import BATCH, GOSSIP_FLOW, MAX_FLOW, MAX_QUEUE, MAX_ROUTE, TRY_FOR, WIDE_FLOW, Links
from masq.types import Endpoint
from masq.wire.package import Package

VISITOR = Peer(1)
MIB = 1024 * 1024


def slow() -> End:
    """A link whose driver takes nothing for now."""
    end = visited(links(), VISITOR)
    end.ours.congested(end.id)
    return end


def waiting(end: End) -> int:
    link = end.ours.get(end.id)
    assert link
    return link.queued


def send(end: End, payload: bytes, flow: Flow = b"route") -> list[object]:
    """A package for the visitor."""
    address = Endpoint(VISITOR.ip, 6001)
    return list(end.ours.send(address, VISITOR.key, Package([b"hop"], payload), flow, True, 0.0))


def cell(end: End, circuit: int, number: int = 0, size: int = 100) -> list[object]:
    return list(end.ours.send_frame(end.id, frame(circuit, number, size), circuit))


# --- turns ---


def test_what_a_link_can_take_is_written_at_once() -> None:
    end = visited(links(), VISITOR)
    assert end.frames(cell(end, 1, 7)) == [(1, 7)]
    assert waiting(end) == 0
    assert not end.ours.crowded(end.id)


def test_what_it_cannot_take_waits_until_it_can() -> None:
    end = slow()
    assert cell(end, 1) == []
    assert end.ours.crowded(end.id)
    assert waiting(end) == len(frame(1, 0))
    assert end.frames(end.ours.drained(end.id)) == [(1, 0)]
    assert waiting(end) == 0
    assert not end.ours.crowded(end.id)
    assert end.ours.drained(end.id) == []


def test_flows_take_turns() -> None:
    end = slow()
    for circuit, count in ((1, 4), (2, 2), (3, 3)):
        for number in range(count):
            cell(end, circuit, number)
    got = end.frames(end.ours.drained(end.id))
    assert [circuit for circuit, _ in got] == [1, 2, 3, 1, 2, 3, 1, 3, 1]
    assert [number for circuit, number in got if circuit == 1] == [0, 1, 2, 3]


def test_one_that_has_just_begun_to_wait_comes_first() -> None:
    end = slow()
    for number in range(12):
        cell(end, 1, number, 60_000)
        cell(end, 2, number, 60_000)
    first = end.frames(end.ours.drained(end.id))
    assert len(first) == BATCH // 60_000 + 1
    cell(end, 3)
    cell(end, 4)
    got = end.frames(end.ours.drained(end.id))
    assert [circuit for circuit, _ in got[:4]] == [3, 4, 2, 1], "and then those whose turn it was"


def test_while_something_waits_nothing_overtakes_it() -> None:
    end = slow()
    for number in range(10):
        cell(end, 1, number, 60_000)
    end.frames(end.ours.drained(end.id))
    assert cell(end, 1, 10) == []
    numbers = []
    while effects := end.ours.drained(end.id):
        numbers += [number for _, number in end.frames(effects)]
    assert numbers == [5, 6, 7, 8, 9, 10]


def test_a_batch_is_no_larger_than_one_item_more_than_it_may_be() -> None:
    end = slow()
    for number in range(40):
        cell(end, number, 0, 30_000)
    size = len(written(end.ours.drained(end.id), end.id))
    assert BATCH <= size < BATCH + 31_000


def test_a_batch_of_a_link_that_is_gone_or_not_up_is_empty() -> None:
    ours = links()
    assert ours.drained(99) == []
    id, _ = ours.accept(VISITOR.source, 0.0)
    assert id
    assert ours.drained(id) == []


def test_what_lies_in_a_buffer_of_the_drivers_is_copied_before_it_waits() -> None:
    end = slow()
    buffer = frame(1, 5)
    end.ours.send_frame(end.id, memoryview(buffer), 1)
    buffer[:] = bytes(len(buffer))
    assert end.frames(end.ours.drained(end.id)) == [(1, 5)]


def test_a_frame_for_a_link_that_is_gone_is_lost_with_its_circuit() -> None:
    end = visited(links(), VISITOR)
    assert end.ours.send_frame(99, frame(1, 0), 1) == []


def test_to_congest_a_link_that_is_gone_is_nothing() -> None:
    ours = links()
    ours.congested(99)
    assert not ours.crowded(99)


# --- bounds ---


def test_too_much_of_one_circuit_costs_that_one_alone() -> None:
    end = slow()
    cell(end, 2, 9)
    big = frame(1, 0, WIDE_FLOW // 20 - 100)
    for _ in range(20):
        assert end.ours.send_frame(end.id, big, 1) == []
    overrun, log = cell(end, 1, 0, 2_000)
    assert overrun == Overrun(end.id, 1)
    assert isinstance(log, Log)
    assert end.frames(end.ours.drained(end.id)) == [(2, 9)]
    assert end.ours.view()[0].dropped == 1


def test_one_cell_that_is_too_much_by_itself_is_an_overrun_too() -> None:
    end = slow()
    assert end.ours.send_frame(end.id, bytearray(WIDE_FLOW + 1), 1)[0] == Overrun(end.id, 1)
    assert waiting(end) == 0


def test_a_circuit_may_have_more_than_the_usual_as_long_as_another_finds_as_much() -> None:
    end = slow()
    piece = bytearray(MIB)
    for circuit in range(2, 42, 2):
        for _ in range(2):
            assert end.ours.send_frame(end.id, piece, circuit) == []
    for _ in range(12):
        assert end.ours.send_frame(end.id, piece, 1) == [], "24 MiB are left, of which it takes a half"
    assert end.ours.send_frame(end.id, piece, 1)[0] == Overrun(end.id, 1)
    for _ in range(MAX_FLOW // MIB):
        assert end.ours.send_frame(end.id, piece, 3) == [], "the usual is there for everybody"


def test_too_much_of_one_route_is_dropped_as_a_whole() -> None:
    """A stream of packages with a gap goes no further."""
    end = slow()
    quarter = bytes(MAX_ROUTE // 4 - 3)
    for _ in range(4):
        assert send(end, quarter) == []
    assert send(end, b"x", b"another route") == []
    (log,) = send(end, b"x")
    assert isinstance(log, Log)
    assert log.event == "queue_full"
    assert waiting(end) == len(b"hopx"), "what waits of others stays"
    assert send(end, b"x", b"another route") == []
    assert send(end, b"x", GOSSIP_FLOW) == []


def test_an_own_route_is_bounded_apart_from_the_circuits() -> None:
    end = slow()
    for _ in range(3):
        assert send(end, bytes(MAX_FLOW)) == [], "more than a circuit may have"


def test_too_much_at_all_links_costs_the_flow_that_holds_most() -> None:
    ours = links()
    ends = [visited(ours, Peer(number)) for number in (1, 2, 3)]
    for end in ends:
        ours.congested(end.id)
    share = bytearray(4 * MIB)
    for number in range(15):
        assert ours.send_frame(ends[number % 2].id, share, number) == []
    largest = bytearray(4 * MIB - 300)
    assert ours.send_frame(ends[2].id, bytearray(200), 77) == []
    assert ours.send_frame(ends[2].id, largest, 88) == [], "64 MiB, but for some bytes, is not too much"
    assert ours.send_frame(ends[0].id, bytearray(1_000), 0)[0] == Overrun(ends[0].id, 0)
    assert sum(view.queued for view in ours.view()) < MAX_QUEUE
    assert ours.send_frame(ends[2].id, share, 99) == [], "there is room again"


def test_if_a_route_holds_most_it_is_dropped_without_an_overrun() -> None:
    ours = links()
    end = visited(ours, VISITOR)
    ours.congested(end.id)
    send(end, bytes(10 * MIB))
    for number in range(13):
        assert ours.send_frame(end.id, bytearray(4 * MIB), number) == []
    (log,) = ours.send_frame(end.id, bytearray(4 * MIB), 13)
    assert isinstance(log, Log)
    assert waiting(end) == 14 * 4 * MIB


def test_what_waited_at_a_link_that_ends_is_no_longer_counted() -> None:
    ours = links()
    ends = [visited(ours, Peer(number)) for number in (1, 2)]
    for round_ in range(3):
        end = ends[0] if round_ == 0 else visited(ours, Peer(1))
        ours.congested(end.id)
        for number in range(13):
            assert ours.send_frame(end.id, bytearray(4 * MIB), number) == []
        ours.closed(end.id, 0.0)
    assert sum(view.queued for view in ours.view()) == 0


def test_what_waited_for_an_attempt_is_counted_once_after_the_fall_back() -> None:
    ours = links()
    stranger = Peer(9)
    package = Package([b"hop"], bytes(12 * MIB))
    dial, *_ = ours.send(stranger.address.endpoint, stranger.key, package, b"route", None, 0.0)
    assert isinstance(dial, Dial)
    ours.dialled(dial.link, 0.0)
    assert [effect.endpoint for effect in ours.tick(TRY_FOR)[1] if isinstance(effect, Dial)] == [dial.endpoint]
    end = visited(ours, VISITOR)
    ours.congested(end.id)
    for number in range(13):
        assert ours.send_frame(end.id, bytearray(4 * MIB - 1), number) == []
    assert ours.send_frame(end.id, bytearray(100), 14) != [], "12 and 52 MiB are all that may wait"
    assert waiting(end) > 0


def test_a_package_that_cannot_be_sealed_is_lost_alone() -> None:
    ours = links()
    end = visited(ours, VISITOR)
    stranger = Endpoint(Peer(9).ip, 6001)
    (dial,) = ours.send(stranger, bytes(64), Package([b"hop"], b"x"), b"flow", False, 0.0)
    said = ours.dialled(dial.link, 0.0)  # type: ignore[union-attr]
    assert not [each for each in said if isinstance(each, WriteLink)]
    assert ours.send(stranger, Peer(9).key, Package([b"hop"], b"x"), b"flow", False, 0.0)
    assert end.frames(cell(end, 1)) == [(1, 0)]


# --- laws ---

Step = tuple[str, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["cell", "cell", "cell", "package", "drain", "congest"]),
        st.integers(1, 4),
        st.integers(20, 60_000),
    ),
    max_size=60,
)


def counted(ours: Links) -> bool:
    """Whether the figures of each link agree with what waits there."""
    return all(
        link.queued == sum(link.waiting.values()) == sum(len(item) for queue in link.queues.values() for item in queue)
        and link.waiting.keys() == link.queues.keys()
        and link.fresh.keys() <= link.queues.keys()
        for link in ours
    )


@given(steps)
def test_whatever_is_sent_each_flow_keeps_its_order_and_nothing_is_lost(play: list[Step]) -> None:
    end = visited(links(), VISITOR)
    sent: Counter[int] = Counter()
    got: dict[int, list[int]] = {}
    packages = 0

    def read(effects: list[object]) -> None:
        nonlocal packages
        for event in end.reads(effects):
            if isinstance(event, Package):
                packages += 1
            else:
                body = bytes(event.body)  # type: ignore[union-attr]
                got.setdefault(int.from_bytes(body[:4], "big"), []).append(int.from_bytes(body[4:8], "big"))

    for word, flow, size in play:
        match word:
            case "cell":
                read(cell(end, flow, sent[flow], size))
                sent[flow] += 1
            case "package":
                read(send(end, bytes(size), bytes(flow)))
                sent[0] += 1
            case "drain":
                read(list(end.ours.drained(end.id)))
            case _:
                end.ours.congested(end.id)
        assert counted(end.ours)
    while effects := end.ours.drained(end.id):
        assert all(isinstance(effect, WriteLink) for effect in effects)
        read(list(effects))
    assert counted(end.ours)
    assert waiting(end) == 0
    assert packages == sent.pop(0, 0)
    assert got == {flow: list(range(count)) for flow, count in sent.items()}


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 30), st.integers(1, 5 * MIB)), max_size=40))
def test_no_more_waits_than_may(play: list[tuple[int, int, int]]) -> None:
    ours = links()
    ends = [visited(ours, Peer(number)) for number in (1, 2, 3)]
    for end in ends:
        ours.congested(end.id)
    for at, circuit, size in play:
        effects = ours.send_frame(ends[at - 1].id, bytearray(size), circuit)
        assert counted(ours)
        assert sum(view.queued for view in ours.view()) <= MAX_QUEUE
        for link in ours:
            assert all(held <= WIDE_FLOW for held in link.waiting.values())
        for effect in effects:
            if isinstance(effect, Overrun):
                link = ours.get(effect.link)  # type: ignore[assignment]
                assert link
                assert effect.circuit not in link.waiting


@pytest.mark.parametrize("count", [1, 3, 50])
def test_while_all_have_something_no_flow_is_served_twice_before_the_others(count: int) -> None:
    end = slow()
    for number in range(4):
        for circuit in range(count):
            cell(end, circuit, number)
    got = end.frames(end.ours.drained(end.id))
    for turn in range(4):
        assert {circuit for circuit, _ in got[turn * count : (turn + 1) * count]} == set(range(count))
