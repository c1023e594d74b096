"""`masq ledger`: whether the books are those that were written, and what their journal tells."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from masq.cli.options import AsJson, ChainName, DataDirectory, database_password, directory_of, print_json
from masq.errors import LocalError

ledger = typer.Typer(name="ledger", help="Check the books against their journal, show it, or accept them as they are.")


@ledger.command()
def verify(data_directory: DataDirectory = None, chain: ChainName = None, as_json: AsJson = False) -> None:
    """Check each row of the books, and the journal of all saves; also while the Node runs.

    Exit status 1 if something isn't as it was written.
    """
    report = _report(data_directory, chain)
    if as_json:
        print_json(report)
    else:
        typer.echo("\n".join(lines_of(report)))
    raise typer.Exit(1 if report["problems"] else 0)


@ledger.command()
def show(
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    last: Annotated[int, typer.Option(min=1, max=100, help="How many entries.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Print the last entries of the journal: an hour of charges each, or what else happened to money."""
    found = _report(data_directory, chain)["last"][-last:]
    if as_json:
        print_json(found)
    elif found:
        typer.echo("\n".join(line for entry in found for line in entry_lines(entry)))
    else:
        typer.echo("The journal is empty.")


@ledger.command()
def accept(
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take the books as they are, though something in them isn't as it was written: a copy of your own that you put
    back, say. The journal keeps what was wrong. While no Node runs."""
    from masq.cli.control import NotRunningError, tell
    from masq.shell.ledger import look
    from masq.shell.store import Store

    directory = directory_of(data_directory, chain)
    try:
        tell(directory, "status")
    except NotRunningError:
        password = database_password(data_directory, chain, directory)
        problems = look(directory, password)["problems"]
        if problems and not yes and not _sure(problems):
            raise LocalError("nothing was changed; --yes accepts without a question") from None
        if problems:
            Store.open(directory, password, accept="accepted by hand").close()
        if as_json:
            print_json({"accepted": problems})
        elif problems:
            typer.echo("The books count as they are. What was wrong stands in the journal: `masq ledger show`.")
        else:
            typer.echo("Nothing is wrong with the books, and nothing was changed.")
        return
    raise LocalError("a Node runs with these books, so it found nothing wrong with them")


def lines_of(report: dict[str, Any]) -> list[str]:
    """What `verify` says."""
    from masq.cli.tables import paragraph, width_of_output

    width = width_of_output()
    lines: list[str] = []
    for problem in report["problems"]:
        lines += paragraph(f"- {problem}", width)
    if report["problems"]:
        lines += paragraph(
            "The books are not those that were written last. Restore a copy of all files, or take them as they are "
            "with `masq ledger accept`.",
            width,
        )
    else:
        rows = ", ".join(f"{count} in {name}" for name, count in report["rows"].items() if count)
        lines += paragraph(f"All is as it was written: {report['saves']} saves; rows: {rows or 'none'}.", width)
    for entry in report["accepted"]:
        lines += paragraph(f"Accepted on {_when(entry)}: {'; '.join(map(str, entry['what']['accepted']))}", width)
    return lines


def entry_lines(entry: dict[str, Any]) -> list[str]:
    """An entry of the journal, as text."""
    from masq.core.failure import printable

    lines = [f"{entry['number']}  {_when(entry)}"]
    for kind, what in entry["what"].items():
        for each in [what] if isinstance(what, dict) else what:
            lines.append(f"    {printable(kind)}: {printable(_figures(each) if isinstance(each, dict) else each)}")
    return lines


def _figures(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def _when(entry: dict[str, Any]) -> str:
    from masq.types import time_text

    return time_text(int(entry["time"]))


def _report(data_directory: str | None, chain: str | None) -> dict[str, Any]:
    from masq.cli.control import NotRunningError, work
    from masq.shell.ledger import look

    directory = directory_of(data_directory, chain)
    try:
        return dict(work(directory, "ledger"))
    except NotRunningError:
        return look(directory, database_password(data_directory, chain, directory))


def _sure(problems: list[str]) -> bool:
    """Whether the user says so, having seen what is wrong; no if nobody can be asked."""
    import sys

    for problem in problems:
        typer.echo(f"- {problem}")
    return sys.stdin.isatty() and typer.confirm("Take the books as they are?")
