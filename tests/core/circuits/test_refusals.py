"""Who serves us no more until it is paid: told once, shown, bounded, over when it serves again (protocol.md 15.5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.circuit_ends import Entry, Nodes
from tests.core.circuits.entry_ends import DATA, answered, place, started

from masq.core.circuits.refusals import CONFIG, FORGOTTEN, Refusals, words_of
from masq.core.effects import CloseSocket, Log, Service
from masq.core.failure import Cause
from masq.core.limits import MAX_REFUSALS
from masq.core.network.reputation import FIRST_TERM
from masq.core.unsaved import SAVE_AFTER
from masq.types import DEFAULT_RATE_PACK
from masq.wire.circuit import CLOSE_TEXTS, Close, Debt, encode_ending

DEBT = Debt(2 * 10**18, 1_800_000_000, 10**18, 5 * 10**17)


def service(number: int) -> Service:
    return Service(number.to_bytes(64, "big"), bytes(20), DEFAULT_RATE_PACK)


def refused(debt: dict[str, Any] | None, position: int = 1) -> tuple[Entry, Nodes, int]:
    """An entry, one of whose hops has ended a circuit as our wallet owes too much."""
    entry, nodes, socket = answered()
    said = encode_ending(Close.DELINQUENT, "words of its own")
    entry.hears(nodes.control(position, said | ({} if debt is None else {"debt": debt})))
    return entry, nodes, socket


def said(**changes: Any) -> dict[str, Any]:
    return {**encode_ending(Close.DELINQUENT, "", DEBT)["debt"], **changes}


@pytest.mark.parametrize("position", range(3))
def test_the_client_hears_which_hop_counts_what_and_it_is_shown(position: int) -> None:
    entry, nodes, socket = refused(said(), position)
    (closed,) = entry.hears(nodes.close(Close.DELINQUENT))
    assert isinstance(closed, CloseSocket)
    assert closed.failure
    assert closed.failure.cause is Cause.DELINQUENT
    assert str(closed.failure) == f"{place(nodes, position)}: the consuming wallet owes too much ({words_of(DEBT)})"
    assert "2 MASQ" in words_of(DEBT)
    assert "2027-01-15 08:00:00Z" in words_of(DEBT)
    (one,) = entry.own.refusals
    assert (one.key, one.wallet, one.purse, one.debt) == (
        nodes.pairs[position].public_key,
        nodes.services[position].wallet,
        0,
        DEBT,
    )
    assert socket == closed.socket


def test_a_node_of_before_names_no_debt_and_has_its_own_words() -> None:
    entry, nodes, _ = refused(None)
    (closed,) = entry.hears(nodes.close(Close.DELINQUENT))
    assert isinstance(closed, CloseSocket)
    assert str(closed.failure).endswith("owes too much (words of its own)")
    assert not list(entry.own.refusals)


NONSENSE: list[dict[str, Any]] = [
    {"owed": "-1"},
    {"owed": 7},
    {"owed": "9" * 79},
    {"owed": "٣"},
    {"since": -1},
    {"since": 1 << 32},
    {"since": True},
    {"since": "1"},
    {"most": None},
    {"release": b"1"},
]


@pytest.mark.parametrize("nonsense", [*({**said(), **each} for each in NONSENSE), {}, [], "2", 7])
def test_a_debt_that_makes_no_sense_is_none_and_the_failure_is_still_one(nonsense: Any) -> None:
    entry, nodes, _ = refused(nonsense)
    (closed,) = entry.hears(nodes.close(Close.DELINQUENT))
    assert isinstance(closed, CloseSocket)
    assert closed.failure
    assert closed.failure.cause is Cause.DELINQUENT
    assert not list(entry.own.refusals)


@pytest.mark.parametrize("reason", [each for each in Close if each is not Close.DELINQUENT])
def test_who_ends_a_circuit_for_another_reason_names_no_debt(reason: Close) -> None:
    entry, nodes, _ = started()
    entry.hears(nodes.control(0, {"failed": CLOSE_TEXTS[reason], "detail": "", "debt": said()}))
    assert not list(entry.own.refusals)


def test_nobody_is_paid_for_it() -> None:
    entry, nodes, _ = answered()
    before = dict(entry.tab.owed)
    entry.hears(nodes.control(2, encode_ending(Close.DELINQUENT, "", Debt(10**77, 0, 0, 0))))
    assert entry.tab.owed == before
    (one,) = entry.own.refusals
    assert len(words_of(one.debt)) < 300


def test_it_is_over_when_a_circuit_over_the_node_answers() -> None:
    entry = Entry(Nodes())
    nodes = entry.ways[0]
    entry.open()
    entry.hears(nodes.control(1, encode_ending(Close.DELINQUENT, "", DEBT)))
    entry.hears(nodes.close(Close.DELINQUENT))
    assert list(entry.own.refusals)
    entry.open()
    entry.hears(nodes.cell((1, DATA, b"y")))
    assert not list(entry.own.refusals)


def test_it_is_told_once_until_it_is_over() -> None:
    refusals = Refusals((b"a", b"b"))
    (log,) = refusals.heard(service(1), 0, DEBT, 0.0)
    assert isinstance(log, Log)
    assert log.level == "warning"
    assert words_of(DEBT) in log.detail
    assert refusals.heard(service(1), 0, DEBT._replace(owed=7), 1.0) == []
    assert [each.debt.owed for each in refusals] == [7]
    assert len(refusals.heard(service(1), 1, DEBT, 1.0)) == 1, "another wallet"
    refusals.served([service(1).key], 1, 2.0)
    assert [each.purse for each in refusals] == [0]
    refusals.served([service(1).key], 0, 2.0)
    assert len(refusals.heard(service(1), 0, DEBT, 2.0)) == 1


def test_so_many_are_remembered_the_latest_and_what_is_old_is_forgotten() -> None:
    refusals = Refusals()
    for number in range(MAX_REFUSALS + 10):
        refusals.heard(service(number), 0, DEBT, 0.0)
    assert [each.key for each in refusals] == [service(number).key for number in range(10, MAX_REFUSALS + 10)]
    refusals.heard(service(1), 0, DEBT, FORGOTTEN + 1)
    assert [each.key for each in refusals] == [service(1).key]


@given(st.builds(Debt, *[st.integers(0, 2**256 - 1), st.integers(0, 2**32 - 1)], st.integers(0), st.integers(0)))
def test_words_for_any_debt_are_short_and_harmless(debt: Debt) -> None:
    debt = debt._replace(most=debt.most % 2**256, release=debt.release % 2**256)
    assert words_of(debt).isprintable()
    assert len(words_of(debt)) < 450


# --- over a restart


def test_it_outlives_a_restart_and_is_not_told_again() -> None:
    refusals = Refusals((b"a" * 20, b"b" * 20), 1_000.0)
    refusals.heard(service(1), 1, DEBT, 5.0)
    refusals.heard(service(2), 0, DEBT._replace(owed=2**200), 6.0)
    assert refusals.tick(5.0 + SAVE_AFTER - 1) == []
    (saved,) = refusals.tick(5.0 + SAVE_AFTER)
    assert saved.name == CONFIG
    assert refusals.save() == [], "nothing is new"
    again = Refusals((b"b" * 20, b"a" * 20), 2_000.0, saved.value)
    assert [(each.key, each.purse, each.when) for each in again] == [
        (service(1).key, 0, -995.0),
        (service(2).key, 1, -994.0),
    ]
    assert [each.debt for each in again] == [DEBT, DEBT._replace(owed=2**200)]
    assert again.heard(service(1), 0, DEBT, 1.0) == []
    again.served([service(1).key, service(2).key], 0, 1.0)
    assert [each.key for each in again] == [service(2).key]
    assert [each.key for each in Refusals((b"b" * 20,), 0.0, saved.value)] == [service(1).key], "whose wallet is gone"


@pytest.mark.parametrize("saved", ["", "x", "7", "[7]", "[[]]", '[["xx", "", "", 1, 2, "3", "4", "5"]]', "[" * 5_000])
def test_what_was_saved_and_makes_no_sense_is_as_good_as_nothing(saved: str) -> None:
    assert list(Refusals((b"",), 0.0, saved)) == []


# --- when it is paid


def test_who_was_paid_is_tried_again_soon_and_nothing_is_held_against_it() -> None:
    entry, nodes, _ = answered()
    key, wallet = nodes.pairs[1].public_key, nodes.services[1].wallet
    for _ in range(3):
        entry.hears(nodes.control(1, encode_ending(Close.DELINQUENT, "", DEBT)))
        entry.hears(nodes.close(Close.DELINQUENT))
        entry.now += 7 * 86_400.0
        entry.open()
        assert key in entry.own.get(1, nodes.circuit).keys  # type: ignore[union-attr]
    entry.hears(nodes.control(1, encode_ending(Close.DELINQUENT, "", DEBT)))
    assert entry.own.reputation.terms[key].count == 4
    entry.own.settled(0, {b"another"}, entry.now)
    entry.own.settled(1, {wallet}, entry.now)
    assert entry.own.reputation.view(key).avoided > FIRST_TERM
    entry.own.settled(0, {wallet}, entry.now)
    assert entry.own.reputation.view(key).avoided == FIRST_TERM
    assert entry.own.reputation.terms[key].count == 0
    assert key in entry.own.blame.keys(entry.now + FIRST_TERM - 1)
    assert key not in entry.own.blame.keys(entry.now + FIRST_TERM)
