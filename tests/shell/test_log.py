"""The log: each word of `log-level` writes what it names, in a process of its own since logs are set up once."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from masq.errors import SettingError
from masq.settings import LogLevel
from masq.shell.log import LogConfig, configure

SCRIPT = """
import logging, sys
from pathlib import Path
from masq.shell.log import LogConfig, configure, log
level, form, file = (sys.argv[1:] + ["text", ""][len(sys.argv) - 2 :])
configure(LogConfig(level, form, Path(file) if file else None, 4096, 2))
for level in ("debug", "info", "warning", "error", "critical"):
    getattr(log, level)("said", how=level)
    getattr(logging.getLogger("library"), level)("a library's " + level)
"""
EVERYTHING = ["debug", "info", "warning", "error", "critical"]
WRITTEN = {
    LogLevel.OFF: [],
    LogLevel.ERROR: EVERYTHING[3:],
    LogLevel.WARN: EVERYTHING[2:],
    LogLevel.INFO: EVERYTHING[1:],
    LogLevel.DEBUG: EVERYTHING,
    LogLevel.TRACE: EVERYTHING,
}


def written(level: LogLevel, *words: str) -> list[str]:
    command = [sys.executable, "-c", SCRIPT, str(level), *words]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True, timeout=30).stderr.splitlines()


@pytest.mark.parametrize("level", LogLevel)
def test_what_each_level_writes(level: LogLevel) -> None:
    lines = [line for line in written(level) if "event='said'" in line]
    assert [line.rpartition("how=")[2].strip("'") for line in lines] == WRITTEN[level]


@pytest.mark.parametrize("level", [LogLevel.WARN, LogLevel.OFF])
def test_libraries_are_heard_unless_it_is_off(level: LogLevel) -> None:
    assert ("a library's error" in "\n".join(written(level))) == (level is not LogLevel.OFF)


def test_json_is_an_object_a_line() -> None:
    lines = [json.loads(line) for line in written(LogLevel.INFO, "json") if line.startswith("{")]
    assert [line["how"] for line in lines] == EVERYTHING[1:]
    assert {"timestamp", "level", "event"} <= set(lines[0])


def test_a_file_is_its_owners_and_is_put_aside_when_it_is_full(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "masq.log"
    long = [sys.executable, "-c", SCRIPT.replace('"said"', '"said" * 100'), "info", "json", str(path)]
    for _ in range(9):
        subprocess.run(long, check=True, timeout=30)
    names = sorted(each.name for each in path.parent.iterdir())
    assert names == ["masq.log", "masq.log.1", "masq.log.2"]
    assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in path.parent.iterdir())
    assert all(each.stat().st_size <= 4096 for each in path.parent.iterdir())
    assert "a library's error" in path.read_text() or "said" in path.read_text()


def test_a_file_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    with pytest.raises(SettingError, match="log-file"):
        configure(LogConfig(file=tmp_path / "there" / "log"))
