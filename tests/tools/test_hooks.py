"""The hooks before a commit are what `make check` does."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_hooks_and_make_check_do_the_same() -> None:
    hooks = re.findall(r"entry: \.venv/bin/([^,\n]+)", (ROOT / ".pre-commit-config.yaml").read_text())
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    assert hooks == re.findall(r"^\t\$\(BIN\)/(.+)$", recipe[1], re.MULTILINE)
    assert hooks


def test_hooks_come_from_nowhere_else() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"repo: (.*)", text) == ["local"]
