"""Where settings come from: a config file, below the environment, below the command line (accounting.md 7.1)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masq.errors import SettingError
from masq.settings.relations import check
from masq.settings.table import SETTINGS, Setting, Settings
from masq.settings.values import MAX_U64
from masq.types import DEFAULT_CHAIN, Chain

CONFIG_FILE = "config.toml"
MAX_CONFIG_FILE = 1 << 20
MAX_SECRET_FILE = 4096

_KINDS: dict[type, str] = {dict: "a table", list: "an array", int: "a longer number"}


@dataclass(frozen=True, slots=True)
class Given:
    """A setting as it was written; `text` None takes back what a source of lower priority says."""

    text: str | None
    source: str = ""


def load(
    command_line: Mapping[str, str], environment: Mapping[str, str], draft: Mapping[str, str] | None = None
) -> Settings:
    """The valid whole of all sources; SettingError otherwise. Arguments are those of `gather`."""
    return check(*gather(command_line, environment, draft))


def gather(
    command_line: Mapping[str, str], environment: Mapping[str, str], draft: Mapping[str, str] | None = None
) -> tuple[Settings, frozenset[str]]:
    """Settings that are valid one by one, maybe not together, and the names of those that aren't defaults.

    `command_line`: setting name (without dashes) -> text, empty for an option without a value. `draft`: what the
    config file would hold, too, in place of what it holds; empty for what would be taken out of it.
    """
    warnings: list[str] = []
    given = {**_from_environment(environment), **_from_command_line(command_line, warnings)}
    named_directory = _value(given, "data-directory")
    directory = _directory(named_directory, _value(given, "chain"), environment)
    config_file = _config_file(given, directory if isinstance(named_directory, Path) else None)
    # os.path.exists, unlike Path.exists, is false for paths that can't be.
    in_file: dict[str, Given] = {}
    if config_file is not None or os.path.exists(directory / CONFIG_FILE):
        in_file = _from_config_file(config_file or directory / CONFIG_FILE, warnings)
    written = {name: Given(text) for name, text in (draft or {}).items()}
    given = {name: each for name, each in {**in_file, **written, **given}.items() if each.text or name not in written}
    values: dict[str, Any] = {SETTINGS[name].attribute: _value(given, name) for name in given}
    values["config_file"] = config_file
    values["data_directory"] = _directory(values.get("data_directory"), values.get("chain"), environment)
    if config_file is None and values["data_directory"] != directory:
        raise SettingError(
            "config-file",
            f"{directory / CONFIG_FILE} was read because it is in the data directory, but it says that the data "
            f"directory is {values['data_directory']}; give chain and data-directory on the command line, or name the "
            "file with config-file",
        )
    _read_secret_files(given, values, warnings)
    settings = Settings(**values, warnings=tuple(warnings))
    return settings, frozenset(name for name in given if given[name].text is not None)


def default_data_directory(chain: str, environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_DATA_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    try:
        base = Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError:
        raise SettingError("data-directory", "required, because this user has no home directory to put it in") from None
    return base / "MASQ" / chain


def read_config_file(path: Path) -> dict[str, str]:
    """The settings in a TOML file, as text; SettingError names the file and what is wrong with it."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_FILE + 1)
    except OSError as error:
        raise SettingError("config-file", f"{path} can't be read: {error.strerror or error}") from None
    if len(content) > MAX_CONFIG_FILE:
        raise SettingError("config-file", f"{path} has more than {MAX_CONFIG_FILE} bytes")
    try:
        entries = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise SettingError("config-file", f"{path} is no text in UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise SettingError("config-file", f"{path} is no TOML: {error}") from None
    return {name: _config_text(path, name, value) for name, value in entries.items()}


def _directory(named: object, chain: object, environment: Mapping[str, str]) -> Path:
    if isinstance(named, Path):
        return named.absolute()
    return default_data_directory(chain.name if isinstance(chain, Chain) else DEFAULT_CHAIN, environment)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Given]:
    given: dict[str, Given] = {}
    for setting in SETTINGS.values():
        # An empty variable is what is left when a script "unsets" one.
        if text := environment.get(setting.variable):
            given[setting.name] = Given(text, f"environment variable {setting.variable}")
    return given


def _from_command_line(command_line: Mapping[str, str], warnings: list[str]) -> dict[str, Given]:
    given: dict[str, Given] = {}
    for name, text in command_line.items():
        setting = SETTINGS[name]
        _add(given, setting, text, "", warnings)
        if setting.secret and text:
            warnings.append(
                f"{name}: a secret on the command line stays in the shell's history, and could be read by everyone on "
                f"this machine until now (in the list of processes); safer are --{name}-file, the environment variable "
                f"{setting.variable} and a config file with mode 0600"
            )
    return given


def _from_config_file(path: Path, warnings: list[str]) -> dict[str, Given]:
    given: dict[str, Given] = {}
    entries = read_config_file(path)
    for name, text in entries.items():
        _add(given, SETTINGS[name], text, str(path), warnings)
    if any(SETTINGS[name].secret for name in entries) and _readable_by_others(path):
        warnings.append(f"config-file: {path} holds a secret and others can read it; `chmod 600 {path}` ends that")
    return given


def _add(given: dict[str, Given], setting: Setting, text: str, source: str, warnings: list[str]) -> None:
    if text:
        given[setting.name] = Given(text, source)
    elif setting.bare == "clears":
        given[setting.name] = Given(None, source)
    elif setting.bare == "ignored":
        warnings.append(f"{setting.name}: given without a value{_where(source)}, so it counts as not given")
    else:
        raise SettingError(setting.name, f"it needs a value{_where(source)}: {setting.expects}")


def _where(source: str) -> str:
    return f" (in {source})" if source else ""


def _value(given: Mapping[str, Given], name: str) -> object:
    if name not in given or (entry := given[name]).text is None:
        return None
    return _parse(SETTINGS[name], entry.text or "", entry.source)


def _parse(setting: Setting, text: str, source: str) -> object:
    try:
        return setting.parse(text)
    except ValueError as error:
        shown = "what was given" if setting.secret else repr(text if len(text) <= 200 else text[:197] + "...")
        detail = f": {error}" if str(error) else ""
        raise SettingError(setting.name, f"{shown} is not {setting.expects}{detail}{_where(source)}") from None


def _config_file(given: Mapping[str, Given], directory: Path | None) -> Path | None:
    """The config file that was named, if one was; it must exist. `directory`: the data directory, if that was named."""
    path = _value(given, "config-file")
    if not isinstance(path, Path):
        return None
    text = given["config-file"].text or ""
    if not path.is_absolute() and not text.startswith(("./", "../")):
        if directory is None:
            raise SettingError(
                "config-file",
                f"{text!r} would be looked for in the data directory; give data-directory too, or write ./{text}",
            )
        path = directory / path
    path = path.absolute()
    if not os.path.isfile(path):
        raise SettingError("config-file", f"there is no file {path}")
    return path


def _config_text(path: Path, name: str, value: object) -> str:
    if name not in SETTINGS:
        raise SettingError(name[:80], f"there is no setting of this name (in {path})")
    if name == "config-file":
        raise SettingError(name, f"a config file can't name another (in {path})")
    if isinstance(value, bool):
        return "on" if value else "off"
    # A number longer than any setting's is refused here: Python declines to print the longest ones.
    if isinstance(value, str | float) or (isinstance(value, int) and abs(value) <= MAX_U64):
        return str(value)
    kind = _KINDS.get(type(value), "a date")
    raise SettingError(name, f"it must be a text, true/false or a number of 64 bits, not {kind} (in {path})")


def _read_secret_files(given: Mapping[str, Given], values: dict[str, Any], warnings: list[str]) -> None:
    for name in ("consuming-private-key", "further-private-keys", "db-password"):
        path = values.get(SETTINGS[f"{name}-file"].attribute)
        if not isinstance(path, Path):
            continue
        secret = _parse(SETTINGS[name], _secret_text(f"{name}-file", path), str(path))
        attribute = SETTINGS[name].attribute
        if values.get(attribute) not in (None, secret):
            where = given[name].source or "the command line"
            raise SettingError(f"{name}-file", f"{path} holds another {name} than {where}; give only one of them")
        values[attribute] = secret
        if _readable_by_others(path):
            warnings.append(f"{name}-file: others can read {path}; `chmod 600 {path}` ends that")


def _secret_text(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_FILE + 1)
        text = content.decode()
    except OSError as error:
        raise SettingError(name, f"{path} can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise SettingError(name, f"{path} is no text in UTF-8") from None
    lines = text.splitlines()
    if len(content) > MAX_SECRET_FILE or len(lines) != 1 or not lines[0]:
        raise SettingError(name, f"{path} must hold the secret in one line and nothing else")
    return lines[0]


def _readable_by_others(path: Path) -> bool:
    return os.name == "posix" and path.exists() and bool(path.stat().st_mode & 0o077)
