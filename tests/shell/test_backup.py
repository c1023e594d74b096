"""Backups: all or nothing, for who knows the password alone, and as of one moment."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.shell.test_key_file import killed_at

from masq.core.accountant.effects import Save
from masq.core.accountant.ledger import BookEntry
from masq.shell import backup
from masq.shell.backup import ASIDE, READY, finish_restore, stage_backup, write_backup
from masq.shell.database import alone
from masq.shell.key_file import StoreError
from masq.shell.store import SNAPSHOT_HEAD, Store

FILES: dict[str, Path | bytes] = {"node.db": b"d" * 200_000, "node.key": b"k", "config.toml": b"c"}
ENTRY = BookEntry(True, b"a" * 20, 7, 5)


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "MEMORY", 8192)


def restored(file: Path, password: str, directory: Path) -> None:
    with alone(directory):
        stage_backup(file, password, directory)
        finish_restore(directory)


def test_what_went_in_comes_out(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert write_backup(file, "one", FILES) == file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"dddd" not in file.read_bytes()
    restored(file, "one", tmp_path / "node")
    for name, content in FILES.items():
        assert (tmp_path / "node" / name).read_bytes() == content
    assert {path.name for path in (tmp_path / "node").iterdir()} == {*FILES, "node.lock", ASIDE}


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(StoreError, match="there already"):
        write_backup(file, "one", FILES)
    assert file.read_text() == "mine"
    with pytest.raises(StoreError, match="can't be written"):
        write_backup(tmp_path / "no" / "file", "one", FILES)


def test_every_alteration_is_noticed_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_backup(file, "one", FILES)
    good = file.read_bytes()
    bad = [good[:size] for size in (0, 5, 61, len(good) // 2, len(good) - 1)] + [good + b"x"]
    for at in (*range(0, 100, 7), *range(100, len(good), 30_011)):
        altered = bytearray(good)
        altered[at] ^= 1
        bad.append(bytes(altered))
    pieces = 66 + 4 + (1 << 16) + 17
    second = good[pieces : pieces + pieces - 66]
    bad.append(good[:pieces] + second + second + good[pieces + len(second) :])
    for content in bad:
        file.write_bytes(content)
        with pytest.raises(StoreError, match=r"altered|no backup"):
            restored(file, "one", tmp_path / "node")
    file.write_bytes(good)
    with pytest.raises(StoreError, match="the password is wrong"):
        restored(file, "two", tmp_path / "node")
    assert {path.name for path in (tmp_path / "node").iterdir()} == {"node.lock"}


def test_only_files_of_a_node_are_taken(tmp_path: Path) -> None:
    holdings: tuple[dict[str, Path | bytes], ...] = ({**FILES, "../evil": b""}, {"config.toml": b""})
    for number, files in enumerate(holdings):
        write_backup(tmp_path / f"file{number}", "one", files)
        with pytest.raises(StoreError, match="nothing was changed"):
            restored(tmp_path / f"file{number}", "one", tmp_path / "node")
    assert not (tmp_path / "evil").exists()


def test_a_kill_at_any_step_of_a_restore_is_gone_on_from(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_backup(file, "one", FILES)
    for step in range(200):
        directory = tmp_path / str(step)
        directory.mkdir()
        for name in ("node.db", "node.db-journal", "node.key", "node.head"):
            (directory / name).write_bytes(b"old")
        killed = killed_at(step, lambda directory=directory: restored(file, "one", directory))  # type: ignore[misc]
        began = (directory / READY).exists() or (directory / "node.db").read_bytes() != b"old"
        finish_restore(directory)
        if began:
            assert {name: (directory / name).read_bytes() for name in FILES} == FILES
            assert not (directory / "node.head").exists()
            assert not (directory / "node.db-journal").exists()
            assert (directory / ASIDE / "node.head").read_bytes() == b"old"
            assert (directory / ASIDE / "node.db").read_bytes() == b"old"
        else:
            assert (directory / "node.key").read_bytes() == b"old"
        if not killed:
            break
    assert not killed
    assert step > 10


def test_a_snapshot_while_it_is_written_to_is_of_one_moment(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "node", "secret")
    wallets = [number.to_bytes(20, "big") for number in range(3_000)]
    store.save(Save(tuple(BookEntry(True, wallet, 0, 1) for wallet in wallets)))
    found: list[Path] = []
    thread = threading.Thread(target=lambda: found.append(store.snapshot()))
    thread.start()
    amount = 0
    while thread.is_alive() and amount < 5_000:
        amount += 1
        store.save(Save((BookEntry(True, wallets[0], amount, 1), BookEntry(True, wallets[-1], amount, 1))))
    thread.join()
    assert found[0].stat().st_mode & 0o777 == 0o600
    files = {
        "node.db": found[0],
        "node.head": found[0].with_name(SNAPSHOT_HEAD),
        "node.key": tmp_path / "node" / "node.key",
    }
    write_backup(tmp_path / "file", "one", files)
    store.close()
    restored(tmp_path / "file", "one", tmp_path / "other")
    again = Store.open(tmp_path / "other", "secret")
    held = {entry.wallet: entry.wei for entry in again.load().entries}
    again.close()
    assert len(held) == len(wallets)
    assert held[wallets[0]] == held[wallets[-1]]


def test_a_snapshot_that_was_left_behind_goes_at_the_next_start(tmp_path: Path) -> None:
    store = Store.open(tmp_path, None)
    left = store.snapshot()
    store.close()
    assert left.exists()
    Store.open(tmp_path, None).close()
    assert not left.exists()
