"""The page of figures: ratios, what falls short, and that it keeps what was written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.measures import Figures

from benchmarks import report

TOR: Figures = {
    "one stream": 50,
    "eight streams": 40,
    "one stream, CPU": 30,
    "eight streams, CPU": 30,
    "first byte": 2,
    "first byte under bulk": 10,
    "fetches": 2_000,
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
    "keep-alive": 800,
    "memory": 61,
}


def verdicts() -> dict[str, str]:
    lines = report.ratio_table({"tor": TOR, "circuits": OURS})[2:]
    cells = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: f"{row[1]}: {row[4]}" for row in cells}


def test_each_figure_is_judged_by_its_ratio_to_tor() -> None:
    found = verdicts()
    assert found["one stream, MB/s"] == "10.0: goal"
    assert found["eight streams, MB/s"] == "5.0: falls short"
    assert found["one stream, CPU-seconds per GB"] == "1 / 6.0: must"
    assert found["eight streams, CPU-seconds per GB"] == "1 / 10.0: goal"
    assert found["first byte of a new stream, idle, ms"] == "1.20: falls short"
    assert found["first byte under 8 bulk streams, ms, to tor's when idle"] == "4.0: must"
    assert found["first byte under 8 bulk streams, ms, to tor's under the same bulk"].startswith("0.80")
    assert found["memory of the largest process, MB"] == "61: must"


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
