"""Circuits that carry much less than others: new streams pass them over. Only a full way is held against Nodes."""

from __future__ import annotations

import math

from tests.circuit_ends import Entry
from tests.core.circuits.entry_ends import answered

from masq.core.circuits.origin import BULK, OwnCircuit

SHORTEST, QUEUED = 0.05, 0.5
"""Seconds of a round trip: of a way where nothing waits, and of one that is full."""


def experienced() -> tuple[Entry, OwnCircuit]:
    """A Node that knows ways of 10 MB/s, and a circuit of it."""
    entry, nodes, _ = answered()
    for key in b"one", b"two", b"three":
        entry.own.reputation.carried((b"", key), 10e6, math.inf, 0.0)
    own = entry.circuit(nodes.circuit)
    carries(entry, own, 0.1, SHORTEST)
    assert not own.slow
    return entry, own


def carries(entry: Entry, own: OwnCircuit, seconds: float, round_trip: float) -> None:
    """After a pause, BULK bytes come over a circuit in so many seconds, in parts."""
    entry.now += 10
    comes(entry, own, 1)
    pace = own.terminal.pace
    for _ in range(8):
        pace.was_answered(memoryview(pace.ask(entry.now)), entry.now + round_trip)
        entry.now += seconds / 8
        comes(entry, own, BULK // 8)


def comes(entry: Entry, own: OwnCircuit, size: int) -> None:
    entry.own.paced(own, size, entry.now)
    own.recent_at = entry.now


def opened(entry: Entry) -> int:
    """How many circuits there are once one more stream has got one."""
    entry.open(b"more")
    return len(list(entry.own))


def blamed(entry: Entry, own: OwnCircuit) -> bool:
    return any("slower" in entry.own.reputation.view(key).why for key in own.route.over[1:])


def test_a_new_stream_passes_over_a_slow_circuit_until_it_is_fast_again() -> None:
    entry, own = experienced()
    assert opened(entry) == 1
    carries(entry, own, 2.0, QUEUED)
    assert own.slow
    assert blamed(entry, own)
    assert opened(entry) == 2
    assert opened(entry) == 2, "the new one isn't slow"
    assert len(own.terminal.streams) == 2
    carries(entry, own, 0.1, QUEUED)
    assert not own.slow
    assert not blamed(entry, own)
    assert opened(entry) == 2
    assert len(own.terminal.streams) == 3


def test_nothing_is_held_against_nodes_for_a_slow_server_or_reader() -> None:
    entry, own = experienced()
    carries(entry, own, 2.0, SHORTEST)
    assert not own.slow
    assert not blamed(entry, own)
    assert opened(entry) == 1


def test_nothing_is_held_against_nodes_while_our_own_line_is_full() -> None:
    entry, own = experienced()
    other, _ = entry.own.choose("another", set(), entry.now)
    entry.now += 10
    comes(entry, own, 1)
    comes(entry, other, 1)
    for _ in range(8):  # 10 MB/s in all, of which a twentieth is ours.
        for each in own, other:
            pace = each.terminal.pace
            pace.was_answered(memoryview(pace.ask(entry.now)), entry.now + QUEUED)
        entry.now += 0.25
        comes(entry, other, 19 * BULK // 8)
        comes(entry, own, BULK // 8)
    assert not own.slow
    assert not blamed(entry, own)


def test_a_pause_tells_nothing() -> None:
    entry, own = experienced()
    carries(entry, own, 20.0, QUEUED)
    assert not own.slow
    assert not blamed(entry, own)
