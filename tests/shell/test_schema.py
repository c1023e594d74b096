"""Books of older versions are taken over whole, and sealed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.older_books import older_books

from masq.chain.erc20 import sign_transfer
from masq.chain.wallet import Wallet
from masq.core.accountant.effects import Paid, Part, Payment, Save, State, Variant
from masq.core.accountant.ledger import BookEntry
from masq.shell import evidence
from masq.shell.database import connect
from masq.shell.evidence import Sum, evidence_key, seal
from masq.shell.head_file import HEAD_FILE, HeadFile
from masq.shell.inspection import AlteredBooksError
from masq.shell.key_file import KEY_FILE, read_key
from masq.shell.ledger import look
from masq.shell.schema import tables
from masq.shell.store import Store
from masq.types import CHAINS

WALLET, OTHER, PURSE = b"a" * 20, b"b" * 20, b"c" * 20
HASH, EARLIER = b"h" * 32, b"e" * 32
Rows = list[tuple[str, tuple[Any, ...]]]

COMMON: Rows = [
    ("accounts", (1, WALLET, str(-(2**100)), 5)),
    ("accounts", (0, OTHER, str(2**125), 6)),
    ("banned", (WALLET,)),
    ("config", ("start_block", "7")),
    ("config", ("other", "väl")),
]
ENTRIES = {BookEntry(True, WALLET, -(2**100), 5), BookEntry(False, OTHER, 2**125, 6)}
PAYMENT = Payment(OTHER, 10**20, 3, 9, WALLET, (Variant(b"raw", HASH, 2**70, 7, 10),), State.MINED, 4)
VARIANTS = json.dumps([[b"raw".hex(), HASH.hex(), str(2**70), "7", 10]])
OF_PAYMENT = (HASH, OTHER, str(10**20), 3, 9, WALLET, VARIANTS, "mined", 4)
HISTORY: Rows = [("paid", (EARLIER, OTHER, "5", 3, None, 8)), ("earned", (EARLIER, WALLET, "-6", 2, 7))]


def check_common(store: Store) -> None:
    state = store.load()
    assert set(state.entries) == ENTRIES
    assert (state.banned, state.start_block, store.get("other")) == ((WALLET,), 7, "väl")


def test_payments_of_schema_1_are_taken_over_with_their_sender_and_price(tmp_path: Path) -> None:
    """S83."""
    payer = Wallet(b"\x01" * 32)
    old = sign_transfer(payer, CHAINS["dev"], nonce=3, gas_price=7 * 10**9, recipient=OTHER, amount=10**20)
    older_books(tmp_path, 1, [*COMMON, ("payments", (old.hash, OTHER, str(10**20), 3, old.raw, 9))])
    again = Store.open(tmp_path, None)
    variant = Variant(old.raw, old.hash, 7 * 10**9, None, 9)
    assert again.load().payments == (Payment(OTHER, 10**20, 3, 9, payer.address, (variant,)),)
    check_common(again)
    again.save(Save(ended_payments=(old.hash,), paid=(Paid(old.hash, OTHER, 10**20, 5, 1, 9, payer.address),)))
    again.close()
    assert look(tmp_path, None)["problems"] == []


def test_books_of_schema_2_are_those_of_the_default_wallet(tmp_path: Path) -> None:
    older_books(tmp_path, 2, [*COMMON, *HISTORY, ("payments", OF_PAYMENT)])
    again = Store.open(tmp_path, None)
    check_common(again)
    assert again.load().payments == (PAYMENT,)
    assert not again.further
    before = again.load()
    again.save(Save(entries=(BookEntry(True, OTHER, 5, 9),)), PURSE)
    assert (again.load(), again.further) == (before, {PURSE: 5})
    again.close()


def test_books_of_schema_3_keep_those_of_further_wallets_and_what_was_paid(tmp_path: Path) -> None:
    rows = [*COMMON, *HISTORY, ("payments", (*OF_PAYMENT, PURSE)), ("debts", (PURSE, OTHER, str(2**90), 11))]
    older_books(tmp_path, 3, rows)
    for _ in range(2):
        again = Store.open(tmp_path, None)
        check_common(again)
        assert again.load().payments == ()
        assert again.load(PURSE).payments == (PAYMENT,)
        assert again.load(PURSE).entries == (BookEntry(True, OTHER, 2**90, 11),)
        again.close()
    report = look(tmp_path, None)
    assert report["problems"] == []
    assert report["rows"] == {"accounts": 3, "payments": 1, "paid": 1, "earned": 1, "banned": 1, "config": 2}
    assert report["last"][0]["what"] == {"upgraded": ["schema 3"]}


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_an_older_copy_from_before_an_upgrade_is_noticed(tmp_path: Path, schema: int) -> None:
    older_books(tmp_path, schema, COMMON)
    copy = (tmp_path / "node.db").read_bytes()
    Store.open(tmp_path, None).close()
    (tmp_path / "node.db").write_bytes(copy)
    with pytest.raises(AlteredBooksError, match="of an older version of this program"):
        Store.open(tmp_path, None)
    store = Store.open(tmp_path, None, accept="by a test")
    check_common(store)
    store.close()
    Store.open(tmp_path, None).close()


def test_a_kill_before_the_upgrade_was_written_is_nothing(tmp_path: Path) -> None:
    """The file that tells how far the books have come is there first."""
    older_books(tmp_path, 3, COMMON)
    copy = (tmp_path / "node.db").read_bytes()
    store = Store.open(tmp_path, None)
    store.close()
    data = bytearray((tmp_path / "node.head").read_bytes())
    (tmp_path / "node.head").write_bytes(data[:128])  # As it was begun.
    (tmp_path / "node.db").write_bytes(copy)
    again = Store.open(tmp_path, None)
    check_common(again)
    again.close()


def of_schema_4(directory: Path, save: Save) -> None:
    """Books as the version before this one left them, with their seals, journal and file of how far they had come."""
    store = Store.open(directory, None)
    store.save(save)
    store.close()
    stored = read_key(directory / KEY_FILE, None)
    assert stored is not None
    connection = connect(directory / "node.db", stored.key)
    connection.execute("ALTER TABLE payments DROP COLUMN parts")
    key = evidence_key(stored.key)
    before, payments = tables(4), tables(4)[1]
    total = 0
    for row in list(connection.execute(f"SELECT {', '.join(payments.columns)} FROM payments")):
        made = seal(key, payments, row)
        connection.execute("UPDATE payments SET seal = ? WHERE hash = ?", (made, row[0]))
        total += int.from_bytes(made, "big")
    last = evidence.last_entry(connection)
    sums = tuple(
        Sum(each.count, total) if table is payments else each for table, each in zip(before, last.sums, strict=True)
    )
    entry = replace(last, sums=sums).sealed(key)
    connection.execute(
        "UPDATE journal SET sums = ?, hash = ? WHERE number = ?", (entry.row[6], entry.hash, entry.number)
    )
    connection.pragma("user_version", 4)
    connection.close()
    (directory / HEAD_FILE).unlink()
    head = HeadFile.begin(directory / HEAD_FILE, key)
    head.write(entry)
    head.close()


OLD = Save(entries=(BookEntry(True, OTHER, 7, 8),), payments=(PAYMENT,), banned=(WALLET,), config=(("other", "väl"),))


def test_books_of_schema_4_are_verified_taken_over_and_their_journal_goes_on(tmp_path: Path) -> None:
    of_schema_4(tmp_path, OLD)
    assert look(tmp_path, None)["problems"] == []
    for _ in range(2):
        again = Store.open(tmp_path, None)
        assert again.load().payments == (PAYMENT,)
        assert (again.load().banned, again.get("other")) == ((WALLET,), "väl")
        again.close()
    report = look(tmp_path, None)
    assert report["problems"] == []
    assert [each["what"] for each in report["last"]][-1] == {"upgraded": ["schema 4"]}
    assert len(report["last"]) > 2, "what was before is still there"


def test_books_of_schema_4_that_were_altered_are_refused(tmp_path: Path) -> None:
    of_schema_4(tmp_path, OLD)
    stored = read_key(tmp_path / KEY_FILE, None)
    assert stored is not None
    connection = connect(tmp_path / "node.db", stored.key)
    connection.execute("UPDATE payments SET wei = '1'")
    connection.close()
    with pytest.raises(AlteredBooksError, match="payments: hash"):
        Store.open(tmp_path, None)
    assert any("payments" in each for each in look(tmp_path, None)["problems"])


def test_a_copy_of_schema_4_that_is_put_back_after_the_upgrade_is_noticed(tmp_path: Path) -> None:
    of_schema_4(tmp_path, OLD)
    copy = (tmp_path / "node.db").read_bytes()
    Store.open(tmp_path, None).close()
    (tmp_path / "node.db").write_bytes(copy)
    with pytest.raises(AlteredBooksError, match="older copy"):
        Store.open(tmp_path, None)


def test_parts_of_a_payment_are_kept_to_the_wei(tmp_path: Path) -> None:
    parts = (Part(WALLET, 2**70), Part(OTHER, 1, True))
    payment = replace(PAYMENT, parts=parts, wei=2**70 + 1)
    for purse in (b"", PURSE):
        store = Store.open(tmp_path, None)
        store.save(Save(payments=(payment,)), purse)
        assert store.load(purse).payments == (payment,)
        store.close()
    store = Store.open(tmp_path, None)
    store.adopt(PURSE)
    assert store.load().payments == (payment,)
    store.close()
    assert look(tmp_path, None)["problems"] == []
