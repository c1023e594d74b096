"""The page of figures: ratios, what falls short, and that it keeps what was written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.measures import Figures

from benchmarks import report, sing_box, tor

TOR: Figures = {
    "one stream": 50,
    "eight streams": 40,
    "one stream, CPU": 30,
    "eight streams, CPU": 30,
    "first byte": 2,
    "first byte under bulk": 10,
    "fetches": 2_000,
    "fetches, CPU": 0.4,
    "keep-alive": 200,
    "memory": 100,
}
OURS: Figures = {
    "one stream": 500,
    "eight streams": 200,
    "one stream, CPU": 5,
    "eight streams, CPU": 3,
    "first byte": 2.4,
    "first byte under bulk": 8,
    "fetches": 1_700,
    "fetches, CPU": 0.5,
    "keep-alive": 800,
    "memory": 61,
}


SING_BOX: Figures = {
    "one stream": 400,
    "eight streams": 200,
    "one stream, CPU": 4,
    "eight streams, CPU": 4,
    "fetches": 850,
}


def rows(table: list[str]) -> list[list[str]]:
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in table[2:]]


def verdicts() -> dict[str, str]:
    return {row[0]: f"{row[1]}: {row[4]}" for row in rows(report.ratio_table({"tor": TOR, "circuits": OURS}))}


def test_each_figure_is_judged_by_its_ratio_to_tor() -> None:
    found = verdicts()
    assert found["one stream, MB/s"] == "10.0: goal"
    assert found["eight streams, MB/s"] == "5.0: falls short"
    assert found["one stream, CPU-seconds per GB"] == "1 / 6.0: must"
    assert found["eight streams, CPU-seconds per GB"] == "1 / 10.0: goal"
    assert found["first byte of a new stream, idle, ms"] == "1.20: falls short"
    assert found["first byte under 8 bulk streams, ms, to tor's when idle"] == "4.0: must"
    assert found["first byte under 8 bulk streams, ms, to tor's under the same bulk"].startswith("0.80")
    assert found["CPU-milliseconds per such fetch"] == "1.25: must"
    assert found["memory of the largest process, MB"] == "61: must"


def test_bulk_is_judged_by_its_ratio_to_sing_box_and_its_cost_by_itself() -> None:
    found = rows(report.sing_box_table({"sing-box": SING_BOX, "circuits": OURS}))
    assert found == [
        ["one stream, MB/s", "500", "400", "1.25", "1.00 x", "goal"],
        ["eight streams, MB/s", "200", "200", "1.00", "1.00 x", "goal"],
        ["one stream, CPU-seconds per GB", "5.0", "4.0", "1.25", "at most 4.0", "falls short"],
        ["eight streams, CPU-seconds per GB", "3.0", "4.0", "0.75", "at most 4.0", "goal"],
        ["1 KB fetches on new streams per second, 16 at once", "1,700", "850", "2.00", "", ""],
    ]


def test_the_page_says_how_to_get_what_is_not_there() -> None:
    lines = report.measured({"circuits": OURS}, separate=False, rounds=1, costs=[])
    assert sing_box.MISSING in lines
    assert tor.MISSING in lines


def test_what_was_written_by_hand_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\nbefore\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "PLOT", tmp_path / "plot.svg")
    monkeypatch.setattr(report, "draw", lambda found: None)
    report.write({"circuits": OURS}, separate=False, rounds=1, costs=[("one step", 1.0)])
    text = page.read_text()
    assert text.startswith("# Title\n\nbefore\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert "| one stream, MB/s | 500 | 5 |" in text
    assert "| one step | 1.0 |" in text
