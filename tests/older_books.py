"""Databases as older versions of this program left them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from masq.shell.database import connect
from masq.shell.key_file import KEY_FILE, write_key

_ALWAYS: Final = """
CREATE TABLE config (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE accounts (
    payable INTEGER NOT NULL, wallet BLOB NOT NULL, wei TEXT NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (payable, wallet)) STRICT, WITHOUT ROWID;
CREATE TABLE banned (wallet BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
"""
_PAID: Final = """
CREATE TABLE paid (
    hash BLOB NOT NULL, creditor BLOB NOT NULL, wei TEXT NOT NULL, block INTEGER NOT NULL, fee TEXT,
    time INTEGER NOT NULL) STRICT;
CREATE TABLE earned (
    hash BLOB NOT NULL, debtor BLOB NOT NULL, wei TEXT NOT NULL, block INTEGER NOT NULL,
    time INTEGER NOT NULL) STRICT;
"""
SCHEMAS: Final = {
    1: _ALWAYS
    + """
CREATE TABLE payments (
    hash BLOB PRIMARY KEY, creditor BLOB NOT NULL, wei TEXT NOT NULL, nonce INTEGER NOT NULL,
    raw BLOB NOT NULL, made INTEGER NOT NULL) STRICT;
""",
    2: _ALWAYS
    + _PAID
    + """
CREATE TABLE payments (
    hash BLOB PRIMARY KEY, creditor BLOB NOT NULL, wei TEXT NOT NULL, nonce INTEGER NOT NULL,
    made INTEGER NOT NULL, sender BLOB NOT NULL, variants TEXT NOT NULL, state TEXT NOT NULL,
    block INTEGER) STRICT, WITHOUT ROWID;
""",
    3: _ALWAYS
    + _PAID
    + """
CREATE TABLE payments (
    hash BLOB PRIMARY KEY, creditor BLOB NOT NULL, wei TEXT NOT NULL, nonce INTEGER NOT NULL,
    made INTEGER NOT NULL, sender BLOB NOT NULL, variants TEXT NOT NULL, state TEXT NOT NULL,
    block INTEGER, purse BLOB NOT NULL DEFAULT x'') STRICT, WITHOUT ROWID;
CREATE TABLE debts (
    purse BLOB NOT NULL, wallet BLOB NOT NULL, wei TEXT NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (purse, wallet)) STRICT, WITHOUT ROWID;
""",
}


def older_books(
    directory: Path, schema: int, rows: Sequence[tuple[str, tuple[Any, ...]]], key: bytes | None = None
) -> bytes:
    """Make the files of a Node of back then: the key of its database, which is in a key file without a password unless
    it was given. `rows`: each with the name of its table, all columns in their order."""
    directory.mkdir(parents=True, exist_ok=True)
    made = key or os.urandom(32)
    if key is None:
        write_key(directory / KEY_FILE, made, None)
    connection = connect(directory / "node.db", made)
    connection.execute(SCHEMAS[schema])
    for table, row in rows:
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    connection.pragma("user_version", schema)
    connection.close()
    return made
