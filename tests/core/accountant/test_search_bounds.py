"""To the block: what a search counts, shows, doubts, and where the next one begins (accounting.md 4.6)."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from masq.chain.erc20 import Transfer
from masq.core.accountant.effects import Way
from masq.core.accountant.search import (
    ALL_AGAIN,
    MOST_DOUBTED,
    MOST_REMEMBERED,
    OVERLAP,
    REMEMBERED_BLOCKS,
    TIMES,
    Counted,
    Search,
)

DEBTOR, OTHER = b"d" * 20, b"o" * 20


def income(next: int | None, known: str | None = None) -> Search:
    return Search(Way.IN, next, known)


def paid(block: int, hash: bytes = b"h", amount: int = 5, block_hash: bytes = b"b" * 32) -> Transfer:
    return Transfer(block, 0, hash * 32, DEBTOR, amount, OTHER, block_hash)


def blocks(found: Iterable[Counted]) -> list[int]:
    return [each.block for each in found]


def test_the_bounds_are_those_of_the_documents() -> None:
    assert (OVERLAP, TIMES, REMEMBERED_BLOCKS, ALL_AGAIN) == (30, 4, 10_000, 25)
    assert (MOST_REMEMBERED, MOST_DOUBTED) == (10_000, 20)


@pytest.mark.parametrize("step", [31, 300, 2_400])
def test_a_block_is_searched_as_often_as_is_said_and_not_more_often(step: int) -> None:
    search, searched = income(100_001), dict.fromkeys(range(100_001, 100_001 + 20 * step), 0)
    for head in range(100_000 + step, 100_001 + 20 * step, step):
        assert search.first is not None
        for block in range(search.first, head + 1):
            searched[block] += 1
        search.take([], head, False)
    done = [count for block, count in searched.items() if block <= 100_000 + 16 * step]
    assert set(done) == {TIMES}


def test_what_is_not_deep_does_not_lengthen_the_next_search() -> None:
    search = income(1_001)
    for head in (1_100, 1_200, 1_300):
        search.take([], head, False, 10, head)
    assert (search.next, search.first) == (1_291, 1_001)
    search.take([], 1_400, False, 10, 1_400)
    assert (search.next, search.first) == (1_391, 1_091)


@pytest.mark.parametrize(("last", "first"), [(1_020, 1_001), (1_030, 1_001), (3_500, 1_001), (3_501, 3_472)])
def test_a_search_that_is_long_as_it_is_is_not_made_longer(last: int, first: int) -> None:
    search = income(1_001)
    search.take([], last, False)
    assert (search.next, search.first) == (last + 1, first)


def test_one_of_so_many_searches_is_of_all() -> None:
    search, long = income(100_001), []
    for number in range(1, 60):
        search.take([], 120_000 + number, False)
        assert search.first is not None
        if search.first == 120_001 + number - REMEMBERED_BLOCKS:
            long.append(number)
    assert long == [25, 50]


@pytest.mark.parametrize(
    ("head", "counts", "shows"), [(99, [96], [97, 98]), (100, [96, 97], [98]), (101, [96, 97, 98], [])]
)
def test_what_counts_has_as_many_blocks_after_it_as_is_asked(head: int, counts: list[int], shows: list[int]) -> None:
    search = income(1)
    found = [paid(block, bytes([block])) for block in (96, 97, 98)]
    assert blocks(search.take(found, head, False, 3, head)) == counts
    assert [each.block for each in search.visible.values()] == shows
    assert search.next == head - 2
    assert search.coming() == ({DEBTOR: 5 * len(shows)} if shows else {})


def test_a_search_by_steps_is_as_deep_as_the_head_says() -> None:
    search = income(1)
    assert blocks(search.take([paid(50)], 50, True, 3, 53)) == [50]
    search = income(1)
    assert blocks(search.take([paid(50)], 50, True, 3, 52)) == []
    assert search.next == 50
    assert search.coming() == {DEBTOR: 5}
    assert blocks(income(1).take([paid(50)], 50, False)) == [50], "the last block is the head, if none is named"


def test_the_first_and_the_last_block_that_were_asked_for_count() -> None:
    found = [paid(block, bytes([block])) for block in (9, 10, 20, 21)]
    assert blocks(income(10).take(found, 20, False)) == [10, 20]


def test_all_that_is_visible_of_a_transaction_is_added_up() -> None:
    search = income(1)
    found = [Transfer(99, index, b"n" * 32, DEBTOR, 5 + index, OTHER, b"b" * 32) for index in range(3)]
    search.take([*found, paid(99, b"m", 100)], 100, False, 3, 100)
    assert search.coming() == {DEBTOR: 118}
    search.take([*found, paid(99, b"m", 100)], 101, False, 3, 101)
    assert search.coming() == {DEBTOR: 118}


def test_what_counted_already_is_not_visible_beside() -> None:
    search = income(1)
    search.take([paid(50)], 60, False, 3, 60)
    search.take([paid(59)], 61, False, 3, 61)
    assert search.coming() == {}


@pytest.mark.parametrize(
    ("begin", "last", "doubted"), [(39, 60, True), (40, 60, True), (41, 60, False), (30, 40, True), (30, 39, False)]
)
def test_only_what_was_searched_is_doubted(begin: int, last: int, doubted: bool) -> None:
    search = income(1)
    search.take([paid(40)], 60, False)
    search.begin_at(begin)
    search.take([], last, False)
    assert [(each.hash, each.block) for each in search.doubted] == ([(b"h" * 32, 40)] if doubted else [])
    assert search.missing == ({b"h" * 32} if doubted else set())
    search.take([], 70, True)
    assert (search.doubted, search.missing) == ((), set())


@pytest.mark.parametrize(
    ("begin", "last", "doubted"), [(58, 70, True), (59, 70, True), (60, 70, False), (50, 59, True), (50, 58, False)]
)
def test_only_what_was_searched_is_doubted_of_what_was_visible(begin: int, last: int, doubted: bool) -> None:
    search = income(1)
    search.take([paid(59)], 60, False, 3, 60)
    search.begin_at(begin)
    search.take([], last, False, 3, last)
    assert [(each.hash, each.block) for each in search.doubted] == ([(b"h" * 32, 59)] if doubted else [])
    assert search.missing == set(), "it hasn't counted"


def test_so_many_are_doubted_at_once() -> None:
    search = income(1)
    search.take([paid(40, bytes([number])) for number in range(MOST_DOUBTED + 1)], 60, False)
    search.take([], 61, False)
    assert len(search.doubted) == MOST_DOUBTED
    assert len(search.missing) == MOST_DOUBTED + 1


def test_of_a_block_that_is_not_known_nobody_is_asked_though_it_is_missing() -> None:
    search = income(1)
    search.take([paid(40, block_hash=b"")], 60, False)
    search.take([], 61, False)
    assert (search.doubted, search.missing) == ((), {b"h" * 32})


def test_the_highest_block_is_the_place_of_a_transaction() -> None:
    search = income(1)
    search.take([paid(40, block_hash=b"1" * 32)], 60, False)
    search.take([paid(45, block_hash=b"2" * 32)], 61, False)
    search.take([paid(42, block_hash=b"3" * 32)], 62, False)
    search.take([], 63, False)
    assert [(each.block, each.block_hash) for each in search.doubted] == [(45, b"2" * 32)]
    again = income(search.next, search.known)
    again.take([paid(45, block_hash=b"4" * 32)], 64, False)
    again.take([], 65, False)
    assert [(each.block, each.block_hash) for each in again.doubted] == [(45, b"4" * 32)]


def test_only_a_transaction_itself_is_undone() -> None:
    search = income(1)
    search.take([paid(40, b"a"), paid(41, b"b"), paid(42, b"c"), paid(59, b"v"), paid(59, b"w")], 60, False, 3, 60)
    assert search.undo(b"b" * 32) == [Counted(b"b" * 32, DEBTOR, 5, 41)]
    assert search.undo(b"v" * 32) == []
    assert search.coming() == {DEBTOR: 5}
    assert [each[2] for each in json.loads(search.known)["credited"]] == [40, 42]


def test_what_is_counted_elsewhere_counts_no_more() -> None:
    search = income(1)
    search.know(b"h" * 32, DEBTOR, 40, 5)
    assert search.take([paid(40)], 60, False) == []
    assert search.take([paid(40, amount=7)], 61, False) == [Counted(b"h" * 32, DEBTOR, 2, 40)]
    search.know(b"h" * 32, DEBTOR, 40, 100)
    assert search.take([paid(40, amount=8)], 62, False) == [Counted(b"h" * 32, DEBTOR, 1, 40)]


@pytest.mark.parametrize(("newest", "kept"), [(10_004, True), (10_005, True), (10_006, False)])
def test_what_counted_is_remembered_for_so_many_blocks(newest: int, kept: bool) -> None:
    search = income(1)
    search.take([paid(5)], 10, False)
    search.begin_at(newest)
    search.take([paid(newest, b"n")], newest, False)
    assert [each[2] for each in json.loads(search.known)["credited"]] == ([5, newest] if kept else [newest])


@pytest.mark.parametrize(("more", "floor"), [(0, 1), (1, 6), (2, 8)])
def test_of_too_much_the_oldest_is_forgotten_and_its_blocks_are_left_alone(more: int, floor: int) -> None:
    search = income(1)
    old = [Transfer(block, 0, bytes([block]) * 32, DEBTOR, 1) for block in (7, 5)]
    dust = [Transfer(20, 0, number.to_bytes(32, "big"), DEBTOR, 1) for number in range(MOST_REMEMBERED - 2 + more)]
    search.take([*old, *dust], 25, False)
    known = json.loads(search.known)
    assert (known["floor"], len(known["credited"])) == (floor, MOST_REMEMBERED)
    assert search.first == floor


def test_of_what_is_visible_the_last_are_kept() -> None:
    search = income(1)
    seen = [Transfer(99, 0, number.to_bytes(32, "big"), DEBTOR, 1) for number in range(MOST_REMEMBERED + 2)]
    search.take(seen, 100, False, 3, 100)
    assert len(search.visible) == MOST_REMEMBERED
    assert (1).to_bytes(32, "big") not in {hash for hash, _ in search.visible}
    assert (2).to_bytes(32, "big") in {hash for hash, _ in search.visible}


def test_what_is_remembered_has_a_floor_between_nothing_and_the_next_block() -> None:
    for floor, first in ((-5, 20), (0, 20), (45, 45), (50, 50), (51, 50)):
        known = json.dumps({"next": 50, "floor": floor, "credited": []})
        assert income(50, known).first == first
    assert income(0).first == 0
    assert income(None).first is None
