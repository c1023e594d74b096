"""Any bytes raise what is documented and nothing else, in little memory: known inputs, huge ones, 20,000 new ones."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Final

import pytest
from tests.fuzz.targets import TARGETS, corpus

INPUTS: Final = 20_000
LONGEST: Final = 64 * 1024
MEMORY: Final = 64 << 20
HUGE: Final = (
    *(bytes((byte,)) for byte in (0x00, 0x05, 0x41, 0x7F, 0x81, 0x9F, 0xA1, 0xBF, 0xFF)),
    *(b"[", b"{", b'"', b"\\", b" ", b"9", b"{}", b'[{"a":', b"/", b"%", b"a.", b"\n", b"a=[", b"\r\n"),
    *(b"a:\r\n", b"a" * 63 + b".", b"\x3fa" + b"a" * 62),
    *(b"\x81\x80", b"\xa1\x61a", b"\x5f\x41a", b"\x18\x18", b"\x80\x9f\xff", b"\0\0\0\1\3\0\0\0\0", b"MASQ-link1\n"),
)  # fmt: skip
"""What inputs of the greatest length are made of."""


@pytest.mark.parametrize("name", TARGETS)
def test_known_inputs(name: str) -> None:
    for content in corpus(name).values():
        TARGETS[name](content)


@pytest.mark.parametrize("name", TARGETS)
def test_huge_inputs_take_little_memory(name: str) -> None:
    target, known = TARGETS[name], corpus(name)
    starts = [content[:cut] for content in known.values() for cut in (1, len(content) // 2, len(content))]
    target(next(iter(known.values())))  # What is made once is made now.
    tracemalloc.start()
    try:
        for number, pattern in enumerate(HUGE):
            start = starts[number % len(starts)]
            for content in (pattern * (LONGEST // len(pattern)), (start + pattern * LONGEST)[:LONGEST]):
                tracemalloc.reset_peak()
                before, _ = tracemalloc.get_traced_memory()
                target(content)
                assert tracemalloc.get_traced_memory()[1] - before < MEMORY, (pattern, start)
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(1_200)
def test_new_inputs(tmp_path: Path) -> None:
    """Those of the same seed as ever: what new ones find is for `make fuzz`."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("there is no fuzzer for this Python or machine")
    command = [sys.executable, "-m", "tests.fuzz.run", "--seed", "1", "--longest", "4096", "--directory", str(tmp_path)]
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [*command, "--inputs", str(INPUTS)],
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout[-20_000:]
    assert f" inputs for {len(TARGETS)} targets in " in ended.stdout
