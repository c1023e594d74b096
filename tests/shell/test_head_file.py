"""The file that tells how far the books have come: whole or not there at all, whatever the disk does."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from tests.older_books import older_books

from masq.shell.head_file import HEAD_FILE, HeadFile
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
