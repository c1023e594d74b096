"""The Node's memory on disk: books, payments, bans, keys, in one encrypted SQLite file.

The cipher (ChaCha20-Poly1305, per page) notices every altered byte. Its key is in a file beside the database, sealed by
the Node's password; without a password that file protects nothing but copies of the database alone (`key_file`).
Rows that were altered with the key, and older copies put in its place, are noticed by seals, a journal and a file that
says how far it has come (`evidence`, `head_file`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import time
from typing import Any, Final

import apsw

from masq.chain.transaction import read_legacy
from masq.core.accountant.accountant import SavedState
from masq.core.accountant.effects import Save, State, Variant
from masq.core.accountant.ledger import BookEntry
from masq.core.accountant.promises import CONFIG as PROMISES
from masq.core.accountant.vouchers import SHARDS as VOUCHERS
from masq.settings.relations import DATABASE
from masq.shell import evidence
from masq.shell.backup import finish_restore
from masq.shell.database import connect, make_durable, mapped_errors, take
from masq.shell.evidence import ACCEPTED, Entry, Facts, Writing, evidence_key
from masq.shell.head_file import HEAD_FILE, HeadFile, has_begun
from masq.shell.history import Page, page_of, query_of
from masq.shell.inspection import AlteredBooksError, mend_shape, problems, read_version
from masq.shell.key_file import KEY_FILE, KEY_SIZE, StoredKey, read_key, write_key
from masq.shell.key_file import StoreBusyError as StoreBusyError
from masq.shell.key_file import StoreError as StoreError
from masq.shell.rows import facts_of, payment_of, payment_row, variants_text
from masq.shell.schema import (
    ACCOUNTS,
    BANNED,
    CONFIG,
    CREATE,
    EARNED,
    FROM_1,
    FROM_2,
    FROM_3,
    FROM_4,
    PAID,
    PAYMENTS,
    SCHEMA,
    SEALED,
)

SNAPSHOT: Final = "node.snapshot"
SNAPSHOT_HEAD: Final = "node.snapshot-head"
PAGES_AT_ONCE: Final = 64
"""Of a snapshot: a save waits some milliseconds for them at most."""


class Store:
    """An open database. Each save is one transaction, on disk when it returns; no half of one ever remains."""

    def __init__(self, connection: apsw.Connection, key: bytes, path: Path) -> None:
        self._key = key
        self._evidence = evidence_key(key)
        self._connection = connection
        self._path = path
        self._last = Entry()
        """The end of the journal."""
        self._head: HeadFile | None = None
        self._files = ExitStack()
        self._turn = threading.RLock()
        """Whoever uses the connection has it, so that a snapshot can be taken in another thread."""

    @classmethod
    def open(cls, directory: Path, password: str | None, accept: str | None = None) -> Store:
        """Open the Node's memory in a directory, or begin one. StoreError if it can't be had; AlteredBooksError if it
        isn't what was written last, unless `accept` says why it is to be taken all the same."""
        path = directory / DATABASE
        with ExitStack() as files:
            files.callback(os.close, take(directory))
            try:
                finish_restore(directory)
                remove_snapshot(directory)
                stored = _key(directory, password, accept is not None)
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
                store = cls(connect(path, stored.key), stored.key, path)
                files.callback(store._connection.close)
                files.callback(store._close_head)
                store._prepare(password, accept)
                if stored.outdated:
                    write_key(directory / KEY_FILE, stored.key, password)
            except OSError as error:
                raise StoreError(f"{error.filename or path} can't be opened: {error.strerror}") from error
            store._files = files.pop_all()
        return store

    def _prepare(self, password: str | None, accept: str | None) -> None:
        with self._use():
            version = read_version(self._connection, self._path, password)
            make_durable(self._connection)
            damages = [row[0] for row in self._connection.execute("PRAGMA quick_check")]
            if damages != ["ok"]:
                raise StoreError(f"{self._path} is damaged or was altered: {damages[0]}")
            head_path = self._path.with_name(HEAD_FILE)
            self._head, damage = HeadFile.find(head_path, self._evidence)
            problem = next(problems(self._connection, self._evidence, version, self._head, damage), "")
            if problem and accept is None:
                raise AlteredBooksError(self._path.parent, problem)
            if problem and version == SCHEMA:
                mend_shape(self._connection)
            self._head = self._head or HeadFile.begin(head_path, self._evidence)
            if version >= SEALED:
                self._last = evidence.last_entry(self._connection)
            with self._transaction({ACCEPTED: [f"{accept}: {problem}"]} if problem else _begun(version)) as writing:
                self._upgrade(version)
                if problem or version != SCHEMA:
                    writing.seal_all()
                # Written even if nothing changes: that opens the journal.
                self._connection.pragma("user_version", SCHEMA)

    def _upgrade(self, version: int) -> None:
        execute = self._connection.execute
        if version == 0:
            execute(CREATE)
            return
        if version < 2:
            self._from_1()
        if version < 3:
            execute(FROM_2)
        if version < SEALED:
            execute(FROM_3)
        elif version < SCHEMA:
            execute(FROM_4)

    def _from_1(self) -> None:
        """Payments of old had one transaction each; who sent it, and at which price, stands in that."""
        self._connection.execute(FROM_1)
        for creditor, wei, nonce, raw, hash, made in list(
            self._rows("SELECT creditor, wei, nonce, raw, hash, made FROM payments_1")
        ):
            sender, price = read_legacy(raw)
            variants = variants_text([Variant(raw, hash, price, None, made)])
            self._connection.execute(
                "INSERT INTO payments (hash, creditor, wei, nonce, made, sender, variants, state, block) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (hash, creditor, wei, nonce, made, sender, variants, State.SIGNED.value),
            )
        self._connection.execute("DROP TABLE payments_1")

    def close(self) -> None:
        self._files.close()

    def _close_head(self) -> None:
        if self._head is not None:
            self._head.close()

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
        with self._use():
            entries = tuple(
                BookEntry(bool(payable), wallet, int(wei), since)
                for payable, wallet, wei, since in self._rows(
                    "SELECT payable, wallet, wei, since FROM accounts WHERE purse = ?", (purse,)
                )
            )
            payments = tuple(
                payment_of(row)
                for row in self._rows(f"SELECT {', '.join(PAYMENTS.columns)} FROM payments WHERE purse = ?", (purse,))
            )
            banned = () if purse else tuple(wallet for (wallet,) in self._rows("SELECT wallet FROM banned"))
            start_block, outgo_block = (
                int(text) if (text := self.get(config_name(purse, name))) else None
                for name in ("start_block", "outgo_block")
            )
            return SavedState(
                entries,
                payments,
                banned,
                start_block,
                self.get(config_name(purse, "known_income")),
                self.get(config_name(purse, "payers")),
                outgo_block,
                self.get(config_name(purse, "known_outgo")) or None,
                self.get(config_name(purse, "head")),
                self.get(config_name(purse, PROMISES)),
                () if purse else tuple(text for name in VOUCHERS if (text := self.get(name))),
            )

    @property
    def further(self) -> dict[bytes, int]:
        """Further wallets that have books, and wei that each owes."""
        with self._use():
            purses: dict[bytes, int] = {purse: 0 for (purse,) in self._rows("SELECT purse FROM payments")}
            for purse, wei in self._rows("SELECT purse, wei FROM accounts WHERE purse <> x''"):
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
        with self._use(), self._transaction({"adopted": [f"0x{purse.hex()}"]}) as writing:
            debts = list(self._rows("SELECT wallet, wei, since FROM accounts WHERE purse = ?", (purse,)))
            for wallet, wei, since in debts:
                writing.remove(ACCOUNTS, (1, purse, wallet))
                own = writing.remove(ACCOUNTS, (1, b"", wallet))
                total, first = (int(wei) + int(own[3]), min(since, own[4])) if own else (int(wei), since)
                writing.put(ACCOUNTS, (1, b"", wallet, str(total), first))
            columns = ", ".join(PAYMENTS.columns)
            for row in list(self._rows(f"SELECT {columns} FROM payments WHERE purse = ?", (purse,))):
                names = dict(zip(PAYMENTS.columns, row, strict=True))
                writing.put(PAYMENTS, tuple({**names, "purse": b""}.values()))

    def save(self, save: Save, purse: bytes = b"") -> None:
        """All of it or nothing; on disk when this returns. StoreBusyError: not now, but a later try may succeed.

        `purse`: the further consuming wallet whose books these are.
        """
        charges = {"owed": 0, "earned": 0}
        with self._use(), self._transaction(facts_of(save), charges) as writing:
            for entry in save.entries:
                if purse and not entry.payable:
                    continue
                old = writing.put(ACCOUNTS, (int(entry.payable), purse, entry.wallet, str(entry.wei), entry.since))
                charges["owed" if entry.payable else "earned"] += entry.wei - (int(old[3]) if old else 0)
            for payment in save.payments:
                writing.put(PAYMENTS, payment_row(payment, purse))
            for each in save.paid:
                fee = None if each.fee is None else str(each.fee)
                writing.add(PAID, (each.hash, each.creditor, str(each.wei), each.block, fee, each.time, each.sender))
            for income in save.earned:
                writing.add(EARNED, (income.hash, income.debtor, str(income.wei), income.block, income.time))
            for hash in save.ended_payments:
                writing.remove(PAYMENTS, (hash,))
            for wallet in save.banned:
                writing.put(BANNED, (wallet,))
            for wallet in save.released:
                writing.remove(BANNED, (wallet,))
            for wallet in save.forgotten:
                writing.remove(ACCOUNTS, (0, b"", wallet))
            for name, value in save.config:
                writing.put(CONFIG, (config_name(purse, name), value))

    def snapshot(self) -> Path:
        """A copy as of one moment, encrypted as the database is, in a file of its own: where. Beside it lies the file
        that tells how far it had come. May be called in another thread, and lets saves pass between its steps."""
        directory = self._path.parent
        path = directory / SNAPSHOT
        remove_snapshot(directory)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        copy = connect(path, self._key)
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
            head = HeadFile.begin(directory / SNAPSHOT_HEAD, self._evidence)
            head.write(evidence.last_entry(copy))
            head.close()
        except BaseException:
            remove_snapshot(directory)
            raise
        finally:
            copy.close()
        return path

    @contextmanager
    def copied(self) -> Iterator[tuple[apsw.Connection, bytes]]:
        """A copy as of one moment to look into, and the key of its evidence. May be used in another thread."""
        path = self.snapshot()
        try:
            with mapped_errors(path):
                copy = connect(path, self._key)
                try:
                    yield copy, self._evidence
                finally:
                    copy.close()
        finally:
            remove_snapshot(path.parent)

    def _rows(self, query: str, values: tuple[bytes | int, ...] = ()) -> Iterator[tuple[Any, ...]]:
        yield from self._connection.execute(query, values)

    @contextmanager
    def _transaction(self, facts: Facts, charges: dict[str, int] | None = None) -> Iterator[Writing]:
        """All or nothing, and an entry in the journal. SQLite may have rolled back by itself already, as it does on a
        full disk. `charges` is looked at when all else is done."""
        head = self._head
        assert head is not None
        if self._connection.in_transaction:  # One that could not even be rolled back when it failed.
            self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            writing = Writing(self._connection, self._evidence, self._last)
            yield writing
            last = writing.finish(int(time()), facts, charges or {}, head.last.saves)
            self._commit(last)
        except BaseException:
            if self._connection.in_transaction:
                with suppress(apsw.Error):
                    self._connection.execute("ROLLBACK")
            raise
        self._last = last
        head.write(last)

    def _commit(self, entry: Entry) -> None:
        """On disk when this returns; nothing of it is if it raises what may be over soon."""
        connection = self._connection
        try:
            connection.execute("COMMIT")
        except apsw.Error as error:
            if connection.in_transaction:
                raise
            # It may be done all the same, if only the emptied rollback journal didn't get to the disk: to do it again
            # would be to do it twice.
            try:
                if done := evidence.last_entry(connection).hash == entry.hash:
                    connection.pragma("user_version", SCHEMA)  # One more write, and the journal is emptied anew.
            except apsw.Error:
                raise StoreError(
                    f"the disk failed while something was saved in {self._path}: {error}. The next start tells whether "
                    "it was"
                ) from error
            if not done:
                raise

    @contextmanager
    def _use(self) -> Iterator[None]:
        with mapped_errors(self._path), self._turn:
            yield


def remove_snapshot(directory: Path) -> None:
    """And the file beside it. OSError."""
    for name in (SNAPSHOT, SNAPSHOT_HEAD):
        (directory / name).unlink(missing_ok=True)


def _begun(version: int) -> Facts:
    if version == SCHEMA:
        return {}
    return {"upgraded": [f"schema {version}"]} if version else {"begun": [f"schema {SCHEMA}"]}


def config_name(purse: bytes, name: str) -> str:
    """By which a value is kept for a further wallet; that of the default one has its own name."""
    return f"purse.{purse.hex()}.{name}" if purse else name


def _key(directory: Path, password: str | None, accept: bool) -> StoredKey:
    """The key of the books; where nothing is yet, it is made, and the file that is to tell how far they have come."""
    database, head = directory / DATABASE, directory / HEAD_FILE
    stored = read_key(directory / KEY_FILE, password)
    if stored is not None:
        return stored
    if database.exists() and database.stat().st_size:
        raise StoreError(
            f"{directory / KEY_FILE} is missing: without it {database} can't be opened. Restore it from a copy"
        )
    if has_begun(head) and not accept:
        raise AlteredBooksError(directory, f"there are none, nor their key, and {HEAD_FILE} tells of both")
    stored = StoredKey(os.urandom(KEY_SIZE))
    # Before the key: where that is, and this is not, somebody took it away.
    HeadFile.begin(head, evidence_key(stored.key)).close()
    write_key(directory / KEY_FILE, stored.key, password)
    return stored


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
