"""What may be seen: all of it is documented, and turns into JSON without losing a digit."""

from __future__ import annotations

import json
import runpy
from dataclasses import FrozenInstanceError, fields
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.core import view
from masq.core.view import VIEWS, AccountView, BooksView, LinkView, MoneyView, OverbilledView, as_json, reference
from masq.types import Wei

STATUS = Path(__file__).parents[2] / "docs" / "status.md"


def test_the_page_of_the_status_document_is_what_the_views_say() -> None:
    """If not: `python -m masq.core.view > docs/status.md`."""
    assert STATUS.read_text() == reference()


def test_run_as_a_program_it_prints_that_page(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(RuntimeWarning, match="in sys.modules"):
        runpy.run_module("masq.core.view", run_name="__main__")
    assert capsys.readouterr().out == reference()


def test_each_view_of_the_module_is_documented() -> None:
    made = {each for each in vars(view).values() if isinstance(each, type) and each.__name__.endswith("View")}
    assert made == set(VIEWS)


@pytest.mark.parametrize("kind", VIEWS)
def test_each_member_says_what_it_is_and_views_hold_nothing_but_values(kind: type[Any]) -> None:
    simple = {str, int, float, bool, type(None), Wei}
    for each, hint in zip(fields(kind), get_type_hints(kind).values(), strict=True):
        assert each.metadata["doc"]
        parts = [part for part in getattr(hint, "__args__", (hint,)) if part is not ...]
        assert all(part in simple or part in VIEWS for part in parts), (each.name, hint)
        assert f"| `{each.name}` |" in reference()


@given(wei=st.integers(-(2**126), 2**126))
def test_wei_are_text_of_which_no_digit_is_lost(wei: int) -> None:
    money = MoneyView((), None, None, None, Wei(0), Wei(0), None, Wei(0), Wei(0), 1)
    books = BooksView((AccountView("0x1", Wei(wei), 7),), (), (), (), Wei(wei), Wei(0), money, Wei(1), None)
    told = json.loads(json.dumps(as_json(books)))
    assert told["payables"] == [{"wallet": "0x1", "wei": str(wei), "since": 7}]
    assert int(told["paid_wei"]) == wei
    assert told["receivables"] == []
    assert (told["spent_hour_wei"], told["most_hour_wei"]) == ("1", None)


def test_other_members_keep_their_types() -> None:
    link = as_json(LinkView("10.0.0.1:80", "secure", True, 5, 0))
    assert link == {"peer": "10.0.0.1:80", "speech": "secure", "outbound": True, "queued": 5, "dropped": 0}
    bill = as_json(OverbilledView("ab", Wei(2), Wei(1), 0.5))
    assert bill == {"node": "ab", "billed": "2", "counted": "1", "age": 0.5}
    assert as_json(None) is None


def test_names_of_an_enumeration_are_its_values_in_text() -> None:
    class Colour(Enum):
        RED = "red"

        def __str__(self) -> str:
            return self.value

    assert as_json((Colour.RED,)) == ["red"]


def test_a_view_can_not_be_changed() -> None:
    seen = LinkView("a", "json", False, 0, 0)
    with pytest.raises(FrozenInstanceError):
        seen.queued = 1  # type: ignore[misc]
