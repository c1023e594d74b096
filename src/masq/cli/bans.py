"""`masq bans`: who is refused for a while, and why; the operator's own word on it."""

from __future__ import annotations

from typing import Annotated

import typer

from masq.cli.options import ChainName, DataDirectory, settings_of
from masq.errors import LocalError

bans = typer.Typer(name="bans", help="List, add and lift bans of addresses, public keys and wallets.")

Who = Annotated[str, typer.Argument(help="An IP address, a public key in hex, or a wallet as 0x and hex.")]


@bans.callback(invoke_without_command=True)
def _list(
    context: typer.Context,
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """Show who is banned, and who has something to answer for."""
    if context.invoked_subcommand is not None:
        return
    import json
    import sys

    from rich.console import Console

    from masq.cli.status import ask, document, show_rows

    rows = document(ask(settings_of(data_directory, chain).data_directory)).get("bans")
    if as_json:
        json.dump(rows, sys.stdout, indent=1)
        print()
    elif isinstance(rows, list) and rows:
        show_rows(rows, Console(highlight=False))
    else:
        print("Nobody is banned, and nothing is held against anybody.")


@bans.command()
def add(
    who: Who,
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    hours: Annotated[int, typer.Option(min=1, help="For how long.")] = 24,
) -> None:
    """Refuse somebody for some hours."""
    _tell(data_directory, chain, f"ban {_subject(who)} {hours * 3600}")


@bans.command()
def lift(who: Who, data_directory: DataDirectory = None, chain: ChainName = None) -> None:
    """Forgive somebody all that is held against them."""
    _tell(data_directory, chain, f"lift {_subject(who)}")


def _tell(data_directory: DataDirectory, chain: ChainName, words: str) -> None:
    from masq.cli.status import ask, document

    answer = document(ask(settings_of(data_directory, chain).data_directory, words))
    if "error" in answer:
        raise LocalError(str(answer["error"]))


def _subject(who: str) -> str:
    """In the form in which it is remembered. LocalError if it is none of the three."""
    import ipaddress

    try:
        return str(ipaddress.ip_address(who))
    except ValueError:
        pass
    digits = who.lower().removeprefix("0x")
    try:
        size = len(bytes.fromhex(digits))
    except ValueError:
        size = 0
    if size == 64 and not who.lower().startswith("0x"):
        return digits
    if size == 20:
        return "0x" + digits
    raise LocalError(f"{who} is no IP address, no public key (128 hex digits), and no wallet (0x and 40 hex digits)")
