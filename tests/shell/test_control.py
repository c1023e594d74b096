"""The control socket: one line, one answer, for its owner alone."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from masq.errors import LocalError
from masq.shell import control
from masq.shell.control import ControlSocket


def echo(words: Sequence[str]) -> dict[str, Any]:
    return {"words": list(words)}


def fails(words: Sequence[str]) -> dict[str, Any]:
    if words:
        raise ValueError(words[0])
    raise LocalError("not today")


def wrong(words: Sequence[str]) -> dict[str, Any]:
    (_,) = words
    raise ValueError


async def said(path: Path, line: bytes) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(line)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    told: dict[str, Any] = json.loads(answer) if answer else {}
    return told


async def served(directory: Path, *lines: bytes) -> list[dict[str, Any]]:
    path = directory / "masq.sock"
    server = await ControlSocket(path, {"echo": echo, "fails": fails, "wrong": wrong}).start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    try:
        return [await said(path, line) for line in lines]
    finally:
        server.close()


def test_a_command_gets_the_words_behind_its_name(short_path: Path) -> None:
    answers = asyncio.run(served(short_path, b"echo a  b\n", b"echo\n", b"echo \xff\n"))
    assert answers == [{"words": ["a", "b"]}, {"words": []}, {"words": ["\N{REPLACEMENT CHARACTER}"]}]


def test_what_can_not_be_done_is_told(short_path: Path) -> None:
    answers = asyncio.run(served(short_path, b"fails\n", b"fails so\n", b"wrong x\n", b"wrong\n", b"\n", b"nothing\n"))
    texts = [answer["error"] for answer in answers]
    assert texts[0] == "not today"
    assert texts[1] == "fails: so"
    assert texts[2] == "wrong: other words are expected behind it"
    assert texts[3].startswith("wrong: ")
    assert texts[4] == texts[5] == "say one of: echo, fails, wrong"


def test_a_line_without_end_gets_no_answer(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "TIMEOUT", 0.2)
    assert asyncio.run(served(short_path, b"x" * 10_000)) == [{}]


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    (tmp_path / ("x" * 120)).mkdir()
    with pytest.raises(LocalError, match="a shorter --data-directory may help"):
        asyncio.run(served(tmp_path / ("x" * 120)))
