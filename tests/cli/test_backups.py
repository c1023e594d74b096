"""`masq backup`, `masq restore` and `masq wallet password` in real processes, with and without a Node that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.test_wallets import masq
from tests.running import Running

from masq.core.accountant.effects import Save
from masq.core.accountant.ledger import BookEntry
from masq.shell.store import Store, StoreError

ENTRY = BookEntry(True, b"a" * 20, 7, 5)
NUMBER = 91


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    store = Store.open(tmp_path / str(NUMBER), "secret")
    store.save(Save((ENTRY,)))
    store.close()
    node = Running(tmp_path, NUMBER)
    yield node
    node.stop()


def entries(directory: Path, password: str) -> tuple[BookEntry, ...]:
    store = Store.open(directory, password)
    found = store.load().entries
    store.close()
    return found


def test_a_node_that_runs_is_backed_up_and_restored_elsewhere(running: Running, tmp_path: Path) -> None:
    there = ("--data-directory", str(running.directory))
    (running.directory / "config.toml").write_text("min-hops = 2\n")
    made = masq("backup", "copy.masq", *there, home=tmp_path, stdin="of the backup\n")
    assert (made.returncode, made.stderr) == (0, "")
    assert not (running.directory / "node.snapshot").exists()
    refused = masq("restore", "copy.masq", *there, home=tmp_path, stdin="of the backup\n")
    assert refused.returncode == 1
    assert "another Node is using" in refused.stderr
    wrong = masq("restore", "copy.masq", "--data-directory", "new", home=tmp_path, stdin="wrong\n")
    assert wrong.returncode == 1
    assert "the password is wrong" in wrong.stderr
    back = masq("restore", "copy.masq", "--data-directory", "new", home=tmp_path, stdin="of the backup\n")
    assert (back.returncode, back.stderr) == (0, "")
    assert "node.db" in back.stdout
    assert entries(tmp_path / "new", "secret") == (ENTRY,)
    assert (tmp_path / "new" / "config.toml").read_text() == "min-hops = 2\n"
    again = masq("restore", "copy.masq", "--data-directory", "new", home=tmp_path, stdin="of the backup\n")
    assert again.returncode == 1
    assert "--replace" in again.stderr
    replaced = masq(
        "restore", "copy.masq", "--replace", "--data-directory", "new", home=tmp_path, stdin="of the backup"
    )
    assert replaced.returncode == 0
    assert (tmp_path / "new" / "before-restore" / "node.db").exists()


def test_the_password_of_a_node_that_runs_is_changed(running: Running, tmp_path: Path) -> None:
    """S72."""
    there = ("--data-directory", str(running.directory))
    wrong = masq("wallet", "password", *there, home=tmp_path, stdin="nonsense\nnew one\n")
    assert wrong.returncode == 1
    assert "the password is wrong" in wrong.stderr
    empty = masq("wallet", "password", *there, home=tmp_path, stdin="secret\n")
    assert empty.returncode == 2
    assert "--remove" in empty.stderr
    changed = masq("wallet", "password", *there, home=tmp_path, stdin="secret\nnew one\n")
    assert (changed.returncode, changed.stderr) == (0, "")
    running.stop()
    assert entries(running.directory, "new one") == (ENTRY,)
    with pytest.raises(StoreError, match="the password is wrong"):
        Store.open(running.directory, "secret")


def test_a_node_that_rests_is_backed_up(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "node", None)
    store.save(Save((ENTRY,)))
    store.close()
    there = ("--data-directory", "node")
    assert masq("backup", "copy.masq", *there, home=tmp_path).stderr.startswith("masq: password: a backup has one")
    assert masq("backup", "copy.masq", *there, home=tmp_path, stdin="one\n").returncode == 0
    assert "there already" in masq("backup", "copy.masq", *there, home=tmp_path, stdin="one\n").stderr
    assert masq("restore", "copy.masq", "--data-directory", "new", home=tmp_path, stdin="one\n").returncode == 0
    assert entries(tmp_path / "new", "") == (ENTRY,)


def test_where_no_node_was_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    result = masq("backup", "copy.masq", "--data-directory", "none", home=tmp_path, stdin="one\n")
    assert result.returncode == 1
    assert "no Node has been run" in result.stderr
    assert not (tmp_path / "none").exists()
    missing = masq("restore", "copy.masq", "--data-directory", "none", home=tmp_path, stdin="one\n")
    assert missing.stderr.startswith("masq: there is no file")
