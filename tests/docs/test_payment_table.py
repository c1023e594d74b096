"""The table of what becomes of a payment is that of the program."""

from __future__ import annotations

from pathlib import Path

from masq.core.accountant.payments import reference

PAGE = Path(__file__).parents[2] / "docs" / "accounting.md"


def test_the_page_has_the_table_of_the_program() -> None:
    """If not: put in what `python -m masq.core.accountant.payments` prints."""
    assert reference() in PAGE.read_text()
