"""docs/security.md names each rule that is held against peers, as the program has it."""

from __future__ import annotations

from tests.docs.sections import ROOT

from masq.core.network.bans import rules


def test_the_table_of_rules_is_the_program_s() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    for name, points, words in rules():
        assert f"| `{name}` | {points} | {words} |" in page
