"""The Node's memory on disk: books, payments, bans, keys, in one encrypted SQLite file.

The cipher (ChaCha20-Poly1305, per page) notices every altered byte. Its key is in a file beside the database, sealed by
the Node's password; without a password that file protects nothing but copies of the database alone (`key_file`).
What the cipher can't notice is an older copy of the file put in its place.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import apsw

from masq.chain.transaction import read_legacy
from masq.core.accountant.accountant import SavedState
from masq.core.accountant.effects import Payment, Save, State, Variant
from masq.core.accountant.ledger import BookEntry
from masq.shell.backup import finish_restore
from masq.shell.key_file import KEY_FILE, key_for, read_key, write_key
from masq.shell.key_file import StoreBusyError as StoreBusyError
from masq.shell.key_file import StoreError as StoreError

SCHEMA: Final = 2
SNAPSHOT: Final = "node.snapshot"
PAGES_AT_ONCE: Final = 64
"""Of a snapshot: a save waits some milliseconds for them at most."""

_SINCE_2: Final = """
CREATE TABLE payments (
    hash BLOB PRIMARY KEY, creditor BLOB NOT NULL, wei TEXT NOT NULL, nonce INTEGER NOT NULL,
    made INTEGER NOT NULL, sender BLOB NOT NULL, variants TEXT NOT NULL, state TEXT NOT NULL,
    block INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE paid (
    hash BLOB NOT NULL, creditor BLOB NOT NULL, wei TEXT NOT NULL, block INTEGER NOT NULL, fee TEXT,
    time INTEGER NOT NULL) STRICT;
CREATE TABLE earned (
    hash BLOB NOT NULL, debtor BLOB NOT NULL, wei TEXT NOT NULL, block INTEGER NOT NULL,
    time INTEGER NOT NULL) STRICT;
"""
"""What schema 1 has not, or otherwise."""

_TABLES: Final = f"""
CREATE TABLE config (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE accounts (
    payable INTEGER NOT NULL, wallet BLOB NOT NULL, wei TEXT NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (payable, wallet)) STRICT, WITHOUT ROWID;
CREATE TABLE banned (wallet BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
{_SINCE_2}"""

_FROM_1: Final = f"ALTER TABLE payments RENAME TO payments_1;{_SINCE_2}"

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


class Store:
    """An open database. Each save is one transaction, on disk when it returns; no half of one ever remains."""

    def __init__(self, connection: apsw.Connection, key: bytes, lock: int, path: Path) -> None:
        self._key = key
        self._connection = connection
        self._lock = lock
        self._path = path
        self._turn = threading.RLock()
        """Whoever uses the connection has it, so that a snapshot can be taken in another thread."""

    @classmethod
    def open(cls, directory: Path, password: str | None) -> Store:
        """Open the Node's memory in a directory, or begin one. StoreError if it can't be had."""
        lock = _take(directory)
        path = directory / "node.db"
        try:
            finish_restore(directory)
            (directory / SNAPSHOT).unlink(missing_ok=True)
            stored = key_for(directory / KEY_FILE, path, password)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            store = cls(_connect(path, stored.key), stored.key, lock, path)
            store._prepare(password)
            if stored.outdated:
                write_key(directory / KEY_FILE, stored.key, password)
        except OSError as error:
            os.close(lock)
            raise StoreError(f"{path} can't be opened: {error.strerror}") from error
        except StoreError:
            os.close(lock)
            raise
        return store

    def _prepare(self, password: str | None) -> None:
        with self._use():
            try:
                version = self._connection.pragma("user_version")
            except apsw.NotADBError as error:
                hint = (
                    "the password is wrong" if password is not None else "it needs the --db-password it was made with"
                )
                raise StoreError(f"{self._path} can't be read: {hint}, or the file was damaged or altered") from error
            # No write-ahead log: where one doesn't add up, SQLite takes that for its end. After a kill, a flipped bit
            # or a lost file would undo without a word all that is in it: payments too, which would be made again.
            # The journal is emptied, not removed, and kept open: a save needs no new descriptor, as strangers may
            # have taken the last one. That takes the lock for good; `node.lock` keeps others out anyway.
            self._connection.pragma("locking_mode", "exclusive")
            self._connection.pragma("journal_mode", "truncate")
            self._connection.pragma("temp_store", "memory")
            # More than "full": a journal that came back after a power cut would undo the last save.
            self._connection.pragma("synchronous", "extra")
            if not 0 <= version <= SCHEMA:
                raise StoreError(f"{self._path} was written by a newer version of this program (schema {version})")
            with self._transaction():
                if version == 0:
                    self._connection.execute(_TABLES)
                elif version == 1:
                    self._from_1()
                # Written even if nothing changes: that opens the journal.
                self._connection.pragma("user_version", SCHEMA)
            problems = [row[0] for row in self._connection.execute("PRAGMA quick_check")]
            if problems != ["ok"]:
                raise StoreError(f"{self._path} is damaged or was altered: {problems[0]}")

    def _from_1(self) -> None:
        """Payments of old had one transaction each; who sent it, and at which price, stands in that."""
        self._connection.execute(_FROM_1)
        old = self._rows("SELECT creditor, wei, nonce, raw, hash, made FROM payments_1")
        for creditor, wei, nonce, raw, hash, made in list(old):
            sender, price = read_legacy(raw)
            variants = (Variant(raw, hash, price, None, made),)
            self._put_payments([Payment(creditor, int(wei), nonce, made, sender, variants)])
        self._connection.execute("DROP TABLE payments_1")

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)

    # --- values ---

    def get(self, name: str) -> str | None:
        with self._use():
            for (value,) in self._connection.execute("SELECT value FROM config WHERE name = ?", (name,)):
                assert isinstance(value, str)
                return value
        return None

    def set(self, name: str, value: str) -> None:
        self.save(Save(config=((name, value),)))

    # --- the Accountant's ---

    def load(self) -> SavedState:
        """What the Accountant knew when it was last saved."""
        with self._use():
            entries = tuple(
                BookEntry(bool(payable), wallet, int(wei), since)
                for payable, wallet, wei, since in self._rows("SELECT payable, wallet, wei, since FROM accounts")
            )
            payments = tuple(
                Payment(creditor, int(wei), nonce, made, sender, _variants(variants), State(state), block)
                for creditor, wei, nonce, made, sender, variants, state, block in self._rows(
                    "SELECT creditor, wei, nonce, made, sender, variants, state, block FROM payments"
                )
            )
            banned = tuple(wallet for (wallet,) in self._rows("SELECT wallet FROM banned"))
            start_block, outgo_block = (
                int(text) if (text := self.get(name)) else None for name in ("start_block", "outgo_block")
            )
        return SavedState(
            entries,
            payments,
            banned,
            start_block,
            self.get("known_income"),
            self.get("payers"),
            outgo_block,
            self.get("known_outgo") or None,
            self.get("head"),
        )

    def save(self, save: Save) -> None:
        """All of it or nothing; on disk when this returns. StoreBusyError: not now, but a later try may succeed."""
        with self._use(), self._transaction():
            execute = self._connection.executemany
            execute(
                "INSERT OR REPLACE INTO accounts (payable, wallet, wei, since) VALUES (?, ?, ?, ?)",
                [(int(entry.payable), entry.wallet, str(entry.wei), entry.since) for entry in save.entries],
            )
            self._put_payments(save.payments)
            execute(
                "INSERT INTO paid (hash, creditor, wei, block, fee, time) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (p.hash, p.creditor, str(p.wei), p.block, None if p.fee is None else str(p.fee), p.time)
                    for p in save.paid
                ],
            )
            execute(
                "INSERT INTO earned (hash, debtor, wei, block, time) VALUES (?, ?, ?, ?, ?)",
                [(e.hash, e.debtor, str(e.wei), e.block, e.time) for e in save.earned],
            )
            execute("DELETE FROM payments WHERE hash = ?", [(hash,) for hash in save.ended_payments])
            execute("INSERT OR IGNORE INTO banned (wallet) VALUES (?)", [(wallet,) for wallet in save.banned])
            execute("DELETE FROM banned WHERE wallet = ?", [(wallet,) for wallet in save.released])
            execute("DELETE FROM accounts WHERE payable = 0 AND wallet = ?", [(wallet,) for wallet in save.forgotten])
            execute("INSERT OR REPLACE INTO config (name, value) VALUES (?, ?)", list(save.config))

    def _put_payments(self, payments: Iterable[Payment]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO payments (hash, creditor, wei, nonce, made, sender, variants, state, block) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    p.hash,
                    p.creditor,
                    str(p.wei),
                    p.nonce,
                    p.made,
                    p.sender,
                    _variants_text(p.variants),
                    p.state.value,
                    p.block,
                )
                for p in payments
            ],
        )

    def snapshot(self) -> Path:
        """A copy as of one moment, encrypted as the database is, in a file of its own: where. May be called in another
        thread, and lets saves pass between its steps."""
        path = self._path.with_name(SNAPSHOT)
        path.unlink(missing_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        copy = _connect(path, self._key)
        try:
            with self._use():
                steps = copy.backup("main", self._connection, "main")
            try:
                while not steps.done:
                    # What is saved between two steps, by the same connection, is in the copy, too.
                    with self._use():
                        steps.step(PAGES_AT_ONCE)
            finally:
                with self._use():
                    steps.finish()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            copy.close()
        return path

    def _rows(self, query: str) -> Iterator[tuple]:  # type: ignore[type-arg]
        yield from self._connection.execute(query)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing. SQLite may have rolled back by itself already, as it does on a full disk."""
        if self._connection.in_transaction:  # One that could not even be rolled back when it failed.
            self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                with suppress(apsw.Error):
                    self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _use(self) -> Iterator[None]:
        with self._mapped_errors(), self._turn:
            yield

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except apsw.FullError as error:
            raise StoreError(
                f"the disk is full: nothing more can be booked in {self._path}. Make room, then start again"
            ) from error
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise StoreError(
                f"{self._path} is damaged or was altered: restore it from a copy, or move it away"
            ) from error
        except _BUSY as error:
            raise StoreBusyError(f"{self._path} can't be used: {error}") from error
        except apsw.Error as error:
            raise StoreError(f"{self._path} can't be used: {error}") from error
        except (ValueError, TypeError, OverflowError) as error:
            raise StoreError(f"{self._path} holds a value that makes no sense: {error}") from error


def _variants_text(variants: Iterable[Variant]) -> str:
    return json.dumps(
        [[v.raw.hex(), v.hash.hex(), str(v.most), None if v.tip is None else str(v.tip), v.made] for v in variants]
    )


def _variants(text: str) -> tuple[Variant, ...]:
    variants = tuple(
        Variant(bytes.fromhex(raw), bytes.fromhex(hash), int(most), None if tip is None else int(tip), int(made))
        for raw, hash, most, tip, made in json.loads(text)
    )
    if not variants:
        raise ValueError("a payment without a transaction")
    return variants


def _take(directory: Path) -> int:
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
    lock = _take(directory)
    try:
        yield
    finally:
        os.close(lock)


def _connect(path: Path, key: bytes) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.pragma("cipher", "chacha20")
    connection.pragma("key", f"raw:{key.hex()}")
    return connection


def change_password(directory: Path, old: str | None, new: str | None) -> None:
    """Protect the Node's memory by another password, or by none; also while the Node runs.

    Atomic: at each moment one of the two opens it. StoreError if there is nothing to open, or `old` isn't the password.
    """
    path = directory / KEY_FILE
    stored = read_key(path, old)
    if stored is None:
        raise StoreError(f"there is no {path}: no Node has been run with this data directory")
    if stored.outdated:  # Whether the password is right only the database can tell.
        Store.open(directory, old).close()
    try:
        write_key(path, stored.key, new)
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror}; the old password still counts") from error
