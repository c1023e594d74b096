"""What counts as a module's own test, and that nothing else counts."""

from __future__ import annotations

import os

import coverage
import pytest
from tools.core_coverage import AT_IMPORT, CORE, Row, modules, own_tests, row, spans, table

from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS

TESTS = {
    "links/test_links.py": "",
    "links/test_links_full.py": "",
    "links/test_linkstate.py": "from masq.core.links import linkstate",
    "links/test_speech.py": "from masq.core.links.links import Links",
    "links/test_order.py": "from masq.core.links import (\n    order,\n    links,\n)\n",
    "network/test_graph.py": "from masq.core.links.links import Links",
    "test_node.py": "from masq.core import node",
    "test_payers.py": "from masq.core.payers import Payers",
    "test_whose.py": "from masq.core.sockets import Sockets",
}


def test_own_tests_are_those_of_its_name_and_those_of_its_folder_that_import_it() -> None:
    assert own_tests("links/links", TESTS) == [
        "links/test_links.py",
        "links/test_links_full.py",
        "links/test_speech.py",
        "links/test_order.py",
    ]
    assert own_tests("network/graph", TESTS) == ["network/test_graph.py"]
    assert own_tests("node", TESTS) == ["test_node.py"]
    assert own_tests("sockets", TESTS) == ["test_whose.py"]


def test_what_another_folder_s_tests_reach_counts_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "COVERAGE_CORE", "ctrace")
    own, other = "accountant/test_thresholds.py", "links/test_links.py"
    found = {}
    for context in (own, other):
        measured = coverage.Coverage(branch=True, include=[f"{CORE}/*"], data_file=None, config_file=False)
        measured.start()
        measured.switch_context(f"tests/core/{context}")
        DEFAULT_THRESHOLDS.limit(5_000)
        measured.switch_context(AT_IMPORT)
        measured.stop()
        found[context] = row(measured, "accountant/thresholds", {own: "", other: ""})
    assert found[own].tests == found[other].tests == 1
    assert len(found[own].missing) < len(found[other].missing)


def test_the_table_marks_what_is_below_the_floor() -> None:
    lines = table([Row("good", 90.0, 80.0, [], 1), Row("bad", 89.9, 100.0, [3, 4, 5, 9], 0)])
    assert "90.0 " in lines[1]
    assert "89.9*" in lines[2]
    assert lines[2].endswith("3-5, 9")
    assert spans(range(0, 60, 2), 3) == "0, 2, 4, ..."


def test_modules_of_a_folder() -> None:
    assert "accountant/ledger" in set(modules(["accountant"])) <= set(modules([]))
