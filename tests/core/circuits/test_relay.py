"""A hop of circuits of others: what comes at the wrong time or place, and what ends a circuit (protocol.md 15.3)."""

from __future__ import annotations

import pytest
from tests.circuit_ends import (
    BACK,
    ONWARD,
    WALLET,
    HonestHop,
    Told,
    close_frame,
    frame_of,
    others,
    sent,
)
from tests.core.circuits.relay_ends import (
    NOTHING,
    at_exit,
    at_relay,
    id_onward,
    line,
    served,
    works_over,
)

from masq.core.circuits.relay import CLOSING, IDLE
from masq.core.effects import CloseSocket, EndSocket
from masq.core.failure import Cause, Failure
from masq.types import DEFAULT_RATE_PACK
from masq.wire.circuit import (
    BLOCK,
    CLOSE_TEXTS,
    Close,
    Command,
    StreamEnd,
    circuit_frame,
    encode_end,
)
from masq.wire.noise import TAG
from masq.wire.secure_link import FrameType

# --- frames at the wrong time or place ---


def test_cells_after_close_end_the_circuit_at_a_relay_and_are_for_nobody_at_an_exit() -> None:
    hop, user = at_relay()
    (closed,) = sent(hop.hears(user.close()), ONWARD)
    assert closed.type == FrameType.CLOSE
    effects = hop.hears(user.cell((1, Command.DATA, b"late")))
    assert user.hears(sent(effects, BACK)) == [
        Told(0, {"failed": CLOSE_TEXTS[Close.PROTOCOL], "detail": ""}),
        Close.PROTOCOL,
    ]
    assert [frame.type for frame in sent(effects, ONWARD)] == [FrameType.CLOSE]
    assert hop.counters() == NOTHING
    hop, user = at_exit()
    assert user.hears(sent(hop.hears(user.close()), BACK)) == [Close.DONE]
    assert hop.hears(user.cell((1, Command.DATA, b"late"))) == []


def test_what_is_on_its_way_back_after_close_is_let_pass_and_billed() -> None:
    path, (user,), (socket,) = line(1)
    relay, exit = path.hops
    (cell,) = sent([*exit.exit.received(socket, memoryview(b"answer"), 0.0), *exit.flush()], BACK)
    (closing,) = sent(relay.hears(user.close()), ONWARD)
    before = relay.earned
    assert user.hears(path.run([(0, ONWARD, cell)])) == [(1, Command.DATA, b"answer")]
    assert relay.earned - before == DEFAULT_RATE_PACK.routing_charge(BLOCK + TAG)
    heard = user.hears(path.run([(1, BACK, closing)]))
    assert [told.position for told in heard if isinstance(told, Told)] == [1, 0], "both bill to the end"
    assert heard[-1] == Close.DONE
    assert relay.counters() == exit.counters() == NOTHING


def test_a_circuit_whose_rest_doesn_t_answer_close_ends_after_a_while() -> None:
    hop, user = at_relay()
    hop.hears(user.close())
    hop.now = CLOSING
    assert hop.circuits.tick(hop.now) == []
    hop.now = CLOSING + 1
    effects = hop.circuits.tick(hop.now)
    assert user.hears(sent(effects, BACK)) == [Close.DONE]
    assert [frame.type for frame in sent(effects, ONWARD)] == [FrameType.CLOSE]
    assert hop.counters() == NOTHING


@pytest.mark.parametrize("type", [FrameType.CONTROL, FrameType.HELLO, 0x55])
def test_frames_that_no_originator_sends_end_the_circuit(type: int) -> None:
    for make in (at_exit, at_relay):
        hop, user = make(1, HonestHop())
        effects = hop.hears(frame_of(circuit_frame(FrameType(0x11), 1, b""))._replace(type=type))
        assert user.hears(sent(effects, BACK))[-1] == Close.PROTOCOL
        assert hop.counters() == NOTHING


def test_frames_that_no_next_node_sends_end_the_circuit() -> None:
    hop, user = at_relay()
    id = id_onward(hop)
    effects = hop.hears(frame_of(circuit_frame(FrameType(0x11), id, b""))._replace(type=0x55), ONWARD)
    assert user.hears(sent(effects, BACK))[-1] == Close.PROTOCOL
    assert [frame.type for frame in sent(effects, ONWARD)] == [FrameType.CLOSE]
    assert hop.counters() == NOTHING


@pytest.mark.parametrize("reason", list(Close))
def test_why_the_rest_ended_a_circuit_is_passed_on(reason: Close) -> None:
    hop, user = at_relay()
    assert user.hears(sent(hop.hears(close_frame(id_onward(hop), reason), ONWARD), BACK)) == [reason]
    assert hop.counters() == NOTHING


def test_a_reason_that_is_unknown_or_missing_ends_a_circuit_all_the_same() -> None:
    for body in (b"", b"\xff", b"\x63more"):
        hop, user = at_exit()
        closing = frame_of(circuit_frame(FrameType.CLOSE, 1, body))
        assert user.hears(sent(hop.hears(closing), BACK)) == [Close.DONE]
        assert hop.counters() == NOTHING


# --- ends of circuits ---


def test_a_lost_link_ends_its_circuits_and_tells_the_other_side() -> None:
    hop, user = at_relay()
    effects = hop.circuits.link_lost(ONWARD)
    assert user.hears(sent(effects, BACK)) == [
        Told(0, {"failed": "next hop unreachable", "detail": "the link to it was lost"}),
        Close.UNREACHABLE,
    ]
    assert hop.counters() == NOTHING
    hop, user = at_relay()
    effects = hop.circuits.link_lost(BACK)
    assert [frame.type for frame in sent(effects, ONWARD)] == [FrameType.CLOSE]
    assert hop.counters() == NOTHING
    hop, user = at_exit()
    socket = served(hop, user)
    assert others(hop.circuits.link_lost(BACK)) == [CloseSocket(socket, Failure(Cause.CLOSED))]
    assert hop.counters() == NOTHING


def test_a_circuit_whose_wallet_is_banned_ends_and_so_does_an_idle_one() -> None:
    hop, user = at_exit()
    socket = served(hop, user)
    hop.delinquent.add(WALLET.address)
    effects = hop.circuits.tick(hop.now)
    heard = user.hears(sent(effects, BACK))
    assert heard == [Told(0, {"failed": CLOSE_TEXTS[Close.DELINQUENT], "detail": ""}), Close.DELINQUENT]
    assert others(effects) == [CloseSocket(socket, Failure(Cause.CLOSED))]
    hop, user = at_exit()
    hop.now = IDLE + 1
    assert user.hears(sent(hop.circuits.tick(hop.now), BACK)) == [Close.DONE]
    assert hop.counters() == NOTHING


def test_what_overruns_a_link_ends_its_circuit_alone() -> None:
    path, (user, bystander), (socket, safe) = line(1, 3)
    onward = id_onward(path.hops[0], 0)
    path.effects[1].clear()
    heard = user.hears(path.carry(0, path.hops[0].circuits.overrun(ONWARD, onward)))
    assert heard[0] == Told(0, {"failed": "overloaded", "detail": ""})
    assert heard[-1] == Close.OVERLOADED
    assert path.effects[1] == [CloseSocket(socket, Failure(Cause.CLOSED))]
    assert path.hops[0].circuits.overrun(ONWARD, onward) == []
    assert works_over(path, bystander, safe)


def test_a_hop_whose_cells_back_were_lost_says_so_in_a_way_that_the_originator_understands() -> None:
    path, (user,), (socket,) = line(1)
    path.alter = lambda position, frame: None if frame.type == FrameType.CELL and position < 0 else frame
    back = path.hops[1].exit.received(socket, memoryview(b"answer"), 0.0)
    path.carry(1, [*back, *path.hops[1].flush()])
    path.effects[1].clear()
    home = path.carry(0, path.hops[0].circuits.overrun(BACK, 1))
    assert user.hears(home) == [Close.OVERLOADED], "what is layered after lost cells can't be read any more"
    assert path.effects[1] == [CloseSocket(socket, Failure(Cause.CLOSED))]
    assert [hop.counters() for hop in path.hops] == [NOTHING, NOTHING]


def test_a_stopped_stream_ends_alone() -> None:
    hop, user = at_exit()
    first, second = served(hop, user, 1), served(hop, user, 2)
    assert others(hop.hears(user.cell((2, Command.END, encode_end(StreamEnd.STOPPED))))) == [CloseSocket(second)]
    assert others(hop.hears(user.cell((1, Command.END, encode_end(StreamEnd.DONE))))) == [EndSocket(first)]
    assert others(hop.exit.ended(first, hop.now)) == [CloseSocket(first)]
    assert user.hears(sent(hop.flush(), BACK)) == [(1, Command.END, encode_end(StreamEnd.DONE))]
