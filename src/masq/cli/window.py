"""`masq open`: the Node on this machine in a browser, or what it takes for there to be one."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Annotated, Final

import typer

from masq.cli.options import AsJson, ChainName, DataDirectory, directory_of, print_json
from masq.errors import LocalError, SettingError

WAKE: Final = 5.0
"""Seconds."""


def open_window(
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print where it is, and open nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open the pages that show the Node on this machine: its network, its streams, its money, its settings. Where none
    was set up yet, they lead through that, and the Node then runs in this terminal.

    The address has a secret in it, by which whoever has it commands the Node.
    """
    from masq.cli.control import NotRunningError, ask, document
    from masq.gateway.token import token_of

    directory = directory_of(data_directory, chain)
    try:
        place = document(ask(directory)).get("window")
    except NotRunningError:
        given = {name: text for name, text in (("data-directory", data_directory), ("chain", chain)) if text}
        if as_json or _is_set_up(given):
            raise
        from masq.cli.setup import become

        become([f"--{name}={text}" for name, text in given.items()], not no_browser)
    if not isinstance(place, str) or not place.startswith("http://127.0.0.1:"):
        raise LocalError("the Node runs without a window: give it a --gateway-port, and start it again")
    # Behind the #, which a browser tells no server.
    url = f"{place}#token={token_of(directory)}"
    if as_json:
        print_json({"url": url})
    else:
        typer.echo(url)
    _wake(place)
    if not no_browser and not as_json:
        from masq.cli.browser import show

        show(url)


def _wake(place: str) -> None:
    """Have the server behind the window loaded before a browser comes: that takes longer than to show a page."""
    import http.client

    host, _, port = place.removeprefix("http://").rstrip("/").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=WAKE)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/")
        connection.getresponse().read()
    connection.close()


def _is_set_up(given: dict[str, str]) -> bool:
    """Whether `masq run` would begin. SettingError: a value is wrong by itself, which only its writer can mend."""
    from masq.settings import gather
    from masq.settings.relations import check

    settings, names = gather(given, os.environ)
    try:
        check(settings, names)
    except SettingError:
        return False
    return True
