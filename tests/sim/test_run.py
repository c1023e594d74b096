"""Scenarios are run: what comes of it is the same for a seed, and says what isn't as expected."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from masq.errors import LocalError
from masq.sim.many import run_all, run_one, seeds_of
from masq.sim.measures.every import MEASURES
from masq.sim.plot import places, plot
from masq.sim.report import as_json, ranges, replay, rows
from masq.sim.run import Outcome, Run
from masq.sim.scenario import Scenario, parse

SMALL = """
about = "a few Nodes"
length = 40
[nodes]
count = 6
[[workloads]]
kind = "browse"
start = 5
"""


def scenario(more: str = "", base: str = SMALL) -> Scenario:
    return parse((base + more).encode(), "test")


def value(outcome: Outcome, measure: str) -> float | None:
    return next(finding.value for finding in outcome.findings if finding.measure == measure)


def expecting(*measures: str) -> str:
    return "".join(f'[[expect]]\nmeasure = "{name}"\nat_least = -1\n' for name in measures)


def test_the_same_seed_gives_the_same_outcome_and_another_one_another() -> None:
    wanted = scenario('[[faults]]\nkind = "kill"\nat = 20\n' + expecting("failed", "routes"))
    one, again, other = (run_one("x", wanted, seed) for seed in (1, 1, 2))
    assert as_json(one) == as_json(again)
    assert one.trace != other.trace
    assert value(one, "failed") == 0


def test_what_is_not_as_expected_is_told_with_the_command_that_shows_it_again() -> None:
    outcome = run_one("my net.toml", scenario('[[expect]]\nmeasure = "parts"\nat_least = 2\n'), 7)
    assert not outcome.good
    assert outcome.problems == ["parts that the living Nodes fall into: 1 instead of at least 2"]
    assert replay(outcome) == "masq sim 'my net.toml' --seed 7"
    assert rows(outcome) == [("parts that the living Nodes fall into", "1", "at least 2", "NO")]


def test_an_invariant_that_does_not_hold_ends_the_run_and_is_a_problem() -> None:
    run = Run("x", scenario(), 1)
    run.world.chain.tokens[b"\0" * 20] = 1
    outcome = run.go()
    assert not outcome.good
    assert "tokens were made or lost" in outcome.problems[0]
    assert ranges([outcome]) == []


def test_every_measure_can_be_taken_of_any_run() -> None:
    names = ", ".join(f'"{name}"' for name in MEASURES)
    base = f"shown = [{names}]\n" + SMALL
    for faults in (
        "",
        '[[faults]]\nkind = "kill"\nshare = 1.0\nat = 10\n',
        '[[faults]]\nkind = "silence"\nshare = 1.0\n',
    ):
        outcome = run_one("x", scenario(faults, base), 1)
        assert outcome.good, outcome.problems
        assert len(outcome.findings) == len(MEASURES)
        as_json(outcome)


@pytest.mark.parametrize(
    "fault",
    [
        'kind = "restart"\nafter = 5',
        'kind = "silence"\nlength = 5',
        'kind = "partition"\nlength = 5',
        'kind = "slow"\nused = true',
        'kind = "weather"\nlength = 5\nrefuse = 0.5\nbreak_every = 1.0',
        'kind = "move"',
        'kind = "drop"\ncells = 0.5',
        'kind = "lie"\ninvented = 120',
        'kind = "newcomers"\ncount = 3\nhostile = 0.5',
        'kind = "newcomers"\ncount = 3\naddress = "10.9.9.9"',
        'kind = "debtors"\nshare = 0.5',
    ],
)
def test_each_fault_happens_and_is_told_of(fault: str) -> None:
    outcome = run_one("x", scenario(f"[[faults]]\nat = 12\n{fault}\n"), 3)
    assert outcome.broken is None
    assert outcome.marks


def test_a_network_that_fell_apart_comes_together_again() -> None:
    fault = '[[faults]]\nkind = "partition"\nat = 5\nlength = 80\n'
    wanted = scenario(fault + expecting("one_again", "parts"), SMALL.replace("40", "150"))
    outcome = run_one("x", wanted, 1)
    assert any(sample.parts > 1 for sample in outcome.samples if 5 < sample.at < 85)
    assert value(outcome, "parts") == 1
    assert (value(outcome, "one_again") or 0.0) < 60


def test_many_runs_come_in_the_order_in_which_they_were_wanted() -> None:
    wanted = scenario(expecting("parts"))
    told: list[int] = []
    outcomes = run_all([("x", wanted, seed) for seed in (3, 1, 2)], 2, lambda outcome: told.append(outcome.seed))
    assert [outcome.seed for outcome in outcomes] == [3, 1, 2]
    assert sorted(told) == [1, 2, 3]
    assert ranges(outcomes)[0][1:] == ("1", "1 to 1", "at least -1", "3 of 3")


@pytest.mark.parametrize(("text", "numbers"), [("1-3", [1, 2, 3]), ("7", [7]), ("1-2, 9,2", [1, 2, 9])])
def test_seeds_are_lists_and_ranges(text: str, numbers: list[int]) -> None:
    assert seeds_of(text) == numbers


@pytest.mark.parametrize("text", ["", "x", "3-1", "1-", "-1", "1-99999999999", "1--2", "²", "9" * 30])
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(LocalError, match="--seeds"):
        seeds_of(text)


def test_every_node_has_a_place_in_the_picture() -> None:
    assert places({}) == {}
    assert places({3: []}).keys() == {3}
    found = places({1: [2], 2: [1], 5: []})
    assert found.keys() == {1, 2, 5}
    assert len(set(found.values())) == 3


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs the extra [plot]")
def test_a_run_is_drawn(tmp_path: Path) -> None:
    outcome = run_one("x", scenario('[[faults]]\nkind = "kill"\nat = 20\n'), 1)
    plot(outcome, tmp_path / "x.svg")
    assert "the mesh at the end" in (tmp_path / "x.svg").read_text()
    with pytest.raises(LocalError, match="can't be written"):
        plot(outcome, tmp_path / "x.nonsense")
