"""The exit's end of a circuit: what all circuits together may make it keep."""

from __future__ import annotations

import pytest
from tests.circuit_ends import BACK, HonestHop, Said, Told, begin, others
from tests.core.circuits.exit_ends import BEGIN, DATA, END, OVERLOADED, Circuit, reason

from masq.core.circuits import exit as circuit_exit
from masq.core.effects import (
    Bind,
    CloseSocket,
    WriteSocket,
)
from masq.core.failure import Cause, Failure
from masq.core.limits import Limits
from masq.wire.circuit import (
    CIRCUIT_CREDIT,
    MAX_DATA,
    Close,
    Command,
    StreamEnd,
    encode_begin,
    encode_end,
    encode_resolve,
)


@pytest.fixture
def small_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_exit, "MAX_HELD", 1_000_000)
    monkeypatch.setattr(circuit_exit, "LOOK_EVERY", 100_000)


def overloaded(answers: list[Said | Told | Close]) -> bool:
    return reason(answers) is Close.OVERLOADED and "slow readers" in str(answers[0])


@pytest.mark.usefixtures("small_quota")
@pytest.mark.parametrize("reached", [False, True])
def test_too_much_for_slow_servers_costs_the_circuit_that_holds_most(reached: bool) -> None:
    hog = Circuit()
    modest, busy = Circuit(hog.hop, 3), Circuit(hog.hop, 5)
    (socket,) = busy.begins(1)
    for circuit, size in ((hog, 700_000), (modest, 290_000)):
        if reached:
            hog.exit.congested(circuit.begins(1)[0])
        else:
            circuit.says(begin(1))
        assert circuit.sends(1, size) == []
    assert len(busy.sends(1, 900_000)) == 1, "what servers read counts for nothing"
    effects = hog.hop.hears(modest.user.cell((1, DATA, bytes(60_000))))
    effects += hog.hop.hears(modest.user.cell((1, DATA, bytes(60_000))))
    assert modest.back(effects) == []
    assert overloaded(hog.back(effects))
    assert len([each for each in others(effects) if isinstance(each, CloseSocket)]) == 1
    assert modest.sends(1, 500_000) == []
    assert busy.says((1, DATA, b"x"))[0] == [WriteSocket(socket, b"x")]


@pytest.mark.usefixtures("small_quota")
def test_too_much_that_waits_for_credit_costs_the_circuit_that_holds_most() -> None:
    hog = Circuit()
    bystander = Circuit(hog.hop, 3)
    (safe,) = bystander.begins(1)
    sockets = hog.begins(*range(1, 90))
    answers: list[Said | Told | Close] = []
    for socket in sockets:  # Each server says as much at once as one read brings.
        answers += hog.back(hog.exit.received(socket, memoryview(bytes(MAX_DATA)), 0.0))
        if reason(answers):
            break
    assert overloaded(answers[-3:])
    sent_off = sum(said[1] == DATA for said in answers if isinstance(said, tuple) and len(said) == 3)
    assert sent_off == CIRCUIT_CREDIT // MAX_DATA
    assert sockets.index(socket) - sent_off <= 1_100_000 // MAX_DATA
    assert bystander.back(hog.exit.received(safe, memoryview(b"x"), 0.0)) == [(1, DATA, b"x")]


@pytest.mark.usefixtures("small_quota")
def test_what_was_read_in_the_end_is_held_no_more() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    for _ in range(20):
        circuit.exit.congested(socket)
        circuit.sends(1, 500_000)
        circuit.back(circuit.exit.drained(socket, 0.0))
    assert circuit.says((1, DATA, b"x"))[0] == [WriteSocket(socket, b"x")]


def test_an_exit_serves_so_many_streams_of_all_circuits_and_nobody_more_than_are_left() -> None:
    one = Circuit(HonestHop(limits=Limits(served=6)))
    two = Circuit(one.hop, 3)
    one.begins(1, 2, 3)
    assert one.says(begin(4)) == ([], [(4, END, OVERLOADED)])
    assert two.says(begin(1)) == ([], [(1, END, OVERLOADED)]), "the payer and the link are the same"
    one.says((1, END, encode_end(StreamEnd.STOPPED)))
    two.begins(2)
    one.hop.circuits.link_lost(BACK)
    assert one.hop.sockets.served.taken == 0


def test_a_socket_for_datagrams_takes_two_places() -> None:
    circuit = Circuit(HonestHop(limits=Limits(served=6)))
    ((bind,), _) = circuit.says((1, BEGIN, encode_begin("", 0, udp=True)))
    assert isinstance(bind, Bind)
    assert circuit.says((2, BEGIN, encode_begin("", 0, udp=True))) == ([], [(2, END, OVERLOADED)])
    circuit.says((3, Command.RESOLVE, encode_resolve("h")))
    assert circuit.hop.sockets.served.taken == 3


def test_what_a_server_does_not_read_is_not_kept_for_it_once_its_client_is_gone() -> None:
    circuit = Circuit()
    (socket,) = circuit.begins(1)
    circuit.exit.congested(socket)
    circuit.sends(1, 500_000)
    assert circuit.says((1, END, encode_end(StreamEnd.STOPPED)))[0] == [CloseSocket(socket, Failure(Cause.STOPPED))]
