"""The key of the Node's memory: opened by the password alone, and never lost while the password changes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.older_books import older_books

from masq.core.accountant.effects import Save
from masq.core.accountant.ledger import BookEntry
from masq.shell import key_file
from masq.shell.key_file import KEY_FILE, MOST_MEMORY, StoreError, needs_password, read_key, write_key
from masq.shell.store import Store, change_password

ENTRY = BookEntry(True, b"a" * 20, 7, 5)


def begun(directory: Path, password: str | None) -> None:
    store = Store.open(directory, password)
    store.save(Save((ENTRY,)))
    store.close()


def opens(directory: Path, password: str | None) -> bool:
    try:
        store = Store.open(directory, password)
    except StoreError:
        return False
    assert store.load().entries == (ENTRY,)
    store.close()
    return True


@pytest.mark.parametrize(("old", "new"), [("one", "two"), (None, "two"), ("one", None)])
def test_a_password_is_changed(tmp_path: Path, old: str | None, new: str | None) -> None:
    begun(tmp_path, old)
    assert needs_password(tmp_path / KEY_FILE) == (old is not None)
    change_password(tmp_path, old, new)
    assert needs_password(tmp_path / KEY_FILE) == (new is not None)
    assert opens(tmp_path, new)
    assert not opens(tmp_path, old)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_it_is_changed_while_the_node_runs(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "one")
    change_password(tmp_path, "one", "two")
    store.save(Save((ENTRY,)))
    store.close()
    assert opens(tmp_path, "two")


def test_with_a_wrong_password_nothing_is_changed(tmp_path: Path) -> None:
    begun(tmp_path, "one")
    before = (tmp_path / KEY_FILE).read_bytes()
    with pytest.raises(StoreError, match="the password is wrong"):
        change_password(tmp_path, "two", "three")
    assert (tmp_path / KEY_FILE).read_bytes() == before
    with pytest.raises(StoreError, match="no Node has been run"):
        change_password(tmp_path / "elsewhere", "one", "two")


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Do it in a process that is killed before its n-th call to the disk; whether it was."""
    child = os.fork()
    if not child:
        left = [step]

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def instead(*words: Any, **options: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*words, **options)

            return instead

        for name in ("open", "fsync", "fdopen", "replace", "rename"):
            setattr(os, name, counted(getattr(os, name)))
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_kill_at_any_step_leaves_one_of_the_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file, "MEMORY", 8192)
    seen = []
    for step in range(20):
        directory = tmp_path / str(step)
        begun(directory, "one")
        killed = killed_at(step, lambda directory=directory: change_password(directory, "one", "two"))  # type: ignore[misc]
        seen.append(opens(directory, "two"))
        assert seen[-1] != opens(directory, "one")
        if not killed:
            break
    assert not killed
    assert seen[0] is False
    assert seen[-1] is True
    assert len(seen) > 4
    assert seen == sorted(seen)


def of_an_older_version(directory: Path, password: str) -> None:
    """As 0.2.0 left it: the key is the password's, by scrypt."""
    salt = b"s" * 32
    made = hashlib.scrypt(password.encode(), salt=salt, dklen=32, n=2**15, r=8, p=1, maxmem=1 << 26)
    older_books(directory, 1, [("accounts", (1, ENTRY.wallet, str(ENTRY.wei), ENTRY.since))], made)
    (directory / KEY_FILE).write_text(json.dumps({"salt": salt.hex()}))


def test_a_file_of_an_older_version_is_opened_and_written_anew(tmp_path: Path) -> None:
    of_an_older_version(tmp_path, "one")
    with pytest.raises(StoreError, match="the password is wrong"):
        Store.open(tmp_path, "two")
    assert "kdf" not in json.loads((tmp_path / KEY_FILE).read_text())
    assert opens(tmp_path, "one")
    assert json.loads((tmp_path / KEY_FILE).read_text())["kdf"] == "argon2id"
    assert opens(tmp_path, "one")


def test_the_password_of_an_older_file_is_changed(tmp_path: Path) -> None:
    of_an_older_version(tmp_path, "one")
    with pytest.raises(StoreError, match="the password is wrong"):
        change_password(tmp_path, "wrong", "two")
    change_password(tmp_path, "one", "two")
    assert opens(tmp_path, "two")
    assert not opens(tmp_path, "one")


@pytest.mark.parametrize(
    ("name", "value"),
    [("memory", MOST_MEMORY + 1), ("memory", 1), ("passes", 0), ("passes", 10**9), ("salt", "00"), ("sealed", "zz")],
)
def test_figures_that_make_no_sense_are_refused(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / KEY_FILE
    write_key(path, b"k" * 32, "one")
    assert read_key(path, "one") == key_file.StoredKey(b"k" * 32)
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(StoreError, match=r"node\.key is damaged"):
        read_key(path, "one")


def test_every_altered_byte_of_the_sealed_key_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    write_key(path, b"k" * 32, "one")
    stored = json.loads(path.read_text())
    sealed = bytearray.fromhex(stored["sealed"])
    for at in (0, 24, 40, len(sealed) - 1):
        altered = bytearray(sealed)
        altered[at] ^= 1
        path.write_text(json.dumps(stored | {"sealed": altered.hex()}))
        with pytest.raises(StoreError, match="the password is wrong"):
            read_key(path, "one")
