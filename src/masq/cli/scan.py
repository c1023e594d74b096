"""`masq scan`: a look at the chain at once."""

from __future__ import annotations

from typing import Annotated

import typer

from masq.cli.options import ChainName, DataDirectory, settings_of
from masq.errors import LocalError, SettingError

KINDS = ("payables", "pendingpayables", "receivables")


def scan(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    begin: Annotated[
        int | None, typer.Option("--from", min=0, help="Look for income (receivables) from this block on.")
    ] = None,
    data_directory: DataDirectory = None,
    chain: ChainName = None,
) -> None:
    """Have a running Node pay what is due, look after its payments, or look for income, at once."""
    from masq.cli.status import ask, document

    if kind not in KINDS:
        raise SettingError("KIND", f"is one of {', '.join(KINDS)}")
    if begin is not None and kind != "receivables":
        raise SettingError("--from", "goes with receivables alone: it says where to look for income")
    words = f"scan {kind}" + ("" if begin is None else f" --from {begin}")
    answer = document(ask(settings_of(data_directory, chain).data_directory, words))
    if "error" in answer:
        raise LocalError(str(answer["error"]))
    print("begun: `masq status` and the log show what comes of it")
