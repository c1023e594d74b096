"""Whether a Node works for its user, in one line, and what to do if not: made of what may be seen of it."""

from __future__ import annotations

from typing import Final

from masq.core.failure import Cause
from masq.core.view import BooksView, NodeView, ProcessView, VerdictView, WalletView
from masq.types import Mode, amount_text

LATELY: Final = 60.0
"""Seconds in which a failure is news."""
MANY: Final = 3
"""Failures of late, and no stream that got anything, that make us doubt a route that seems to be there."""
NOT_OURS: Final = frozenset(
    cause.name.lower()
    for cause in (
        Cause.NO_SUCH_NAME,
        Cause.NOT_RESOLVED,
        Cause.POLICY,
        Cause.REFUSED,
        Cause.NOT_CONNECTED,
        Cause.BROKEN,
        Cause.CLOSED,
        Cause.STOPPED,
    )
)
"""Failures of servers and clients, which say nothing of the network: to have heard of them it must work."""
STARTING: Final = 30.0
"""Seconds after the start in which it is no fault to have no route."""
HOUR: Final = 3_600.0
LONG: Final = 10_000
"""Hours beyond which nobody counts."""
SHORTEST: Final = 60.0
"""Seconds of use from which a pace can be told."""


def verdict(process: ProcessView, node: NodeView, books: BooksView) -> VerdictView:
    """What `masq status` says first."""
    if node.mode == Mode.ZERO_HOP:
        return VerdictView(True, "works: a proxy on this machine, without a network: it hides nothing", None)
    serves = _serves(node)
    for works, words, advice in (_without_way(process, node), _without_money(process, books)):
        if words:
            return VerdictView(works, f"{words}{serves}", advice)
    # Since an exit has last said something: it worked then.
    lately = LATELY if node.routes.heard is None else min(LATELY, node.routes.heard)
    failed = [each for each in process.failures if each.age < lately and each.cause not in NOT_OURS]
    if len(failed) >= MANY and not any(stream.received for stream in node.streams):
        return VerdictView(
            False,
            f"does not work: {len(failed)} streams failed within a minute, and none got an answer: {failed[0].reason}",
            "take other Nodes: `masq route new`; if that is no help, see the failures below",
        )
    parts = [f"works: browsing over {_count(node.routes.hops, 'hop')}", *_exits(node), *_money(process, books)]
    return VerdictView(True, ", ".join(parts) + serves, _warning(process, books))


def _without_way(process: ProcessView, node: NodeView) -> tuple[bool, str, str | None]:
    if node.routes.available:
        return True, "", None
    full = [neighbor for neighbor in node.neighbors if neighbor.full]
    if node.overlooked:
        words = "does not work: the Nodes of 0.9.1 that it asked remember its key, and take nobody back with one"
        return False, words, node.overlooked
    if process.uptime < STARTING:
        found = f"{_count(len(full), 'neighbor')} so far" if full else "no neighbor has answered yet"
        return False, f"does not work yet: it looks for a route ({found})", "wait some seconds, then ask again"
    if not full and node.links:
        words = "does not work: Nodes answer, and none takes this one as its neighbor"
        return False, words, "they may be full: name other Nodes with --neighbors; `log-level info` shows what they say"
    if not full and node.nodes_known == 1 and node.mode == Mode.STANDARD:
        words = "does not work: no neighbor answers"
        return False, words, (
            "see that the descriptors in --neighbors are right, and of Nodes that run; if this is the network's first "
            "Node, give others its descriptor: `masq descriptor`. `masq doctor` looks further"
        )  # fmt: skip
    if not full:
        words = "does not work: no neighbor answers"
        return False, words, "see that this machine is online, and that the Nodes in --neighbors run: `masq doctor`"
    hint = f"wait for more Nodes, or run with --min-hops {node.routes.hops - 1}" if node.routes.hops > 1 else "wait"
    return False, f"does not work: {node.routes.why_not or 'there is no route'}", hint


def _without_money(process: ProcessView, books: BooksView) -> tuple[bool, str, str | None]:
    if process.consuming_wallet is None:
        words = "does not work for browsing: there is no consuming wallet to pay with"
        return False, words, "`masq wallet create --save`, send it some MASQ, and start again"
    most, spent = books.most_hour_wei, books.spent_hour_wei
    if most is not None and spent >= most:
        words = f"does not work: {amount_text(spent)} were spent within an hour, and no more may be"
        return False, words, "wait, or raise max-spending-per-hour and `masq reload`"
    return True, "", None


def _serves(node: NodeView) -> str:
    if node.mode == Mode.CONSUME_ONLY:
        return ""
    busy = node.serving + node.circuits
    return f"; serves others ({_count(node.serving, 'stream')}, {_count(node.circuits, 'circuit')})" if busy else ""


def _exits(node: NodeView) -> list[str]:
    countries = list(dict.fromkeys(each.country for each in node.exits if each.country))
    return [f"exit in {' and '.join(countries[:3])}"] if countries else []


def _money(process: ProcessView, books: BooksView) -> list[str]:
    """What is left in all wallets, and how long that lasts."""
    known = [each.tokens for each in _purses(process, books) if each.tokens is not None]
    tokens = sum(known) if known else None
    left = [] if tokens is None else [f"{amount_text(tokens)} left"]
    if process.uptime < SHORTEST or not books.spent_hour_wei:
        return left
    pace = books.spent_hour_wei * int(HOUR) // int(min(process.uptime, HOUR))
    if not tokens or not pace:
        return [*left, f"{amount_text(pace)} an hour at this pace"]
    return [*left, _lasts(max(0, tokens - books.money.owed_wei) // pace)]


def _purses(process: ProcessView, books: BooksView) -> tuple[WalletView, ...]:
    """Those that pay, of which most users have one."""
    money = books.money
    one = WalletView(
        process.consuming_wallet or "none",
        money.tokens,
        money.coins,
        money.lacking,
        money.owed_wei,
        books.paid_wei,
        len(books.payments),
    )
    return books.wallets or (one,)


def _lasts(hours: int) -> str:
    if hours >= LONG:
        return "for years at this pace"
    if hours > 72:
        return f"about {hours // 24} days at this pace"
    return f"about {_count(hours, 'hour')} at this pace" if hours else "less than an hour at this pace"


def _warning(process: ProcessView, books: BooksView) -> str | None:
    """What is no failure now, and would become one."""
    purses = _purses(process, books)
    for each in purses:
        if each.tokens == 0:
            return f"send MASQ to {each.wallet}: it has none, and who isn't paid serves no more"
    for each in purses:
        if each.coins == 0:
            return f"send {each.wallet} a little of the chain's coin: without it no payment can be sent"
    if books.refused_by:
        nodes = _count(len(books.refused_by), "Node")
        return f"until it is paid, service is refused by {nodes}: {books.refused_by[0].advice}"
    return next((text for text in process.warnings if text.startswith(("books:", "identity:"))), None)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
