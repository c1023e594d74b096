"""The tables of the Node's memory, and how those of older versions become them.

Each row carries a seal, and each save is an entry of the journal (`evidence`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCHEMA: Final = 5


@dataclass(frozen=True, slots=True)
class Table:
    """What is kept: one row of `columns` for each `key`. Without a key rows are only added, and have a rowid."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...] = ("rowid",)

    @property
    def person(self) -> bytes:
        """By which seals of one table are none of another's."""
        return self.name.encode()


ACCOUNTS: Final = Table("accounts", ("payable", "purse", "wallet", "wei", "since"), ("payable", "purse", "wallet"))
_PAYMENTS_4: Final = Table(
    "payments", ("hash", "creditor", "wei", "nonce", "made", "sender", "variants", "state", "block", "purse"), ("hash",)
)
PAYMENTS: Final = Table("payments", (*_PAYMENTS_4.columns, "parts"), ("hash",))
PAID: Final = Table("paid", ("hash", "creditor", "wei", "block", "fee", "time", "sender"))
EARNED: Final = Table("earned", ("hash", "debtor", "wei", "block", "time"))
BANNED: Final = Table("banned", ("wallet",), ("wallet",))
CONFIG: Final = Table("config", ("name", "value"), ("name",))

TABLES: Final = (ACCOUNTS, PAYMENTS, PAID, EARNED, BANNED, CONFIG)
"""In the order in which an entry of the journal sums them."""
SEALED: Final = 4
"""The first schema with seals and a journal."""


def tables(version: int) -> tuple[Table, ...]:
    """Those of a schema with seals."""
    return TABLES if version == SCHEMA else tuple(_PAYMENTS_4 if each is PAYMENTS else each for each in TABLES)


CREATE: Final = """
CREATE TABLE IF NOT EXISTS accounts (
    payable INTEGER NOT NULL, purse BLOB NOT NULL, wallet BLOB NOT NULL, wei TEXT NOT NULL,
    since INTEGER NOT NULL, seal BLOB NOT NULL, PRIMARY KEY (payable, purse, wallet)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments (
    hash BLOB PRIMARY KEY, creditor BLOB NOT NULL, wei TEXT NOT NULL, nonce INTEGER NOT NULL,
    made INTEGER NOT NULL, sender BLOB NOT NULL, variants TEXT NOT NULL, state TEXT NOT NULL,
    block INTEGER, purse BLOB NOT NULL, seal BLOB NOT NULL, parts TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS paid (
    hash BLOB NOT NULL, creditor BLOB NOT NULL, wei TEXT NOT NULL, block INTEGER NOT NULL, fee TEXT,
    time INTEGER NOT NULL, sender BLOB NOT NULL, seal BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS earned (
    hash BLOB NOT NULL, debtor BLOB NOT NULL, wei TEXT NOT NULL, block INTEGER NOT NULL,
    time INTEGER NOT NULL, seal BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS banned (wallet BLOB PRIMARY KEY, seal BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS config (
    name TEXT PRIMARY KEY, value TEXT NOT NULL, seal BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    number INTEGER PRIMARY KEY, began INTEGER NOT NULL, time INTEGER NOT NULL, saves INTEGER NOT NULL,
    accepted INTEGER NOT NULL, what TEXT NOT NULL, sums BLOB NOT NULL, before BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
"""
"""`purse`: the further consuming wallet that a debt or payment is of; nothing: the default one. Wei are decimal text,
as they outgrow 63 bits. `parts`: of a payment to several; nothing: it is to one. `sender` of what was paid is empty
where an older version wrote it."""

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

FROM_1: Final = f"ALTER TABLE payments RENAME TO payments_1;{_SINCE_2}"
"""To schema 2, but for the rows of `payments_1`: what they hold beside stands in their transactions."""

FROM_2: Final = """
ALTER TABLE payments ADD COLUMN purse BLOB NOT NULL DEFAULT x'';
CREATE TABLE debts (
    purse BLOB NOT NULL, wallet BLOB NOT NULL, wei TEXT NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (purse, wallet)) STRICT, WITHOUT ROWID;
"""

_RENAMED: Final = ("accounts", "payments", "paid", "earned", "banned", "config")

FROM_3: Final = f"""
{"".join(f"ALTER TABLE {name} RENAME TO {name}_3;" for name in _RENAMED)}
{CREATE}
INSERT INTO accounts SELECT payable, x'', wallet, wei, since, x'' FROM accounts_3;
INSERT INTO accounts SELECT 1, purse, wallet, wei, since, x'' FROM debts;
INSERT INTO payments
    SELECT hash, creditor, wei, nonce, made, sender, variants, state, block, purse, x'', '' FROM payments_3;
INSERT INTO paid SELECT hash, creditor, wei, block, fee, time, x'', x'' FROM paid_3;
INSERT INTO earned SELECT hash, debtor, wei, block, time, x'' FROM earned_3;
INSERT INTO banned SELECT wallet, x'' FROM banned_3;
INSERT INTO config SELECT name, value, x'' FROM config_3;
{"".join(f"DROP TABLE {name}_3;" for name in _RENAMED)}
DROP TABLE debts;
"""
"""To schema 5, but for the seals."""

FROM_4: Final = "ALTER TABLE payments ADD COLUMN parts TEXT NOT NULL DEFAULT '';"
"""Likewise."""
