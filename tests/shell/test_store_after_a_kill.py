"""What a killed Node leaves behind: all that was saved is in the one file that the cipher guards."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from masq.core.accountant.effects import Payment, Save, Variant
from masq.core.accountant.ledger import BookEntry
from masq.shell.store import Store, StoreError

PAYMENT = Payment(b"b" * 20, 10**20, 3, 9, b"p" * 20, (Variant(b"raw" * 60, b"h" * 32, 10**9, None, 9),))
TEXT = repr(PAYMENT).replace(repr(PAYMENT.state), "State.SIGNED")
COUNT = 20
FILES = {"node.db", "node.db-journal", "node.head", "node.key", "node.lock"}

_PROGRAM = f"""
import sys, time
from pathlib import Path
from masq.core.accountant.effects import Payment, Save, State, Variant
from masq.core.accountant.ledger import BookEntry
from masq.shell.store import Store
store = Store.open(Path(sys.argv[1]), None)
for n in range({COUNT}):
    store.save(Save((BookEntry(True, bytes([n]) * 20, 2**100 + n, 5),)))
store.save(Save(payments=({TEXT},)))
print("saved", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a Node that was killed right after it had saved a payment."""
    directory = tmp_path_factory.mktemp("killed")
    with subprocess.Popen([sys.executable, "-c", _PROGRAM, str(directory)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"saved\n"
        process.send_signal(signal.SIGKILL)
    return directory


def test_no_other_file_is_needed(killed: Path, tmp_path: Path) -> None:
    assert {path.name for path in killed.iterdir()} == FILES
    assert (killed / "node.db-journal").stat().st_size == 0
    shutil.copytree(killed, tmp_path / "copy")
    (tmp_path / "copy" / "node.db-journal").unlink()
    store = Store.open(tmp_path / "copy", None)
    state = store.load()
    assert state.payments == (PAYMENT,)
    assert len(state.entries) == COUNT
    store.close()


def test_every_flipped_bit_is_noticed(killed: Path, tmp_path: Path) -> None:
    directory = tmp_path / "copy"
    shutil.copytree(killed, directory)
    path = directory / "node.db"
    good = path.read_bytes()
    # All of the first page's beginning, where SQLite keeps what it reads before it decrypts; samples of the rest.
    for at in (*range(128), *range(128, len(good), 257)):
        altered = bytearray(good)
        altered[at] ^= 1 << at % 8
        path.write_bytes(altered)
        with pytest.raises(StoreError, match=r"altered|password"):
            Store.open(directory, None)


def test_a_save_that_was_cut_off_is_undone_whole(tmp_path: Path) -> None:
    """The kill comes when pages of the database were overwritten already, as a save of many accounts does."""
    store = Store.open(tmp_path / "node", None)
    before = tuple(BookEntry(True, number.to_bytes(20, "big"), 1, 1) for number in range(2_000))
    store.save(Save(before))
    connection = store._connection
    connection.pragma("cache_size", 5)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE accounts SET wei = '2'")
    shutil.copytree(tmp_path / "node", tmp_path / "copy")
    connection.execute("ROLLBACK")
    store.close()
    assert (tmp_path / "copy" / "node.db-journal").stat().st_size > 4096
    again = Store.open(tmp_path / "copy", None)
    assert set(again.load().entries) == set(before)
    again.close()


def test_a_number_that_no_column_holds_is_an_error_of_the_store(tmp_path: Path) -> None:
    store = Store.open(tmp_path, None)
    with pytest.raises(StoreError):
        store.save(Save((BookEntry(True, b"a" * 20, 1, 1),), (replace(PAYMENT, nonce=2**64),)))
    assert store.load().entries == ()
    store.close()
