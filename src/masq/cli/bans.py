"""`masq bans`: who is refused for a while, and why; the operator's own word on it."""

from __future__ import annotations

from typing import Annotated

import typer

from masq.cli.control import tell
from masq.cli.options import AsJson, ChainName, DataDirectory, directory_of, print_json
from masq.errors import LocalError

bans = typer.Typer(name="bans", help="List, add and lift bans of addresses, public keys and wallets.")

Who = Annotated[str, typer.Argument(help="An IP address, a public key in hex, or a wallet as 0x and hex.")]


@bans.callback(invoke_without_command=True)
def _list(
    context: typer.Context,
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    as_json: AsJson = False,
) -> None:
    """Show who is banned, and who has something to answer for."""
    if context.invoked_subcommand is not None:
        return
    from masq.cli.control import ask, document
    from masq.cli.status import BAN_HEAD, Document, ban_rows
    from masq.cli.tables import table, width_of_output

    status = document(ask(directory_of(data_directory, chain)))
    rows = ban_rows(Document(status), whole=True)
    if as_json:
        print_json(status.get("bans"))
    elif rows:
        typer.echo("\n".join(table(BAN_HEAD, rows, width_of_output())))
    else:
        typer.echo("Nobody is banned, and nothing is held against anybody.")


@bans.command()
def add(
    who: Who,
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    hours: Annotated[int, typer.Option(min=1, help="For how long.")] = 24,
    as_json: AsJson = False,
) -> None:
    """Refuse somebody for some hours."""
    subject = _subject(who)
    tell(directory_of(data_directory, chain), f"ban {subject} {hours * 3600}")
    _done(f"{subject} is refused for {hours} {'hour' if hours == 1 else 'hours'}.", {"banned": subject}, as_json)


@bans.command()
def lift(who: Who, data_directory: DataDirectory = None, chain: ChainName = None, as_json: AsJson = False) -> None:
    """Forgive somebody all that is held against them."""
    subject = _subject(who)
    tell(directory_of(data_directory, chain), f"lift {subject}")
    _done(f"Nothing is held against {subject} any more.", {"lifted": subject}, as_json)


def _done(words: str, answer: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        typer.echo(words)


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
