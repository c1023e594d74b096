"""Which numbered sections the documents have, and where they are cited.

`python -m tests.docs.sections` lists the sections that neither code nor tests cite: candidates for a test, not faults.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CODE: Final = ("src", "tests", "benchmarks", "tools")

# A line may end within a citation, in a comment too, or in a Markdown link: `[protocol.md](docs/protocol.md) 8.2`.
_GAP: Final = r"(?:\]\([^)]*\))?[\s#]+"
_NUMBER: Final = r"\d+(?:\.\d+)*"
_CITATION: Final = re.compile(
    rf"\b([a-z]+)\.md{_GAP}({_NUMBER}(?:(?:,|-|,?[\s#]+and|[\s#]+to)[\s#]*{_NUMBER})*)(?![\w%])"
)
_PART: Final = re.compile(rf"({_NUMBER})(?:(?:-|[\s#]+to[\s#]+)({_NUMBER}))?")
_HEADING: Final = re.compile(rf"^#+ ({_NUMBER})\.? ", re.MULTILINE)


@dataclass(frozen=True)
class Citation:
    """One section, or all from one to another, of a document in docs/."""

    document: str
    first: str
    last: str
    place: str

    def __str__(self) -> str:
        numbers = self.first if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.place}: {self.document}.md {numbers}"


def sections(document: str) -> list[str]:
    """Numbers of the sections of docs/<document>.md, as they stand there; none if there is no such document."""
    path = ROOT / "docs" / f"{document}.md"
    return _HEADING.findall(path.read_text()) if path.exists() else []


def citations_in(text: str, name: str) -> Iterator[Citation]:
    """What a file of this text cites."""
    for match in _CITATION.finditer(text):
        place = f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        for part in _PART.finditer(match[2]):
            yield Citation(match[1], part[1], part[2] or part[1], place)


def files(*folders: str) -> list[Path]:
    """The text files of these folders that could cite."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in ("", ".py", ".md")]
    return sorted(path for path in found if path.is_file() and "corpus" not in path.parts)  # That is no text.


def citations(*folders: str) -> list[Citation]:
    """What the files of these folders cite."""
    own = Path(__file__).parent
    paths = [path for path in files(*folders) if own not in path.parents]
    return [cited for path in paths for cited in citations_in(path.read_text(), str(path.relative_to(ROOT)))]


def uncited() -> list[str]:
    """Sections that code and tests cite neither by number nor in a range; citing a chapter is citing all of it."""
    covered: set[tuple[str, str]] = set()
    for cited in citations(*CODE):
        numbers = sections(cited.document)
        first, last = numbers.index(cited.first), numbers.index(cited.last)
        covered |= {(cited.document, number) for number in numbers[first : last + 1]}
        covered |= {(cited.document, n) for n in numbers if n.startswith((f"{cited.first}.", f"{cited.last}."))}
    found = []
    for path in sorted((ROOT / "docs").glob("*.md")):
        numbers = sections(path.stem)
        lowest = [number for number in numbers if not any(other.startswith(f"{number}.") for other in numbers)]
        found += [f"{path.stem}.md {number}" for number in lowest if (path.stem, number) not in covered]
    return found


if __name__ == "__main__":
    print("\n".join(uncited()))
