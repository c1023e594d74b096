"""A hop of circuits of others: cells that were altered, repeated, lost, or are of strange sizes (protocol.md 15.4)."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from tests.circuit_ends import (
    BACK,
    ONWARD,
    HonestHop,
    Line,
    Originator,
    Told,
    begin,
    frame_of,
    others,
    sent,
)
from tests.core.circuits.relay_ends import (
    NOTHING,
    at_exit,
    line,
    served,
    works_over,
)
from tests.secure_ends import joined

from masq.core.effects import CloseSocket, WriteSocket
from masq.core.failure import Cause, Failure
from masq.errors import CryptoError
from masq.types import DEFAULT_RATE_PACK
from masq.wire.circuit import (
    BLOCK,
    CLOSE_TEXTS,
    MAX_DATA,
    MAX_PLAIN,
    Close,
    Command,
    circuit_frame,
    data_of,
    new_cell,
)
from masq.wire.noise import TAG
from masq.wire.secure_link import MAX_BODY, Frame, FrameType


def works(hop: HonestHop, user: Originator, socket: int) -> bool:
    """Whether a circuit's first stream carries bytes both ways."""
    there = others(hop.hears(user.cell((1, Command.DATA, b"question"))))
    back = hop.exit.received(socket, memoryview(b"answer"), hop.now)
    said = user.hears(sent([*back, *hop.flush()], BACK))
    return there == [WriteSocket(socket, b"question")] and said == [(1, Command.DATA, b"answer")]


# --- cells that don't fit ---


@pytest.mark.parametrize("type", [FrameType.CELL, FrameType.CONTROL, FrameType.CLOSE, 0x55])
@pytest.mark.parametrize("link", [BACK, ONWARD, 9])
def test_frames_without_circuit_are_ignored(type: int, link: int) -> None:
    hop, user = at_exit()
    socket = served(hop, user)
    for body in (b"", b"\x00", bytes(528), bytes(65_514)):
        assert hop.hears(frame_of(circuit_frame(FrameType(0x11), 77, body))._replace(type=type), link) == []
    assert works(hop, user, socket)


def assert_tampered(path: Line, user: Originator, home: list[Frame], socket: int) -> None:
    """The exit has noticed, and everybody knows."""
    heard = user.hears(home)
    assert heard[0] == Told(1, {"failed": CLOSE_TEXTS[Close.TAMPERED], "detail": ""})
    assert heard[-1] == Close.TAMPERED
    bills = [told.value["bill"]["cells"] for told in heard[1:-1] if isinstance(told, Told)]
    assert len(bills) in (1, 2), "and what it has cost is told by each hop that has earned"
    assert path.effects[1] == [CloseSocket(socket, Failure(Cause.CLOSED))]


def test_each_flipped_byte_of_a_cell_ends_its_circuit_and_nothing_else() -> None:
    path, (bystander,), (safe,) = line(1)
    size = BLOCK + TAG
    for at in range(size):
        for hop in path.hops:
            hop.now += 0.1  # More slowly than would be refused.
        user = Originator(*(hop.key for hop in path.hops), circuit=3 + 2 * at)
        path.hears(user.open())
        path.hears(user.cell(begin()))
        socket = path.hops[1].next_socket
        path.effects[1].clear()

        def alter(position: int, frame: Frame, at: int = at) -> Frame:
            if position == 1 and frame.type == FrameType.CELL:
                data_of(frame.wire)[at] ^= 1 + at % 255
            return frame

        path.alter = alter
        home = path.hears(user.cell((1, Command.DATA, b"x" * 200)))
        path.alter = lambda position, frame: frame
        assert_tampered(path, user, home, socket)
    assert [len(list(hop.circuits)) for hop in path.hops] == [1, 1]
    assert works_over(path, bystander, safe)


@pytest.mark.parametrize("at", range(4))
def test_a_cell_whose_circuit_id_is_flipped_is_missed_by_its_own_circuit(at: int) -> None:
    path, (user, bystander), (socket, safe) = line(1, 3)

    def alter(position: int, frame: Frame) -> Frame:
        if position == 1 and frame.type == FrameType.CELL:
            frame.wire[3 + at] ^= 0x40
        return frame

    path.alter = alter
    assert path.hears(user.cell((1, Command.DATA, b"x"))) == []
    path.alter = lambda position, frame: frame
    path.effects[1].clear()
    assert_tampered(path, user, path.hears(user.cell((1, Command.DATA, b"y"))), socket)
    assert works_over(path, bystander, safe)


@pytest.mark.parametrize("order", [[0, 0], [1], [1, 0], [0, 2], [0, 1, 1], [0, 1, 0]])
def test_repeated_dropped_and_reordered_cells_end_their_circuit(order: list[int]) -> None:
    path, (user, bystander), (socket, safe) = line(1, 3)
    cells = [user.cell((1, Command.DATA, b"%d" % number)) for number in range(3)]
    path.effects[1].clear()
    home: list[Frame] = []
    for number in order:
        home += path.hears(frame_of(cells[number].wire))
    good = [before for before, after in pairwise([-1, *order]) if after == before + 1]
    written = path.effects[1][:-1]
    path.effects[1] = path.effects[1][-1:]
    assert len(written) == len(good)
    assert_tampered(path, user, home, socket)
    assert path.hears(user.cell((1, Command.DATA, b"late"))) == [], "whatever comes after it is for nobody"
    assert works_over(path, bystander, safe)


@pytest.mark.parametrize("size", [0, 1, TAG - 1, TAG])
def test_a_cell_that_is_too_short_for_a_seal_ends_its_circuit(size: int) -> None:
    hop, user = at_exit()
    cell = frame_of(circuit_frame(FrameType.CELL, 1, bytes(size)))
    assert user.hears(sent(hop.hears(cell), BACK))[-1] == Close.TAMPERED
    assert hop.counters() == NOTHING


def test_bytes_altered_on_the_way_back_are_noticed_by_the_originator_alone() -> None:
    path, (user,), (socket,) = line(1)

    def alter(position: int, frame: Frame) -> Frame:
        if position == 0 and frame.type == FrameType.CELL:
            data_of(frame.wire)[5] ^= 1
        return frame

    path.alter = alter
    back = path.hops[1].exit.received(socket, memoryview(b"answer"), 0.0)
    home = path.carry(1, [*back, *path.hops[1].flush()])
    with pytest.raises(CryptoError):
        user.hears(home)
    assert [len(list(hop.circuits)) for hop in path.hops] == [1, 1]


# --- cells of strange sizes ---


def test_more_than_a_cell_holds_can_t_be_packed_nor_sent() -> None:
    new_cell(1, [(1, Command.DATA, bytes(MAX_DATA))])
    with pytest.raises(ValueError, match="too much"):
        new_cell(1, [(1, Command.DATA, bytes(MAX_DATA + 1))])
    one, _ = joined()
    with pytest.raises(ValueError, match="too large"):
        one.seal(bytearray(3 + MAX_BODY + 1 + TAG))


def test_a_cell_up_to_what_a_frame_holds_is_served_and_paid_as_any_other() -> None:
    plain = MAX_BODY - 4 - TAG
    assert plain > MAX_PLAIN
    path, (user,), (socket,) = line(1)
    content = os.urandom(plain - 9)
    message = b"\0\0\0\1" + bytes((Command.DATA,)) + len(content).to_bytes(4, "big") + content
    earned = [hop.earned for hop in path.hops]
    path.effects[1].clear()
    assert path.hears(user.raw_cell(message)) == []
    assert path.effects[1] == [WriteSocket(socket, content)]
    charges = [hop.earned - before for hop, before in zip(path.hops, earned, strict=True)]
    assert charges == [
        DEFAULT_RATE_PACK.routing_charge(MAX_BODY - 4),
        DEFAULT_RATE_PACK.exit_charge(len(content)),
    ]


def test_endless_padding_does_nothing_but_cost() -> None:
    path, (user,), (socket,) = line(1)
    state, earned = [hop.counters() for hop in path.hops], [hop.earned for hop in path.hops]
    path.effects[1].clear()
    for size in [MAX_PLAIN] * 50 + [0, 1, 8, 9, 511]:
        assert path.hears(user.raw_cell(bytes(size))) == []
    assert path.effects[1] == []
    assert [hop.counters() for hop in path.hops] == state
    assert path.hops[0].earned - earned[0] >= 50 * DEFAULT_RATE_PACK.routing_charge(MAX_PLAIN + TAG)
    assert path.hops[1].earned == earned[1], "an exit is paid for data"
    assert works_over(path, user, socket)
