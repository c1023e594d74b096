"""`masq financials` in real processes: of a Node that runs and of one that rests, in three forms."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_wallets import masq
from tests.running import Running

from masq.cli.financials import COLUMNS, lines_of, moment_of
from masq.cli.tally import Wish
from masq.core.accountant.effects import Earned, Paid, Payment, Save, State, Variant
from masq.core.accountant.ledger import BookEntry
from masq.errors import SettingError
from masq.shell.store import Store

A, B, C, PURSE = (bytes([number]) * 20 for number in (1, 2, 3, 4))
MASQ = 10**18
NOON = 1_800_014_400
"""2027-01-15, 12:00 UTC."""
BOOKS = Save(
    entries=(BookEntry(True, A, 3 * MASQ, NOON), BookEntry(False, B, 2 * MASQ, NOON), BookEntry(False, C, -7, NOON)),
    payments=(Payment(A, MASQ, 0, NOON, C, (Variant(b"r", b"h" * 32, 1, None, NOON),), State.SENT),),
    paid=(
        Paid(b"\xaa" * 32, A, 10 * MASQ + 1, 70, 21_000 * 10**9, NOON, C),
        Paid(b"\xbb" * 32, B, 2**100, 71, None, NOON + 86_400),
    ),
    earned=(Earned(b"\xcc" * 32, C, 5, 72, NOON + 1), Earned(b"\xcc" * 32, C, -5, 72, NOON + 2)),
)
RECEIPTS = [
    line.format(a=f"0x{A.hex()},0x{'aa' * 32}", b=f"0x{B.hex()},0x{'bb' * 32}", c=f"0x{C.hex()},0x{'cc' * 32}").split(
        ","
    )
    for line in (
        "2027-01-15T12:00:00Z,paid,10.000000000000000001,10000000000000000001,{a},70,21000000000000,0x" + C.hex(),
        "2027-01-15T12:00:01Z,earned,0.000000000000000005,5,{c},72,,",
        "2027-01-15T12:00:02Z,undone,-0.000000000000000005,-5,{c},72,,",
        "2027-01-16T12:00:00Z,paid,1267650600228.229401496703205376,1267650600228229401496703205376,{b},71,,",
    )
]


def written(directory: Path, password: str | None) -> Path:
    store = Store.open(directory, password)
    store.save(BOOKS)
    store.save(Save((BookEntry(True, B, MASQ, NOON),)), PURSE)
    store.close()
    return directory


def test_of_a_node_that_runs_and_of_one_that_rests_it_says_the_same(tmp_path: Path) -> None:
    """S83."""
    number = 92
    directory = written(tmp_path / str(number), "secret")
    words = ("financials", "--json", "--receipts", "--data-directory", str(directory))
    rests = masq(*words, home=tmp_path, stdin="secret\n")
    assert (rests.returncode, rests.stderr) == (0, "")
    node = Running(tmp_path, number)
    try:
        runs = masq(*words, home=tmp_path)
    finally:
        node.stop()
    assert (runs.returncode, runs.stderr) == (0, "")
    assert json.loads(runs.stdout) == json.loads(rests.stdout)
    found = json.loads(runs.stdout)
    assert [[each["kind"], each["wei"], each["fee_wei"]] for each in found["receipts"]] == [
        [row[1], row[3], row[7] or None] for row in RECEIPTS
    ]
    assert found["paid"]["wei"] == str(2**100 + 10 * MASQ + 1)
    assert (found["paid"]["fees_wei"], found["paid"]["fees_unknown"]) == (str(21_000 * 10**9), 1)
    assert (found["earned"]["wei"], found["earned"]["undone_wei"], found["earned"]["times"]) == ("0", "5", 2)
    owed = [(row["wallet"], row["wei"]) for row in found["payables"]["top"]]
    assert owed == [(f"0x{A.hex()}", str(3 * MASQ)), (f"0x{B.hex()}", str(MASQ))], "further wallets owe, too"
    assert found["payables"]["under_way_wei"] == str(MASQ)
    assert (found["receivables"]["wei"], found["receivables"]["credit_wei"]) == (str(2 * MASQ), "7")
    wrong = masq(*words, home=tmp_path, stdin="another\n")
    assert wrong.returncode == 1
    assert "the password is wrong" in wrong.stderr


def test_each_transfer_is_a_line_of_csv(tmp_path: Path) -> None:
    there = ("--data-directory", str(written(tmp_path / "node", None)))
    found = masq("financials", "--csv", *there, home=tmp_path)
    assert list(csv.reader(io.StringIO(found.stdout))) == [list(COLUMNS), *RECEIPTS]
    some = masq("financials", "--csv", "--since", "2027-01-16", *there, home=tmp_path)
    assert list(csv.reader(io.StringIO(some.stdout))) == [list(COLUMNS), RECEIPTS[3]]
    none = masq("financials", "--csv", "--until", "2027-01-15T12:00:00+00:00", *there, home=tmp_path)
    assert none.stdout.splitlines() == [",".join(COLUMNS)]


def test_people_see_sums_and_the_largest(tmp_path: Path) -> None:
    there = ("--data-directory", str(written(tmp_path / "node", None)))
    text = masq("financials", "--receipts", "--top", "1", *there, home=tmp_path).stdout
    assert "2027-01-15T12:00:02Z  undone" in text
    assert "Owed to us  2 MASQ now, by 1" in text
    assert "(of 1 it isn't known)" in text
    paid = text.split("Paid most to")[1].split("Earned most")[0]
    assert B.hex() in paid
    assert A.hex() not in paid


def test_where_no_node_ever_ran_there_is_nothing_and_nothing_is_made(tmp_path: Path) -> None:
    """S83."""
    found = masq("financials", "--data-directory", "nowhere", home=tmp_path)
    assert found.returncode == 1
    assert "no Node has been run" in found.stderr
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--csv", "--json"),
        ("--since", "yesterday"),
        ("--since", "9999999999d"),
        ("--since", "2027-01-02", "--until", "2027-01-01"),
        ("--least", "1.0000000000000000001"),
        ("--least", "-1"),
        ("--most", "9" * 19),
        ("--least", "2", "--most", "1"),
        ("--older", "30"),
        ("--younger", "٣d"),
        ("--older", "2d", "--younger", "1d"),
        ("--top", "-1"),
        ("--top", "1001"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    """S68."""
    found = masq("financials", *words, home=tmp_path)
    assert (found.returncode, found.stdout) == (2, "")
    assert words[-2] in found.stderr or words[-1] in found.stderr or words[0] in found.stderr


@pytest.mark.parametrize(
    ("text", "unix"),
    [("2027-01-15", NOON - 43_200), ("2027-01-15T13:00+01:00", NOON), ("2027-01-15T12:00:00Z", NOON), ("2h", NOON)],
)
def test_how_times_are_read(text: str, unix: int) -> None:
    assert moment_of("--since", text, NOON + 7_200) == unix


def test_a_time_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(SettingError):
        moment_of("--since", "2027-99-01", 0)


def test_empty_books_are_shown_as_such() -> None:
    """S69."""
    nothing: dict[str, Any] = {"wei": "0", "top": []}
    flow = {**nothing, "times": 0, "wallets": 0, "fees_wei": "0", "fees_unknown": 0, "undone_wei": "0"}
    book = {**nothing, "credit_wei": "0", "accounts": 0, "under_way_wei": "0"}
    lines = lines_of({"paid": flow, "earned": flow, "payables": book, "receivables": book}, Wish(since=0, until=60))
    assert lines[0] == "Transfers   from 1970-01-01T00:00:00Z until 1970-01-01T00:01:00Z"
    assert lines[1] == "Paid        0 MASQ in no transfers"
    assert len(lines) == 8
