"""The entry's end of circuits: streams of clients, failures and who is named for them, Nodes that keep to no rule."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from tests.circuit_ends import BACK, Entry, Nodes, Said, close_frame, frame_of, others, sent

from masq.core.attempt import MAX_UNANSWERED, RETRIES
from masq.core.circuits.entry import RESOLVE_FOR, SERVER_FIRST, Wish
from masq.core.circuits.origin import BLAME_LIFE, CLOSING, IDLE, LIFE
from masq.core.circuits.terminal import LAZY
from masq.core.effects import (
    Accepted,
    CloseSocket,
    EndSocket,
    Log,
    Reading,
    Resolved,
    SendDatagram,
    WriteSocket,
)
from masq.core.failure import CLOSE_CAUSES, SOME_HOP, Cause, Failure, Place, hop, name_of
from masq.errors import UnavailableError
from masq.types import DEFAULT_RATE_PACK
from masq.wire import cbor
from masq.wire.circuit import (
    BLOCK,
    CIRCUIT_CREDIT,
    CLOSE_TEXTS,
    MAX_DATA,
    NO_SUCH_NAME,
    STREAM_CREDIT,
    Close,
    Command,
    Resolution,
    StreamEnd,
    circuit_frame,
    circuit_of,
    data_of,
    encode_begin,
    encode_datagram,
    encode_end,
    encode_resolve,
    encode_resolved,
)
from masq.wire.noise import TAG
from masq.wire.secure_link import Frame, FrameType

DATA, END, WINDOW, RESOLVED = Command.DATA, Command.END, Command.WINDOW, Command.RESOLVED
CHARGE = DEFAULT_RATE_PACK.routing_charge


def started(first: bytes = b"GET /", *ways: Nodes) -> tuple[Entry, Nodes, int]:
    """An entry with a stream over its first way."""
    entry = Entry(*ways)
    socket = entry.open(first)
    return entry, entry.ways[0], socket


def answered(first: bytes = b"GET /") -> tuple[Entry, Nodes, int]:
    """The same, and the client has got a byte."""
    entry, nodes, socket = started(first)
    assert others(entry.hears(nodes.cell((1, DATA, b"y")))) == [WriteSocket(socket, b"y")]
    return entry, nodes, socket


def place(nodes: Nodes, position: int) -> Place:
    return hop(position, len(nodes.pairs), nodes.pairs[position].public_key)


def closes(effects: list[object]) -> list[tuple[int, int]]:
    """Ids and reasons of the CLOSEs that are sent."""
    frames = [frame for frame in sent(effects, BACK) if frame.type == FrameType.CLOSE]
    return [(circuit_of(frame.wire), data_of(frame.wire)[0]) for frame in frames]


def opens(effects: list[object]) -> int:
    return sum(frame.type == FrameType.OPEN for frame in sent(effects, BACK))


# --- streams ---


def test_begin_and_the_first_words_of_a_client_share_a_cell() -> None:
    entry = Entry()
    entry.open(b"")
    assert others(entry.says(b"GET /")) == []
    assert entry.ways[0].take_said() == [(1, Command.BEGIN, encode_begin("a.test", 80)), (1, DATA, b"GET /")]


def test_begin_waits_a_moment_for_a_client_who_says_nothing() -> None:
    entry = Entry()
    entry.open(b"")
    assert entry.tick(SERVER_FIRST / 2) == []
    entry.tick(SERVER_FIRST)
    assert entry.ways[0].take_said() == [(1, Command.BEGIN, encode_begin("a.test", 80))]


def test_a_client_is_told_that_the_server_is_reached_what_it_says_and_that_it_ends() -> None:
    entry, nodes, socket = started()
    connected = (1, Command.CONNECTED, cbor.encode({"address": "192.0.2.1"}))
    effects = entry.hears(nodes.cell(connected, (1, DATA, b"hello"), (1, END, encode_end(StreamEnd.DONE))))
    assert others(effects) == [Accepted(socket), WriteSocket(socket, b"hello"), EndSocket(socket)]
    effects = entry.carry(entry.entry.ended(socket, entry.now))
    assert others(effects) == [CloseSocket(socket)]
    assert not list(entry.entry.streams())


def test_a_client_that_hangs_up_stops_the_exit() -> None:
    entry, nodes, socket = started()
    effects = entry.carry(entry.entry.closed(socket, Failure(Cause.CLOSED), entry.now))
    assert others(effects) == [CloseSocket(socket)]
    entry.tick(LAZY)
    assert nodes.take_said()[-1] == (1, END, encode_end(StreamEnd.STOPPED))
    assert not list(entry.entry.streams())
    assert entry.hears(nodes.cell((1, DATA, b"late"))) == []


def test_streams_of_one_group_share_a_circuit_and_those_of_others_never_do() -> None:
    entry = Entry(*(Nodes() for _ in range(3)))
    sockets = [entry.open(group=group) for group in ("a", "b", "a", "", "b", "a")]
    circuit_by_socket = {stream.socket: stream.circuit.terminal.circuit for stream in entry.entry.streams()}  # type: ignore[union-attr]
    assert [circuit_by_socket[socket] for socket in sockets] == [1, 3, 1, 5, 3, 1]


def test_a_circuit_takes_new_streams_for_ten_minutes_and_goes_when_idle_after_that() -> None:
    entry, _, socket = answered()
    entry.now = LIFE - 1
    entry.open()
    assert len(list(entry.own)) == 1
    entry.now = LIFE
    entry.open()
    assert len(list(entry.own)) == 2
    for each in (socket, socket + 1):
        entry.carry(entry.entry.closed(each, Failure(Cause.CLOSED), entry.now))
    entry.tick(LAZY)
    first, _ = entry.own
    assert closes(entry.tick(IDLE)) == []
    assert closes(entry.tick(1)) == [(1, Close.DONE)]
    assert first.closing is not None
    entry.tick(CLOSING)
    assert len(list(entry.own)) == 2
    entry.tick(1)
    assert [own.terminal.circuit for own in entry.own] == [3]


def test_a_client_is_read_as_far_as_there_is_credit() -> None:
    entry, nodes, socket = answered()
    sizes = 0
    effects: list[object] = []
    while not others(effects):
        effects = entry.says(bytes(60_000))
        sizes += sum(len(data) for _, command, data in nodes.take_said() if command == DATA)
    assert others(effects) == [Reading(socket, False)]
    assert STREAM_CREDIT - 60_000 < sizes <= STREAM_CREDIT
    effects = entry.hears(nodes.cell((1, WINDOW, (60_000).to_bytes(4, "big"))))
    assert [len(data) for _, _, data in nodes.take_said()] == [60_000]
    assert others(effects) == [Reading(socket, True)]


def test_a_stream_that_both_sides_have_ended_is_over_once_what_waited_for_credit_is_sent() -> None:
    entry, nodes, socket = answered()
    entry.hears(nodes.cell((1, END, encode_end(StreamEnd.DONE))))
    while not entry.circuit(1).terminal.streams[1].backlog:
        entry.says(bytes(60_000))
    assert others(entry.carry(entry.entry.ended(socket, entry.now))) == []
    nodes.take_said()
    effects = entry.hears(nodes.cell((1, WINDOW, (60_000).to_bytes(4, "big"))))
    assert nodes.take_said() == [(1, DATA, bytes(60_000)), (1, END, encode_end(StreamEnd.DONE))]
    assert others(effects) == [CloseSocket(socket)]
    assert not list(entry.entry.streams())


def test_a_circuit_gets_its_credit_back_for_what_is_kept_for_slow_clients() -> None:
    entry = Entry()
    sockets = [entry.open() for _ in range(5)]
    nodes = entry.ways[0]
    nodes.take_said()
    for socket in sockets:
        entry.entry.congested(socket)
    for stream in range(1, 6):
        for size in (*[64_000] * 16, STREAM_CREDIT - 16 * 64_000):
            entry.hears(nodes.cell((stream, DATA, bytes(size))))
    said = nodes.take_said()
    assert {(stream, command) for stream, command, _ in said} == {(0, WINDOW)}
    assert 5 * STREAM_CREDIT - sum(int.from_bytes(data, "big") for _, _, data in said) < CIRCUIT_CREDIT // 2


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
def test_who_can_t_reach_the_next_hop_is_named_and_both_are_avoided(position: int, blamed: tuple[int, ...]) -> None:
    entry, nodes, socket = answered()
    entry.hears(nodes.control(position, {"failed": CLOSE_TEXTS[Close.UNREACHABLE], "detail": ""}))
    assert entry.hears(nodes.close()) == [CloseSocket(socket, Failure(Cause.UNREACHABLE, place(nodes, position)))]
    assert list(entry.own.blame.nodes) == [nodes.pairs[each].public_key for each in blamed]


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
    ways = [Nodes() for _ in range(RETRIES + 2)]
    entry, _, socket = started(b"GET /", *ways)
    effects: list[object] = []
    for nodes in ways[: RETRIES + 1]:
        assert others(effects) == []
        words = f"{name_of(nodes.pairs[-1].public_key)} is tired"
        effects = entry.hears(nodes.cell((1, END, encode_end(StreamEnd.POLICY, words))))
    assert effects == [CloseSocket(socket, Failure(Cause.POLICY, place(ways[RETRIES], 2), words))]


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


# --- Nodes that keep to no rule ---


def test_more_data_than_allowed_ends_the_circuit() -> None:
    entry, nodes, socket = answered()
    entry.entry.congested(socket)
    size = STREAM_CREDIT - 1
    while size:
        piece = min(size, 65_000)
        assert others(entry.hears(nodes.cell((1, DATA, bytes(piece))))) == [WriteSocket(socket, bytes(piece))]
        size -= piece
    effects = entry.hears(nodes.cell((1, DATA, b"x")))
    assert closes(effects) == [(1, Close.CREDIT)]
    assert others(effects)[-1] == CloseSocket(
        socket, Failure(Cause.CREDIT, place(nodes, 2), "more data than was allowed")
    )


def test_data_for_nobody_counts_against_the_circuit_s_credit() -> None:
    entry, nodes, _ = answered()
    allowance = entry.circuit(1).terminal.allowance
    assert entry.hears(nodes.cell((77, DATA, bytes(1000)), (0, DATA, bytes(50)))) == []
    assert entry.circuit(1).terminal.allowance == allowance - 1050


def test_what_is_unknown_or_for_nobody_is_ignored() -> None:
    entry, nodes, socket = answered()
    for stream in (0, 1, 77):
        for command in (*range(9, 256), Command.BEGIN, Command.RESOLVE):
            assert entry.hears(nodes.cell((stream, command, b"garbage"))) == []
    for command in (Command.CONNECTED, END, RESOLVED):
        assert entry.hears(nodes.cell((0, command, b"garbage"), (77, command, b"garbage"))) == []
    assert others(entry.hears(nodes.cell((1, DATA, b"x")))) == [WriteSocket(socket, b"x")]


def test_a_client_gets_nothing_after_its_end_was_told() -> None:
    entry, nodes, socket = answered()
    done = (1, END, encode_end(StreamEnd.DONE))
    effects = entry.hears(nodes.cell(done, (1, DATA, b"late"), done))
    assert effects == [EndSocket(socket)]
    assert entry.hears(nodes.cell((1, DATA, b"later still"))) == []


@pytest.mark.parametrize("kind", list(Wish))
def test_answers_to_what_was_not_asked_are_ignored(kind: Wish) -> None:
    entry = Entry()
    socket = entry.open(kind=kind)
    nodes = entry.ways[0]
    datagram = encode_datagram("192.0.2.1", 53, b"x")
    answers = {
        Wish.STREAM: ((1, DATA, b"x"), WriteSocket(socket, b"x")),
        Wish.DATAGRAMS: ((1, Command.DATAGRAM, datagram), SendDatagram(socket, "192.0.2.1", 53, b"x")),
        Wish.RESOLUTION: ((1, RESOLVED, encode_resolved(Resolution(FOUND))), Resolved(socket, FOUND)),
    }
    expected = answers.pop(kind)
    allowance = entry.circuit(1).terminal.allowance
    for message, _ in answers.values():
        assert entry.hears(nodes.cell(message)) == []
    unasked = sum(len(data) for (_, command, data), _ in answers.values() if command != RESOLVED)
    assert entry.circuit(1).terminal.allowance == allowance - unasked
    if kind is not Wish.STREAM:
        assert entry.hears(nodes.cell((1, Command.CONNECTED, b""))) == []
    assert entry.hears(nodes.cell(expected[0])) == [expected[1]]


@pytest.mark.parametrize("kind", [Wish.DATAGRAMS, Wish.RESOLUTION])
@pytest.mark.parametrize("code", [StreamEnd.DONE, StreamEnd.OVERLOADED])
def test_what_an_exit_ends_before_it_is_done_goes_another_way(kind: Wish, code: StreamEnd) -> None:
    entry = Entry()
    entry.open(kind=kind)
    assert opens(entry.hears(entry.ways[0].cell((1, END, encode_end(code))))) == 1
    assert len(entry.ways[1].take_said()) == 1


@pytest.mark.parametrize(
    "message",
    [(0, WINDOW, b"123"), (1, WINDOW, b""), (77, WINDOW, bytes(5))],
)
def test_messages_that_make_no_sense_end_the_circuit_and_are_the_exit_s_fault(message: Said) -> None:
    entry, nodes, socket = answered()
    effects = entry.hears(nodes.cell((1, DATA, b"still delivered"), message))
    written, log, closed = others(effects)
    assert written == WriteSocket(socket, b"still delivered")
    assert closed == CloseSocket(socket, Failure(Cause.PROTOCOL, place(nodes, 2), "a WINDOW of 4 bytes expected"))
    assert log == Log("info", "circuit_failed", str(closed.failure))
    assert closes(effects) == [(1, Close.PROTOCOL)]
    assert list(entry.own.blame.nodes) == [nodes.pairs[2].public_key]


@pytest.mark.parametrize("data", [b"", b"\xff", cbor.encode([]), cbor.encode({"addresses": [["a.test", 1]]})])
def test_an_answer_that_makes_no_sense_is_asked_of_another_exit(data: bytes) -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test")
    effects = entry.hears(entry.ways[0].cell((1, RESOLVED, data)))
    assert closes(effects) == [(1, Close.PROTOCOL)]
    assert entry.hears(entry.ways[1].cell((1, RESOLVED, encode_resolved(Resolution(FOUND))))) == [
        Resolved(socket, FOUND)
    ]


@pytest.mark.parametrize("data", [b"", b"\x05host", b"\x02\xff\xff\0\x35x"])
def test_a_datagram_that_makes_no_sense_ends_the_circuit(data: bytes) -> None:
    entry = Entry()
    entry.open(kind=Wish.DATAGRAMS, host="")
    assert closes(entry.hears(entry.ways[0].cell((1, Command.DATAGRAM, data)))) == [(1, Close.PROTOCOL)]
    assert entry.ways[1].take_said() == [(1, Command.BEGIN, encode_begin("", 80, True))]


def test_more_credit_than_there_is_at_all_is_cut_off() -> None:
    entry, nodes, _ = answered()
    entry.hears(nodes.cell((0, WINDOW, b"\xff" * 4), (1, WINDOW, b"\xff" * 4)))
    terminal = entry.circuit(1).terminal
    assert terminal.credit == CIRCUIT_CREDIT
    assert terminal.streams[1].credit == STREAM_CREDIT


def test_endless_padding_costs_what_cells_cost_and_does_nothing() -> None:
    entry, nodes, _ = answered()
    before = entry.owed(nodes)
    for _ in range(20):
        assert entry.hears(nodes.raw_cell(bytes(65_024))) == []
    after = entry.owed(nodes)
    assert [b - a for a, b in zip(before, after, strict=True)] == [20 * CHARGE(65_040), 20 * CHARGE(65_040), 0]


# --- the end of a circuit ---


def test_what_comes_after_our_close_is_booked_and_thrown_away() -> None:
    entry, nodes, socket = answered()
    entry.now = LIFE + IDLE + 1
    entry.carry(entry.entry.closed(socket, Failure(Cause.CLOSED), entry.now))
    entry.now += IDLE + 1
    assert closes(entry.tick(0)) == [(1, Close.DONE)]
    before = entry.owed(nodes)
    late = (1, END, encode_end(StreamEnd.BROKEN)), (1, WINDOW, bytes(4)), (7, Command.CONNECTED, b"")
    assert entry.hears(nodes.cell((1, DATA, b"late"), *late)) == []
    after = entry.owed(nodes)
    assert [b - a for a, b in zip(before, after, strict=True)] == [
        CHARGE(BLOCK + TAG),
        CHARGE(BLOCK + TAG),
        DEFAULT_RATE_PACK.exit_charge(4),
    ]
    assert entry.hears(nodes.close()) == []
    assert not list(entry.own)


def test_an_overrun_of_our_own_link_ends_the_circuit() -> None:
    entry, _, socket = answered()
    effects = entry.carry(entry.entry.overrun(BACK, 1, entry.now))
    assert closes(effects) == [(1, Close.OVERLOADED)]
    assert others(effects) == [CloseSocket(socket, Failure(Cause.OVERLOADED, SOME_HOP))]
    assert entry.carry(entry.entry.overrun(BACK, 77, entry.now)) == []


# --- datagrams and questions ---


def test_datagrams_go_and_come() -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.DATAGRAMS, host="")
    nodes = entry.ways[0]
    effects = entry.carry(entry.entry.datagram(socket, "a.test", 53, b"question", entry.now))
    assert nodes.circuit == 1
    assert len(sent(effects, BACK)) == 1
    effects = entry.hears(nodes.cell((1, Command.DATAGRAM, encode_datagram("192.0.2.1", 53, b"answer"))))
    assert effects == [SendDatagram(socket, "192.0.2.1", 53, b"answer")]


def test_datagrams_go_another_way_when_a_circuit_ends_though_some_have_come() -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.DATAGRAMS, host="")
    entry.hears(entry.ways[0].cell((1, Command.DATAGRAM, encode_datagram("192.0.2.1", 53, b"x"))))
    effects = entry.hears(entry.ways[0].close())
    assert others(effects) == []
    assert entry.ways[1].take_said() == [(1, Command.BEGIN, encode_begin("", 80, True))]
    effects = entry.hears(entry.ways[1].cell((1, Command.DATAGRAM, encode_datagram("192.0.2.1", 53, b"y"))))
    assert effects == [SendDatagram(socket, "192.0.2.1", 53, b"y")]


@pytest.mark.parametrize("size", [MAX_DATA - 7, 65_535])
def test_a_datagram_that_is_too_large_or_has_no_credit_is_lost(size: int) -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.DATAGRAMS, host="")
    gone = 0
    for _ in range(30):
        gone += len(sent(entry.carry(entry.entry.datagram(socket, "host", 53, bytes(size), entry.now)), BACK))
    assert gone == (STREAM_CREDIT // MAX_DATA if size < MAX_DATA else 0)


FOUND = (("192.0.2.1", 60),)


def test_a_question_is_answered() -> None:
    entry = Entry()
    entry.open(b"", group="x")
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test", group="x")
    nodes = entry.ways[0]
    assert entry.hears(nodes.cell((2, RESOLVED, encode_resolved(Resolution(FOUND))))) == [Resolved(socket, FOUND)]
    assert entry.hears(nodes.cell((2, RESOLVED, encode_resolved(Resolution(FOUND))))) == []


def test_a_question_that_one_exit_can_t_answer_is_asked_of_others() -> None:
    entry = Entry(*(Nodes() for _ in range(RETRIES + 2)))
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test")
    effects: list[object] = []
    for nodes in entry.ways[: RETRIES + 1]:
        assert others(effects) == []
        effects = entry.hears(nodes.cell((1, RESOLVED, encode_resolved(Resolution((), "no server")))))
    assert effects == [Resolved(socket, Failure(Cause.NOT_RESOLVED, place(nodes, 2), "no server"))]


def test_a_name_that_does_not_exist_is_not_asked_for_again() -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test")
    nothing = Resolution((), f"{NO_SUCH_NAME}: b.test")
    failure = Failure(Cause.NO_SUCH_NAME, place(entry.ways[0], 2), nothing.error)
    assert entry.hears(entry.ways[0].cell((1, RESOLVED, encode_resolved(nothing)))) == [Resolved(socket, failure)]


def test_an_exit_that_does_not_answer_a_question_is_left_for_another() -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test")
    assert entry.tick(RESOLVE_FOR) == []
    effects = entry.tick(1)
    assert entry.ways[1].take_said() == [(1, Command.RESOLVE, encode_resolve("b.test"))]
    effects = entry.hears(entry.ways[1].cell((1, RESOLVED, encode_resolved(Resolution(FOUND)))))
    assert effects == [Resolved(socket, FOUND)]
    assert not list(entry.entry.streams())


def test_a_question_without_answer_from_anybody_ends() -> None:
    entry = Entry()
    socket = entry.open(kind=Wish.RESOLUTION, host="b.test")
    entry.tick(RESOLVE_FOR + 1)
    at = place(entry.ways[1], 2)
    assert others(entry.tick(RESOLVE_FOR + 1)) == [Resolved(socket, Failure(Cause.SILENT, at))]


def test_frames_for_circuits_that_are_gone_mean_nothing() -> None:
    entry, nodes, _ = answered()
    entry.hears(nodes.close())
    for frame in (nodes.cell((1, DATA, b"x")), nodes.bill(0), nodes.close(), close_frame(77)):
        assert entry.hears(frame) == []
