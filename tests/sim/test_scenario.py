"""Scenario files: what is right is read, and what isn't is told with its file, its key and what is allowed there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.sections import ROOT

from masq.errors import LocalError
from masq.sim.faults.deaths import Kill
from masq.sim.measures.every import MEASURES
from masq.sim.scenario import FAULTS, WORKLOADS, load, parse, shipped

GOOD = """
about = "three Nodes"
length = 10
[nodes]
count = 3
"""


def test_what_is_left_out_has_a_default() -> None:
    scenario = parse(GOOD.encode(), "x")
    assert scenario.nodes.join == "random"
    assert scenario.seed == 1
    assert scenario.network.latency == 0.005
    assert scenario.faults == ()


def test_faults_are_what_they_say() -> None:
    scenario = parse(f'{GOOD}\n[[faults]]\nkind = "kill"\nat = 3\nshare = 0.3\n'.encode(), "x")
    assert scenario.faults == (Kill(at=3.0, share=0.3),)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[nodes", "this is no TOML"),
        ("[network]\nlatency = -1", "network.latency: expected `float` >= 0.0"),
        ("[network]\nlatency = nan", "network.latency: nan is no number"),
        ("[network]\nspeed = 3", "network.speed: there is no such key; those there are: latency, farther, bandwidth"),
        ("wishes = 3", "nodes.wishes: there is no such key; those there are: count, join"),
        ("join = 'two'", "nodes.join: invalid enum value 'two': one of 'chain', 'one', 'random'"),
        ("every = 'often'", "nodes.every: expected `float`, got `str`"),
        ("[[faults]]\nat = 3", "faults[0].kind: is missing: one of kill, restart, silence"),
        ("[[faults]]\nkind = 'flood'", "faults[0].kind: 'flood' is none of kill, restart"),
        (
            "[[faults]]\nkind = 'kill'\nwhen = 3",
            "faults[0].when: there is no such key; those there are: kind, at, count",
        ),
        ("[[faults]]\nkind = 'kill'\nshare = 1.5", "faults[0].share: expected `float` <= 1.0"),
        ("[[faults]]\nkind = 'kill'\nshare = 0.5\ncount = 3", "either count or share, not both"),
        ("[faults]\nkind = 'kill'", "faults: a list is expected: write [[faults]]"),
        ("[[expect]]\nmeasure = 'luck'\nat_most = 1", "measure: 'luck' is none of parts, fewest_neighbors"),
        ("[[expect]]\nmeasure = 'parts'", "at_most or at_least is missing"),
        ("[[workloads]]\nkind = 'browse'\nevery = 0", "workloads[0].every: expected `float` > 0.0"),
    ],
)
def test_what_is_wrong_is_told_with_file_key_and_what_is_allowed(more: str, words: str) -> None:
    with pytest.raises(LocalError) as raised:
        parse(f"{GOOD}{more}\n".encode(), "net.toml")
    assert str(raised.value).startswith("net.toml: ")
    assert words in str(raised.value)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"", b"about = 1", b"a = " + b"[" * 5_000, b"nodes = 3\nfaults = [1]"])
def test_any_bytes_are_refused_with_words(text: bytes) -> None:
    with pytest.raises(LocalError):
        parse(text, "x")


@pytest.mark.parametrize("name", ["/nowhere/x.toml", "no such", "/", "a\0b", "x" * 5_000])
def test_a_file_that_can_t_be_read_is_told_of(name: str) -> None:
    with pytest.raises(LocalError):
        load(name)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(LocalError, match="no scenario"):
        load(str(path))


@pytest.mark.parametrize("name", shipped())
def test_shipped_scenarios_are_right_and_say_what_is_wanted(name: str) -> None:
    scenario = load(name)
    assert scenario.about
    assert scenario.wanted
    assert scenario.expect


def test_the_page_names_all_kinds_and_measures() -> None:
    page = (ROOT / "docs" / "simulator.md").read_text()
    for kind in (*FAULTS, *WORKLOADS):
        assert f"| `{kind.__struct_config__.tag}` |" in page
        for key in kind.__struct_fields__:
            assert f"`{key}`" in page
    for name, measure in MEASURES.items():
        assert f"| `{name}` | {measure.unit} | {measure.words} |" in page
