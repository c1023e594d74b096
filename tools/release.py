"""Builds a wheel and a source package into dist/, and tries the wheel as its users get it: `make release`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DIST: Final = ROOT / "dist"
IN_WHEEL: Final = (
    "masq/py.typed",
    "masq/demo/token.json",
    "masq/demo/token.vy",
    "dist-info/licenses/LICENSE",
    "data/data/share/man/man1/masq.1",
    "data/data/share/bash-completion/completions/masq",
    "data/data/share/zsh/site-functions/_masq",
    "data/data/share/fish/vendor_completions.d/masq.fish",
    "data/data/share/masq/masq.service",
    "data/data/share/masq/masq.sysusers",
)
IN_SOURCES: Final = ("LICENSE", "README.md", "CHANGELOG.md", "Makefile", "requirements/node.txt", "src/masq/py.typed")


def version() -> str:
    """The version that pyproject.toml states. SystemExit if the package or the changelog doesn't know it."""
    found = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
    if f'__version__ = "{found}"' not in (ROOT / "src" / "masq" / "__init__.py").read_text():
        raise SystemExit(f"src/masq/__init__.py doesn't say that this is version {found}")
    if not re.search(rf"^## {re.escape(found)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE):
        raise SystemExit(f"CHANGELOG.md has no section {found}")
    return found


def build(into: Path) -> tuple[Path, Path]:
    """Build a wheel, and a source package. The builder is the locked one of requirements/dev.txt."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(into)]
    subprocess.run([*command, "--target", "wheel"], cwd=ROOT, check=True, capture_output=True)
    subprocess.run([*command, "--target", "sdist"], cwd=ROOT, check=True, capture_output=True)
    (wheel,), (sources,) = into.glob("*.whl"), into.glob("*.tar.gz")
    return wheel, sources


def names_in(package: Path) -> list[str]:
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as wheel:
            return wheel.namelist()
    with tarfile.open(package) as sources:
        return [name.partition("/")[2] for name in sources.getnames()]


def missing(package: Path) -> list[str]:
    """What belongs into this package and isn't in it: data, the licence, and each module."""
    # The version stands in the names of a wheel's metadata.
    names = {re.sub(r"^masq_node-[^/]*\.(dist-info|data)/", r"\1/", name) for name in names_in(package)}
    modules = [path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "masq").rglob("*.py")]
    if package.suffix == ".whl":
        wanted = [*IN_WHEEL, *modules]
    else:
        wanted = [*IN_SOURCES, *(f"src/{module}" for module in modules)]
    return [name for name in wanted if name not in names]


def surplus(package: Path) -> list[str]:
    """What is in this wheel and should be in none: anything beside the package and its metadata."""
    return [name for name in names_in(package) if not re.match(r"masq/|masq_node-[^/]*\.(dist-info|data)/", name)]


def try_out(wheel: Path, expected: str) -> None:
    """Install it into a fresh environment, with what requirements/node.txt locks, and ask for version and help."""
    with tempfile.TemporaryDirectory(prefix="masq-release-") as directory:
        python = Path(directory) / "bin" / "python"
        uv = Path(sys.executable).parent / "uv"
        install = [str(uv), "pip", "install", "--quiet", "--python", str(python)]
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
        subprocess.run(
            [*install, "--require-hashes", "-r", str(ROOT / "requirements" / "node.txt")], check=True, cwd=directory
        )
        subprocess.run([*install, "--no-deps", str(wheel)], check=True, cwd=directory)
        masq = python.parent / "masq"
        said = subprocess.run([masq, "--version"], check=True, capture_output=True, text=True, cwd=directory).stdout
        if said.split() != ["masq", expected]:
            raise SystemExit(f"the wheel of version {expected} says: {said.strip()}")
        for words in (["--help"], ["run", "--help"], ["wallet", "--help"], ["completion", "bash"]):
            subprocess.run([masq, *words], check=True, capture_output=True, cwd=directory)
        if not (Path(directory) / "share" / "man" / "man1" / "masq.1").exists():
            raise SystemExit("the wheel brought no man page")
        demo = subprocess.run([masq, "demo"], capture_output=True, text=True, cwd=directory)
        if demo.returncode != 1 or "[demo]" not in demo.stderr or "Traceback" in demo.stderr:
            raise SystemExit(f"masq demo doesn't say that it needs the extra [demo]: {demo.stderr}")


def main() -> None:
    expected = version()
    shutil.rmtree(DIST, ignore_errors=True)
    wheel, sources = build(DIST)
    for package in (wheel, sources):
        if lacks := missing(package):
            raise SystemExit(f"{package.name} lacks {', '.join(lacks)}")
    if more := surplus(wheel):
        raise SystemExit(f"{wheel.name} has {', '.join(more)}, which belongs into no wheel")
    try_out(wheel, expected)
    for package in (wheel, sources):
        print(f"{package.relative_to(ROOT)}  {package.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
