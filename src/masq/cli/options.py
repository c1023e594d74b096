"""Options that several commands share, and what they mean."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from masq.settings import Settings, gather

DataDirectory = Annotated[
    str | None, typer.Option("--data-directory", metavar="DIR", help="Where the Node keeps its files.")
]
ChainName = Annotated[str | None, typer.Option("--chain", metavar="CHAIN", help="The chain of the Node.")]


def settings_of(directory: str | None, chain: str | None) -> Settings:
    """The settings that `masq run` would find with these two options, as far as they are valid one by one."""
    given = {"data-directory": directory, "chain": chain}
    settings, _ = gather({name: text for name, text in given.items() if text is not None}, os.environ)
    return settings
