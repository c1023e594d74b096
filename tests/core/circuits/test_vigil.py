"""Circuits that are silent: asked whether they live, and given up if they don't say so (protocol.md 15.4)."""

from __future__ import annotations

import pytest
from tests.circuit_ends import BACK, Entry, Nodes, others
from tests.core.circuits.entry_ends import CHARGE, DATA, END, RESOLVED, answered, closes, opens, started

from masq.core.circuits.entry import CONNECTED_FOR
from masq.core.circuits.vigil import PAUSE, PROBE_HOST, SHORTEST, SHORTEST_HEDGE, SLOWEST, UNKNOWN
from masq.core.effects import CloseSocket, Log, WriteSocket
from masq.core.failure import SOME_HOP, Cause, Failure
from masq.wire.circuit import (
    BLOCK,
    Close,
    Command,
    Resolution,
    StreamEnd,
    encode_begin,
    encode_end,
    encode_resolve,
    encode_resolved,
)
from masq.wire.noise import TAG
from masq.wire.secure_link import Frame


def probes(nodes: Nodes) -> list[int]:
    """The streams of probes among what was said of late."""
    probe = encode_resolve(PROBE_HOST)
    return [stream for stream, command, data in nodes.take_said() if command == Command.RESOLVE and data == probe]


def pong(nodes: Nodes, stream: int) -> Frame:
    """How an exit of today, and of before, answers a probe."""
    return nodes.cell((stream, RESOLVED, encode_resolved(Resolution(((PROBE_HOST, 60),)))))


def waited(entry: Entry, seconds: float) -> list[object]:
    """What happens meanwhile."""
    return [effect for _ in range(round(seconds * 10)) for effect in entry.tick(0.1)]


def test_a_circuit_that_is_silent_is_asked_and_one_that_answers_lives() -> None:
    entry, nodes, socket = started()
    assert probes(nodes) == []
    assert entry.tick(UNKNOWN - 0.1) == []
    entry.tick(0.1)
    (stream,) = probes(nodes)
    entry.now += 0.5
    assert others(entry.hears(pong(nodes, stream))) == []
    for _ in range(600):
        entry.tick(0.5)
        for stream in probes(nodes):
            entry.hears(pong(nodes, stream))
        if entry.now == CONNECTED_FOR / 2:
            entry.hears(nodes.cell((1, Command.CONNECTED, b"")))
    assert [stream.socket for stream in entry.entry.streams()] == [socket]
    assert entry.circuit(1).next_stream < 20, "more and more seldom"


def test_one_that_gives_no_answer_is_given_up_and_its_stream_goes_over_others_if_there_are_any() -> None:
    entry, nodes, socket = started()
    effects = entry.tick(UNKNOWN)
    assert len(probes(nodes)) == 1
    assert opens(effects) == 1, "beside it"
    assert not closes(waited(entry, UNKNOWN - 0.1))
    effects = waited(entry, 0.5)
    assert closes(effects) == [(1, Close.DONE), (3, Close.DONE)], "that one is silent, too"
    assert Log("info", "circuit_failed", str(Failure(Cause.SILENT, SOME_HOP))) in effects
    other = entry.ways[0]
    assert other.take_said()[-2:] == [(1, Command.BEGIN, encode_begin("a.test", 80)), (1, DATA, b"GET /")]
    assert others(entry.hears(other.cell((1, DATA, b"here")))) == [WriteSocket(socket, b"here")]
    assert entry.own.blame.keys(entry.now) == (), "one time proves nothing"


def beside(good: bool) -> tuple[Entry, Nodes, Nodes, int]:
    """A circuit is silent, and another one is tried beside it: the user, both, and the socket of the stream."""
    entry, nodes, socket = started()
    if good:
        entry.hears(nodes.cell((1, Command.CONNECTED, b"")))
        entry.says(b" HTTP/1.1")
    nodes.take_said()
    effects: list[object] = []
    while not opens(effects):
        effects = entry.tick(0.1)
    return entry, nodes, entry.ways[1], socket


@pytest.mark.parametrize("good", [False, True])
def test_the_way_beside_takes_over_what_it_can_if_it_answers_first(good: bool) -> None:
    entry, nodes, other, socket = beside(good)
    if good:
        assert entry.now <= SHORTEST + SHORTEST_HEDGE + 0.3
    (stream,) = probes(other)
    effects = entry.hears(pong(other, stream))
    assert [message[1] for message in other.take_said()][:2] == [Command.BEGIN, DATA]
    assert [message[:2] for message in nodes.take_said()][-1:] == [(1, END)], "the server must not be asked twice"
    assert not closes(effects), "it is judged in its time"
    assert others(entry.hears(other.cell((2, DATA, b"here")))) == [WriteSocket(socket, b"here")]
    assert others(entry.hears(nodes.cell((1, DATA, b"late")))) == []
    entry, nodes, other, socket = beside(good)
    ended: list[int] = []
    while not ended and entry.now < 20:
        ended = [circuit for circuit, _ in closes(entry.tick(0.1))]
    assert ended[0] == 1, "nobody may swallow without being found out"


@pytest.mark.parametrize("good", [False, True])
def test_the_way_beside_takes_over_nothing_if_the_first_one_answers(good: bool) -> None:
    entry, nodes, other, socket = beside(good)
    assert others(entry.hears(nodes.cell((1, DATA, b"here")))) == [WriteSocket(socket, b"here")]
    (stream,) = probes(other)
    assert others(entry.hears(pong(other, stream))) == []
    assert not any(message[1] == Command.BEGIN for message in other.take_said())


def test_nothing_is_tried_beside_for_who_has_got_something() -> None:
    entry, _nodes, _ = answered()
    entry.says(b"more")
    assert not any(opens(entry.tick(0.1)) for _ in range(100))


def test_without_others_the_same_way_is_tried_again() -> None:
    entry, nodes, _ = started(b"GET /", Nodes())
    assert opens(entry.tick(UNKNOWN)) == 1
    waited(entry, UNKNOWN + 0.5)
    assert nodes.take_said()[-2:] == [(1, Command.BEGIN, encode_begin("a.test", 80)), (1, DATA, b"GET /")]


def test_a_client_that_has_got_something_is_told_within_seconds() -> None:
    entry, _nodes, socket = answered()
    entry.says(b"more")
    effects: list[object] = []
    begun = entry.now
    while not closes(effects):
        effects = entry.tick(0.1)
    assert entry.now - begun < 4.0
    assert CloseSocket(socket, Failure(Cause.SILENT, SOME_HOP)) in effects


def test_a_download_that_stops_is_noticed_though_we_said_nothing() -> None:
    entry, _nodes, socket = answered()
    effects: list[object] = []
    begun = entry.now
    while not closes(effects):
        effects = entry.tick(0.1)
    assert PAUSE < entry.now - begun < PAUSE + 4.0
    assert CloseSocket(socket, Failure(Cause.SILENT, SOME_HOP)) in effects


def test_whatever_comes_shows_that_a_circuit_lives() -> None:
    entry, nodes, _ = answered()
    entry.says(b"more")
    for _ in range(100):
        assert closes(entry.tick(0.9)) == []
        entry.hears(nodes.cell((1, DATA, b"slow")))
    bills = [nodes.bill(1) for _ in range(9)]
    for bill in bills:
        effects = entry.tick(1.0)
        entry.hears(bill)
        if closes(effects):
            break
    assert closes(effects) == [(1, Close.DONE)], "but what a relay says doesn't: it may be the one that swallows"


def test_what_may_still_be_queued_on_a_slow_way_has_its_time() -> None:
    entry, _nodes, _ = answered()
    for _ in range(10):
        entry.says(bytes(60_000))
    for _ in range(int(600_000 / SLOWEST)):
        assert closes(entry.tick(1.0)) == []
    assert any(closes(entry.tick(1.0)) for _ in range(6))


def test_a_link_that_is_crowded_here_is_nobody_else_s_fault() -> None:
    entry, _nodes, _ = answered()
    entry.says(b"more")
    entry.crowded.add(BACK)
    for _ in range(100):
        assert closes(entry.tick(1.0)) == []
    entry.crowded.clear()
    assert any(closes(entry.tick(1.0)) for _ in range(5))


def test_who_did_not_look_himself_judges_nobody() -> None:
    entry, nodes, _ = answered()
    entry.says(b"more")
    entry.tick(1.0)
    assert len(probes(nodes)) == 1
    assert closes(entry.tick(3_600.0)) == [], "a machine that slept"
    assert closes(entry.tick(1.0)) == []


def test_a_circuit_without_streams_is_left_alone() -> None:
    entry, nodes, socket = answered()
    entry.carry(entry.entry.closed(socket, Failure(Cause.CLOSED), entry.now))
    for _ in range(60):
        entry.tick(1.0)
    assert probes(nodes) == []
    entry.open()
    assert closes(entry.tick(0.5)) == []
    assert probes(nodes) == [], "what was before is over"


def test_an_exit_that_is_too_busy_for_a_probe_lives_too() -> None:
    entry, nodes, _ = answered()
    entry.says(b"more")
    entry.tick(1.0)
    (stream,) = probes(nodes)
    entry.hears(nodes.cell((stream, END, encode_end(StreamEnd.OVERLOADED))))
    assert entry.circuit(1).pulse.probe == 0
    assert not entry.own.blame.nodes


def test_an_exit_that_lives_but_never_says_what_became_of_a_stream_is_left_for_another() -> None:
    entry, _, socket = started()
    begun: list[tuple[int, int, bytes]] = []
    while not begun:
        entry.tick(0.5)
        for way in entry.ways:
            said = way.take_said()
            for stream, command, _ in said:
                if command == Command.RESOLVE:
                    entry.hears(pong(way, stream))
        begun = [each for each in said if each[1] == Command.BEGIN]
    assert CONNECTED_FOR <= entry.now <= CONNECTED_FOR + 1
    assert others(entry.hears(entry.ways[1].cell((begun[0][0], DATA, b"here")))) == [WriteSocket(socket, b"here")]


def test_probes_are_booked_like_all_cells() -> None:
    entry, nodes, _ = answered()
    entry.says(b"more")
    before = entry.owed(nodes)
    entry.tick(1.0)
    (stream,) = probes(nodes)
    entry.hears(pong(nodes, stream))
    after = entry.owed(nodes)
    small = CHARGE(BLOCK + TAG)
    assert [b - a for a, b in zip(before, after, strict=True)] == [2 * small, 2 * small, 0]
