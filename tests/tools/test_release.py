"""What gets into the packages that are released, and what is noticed if it doesn't."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest
from tools.release import build, missing, names_in, surplus, version


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("dist"))


def test_nothing_is_missing_and_the_wheel_has_nothing_more(packages: tuple[Path, Path]) -> None:
    wheel, sources = packages
    assert missing(wheel) == []
    assert missing(sources) == []
    assert surplus(wheel) == []


def test_the_wheel_says_that_it_is_typed_and_under_which_licence(packages: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(packages[0]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
        metadata = wheel.read(name).decode()
    assert "Classifier: Typing :: Typed" in metadata
    assert "GPL-3.0-or-later" in metadata
    assert f"Version: {version()}" in metadata


def test_a_source_package_has_what_its_tests_need(packages: tuple[Path, Path]) -> None:
    names = names_in(packages[1])
    assert "tests/vectors/captured-v0.9.1.json.gz" in names
    assert ".ci/run" in names
    assert not [name for name in names if name.startswith((".venv", ".tools", "dist"))]


def test_what_is_missing_is_noticed(packages: tuple[Path, Path], tmp_path: Path) -> None:
    poor = tmp_path / packages[0].name
    with zipfile.ZipFile(packages[0]) as whole, zipfile.ZipFile(poor, "w") as part:
        for name in whole.namelist():
            if not name.endswith(("LICENSE", "py.typed")):
                part.writestr(name, whole.read(name))
        part.writestr("tests/stray.py", "")
    assert missing(poor) == ["masq/py.typed", "dist-info/licenses/LICENSE"]
    assert surplus(poor) == ["tests/stray.py"]
    empty = tmp_path / packages[1].name
    with tarfile.open(empty, "w:gz"):
        pass
    assert "LICENSE" in missing(empty)
