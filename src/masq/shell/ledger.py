"""The books looked into: whether they are those that were written, and what their journal tells."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

from masq.settings.relations import DATABASE
from masq.shell import evidence
from masq.shell.database import alone, connect, mapped_errors
from masq.shell.evidence import Entry, evidence_key
from masq.shell.head_file import HEAD_FILE, HeadFile
from masq.shell.inspection import has_journal, problems, read_version
from masq.shell.key_file import KEY_FILE, StoreError, read_key
from masq.shell.schema import TABLES
from masq.shell.store import Store

MOST_PROBLEMS: Final = 20
MOST_ENTRIES: Final = 100

Report = dict[str, Any]


def look(directory: Path, password: str | None) -> Report:
    """Into the books of a Node that doesn't run; nothing is changed. StoreError if they can't be read, or one runs."""
    path = directory / DATABASE
    with alone(directory), mapped_errors(path):
        stored = read_key(directory / KEY_FILE, password)
        if stored is None:
            raise StoreError(f"there is no {directory / KEY_FILE}: no Node has been run with this data directory")
        if not path.exists():
            return _report([f"there are none: {DATABASE} is missing, and {KEY_FILE} is there"], (), ())
        key = evidence_key(stored.key)
        head, damage = HeadFile.find(directory / HEAD_FILE, key)
        connection = connect(path, stored.key)
        try:
            version = read_version(connection, path, password)
            found = list(islice(problems(connection, key, version, head, damage), MOST_PROBLEMS))
            if not has_journal(connection, version):
                return _report(found, (), ())
            return _report(found, evidence.accepted(connection), evidence.entries(connection, MOST_ENTRIES))
        finally:
            connection.close()
            if head is not None:
                head.close()


def look_at_running(store: Store) -> Report:
    """Into a copy as of one moment of the books that are in use. May be called in another thread."""
    with store.copied() as (copy, key):
        found = list(islice(evidence.problems(copy, key), MOST_PROBLEMS))
        return _report(found, evidence.accepted(copy), evidence.entries(copy, MOST_ENTRIES))


def _report(found: list[str], accepted: Iterable[Entry], last: Iterable[Entry]) -> Report:
    entries = [_entry(each) for each in last]
    return {
        "problems": found,
        "saves": entries[-1]["saves"] if entries else 0,
        "rows": entries[-1]["rows"] if entries else {},
        "accepted": [_entry(each) for each in accepted],
        "last": entries,
    }


def _entry(entry: Entry) -> Report:
    return {
        "number": entry.number,
        "began": entry.began,
        "time": entry.time,
        "saves": entry.saves,
        "what": dict(entry.what),
        "rows": {table.name: each.count for table, each in zip(TABLES, entry.sums, strict=True)},
        "hash": entry.hash.hex(),
    }
