"""A disk that fails at the one moment of a save at which nobody knows whether it was done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

from masq.core.accountant.effects import Paid, Save
from masq.core.accountant.ledger import BookEntry
from masq.shell.ledger import look
from masq.shell.store import Store, StoreBusyError, StoreError

PAID = Paid(b"p" * 32, b"c" * 20, 10**19, 5, 7, 9, b"w" * 20)


class Disk(apsw.VFS):
    """SQLite's own, but for what is to fail: `call` of a file whose name ends in `of`, `times` times."""

    def __init__(self) -> None:
        super().__init__("failing", base="")
        self.call, self.of, self.times = "", "", 0

    def xOpen(self, name: Any, flags: Any) -> apsw.VFSFile:
        return _File(self, name, flags)

    def fails(self, call: str, name: str) -> bool:
        if self.times and (call, self.of) == (self.call, name[-len(self.of) :]):
            self.times -= 1
            return True
        return False


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: Any) -> None:
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._emptied = False
        super().__init__("unix", name, flags)

    def xTruncate(self, size: int) -> None:
        self._emptied = True
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        emptied, self._emptied = self._emptied, False
        if self._disk.fails("sync emptied" if emptied else "sync", self._name):
            raise apsw.IOError("disk I/O error")
        super().xSync(flags)


DISK = Disk()
"""SQLite's ciphers keep what they know of it for as long as the process lives: so there is one."""


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    def connect(path: Path, key: bytes) -> apsw.Connection:
        connection = apsw.Connection(str(path), vfs="multipleciphers-failing")
        connection.pragma("cipher", "chacha20")
        connection.pragma("key", f"raw:{key.hex()}")
        return connection

    monkeypatch.setattr("masq.shell.store.connect", connect)
    DISK.times = 0
    return DISK


def save_of(wei: int, paid: tuple[Paid, ...]) -> Save:
    return Save((BookEntry(True, b"w" * 20, wei, 1),), paid=paid)


def found(directory: Path) -> tuple[list[int], int]:
    """Wei owed, and how many transfers are in the history; the evidence fits."""
    assert look(directory, None)["problems"] == []
    store = Store.open(directory, None)
    entries = [entry.wei for entry in store.load().entries]
    count = len(store.history("paid", "").rows)
    store.close()
    return entries, count


@pytest.mark.parametrize("paid", [(), (PAID,)], ids=["charges", "a payment"])
def test_a_save_that_is_done_though_its_end_failed_is_not_done_again(
    tmp_path: Path, disk: Disk, paid: tuple[Paid, ...]
) -> None:
    store = Store.open(tmp_path, None)
    store.save(save_of(5, ()))
    disk.call, disk.of, disk.times = "sync emptied", "-journal", 1
    store.save(save_of(6, paid))
    assert disk.times == 0
    store.save(save_of(7, ()))
    store.close()
    assert found(tmp_path) == ([7], len(paid))


@pytest.mark.parametrize("of", ["-journal", "node.db"])
def test_a_save_that_failed_before_its_end_may_be_done_again(tmp_path: Path, disk: Disk, of: str) -> None:
    store = Store.open(tmp_path, None)
    store.save(save_of(5, ()))
    disk.call, disk.of, disk.times = "sync", of, 1
    with pytest.raises(StoreBusyError):
        store.save(save_of(6, (PAID,)))
    assert disk.times == 0
    assert [entry.wei for entry in store.load().entries] == [5]
    store.save(save_of(6, (PAID,)))
    store.close()
    assert found(tmp_path) == ([6], 1)


def test_a_save_of_which_nobody_knows_whether_it_was_done_ends_the_node(tmp_path: Path, disk: Disk) -> None:
    store = Store.open(tmp_path, None)
    store.save(save_of(5, ()))
    disk.call, disk.of, disk.times = "sync emptied", "-journal", 2
    with pytest.raises(StoreError, match="The next start tells") as raised:
        store.save(save_of(6, (PAID,)))
    assert not isinstance(raised.value, StoreBusyError)
    store.close()
    assert found(tmp_path) == ([6], 1)
