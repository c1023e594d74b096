"""Books that were altered, rolled back or taken away are noticed at the next start, and named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masq.core.accountant.effects import Earned, Paid, Payment, Save, State, Variant
from masq.core.accountant.ledger import BookEntry
from masq.shell import store
from masq.shell.database import connect
from masq.shell.evidence import HOUR, MOST_ITEMS, evidence_key, row_hash
from masq.shell.inspection import AlteredBooksError
from masq.shell.key_file import KEY_FILE, StoreError, read_key
from masq.shell.ledger import MOST_PROBLEMS, look, look_at_running
from masq.shell.store import Store

WALLET, OTHER, PURSE = b"a" * 20, b"b" * 20, b"c" * 20
PAYMENT = Payment(OTHER, 10**20, 3, 9, WALLET, (Variant(b"raw", b"h" * 32, 10**9, None, 9),))
PAID = Paid(b"p" * 32, OTHER, 10**19, 5, 7, 9, WALLET)
EARNED = Earned(b"e" * 32, WALLET, 10**18, 4, 8)
SAVE = Save(
    (BookEntry(True, WALLET, 100, 5), BookEntry(False, OTHER, 2**125, 6)),
    (PAYMENT,),
    banned=(OTHER,),
    paid=(PAID, PAID),
    earned=(EARNED,),
    config=(("start_block", "7"),),
)


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """The directory of a Node that has saved something, and then something else."""
    made = Store.open(tmp_path, None)
    made.save(SAVE)
    made.save(Save((BookEntry(True, WALLET, 200, 5), BookEntry(True, OTHER, 7, 5))))
    made.save(Save((BookEntry(True, OTHER, 9, 5),)), PURSE)
    made.close()
    return tmp_path


@contextmanager
def with_key(directory: Path) -> Iterator[apsw.Connection]:
    """The database, for who has its key."""
    stored = read_key(directory / KEY_FILE, None)
    assert stored is not None
    connection = connect(directory / "node.db", stored.key)
    try:
        yield connection
    finally:
        connection.close()


def keys_of(directory: Path) -> bytes:
    stored = read_key(directory / KEY_FILE, None)
    assert stored is not None
    return stored.key


def problem_of(directory: Path) -> str:
    with pytest.raises(AlteredBooksError) as raised:
        Store.open(directory, None)
    assert "masq ledger accept" in str(raised.value)
    assert look(directory, None)["problems"][0] == raised.value.problem
    return raised.value.problem


def accepts(directory: Path) -> None:
    """They can be taken as they are: from then on nothing is wrong, and the journal says what was."""
    problem = problem_of(directory)
    Store.open(directory, None, accept="by a test").close()
    again = Store.open(directory, None)
    again.save(Save((BookEntry(True, WALLET, 300, 5),)))
    again.close()
    report = look(directory, None)
    assert report["problems"] == []
    assert report["accepted"][-1]["what"] == {"accepted": [f"by a test: {problem}"]}


ROWS = [
    (
        "UPDATE accounts SET wei = '0' WHERE payable = 1 AND wei = '200'",
        f"accounts: payable 1, wallet 0x{WALLET.hex()}",
    ),
    ("UPDATE accounts SET since = 1 WHERE purse <> x''", f"purse 0x{PURSE.hex()}, wallet 0x{OTHER.hex()} was altered"),
    ("UPDATE accounts SET purse = x'01' WHERE wei = '9'", "purse 0x01"),
    ("INSERT INTO accounts SELECT payable, purse, x'00', wei, since, seal FROM accounts LIMIT 1", "wallet 0x00"),
    ("DELETE FROM accounts WHERE payable = 0", "accounts holds 3 rows, and 4 were written"),
    ("DELETE FROM accounts", "accounts holds 0 rows, and 4 were written"),
    ("UPDATE payments SET wei = '1'", f"payments: hash 0x{PAYMENT.hash.hex()} was altered"),
    ("UPDATE payments SET state = 'done'", "payments"),
    ("DELETE FROM payments", "payments holds 0 rows, and 1 were written"),
    ("DELETE FROM paid WHERE rowid = 2", "paid holds 1 rows, and 2 were written"),
    ("UPDATE paid SET wei = '1' WHERE rowid = 2", f"row 2 of paid (hash 0x{PAID.hash.hex()}) was altered"),
    ("INSERT INTO earned SELECT * FROM earned", "earned holds 2 rows, and 1 were written"),
    ("DELETE FROM banned", "banned holds 0 rows, and 1 were written"),
    ("UPDATE config SET value = '8' WHERE name = 'start_block'", "config: name start_block was altered"),
    ("DELETE FROM journal", "the journal is empty"),
    ("DELETE FROM journal WHERE number = 1", "the journal lacks entries before number 2"),
    ("DELETE FROM journal WHERE number = 2", "the journal lacks entries before number 3"),
    ("DELETE FROM journal WHERE number = 3", "accounts holds 4 rows, and 2 were written"),
    ("UPDATE journal SET time = time + 1 WHERE number = 2", "entry 2 of the journal"),
    ("UPDATE journal SET what = '{}' WHERE number = 3", "entry 3 of the journal"),
    ("UPDATE journal SET accepted = 1 WHERE number = 3", "entry 3 of the journal"),
    ("UPDATE journal SET hash = x'00' WHERE number = 2", "entry 2 of the journal"),
    ("UPDATE journal SET sums = x''", "entry 1 of the journal"),
    ("UPDATE journal SET number = number + 1 WHERE number = 3", "the journal lacks entries before number 4"),
    ("UPDATE journal SET number = 9223372036854775807 WHERE number = 3", "entries before number 9223372036854775807"),
    ("UPDATE journal SET saves = 9223372036854775807 WHERE number = 3", "entry 3 of the journal"),
    ("DROP TABLE banned", "the table banned is missing"),
    ("DROP TABLE journal", "the table journal is missing"),
    (
        "CREATE TRIGGER t AFTER INSERT ON paid BEGIN DELETE FROM accounts; END",
        "a trigger t, which",
    ),
    ('CREATE VIEW "a""b" AS SELECT * FROM paid', 'a view a"b, which'),
    ("CREATE TABLE further (name TEXT)", "a table further, which"),
    ("CREATE INDEX i ON paid (hash)", "an index i, which"),
]


@pytest.mark.parametrize(("change", "words"), ROWS, ids=[words for _, words in ROWS])
def test_a_row_that_was_altered_with_the_key_is_named(books: Path, change: str, words: str) -> None:
    with with_key(books) as connection:
        connection.execute(change)
    assert words in problem_of(books)
    accepts(books)


def test_a_table_of_other_columns_can_t_be_taken_as_it_is(books: Path) -> None:
    with with_key(books) as connection:
        connection.execute("ALTER TABLE banned ADD COLUMN more TEXT")
    assert problem_of(books) == "the table banned has other columns than it was made with"
    with pytest.raises(StoreError, match="can't be taken as they are"):
        Store.open(books, None, accept="by a test")
    assert problem_of(books)


def test_a_row_of_before_is_noticed_though_its_seal_is_true(books: Path) -> None:
    with with_key(books) as connection:
        old = list(connection.execute("SELECT * FROM accounts WHERE payable = 1 AND wei = '200'"))
    again = Store.open(books, None)
    again.save(Save((BookEntry(True, WALLET, 5_000, 5),)))
    again.close()
    with with_key(books) as connection:
        connection.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?, ?)", old[0])
    assert problem_of(books) == "accounts: a row was put back as it had been before"
    accepts(books)


def test_an_older_copy_of_the_database_is_noticed(books: Path) -> None:
    copy = (books / "node.db").read_bytes()
    again = Store.open(books, None)
    for wei in range(3):
        again.save(Save((BookEntry(True, WALLET, wei, 5),)))
    again.close()
    (books / "node.db").write_bytes(copy)
    assert "they are an older copy" in problem_of(books)
    assert "3 saves until" in problem_of(books)
    accepts(books)


@pytest.mark.parametrize("length", [1, 2])
def test_books_that_took_another_way_are_noticed_though_they_are_longer(books: Path, length: int) -> None:
    shutil.copytree(books, books / "twin")
    for directory, count in ((books, length), (books / "twin", 5)):
        again = Store.open(directory, None)
        for number in range(count):
            again.save(Save(paid=(replace(PAID, hash=bytes([count, number]) * 16),)))
        again.close()
    shutil.copy(books / "twin" / "node.db", books / "node.db")
    assert "not the ones that were written here" in problem_of(books)
    accepts(books)


@pytest.mark.parametrize(
    ("accepted", "what"),
    [(1, "{}"), (0, "[]"), (0, '{"banned": 5}'), (0, '{"charged": []}'), (1, '{"accepted": "x"}'), (0, "{")],
)
def test_an_entry_of_odd_words_is_named_and_left_out(books: Path, accepted: int, what: str) -> None:
    """Whoever wrote it had the key, and made it a hash."""
    with with_key(books) as connection:
        key = evidence_key(keys_of(books))
        (row,) = connection.execute("SELECT * FROM journal WHERE number = 3")
        odd = (*row[:4], accepted, what, *row[6:])
        values = (accepted, what, row_hash(key, odd))
        connection.execute("UPDATE journal SET accepted = ?, what = ?, hash = ? WHERE number = 3", values)
    assert "entry 3 of the journal can't be read" in problem_of(books)
    assert [entry["number"] for entry in look(books, None)["last"]] == [1, 2]
    accepts(books)


def test_what_is_named_can_t_steer_a_terminal(books: Path) -> None:
    with with_key(books) as connection:
        connection.execute("UPDATE config SET name = ?, value = 'x'", ("\x1b[2J" + "y" * 5_000,))
    problem = problem_of(books)
    assert "\x1b" not in problem
    assert len(problem) < 300


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (("node.db",), "there are none, and node.head tells of"),
        (("node.db", "node.head"), "there are none, nor a node.head, and their key is there"),
        (("node.db", "node.key"), "there are none, nor their key"),
        (("node.head",), "node.head is missing"),
    ],
)
def test_files_that_were_taken_away_are_missed(books: Path, gone: tuple[str, ...], words: str) -> None:
    for name in gone:
        (books / name).unlink()
    with pytest.raises(AlteredBooksError, match=words):
        Store.open(books, None)
    Store.open(books, None, accept="by a test").close()
    Store.open(books, None).close()
    assert look(books, None)["problems"] == []


def test_a_database_that_was_emptied_is_missed(books: Path) -> None:
    (books / "node.db").write_bytes(b"")
    assert "there are none, and node.head tells of" in problem_of(books)
    accepts(books)


def test_a_database_without_its_key_is_not_begun_anew(books: Path) -> None:
    (books / "node.key").unlink()
    with pytest.raises(StoreError, match=r"node\.key is missing"):
        Store.open(books, None, accept="by a test")


def test_one_slot_of_the_head_file_is_enough(books: Path) -> None:
    good = (books / "node.head").read_bytes()
    assert len(good) == 256
    for at in (5, 60, 100, 133, 190, 230):
        altered = bytearray(good)
        altered[at] ^= 1
        (books / "node.head").write_bytes(altered)
        Store.open(books, None).close()
        (books / "node.head").write_bytes(good)


@pytest.mark.parametrize("content", [b"", b"\0" * 256, b"\xff" * 256, b"\xff" * 100, b"x" * 5_000])
def test_a_damaged_head_file_is_noticed(books: Path, content: bytes) -> None:
    (books / "node.head").write_bytes(content)
    assert "node.head was damaged or altered" in problem_of(books)
    accepts(books)


def test_the_head_file_of_other_books_is_noticed(books: Path) -> None:
    Store.open(books / "other", None).close()
    shutil.copy(books / "other" / "node.head", books / "node.head")
    assert "belongs to other books" in problem_of(books)


@pytest.mark.parametrize("lost", [1, 2, 7])
def test_a_head_file_that_lags_behind_after_a_power_cut_is_nothing(books: Path, lost: int) -> None:
    again = Store.open(books, None)
    head = (books / "node.head").read_bytes()
    for number in range(lost):
        again.save(Save((BookEntry(True, WALLET, number, 5),), paid=(PAID,) if number % 2 else ()))
    again.close()
    (books / "node.head").write_bytes(head)
    Store.open(books, None).close()


def test_a_disk_that_does_not_take_the_head_loses_nothing(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = Store.open(books, None)

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", fail)
        again.save(Save(paid=(PAID,)))
    again.close()
    again = Store.open(books, None)
    again.save(Save(paid=(PAID,)))
    again.close()
    assert look(books, None)["rows"]["paid"] == 4


def test_a_save_that_failed_leaves_no_trace_in_the_evidence(books: Path) -> None:
    again = Store.open(books, None)
    with pytest.raises(StoreError):
        again.save(Save((BookEntry(True, WALLET, 1, 1),), (replace(PAYMENT, nonce=2**64),)))
    again.save(Save((BookEntry(True, WALLET, 2, 1),)))
    again.close()
    assert look(books, None)["problems"] == []


def test_the_journal_tells_of_hours_of_charges_and_of_all_else_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000_000]
    monkeypatch.setattr(store, "time", lambda: clock[0])
    made = Store.open(tmp_path, None)

    def charge(wei: int) -> None:
        clock[0] += 1
        made.save(Save((BookEntry(True, WALLET, wei, 5), BookEntry(False, OTHER, 2 * wei, 5))))

    for wei in (10, 30, 60):
        charge(wei)
    made.save(Save(banned=(OTHER,), entries=(BookEntry(True, WALLET, 0, 5),)))
    charge(5)
    clock[0] += HOUR
    charge(7)
    made.save(Save())
    made.save(Save((BookEntry(True, PURSE, 4, 5), BookEntry(False, WALLET, 4, 5))), PURSE)
    made.close()
    report = look(tmp_path, None)
    assert [entry["what"] for entry in report["last"]] == [
        {"begun": ["schema 5"]},
        {"charged": {"owed": "60", "earned": "120"}},
        {"banned": [f"0x{OTHER.hex()}"], "charged": {"owed": "-60", "earned": "0"}},
        {"charged": {"owed": "5", "earned": "-110"}},
        {"charged": {"owed": "6", "earned": "4"}},
    ]
    assert report["saves"] == 8
    assert [entry["time"] - entry["began"] for entry in report["last"]] == [0, 2, 0, 0, 0]


def test_a_clock_that_was_set_back_begins_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000_000]
    monkeypatch.setattr(store, "time", lambda: clock[0])
    made = Store.open(tmp_path, None)
    for wei in range(3):
        made.save(Save((BookEntry(True, WALLET, wei + 1, 5),)))
        clock[0] -= 10
    made.close()
    assert len(look(tmp_path, None)["last"]) == 4


def test_an_entry_is_bounded_whatever_happens(tmp_path: Path) -> None:
    made = Store.open(tmp_path, None)
    made.save(Save(banned=tuple(number.to_bytes(20, "big") for number in range(MOST_ITEMS + 7))))
    made.close()
    named = look(tmp_path, None)["last"][-1]["what"]["banned"]
    assert len(named) == MOST_ITEMS + 1
    assert named[-1] == "and 7 more"


def test_looking_names_more_than_the_first_problem_and_not_all(tmp_path: Path) -> None:
    made = Store.open(tmp_path, None)
    made.save(Save(tuple(BookEntry(True, number.to_bytes(20, "big"), 1, 1) for number in range(50))))
    made.close()
    with with_key(tmp_path) as connection:
        connection.execute("UPDATE accounts SET wei = '2'")
    assert len(look(tmp_path, None)["problems"]) == MOST_PROBLEMS


def test_books_of_a_node_that_runs_are_looked_into_while_it_saves(books: Path) -> None:
    again = Store.open(books, None)
    report = look_at_running(again)
    again.save(SAVE)
    later = look_at_running(again)
    again.close()
    assert (report["problems"], later["problems"]) == ([], [])
    assert later["saves"] == report["saves"] + 1
    assert {path.name for path in books.iterdir()} == {
        "node.db",
        "node.db-journal",
        "node.head",
        "node.key",
        "node.lock",
    }


WALLETS = st.sampled_from([WALLET, OTHER, PURSE])
ENTRIES = st.builds(BookEntry, st.booleans(), WALLETS, st.integers(-(2**130), 2**130), st.integers(0, 2**40))
PAYMENTS = st.builds(
    lambda number, state: replace(PAYMENT, variants=(Variant(b"r", bytes([number]) * 32, 1, None, 9),), state=state),
    st.integers(0, 3),
    st.sampled_from(State),
)
HASHES = st.integers(0, 3).map(lambda number: bytes([number]) * 32)
SAVES = st.builds(
    Save,
    st.lists(ENTRIES, max_size=3).map(tuple),
    st.lists(PAYMENTS, max_size=2).map(tuple),
    st.lists(HASHES, max_size=2).map(tuple),
    st.lists(WALLETS, max_size=2).map(tuple),
    st.lists(WALLETS, max_size=2).map(tuple),
    st.lists(WALLETS, max_size=1).map(tuple),
    st.lists(st.just(PAID), max_size=2).map(tuple),
    st.lists(st.just(EARNED), max_size=2).map(tuple),
    st.lists(st.tuples(st.sampled_from(["start_block", "head"]), st.just("5")), max_size=2).map(tuple),
)
STEPS = st.tuples(st.sampled_from(["save", "open", "adopt"]), SAVES, st.sampled_from([b"", PURSE]))


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=8))
def test_whatever_is_saved_the_evidence_fits(steps: list[tuple[str, Any, bytes]], tmp_path_factory: Any) -> None:
    directory = tmp_path_factory.mktemp("books")
    made = Store.open(directory, None)
    for what, save, purse in steps:
        if what == "save":
            made.save(save, purse)
        elif what == "adopt":
            made.adopt(PURSE)
        else:
            before = made.load(), made.load(PURSE)
            made.close()
            made = Store.open(directory, None)
            assert (made.load(), made.load(PURSE)) == before
    made.close()
    assert look(directory, None)["problems"] == []
