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
from masq.shell.history import Page, page_of, query_of
from masq.shell.key_file import KEY_FILE, key_for, read_key, write_key
from masq.shell.key_file import StoreBusyError as StoreBusyError
from masq.shell.key_file import StoreError as StoreError

SCHEMA: Final = 3
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

_SINCE_3: Final = """
ALTER TABLE payments ADD COLUMN purse BLOB NOT NULL DEFAULT x'';
CREATE TABLE debts (
    purse BLOB NOT NULL, wallet BLOB NOT NULL, wei TEXT NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (purse, wallet)) STRICT, WITHOUT ROWID;
"""
"""What schema 2 has not: further consuming wallets (purse), their debts and payments. Nothing: the default one."""

_TABLES: Final = f"""
CREATE TABLE config (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE accounts (
    payable INTEGER NOT NULL, wallet BLOB NOT NULL, wei TEXT NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (payable, wallet)) STRICT, WITHOUT ROWID;
CREATE TABLE banned (wallet BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
{_SINCE_2}{_SINCE_3}"""

_FROM_1: Final = f"ALTER TABLE payments RENAME TO payments_1;{_SINCE_2}{_SINCE_3}"

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
                elif version == 2:
                    self._connection.execute(_SINCE_3)
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
            self._put_payments([Payment(creditor, int(wei), nonce, made, sender, variants)], b"")
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

    def load(self, purse: bytes = b"") -> SavedState:
        """What the Accountant knew when it was last saved; `purse`: that of a further consuming wallet."""
        if purse:
            return self._load_further(purse)
        with self._use():
            entries = tuple(
                BookEntry(bool(payable), wallet, int(wei), since)
                for payable, wallet, wei, since in self._rows("SELECT payable, wallet, wei, since FROM accounts")
            )
            payments = self._payments(b"")
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

    def _load_further(self, purse: bytes) -> SavedState:
        with self._use():
            debts = tuple(
                BookEntry(True, wallet, int(wei), since)
                for wallet, wei, since in self._rows("SELECT wallet, wei, since FROM debts WHERE purse = ?", (purse,))
            )
            payments = self._payments(purse)
            block = self.get(config_name(purse, "outgo_block"))
            return SavedState(
                debts,
                payments,
                outgo_block=int(block) if block else None,
                known_outgo=self.get(config_name(purse, "known_outgo")) or None,
                head=self.get(config_name(purse, "head")),
            )

    def _payments(self, purse: bytes) -> tuple[Payment, ...]:
        query = "SELECT creditor, wei, nonce, made, sender, variants, state, block FROM payments WHERE purse = ?"
        return tuple(
            Payment(creditor, int(wei), nonce, made, sender, _variants(variants), State(state), block)
            for creditor, wei, nonce, made, sender, variants, state, block in self._rows(query, (purse,))
        )

    @property
    def further(self) -> dict[bytes, int]:
        """Further wallets that have books, and wei that each owes."""
        with self._use():
            purses: dict[bytes, int] = {purse: 0 for (purse,) in self._rows("SELECT purse FROM payments")}
            for purse, wei in self._rows("SELECT purse, wei FROM debts"):
                purses[purse] = purses.get(purse, 0) + max(0, int(wei))
        purses.pop(b"", None)
        return purses

    def history(self, kind: str, after: str) -> Page:
        """Some rows of one kind (`history.KINDS`), behind a place. ValueError: there is no such kind or place."""
        query, values = query_of(kind, after)
        with self._use():
            return page_of(kind, list(self._rows(query, values)))

    def adopt(self, purse: bytes) -> None:
        """A further wallet is the default one from now on: so are its debts and payments."""
        with self._use(), self._transaction():
            for wallet, wei, since in list(
                self._rows("SELECT wallet, wei, since FROM debts WHERE purse = ?", (purse,))
            ):
                own = [
                    (int(other), when)
                    for other, when in self._rows(
                        "SELECT wei, since FROM accounts WHERE payable = 1 AND wallet = ?", (wallet,)
                    )
                ]
                total = int(wei) + sum(other for other, _ in own)
                self._connection.execute(
                    "INSERT OR REPLACE INTO accounts (payable, wallet, wei, since) VALUES (1, ?, ?, ?)",
                    (wallet, str(total), min([since, *(when for _, when in own)])),
                )
            self._connection.execute("DELETE FROM debts WHERE purse = ?", (purse,))
            self._connection.execute("UPDATE payments SET purse = x'' WHERE purse = ?", (purse,))

    def save(self, save: Save, purse: bytes = b"") -> None:
        """All of it or nothing; on disk when this returns. StoreBusyError: not now, but a later try may succeed.

        `purse`: the further consuming wallet whose books these are.
        """
        with self._use(), self._transaction():
            execute = self._connection.executemany
            if purse:
                execute(
                    "INSERT OR REPLACE INTO debts (purse, wallet, wei, since) VALUES (?, ?, ?, ?)",
                    [(purse, entry.wallet, str(entry.wei), entry.since) for entry in save.entries if entry.payable],
                )
            else:
                execute(
                    "INSERT OR REPLACE INTO accounts (payable, wallet, wei, since) VALUES (?, ?, ?, ?)",
                    [(int(entry.payable), entry.wallet, str(entry.wei), entry.since) for entry in save.entries],
                )
            self._put_payments(save.payments, purse)
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
            execute(
                "INSERT OR REPLACE INTO config (name, value) VALUES (?, ?)",
                [(config_name(purse, name), value) for name, value in save.config],
            )

    def _put_payments(self, payments: Iterable[Payment], purse: bytes) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO payments (hash, creditor, wei, nonce, made, sender, variants, state, block, purse) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                    purse,
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

    def _rows(self, query: str, values: tuple[bytes | int, ...] = ()) -> Iterator[tuple]:  # type: ignore[type-arg]
        yield from self._connection.execute(query, values)

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


def config_name(purse: bytes, name: str) -> str:
    """By which a value is kept for a further wallet; that of the default one has its own name."""
    return f"purse.{purse.hex()}.{name}" if purse else name


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
