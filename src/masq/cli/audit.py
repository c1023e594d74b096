"""`masq audit`: each account as the Node on the other side has signed it, and as we count it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from masq.cli.options import AsJson, ChainName, DataDirectory, directory_of, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from masq.cli.control import Json

SHOWN: Final = 20
"""Accounts that are shown unless all are wanted; those that differ come first."""
HEAD: Final = ("side", "who", "they say", "we count", "difference", "since", "state")


def audit(
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    all_rows: Annotated[bool, typer.Option("--all", help="Show long lists to their end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare books with other Nodes: what each has signed of your account, what you count, and what was noticed.

    Exit status 1 if a Node claims more than you count. What is disputed isn't paid.
    """
    from masq.cli.control import ask as ask_node
    from masq.cli.control import document, tell
    from masq.cli.tables import width_of_output

    directory = directory_of(data_directory, chain)
    answer = tell(directory, "audit")
    accounts, unanswered = _rows(answer.get("accounts")), _rows(answer.get("unanswered"))
    if as_json:
        print_json({"accounts": accounts, "unanswered": unanswered})
    else:
        status, most, width = document(ask_node(directory)), None if all_rows else SHOWN, width_of_output()
        typer.echo("\n".join([*lines_of(accounts, status, most, width), *unanswered_lines(unanswered, most, width)]))
    raise typer.Exit(1 if any(each.get("state") == "disputed" for each in accounts) else 0)


def lines_of(
    accounts: list[dict[str, Json]], status: dict[str, Json], most: int | None, width: int | None
) -> list[str]:
    """The answers of the Node, as text. `most`: rows of a table; None: all."""
    from masq.cli.tables import paragraph, table

    lines: list[str] = []
    if accounts:
        lines += table(HEAD, [_row(each) for each in accounts[:most]], width)
        if most is not None and len(accounts) > most:
            lines.append(f"and {len(accounts) - most} more: --all")
    else:
        lines += paragraph("No other Node has signed a statement yet: they come with bills, within a minute.", width)
    for each in accounts[:most]:
        notes = each.get("notes")
        for note in notes if isinstance(notes, list) else ():
            when, _, words = str(note).partition(": ")
            lines += paragraph(f"{_time(when)}: {words}", width, "  ")
    silent = _silent(accounts, status)
    if silent:
        lines.append("")
        lines += paragraph(
            f"{len(silent)} accounts without a statement, of 0.9.1 or of too little: our count alone.",
            width,
        )
        rows = [(side, wallet, _amount(wei)) for side, wallet, wei in silent[:most]]
        lines += table(("side", "wallet", "we count"), rows, width)
    return lines


def unanswered_lines(unanswered: list[dict[str, Json]], most: int | None, width: int | None) -> list[str]:
    """Who is paid for nothing, as far as it shows."""
    from masq.cli.tables import paragraph, table

    if not unanswered:
        return []
    words = "Sent over 0.9.1 packages since the start and never answered. It is paid all the same, as less is a ban:"
    rows = [(str(each.get("wallet")), _amount(_wei(each.get("wei")))) for each in unanswered[:most]]
    return ["", *paragraph(words, width), *table(("wallet", "wei"), rows, width)]


def _row(each: dict[str, Json]) -> tuple[str, ...]:
    theirs, ours = _wei(each.get("theirs")), _wei(each.get("ours"))
    node = each.get("node")
    who = f"Node {str(node)[:8]}" if node else str(each.get("wallet"))
    agreed = each.get("agreed")
    since = _time(agreed) if agreed else "never agreed"
    gap = theirs - ours
    difference = ("-" if gap < 0 else "+" if gap > 0 else "") + _amount(abs(gap))
    return str(each.get("side")), who, _amount(theirs), _amount(ours), difference, since, str(each.get("state"))


def _silent(accounts: list[dict[str, Json]], status: dict[str, Json]) -> list[tuple[str, str, int]]:
    """Accounts of which nothing was signed, the largest first."""
    spoken = {(str(each.get("side")), str(each.get("wallet"))) for each in accounts}
    found = [
        (side, str(row.get("wallet")), _wei(row.get("wei")))
        for side, book in (("owed", "payables"), ("earned", "receivables"))
        for row in _rows(status.get(book))
        if (side, str(row.get("wallet"))) not in spoken
    ]
    return sorted(found, key=lambda each: -abs(each[2]))


def _rows(value: Json) -> list[dict[str, Json]]:
    found: Iterable[Json] = value if isinstance(value, list) else ()
    return [each for each in found if isinstance(each, dict)]


def _wei(value: Json) -> int:
    text = str(value)
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() else 0


def _amount(wei: int) -> str:
    from masq.types import amount_text

    return amount_text(wei)


def _time(value: Json) -> str:
    from masq.types import time_text

    try:
        return time_text(int(str(value)))
    except ValueError:
        return "?"
