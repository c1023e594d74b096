"""Options that several commands share, and what they mean."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from masq.errors import LocalError, SettingError
from masq.settings import Settings, default_data_directory, gather
from masq.types import CHAINS, DEFAULT_CHAIN

MAX_SECRET = 4096

DataDirectory = Annotated[
    str | None, typer.Option("--data-directory", metavar="DIR", help="Where the Node keeps its files.")
]
ChainName = Annotated[str | None, typer.Option("--chain", metavar="CHAIN", help="The chain of the Node.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def settings_of(directory: str | None, chain: str | None) -> Settings:
    """The settings that `masq run` would find with these two options, as far as they are valid one by one."""
    given = {"data-directory": directory, "chain": chain}
    settings, _ = gather({name: text for name, text in given.items() if text is not None}, os.environ)
    return settings


def directory_of(directory: str | None, chain: str | None) -> Path:
    """Where the Node keeps its files: a running one is found although its config file is wrong by now."""
    try:
        return settings_of(directory, chain).data_directory
    except SettingError:
        named = directory or os.environ.get("MASQ_DATA_DIRECTORY")
        if named:
            return Path(named).expanduser().absolute()
        name = chain or os.environ.get("MASQ_CHAIN") or DEFAULT_CHAIN
        if name not in CHAINS:
            raise
        return default_data_directory(name, os.environ)


def ask_secret(name: str, prompt: str) -> str:
    """One line, which isn't echoed on a terminal; empty if there is none."""
    from getpass import getpass

    try:
        return getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline(MAX_SECRET).rstrip("\r\n")
    except EOFError:
        return ""
    except UnicodeDecodeError:
        raise SettingError(name, "standard input is no text in UTF-8") from None


def database_password(data_directory: str | None, chain: str | None, directory: Path) -> str | None:
    """Of the Node's memory there: from the settings, or asked for; None if it needs none."""
    from masq.shell.key_file import KEY_FILE, needs_password

    if not needs_password(directory / KEY_FILE):
        return None
    try:
        password = settings_of(data_directory, chain).db_password
    except SettingError:  # Of another setting, maybe.
        password = None
    return password or ask_secret("db-password", "Password of the database: ")


def print_json(value: Any) -> None:
    """For programs."""
    json.dump(value, sys.stdout, indent=1)
    print()


def need(what: str, extra: str, *modules: str, in_checkout: bool = True) -> None:
    """LocalError says what to install if an optional part isn't there. `in_checkout`: whether `make setup` does it."""
    from importlib.util import find_spec

    if any(find_spec(module) is None for module in modules):
        hint = ", or `make setup` in a checkout" if in_checkout else ""
        raise LocalError(
            f"{what} needs what comes with the extra [{extra}]: install it with "
            f"`{sys.executable} -m pip install 'masq-node[{extra}]'`{hint}"
        )
