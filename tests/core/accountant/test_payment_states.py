"""What is seen of one payment, block by block and second by second (accounting.md 2.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from masq.chain.head import Head, Prices
from masq.chain.receipt import Receipt
from masq.core.accountant.effects import Part, Payment, State, Variant
from masq.core.accountant.payments import (
    BOOKED,
    BURIED,
    BURIED_FOR,
    ENDS,
    REVERTED_FOR,
    UNDER_WAY,
    Look,
    Payments,
    Seen,
    after,
    outcome,
    with_variant,
)

SENDER, CREDITOR, OTHER, CONTRACT = (letter * 20 for letter in (b"s", b"c", b"o", b"x"))
FIRST, SECOND, THIRD = (
    Variant(b"raw", letter * 32, 10**9, None, made) for letter, made in ((b"1", 100), (b"2", 5_000), (b"3", 6_000))
)
PAYMENT = Payment(CREDITOR, 10**18, 7, 100, SENDER, (FIRST, SECOND))
PARTS = (Part(CREDITOR, 3), Part(OTHER, 4))
TO_SEVERAL = Payment(CONTRACT, 7, 7, 100, SENDER, (FIRST,), parts=PARTS)
TOLD = frozenset({(SENDER, CREDITOR, 3)}), frozenset({(SENDER, OTHER, 4)})
HEAD = 10_000
CONFIRMATIONS = 5


def look(receipts: Mapping[bytes, Receipt | None] | None = None, used: int | None = 7, head: int = HEAD) -> Look:
    """`used`: how many of the sender's transactions are in blocks; the payment's is the eighth."""
    nonces = {} if used is None else {SENDER: (used, used)}
    every: dict[bytes, Receipt | None] = {FIRST.hash: None, SECOND.hash: None}
    return Look(Head(head, 0, bytes(32)), Prices(1), every if receipts is None else receipts, nonces)


def seen_of(
    payment: Payment,
    at: Look,
    clock: int = 100,
    confirmations: int = CONFIRMATIONS,
    shown: Mapping[bytes, int] | None = None,
) -> Seen | None:
    payments = Payments([payment], confirmations)
    for hash, block in (shown or {}).items():
        assert payments.show(hash, block)
    found = payments.see(payment, at, clock)
    return found and found[0]


@pytest.mark.parametrize(
    ("block", "confirmations", "seen"),
    [
        (HEAD, CONFIRMATIONS, Seen.SHALLOW),
        (HEAD - 4, CONFIRMATIONS, Seen.SHALLOW),
        (HEAD - 5, CONFIRMATIONS, Seen.DEEP),
        (HEAD - 6, CONFIRMATIONS, Seen.DEEP),
        (HEAD - 127, CONFIRMATIONS, Seen.DEEP),
        (HEAD - 128, CONFIRMATIONS, Seen.BURIED),
        (HEAD - 129, CONFIRMATIONS, Seen.BURIED),
        (HEAD - 128, 32, Seen.BURIED),
        (HEAD - 159, 40, Seen.DEEP),
        (HEAD - 160, 40, Seen.BURIED),
    ],
)
def test_how_deep_a_payment_is_by_receipt_and_by_log(block: int, confirmations: int, seen: Seen) -> None:
    receipts = {FIRST.hash: Receipt(FIRST.hash, block, True), SECOND.hash: None}
    payment = replace(PAYMENT, state=State.SENT)
    assert seen_of(payment, look(receipts), 10**6, confirmations) is seen
    assert seen_of(payment, look(used=8), 10**6, confirmations, {FIRST.hash: block}) is seen


@pytest.mark.parametrize(
    ("state", "clock", "seen"),
    [
        (State.SETTLED, 100 + 86_400, Seen.DEEP),
        (State.SETTLED, 100 + 86_401, Seen.BURIED),
        (State.SETTLED, 100 + 10**6, Seen.BURIED),
        (State.SETTLED, 100, Seen.DEEP),
        (State.MINED, 100 + 10**6, Seen.DEEP),
        (State.SENT, 100 + 10**6, Seen.DEEP),
        (State.SIGNED, 100 + 10**6, Seen.DEEP),
    ],
)
def test_on_a_chain_without_blocks_a_payment_in_the_books_is_buried_by_time(
    state: State, clock: int, seen: Seen
) -> None:
    at = look({SECOND.hash: Receipt(SECOND.hash, HEAD - 5, True)})
    assert seen_of(replace(PAYMENT, state=state), at, clock) is seen


@pytest.mark.parametrize(
    ("block", "seconds", "seen"),
    [
        (HEAD - 4, 10**6, Seen.SHALLOW),
        (HEAD - 5, 599, Seen.SHALLOW),
        (HEAD - 5, 600, Seen.FAILED),
        (HEAD - 5, 601, Seen.FAILED),
        (HEAD - 127, 0, Seen.SHALLOW),
        (HEAD - 128, 0, Seen.FAILED),
    ],
)
def test_a_payment_that_was_reverted_is_given_up_late(block: int, seconds: int, seen: Seen) -> None:
    at = look({FIRST.hash: Receipt(FIRST.hash, block, False)})
    assert seen_of(replace(PAYMENT, state=State.SENT), at, SECOND.made + seconds) is seen


def test_the_bounds_are_those_of_the_documents() -> None:
    assert (BURIED, REVERTED_FOR, BURIED_FOR) == (128, 600, 86_400)


def test_the_receipt_of_the_last_variant_counts_before_those_of_others() -> None:
    first, second = Receipt(FIRST.hash, HEAD - 5, False), Receipt(SECOND.hash, HEAD - 5, True)
    payments = Payments([PAYMENT], CONFIRMATIONS)
    assert payments.see(PAYMENT, look({FIRST.hash: first, SECOND.hash: second}), 10**6) == (Seen.DEEP, second)


@pytest.mark.parametrize(
    ("used", "seen"), [(0, Seen.WAITING), (7, Seen.WAITING), (8, Seen.USED), (9, Seen.USED), (None, None)]
)
def test_a_payment_without_receipts_waits_until_its_nonce_is_used(used: int | None, seen: Seen | None) -> None:
    assert seen_of(PAYMENT, look(used=used)) is seen


def test_what_could_not_be_asked_is_not_known_to_be_missing() -> None:
    for used in (7, 8):
        assert seen_of(PAYMENT, look({FIRST.hash: None}, used)) is None
        assert seen_of(PAYMENT, look({}, used)) is None


def test_a_log_counts_for_a_used_nonce_and_not_above_the_head() -> None:
    asked_not = look({}, used=8)
    assert seen_of(PAYMENT, asked_not, shown={SECOND.hash: HEAD}) is Seen.SHALLOW
    assert seen_of(PAYMENT, asked_not, shown={SECOND.hash: HEAD + 1}) is None
    assert seen_of(PAYMENT, asked_not, shown={SECOND.hash: HEAD + 2}) is None
    assert seen_of(PAYMENT, asked_not, shown={FIRST.hash: HEAD + 1, SECOND.hash: HEAD - 5}) is Seen.DEEP


def test_a_log_whose_block_was_replaced_is_forgotten() -> None:
    payments = Payments([PAYMENT], CONFIRMATIONS)
    assert payments.show(FIRST.hash, HEAD)
    assert payments.see(PAYMENT, look(used=7), 100) == (Seen.WAITING, None)
    assert payments.shown == {}
    assert payments.see(PAYMENT, look(used=8), 100) == (Seen.USED, None)


def test_what_ends_leaves_nothing() -> None:
    payments = Payments([PAYMENT], CONFIRMATIONS)
    payments.show(FIRST.hash, 3)
    payments.show(SECOND.hash, 4)
    payments.end(PAYMENT)
    assert (len(payments), payments.shown, payments.get(PAYMENT.hash)) == (0, {}, None)
    payments.end(PAYMENT)


def test_a_variant_is_known_by_its_own_hash_alone() -> None:
    other = replace(PAYMENT, nonce=6, variants=(THIRD,))
    payments = Payments([other, PAYMENT], CONFIRMATIONS)
    for variant, payment in ((FIRST, PAYMENT), (SECOND, PAYMENT), (THIRD, other)):
        assert payments.of(bytes(bytearray(variant.hash))) == payment
    for hash in (b"0" * 32, b"1" + b"2" * 31, b"9" * 32):
        assert payments.of(hash) is None
        assert not payments.show(hash, 3)
    assert payments.shown == {}
    assert [each.nonce for each in payments] == [6, 7]
    assert payments.get(FIRST.hash) == PAYMENT
    assert payments.get(SECOND.hash) is None


def test_logs_tell_nothing_of_a_payment_to_several() -> None:
    payments = Payments([TO_SEVERAL], CONFIRMATIONS)
    assert payments.show(FIRST.hash, HEAD)
    assert payments.shown == {}


@pytest.mark.parametrize("state", list(State))
def test_who_is_being_paid(state: State) -> None:
    going = state in {State.SIGNED, State.SENT, State.MINED}
    payments = Payments([replace(PAYMENT, state=state)], CONFIRMATIONS)
    assert payments.pays(bytes(bytearray(CREDITOR))) is going
    assert not payments.pays(b"a" * 20)
    assert not payments.pays(b"z" * 20)
    assert len(payments.under_way) == going
    parts = (PARTS[0], PARTS[1]._replace(failed=True))
    payments = Payments([replace(TO_SEVERAL, state=state, parts=parts)], CONFIRMATIONS)
    assert payments.pays(CREDITOR) is going
    assert payments.pays(OTHER), "in another block this part may be made"
    assert not payments.pays(CONTRACT)


def test_the_sets_of_states() -> None:
    assert {State.SETTLED, State.DONE} == BOOKED
    assert set(State) - UNDER_WAY - BOOKED == ENDS - BOOKED == {State.REVERTED, State.DISPLACED}
    assert not UNDER_WAY & (BOOKED | ENDS)
    for state in ENDS:
        assert {after(state, seen) for seen in Seen} == {state}


@pytest.mark.parametrize(
    ("paid", "unpaid", "failed"),
    [
        (TOLD[0] | TOLD[1], frozenset(), (False, False)),
        (TOLD[0], TOLD[1], (False, True)),
        (frozenset(), TOLD[0] | TOLD[1], (True, True)),
        (TOLD[0], frozenset(), None),
        (frozenset(), TOLD[1], None),
        (frozenset(), frozenset(), None),
        (TOLD[0] | TOLD[1], TOLD[1], None),
    ],
)
def test_each_part_is_told_by_the_receipt_or_none_is(
    paid: frozenset[tuple[bytes, bytes, int]],
    unpaid: frozenset[tuple[bytes, bytes, int]],
    failed: tuple[bool, bool] | None,
) -> None:
    receipt = Receipt(FIRST.hash, HEAD - 5, True, None, paid, unpaid)
    parts = failed and tuple(each._replace(failed=one) for each, one in zip(PARTS, failed, strict=True))
    assert outcome(TO_SEVERAL, receipt) == parts
    assert seen_of(TO_SEVERAL, look({FIRST.hash: receipt})) is (None if failed is None else Seen.DEEP)


def test_one_that_is_signed_again_begins_again() -> None:
    again = with_variant(replace(PAYMENT, state=State.SENT), THIRD)
    assert (again.state, again.variants) == (State.SIGNED, (FIRST, SECOND, THIRD))
