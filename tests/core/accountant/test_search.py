"""Income is found and credited once, whatever servers stand behind the provider's URL (accounting.md 4.6)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.chain.erc20 import Transfer
from masq.core.accountant.effects import Way
from masq.core.accountant.search import ALL_AGAIN, MOST_REMEMBERED, OVERLAP, REMEMBERED_BLOCKS, TIMES, Search
from masq.types import Address

DEBTOR, OTHER = b"d" * 20, b"o" * 20


class Income(Search):
    """A search for what came in."""

    def __init__(self, next: int | None, known: str | None = None) -> None:
        super().__init__(Way.IN, next, known)

    def got(
        self, found: Iterable[Transfer], last: int, cut_short: bool, confirmations: int = 0, head: int | None = None
    ) -> list[tuple[Address, int]]:
        return [(each.wallet, each.wei) for each in self.take(found, last, cut_short, confirmations, head)]


def transfer(block: int, hash: bytes = b"h", index: int = 0, amount: int = 5, sender: Address = DEBTOR) -> Transfer:
    return Transfer(block, index, hash * 32, sender, amount)


def test_what_a_server_that_is_behind_left_out_is_found_the_next_time() -> None:
    income = Income(50)
    assert income.got([], 100, False) == [], "the head is 100, but the logs are those of a server at 90"
    assert income.first is not None
    assert income.first <= 101 - OVERLAP <= 95
    late = transfer(95)
    assert income.got([late], 110, False) == [(DEBTOR, 5)]
    assert income.got([late], 110, False) == []


def test_a_transfer_whose_block_is_replaced_counts_once() -> None:
    income = Income(1)
    assert income.got([transfer(40, index=7)], 40, False)
    for head in range(41, 150, 7):
        assert not income.got([transfer(43, index=2)], head, False)


def test_a_transaction_that_waits_to_be_mined_again_counts_once() -> None:
    income = Income(1)
    assert income.got([transfer(98)], 100, False)
    for head in range(400, REMEMBERED_BLOCKS, 300):
        assert not income.got([], head, False)
    income = Income(income.next, income.known)
    assert not income.got([transfer(REMEMBERED_BLOCKS)], REMEMBERED_BLOCKS, False)


def test_all_transfers_of_one_transaction_count() -> None:
    logs = [transfer(3, index=1), transfer(3, index=2), transfer(3, index=3, sender=OTHER)]
    income = Income(1)
    assert income.got([*logs, logs[0]], 5, False) == [(DEBTOR, 10), (OTHER, 5)]
    assert income.got(logs, 6, False) == []


def test_what_an_answer_left_out_of_a_transaction_counts_later() -> None:
    income = Income(1)
    assert income.got([transfer(3, index=1)], 5, False) == [(DEBTOR, 5)]
    assert income.got([transfer(3, index=1), transfer(3, index=2)], 6, False) == [(DEBTOR, 5)]


def test_a_transaction_that_an_answer_shows_in_two_blocks_counts_once() -> None:
    assert Income(1).got([transfer(3, index=1), transfer(4, index=2)], 5, False) == [(DEBTOR, 5)]


def test_of_a_transaction_that_pays_another_amount_in_another_block_the_most_counts() -> None:
    income = Income(1)
    assert income.got([transfer(3, amount=5)], 5, False) == [(DEBTOR, 5)]
    assert income.got([transfer(4, amount=7)], 6, False) == [(DEBTOR, 2)]
    assert income.got([transfer(5, amount=4)], 7, False) == []
    assert income.got([transfer(6, amount=7)], 8, False) == []


def test_what_was_not_asked_for_is_left_out() -> None:
    income = Income(10)
    assert income.got([transfer(9), transfer(21)], 20, False) == []
    assert income.next == 21


def test_a_transfer_of_nothing_leaves_no_trace() -> None:
    income = Income(10)
    assert income.got([transfer(15, amount=0)], 20, False) == []
    assert json.loads(income.known)["credited"] == []


def test_a_book_that_is_new_begins_with_the_head() -> None:
    income = Income(None)
    before = income.first
    assert before is None
    assert income.got([transfer(99, b"a"), transfer(100, b"b")], 100, False) == [(DEBTOR, 5)]
    assert (income.first, income.next) == (100, 101)
    assert Income(income.next, income.known).first == 100, "what was there before it isn't income of this book"


def test_each_block_is_searched_several_times_at_the_usual_intervals() -> None:
    """A provider that leaves out half of the logs at random hides less each time."""
    income = Income(1)
    for head in range(300, 3_001, 300):
        income.got([], head, False)
    assert income.first is not None
    assert 3_001 - income.first >= 300 * (TIMES - 1)


def test_now_and_then_all_that_is_remembered_is_searched_again() -> None:
    income = Income(1)
    for head in range(ALL_AGAIN):
        income.got([], 20_000 + head, False)
    assert income.first == max(1, 20_000 + ALL_AGAIN - REMEMBERED_BLOCKS)


def test_what_is_not_deep_is_visible_and_does_not_count() -> None:
    income = Income(1)
    assert income.got([transfer(95), transfer(99, b"n")], 100, False, 3, 100) == [(DEBTOR, 5)]
    assert dict(income.coming()) == {DEBTOR: 5}
    assert income.next == 98
    assert income.got([transfer(95), transfer(99, b"n")], 102, False, 3, 102) == [(DEBTOR, 5)]
    assert not income.coming()


def test_what_was_visible_and_is_left_out_stays_visible_until_it_is_known_to_be_gone() -> None:
    income = Income(1)
    found = Transfer(99, 0, b"n" * 32, DEBTOR, 5, b"", b"b" * 32)
    for head in (100, 101):
        assert not income.got([found], head, False, 3, head)
        assert dict(income.coming()) == {DEBTOR: 5}, "once, however often it is shown"
        assert not income.doubted
    assert not income.got([], 102, False, 3, 102)
    assert dict(income.coming()) == {DEBTOR: 5}
    assert [(each.hash, each.block, each.block_hash) for each in income.doubted] == [(b"n" * 32, 99, b"b" * 32)]
    assert income.undo(b"n" * 32) == [], "it has not counted"
    assert not income.coming()
    assert not income.got([found], 103, False, 5, 103)
    assert income.got([found], 104, False, 5, 104) == [(DEBTOR, 5)]
    assert not income.coming()
    assert not income.got([], 105, False, 5, 105)
    assert not income.coming()


def test_of_what_is_left_out_nothing_stays_visible_that_nobody_can_be_asked_for_or_that_is_long_past() -> None:
    income = Income(1)
    assert not income.got([transfer(99)], 100, False, 3, 100)
    assert not income.got([], 101, False, 3, 101)
    assert not income.coming(), "its block is not known"
    income = Income(1)
    assert not income.got([Transfer(99, 0, b"n" * 32, DEBTOR, 5, b"", b"b" * 32)], 100, False, 3, 100)
    assert not income.got([], 100 + REMEMBERED_BLOCKS, False, 3, 100 + REMEMBERED_BLOCKS)
    assert dict(income.coming()) == {DEBTOR: 5}
    assert not income.got([], 103 + REMEMBERED_BLOCKS, False, 3, 103 + REMEMBERED_BLOCKS)
    assert not income.coming()


def test_what_our_wallet_sent_is_visible_only_as_long_as_it_is_shown() -> None:
    """Nobody asks whether that is gone, and its debt waits meanwhile."""
    outgo = Search(Way.OUT, 1)
    outgo.take([Transfer(99, 0, b"n" * 32, DEBTOR, 5, OTHER, b"b" * 32)], 100, False, 3, 100)
    assert list(outgo.visible) == [(b"n" * 32, OTHER)]
    outgo.take([], 101, False, 3, 101)
    assert not outgo.visible


def test_what_is_shown_no_more_is_doubted_and_can_be_undone_and_found_anew() -> None:
    income = Income(1)
    found = Transfer(95, 0, b"h" * 32, DEBTOR, 5, b"", b"b" * 32)
    assert income.got([found], 100, False)
    assert not income.doubted
    assert not income.got([], 101, False)
    assert [(each.hash, each.block, each.block_hash) for each in income.doubted] == [(b"h" * 32, 95, b"b" * 32)]
    assert [each.wei for each in income.undo(b"h" * 32)] == [5]
    assert income.undo(b"h" * 32) == []
    assert income.got([found], 102, False) == [(DEBTOR, 5)]


def test_a_search_can_begin_anywhere_and_counts_nothing_twice() -> None:
    income = Income(1_000)
    assert income.got([transfer(1_005)], 1_010, False)
    income.begin_at(500)
    assert (income.first, income.next) == (500, 500)
    assert income.got([transfer(600, b"o"), transfer(1_005)], 1_010, False) == [(DEBTOR, 5)]


# --- What was saved


def test_what_was_credited_is_remembered_over_a_restart() -> None:
    income = Income(1)
    assert income.got([transfer(95, amount=2**200)], 100, False)
    again = Income(income.next, income.known)
    assert again.next == income.next
    assert again.first is not None
    assert again.first <= 95
    assert again.got([transfer(99, amount=2**200)], 100, False) == []


def test_a_book_without_knowledge_of_the_last_blocks_doesn_t_search_them() -> None:
    income = Income(50, None)
    assert income.first == 50
    income.got([], 60, False)
    assert income.first == 50
    assert Income(income.next, income.known).first == 50


def test_blocks_that_an_older_program_searched_meanwhile_are_left_alone() -> None:
    income = Income(1)
    income.got([transfer(95)], 100, False)
    again = Income(500, income.known)
    assert again.first == 500, "nobody wrote down what was credited from 101 to 499"
    assert again.got([transfer(501)], 510, False) == [], "but what was written down still counts once"


@pytest.mark.parametrize(
    "known",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        "{}",
        '{"next": 50, "floor": null, "credited": []}',
        '{"next": 50, "floor": 1e999, "credited": []}',
        '{"next": 50, "floor": 20}',
        '{"next": 50, "floor": 20, "credited": [5]}',
        '{"next": 50, "floor": 20, "credited": [["zz", "", 1, 1]]}',
        '{"next": 50, "floor": 20, "credited": [["", "", 1, []]]}',
        '{"next": 50, "floor": 20, "credited": [["", 1, 1]]}',
        '{"next": 50, "floor": 99, "credited": []}',
    ],
)
def test_knowledge_that_makes_no_sense_is_as_good_as_none(known: str) -> None:
    income = Income(50, known)
    assert (income.first, income.next) == (50, 50)
    assert income.got([transfer(55)], 60, False) == [(DEBTOR, 5)]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["next", "floor", "credited"]), inner),
    max_leaves=12,
)


@given(next=st.integers(0, 100), known=st.text(max_size=20) | _JSON.map(json.dumps))
def test_no_knowledge_ends_the_program(next: int, known: str) -> None:
    income = Income(next, known)
    assert income.first is not None
    assert max(0, next - OVERLAP) <= income.first <= next
    income.got([transfer(next)], next, False)
    assert Income(income.next, income.known).known == income.known


def test_strangers_dust_makes_us_keep_no_more_than_so_much() -> None:
    income, credited = Income(1), 0
    for round in range(4):
        dust = [
            Transfer(block, 0, (round * 5_000 + block * 100 + number).to_bytes(32, "big"), DEBTOR, 1)
            for block in range(50)
            for number in range(100)
        ]
        credited += sum(wei for _, wei in income.got(dust, 50, False))
        credited += sum(wei for _, wei in income.got(dust, 50, False))
        assert len(json.loads(income.known)["credited"]) <= MOST_REMEMBERED
    assert income.first is not None
    assert credited <= 20_000, "what was forgotten isn't searched again"
    assert income.first > 20
    assert income.got([transfer(60)], 60, False) == [(DEBTOR, 5)]


def test_what_is_long_past_is_forgotten() -> None:
    income = Income(1)
    income.got([transfer(5)], 10, False)
    income.got([], 10 + REMEMBERED_BLOCKS, False)
    assert len(json.loads(income.known)["credited"]) == 1, "nothing else came since"
    income.got([transfer(5 + REMEMBERED_BLOCKS, b"n")], 10 + REMEMBERED_BLOCKS, False)
    assert len(json.loads(income.known)["credited"]) == 2
    income.got([transfer(6 + REMEMBERED_BLOCKS, b"m")], 10 + REMEMBERED_BLOCKS, False)
    assert len(json.loads(income.known)["credited"]) == 2


def test_a_search_that_was_led_astray_and_is_led_back_counts_nothing_twice() -> None:
    income = Income(1)
    assert income.got([transfer(5)], 10, False) == [(DEBTOR, 5)]
    income.got([], 10**9, False)
    again = Income(income.next, income.known)
    for each in (income, again):
        each.begin_at(0)
        assert each.got([transfer(5), transfer(8, b"n", amount=7)], 12, False) == [(DEBTOR, 7)]


# --- Where the next search begins


@pytest.mark.parametrize("most", [1, 2, 3, 4, 7, 30, 40, 100])
def test_a_search_that_goes_by_steps_comes_to_the_head_and_leaves_no_block_out(most: int) -> None:
    chain = [Transfer(block, 0, block.to_bytes(32, "big"), DEBTOR, block) for block in range(10, 1_000, 4)]
    income, credited, searches, last = Income(1), 0, 0, 0
    while last < 1_000:
        assert income.first is not None
        first, last = income.first, min(1_000, income.first + most - 1)
        new = income.got([t for t in chain if first <= t.block <= last], last, last < 1_000)
        credited += sum(wei for _, wei in new)
        searches += 1
    assert credited == sum(t.amount for t in chain)
    assert searches <= 4 / 3 * 1_000 / most + 2
    assert income.first is not None
    assert income.first <= 1_001 - OVERLAP


def test_a_chain_that_goes_backwards_is_searched_from_where_its_last_blocks_were() -> None:
    income = Income(1)
    income.got([transfer(99)], 100, False)
    assert income.got([transfer(90), transfer(91, b"n")], 95, False) == [(DEBTOR, 5)]
    assert income.next == 101
    assert income.first is not None
    assert income.first <= 101 - OVERLAP


def test_a_limit_of_one_block_doesn_t_keep_the_last_blocks_from_being_searched_again() -> None:
    income = Income(1)
    income.got([], 1, True)
    assert income.first == 2
    income.begin_again()  # Block 2 isn't there yet.
    assert income.first == 1


@pytest.mark.parametrize(
    ("most", "overlap"), [(1, 0), (3, 0), (4, 1), (40, 10), (4 * OVERLAP, OVERLAP), (500, OVERLAP)]
)
def test_a_search_that_was_cut_short_is_continued_a_little_before_its_end(most: int, overlap: int) -> None:
    income = Income(1)
    income.got([], most, True)
    assert income.first == most + 1 - overlap


# --- Whatever happens, each transfer is credited once


@given(limit=st.none() | st.integers(1, 5 * OVERLAP), random=st.randoms(use_true_random=True))
def test_servers_that_are_behind_by_no_more_than_the_overlap_hide_no_block(limit: int | None, random: Random) -> None:
    """Each block has a payment of 1 wei. Between two searches the chain grows by any number of blocks."""
    lag = OVERLAP if limit is None else min(OVERLAP, limit // 4)
    head, income, credited = 1_000, Income(1_001), 0
    for _ in range(60):
        head += random.choice([0, 1, lag, OVERLAP, OVERLAP + 1, random.randrange(2 * OVERLAP)])
        named, shown = (max(1_000, head - random.choice([0, lag, random.randint(0, lag)])) for _ in "ns")
        first = income.first
        assert first is not None
        if first > named:
            income.begin_again()
            continue
        last = named if limit is None else min(named, first + limit - 1)
        found = [
            Transfer(block, 0, block.to_bytes(32, "big"), DEBTOR, 1) for block in range(first, min(last, shown) + 1)
        ]
        credited += sum(wei for _, wei in income.got(found, last, limit is not None and last - first + 1 >= limit))
        if random.random() < 0.1:
            income = Income(income.next, income.known)
    found = [Transfer(block, 0, block.to_bytes(32, "big"), DEBTOR, 1) for block in range(income.first or 0, head + 1)]
    credited += sum(wei for _, wei in income.got(found, head, False))
    assert credited == head - 1_000
