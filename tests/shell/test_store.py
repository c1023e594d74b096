"""The Node's memory: nothing half-written, nothing altered unnoticed, a clear text for everything that goes wrong."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from masq.core.accountant.accountant import SavedState
from masq.core.accountant.effects import Payment, Save, Variant
from masq.core.accountant.ledger import BookEntry
from masq.shell.schema import SCHEMA
from masq.shell.store import Store, StoreBusyError, StoreError

WALLET, OTHER, PURSE = b"a" * 20, b"b" * 20, b"c" * 20
PAYMENT = Payment(
    OTHER, 10**20, 3, 9, WALLET, (Variant(b"raw", b"h" * 32, 10**9, None, 9), Variant(b"w", b"i" * 32, 2**200, 7, 10))
)
SAVE = Save(
    (BookEntry(True, WALLET, -(2**100), 5), BookEntry(False, OTHER, 2**125, 6)),
    (PAYMENT,),
    banned=(WALLET,),
    config=(("start_block", "7"), ("known_income", "{}"), ("other", "väl")),
)


def test_what_is_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "secret")
    store.save(SAVE)
    store.close()
    again = Store.open(tmp_path, "secret")
    state = again.load()
    assert set(state.entries) == set(SAVE.entries)
    assert state.payments == (PAYMENT,)
    assert state.banned == (WALLET,)
    assert (state.start_block, state.known_income) == (7, "{}")
    assert again.get("other") == "väl"
    assert again.get("missing") is None
    again.save(Save(ended_payments=(PAYMENT.hash,), released=(WALLET,)))
    assert again.load().payments == ()
    assert again.load().banned == ()
    again.close()
    assert (tmp_path / "node.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "node.key").stat().st_mode & 0o777 == 0o600


def test_nothing_of_it_can_be_read_without_the_key(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "secret")
    store.set("cryptde", "a-very-secret-text")
    store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"a-very-secret-text" not in content
    assert b"SQLite format" not in content


@pytest.mark.parametrize("password", ["wrong", None, ""])
def test_a_wrong_password_is_said_to_be_one(tmp_path: Path, password: str | None) -> None:
    """S71, S79: without its password a database is not opened at all."""
    Store.open(tmp_path, "secret").close()
    with pytest.raises(StoreError, match="password"):
        Store.open(tmp_path, password)


def test_a_store_made_without_password_opens_without(tmp_path: Path) -> None:
    """S71."""
    Store.open(tmp_path, None).close()
    Store.open(tmp_path, None).close()
    with pytest.raises(StoreError, match="without a password"):
        Store.open(tmp_path, "secret")


def test_a_second_node_is_refused(tmp_path: Path) -> None:
    store = Store.open(tmp_path, None)
    with pytest.raises(StoreError, match="another Node"):
        Store.open(tmp_path, None)
    store.close()
    Store.open(tmp_path, None).close()


def test_every_altered_byte_is_noticed(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "secret")
    store.save(SAVE)
    store.close()
    path = tmp_path / "node.db"
    good = path.read_bytes()
    for at in range(0, len(good), 397):
        altered = bytearray(good)
        altered[at] ^= 1
        path.write_bytes(altered)
        with pytest.raises(StoreError, match=r"altered|password"):
            Store.open(tmp_path, "secret").load()
    path.write_bytes(good)
    Store.open(tmp_path, "secret").close()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"salt": 5}', b'{"salt": "zz"}'])
def test_a_damaged_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    Store.open(tmp_path, None).close()
    (tmp_path / "node.key").write_bytes(content)
    with pytest.raises(StoreError, match=r"node\.key"):
        Store.open(tmp_path, None)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    store = Store.open(tmp_path, None)
    store.save(SAVE)
    store.close()
    (tmp_path / "node.key").unlink()
    with pytest.raises(StoreError, match=r"node\.key is missing"):
        Store.open(tmp_path, None)


def test_each_wallet_has_books_of_its_own(tmp_path: Path) -> None:
    store = Store.open(tmp_path, None)
    store.save(SAVE)
    before = store.load()
    of_purse = Save(
        entries=(BookEntry(True, OTHER, 2**100, 9),),
        payments=(replace(PAYMENT, variants=(Variant(b"of", b"j" * 32, 1, None, 9),)),),
        config=(("outgo_block", "7"), ("known_outgo", "x"), ("head", "y")),
    )
    store.save(of_purse, PURSE)
    store.close()
    again = Store.open(tmp_path, None)
    assert again.load() == before
    found = again.load(PURSE)
    assert (found.entries, found.payments) == (of_purse.entries, of_purse.payments)
    assert (found.outgo_block, found.known_outgo, found.head) == (7, "x", "y")
    assert again.load(b"p" * 20) == SavedState()
    assert again.further == {PURSE: 2**100}
    again.close()


def test_a_further_wallet_that_becomes_the_default_one_brings_its_debts_along(tmp_path: Path) -> None:
    store = Store.open(tmp_path, None)
    store.save(Save(entries=(BookEntry(True, OTHER, 3, 20), BookEntry(False, OTHER, 8, 1))))
    store.save(Save(entries=(BookEntry(True, OTHER, 5, 10), BookEntry(True, PURSE, 1, 7))), PURSE)
    store.save(Save(payments=(PAYMENT,)), PURSE)
    store.adopt(PURSE)
    store.adopt(PURSE)  # Twice is once.
    assert set(store.load().entries) == {
        BookEntry(True, OTHER, 8, 10),
        BookEntry(True, PURSE, 1, 7),
        BookEntry(False, OTHER, 8, 1),
    }
    assert store.load().payments == (PAYMENT,)
    assert not store.further
    store.close()


def test_a_store_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    store = Store.open(tmp_path, None)
    store.save(SAVE)
    store._connection.pragma("user_version", SCHEMA + 1)
    store.close()
    with pytest.raises(StoreError, match="newer version"):
        Store.open(tmp_path, None)
    with pytest.raises(StoreError, match="newer version"):
        Store.open(tmp_path, None)


def test_a_directory_that_can_t_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="data directory"):
        Store.open(tmp_path / "file", None)


def test_a_full_disk_leaves_the_old_book_whole(tmp_path: Path) -> None:
    """S21."""
    store = Store.open(tmp_path, None)
    store.save(SAVE)
    store._connection.pragma("max_page_count", 8)
    many = tuple(BookEntry(True, number.to_bytes(20, "big"), 1, 1) for number in range(5_000))
    with pytest.raises(StoreError, match="disk is full"):
        store.save(Save(many, config=(("start_block", "99"),)))
    store.close()
    again = Store.open(tmp_path, None)
    assert set(again.load().entries) == set(SAVE.entries)
    assert again.load().start_block == 7
    again.close()


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Numbers below this one are in use, or will be.
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    taken = []
    try:
        while True:
            try:
                taken.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_save_needs_no_new_descriptor(tmp_path: Path) -> None:
    """Not the first one after a start either, nor a large one, nor one after a save that failed."""
    Store.open(tmp_path, "secret").close()
    store = Store.open(tmp_path, "secret")
    many = tuple(BookEntry(True, number.to_bytes(20, "big"), 1, 1) for number in range(20_000))
    with no_descriptor_left():
        store.save(SAVE)
        with pytest.raises(StoreError):
            store.save(Save((BookEntry(True, b"c" * 20, 1, 1),), (replace(PAYMENT, nonce=2**64),)))
        store.save(Save(many, banned=(OTHER,)))
    assert len(store.load().entries) == len(many) + 2
    store.close()


def test_what_may_succeed_later_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store.open(tmp_path, None)
    store.save(SAVE)
    store._connection.pragma("query_only", True)
    with pytest.raises(StoreBusyError):
        store.save(Save((BookEntry(True, WALLET, 1, 1),)))
    store._connection.pragma("query_only", False)
    assert set(store.load().entries) == set(SAVE.entries)
    store.save(Save((BookEntry(True, WALLET, 1, 1),)))
    store.close()


def test_a_process_that_is_killed_while_saving_leaves_whole_saves(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from masq.shell.store import Store\n"
        "from masq.core.accountant.effects import Save; from masq.core.accountant.ledger import BookEntry\n"
        "store = Store.open(Path(sys.argv[1]), None)\n"
        "for n in range(10**6):\n"
        "    store.save(Save(tuple(BookEntry(p, bytes(20), n, 1) for p in (True, False)), config=(('n', str(n)),)))\n"
        "    if n == 5: print('going', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    store = Store.open(tmp_path, None)
    number = store.get("n")
    assert number is not None
    assert {entry.wei for entry in store.load().entries} == {int(number)}
    store.close()
