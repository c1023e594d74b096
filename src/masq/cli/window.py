"""`masq open`: the Node on this machine in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from masq.cli.options import AsJson, ChainName, DataDirectory, directory_of, print_json
from masq.errors import LocalError


def open_window(
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print where it is, and open nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open the pages that show the Node on this machine: its network, its streams, its money, its settings.

    The address has a secret in it, by which whoever has it commands the Node.
    """
    from masq.cli.control import ask, document
    from masq.gateway.token import token_of

    directory = directory_of(data_directory, chain)
    place = document(ask(directory)).get("window")
    if not isinstance(place, str) or not place.startswith("http://127.0.0.1:"):
        raise LocalError("the Node runs without a window: give it a --gateway-port, and start it again")
    # Behind the #, which a browser tells no server.
    url = f"{place}#token={token_of(directory)}"
    if as_json:
        print_json({"url": url})
    else:
        typer.echo(url)
    if not no_browser and not as_json:
        show(url)


def show(url: str) -> None:
    """Open it in a browser, if there is one."""
    import webbrowser

    try:
        opened = webbrowser.open(url)
    except webbrowser.Error:
        opened = False
    if not opened:
        typer.echo("No browser could be started: copy the address into one.", err=True)
