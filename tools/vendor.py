"""Fetch the libraries that the dashboard's pages use, from npm, into the package: `make vendor`.

Each file has to have the SHA-256 that stands here. A new version is a new line, after a look at what changed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

TARGET: Final = Path(__file__).parents[1] / "src" / "masq" / "gateway" / "pages" / "vendor"


class Copy(NamedTuple):
    """One file of one package: what it is called here, and its SHA-256."""

    package: str
    source: str
    name: str
    sha256: str


COPIES: Final = (
    Copy(
        "htm@3.1.1",
        "preact/standalone.module.js",
        "preact.js",
        "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7",
    ),
    Copy("htm@3.1.1", "LICENSE", "htm.LICENSE", "740725f7252e750af735d0028cc534970772f513331e9f68150fede8fb3ce00f"),
    Copy(
        "preact@10.29.8",
        "LICENSE",
        "preact.LICENSE",
        "1fe6958409c8c257a70c587a18b6f7f412b179b456630790d30b2ec9a8e4b7d4",
    ),
    Copy(
        "uplot@1.6.32",
        "dist/uPlot.iife.min.js",
        "uplot.js",
        "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    ),
    Copy(
        "uplot@1.6.32",
        "dist/uPlot.min.css",
        "uplot.css",
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    ),
    Copy(
        "uplot@1.6.32", "LICENSE", "uplot.LICENSE", "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd"
    ),
    Copy(
        "force-graph@1.52.0",
        "dist/force-graph.min.js",
        "force-graph.js",
        "f59db59ba92ff5a76ed93d7a4d77a703b176260e5d9cd29f4f8eb4f6c369a629",
    ),
    Copy(
        "force-graph@1.52.0",
        "LICENSE",
        "force-graph.LICENSE",
        "5b6dc9ce44c7b73620b191c567339212bd00537af46fdedaf98304c34214cc9c",
    ),
    Copy(
        "world-atlas@2.0.2",
        "countries-110m.json",
        "countries.json",
        "2516c915867c7baf18ddec727aec46c315541a07cfb3d79a6559b05d5e94eee8",
    ),
    Copy(
        "world-atlas@2.0.2",
        "LICENSE",
        "countries.LICENSE",
        "8048290dfdb6e83fbed17e8985c8cfc4ce9da9b842642f3d3e497280790cfa31",
    ),
    Copy(
        "i18n-iso-countries@7.14.0",
        "codes.json",
        "codes.json",
        "736d7666e943e0bca25c518e3903e2b328ce54b94662553a6472c379dbfb50aa",
    ),
    Copy(
        "i18n-iso-countries@7.14.0",
        "LICENSE",
        "codes.LICENSE",
        "9b3bd707c23dd2bdc57df2a4b42f402dc5d6c6f54e527608eeef24bbb161ac1b",
    ),
)


def main(npm: Sequence[str]) -> int:
    """`npm`: the words that run it."""
    TARGET.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        for package in dict.fromkeys(copy.package for copy in COPIES):
            packed = subprocess.run(
                [*npm, "pack", "--silent", package], cwd=directory, check=True, capture_output=True, text=True
            ).stdout.strip()
            with tarfile.open(Path(directory) / packed) as archive:
                for copy in (copy for copy in COPIES if copy.package == package):
                    member = archive.extractfile(f"package/{copy.source}")
                    content = member.read() if member else b""
                    if hashlib.sha256(content).hexdigest() != copy.sha256:
                        print(f"{package} {copy.source}: not what it was; left as it is", file=sys.stderr)
                        wrong += 1
                    else:
                        (TARGET / copy.name).write_bytes(content)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["npm"]))
