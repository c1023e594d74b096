"""Figures of wide networks: kept from run to run, and put into the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.wan import report
from benchmarks.wan.hosts import Setting
from benchmarks.wan.run import SETTINGS, known

FOUND = {"far": {"circuits": {"one stream": 9.0, "first byte": 200.0, "first byte under bulk": 250.0}, "tor": {}}}


def test_what_an_earlier_run_has_kept_counts_if_it_measured_alike(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    assert known(None, "12 s") == known(kept, "12 s") == {}
    kept.write_text(json.dumps({"how": "12 s", "found": FOUND}))
    assert known(kept, "12 s") == FOUND
    with pytest.raises(SystemExit, match=r"measured otherwise \(12 s Now: 8 s\)"):
        known(kept, "8 s")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"how": "12 s", "found": 3}'])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text(text)
    with pytest.raises(SystemExit, match=r"kept\.json: no figures of a wide network"):
        known(kept, "12 s")


def test_rates_are_parts_of_the_slowest_line_and_busy_first_bytes_of_the_idle_one() -> None:
    lines = report.table(FOUND, [Setting("far", 40, 25, slow={"node2": 10})])
    assert lines[2:] == [
        "| far: 40 ms, 10 MB/s | circuits | 9.0 (90 %) |  |  |  | 200 | 250 (x 1.25) |  |",
        "| far: 40 ms, 10 MB/s | tor |  |  |  |  |  |  |  |",
    ]


def test_what_is_written_by_hand_around_the_table_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "draw", lambda found, settings: None)
    report.write(FOUND, SETTINGS, "12 s each.")
    text = page.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\nMeasured on ")
    assert text.endswith(f"(performance-wan.svg)\n{report.END}\nafter\n")
    assert "old" not in text


def test_losses_of_a_tenth_and_of_one_per_cent_are_measured() -> None:
    assert [each.loss for each in SETTINGS if each.loss] == [0.001, 0.01]
