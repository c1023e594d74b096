"""Bills: when hops tell what they have booked, and what the originator makes of it (protocol.md 15.5)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.circuit_ends import Entry, HonestHop, Line, Originator, Told, begin, others

from masq.core.circuits.origin import CLOSING, MAX_AUDIT, OVERBILLED_CELLS, OverBilling
from masq.core.circuits.passage import BILL_BYTES, BILL_SECONDS
from masq.core.circuits.terminal import LAZY
from masq.core.effects import Connect, Log, WriteSocket
from masq.core.failure import name_of
from masq.types import DEFAULT_RATE_PACK
from masq.wire.circuit import BLOCK, CIRCUIT_CREDIT, MAX_DATA, MAX_PLAIN, Close, Command
from masq.wire.noise import TAG

RATES = DEFAULT_RATE_PACK
FULL = RATES.routing_charge(MAX_PLAIN + TAG)
SMALL = RATES.routing_charge(BLOCK + TAG)


# --- what hops tell ---


class Journey:
    """Two relays, an exit, and a circuit over them with one stream."""

    def __init__(self) -> None:
        self.line = Line(HonestHop(), HonestHop(), HonestHop())
        self.user = Originator(*(hop.key for hop in self.line.hops))
        self.line.hears(self.user.open())
        self.line.hears(self.user.cell(begin()))
        (connect,) = self.line.effects[2]
        assert isinstance(connect, Connect)
        self.socket = connect.socket
        exit = self.line.hops[2]
        self.hears(self.line.carry(2, exit.exit.connected(self.socket, "", 0.0)))
        self.hears(self.line.carry(2, exit.flush(LAZY)))

    def hears(self, frames: Any) -> list[Told]:
        """The control messages among what comes home."""
        return [each for each in self.user.hears(frames) if isinstance(each, Told)]

    def downloads(self, size: int) -> list[Told]:
        exit = self.line.hops[2]
        effects = exit.exit.received(self.socket, memoryview(bytes(size)), exit.now)
        return self.hears(self.line.carry(2, [*effects, *exit.flush()]))

    def says(self, *messages: Any) -> list[Told]:
        return self.hears(self.line.hears(self.user.cell(*messages)))


def bill(told: Told) -> dict[str, Any]:
    value = told.value["bill"]
    assert isinstance(value, dict)
    return value


def test_each_hop_bills_after_so_many_bytes_what_it_has_booked_to_the_wei() -> None:
    journey = Journey()
    for hop in journey.line.hops:
        hop.owed = 10**24
    cells = 0
    told: list[Told] = []
    while not told:
        told = journey.downloads(MAX_DATA)
        cells += 1
        if cells % 8 == 0:
            credit = (MAX_DATA * 8).to_bytes(4, "big")
            told += journey.says((0, Command.WINDOW, credit), (1, Command.WINDOW, credit))
    windows = cells // 8
    assert BILL_BYTES - MAX_PLAIN <= cells * (MAX_PLAIN + TAG) + windows * 528 <= BILL_BYTES + 4 * MAX_PLAIN
    assert {each.position for each in told} <= {0, 1, 2}
    for each in told:
        if each.position < 2:
            booked = cells * FULL + (windows + 2) * SMALL
            assert bill(each)["cells"] in (cells + windows + 2, cells + windows + 1)
            assert int(bill(each)["wei"]) in (booked, booked - SMALL)
        assert bill(each)["owed"] == str(10**24)


def test_each_hop_bills_with_the_first_cell_after_a_minute() -> None:
    journey = Journey()
    for hop in journey.line.hops:
        hop.now = BILL_SECONDS - 1
    assert journey.says((1, Command.DATA, b"x")) == []
    for hop in journey.line.hops:
        hop.now = BILL_SECONDS
    told = journey.says((1, Command.DATA, b"y"))
    assert [each.position for each in told] == [0, 1, 2]
    for each, hop in zip(told, journey.line.hops, strict=True):
        assert int(bill(each)["wei"]) == hop.earned
    assert [bill(each)["bytes"] for each in told] == [4 * (BLOCK + TAG), 4 * (BLOCK + TAG), 2]
    assert journey.says((1, Command.DATA, b"z")) == []


def test_the_last_bills_are_exact_when_the_originator_closes() -> None:
    journey = Journey()
    journey.downloads(100_000 // 2)
    heard = journey.user.hears(journey.line.hears(journey.user.close()))
    told = [each for each in heard if isinstance(each, Told)]
    assert [each.position for each in told] == [2, 1, 0], "the exit first, each relay as CLOSE comes past it"
    assert heard[-1] is Close.DONE
    for each in told:
        assert int(bill(each)["wei"]) == journey.line.hops[each.position].earned


@pytest.mark.parametrize("position", range(3))
def test_the_last_bills_are_exact_when_a_hop_closes(position: int) -> None:
    journey = Journey()
    journey.downloads(50_000)
    hop = journey.line.hops[position]
    (passage,) = hop.circuits
    home = journey.line.carry(position, hop.circuits.close(passage, Close.OVERLOADED))
    heard = journey.user.hears(home)
    told = [each for each in heard if isinstance(each, Told)]
    assert heard[-1] is Close.OVERLOADED
    assert told[0] == Told(position, {"failed": "overloaded", "detail": ""})
    assert [each.position for each in told[1:]] == [*range(position, -1, -1)]
    for each in told[1:]:
        assert int(bill(each)["wei"]) == journey.line.hops[each.position].earned
    assert all(hop.counters() == (0,) * 6 for hop in journey.line.hops)


def test_who_has_earned_nothing_bills_nothing() -> None:
    hop = HonestHop()
    user = Originator(hop.key)
    hop.hears(user.open())
    assert user.hears(Line(hop).hears(user.close())) == [Close.DONE]


# --- what the originator makes of it ---


class Client(Entry):
    """An entry whose client has got some full cells over its first way."""

    def __init__(self, cells: int = 50) -> None:
        super().__init__()
        self.nodes = self.ways[0]
        self.socket = self.open()
        for _ in range(cells):
            self.hears(self.nodes.cell((1, Command.DATA, bytes(MAX_DATA))))

    def close(self) -> None:
        """The circuit is closed by its originator, and the last bills are waited for."""
        self.carry([self.own.close(self.circuit(1), Close.DONE, self.now)])

    @property
    def suspected(self) -> list[bytes]:
        return list(self.own.audit)


@pytest.mark.parametrize("position", range(3))
def test_a_last_bill_within_one_percent_is_fine_and_one_beyond_is_noted_with_both_figures(position: int) -> None:
    client = Client(500)
    client.close()
    counted = client.owed(client.nodes)[position]
    most = counted + counted // 100
    assert client.hears(client.nodes.bill(position, wei=str(most), cells=5)) == []
    assert client.suspected == []
    key = client.nodes.pairs[position].public_key
    (log,) = client.hears(client.nodes.bill(position, wei=str(most + 1), cells=5))
    assert isinstance(log, Log)
    assert (log.level, log.event) == ("warning", "overbilled")
    role = "exit" if position == 2 else f"relay {position + 1}"
    for words in (f"{role} {name_of(key)}", str(most + 1), str(counted)):
        assert words in log.detail
    assert client.own.audit == {key: OverBilling(key, most + 1, counted, client.now)}


def test_four_cells_more_are_no_fraud_however_few_there_were() -> None:
    client = Client(3)
    client.close()
    counted = client.owed(client.nodes)[0]
    most = counted + OVERBILLED_CELLS * FULL
    assert client.hears(client.nodes.bill(0, wei=str(most))) == []
    assert len(client.hears(client.nodes.bill(0, wei=str(most + 1)))) == 1


def test_while_a_circuit_lives_what_may_be_under_way_is_no_fraud() -> None:
    client = Client(500)
    counted = client.owed(client.nodes)[0]
    under_way = CIRCUIT_CREDIT * RATES.routing_byte_rate
    assert client.hears(client.nodes.bill(0, wei=str(counted + under_way))) == []
    assert len(client.hears(client.nodes.bill(0, wei=str(counted + 10 * under_way)))) == 1


def test_less_than_we_count_is_no_fraud_either() -> None:
    client = Client()
    client.close()
    for wei in ("0", "1"):
        assert client.hears(client.nodes.bill(1, wei=wei)) == []
    assert not client.suspected


def test_who_bills_too_much_gets_no_new_streams_and_is_avoided_while_old_streams_go_on() -> None:
    client = Client()
    client.hears(client.nodes.bill(1, wei=str(10**20)))
    assert others(client.hears(client.nodes.cell((1, Command.DATA, b"on")))) == [WriteSocket(client.socket, b"on")]
    client.open()
    first, second = client.own
    assert first.overbilled
    assert second.route.exit.key == client.ways[1].pairs[-1].public_key
    assert client.nodes.pairs[1].public_key in client.own.blame.keys(client.now)
    assert client.own.audit[client.nodes.pairs[1].public_key].billed == 10**20


HOSTILE: list[Any] = [
    {},
    {"cells": 1},
    {"wei": "1"},
    {"cells": None, "wei": None},
    {"cells": 1, "wei": -5},
    {"cells": -1, "wei": "-5"},
    {"cells": "many", "wei": "much"},
    {"cells": [1], "wei": {"a": 1}},
    {"cells": b"1", "wei": b"1"},
    {"cells": 1, "wei": "0x10"},
    {"cells": 1, "wei": ""},
    {"cells": True, "wei": True},
    {"cells": 1.5, "wei": 1e300},
    {"cells": float("inf"), "wei": float("inf")},
    {"cells": float("nan"), "wei": float("nan")},
    {"cells": 1, "wei": "9" * 4_000},
    {"cells": 2**64 - 1, "wei": "9" * 5_000},
]


@pytest.mark.parametrize("said", HOSTILE)
@pytest.mark.parametrize("closed", [False, True])
def test_bills_that_make_no_sense_do_no_harm(said: dict[str, Any], closed: bool) -> None:
    client = Client(1)
    if closed:
        client.close()
    effects = client.hears(client.nodes.control(1, {"bill": said}))
    assert effects == []
    assert not client.suspected
    assert list(client.own), "the circuit lives"
    client.hears(client.nodes.close())
    assert not list(client.own)


def test_only_so_many_who_bill_too_much_are_remembered() -> None:
    client = Client()
    audit = client.own.audit
    audit.update({bytes((number,)): OverBilling(b"", 1, 0, 0.0) for number in range(MAX_AUDIT)})
    client.hears(client.nodes.bill(0, wei=str(10**20)))
    assert len(audit) == MAX_AUDIT
    assert client.nodes.pairs[0].public_key in client.own.blame.nodes


def test_who_does_not_answer_close_is_waited_for_so_long() -> None:
    client = Client()
    client.close()
    client.tick(CLOSING)
    assert list(client.own)
    client.tick(1)
    assert not list(client.own)
