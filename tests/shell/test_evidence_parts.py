"""The journal and the seals, part by part (accounting.md 6.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import apsw
import pytest

from masq.shell import evidence
from masq.shell.evidence import (
    AlteredError,
    Entry,
    Sum,
    Writing,
    evidence_key,
    follows,
    last_entry,
    problems,
)
from masq.shell.schema import ACCOUNTS, BANNED, CONFIG, CREATE, PAID, TABLES
from masq.types import time_text

KEY = b"k" * 32
WALLET, OTHER = b"a" * 20, b"b" * 20


@pytest.fixture
def books() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    connection.execute(CREATE)
    yield connection
    connection.close()


def charge(connection: apsw.Connection, time: int, wei: int) -> Entry:
    writing = Writing(connection, KEY, last_entry(connection))
    writing.put(ACCOUNTS, (1, b"", WALLET, str(wei), 5))
    return writing.finish(time, {}, {"owed": wei, "earned": 0})


def begin(connection: apsw.Connection, time: int = 1_000) -> Entry:
    return Writing(connection, KEY, Entry()).finish(time, {"begun": ["now"]}, {})


def test_the_bounds() -> None:
    assert (evidence.SEAL_SIZE, evidence.HASH_SIZE, evidence.HOUR) == (16, 32, 3_600)
    assert (evidence.MOST_ITEMS, evidence.MOST_WORDS, evidence._MODULUS) == (500, 100, 2**128)
    assert len(evidence_key(KEY)) == 32
    assert len(evidence.seal(KEY, CONFIG, ("head", "5"))) == 16
    assert len(Entry().sealed(KEY).hash) == 32


def test_an_entry_of_nothing() -> None:
    assert Entry() == Entry(0, 0, 0, 0, False, {}, tuple(Sum(0, 0) for _ in TABLES), bytes(32), bytes(32))
    assert Entry.of_row(Entry().row) == Entry()


def test_a_row_is_the_entry_again() -> None:
    sums = tuple(Sum(number, 2**128 - 1 - number) for number in range(len(TABLES)))
    entry = Entry(3, 5, 7, 9, True, {"accepted": ["x"], "charged": {"owed": "1"}}, sums, b"b" * 32, b"h" * 32)
    assert Entry.of_row(entry.row) == entry
    for odd in (entry.row[6] + b"x", entry.row[6][:-1], b"", entry.row[6] + bytes(24)):
        with pytest.raises(AlteredError, match="entry 3 of the journal can't be read"):
            Entry.of_row((*entry.row[:6], odd, *entry.row[7:]))


def test_a_hash_is_of_all_that_stands_before_it() -> None:
    entry = Entry(3, 5, 7, 9, False, {}, before=b"b" * 32).sealed(KEY)
    for other in (
        replace(entry, number=4),
        replace(entry, began=6),
        replace(entry, time=8),
        replace(entry, saves=10),
        replace(entry, what={"banned": []}),
        replace(entry, before=b"c" * 32),
        replace(entry, sums=(Sum(1, 0), *entry.sums[1:])),
    ):
        assert other.sealed(KEY).hash != entry.hash
    assert replace(entry, hash=bytes(32)).sealed(KEY) == entry
    assert entry.sealed(b"o" * 32).hash != entry.hash


def test_what_is_put_or_removed_gives_what_was_there(books: apsw.Connection) -> None:
    writing = Writing(books, KEY, Entry())
    assert writing.put(CONFIG, ("head", "5")) is None
    assert writing.put(CONFIG, ("head", "6")) == ("head", "5")
    assert writing.put(CONFIG, ("start_block", "1")) is None
    assert writing.remove(CONFIG, ("nothing",)) is None
    assert writing.remove(CONFIG, ("head",)) == ("head", "6")
    assert writing.remove(CONFIG, ("head",)) is None
    writing.put(BANNED, (WALLET,))
    entry = writing.finish(5, {"banned": []}, {})
    assert entry.sums[TABLES.index(CONFIG)].count == entry.sums[TABLES.index(BANNED)].count == 1
    assert list(problems(books, KEY)) == []


def test_a_removed_row_is_gone_from_the_sum(books: apsw.Connection) -> None:
    writing = Writing(books, KEY, Entry())
    for wallet in (WALLET, OTHER):
        writing.put(BANNED, (wallet,))
    writing.remove(BANNED, (WALLET,))
    (total,) = {int.from_bytes(seal, "big") for _, seal in books.execute("SELECT * FROM banned")}
    assert writing.finish(5, {"banned": []}, {}).sums[TABLES.index(BANNED)] == Sum(1, total)


def test_rows_without_a_key_are_added_beside_each_other(books: apsw.Connection) -> None:
    writing = Writing(books, KEY, Entry())
    row = (b"h" * 32, WALLET, "5", 7, None, 9, OTHER)
    for _ in range(3):
        writing.add(PAID, row)
    total = 3 * int.from_bytes(evidence.seal(KEY, PAID, row), "big") % 2**128
    assert writing.finish(5, {"paid": []}, {}).sums[TABLES.index(PAID)] == Sum(3, total)
    assert list(problems(books, KEY)) == []


def test_all_rows_can_be_taken_as_they_stand(books: apsw.Connection) -> None:
    begin(books)
    charge(books, 1_001, 5)
    books.execute("UPDATE accounts SET wei = '6'")
    books.execute("INSERT INTO banned VALUES (?, x'00')", (WALLET,))
    assert len(list(problems(books, KEY))) == 2
    writing = Writing(books, KEY, last_entry(books))
    writing.seal_all()
    entry = writing.finish(1_002, {"accepted": ["by a test"]}, {})
    assert (entry.accepted, list(problems(books, KEY))) == (True, [])


def test_nothing_is_written_of_nothing(books: apsw.Connection) -> None:
    first = begin(books)
    assert Writing(books, KEY, first).finish(2_000, {}, {"owed": 0}, 50) is first
    assert (first.number, first.saves, first.before) == (1, 1, bytes(32))


@pytest.mark.parametrize(("time", "numbers"), [(1_000, 2), (1_001, 2), (4_599, 2), (4_600, 3), (4_601, 3), (999, 3)])
def test_charges_of_an_hour_share_an_entry(books: apsw.Connection, time: int, numbers: int) -> None:
    begin(books)
    second = charge(books, 1_000, 5)
    assert (second.number, second.what) == (2, {"charged": {"owed": "5", "earned": "0"}})
    third = charge(books, time, 7)
    assert third.number == numbers
    assert third.what["charged"]["owed"] == ("12" if numbers == 2 else "7")
    assert third.began == (1_000 if numbers == 2 else time)
    assert (third.time, third.saves) == (time, 3)
    assert third.before == (second.before if numbers == 2 else second.hash)
    assert last_entry(books) == third
    assert list(problems(books, KEY)) == []


def test_an_entry_of_anything_else_does_not_go_on(books: apsw.Connection) -> None:
    begin(books)
    charge(books, 1_000, 5)
    writing = Writing(books, KEY, last_entry(books))
    writing.put(BANNED, (WALLET,))
    banned = writing.finish(1_000, {"banned": ["x"]}, {"owed": 3})
    assert (banned.number, banned.what) == (3, {"banned": ["x"], "charged": {"owed": "3"}})
    assert charge(books, 1_000, 9).number == 4


def test_the_first_entry_of_empty_books_is_number_one(books: apsw.Connection) -> None:
    assert charge(books, 0, 5).number == 1


@pytest.mark.parametrize(("least", "saves"), [(0, 2), (1, 2), (2, 3), (9, 10)])
def test_saves_are_counted_on_from_what_is_asked(books: apsw.Connection, least: int, saves: int) -> None:
    writing = Writing(books, KEY, begin(books))
    assert writing.finish(5, {"x": []}, {}, least).saves == saves


@pytest.mark.parametrize(("count", "named"), [(499, 499), (500, 500), (501, 501), (507, 501)])
def test_an_entry_names_so_many(books: apsw.Connection, count: int, named: int) -> None:
    entry = Writing(books, KEY, Entry()).finish(5, {"banned": list(range(count))}, {})
    assert len(entry.what["banned"]) == named
    assert entry.what["banned"][-1] == (f"and {count - 500} more" if count > 500 else count - 1)


def test_which_journal_goes_on_from_which_entry(books: apsw.Connection) -> None:
    assert follows(books, Entry())
    assert not follows(books, Entry(1, saves=1))
    first = begin(books)
    second = charge(books, 1_000, 5)
    for entry in (first, second):
        assert follows(books, entry)
    assert not follows(books, replace(first, before=b"\0" * 31 + b"\1"))
    assert not follows(books, replace(second, before=b"\0" * 32))
    assert not follows(books, replace(second, before=b"\xff" * 32))
    assert follows(books, replace(second, saves=second.saves - 1, hash=bytes(32))), "it has gone on since"
    assert not follows(books, replace(second, hash=bytes(32)))
    assert not follows(books, replace(second, saves=second.saves + 1, hash=bytes(32)))
    assert follows(books, replace(second, before=bytes(bytearray(second.before)), hash=bytes(bytearray(second.hash))))
    assert not follows(books, Entry(9, saves=1))
    assert follows(books, Entry(9))


def test_of_an_entry_that_can_not_be_read_the_number_counts(books: apsw.Connection) -> None:
    begin(books)
    charge(books, 1_000, 5)
    books.execute("UPDATE journal SET sums = x'' WHERE number = 2")
    assert last_entry(books) == Entry(2)


@pytest.mark.parametrize("before", [b"\0" * 32, b"\xff" * 32])
def test_an_entry_that_does_not_follow_is_named(books: apsw.Connection, before: bytes) -> None:
    begin(books)
    second = charge(books, 1_000, 5)
    odd = replace(second, before=before).sealed(KEY)
    books.execute("UPDATE journal SET before = ?, hash = ? WHERE number = 2", (odd.before, odd.hash))
    (problem,) = problems(books, KEY)
    assert problem == "entry 2 of the journal, of 1970-01-01 00:16:40Z, doesn't follow the one before it"


def test_when_an_entry_was_written_is_its_last_save(books: apsw.Connection) -> None:
    begin(books)
    charge(books, 1_000, 5)
    charge(books, 1_060, 5)
    books.execute("UPDATE journal SET what = '{}' WHERE number = 2")
    assert list(problems(books, KEY)) == ["entry 2 of the journal, of 1970-01-01 00:17:40Z, was altered"]
    books.execute("DELETE FROM journal WHERE number = 1")
    assert list(problems(books, KEY)) == ["the journal lacks entries before number 2, of 1970-01-01 00:17:40Z"]


def test_a_row_that_was_altered_is_the_one_that_is_named(books: apsw.Connection) -> None:
    begin(books)
    charge(books, 1_000, 5)
    books.execute("UPDATE accounts SET wei = '6'")
    altered = f"accounts: payable 1, wallet 0x{WALLET.hex()} was altered, or is none that this Node wrote"
    assert list(problems(books, KEY)) == [altered]
    assert len(list(problems(books, b"o" * 32))) == 1


def test_a_value_is_shown_in_so_many_characters() -> None:
    assert len(evidence._text("y" * 101)) == len(evidence._text("y" * 100)) == 100
    assert evidence._text("y" * 99) == "y" * 99


@pytest.mark.parametrize("seconds", [10**11 * 10, 10**18, 10**25, -(10**20)])
def test_a_time_that_no_clock_shows_is_a_number_of_seconds(seconds: int) -> None:
    assert time_text(seconds) == f"second {seconds}"
    assert time_text(1_700_000_000) == "2023-11-14 22:13:20Z"
