"""`masq financials`: what was paid and earned, what is owed, and a receipt for each transfer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from masq.cli.options import AsJson, ChainName, DataDirectory, database_password, directory_of
from masq.errors import LocalError, SettingError

if TYPE_CHECKING:
    from masq.cli.tally import Flow, Owed, Read, Receipt, Row, Wish
    from masq.shell.history import Page

MOST_SHOWN: Final = 1_000
COLUMNS: Final = ("time", "kind", "masq", "wei", "wallet", "transaction", "block", "fee_wei", "sender")
"""Of the CSV."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_LONGEST: Final = 100 * 366 * 86_400


def financials(
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="Transfers from then on: 2026-01-31, or 30d, 12h ago. UTC."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help="Transfers before then: 2027-01-01, say.")
    ] = None,
    top: Annotated[
        int, typer.Option("--top", metavar="N", min=0, max=MOST_SHOWN, help="How many wallets of each kind are named.")
    ] = 5,
    by_age: Annotated[bool, typer.Option("--by-age", help="Open accounts: the oldest first, not the largest.")] = False,
    least: Annotated[
        str | None, typer.Option("--least", metavar="MASQ", help="Open accounts of at least so much.")
    ] = None,
    most: Annotated[
        str | None, typer.Option("--most", metavar="MASQ", help="Open accounts of at most so much.")
    ] = None,
    older: Annotated[
        str | None, typer.Option("--older", metavar="TIME", help="Open accounts of at least this age: 30d, 12h.")
    ] = None,
    younger: Annotated[
        str | None, typer.Option("--younger", metavar="TIME", help="Open accounts of at most this age.")
    ] = None,
    receipts: Annotated[bool, typer.Option("--receipts", help="List each transfer, too.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print each transfer as a line of CSV, and nothing else: for a tax office.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was paid and earned, and what is owed now, with a receipt for each transfer if wanted.

    Works while the Node runs, and while it doesn't. Amounts are exact.
    """
    from masq.cli.tally import Wish

    if as_csv and as_json:
        raise SettingError("--csv", "goes without --json: one of the two")
    now = int(time.time())
    wish = Wish(
        None if since is None else moment_of("--since", since, now),
        None if until is None else moment_of("--until", until, now),
        0 if least is None else _amount("--least", least),
        None if most is None else _amount("--most", most),
        0 if older is None else _duration("--older", older),
        None if younger is None else _duration("--younger", younger),
        top,
        by_age,
    )
    if wish.since is not None and wish.until is not None and wish.since >= wish.until:
        raise SettingError("--until", "it isn't after --since")
    if wish.most is not None and wish.most < wish.least:
        raise SettingError("--most", "it is less than --least")
    if wish.younger is not None and wish.younger < wish.older:
        raise SettingError("--younger", "it is less than --older")
    with _reading(data_directory, chain) as read:
        if as_csv:
            _print_csv(read, wish)
        else:
            (_print_json if as_json else _print_text)(read, wish, receipts, now)


# --- how it is asked for ---


def moment_of(name: str, text: str, now: int) -> int:
    """Unix seconds of a day, a time, or so long ago. SettingError says what is expected."""
    if text[-1:] in _UNITS and text[:-1].isascii() and text[:-1].isdecimal():
        return now - _duration(name, text)
    try:
        when = datetime.fromisoformat(text)
        return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise SettingError(name, f"{text} is no day such as 2026-01-31, and not so long ago as 30d or 12h") from None


def _duration(name: str, text: str) -> int:
    number, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not (number.isascii() and number.isdecimal()) or len(number) > 10:
        raise SettingError(name, f"{text} is no time such as 90s, 12h, 30d or 2w")
    if int(number) * unit > _LONGEST:
        raise SettingError(name, f"{text} is more than a hundred years")
    return int(number) * unit


def _amount(name: str, text: str) -> int:
    from masq.settings.values import masq

    try:
        return masq(text)
    except ValueError:
        raise SettingError(name, f"{text} is no amount in MASQ such as 0.5") from None


# --- where it is read ---


@contextmanager
def _reading(data_directory: str | None, chain: str | None) -> Iterator[Read]:
    """The books of the Node that runs here, or those that one left."""
    from masq.cli.control import NotRunningError, tell
    from masq.shell.history import Page

    directory = directory_of(data_directory, chain)

    def asked(kind: str, after: str) -> Page:
        answer = tell(directory, f"history {kind} {after}".rstrip())
        rows, place = answer.get("rows"), answer.get("after")
        if not isinstance(rows, list) or not (place is None or isinstance(place, str)):
            raise LocalError("the Node's answer is none: is it of another version?")
        return Page(tuple(rows), place)  # type: ignore[arg-type]

    try:
        asked("payments", "")
    except NotRunningError:
        if not (directory / "node.db").exists():
            raise LocalError(
                f"there is no {directory / 'node.db'}: no Node has been run with this data directory"
            ) from None
    else:
        yield _rows(asked)
        return
    from masq.shell.store import Store

    store = Store.open(directory, database_password(data_directory, chain, directory))
    try:
        yield _rows(store.history)
    finally:
        store.close()


def _rows(page: Callable[[str, str], Page]) -> Read:
    """All rows of a kind, one page after the other."""

    def read(kind: str) -> Iterator[Row]:
        after: str | None = ""
        while after is not None:
            found = page(kind, after)
            yield from found.rows
            after = found.after

    return read


# --- how it is shown ---


def iso(unix: int) -> str:
    """A time, in UTC, as programs read it."""
    try:
        return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(unix)


def _print_csv(read: Read, wish: Wish) -> None:
    import csv
    import sys

    from masq.cli.tally import exact, receipts

    out = csv.writer(sys.stdout)
    out.writerow(COLUMNS)
    for each in receipts(read, wish):
        fee = "" if each.fee is None else each.fee
        amounts = exact(each.wei), each.wei
        out.writerow((iso(each.time), each.kind, *amounts, each.wallet, each.hash, each.block, fee, each.sender or ""))


def _receipt_json(each: Receipt) -> dict[str, Any]:
    return {
        "time": each.time,
        "kind": each.kind,
        "wei": str(each.wei),
        "wallet": each.wallet,
        "transaction": each.hash,
        "block": each.block,
        "fee_wei": None if each.fee is None else str(each.fee),
        "sender": each.sender,
    }


def _print_json(read: Read, wish: Wish, with_receipts: bool, now: int) -> None:
    """One document. Receipts are written as they are read, as there may be millions."""
    import json

    flows = _flows()
    typer.echo("{")
    if with_receipts:
        typer.echo('"receipts": [', nl=False)
    for number, each in enumerate(_counted(read, wish, flows)):
        if with_receipts:
            typer.echo(("," if number else "") + "\n " + json.dumps(_receipt_json(each)), nl=False)
    if with_receipts:
        typer.echo("],")
    members = _members(read, wish, flows, now)
    typer.echo(json.dumps(members, indent=1)[1:].lstrip("\n"))


def _flows() -> tuple[Flow, Flow]:
    from masq.cli.tally import Flow

    return Flow(), Flow()


def _counted(read: Read, wish: Wish, flows: tuple[Flow, Flow]) -> Iterator[Receipt]:
    """All transfers that are asked for, once they have been added."""
    from masq.cli.tally import receipts

    paid, earned = flows
    for each in receipts(read, wish):
        (paid if each.paid else earned).add(each)
        yield each


def _books(read: Read, wish: Wish, now: int) -> tuple[Owed, Owed, int]:
    """Payables and receivables, and wei of payments under way."""
    from itertools import chain

    from masq.cli.tally import owed
    from masq.core.accountant.payments import UNDER_WAY

    under_way = sum(int(wei) for _, wei, _, state in read("payments") if state in UNDER_WAY)
    payables = owed(chain(read("payables"), read("further")), wish, now)
    return payables, owed(read("receivables"), wish, now), under_way


def _members(read: Read, wish: Wish, flows: tuple[Flow, Flow], now: int) -> dict[str, Any]:
    payables, receivables, under_way = _books(read, wish, now)
    paid, earned = flows

    def book(each: Owed) -> dict[str, Any]:
        rows = [{"wallet": row.wallet, "wei": str(row.wei), "since": row.since} for row in each.top]
        return {"wei": str(each.wei), "credit_wei": str(each.credit), "accounts": each.accounts, "top": rows}

    def flow(each: Flow) -> dict[str, Any]:
        rows = [
            {"wallet": row.wallet, "wei": str(row.wei), "times": row.times, "last": row.last}
            for row in each.top(wish.top)
        ]
        return {"wei": str(each.wei), "times": each.times, "wallets": each.wallets, "top": rows}

    return {
        "since": wish.since,
        "until": wish.until,
        "paid": {**flow(paid), "fees_wei": str(paid.fees), "fees_unknown": paid.unknown},
        "earned": {**flow(earned), "undone_wei": str(earned.undone)},
        "payables": {**book(payables), "under_way_wei": str(under_way)},
        "receivables": book(receivables),
    }


def _print_text(read: Read, wish: Wish, with_receipts: bool, now: int) -> None:
    from masq.cli.tally import exact

    flows = _flows()
    if with_receipts:
        typer.echo(f"{'TIME (UTC)':20}  KIND    {'MASQ':>24}  {'FEE':>20}  {'WALLET':42}  TRANSACTION, BLOCK")
    some = False
    for each in _counted(read, wish, flows):
        if with_receipts:
            some = True
            fee = "-" if each.fee is None else exact(each.fee)
            amounts = f"{exact(each.wei):>24}  {fee:>20}"
            typer.echo(f"{iso(each.time):20}  {each.kind:6}  {amounts}  {each.wallet}  {each.hash}, {each.block}")
    if with_receipts:
        typer.echo("" if some else "None.\n")
    typer.echo("\n".join(lines_of(_members(read, wish, flows, now), wish)))


def lines_of(members: dict[str, Any], wish: Wish) -> list[str]:
    """Sums and tables."""
    from masq.cli.tables import facts, table, width_of_output
    from masq.cli.tally import exact

    def of(wei: str) -> str:
        return exact(int(wei))

    paid, earned = members["paid"], members["earned"]
    payables, receivables = members["payables"], members["receivables"]
    times = [f"{name} {iso(when)}" for name, when in (("from", wish.since), ("until", wish.until)) if when is not None]
    unknown = f" (of {paid['fees_unknown']} it isn't known)" if paid["fees_unknown"] else ""
    undone = f" ({of(earned['undone_wei'])} undone: their blocks were replaced)" if earned["undone_wei"] != "0" else ""
    ahead, by_us = of(receivables["credit_wei"]), of(payables["credit_wei"])
    lines = facts(
        [
            ("Transfers", " ".join(times) or "all that the books know"),
            ("Paid", f"{of(paid['wei'])} MASQ in {_count(paid)}"),
            ("Gas for it", f"{of(paid['fees_wei'])} of the chain's coin{unknown}"),
            ("Earned", f"{of(earned['wei'])} MASQ in {_count(earned)}{undone}"),
            ("Owed by us", f"{of(payables['wei'])} MASQ now, to {payables['accounts']}"),
            ("Under way", f"{of(payables['under_way_wei'])} MASQ of that"),
            ("Owed to us", f"{of(receivables['wei'])} MASQ now, by {receivables['accounts']}"),
            ("Credit", f"{ahead} MASQ that others paid ahead, {by_us} that we did"),
        ]
    )
    width = width_of_output()
    for title, flow in (("Paid most to", paid), ("Earned most from", earned)):
        sums = [(of(row["wei"]), str(row["times"]), iso(row["last"]), row["wallet"]) for row in flow["top"]]
        lines += ["", title, *table(("MASQ", "TIMES", "LAST", "WALLET"), sums, width)] if sums else []
    order = "oldest first" if wish.by_age else "largest first"
    for title, book in (("Owed by us", payables), ("Owed to us", receivables)):
        rows = [(of(row["wei"]), iso(row["since"]), row["wallet"]) for row in book["top"]]
        lines += ["", f"{title}, {order}", *table(("MASQ", "SINCE", "WALLET"), rows, width)] if rows else []
    return lines


def _count(flow: dict[str, Any]) -> str:
    number, wallets = flow["times"], flow["wallets"]
    times = "one transfer" if number == 1 else f"{number} transfers"
    if not number:
        return "no transfers"
    return f"{times}, {'more wallets than are told apart' if wallets is None else f'{wallets} wallets'}"
