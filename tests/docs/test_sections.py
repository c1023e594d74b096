"""Each section that is cited, in code, tests and documents, is there."""

from __future__ import annotations

import pytest
from tests.docs.sections import CODE, ROOT, citations, citations_in, sections, uncited


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(protocol.md 5.3)", ["protocol.md 5.3"]),
        ("(protocol.md 3.6, 3.7).", ["protocol.md 3.6", "protocol.md 3.7"]),
        ("protocol.md 6 and 7", ["protocol.md 6", "protocol.md 7"]),
        ("(neighborhood.md 2.1-2.6, 3.2)", ["neighborhood.md 2.1-2.6", "neighborhood.md 3.2"]),
        ("protocol.md 15.3 to 15.6; MASQ", ["protocol.md 15.3-15.6"]),
        ("neighborhood.md 10.4 B3", ["neighborhood.md 10.4"]),
        ("[protocol.md](docs/protocol.md) 8.2, 15", ["protocol.md 8.2", "protocol.md 15"]),
        ("# see (accounting.md\n    # 2.3)", ["accounting.md 2.3"]),
        ("[settings.md](settings.md) is, as accounting.md, no citation", []),
    ],
)
def test_citations_are_found_in_all_their_forms(text: str, found: list[str]) -> None:
    assert [str(cited).partition(": ")[2] for cited in citations_in(text, "x")] == found


def test_each_section_has_one_place() -> None:
    for document in ("protocol", "neighborhood", "accounting"):
        numbers = sections(document)
        assert len(numbers) > 20
        assert len(set(numbers)) == len(numbers)


def test_each_cited_section_exists() -> None:
    cited = citations(*CODE, "docs", ".ci")
    for path in ROOT.glob("*.md"):
        cited += citations_in(path.read_text(), path.name)
    assert len(cited) > 100
    wrong = [str(one) for one in cited if not {one.first, one.last} <= set(sections(one.document))]
    assert wrong == []


def test_sections_that_nobody_cites_are_listed() -> None:
    assert set(uncited()) <= {
        f"{name}.md {n}" for name in ("protocol", "neighborhood", "accounting") for n in sections(name)
    }
