"""Two results beside each other: what counts as slower, what is only shown, and what can't be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.compare import STEPS, main
from benchmarks.results import Machine, Result, new

HERE = Machine("A CPU", 2, "6.1", "3.11.7")
BEFORE = Result(
    date="2026-11-01T10:00:00",
    commit="abc",
    quick=False,
    rounds=3,
    machine=HERE,
    networks={"circuits": {"one stream": 300.0, "first byte": 2.0}, "tor": {"one stream": 40.0, "first byte": 2.0}},
    steps={"a step": 10.0},
)


def with_figures(network: str, **figures: float) -> Result:
    """BEFORE with other figures of a network, or of the steps; underscores stand for blanks."""
    changed = {name.replace("_", " "): value for name, value in figures.items()}
    if network == STEPS:
        return replace(BEFORE, commit="def", steps={**BEFORE.steps, **changed})
    networks = {**BEFORE.networks, network: {**BEFORE.networks[network], **changed}}
    return replace(BEFORE, commit="def", networks=networks)


def compare(tmp_path: Path, after: Result, *words: str) -> int:
    paths = [result.write(tmp_path / name) for name, result in (("before", BEFORE), ("after", after))]
    return main([*map(str, paths), *words])


@pytest.mark.parametrize(
    ("after", "status"),
    [
        (BEFORE, 0),
        (with_figures("circuits", one_stream=291.0), 0),  # 3 % is not more than 3 %.
        (with_figures("circuits", one_stream=290.0), 1),
        (with_figures("circuits", one_stream=600.0), 0),
        (with_figures("circuits", first_byte=2.06), 0),
        (with_figures("circuits", first_byte=2.07), 1),
        (with_figures("circuits", first_byte=1.0), 0),
        (with_figures("tor", one_stream=20.0), 0),
        (with_figures(STEPS, a_step=10.4), 1),
        (with_figures(STEPS, a_step=9.0), 0),
    ],
)
def test_what_is_slower(tmp_path: Path, after: Result, status: int) -> None:
    assert compare(tmp_path, after) == status


def test_the_tolerance_can_be_chosen(tmp_path: Path) -> None:
    slower = with_figures("circuits", one_stream=270.0)
    assert compare(tmp_path, slower, "--tolerance", "11") == 0
    assert compare(tmp_path, slower, "--tolerance", "9") == 1


def test_the_table_has_both_and_their_ratio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare(tmp_path, with_figures("circuits", one_stream=150.0))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["one", "stream", "300.00", "150.00", "0.500", "slower"] in lines
    assert ["first", "byte", "2.00", "2.00", "1.000"] in lines
    assert ["1", "of", "3", "figures", "are", "worse", "by", "more", "than", "3", "%"] in lines


def test_what_makes_a_comparison_doubtful_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = replace(BEFORE, quick=True, machine=replace(HERE, cores=8), networks={"circuits": {"one stream": 300.0}})
    assert compare(tmp_path, other) == 0
    output = capsys.readouterr().out
    assert "machines differ" in output
    assert "longer" in output
    assert "Only in the first: circuits: first byte, tor: one stream, tor: first byte" in output


def test_nothing_in_common_is_no_success(tmp_path: Path) -> None:
    assert compare(tmp_path, replace(BEFORE, networks={}, steps={})) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', json.dumps({"format": 1, "machine": {}})])
def test_a_file_that_is_no_result(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    assert main([str(path), str(path)]) == 2
    assert main([str(tmp_path / "none.json"), str(path)]) == 2


def test_a_result_can_be_read_back_and_names_machine_and_commit(tmp_path: Path) -> None:
    result = new({"circuits": {"one stream": 1.5}}, {"a step": 1.0}, quick=True, rounds=1)
    path = result.write(tmp_path)
    assert Result.read(path) == result
    assert result.machine.cpu
    assert result.machine.cores >= 1
    assert result.commit in path.name
