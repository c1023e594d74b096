"""What shows that the books are those that were written: a seal on each row, a sum of each table, a chain of all saves.

A seal is a keyed hash of its row. An entry of the journal holds the count and the sum of all seals of each table, and
the hash of the entry before: whoever alters, adds, takes away or puts back a row, or cuts the journal, is noticed
unless he has the key and this program. A save costs what it changes, not what there is (accounting.md 6.1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import apsw
import msgspec

from masq.core.failure import printable
from masq.shell.schema import TABLES, Table
from masq.types import time_text

SEAL_SIZE: Final = 16
HASH_SIZE: Final = 32
HOUR: Final = 3600
"""Seconds of charges that one entry holds. Whatever else happens to money has an entry of its own."""
MOST_ITEMS: Final = 500
"""Of a kind that an entry names; all of them are in the sums."""
MOST_COUNTED: Final = 1 << 62
"""Entries and saves that any books have: a number above it was made up, and would soon outgrow the database's."""
ACCEPTED: Final = "accepted"
"""Of the facts: the books were taken as they were, and what was wrong with them."""
CHARGES: Final = "charged"
MOST_WORDS: Final = 100
"""Characters of a value that are shown."""
_COUNT_SIZE: Final = 8
_MODULUS: Final = 1 << 8 * SEAL_SIZE
_NOTHING: Final = bytes(HASH_SIZE)
JOURNAL_COLUMNS: Final = ("number", "began", "time", "saves", "accepted", "what", "sums", "before", "hash")
_COLUMNS: Final = ", ".join(JOURNAL_COLUMNS)

_encode: Final = msgspec.msgpack.Encoder().encode

Row = tuple[Any, ...]
Facts = Mapping[str, list[Any]]
"""What happened to money in a save beside charges: its kind -> what it was, as JSON has it."""


class AlteredError(ValueError):
    """An entry of the journal is not what this program writes."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Of a table: how many rows it has, and the sum of their seals."""

    count: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """Of the journal."""

    number: int = 0
    began: int = 0
    """Unix seconds of its first save."""
    time: int = 0
    """Unix seconds of its last save."""
    saves: int = 0
    """Since the books were begun, this entry's included."""
    accepted: bool = False
    """Whether the books were taken then as they were: what is before it isn't judged any more."""
    what: Mapping[str, Any] = field(default_factory=dict)
    """What was saved, as JSON has it."""
    sums: tuple[Sum, ...] = tuple(Sum() for _ in TABLES)
    """Of `TABLES`, after it."""
    before: bytes = _NOTHING
    """The hash of the entry before."""
    hash: bytes = _NOTHING
    """Of all that stands above. At the open end of the journal it changes with each save."""

    @property
    def row(self) -> Row:
        """As the journal keeps it."""
        sums = b"".join(
            each.count.to_bytes(_COUNT_SIZE, "big") + each.total.to_bytes(SEAL_SIZE, "big") for each in self.sums
        )
        what = json.dumps(self.what, separators=(",", ":"))
        return self.number, self.began, self.time, self.saves, int(self.accepted), what, sums, self.before, self.hash

    @classmethod
    def of_row(cls, row: Row) -> Entry:
        """AlteredError if nothing of ours looks like that."""
        number, began, time, saves, accepted, what, sums, before, hash = row
        size = _COUNT_SIZE + SEAL_SIZE
        try:
            if len(sums) != size * len(TABLES) or not 0 <= saves <= MOST_COUNTED:
                raise ValueError("other sums")
            found = tuple(
                Sum(int.from_bytes(sums[at : at + _COUNT_SIZE], "big"), int.from_bytes(sums[at + 8 : at + size], "big"))
                for at in range(0, len(sums), size)
            )
            facts = json.loads(what)
            if not isinstance(facts, dict) or (accepted and ACCEPTED not in facts):
                raise ValueError("other words")
            if not all(isinstance(each, dict if name == CHARGES else list) for name, each in facts.items()):
                raise ValueError("other words")
        except (ValueError, RecursionError) as error:
            raise AlteredError(f"entry {number} of the journal can't be read") from error
        return cls(number, began, time, saves, bool(accepted), facts, found, before, hash)

    def sealed(self, key: bytes) -> Entry:
        """With the hash that belongs to it."""
        return replace(self, hash=row_hash(key, self.row))


def row_hash(key: bytes, row: Row) -> bytes:
    """Of a row of the journal, all but its last column."""
    content = _encode(row[:-1])
    return hashlib.blake2b(content, digest_size=HASH_SIZE, key=key, person=b"journal").digest()


def evidence_key(key: bytes) -> bytes:
    """By which seals and hashes are made: 32 bytes, from the database's own."""
    return hashlib.blake2b(b"evidence", digest_size=32, key=key, person=b"masq").digest()


def seal(key: bytes, table: Table, row: Row) -> bytes:
    """Of a row: all columns of its table but the seal, in their order."""
    content = _encode(row)
    return hashlib.blake2b(content, digest_size=SEAL_SIZE, key=key, person=table.person).digest()


class Writing:
    """The changes of one transaction, and the entry that tells of them."""

    def __init__(self, connection: apsw.Connection, key: bytes, last: Entry) -> None:
        self._execute = connection.execute
        self._key = key
        self._last = last
        self._counts = {table.name: each.count for table, each in zip(TABLES, last.sums, strict=True)}
        self._totals = {table.name: each.total for table, each in zip(TABLES, last.sums, strict=True)}
        self._touched = False

    def put(self, table: Table, row: Row) -> Row | None:
        """A row, in the place of the one with its key: that one, if there was one. The key stands first in a row."""
        old = self._find(table, row[: len(table.key)])
        self._put(table, row, old[-1] if old else None)
        return old[:-1] if old else None

    def add(self, table: Table, row: Row) -> None:
        """A row to a table without a key."""
        self._put(table, row, None)

    def remove(self, table: Table, key: Row) -> Row | None:
        """The row with this key: what it was, if it was there."""
        old = self._find(table, key)
        if old is None:
            return None
        self._execute(_STATEMENTS[table.name].delete, key)
        self._change(table, old[-1], None)
        return old[:-1]

    def seal_all(self) -> None:
        """Take each row as it stands, whatever its seal says."""
        for table in TABLES:
            self._counts[table.name] = self._totals[table.name] = 0
            texts = _STATEMENTS[table.name]
            for *key, old in list(self._execute(texts.seals)):
                (row,) = self._execute(texts.find, tuple(key))
                new = seal(self._key, table, row[:-1])
                if new != old:
                    self._execute(texts.reseal, (new, *key))
                self._change(table, None, new)

    def finish(self, time: int, facts: Facts, charges: Mapping[str, int], least_saves: int = 0) -> Entry:
        """Write the entry: the last one goes on if it is of charges alone, as this save is, and not old. If nothing has
        changed, and nothing has happened, it is the last one as it was.

        `charges`: by how much each book grew, in wei. `least_saves`: which it is to be after.
        """
        last = self._last
        if not (self._touched or facts):
            return last
        sums = tuple(Sum(self._counts[table.name], self._totals[table.name] % _MODULUS) for table in TABLES)
        saves = max(last.saves, least_saves) + 1
        goes_on = not facts and last.number > 0 and not last.what.keys() - {CHARGES} and 0 <= time - last.began < HOUR
        if goes_on:
            what = _with_charges(last.what, charges)
            entry = replace(last, time=time, saves=saves, what=what, sums=sums).sealed(self._key)
            self._execute(
                "UPDATE journal SET time = ?, saves = ?, what = ?, sums = ?, hash = ? WHERE number = ?",
                (entry.time, entry.saves, *entry.row[5:7], entry.hash, entry.number),
            )
            return entry
        what = _with_charges({name: _shortened(items) for name, items in facts.items()}, charges)
        entry = Entry(last.number + 1, time, time, saves, ACCEPTED in facts, what, sums, last.hash).sealed(self._key)
        self._execute(f"INSERT INTO journal ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", entry.row)
        return entry

    def _find(self, table: Table, key: Row) -> Row | None:
        return next(iter(self._execute(_STATEMENTS[table.name].find, key)), None)

    def _put(self, table: Table, row: Row, old: bytes | None) -> None:
        new = seal(self._key, table, row)
        self._execute(_STATEMENTS[table.name].put, (*row, new))
        self._change(table, old, new)

    def _change(self, table: Table, old: bytes | None, new: bytes | None) -> None:
        name = table.name
        if old is not None:
            self._counts[name] -= 1
            self._totals[name] -= int.from_bytes(old, "big")
        if new is not None:
            self._counts[name] += 1
            self._totals[name] += int.from_bytes(new, "big")
        self._touched = True


@dataclass(frozen=True, slots=True)
class _Statements:
    find: str
    put: str
    delete: str
    seals: str
    reseal: str


def _statements_of(table: Table) -> _Statements:
    columns, key = ", ".join(table.columns), " AND ".join(f"{name} = ?" for name in table.key)
    marks = ", ".join("?" * (len(table.columns) + 1))
    return _Statements(
        find=f"SELECT {columns}, seal FROM {table.name} WHERE {key}",
        put=f"INSERT OR REPLACE INTO {table.name} ({columns}, seal) VALUES ({marks})",
        delete=f"DELETE FROM {table.name} WHERE {key}",
        seals=f"SELECT {', '.join(table.key)}, seal FROM {table.name}",
        reseal=f"UPDATE {table.name} SET seal = ? WHERE {key}",
    )


_STATEMENTS: Final = {table.name: _statements_of(table) for table in TABLES}


def _with_charges(what: Mapping[str, Any], charges: Mapping[str, int]) -> Mapping[str, Any]:
    """Charges are added to those that are there; amounts as text, as they outgrow what JSON is safe with."""
    if not any(charges.values()):
        return what
    before = what.get(CHARGES, {})
    return {**what, CHARGES: {name: str(int(before.get(name, 0)) + wei) for name, wei in charges.items()}}


def _shortened(items: list[Any]) -> list[Any]:
    return items if len(items) <= MOST_ITEMS else [*items[:MOST_ITEMS], f"and {len(items) - MOST_ITEMS} more"]


# --- reading ---


def last_entry(connection: apsw.Connection) -> Entry:
    """The end of the journal; number 0 if there is none. Of one that can't be read only the number counts."""
    for row in connection.execute(f"SELECT {_COLUMNS} FROM journal ORDER BY number DESC LIMIT 1"):
        try:
            return Entry.of_row(row)
        except AlteredError:
            return Entry(row[0])
    return Entry()


def entries(connection: apsw.Connection, most: int) -> list[Entry]:
    """The last ones that can be read, oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM journal ORDER BY number DESC LIMIT ?", (most,))
    return list(_readable(rows))[::-1]


def accepted(connection: apsw.Connection) -> list[Entry]:
    """Those by which books were taken as they were, as far as they can be read."""
    return list(_readable(connection.execute(f"SELECT {_COLUMNS} FROM journal WHERE accepted = 1 ORDER BY number")))


def _readable(rows: Iterable[Row]) -> Iterator[Entry]:
    for row in rows:
        with suppress(AlteredError):
            yield Entry.of_row(row)


def follows(connection: apsw.Connection, earlier: Entry) -> bool:
    """Whether a journal goes on from where another moment's entry had come to. Of that what was saved doesn't count."""
    query = "SELECT before, saves, hash FROM journal WHERE number = ?"
    for before, saves, hash in connection.execute(query, (earlier.number,)):
        return bool(before == earlier.before and (saves > earlier.saves or hash == earlier.hash))
    return earlier.saves == 0


def problems(connection: apsw.Connection, key: bytes, tables: Sequence[Table] = TABLES) -> Iterator[str]:
    """What is not as it was written, in the order in which it is found: the journal first, then table by table.

    `key`: the evidence key. `tables`: as they are in the schema of these books.
    """
    try:
        last = _end_of_chain(connection, key)
    except AlteredError as error:
        yield str(error)
        return
    for table, written in zip(tables, last.sums, strict=True):
        yield from _of_table(connection, key, table, written)


def _end_of_chain(connection: apsw.Connection, key: bytes) -> Entry:
    """The last entry, if all hangs together from the one on by which what was before was accepted. AlteredError."""
    (first,) = next(iter(connection.execute("SELECT coalesce(max(number), 1) FROM journal WHERE accepted = 1")))
    last: Row | None = None
    for row in connection.execute(f"SELECT {_COLUMNS} FROM journal WHERE number >= ? ORDER BY number", (first,)):
        number, when, before, hash = row[0], row[2], row[-2], row[-1]
        if number != (first if last is None else last[0] + 1):
            raise AlteredError(f"the journal lacks entries before number {number}, of {time_text(when)}")
        if hash != row_hash(key, row):
            raise AlteredError(f"entry {number} of the journal, of {time_text(when)}, was altered")
        if last is not None and before != last[-1]:
            raise AlteredError(f"entry {number} of the journal, of {time_text(when)}, doesn't follow the one before it")
        last = row
    if last is None:
        raise AlteredError("the journal is empty")
    return Entry.of_row(last)


def _of_table(connection: apsw.Connection, key: bytes, table: Table, written: Sum) -> Iterator[str]:
    count = total = 0
    altered = False
    width = len(table.columns)
    names = ", ".join((*table.columns, "seal", *(name for name in table.key if name not in table.columns)))
    for row in connection.execute(f"SELECT {names} FROM {table.name}"):
        made = seal(key, table, row[:width])
        if made != row[width]:
            altered = True
            yield f"{_row_name(table, row)} was altered, or is none that this Node wrote"
        count += 1
        total += int.from_bytes(made, "big")
    if not altered and (count, total % _MODULUS) != (written.count, written.total):
        if count != written.count:
            yield f"{table.name} holds {count} rows, and {written.count} were written"
        else:
            yield f"{table.name}: a row was put back as it had been before"


def _row_name(table: Table, row: Row) -> str:
    if table.key[0] not in table.columns:
        return f"row {row[-1]} of {table.name} ({table.columns[0]} {_text(row[0])})"
    named = zip(table.key, row, strict=False)
    return f"{table.name}: " + ", ".join(f"{name} {_text(value)}" for name, value in named if value != b"")


def _text(value: object) -> str:
    """Who had the key may have put anything there: it is shown on a line of a terminal."""
    return printable(f"0x{value.hex()}" if isinstance(value, bytes) else str(value))[:MOST_WORDS]
