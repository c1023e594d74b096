"""Books of older versions are taken over whole, and sealed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.older_books import older_books

from masq.chain.erc20 import sign_transfer
from masq.chain.wallet import Wallet
from masq.core.accountant.effects import Paid, Payment, Save, State, Variant
from masq.core.accountant.ledger import BookEntry
from masq.shell.ledger import look
from masq.shell.store import AlteredBooksError, Store
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
