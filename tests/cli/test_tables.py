"""Text for people: what fits, what is cut, how numbers read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.cli.tables import cut, duration, facts, moment, paragraph, printable, size_text, table


def test_columns_are_aligned_and_numbers_stand_to_the_right() -> None:
    lines = table(("NAME", "N", "TEXT"), [("a", "10", "x y"), ("long", "9", "z")], None)
    assert lines == ["NAME   N  TEXT", "a     10  x y", "long   9  z"]


def test_what_does_not_fit_is_cut_at_the_end_of_its_line() -> None:
    lines = table(("A", "B"), [("1", "x" * 100)], 40)
    assert [len(line) for line in lines] == [4, 40]
    assert lines[1].endswith("x…")
    assert len(table(("A", "B"), [("1", "x" * 100)], None)[1]) == 103


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5), st.integers(40, 200))
def test_no_line_is_longer_than_the_terminal_and_none_steers_it(rows: list[tuple[str, str]], width: int) -> None:
    lines = table(("A", "B"), rows, width)
    assert len(lines) == len(rows) + 1
    assert all(len(line) <= width and line.isprintable() for line in lines)


def test_facts_are_never_cut() -> None:
    assert facts([("a", "x" * 300), ("name", "y\x1b")]) == ["a     " + "x" * 300, "name  y\N{REPLACEMENT CHARACTER}"]


def test_words_are_wrapped_where_there_is_a_width() -> None:
    assert paragraph("one two three", 8, "  ") == ["  one", "  two", "  three"]
    assert paragraph("one two three", None, "  ") == ["  one two three"]
    assert paragraph("", 8) == [""]
    assert cut("abc", 3) == "abc"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567, "1.2 MB"),
        (99_950_000, "100 MB"),
        (10**22, "10000 EB"),
    ],
)
def test_bytes(count: float, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0:00"), (5, "0:05"), (3725.4, "1:02:05"), (360_000, "4 days"), (1e300, "11574074 days")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_moments() -> None:
    assert moment(1_795_646_128)[:3] == "202"
    assert moment(1e300) == "-"
    assert printable("a\nb") == "a\N{REPLACEMENT CHARACTER}b"
