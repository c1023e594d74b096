"""Who books what, replayed from recordings of real Nodes: the same figures come out (accounting.md 1.3)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest
from tests.charges import consumed
from tests.recorded import money

from masq.core.accountant.accountant import Accountant, AccountantConfig, SavedState
from masq.core.effects import Connect
from masq.core.failure import Cause, Failure
from masq.core.packages.exit import PackageExit
from masq.core.sockets import Sockets
from masq.core.tab import Tab
from masq.crypto import CryptDE
from masq.types import CHAINS, RatePack
from masq.wire.message import ClientRequest, SequencedPacket
from masq.wire.package import Component, Hop, Package

CONTRACT = CHAINS["base-sepolia"].contract
PAYER = b"p" * 20


class ReferenceStreams:
    """An exit of ours that serves an originator of 0.9.1: no credit, no reasons."""

    def __init__(self, rates: RatePack) -> None:
        self.tab = Tab()
        self.exit = PackageExit(CryptDE(CONTRACT, os.urandom), rates, Sockets(), self.tab)
        self.originator = CryptDE(CONTRACT, os.urandom)
        self.socket = 0
        """The one that the exit has connected last."""

    def wei(self, effects: Sequence[object]) -> int:
        """What was earned with these effects."""
        for effect in effects:
            if isinstance(effect, Connect):
                self.socket = effect.socket
        earned = self.tab.earned.pop(PAYER, 0)
        assert not self.tab.earned
        return earned

    def request(self, key: bytes, number: int, data: bytes, last: bool = False, host: str = "192.0.2.1") -> int:
        message = ClientRequest(key, SequencedPacket(number, data, last), host, 80, "HTTP", self.originator.public_key)
        hop = Hop(self.originator.public_key, None, Component.PROXY_CLIENT)
        package = Package([b"own element", b"next element"], b"")
        return self.wei(self.exit.request(message, hop, package, PAYER, 0.0))


def test_an_exit_books_what_a_real_exit_booked() -> None:
    steps = {step["title"].partition("; ")[2]: step for step in money()["A1-exit-relay-charges"]["observed"]["steps"]}
    streams = ReferenceStreams(RatePack(11, 1_000, 13, 2_000_000))

    def booked(title: str) -> int:
        return sum(int(wei) for wei in steps[title]["receivable_change"].values())

    # A request, and what the server answers, read by read.
    total = streams.request(b"1" * 20, 0, bytes(36))
    total += streams.wei(streams.exit.connected(streams.socket, "", 0.0))
    total += streams.wei(streams.exit.received(streams.socket, memoryview(bytes(5_000)), 0.0))
    assert total == booked("request 41 B, server answers 5000 B and closes")
    assert streams.request(b"2" * 20, 0, b"") == booked("empty request that opens no stream") == 0
    total = streams.request(b"3" * 20, 0, b"x")
    total += streams.wei(streams.exit.connected(streams.socket, "", 0.0))
    title = "request 1 B, server answers 100000 B and closes"
    for response in steps[title]["responses"]:
        total += streams.wei(streams.exit.received(streams.socket, memoryview(bytes(response["data_len"])), 0.0))
    assert total == booked(title)
    # A server that stays silent, a second packet, the closing one.
    total = streams.request(b"4" * 20, 0, bytes(10)) + streams.wei(streams.exit.connected(streams.socket, "", 0.0))
    assert total == booked("request 10 B, server stays silent")
    assert streams.request(b"4" * 20, 1, bytes(20)) == booked("second packet 20 B on the same stream")
    assert streams.request(b"4" * 20, 2, b"", last=True) == 0
    # What can't be reached: a name costs nothing, a literal one service rate.
    total = streams.request(b"5" * 20, 0, bytes(36), host="nowhere.test")
    total += streams.wei(streams.exit.connect_failed(streams.socket, Failure(Cause.NO_SUCH_NAME), 0.0))
    assert total == booked("host name that cannot be resolved") == 0
    total = streams.request(b"6" * 20, 0, bytes(36), host="192.0.2.9")
    total += streams.wei(streams.exit.connect_failed(streams.socket, Failure(Cause.REFUSED), 0.0))
    assert total == booked("address literal, port closed")


def exchanges() -> list[Any]:
    case = money()["A2-originator-charges"]
    return [
        pytest.param(step, case["settings"]["alpha_rates"], id=step["title"])
        for step in case["observed"]["steps"]
        if step["title"].startswith("1 hop")
        and step.get("equal")
        and len(step["payable_change"]) == 1
        and "damaged" not in step["title"]
    ]


@pytest.mark.parametrize(("step", "rates"), exchanges())
def test_an_originator_books_what_a_real_originator_booked(step: dict[str, Any], rates: dict[str, int]) -> None:
    """One hop: the exit alone. A real originator books its empty closing packet, too; ours does so towards 0.9.1."""
    ((wallet, wei),) = step["payable_change"].items()
    books = Accountant(
        AccountantConfig(
            earning_wallet=bytes(20),
            consuming_wallet=None,
        ),
        SavedState(),
        0.0,
    )
    creditor, pack = bytes.fromhex(wallet[2:]), RatePack(**rates)
    for packet in step["at_exit"]:
        consumed(books, (creditor, pack, packet["data_len"]), [], packet["sealed_in"], 0.0)
        for answer in packet["out"]:
            size = 0 if answer["data_len"] == "dns" else answer["data_len"]
            consumed(books, (creditor, pack, size), [], answer["sealed_len"], 0.0)
    assert books.ledger.payables[creditor].wei == int(wei)


def test_relays_of_real_nodes_agree_with_their_originator_and_exits_by_a_service_rate_per_stream() -> None:
    case = money()["A4-four-real-nodes"]
    last = case["observed"]["steps"][-1]
    exit_wallet = case["input"]["earning"][2]
    rates = [int(part) for part in case["settings"]["rate_packs"]["node 2"].split("|")]
    for wallet, wei in last["originator_payable"].items():
        difference = int(wei) - int(last["receivable_from_originator"][wallet])
        assert difference == (len(case["observed"]["steps"]) * rates[3] if wallet == exit_wallet else 0)
