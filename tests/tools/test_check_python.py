"""What `make` says to whom has the wrong Python: one line, and nothing is begun."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OLD = "sys.version_info = (3, 10, 4, 'final', 0)"
WITHOUT_VENV = "sys.modules['ensurepip'] = None"
FAKE = """#!/bin/sh
exec {python} -c "import runpy, sys; {change}; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])" "$@"
"""


def make_setup(directory: Path, python: str) -> tuple[list[str], int]:
    """What `make setup` says in a fresh copy of what it needs, with this script for python3; its exit status."""
    for name in ("Makefile", "pyproject.toml", "requirements", "tools"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, directory / name)
    (directory / "bin").mkdir()
    fake = directory / "bin" / "python3"
    fake.write_text(python)
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"}
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    command = ["make", "setup", "PYTHON=python3"]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60)
    assert not (directory / ".venv").exists()
    return [line for line in (done.stdout + done.stderr).splitlines() if "***" not in line], done.returncode


def test_an_old_python_is_told_what_is_needed(tmp_path: Path) -> None:
    lines, status = make_setup(tmp_path, FAKE.format(python=sys.executable, change=OLD))
    assert status
    assert len(lines) == 1
    assert lines[0].startswith("Python 3.11 or newer is needed (found 3.10.4): ")


def test_a_python_without_venv_is_told_what_is_missing(tmp_path: Path) -> None:
    lines, status = make_setup(tmp_path, FAKE.format(python=sys.executable, change=WITHOUT_VENV))
    assert status
    assert len(lines) == 1
    assert lines[0].startswith("Python's module venv is needed")


def test_no_python_at_all(tmp_path: Path) -> None:
    # A name that is nowhere: whatever else this machine has stays out of it.
    text = (ROOT / "Makefile").read_text()
    (tmp_path / "Makefile").write_text(text)
    for name in ("requirements/demo.txt", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    command = ["make", "setup", "PYTHON=no-such-python"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode
    assert done.stderr.splitlines()[0] == "Python 3.11 or newer is needed (found no no-such-python)"
