"""Order that matters (ARCHITECTURE.md): each of these once looked as if it didn't."""

from __future__ import annotations

import pytest
from tests.circuit_ends import BACK, ONWARD, Entry, HonestHop, Line, Originator, begin, close_frame, sent
from tests.money import CREDITORS, EPOCH, PAYER, Desk

from masq.core.accountant.effects import Save, Scan, SendPayments
from masq.core.circuits.passage import BILL_SECONDS
from masq.core.circuits.terminal import PACK_AT
from masq.core.effects import Connect, Overrun, SendFrame
from masq.core.links.links import Links, Written
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download
from masq.sim.world import World
from masq.wire.circuit import circuit_frame
from masq.wire.secure_link import BODY, LENGTH, FrameType


def test_payments_are_written_down_before_they_are_sent() -> None:
    desk = Desk()
    desk.owe(CREDITORS[0], 10**13, 0.0)
    desk.scan(Scan.RECEIVABLES, now=10.0)
    desk.books.scan(Scan.PAYABLES, 10.0)
    terms = desk.chain.terms(PAYER.address, EPOCH + 10.0)
    desk.books.terms(terms, 10.0)
    effects = desk.books.terms(terms, 10.0)
    (saved,) = [at for at, effect in enumerate(effects) if isinstance(effect, Save) and effect.payments]
    (sending,) = [at for at, effect in enumerate(effects) if isinstance(effect, SendPayments)]
    assert saved < sending


def test_a_bill_follows_the_cell_that_it_was_layered_after() -> None:
    line = Line(HonestHop(), HonestHop())
    user = Originator(*(hop.key for hop in line.hops))
    line.hears(user.open())
    line.hears(user.cell(begin()))
    (connect,) = line.effects[1]
    assert isinstance(connect, Connect)
    relay, exit = line.hops
    line.carry(1, exit.exit.connected(connect.socket, "", 0.0))
    line.carry(1, exit.flush(1.0))
    relay.now = BILL_SECONDS + 1
    effects = [*exit.exit.received(connect.socket, memoryview(bytes(1_000)), 0.0), *exit.flush()]
    (cell,) = sent(effects, BACK)
    kinds = [frame.type for frame in sent(relay.hears(cell, ONWARD), BACK)]
    assert kinds == [FrameType.CELL, FrameType.CONTROL]


def test_what_an_input_sends_for_a_circuit_comes_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(1)
    world.servers["files.test", 80] = Download
    world.join(8)
    world.run(10)
    user = world.hosts[0]
    client = Application()
    user.open(client, "files.test", 80)
    client.send(b"1000\n")
    world.run(5)
    (own,) = user.node.own_circuits
    link, circuit = own.terminal.link, own.terminal.circuit
    written: list[int] = []

    def written_down(links: Links, link: int, frame: bytearray | memoryview, circuit: int) -> list[Written]:
        written.append(frame[LENGTH])
        return []

    monkeypatch.setattr(Links, "send_frame", written_down)
    cell = circuit_frame(FrameType.CELL, circuit, bytes(100))
    user.node._carry([Overrun(link, circuit), SendFrame(link, cell, circuit)], world.now)
    assert written[0] == FrameType.CELL
    assert written[1] == FrameType.CLOSE


def test_a_view_that_is_not_copied_leaves_at_once() -> None:
    entry = Entry()
    socket = entry.open(b"first")
    entry.ways[0].take_said()
    read = bytearray(b"x" * PACK_AT)
    effects = list(entry.entry.received(socket, memoryview(read), entry.now))
    read[:] = bytes(PACK_AT)  # The next read.
    (cell,) = sent(effects, BACK)
    assert entry.ways[0].hears(cell) == [(1, 3, b"x" * PACK_AT)]


def test_frames_are_told_apart_by_the_byte_that_these_tests_look_at() -> None:
    assert close_frame(1).wire[LENGTH] == FrameType.CLOSE
    assert LENGTH + 1 == BODY
