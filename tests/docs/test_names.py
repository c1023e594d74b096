"""The map is complete and true: what ARCHITECTURE.md and its neighbours name is there, and each module is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.sections import ROOT

SOURCE = ROOT / "src" / "masq"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
NO_MODULES = {"masq"}
"""Words of one row that look like a module's name: the command."""
TICKED = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[A-Za-z_0-9]+(?:/[A-Za-z_0-9-]+)*(?:\.py|/)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r"[a-z_0-9]+(?:/[a-z_0-9]+)*/?")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def folder_rows(text: str) -> list[tuple[str, str]]:
    """Both cells of each row of the tables whose first column is headed `folder`."""
    rows, inside = [], False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == "folder":
            inside = True
        elif inside and not set(line) <= set("|-: "):
            rows.append((cells[0], " ".join(cells[1:])))
    return rows


def named(text: str) -> set[str]:
    """What these tables name, as paths below src/masq: modules without suffix, folders with a slash at their end.

    Names of a row are relative to its folder. A first cell without a folder names modules of src/masq itself.
    """
    found = set()
    for first, rest in folder_rows(text):
        heads = TICKED.findall(first)
        found |= {head for head in heads if head != "./"}
        folders = [head for head in heads if head.endswith("/")]
        if folders:
            names = [name for name in TICKED.findall(rest) if MODULE.fullmatch(name) and name not in NO_MODULES]
            found |= {f"{folders[0].removeprefix('./')}{name}" for name in names}
    return found


def modules() -> set[str]:
    paths = {path.relative_to(SOURCE).with_suffix("") for path in SOURCE.rglob("*.py")}
    return {path.as_posix() for path in paths if path.name not in ("__init__", "__main__")}


def test_how_a_table_is_read() -> None:
    rows = ["| folder | |", "|---|---|", "| `core/` | `node`, `links/links` (`masq.sock`) |", "| `types` | values |"]
    text = "\n".join([*rows, "", "| `other/` | no row of that table |"])
    assert named(text) == {"core/", "core/node", "core/links/links", "types"}


def test_what_the_table_of_folders_names_exists() -> None:
    names = named(ARCHITECTURE.read_text())
    missing = [
        name
        for name in sorted(names)
        if not ((SOURCE / name).is_dir() if name.endswith("/") else (SOURCE / f"{name}.py").is_file())
    ]
    assert missing == []


def test_the_table_of_folders_names_each_module() -> None:
    assert sorted(modules() - named(ARCHITECTURE.read_text())) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_a_page_exist(page: Path) -> None:
    text = FENCED.sub("", page.read_text())
    in_table = " ".join(rest for _, rest in folder_rows(text))  # Relative to their rows: tested above.
    names = [name for name in TICKED.findall(text) if PATH.fullmatch(name) and f"`{name}`" not in in_table]
    assert [name for name in names if not any((base / name).exists() for base in (ROOT, SOURCE, page.parent))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []
