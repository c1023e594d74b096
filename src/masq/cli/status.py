"""`masq status` for people: the verdict first, then what it rests on, in lines that fit a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from masq.cli.control import Json
from masq.cli.tables import duration, facts, moment, paragraph, short, size_text, table
from masq.types import amount_text

MANY: Final = 20
"""Rows of one kind that a terminal shows, unless all are asked for."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a status document is to be shown."""

    width: int | None
    """Columns; None: as many as it takes."""
    all: bool = False
    """Whether long lists are shown to their end."""

    def rows(self, rows: Sequence[Any]) -> Sequence[Any]:
        return rows if self.all or self.width is None else rows[:MANY]

    def listed(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
        """A titled table; nothing if it is empty."""
        if not rows:
            return []
        shown = self.rows(rows)
        left = len(rows) - len(shown)
        more = [f"... and {left} more: --all"] if left else []
        return ["", title, *table(head, shown, self.width), *more]


class Document:
    """A status document, read with care: it may be of another version, and lack what is looked for."""

    def __init__(self, status: dict[str, Json]) -> None:
        self.status = status

    def text(self, name: str, default: str = "-") -> str:
        value = self.status.get(name)
        return default if value is None or isinstance(value, dict | list) else str(value)

    def number(self, name: str) -> float:
        value = self.status.get(name)
        # JSON of Python's knows NaN and Infinity, and integers of any size.
        return float(value) if isinstance(value, int | float) and abs(value) <= sys.float_info.max else 0.0

    def wei(self, name: str) -> int:
        """An amount, which is decimal text in JSON."""
        text = self.text(name, "0")
        return int(text) if text.removeprefix("-").isdecimal() and len(text) < 80 else 0

    def names(self, name: str) -> list[str]:
        value = self.status.get(name)
        return [str(each) for each in value] if isinstance(value, list) else []

    def rows(self, name: str) -> list[Document]:
        value = self.status.get(name)
        return [Document(each) for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def part(self, name: str) -> Document:
        value = self.status.get(name)
        return Document(value if isinstance(value, dict) else {})


def lines_of(status: dict[str, Json], look: Look, before: dict[str, Json] | None = None) -> list[str]:
    """What `masq status` prints. `before`: a document of a moment ago, by which speeds can be told."""
    document = Document(status)
    lines = verdict_lines(document, look.width)
    if "setup" in status:
        return lines  # There is no Node yet to say more of.
    lines += ["", *facts(about(document))]
    lines += look.listed("Neighbors, and Nodes that are owed", NODE_HEAD, node_rows(document))
    lines += _streams(document, look, Document(before or {}))
    for section in (
        _failures,
        _refused_by,
        _avoided,
        _overbilled,
        _wallets,
        _receivables,
        _dear,
        _payments,
        _bans,
        _warnings,
    ):
        lines += section(document, look)
    return lines


def verdict_lines(document: Document, width: int | None) -> list[str]:
    verdict = document.part("verdict")
    advice = verdict.text("advice", "")
    words = verdict.text("words", "this Node is of another version and gives no verdict")
    return paragraph(words, width) + (paragraph(f"do: {advice}", width) if advice else [])


def about(document: Document) -> list[tuple[str, str]]:
    """What is to be said of the Node, by name."""
    spent, most = document.wei("spent_hour_wei"), document.wei("most_hour_wei")
    bound = f" of at most {amount_text(most)}" if most else ""
    own = short(document.text("public_key"))
    entry = document.text("entry")
    serves = f"{_count(document, 'serving', 'stream')}, {_count(document, 'circuits', 'circuit')} of others"
    return [
        ("Node", f"{own}, {document.text('mode')}, {document.text('chain')}, up {duration(document.number('uptime'))}"),
        ("Join by", document.text("descriptor")),
        ("Programs use", f"{entry} (SOCKS5 and HTTP proxy)"),
        *([("Look-ups at", document.text("dns"))] if document.status.get("dns") else []),
        ("Pays with", document.text("consuming_wallet", "no consuming wallet")),
        *_gas(document.part("money")),
        ("Is paid at", document.text("earning_wallet")),
        ("Last hour", f"spent {amount_text(spent)}{bound}"),
        ("Since start", f"paid {_amount(document, 'paid_wei')}, earned {_amount(document, 'earned_wei')}"),
        ("Serves", serves),
        ("Traffic", _traffic(document.part("traffic"))),
        ("Knows", f"{int(document.number('nodes_known'))} Nodes"),
    ]


def _gas(money: Document) -> list[tuple[str, str]]:
    if money.number("gas_share") and money.status.get("masq_per_coin") is None:
        return [("Gas", "may cost any share of a payment, as masq-per-coin isn't set")]
    return []


def _traffic(traffic: Document) -> str:
    most = traffic.number("most_month")
    parts = [f"{size_text(traffic.number('received'))} in", f"{size_text(traffic.number('sent'))} out"]
    return f"{', '.join(parts)}; this month {size_text(traffic.number('month'))}" + (
        f" of {size_text(most)}" if most else ""
    )


def _count(document: Document, name: str, what: str) -> str:
    number = int(document.number(name))
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _amount(row: Document, name: str) -> str:
    return amount_text(row.wei(name))


NODE_HEAD: Final = ("NODE", "ADDRESS", "IN", "LINK", "OWED", "WALLET")
STREAM_HEAD: Final = ("TARGET", "SENT", "RECEIVED", "SPEED", "AGE", "EXIT", "OVER")
FAILURE_HEAD: Final = ("TIMES", "LAST", "TARGET", "REASON")
BAN_HEAD: Final = ("WHO", "BAN", "POINTS", "FOR")


def node_rows(document: Document) -> list[tuple[str, ...]]:
    """Neighbors, and whom we owe: each Node in one row with its address, wallet and debt."""
    known = {row.text("key"): row for row in document.rows("nodes")}
    links = {row.text("peer"): row for row in document.rows("links")}
    by_ip = {peer.rpartition(":")[0]: row for peer, row in links.items()}
    owed = {row.text("wallet"): row.wei("wei") for row in document.rows("payables")}
    neighbors = {row.text("key"): row for row in document.rows("neighbors")}
    owner = {row.text("wallet"): key for key, row in known.items()}
    keys = list(neighbors)
    keys += [key for wallet, wei in owed.items() if wei and (key := owner.get(wallet)) and key not in neighbors]
    rows: list[tuple[str, ...]] = []
    for key in keys:
        node, neighbor = known.get(key, Document({})), neighbors.get(key)
        address = node.text("address") if neighbor is None else neighbor.text("address")
        link = links.get(address) or by_ip.get(address.rpartition(":")[0])
        wei = owed.pop(node.text("wallet"), 0)
        wallet = node.text("wallet")
        rows.append((short(key), address, node.text("country"), _link(neighbor, link), _debt(wei), wallet))
    return rows + [("?", "-", "-", "unknown", _debt(wei), wallet) for wallet, wei in owed.items() if wei]


def _link(neighbor: Document | None, link: Document | None) -> str:
    if neighbor is None:
        return "far"
    if link is None:
        return "none"
    speech = link.text("speech")
    return speech if neighbor.status.get("full") else f"{speech}, one-sided"


def _debt(wei: int) -> str:
    return amount_text(wei).removesuffix(" MASQ") if wei else "-"


def stream_rows(document: Document, before: Document) -> list[tuple[str, ...]]:
    """Streams of our own user. `before`: the document of a moment ago, for their speed."""
    countries = {row.text("key"): row.text("country") for row in document.rows("nodes")}
    earlier = {row.text("id"): row for row in before.rows("streams")}
    passed = document.number("uptime") - before.number("uptime")
    rows: list[tuple[str, ...]] = []
    for row in document.rows("streams"):
        route = row.names("route")
        exit = f"{short(route[-1])} {countries.get(route[-1], '-')}" if route else "-"
        sent, received, age = row.number("sent"), row.number("received"), row.number("age")
        then = earlier.get(row.text("id"))
        came, during = (received - then.number("received"), passed) if then and passed > 0 else (received, age)
        speed = f"{size_text(came / during)}/s" if during > 0 else "-"
        cells = (size_text(sent), size_text(received), speed, duration(age), exit, " > ".join(map(short, route[1:-1])))
        rows.append((row.text("target"), *cells))
    return rows


def _streams(document: Document, look: Look, before: Document) -> list[str]:
    rows = stream_rows(document, before)
    if look.width is not None:
        room = max(12, look.width - 52)
        rows = [(name if len(name) <= room else f"{name[: room - 1]}…", *rest) for name, *rest in rows]
    return look.listed(f"Streams ({len(rows)})", STREAM_HEAD, rows)


def failure_rows(document: Document) -> list[tuple[str, ...]]:
    """Streams that failed, equal ones counted, the newest first."""
    counts: dict[tuple[str, str], list[float]] = {}
    for row in document.rows("failures"):
        counts.setdefault((row.text("target"), row.text("reason")), []).append(row.number("age"))
    return [(str(len(ages)), f"{duration(min(ages))} ago", target, reason) for (target, reason), ages in counts.items()]


def _failures(document: Document, look: Look) -> list[str]:
    lines = []
    for times, last, target, reason in look.rows(failure_rows(document)):
        often = f"{times} times, the last " if times != "1" else ""
        lines += paragraph(f"{target}: {reason} ({often}{last})", look.width, "  ")
    return ["", "Streams that failed", *lines] if lines else []


def _refused_by(document: Document, look: Look) -> list[str]:
    """Who serves us no more until it is paid."""
    lines = []
    for row in look.rows(document.rows("refused_by")):
        counts = f"it counts {_amount(row, 'theirs')}, we {_amount(row, 'ours')}, since {moment(row.number('since'))}"
        bounds = f"at most {_amount(row, 'most')} may be owed; it serves again at {_amount(row, 'release')}"
        told = f"told {duration(row.number('age'))} ago"
        lines += paragraph(f"{short(row.text('node'))}: {counts}; {bounds} ({told})", look.width, "  ")
        lines += paragraph(f"do: {row.text('advice')}", look.width, "    ")
    return ["", "Nodes that serve this wallet no more until they are paid", *lines] if lines else []


def _avoided(document: Document, look: Look) -> list[str]:
    rows = [
        (short(row.text("node")), f"{duration(row.number('age'))} ago", row.text("reason"))
        for row in document.rows("avoided")
    ]
    return look.listed("Nodes that are avoided for a while", ("NODE", "SINCE", "AS"), rows)


def _overbilled(document: Document, look: Look) -> list[str]:
    rows = [
        (short(row.text("node")), _amount(row, "billed"), _amount(row, "counted"), f"{duration(row.number('age'))} ago")
        for row in document.rows("overbilled")
    ]
    return look.listed("Bills that were too high: not paid beyond our count", ("NODE", "ASKED", "COUNTED", ""), rows)


def _wallets(document: Document, look: Look) -> list[str]:
    """Those that pay, if there are several."""
    rows = [
        (
            _debt(row.wei("tokens")) if row.status.get("tokens") is not None else "-",
            _debt(row.wei("owed_wei")),
            _debt(row.wei("paid_wei")),
            "lacks " + _debt(row.wei("lacking")) if row.wei("lacking") else "",
            row.text("wallet"),
        )
        for row in document.rows("wallets")
    ]
    return look.listed("Pays with, by isolation group", ("MASQ", "OWES", "PAID", "", "WALLET"), rows)


def _receivables(document: Document, look: Look) -> list[str]:
    refused = set(document.names("banned"))
    owing = sorted(document.rows("receivables"), key=lambda row: -row.wei("wei"))
    rows = [
        (
            _debt(row.wei("wei")),
            moment(row.number("since")),
            "refused until it pays" if row.text("wallet") in refused else "",
            row.text("wallet"),
        )
        for row in owing
    ]
    listed = {row.text("wallet") for row in owing}
    rows += [("-", "-", "refused until it pays", wallet) for wallet in document.names("banned") if wallet not in listed]
    return look.listed("Owed by others", ("MASQ", "SINCE", "", "CONSUMING WALLET"), rows)


def _dear(document: Document, look: Look) -> list[str]:
    """Debts that wait for cheaper gas."""
    money = document.part("money")
    rows = [(_debt(row.wei("wei")), _debt(row.wei("gas_wei")), row.text("wallet")) for row in money.rows("dear")]
    share = f"{money.number('gas_share'):.0f} %"
    return look.listed(f"Due, and waits until its gas costs {share} at most", ("MASQ", "GAS", "TO"), rows)


def _payments(document: Document, look: Look) -> list[str]:
    rows = [
        (_debt(row.wei("wei")), moment(row.number("made")), row.text("wallet"), row.text("hash"))
        for row in document.rows("payments")
    ]
    return look.listed("Payments under way", ("MASQ", "SINCE", "TO", "TRANSACTION"), rows)


def ban_rows(document: Document, whole: bool = False) -> list[tuple[str, ...]]:
    """Peers that something is held against, as rows for `BAN_HEAD`. `whole`: with all of a key, to be copied."""
    rows: list[tuple[str, ...]] = []
    for row in document.rows("bans"):
        who = row.text("who")
        state = f"{duration(row.number('left'))} left" if row.status.get("banned") else "not banned"
        shown = who if whole or len(who) < 64 else short(who)
        rows.append((shown, state, f"{row.number('points'):.0f}", "; ".join(row.names("reasons"))))
    return rows


def _bans(document: Document, look: Look) -> list[str]:
    return look.listed("Peers that something is held against: `masq bans`", BAN_HEAD, ban_rows(document))


def _warnings(document: Document, look: Look) -> list[str]:
    lines = [line for text in document.names("warnings") for line in paragraph(text, look.width, "  ")]
    return ["", "Warnings", *lines] if lines else []


def watch(ask: Callable[[], dict[str, Json]], show: Callable[[list[str]], None], look: Callable[[], Look]) -> None:
    """Show the status anew each second, until interrupted."""
    import time

    before: dict[str, Json] | None = None
    while True:
        status = ask()
        show(lines_of(status, look(), before))
        before = status
        time.sleep(1.0)
