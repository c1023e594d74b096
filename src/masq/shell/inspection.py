"""Whether the books are those that were written last: looked at before they are used (accounting.md 6.1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw

from masq.shell import evidence
from masq.shell.evidence import Entry, time_text
from masq.shell.head_file import HEAD_FILE, HeadFile
from masq.shell.key_file import StoreError
from masq.shell.schema import SCHEMA, SEALED, tables


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
