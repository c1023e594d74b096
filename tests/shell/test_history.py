"""What the books have seen, page by page: each row once, whatever the page ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from masq.core.accountant.effects import Earned, Paid, Save
from masq.core.accountant.ledger import BookEntry
from masq.shell.history import PAGE
from masq.shell.store import Store

COUNTS = (0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE)


def wallet(number: int) -> bytes:
    return number.to_bytes(20, "big")


def all_of(store: Store, kind: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    after: str | None = ""
    while after is not None:
        page = store.history(kind, after)
        assert len(page.rows) <= PAGE
        rows += page.rows
        after = page.after
    return rows


@pytest.mark.parametrize("count", COUNTS)
def test_each_row_of_each_kind_comes_once_and_in_order(tmp_path: Path, count: int) -> None:
    store = Store.open(tmp_path, None)
    numbers = range(count)
    store.save(
        Save(
            entries=tuple(BookEntry(bool(n % 2), wallet(n // 2), n, n) for n in range(2 * count)),
            paid=tuple(Paid(wallet(n), wallet(n), 2**100 + n, n, n if n % 2 else None, n) for n in numbers),
            earned=tuple(Earned(wallet(n), wallet(n), -n, n, n) for n in numbers),
        )
    )
    for purse in (b"p" * 20, b"q" * 20):
        store.save(Save(tuple(BookEntry(True, wallet(n), n, n) for n in range(count // 2))), purse)
    hexes = [wallet(n).hex() for n in numbers]
    assert all_of(store, "paid") == [
        (n, hexes[n], str(2**100 + n), hexes[n], n, str(n) if n % 2 else None, "") for n in numbers
    ]
    assert all_of(store, "earned") == [(n, hexes[n], str(-n), hexes[n], n, None, None) for n in numbers]
    assert all_of(store, "receivables") == [(hexes[n], str(2 * n), 2 * n) for n in numbers]
    assert all_of(store, "payables") == [(hexes[n], str(2 * n + 1), 2 * n + 1) for n in numbers]
    assert all_of(store, "further") == 2 * [(hexes[n], str(n), n) for n in range(count // 2)]
    assert all_of(store, "payments") == []
    store.close()


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("config", ""),
        ("", ""),
        ("paid", "x"),
        ("paid", "-1"),
        ("paid", "f" * 17),
        ("payables", "abc"),
        ("payables", "ab" * 200),
    ],
)
def test_other_kinds_and_places_are_refused(tmp_path: Path, kind: str, after: str) -> None:
    store = Store.open(tmp_path, None)
    with pytest.raises(ValueError, match=r"."):
        store.history(kind, after)
    store.close()
