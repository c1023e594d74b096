"""Vouchers ride in OPEN, each for one hop, and bills say who takes them (protocol.md 15.10)."""

from __future__ import annotations

import pytest
from tests.circuit_ends import BACK, WALLET, Entry, HonestHop, Originator, Told, sent
from tests.secure_ends import keys

from masq.core.circuits.passage import BILL_SECONDS
from masq.core.proofs import Proofs
from masq.wire.circuit import Close


def test_a_voucher_is_heard_before_it_is_decided_whether_its_payer_is_served() -> None:
    hop = HonestHop()
    hop.delinquent.add(WALLET.address)
    hop.hears(Originator(hop.key).open())
    assert not list(hop.circuits)
    assert hop.hears(Originator(hop.key, circuit=3).open(voucher=b"promise")) == []
    assert hop.vouchers == [(WALLET.address, b"promise")]
    assert len(list(hop.circuits)) == 1


def test_a_voucher_of_who_proves_nothing_is_not_heard() -> None:
    hop = HonestHop()
    hop.hears(Originator(hop.key).open(voucher=b"promise", payer=None))
    hop.hears(Originator(hop.key).open(voucher=b"promise", expires=1))
    assert hop.vouchers == []


@pytest.mark.parametrize("takes", [b"", b"c" * 20])
def test_bills_say_by_which_contract_vouchers_are_taken(takes: bytes) -> None:
    hop = HonestHop(takes=takes)
    user = Originator(hop.key)
    hop.hears(user.open())
    hop.now = BILL_SECONDS
    (passage,) = hop.circuits
    passage.bill.cells = 1
    heard = user.hears(sent(hop.circuits.close(passage, Close.DONE), BACK))
    (told,) = [each for each in heard if isinstance(each, Told)]
    assert told.value["bill"].get("vouchers", b"") == takes


def test_each_hop_gets_the_voucher_for_its_own_wallet() -> None:
    client = Entry()
    for nodes in client.ways:
        for number, service in enumerate(nodes.services):
            client.vouchers[service.wallet] = b"for %d" % number
    client.open()
    (used,) = [nodes for nodes in client.ways if nodes.circuit]
    assert used.promised == [b"for 0", b"for 1", b"for 2"]


def test_vouchers_and_statements_take_turns() -> None:
    promises = {b"a": b"promise"}
    proofs = Proofs(keys(), WALLET, lambda key, wallet, now: b"said", lambda wallet: promises.get(wallet, b""))
    assert [proofs.said_to(b"k", b"a", 0.0) for _ in range(3)] == [(b"", b"promise"), (b"said", b""), (b"", b"promise")]
    assert [proofs.said_to(b"k", b"b", 0.0) for _ in range(2)] == [(b"said", b""), (b"said", b"")]
