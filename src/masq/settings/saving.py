"""Putting settings into a config file for good, without touching what else is in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from masq.errors import LocalError, SettingError
from masq.settings.sources import read_config_file
from masq.settings.table import SETTINGS


def save(path: Path, entries: Mapping[str, str]) -> None:
    """Add settings (name -> text) to the config file `path`, and let only its owner read it.

    What is there already is never changed (accounting.md 5.5): another value under the same name is a SettingError, and
    nothing is written then. The values must need no escapes in TOML.
    """
    path = Path(os.path.realpath(path))
    there = read_config_file(path) if os.path.exists(path) else {}
    for name, text in entries.items():
        if name in there and not _same(name, there[name], text):
            raise SettingError(
                name, f"{path} already holds another one; take it out there first if it is to be replaced"
            )
    added = "".join(f'{name} = "{text}"\n' for name, text in entries.items() if name not in there)
    try:
        before = path.read_bytes() if there or os.path.exists(path) else b""
        if before and not before.endswith(b"\n"):
            before += b"\n"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, before + added.encode())
    except OSError as error:
        raise LocalError(f"{path} can't be written: {error.strerror or error}") from None


def _same(name: str, one: str, other: str) -> bool:
    """Whether two texts are the same value: 0xAB and 0xab are one wallet."""
    parse = SETTINGS[name].parse
    try:
        return parse(one) == parse(other)
    except ValueError:
        return False


def replace_file(path: Path, content: bytes) -> None:
    """Never half-written, and at no moment readable by others: mkstemp creates with mode 0600."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
