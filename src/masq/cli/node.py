"""Commands to the Node that runs on this machine: `status`, `descriptor`, `route new`, `reload`, `stop`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from masq.cli.options import AsJson, ChainName, DataDirectory, directory_of, print_json
from masq.errors import LocalError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from masq.cli.control import Json
    from masq.cli.status import Look

STOPPED_WITHIN = 10.0
"""Seconds that a Node has to end: it saves its books, and takes two at most."""

route = typer.Typer(help="The routes of your own traffic.", no_args_is_help=True)


def status(
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the Node's answer as it is.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew each second, until Ctrl-C.")] = False,
    all_rows: Annotated[bool, typer.Option("--all", help="Show long lists to their end.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Print the verdict alone; exit status 1 if the Node doesn't work.")
    ] = False,
) -> None:
    """Show whether the Node on this machine works, what it does, and what it owes."""
    from masq.cli.control import ask, document
    from masq.cli.status import Document, Look, lines_of, verdict_lines
    from masq.cli.tables import width_of_output

    directory = directory_of(data_directory, chain)
    if watch:
        _watch(directory, all_rows, as_json)
        return
    answer = ask(directory)
    if as_json:
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
        return
    if check:
        status = Document(document(answer))
        typer.echo("\n".join(verdict_lines(status, width_of_output())))
        raise typer.Exit(0 if status.part("verdict").status.get("works") is True else 1)
    typer.echo("\n".join(lines_of(document(answer), Look(width_of_output(), all_rows))))


def _watch(directory: Path, all_rows: bool, as_json: bool) -> None:
    """The status each second: on a terminal in one place, elsewhere one after the other."""
    from masq.cli.control import ask, document
    from masq.cli.status import Look, watch
    from masq.cli.tables import width_of_output

    def look() -> Look:
        return Look(width_of_output(), all_rows)

    def one() -> dict[str, Json]:
        return document(ask(directory))

    try:
        if as_json:
            _watch_json(directory)
        elif not sys.stdout.isatty():
            watch(one, lambda lines: typer.echo("\n".join([*lines, ""])), look)
        else:
            _watch_terminal(one, look)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # Who reads it has enough; nothing is to be said of it when Python ends, either.
        sys.stderr.close()


def _watch_json(directory: Path) -> None:
    """One document a line."""
    import time

    from masq.cli.control import ask

    while True:
        print(ask(directory).decode(errors="replace").strip(), flush=True)
        time.sleep(1.0)


def watch_plainly(directory: Path) -> None:
    """The same until Ctrl-C, or until nobody reads it any more."""
    _watch(directory, all_rows=True, as_json=True)


def _watch_terminal(one: Callable[[], dict[str, Json]], look: Callable[[], Look]) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from masq.cli.status import watch

    console = Console(highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def show(lines: list[str]) -> None:
            live.update(Text("\n".join(lines[: console.height]), no_wrap=True, overflow="ellipsis"), refresh=True)

        watch(one, show, look)


def descriptor(data_directory: DataDirectory = None, chain: ChainName = None, as_json: AsJson = False) -> None:
    """Print the descriptor of the Node on this machine: what others give as --neighbors."""
    from masq.cli.control import ask, document
    from masq.cli.tables import printable

    text = document(ask(directory_of(data_directory, chain))).get("descriptor")
    if not isinstance(text, str) or not text:
        raise UnavailableError("the Node has no descriptor (yet); in mode zero-hop it never has one")
    if as_json:
        print_json({"descriptor": text})
    else:
        typer.echo(printable(text))


@route.command("new")
def new_route(data_directory: DataDirectory = None, chain: ChainName = None, as_json: AsJson = False) -> None:
    """Have new streams take new routes, over other exits where there are any. Streams that are open stay as they are.

    For an exit that a site blocks, or that is in the wrong country.
    """
    from masq.cli.control import tell

    answer = tell(directory_of(data_directory, chain), "route new")
    if as_json:
        print_json(answer)
    else:
        left = answer.get("left")
        typer.echo(f"New streams take new routes. {left} {'route is' if left == 1 else 'routes are'} left behind.")


def metrics(data_directory: DataDirectory = None, chain: ChainName = None, as_json: AsJson = False) -> None:
    """Print the Node's numbers as Prometheus reads them. They name no target, key, address or wallet."""
    from masq.cli.control import tell

    answer = tell(directory_of(data_directory, chain), "metrics")
    if as_json:
        print_json(answer)
    else:
        typer.echo(answer.get("text"), nl=False)


def reload(data_directory: DataDirectory = None, chain: ChainName = None, as_json: AsJson = False) -> None:
    """Have the Node read its config file again, and use what can be changed while it runs."""
    from masq.cli.control import tell

    answer = tell(directory_of(data_directory, chain), "reload")
    if as_json:
        print_json(answer)
        return
    changed, later, warnings = (_names(answer, name) for name in ("changed", "after_restart", "warnings"))
    typer.echo(f"Changed now: {', '.join(changed)}." if changed else "Nothing has changed that counts at once.")
    if later:
        typer.echo(f"Counts after a restart: {', '.join(later)}.")
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)


def _names(answer: dict[str, Json], name: str) -> list[str]:
    value = answer.get(name)
    return [str(each) for each in value] if isinstance(value, list) else []


def stop(data_directory: DataDirectory = None, chain: ChainName = None, as_json: AsJson = False) -> None:
    """Stop the Node on this machine, its books saved, and wait until it has ended."""
    import time

    from masq.cli.control import NotRunningError, ask, document, tell

    directory = directory_of(data_directory, chain)
    pid = document(ask(directory)).get("pid")
    tell(directory, "stop")
    begun = time.monotonic()
    waiting = sys.stderr.isatty()
    while time.monotonic() < begun + STOPPED_WITHIN:
        if waiting and time.monotonic() > begun + 1.0:
            waiting = False
            typer.echo("It saves its books ...", err=True)
        try:
            ask(directory)
        except NotRunningError:
            if not _runs(pid):
                break
        except LocalError:
            pass  # It is about to end.
        time.sleep(0.05)
    else:
        raise LocalError(
            f"the Node (process {pid}) was told to stop, and still runs after {STOPPED_WITHIN:.0f} seconds"
        )
    if as_json:
        print_json({"stopped": pid})
    else:
        typer.echo("The Node has stopped.")


def _runs(pid: object) -> bool:
    """Whether a process is there, and not just waits to be noticed by its parent."""
    import os

    if not isinstance(pid, int) or pid <= 1:
        return False
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except PermissionError:
        return True
    except (ProcessLookupError, OSError, IndexError):
        return False
