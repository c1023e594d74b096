"""The file that tells how far the books have come: whole or not there at all, whatever the disk does."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.older_books import older_books

from masq.shell.evidence import AlteredError, Entry
from masq.shell.head_file import HEAD_FILE, HeadFile, has_begun
from masq.shell.key_file import StoreError
from masq.shell.ledger import look
from masq.shell.store import Store


def fails(call: str, patch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    patch.setattr(f"masq.shell.head_file.os.{call}", full)


@pytest.mark.parametrize("schema", [1, 2, 3])
@pytest.mark.parametrize("call", ["pwrite", "fsync"])
def test_a_disk_that_is_full_at_an_upgrade_leaves_nothing_that_speaks_against_the_books(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schema: int, call: str
) -> None:
    older_books(tmp_path, schema, [("accounts", (1, b"w" * 20, "7", 5))])
    with monkeypatch.context() as patch, pytest.raises(StoreError, match="No space left"):
        fails(call, patch)
        Store.open(tmp_path, None)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(HEAD_FILE)]
    store = Store.open(tmp_path, None)
    assert [entry.wei for entry in store.load().entries] == [7]
    store.close()


def test_a_new_one_takes_the_place_of_another_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / HEAD_FILE
    HeadFile.begin(path, b"k" * 32).close()
    before = path.read_bytes()
    assert len(before) == 256
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        fails("pwrite", patch)
        HeadFile.begin(path, b"o" * 32)
    assert path.read_bytes() == before
    HeadFile.begin(path, b"o" * 32).close()
    opened = HeadFile.open(path, b"o" * 32)
    assert opened is not None
    assert opened.last.saves == 0
    opened.close()
    assert list(tmp_path.iterdir()) == [path]


def test_one_that_can_not_be_opened_is_named(tmp_path: Path) -> None:
    Store.open(tmp_path, None).close()
    (tmp_path / HEAD_FILE).unlink()
    (tmp_path / HEAD_FILE).mkdir()
    for use in (lambda: Store.open(tmp_path, None), lambda: look(tmp_path, None)):
        with pytest.raises(StoreError, match=r"node\.head can't be used: Is a directory"):
            use()


def test_a_damaged_one_is_one_problem(tmp_path: Path) -> None:
    Store.open(tmp_path, None).close()
    (tmp_path / HEAD_FILE).write_bytes(b"")
    (problem,) = look(tmp_path, None)["problems"]
    assert "damaged" in problem


def test_what_is_written_is_read_again_slot_by_slot(tmp_path: Path) -> None:
    path, key = tmp_path / HEAD_FILE, b"k" * 32
    file = HeadFile.begin(path, key)
    assert not has_begun(path)
    assert path.stat().st_mode & 0o777 == 0o600
    entries = [Entry(7 + saves, 5, 9, saves, before=b"b" * 32, hash=bytes([saves]) * 32) for saves in range(1, 6)]
    for entry in entries:
        file.write(entry)
        assert file.last is entry
        opened = HeadFile.open(path, key)
        assert opened is not None
        assert opened.last == replace(entry, began=entry.time)
        opened.close()
        assert has_begun(path)
    file.close()
    content = path.read_bytes()
    assert len(content) == 256
    path.write_bytes(content[:128] + bytes(128))
    opened = HeadFile.open(path, key)
    assert opened is not None
    assert opened.last.saves == 4, "the other slot is the save before"
    opened.close()
    path.write_bytes(bytes(128) + content[128:])
    assert has_begun(path)
    path.write_bytes(content[:127])
    found, why = HeadFile.find(path, key)
    assert (found is not None, why) == (True, "")
    assert found is not None
    found.close()
    path.write_bytes(content[:100])
    found, why = HeadFile.find(path, key)
    assert found is None
    assert "node.head was damaged" in why
    assert HeadFile.find(tmp_path / "none", key) == (None, "")
    assert not has_begun(tmp_path / "none")


@pytest.mark.parametrize("at", [0, 7, 8, 15, 16, 23, 24, 55, 56, 87, 88, 119])
def test_no_byte_of_a_slot_can_be_changed(tmp_path: Path, at: int) -> None:
    path, key = tmp_path / HEAD_FILE, b"k" * 32
    file = HeadFile.begin(path, key)
    file.write(Entry(1, 5, 9, 2, before=b"b" * 32, hash=b"h" * 32))
    file.close()
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(AlteredError, match="damaged or altered"):
        HeadFile.open(path, key)
