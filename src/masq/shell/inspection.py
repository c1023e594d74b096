"""Whether the books are those that were written last: looked at before they are used (accounting.md 6.1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw

from masq.core.failure import printable
from masq.shell import evidence
from masq.shell.evidence import JOURNAL_COLUMNS, MOST_COUNTED, MOST_WORDS, Entry
from masq.shell.head_file import HEAD_FILE, HeadFile
from masq.shell.key_file import StoreError
from masq.shell.schema import CREATE, SCHEMA, SEALED, tables
from masq.types import time_text

_JOURNAL: Final = "journal"
_OURS: Final = {_JOURNAL, *(table.name for table in tables(SCHEMA))}


class AlteredBooksError(StoreError):
    """The books aren't those that were written last. Their owner may look into it, and take them as they are."""

    def __init__(self, directory: Path, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"the books in {directory} are not those that were written last: {problem}. `masq ledger verify` tells "
            "more. Restore a copy of all files, or, if you know why it is so, take them as they are with "
            "`masq ledger accept`"
        )


def read_version(connection: apsw.Connection, path: Path, password: str | None) -> int:
    """The schema of a database; 0 of an empty one. StoreError if its key is wrong, or it is of a newer program."""
    try:
        version = connection.pragma("user_version")
    except apsw.NotADBError as error:
        hint = "the password is wrong" if password is not None else "it needs the --db-password it was made with"
        raise StoreError(f"{path} can't be read: {hint}, or the file was damaged or altered") from error
    if not 0 <= version <= SCHEMA:
        raise StoreError(f"{path} was written by a newer version of this program (schema {version})")
    return int(version)


def problems(
    connection: apsw.Connection, key: bytes, version: int, head: HeadFile | None, damage: str
) -> Iterator[str]:
    """What speaks against the books of a schema: they aren't what was written, or not what was written last.

    `key`: the evidence key. `damage`: why there is no `head`, if there is a file.
    """
    if damage:
        yield damage
    saves = head.last.saves if head is not None else 0
    if version < SEALED:
        if saves and head is not None:
            older = "they are of an older version of this program" if version else "there are none"
            yield f"{older}, and {HEAD_FILE} tells of {saves} saves until {time_text(head.last.time)}"
        elif version == 0 and head is None and not damage:
            yield f"there are none, nor a {HEAD_FILE}, and their key is there"
        return
    if odd := list(_shape(connection, version)):
        yield from odd
        return
    yield from evidence.problems(connection, key, tables(version))
    if head is not None:
        if older := _rolled_back(connection, head.last):
            yield older
    elif not damage:
        yield f"{HEAD_FILE} is missing, which tells how far they had come"


def _rolled_back(connection: apsw.Connection, head: Entry) -> str:
    """How the books are older than what `head` tells of, or others; nothing if they aren't."""
    last = evidence.last_entry(connection)
    if last.saves < head.saves:
        return (
            f"they are an older copy, as of {time_text(last.time)}: {head.saves - last.saves} saves until "
            f"{time_text(head.time)} are not in it"
        )
    if evidence.follows(connection, head):
        return ""
    return f"they are not the ones that were written here until {time_text(head.time)}"


def _objects(connection: apsw.Connection) -> dict[str, str]:
    """Name -> its kind: a table, trigger, view or index."""
    return dict(connection.execute("SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"))


def _shape(connection: apsw.Connection, version: int) -> Iterator[str]:
    """What of the database isn't as this program makes it."""
    found = _objects(connection)
    for name, kind in found.items():
        if kind != "table" or name not in _OURS:
            article = "an" if kind == "index" else "a"
            yield f"there is {article} {kind} {printable(name)[:MOST_WORDS]}, which this program never made"
    made = {table.name: {*table.columns, "seal"} for table in tables(version)}
    for name, columns in {**made, _JOURNAL: {*JOURNAL_COLUMNS}}.items():
        if name not in found:
            yield f"the table {name} is missing"
        elif columns != {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}:
            yield f"the table {name} has other columns than it was made with"


def has_journal(connection: apsw.Connection, version: int) -> bool:
    """Whether there is one to be read."""
    return version >= SEALED and not list(_shape(connection, version))


def mend_shape(connection: apsw.Connection) -> None:
    """Books that are taken as they are: what this program never made goes, and what is missing is empty. StoreError if
    that isn't all that is odd."""
    with connection:
        for name, kind in _objects(connection).items():
            if kind != "table" or name not in _OURS:
                quoted = name.replace('"', '""')
                connection.execute(f'DROP {kind} IF EXISTS "{quoted}"')
        connection.execute(CREATE)
        connection.execute(f"DELETE FROM {_JOURNAL} WHERE number > ?", (MOST_COUNTED,))
        for problem in _shape(connection, SCHEMA):
            raise StoreError(f"{problem}: such books can't be taken as they are. Restore a copy of all files")
