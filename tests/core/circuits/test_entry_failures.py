"""The entry's end of circuits: failures, who is named for them, and other ways."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from tests.circuit_ends import BACK, Entry, Nodes, frame_of, others
from tests.core.circuits.entry_ends import (
    DATA,
    END,
    answered,
    closes,
    opens,
    place,
    started,
)

from masq.core.attempt import DETOURS, MAX_UNANSWERED, RETRIES
from masq.core.circuits.blame import BLAME_LIFE
from masq.core.effects import (
    CloseSocket,
    Log,
    WriteSocket,
)
from masq.core.failure import CLOSE_CAUSES, SOME_HOP, Cause, Failure, name_of
from masq.errors import UnavailableError
from masq.wire.circuit import (
    BLOCK,
    CLOSE_TEXTS,
    Close,
    Command,
    StreamEnd,
    circuit_frame,
    data_of,
    encode_begin,
    encode_end,
)
from masq.wire.noise import TAG
from masq.wire.secure_link import Frame, FrameType

# --- failures, and who is named ---


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("detail", ["", "too many"])
def test_each_hop_that_fails_is_named_and_avoided(position: int, detail: str) -> None:
    entry, nodes, socket = answered()
    said = {"failed": "overloaded", "detail": detail}
    (log,) = entry.hears(nodes.control(position, said))
    failure = Failure(Cause.OVERLOADED, place(nodes, position), detail)
    assert log == Log("info", "circuit_failed", str(failure))
    assert entry.hears(nodes.close(Close.OVERLOADED)) == [CloseSocket(socket, failure)]
    assert not list(entry.own)
    entry.open()
    (own,) = entry.own
    assert own.route.exit.key == entry.ways[1].pairs[-1].public_key
    entry.now = BLAME_LIFE
    entry.open(group="another")
    assert list(entry.own)[-1].route.exit.key == nodes.pairs[-1].public_key, "for a while"


@pytest.mark.parametrize(("position", "blamed"), [(0, (0, 1)), (1, (1, 2)), (2, (2,))])
def test_who_can_t_reach_the_next_hop_is_named_and_both_are_avoided_if_it_is_so_again(
    position: int, blamed: tuple[int, ...]
) -> None:
    entry, nodes, socket = answered()
    (own,) = entry.own
    entry.hears(nodes.control(position, {"failed": CLOSE_TEXTS[Close.UNREACHABLE], "detail": ""}))
    assert entry.hears(nodes.close()) == [CloseSocket(socket, Failure(Cause.UNREACHABLE, place(nodes, position)))]
    suspects = tuple(nodes.pairs[each].public_key for each in blamed)
    assert own.suspects == suspects
    # Who says so may lie: only repetition tells.
    assert entry.own.blame.keys(entry.now) == (suspects if len(suspects) == 1 else ())
    if len(suspects) == 1:
        return
    entry.open()
    entry.hears(nodes.control(position, {"failed": CLOSE_TEXTS[Close.UNREACHABLE], "detail": ""}))
    assert entry.own.blame.keys(entry.now) == suspects


@pytest.mark.parametrize(
    "value", [{}, {"failed": 7}, {"failed": {"a": [1]}, "detail": None}, {"failed": "\x1b[2J" * 99}]
)
def test_what_a_hop_says_is_shown_as_harmless_text(value: object) -> None:
    entry, nodes, _ = answered()
    (log,) = entry.hears(nodes.control(1, value))
    assert isinstance(log, Log)
    assert log.detail.startswith(str(place(nodes, 1)))
    assert log.detail.isprintable()
    assert len(log.detail) < 300


def test_a_lost_link_is_the_first_relay_s_fault() -> None:
    entry, nodes, socket = answered()
    effects = entry.carry(entry.entry.link_lost(BACK, entry.now))
    assert others(effects) == [CloseSocket(socket, Failure(Cause.LINK_LOST, place(nodes, 0)))]
    assert list(entry.own.blame.nodes) == [nodes.pairs[0].public_key]


@pytest.mark.parametrize("words", ["unreachable", "next hop unreachable", "the next hop is unreachable", "policy"])
def test_a_hop_s_own_words_don_t_decide_whom_we_avoid(words: str) -> None:
    entry, nodes, _ = answered()
    entry.hears(nodes.control(0, {"failed": "overloaded", "detail": words}))
    assert list(entry.own.blame.nodes) == [nodes.pairs[0].public_key]
    entry, nodes, _ = answered()
    entry.hears(nodes.control(0, {"failed": f"it is not so that the {words}", "detail": words}))
    assert list(entry.own.blame.nodes) == [nodes.pairs[0].public_key]


@pytest.mark.parametrize("reason", list(Close))
def test_a_circuit_that_just_ends_is_nobody_s_fault_in_particular(reason: Close) -> None:
    entry, nodes, socket = answered()
    assert entry.hears(nodes.close(reason)) == [CloseSocket(socket, Failure(CLOSE_CAUSES[reason], SOME_HOP))]
    assert not entry.own.blame.nodes


def altered(frame: Frame, at: int) -> Frame:
    data_of(frame.wire)[at] ^= 1
    return frame


CONTROL = {"failed": "overloaded", "detail": "x" * 20}

NOT_CONTROL: list[Callable[[Nodes], Frame]] = [
    lambda nodes: nodes.control(1, CONTROL, layered_at=0),
    lambda nodes: nodes.control(1, CONTROL, layered_at=2),
    lambda nodes: nodes.control(0, CONTROL, layered_at=2),
    lambda nodes: nodes.control(1, ["no", "map"]),
    lambda nodes: frame_of(circuit_frame(FrameType.CONTROL, nodes.circuit, b"")),
    lambda nodes: frame_of(circuit_frame(FrameType.CONTROL, nodes.circuit, bytes(40))),
    lambda nodes: frame_of(nodes.cell((1, DATA, b"a cell")).wire)._replace(type=FrameType.CONTROL),
    *(lambda nodes, at=at: altered(nodes.control(1, CONTROL), at) for at in range(0, 50, 3)),
]


@pytest.mark.parametrize("make", NOT_CONTROL)
def test_a_control_message_that_is_nobody_s_ends_the_circuit_and_nobody_is_blamed(
    make: Callable[[Nodes], Frame],
) -> None:
    entry, nodes, socket = answered()
    effects = entry.hears(make(nodes))
    assert closes(effects) == [(1, Close.TAMPERED)]
    assert others(effects) == [CloseSocket(socket, Failure(Cause.TAMPERED, SOME_HOP))]
    assert not entry.own.blame.nodes


def test_a_repeated_control_message_ends_the_circuit() -> None:
    entry, nodes, _ = answered()
    said = nodes.bill(1)
    assert entry.hears(frame_of(said.wire)) == []
    assert closes(entry.hears(said)) == [(1, Close.TAMPERED)]


def test_each_flipped_byte_of_a_cell_ends_its_circuit_and_nothing_else() -> None:
    for at in range(0, BLOCK + TAG, 7):
        entry, nodes, socket = answered()
        other = entry.ways[1]
        entry.own.blame.put(nodes.pairs[0].public_key, Failure(Cause.SILENT), entry.now)
        bystander = entry.open(group="another")
        effects = entry.hears(altered(nodes.cell((1, DATA, b"x" * 100)), at))
        assert closes(effects) == [(1, Close.TAMPERED)]
        assert others(effects) == [CloseSocket(socket, Failure(Cause.TAMPERED, SOME_HOP))]
        assert others(entry.hears(other.cell((1, DATA, b"fine")))) == [WriteSocket(bystander, b"fine")]


@pytest.mark.parametrize("order", [[0, 0], [1], [1, 0], [0, 2], [0, 1, 1]])
def test_repeated_dropped_and_reordered_cells_end_their_circuit(order: list[int]) -> None:
    entry, nodes, socket = answered()
    cells = [nodes.cell((1, DATA, b"%d" % number)) for number in range(3)]
    good = [before for before, after in pairwise([-1, *order]) if after == before + 1]
    effects: list[object] = []
    for number in order:
        effects += entry.hears(frame_of(cells[number].wire))
    assert others(effects)[len(good) :] == [CloseSocket(socket, Failure(Cause.TAMPERED, SOME_HOP))]
    assert closes(effects) == [(1, Close.TAMPERED)]


@pytest.mark.parametrize("type", [FrameType.OPEN, FrameType.HELLO, 0x55])
def test_frames_that_no_hop_sends_back_end_the_circuit(type: int) -> None:
    entry, _, socket = answered()
    effects = entry.hears(frame_of(circuit_frame(FrameType.OPEN, 1, bytes(100)))._replace(type=type))
    assert closes(effects) == [(1, Close.PROTOCOL)]
    assert others(effects) == [CloseSocket(socket, Failure(Cause.PROTOCOL, SOME_HOP))]


# --- another way ---


def test_a_stream_that_has_got_nothing_goes_another_way_with_all_that_was_said() -> None:
    entry, nodes, socket = started()
    entry.says(b" and more")
    entry.carry(entry.entry.ended(socket, entry.now))
    effects = entry.hears(nodes.cell((1, END, encode_end(StreamEnd.NOT_CONNECTED, "no answer"))))
    other = entry.ways[1]
    assert opens(effects) == 1
    assert others(effects) == [], "and the client doesn't notice"
    assert other.take_said() == [
        (1, Command.BEGIN, encode_begin("a.test", 80)),
        (1, DATA, b"GET /"),
        (1, DATA, b" and more"),
        (1, END, encode_end(StreamEnd.DONE)),
    ]
    assert others(entry.hears(other.cell((1, DATA, b"here")))) == [WriteSocket(socket, b"here")]


def test_after_some_exits_the_client_is_told_what_the_last_one_said() -> None:
    """R16, X15."""
    ways = [Nodes() for _ in range(RETRIES + 2)]
    entry, _, socket = started(b"GET /", *ways)
    effects: list[object] = []
    for nodes in ways[: RETRIES + 1]:
        assert others(effects) == []
        words = f"{name_of(nodes.pairs[-1].public_key)} is tired"
        effects = entry.hears(nodes.cell((1, END, encode_end(StreamEnd.POLICY, words))))
    assert effects == [CloseSocket(socket, Failure(Cause.POLICY, place(ways[RETRIES], 2), words))]


def test_ways_that_are_not_open_are_passed_by_without_using_up_those_over_other_exits() -> None:
    """Where a third of the Nodes ends at once, several in a row are so."""
    ways = [Nodes() for _ in range(DETOURS + RETRIES + 2)]
    entry, _, socket = started(b"GET /", *ways)
    effects: list[object] = []
    for nodes in ways[: DETOURS + RETRIES + 1]:
        assert others(effects) == []
        entry.hears(nodes.control(0, {"failed": CLOSE_TEXTS[Close.UNREACHABLE], "detail": ""}))
        effects = entry.hears(nodes.close())
    assert effects == [CloseSocket(socket, Failure(Cause.UNREACHABLE, place(ways[DETOURS + RETRIES], 0)))]
    entry, _, socket = started(b"GET /", *ways)
    for nodes in ways[:DETOURS]:
        entry.hears(nodes.control(0, {"failed": CLOSE_TEXTS[Close.UNREACHABLE], "detail": ""}))
        entry.hears(nodes.close())
    for nodes in ways[DETOURS : DETOURS + RETRIES]:
        entry.hears(nodes.cell((1, END, encode_end(StreamEnd.NOT_CONNECTED, "no answer"))))
    last = ways[DETOURS + RETRIES]
    assert others(entry.hears(last.cell((1, DATA, b"here")))) == [WriteSocket(socket, b"here")]


def test_a_reason_without_words_or_an_unknown_one_is_told_too() -> None:
    for data, cause, words in (
        (encode_end(StreamEnd.NOT_CONNECTED), Cause.NOT_CONNECTED, ""),
        (encode_end(StreamEnd.REFUSED), Cause.REFUSED, ""),
        (b"\x63", Cause.UNKNOWN, ""),
        (b"\x04\x1b[2J\xffbad", Cause.BROKEN, "[2J\ufffdbad"),
    ):
        entry, nodes, socket = answered()
        failure = Failure(cause, place(nodes, 2), words)
        assert entry.hears(nodes.cell((1, END, data))) == [CloseSocket(socket, failure)]


def test_who_has_said_more_than_is_kept_is_not_taken_another_way() -> None:
    entry, nodes, socket = started(bytes(60_000))
    for _ in range(MAX_UNANSWERED // 60_000):
        entry.says(bytes(60_000))
    (ended,) = others(entry.hears(nodes.close(Close.OVERLOADED)))
    assert ended == CloseSocket(socket, Failure(Cause.OVERLOADED, SOME_HOP))


def test_if_there_is_no_other_way_the_client_is_told_why_the_first_one_failed() -> None:
    entry, nodes, socket = started(b"GET /", Nodes())
    entry.hears(nodes.control(1, {"failed": "overloaded", "detail": ""}))
    # The only way there is is tried again if a relay has failed, and not if the exit has.
    effects = entry.hears(nodes.close())
    assert opens(effects) == 1
    entry.hears(nodes.control(2, {"failed": "refused", "detail": ""}))
    assert others(entry.hears(nodes.close())) == [
        CloseSocket(socket, Failure(Cause.UNKNOWN, place(nodes, 2), "refused"))
    ]


def test_without_a_way_no_stream_is_opened() -> None:
    entry = Entry(Nodes())
    entry.own._routes.ways.clear()  # type: ignore[attr-defined]
    with pytest.raises(UnavailableError):
        entry.open()
    assert not list(entry.entry.streams())


def test_who_alters_cells_or_ends_circuits_without_a_word_is_found_by_repetition() -> None:
    for end in (
        lambda nodes: nodes.close(Close.OVERLOADED),
        lambda nodes: altered(nodes.cell((1, DATA, b"x")), 5),
        lambda nodes: nodes.control(2, {"failed": CLOSE_TEXTS[Close.TAMPERED], "detail": ""}),
    ):
        entry, nodes, _ = answered()
        (own,) = entry.own
        entry.hears(end(nodes))
        assert own.suspects == own.keys, "not the exit alone, which says so: somebody before it may have done it"
        assert entry.own.blame.keys(entry.now) == ()
        entry.own.blame.praise((own.keys[0], own.keys[2]), entry.now)
        entry.own.blame.suspect((own.keys[1], b"somebody"), Failure(Cause.SILENT), entry.now)
        assert entry.own.blame.keys(entry.now) == (own.keys[1],)


def test_a_circuit_that_ends_in_order_is_nobody_s_fault() -> None:
    entry, nodes, _ = answered()
    entry.hears(nodes.close(Close.DONE))
    assert not entry.own.blame._events
