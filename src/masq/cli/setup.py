"""A Node's first start: led through its settings in a browser, and then run, as one process at one address.

`masq open` becomes this where no Node runs and the settings don't do yet. Like `masq run` it reads its own options.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from masq.cli.run import hide_secrets, sources_of
from masq.errors import LocalError, MasqError, SettingError
from masq.gateway.doorbell import listen
from masq.gateway.token import token_of
from masq.settings import Settings, gather
from masq.settings.command_line import split
from masq.settings.sources import load
from masq.shell.control import ControlSocket
from masq.shell.runtime import live
from masq.shell.setup import SetUp
from masq.shell.window import url_of, window_socket

QUIET: Final = "MASQ_OPEN_QUIETLY"
"""In the environment: no browser is wanted."""


def become(words: Sequence[str], browser: bool) -> NoReturn:
    """Have this process be one that sets a Node up and then is that Node. `words` as of `masq run`."""
    environment = {**os.environ, **({} if browser else {QUIET: "1"})}
    # -P: nothing of the directory that the user happens to be in is taken for a module.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "masq.cli.setup", *words], environment)


def set_up(words: Sequence[str]) -> int:
    """The exit status, of the set-up or of the Node that came of it."""
    given, environment = split(words), dict(os.environ)
    browser = environment.pop(QUIET, None) is None
    settings, _ = gather(given, environment)
    hide_secrets()
    make_directory(settings.data_directory)
    listener = window_socket(settings) or listen(0)
    token = token_of(settings.data_directory)
    say(f"no Node is set up in {settings.data_directory} yet; this page leads through it, and Ctrl-C ends it:")
    url = f"{url_of(listener)}#token={token}"
    print(url, flush=True)
    if browser:
        from masq.cli.browser import show

        show(url)
    problem: SettingError | None = None
    while True:
        to_be = SetUp(given, environment, token, url_of(listener), problem)
        if asyncio.run(_settled(to_be, listener, settings.data_directory)) is None:
            return 0
        given = dict(to_be.given)
        say(f"from now on it is started by `{to_be.again}`")
        try:
            return start(given, environment, listener)
        except LocalError as error:
            # The page says it, too, and leads on.
            say(str(error))
            problem = error if isinstance(error, SettingError) else SettingError("start", str(error))


async def _settled(to_be: SetUp, listener: socket.socket, directory: Path) -> Settings | None:
    path = directory / "masq.sock"
    control = await ControlSocket(path, to_be.commands).start()
    ours = path.stat().st_ino
    try:
        return await to_be.settle(listener)
    finally:
        control.close()
        # A Node that was started here meanwhile by other means has put its own there.
        with suppress(OSError):
            if path.stat().st_ino == ours:
                path.unlink()


def start(given: Mapping[str, str], environment: Mapping[str, str], listener: socket.socket) -> int:
    """Run the Node, whose window is the one of its set-up. LocalError: it does not start."""
    settings = load(given, environment)
    for warning in settings.warnings:
        say(f"warning: {warning}")
    return live(sources_of(settings, given, environment), listener)


def make_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(f"{path} can't be made: {error.strerror or error}; name another --data-directory") from None


def say(text: str) -> None:
    print(f"masq: {text}", file=sys.stderr, flush=True)


def main() -> NoReturn:
    try:
        sys.exit(set_up(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(0)
    except MasqError as error:
        say(str(error))
        sys.exit(2 if isinstance(error, SettingError) else 1)


if __name__ == "__main__":
    main()
