"""Changing a setting in a config file, with all else in it, comments too, as it was."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from masq.core.accountant.thresholds import PaymentThresholds
from masq.errors import LocalError, SettingError
from masq.settings.saving import replace_file
from masq.settings.sources import read_config_file
from masq.settings.table import SETTINGS, Setting, Settings
from masq.settings.values import ScanIntervals
from masq.types import DEFAULT_EARNING_WALLET, Chain, RatePack, address_text

_UNITS = (1, 10**18, 10**6, 10**9)
"""What numbers may have been multiplied with when they were read: wei of a MASQ, bytes of an MB and of a GB."""
FIXED = ("config-file", "data-directory", "chain")
"""Settings that say where the config file is."""


def check_value(name: str, text: str) -> None:
    """SettingError if this is no value of the setting, or no setting."""
    setting = SETTINGS.get(name)
    if setting is None or setting.hidden:
        raise SettingError(name[:80], "there is no setting of this name")
    if name in FIXED:
        raise SettingError(name, "it can't be changed in a config file that lies where it leads; give it to `masq run`")
    if "\n" in text or "\r" in text or not text.isprintable():
        raise SettingError(name, "it is one line of text")
    if not text:
        return
    try:
        setting.parse(text)
    except ValueError as error:
        shown = "what was given" if setting.secret else repr(text if len(text) <= 200 else text[:197] + "...")
        detail = f": {error}" if str(error) else ""
        raise SettingError(name, f"{shown} is not {setting.expects}{detail}") from None


def change(path: Path, name: str, text: str) -> bytes:
    """Write a value to the config file, in place of the one there, or take it out if `text` is empty.

    Returns what the file held before, for `put_back`. SettingError: the value is wrong, or the file is written in a
    way that only a person can change.
    """
    check_value(name, text)
    return change_all(path, {name: text})


def change_all(path: Path, values: Mapping[str, str]) -> bytes:
    """As `change`, for several values at once: all of them are written, or none. They have been checked."""
    before = _content(path)
    wanted = read_config_file(path) if before else {}
    lines = before.decode().splitlines()
    for name, text in values.items():
        _put(lines, name, f"{name} = {_quoted(text)}" if text else None)
        wanted[name] = text
    wanted = {name: text for name, text in wanted.items() if text or name not in values}
    after = "".join(f"{each}\n" for each in lines)
    try:
        same = {key: _plain(value) for key, value in tomllib.loads(after).items()} == wanted
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        names = ", ".join(values)
        raise SettingError(names, f"{path} is written in a way that only a person can change: edit it by hand")
    put_back(path, after.encode())
    return before


def _put(lines: list[str], name: str, line: str | None) -> None:
    """Replace the line of a setting, add it, or take it out."""
    here = re.compile(rf"""^[ \t]*(?:{name}|"{name}"|'{name}')[ \t]*=""")
    found = [at for at, each in enumerate(lines) if here.match(each)]
    if found:
        lines[found[0] : found[0] + 1] = [line] if line else []
    elif line:
        lines.append(line)


def put_back(path: Path, content: bytes) -> None:
    """Have the file hold this, for its owner alone."""
    path = Path(os.path.realpath(path))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise LocalError(f"{path} can't be written: {error.strerror or error}") from None


def rows(settings: Settings, at_once: frozenset[str]) -> list[dict[str, Any]]:
    """All settings for people: their help, what they are now, and whether a change takes effect at once."""
    return [_row(setting, getattr(settings, setting.attribute), setting.attribute in at_once) for setting in _shown()]


def _shown() -> list[Setting]:
    return [setting for setting in SETTINGS.values() if not setting.hidden]


def _row(setting: Setting, value: object, at_once: bool) -> dict[str, Any]:
    return {
        "name": setting.name,
        "group": setting.group,
        "help": setting.help,
        "expects": setting.expects,
        "default": setting.default_help or setting.default or "",
        "secret": setting.secret,
        "given": value is not None,
        # Somebody else's wallet, which stands for none, is nothing to be offered.
        "value": None if setting.secret or value in (None, DEFAULT_EARNING_WALLET) else text_of(setting, value),
        "at_once": at_once,
        "fixed": setting.name in FIXED,
    }


def text_of(setting: Setting, value: object) -> str:
    """A value as a user would write it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _number(setting, value)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Chain):
        return value.name
    if isinstance(value, bytes):
        return address_text(value)
    if isinstance(value, RatePack | ScanIntervals | PaymentThresholds):
        return "|".join(str(each) for each in value)
    if isinstance(value, tuple) and any(isinstance(each, frozenset) for each in value):
        return "|".join(",".join(sorted(group)) for group in value)
    if isinstance(value, tuple):
        return ",".join(str(each) for each in value)
    return str(value)


def _number(setting: Setting, value: int) -> str:
    for unit in _UNITS:
        whole, rest = divmod(value, unit)
        digits = len(str(unit)) - 1
        text = f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") if rest else str(whole)
        try:
            if setting.parse(text) == value:
                return text
        except ValueError:
            continue
    return str(value)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise LocalError(f"{path} can't be read: {error.strerror or error}") from None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
