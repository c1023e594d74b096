"""The log: each word of `log-level` writes what it names, in a process of its own since logs are set up once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from masq.settings import LogLevel

SCRIPT = """
import logging, sys
from masq.shell.log import configure, log
configure(sys.argv[1])
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


def written(level: LogLevel) -> list[str]:
    command = [sys.executable, "-c", SCRIPT, str(level)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True, timeout=30).stderr.splitlines()


@pytest.mark.parametrize("level", LogLevel)
def test_what_each_level_writes(level: LogLevel) -> None:
    lines = [line for line in written(level) if "event='said'" in line]
    assert [line.rpartition("how=")[2].strip("'") for line in lines] == WRITTEN[level]


@pytest.mark.parametrize("level", [LogLevel.WARN, LogLevel.OFF])
def test_libraries_are_heard_unless_it_is_off(level: LogLevel) -> None:
    assert ("a library's error" in "\n".join(written(level))) == (level is not LogLevel.OFF)
