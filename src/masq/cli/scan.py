"""`masq scan`: a look at the chain at once."""

from __future__ import annotations

from typing import Annotated

import typer

from masq.cli.options import AsJson, ChainName, DataDirectory, directory_of, print_json
from masq.errors import SettingError

KINDS = ("payables", "pendingpayables", "receivables")


def scan(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    begin: Annotated[
        int | None, typer.Option("--from", min=0, help="Look for income (receivables) from this block on.")
    ] = None,
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    as_json: AsJson = False,
) -> None:
    """Have a running Node pay what is due, look after its payments, or look for income, at once."""
    from masq.cli.control import tell

    if kind not in KINDS:
        raise SettingError("KIND", f"is one of {', '.join(KINDS)}")
    if begin is not None and kind != "receivables":
        raise SettingError("--from", "goes with receivables alone: it says where to look for income")
    words = f"scan {kind}" + ("" if begin is None else f" --from {begin}")
    tell(directory_of(data_directory, chain), words)
    if as_json:
        print_json({"begun": kind, "from": begin})
    else:
        typer.echo("It has begun: `masq status` and the log show what comes of it.")
