"""The encrypted SQLite file: who may use it, how it is opened, and what its errors mean."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from masq.shell.key_file import StoreBusyError, StoreError

_BUSY: Final = (
    apsw.CantOpenError,
    apsw.IOError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.ReadOnlyError,
    apsw.NoMemError,
    apsw.ProtocolError,
)
"""What may be over soon: too few descriptors or memory, a disk that is slow to come back."""


def connect(path: Path, key: bytes) -> apsw.Connection:
    """The database, not yet read: whether the key is right shows then."""
    connection = apsw.Connection(str(path))
    connection.pragma("cipher", "chacha20")
    connection.pragma("key", f"raw:{key.hex()}")
    return connection


def make_durable(connection: apsw.Connection) -> None:
    """What is saved is on disk, and stays there."""
    # No write-ahead log: where one doesn't add up, SQLite takes that for its end. After a kill, a flipped bit
    # or a lost file would undo without a word all that is in it: payments too, which would be made again.
    # The journal is emptied, not removed, and kept open: a save needs no new descriptor, as strangers may
    # have taken the last one. That takes the lock for good; `node.lock` keeps others out anyway.
    connection.pragma("locking_mode", "exclusive")
    connection.pragma("journal_mode", "truncate")
    connection.pragma("temp_store", "memory")
    # More than "full": a journal that came back after a power cut would undo the last save.
    connection.pragma("synchronous", "extra")


def take(directory: Path) -> int:
    """Have the directory for this process alone: a descriptor, which ends that when it is closed."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(directory / "node.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"the data directory {directory} can't be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StoreError(f"another Node is using {directory}: give this one a --data-directory of its own") from error
    return lock


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """No Node runs with this data directory meanwhile. StoreError if one does."""
    lock = take(directory)
    try:
        yield
    finally:
        os.close(lock)


@contextmanager
def mapped_errors(path: Path) -> Iterator[None]:
    """What goes wrong with the database there is a StoreError that says what to do."""
    try:
        yield
    except apsw.FullError as error:
        raise StoreError(
            f"the disk is full: nothing more can be booked in {path}. Make room, then start again"
        ) from error
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StoreError(f"{path} is damaged or was altered: restore it from a copy, or move it away") from error
    except _BUSY as error:
        raise StoreBusyError(f"{path} can't be used: {error}") from error
    except apsw.Error as error:
        raise StoreError(f"{path} can't be used: {error}") from error
    except OSError as error:
        raise StoreError(f"{error.filename or path} can't be used: {error.strerror}") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise StoreError(f"{path} holds a value that makes no sense: {error}") from error
