"""What may be seen of a Node: frozen values for its user, made by its parts; `python -m masq.core.view` documents them.

Keys, wallets and hashes are text as users see them, times are seconds, amounts are wei.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any, Final

from masq.types import Wei

_DOC: Final = "doc"


def _about(text: str) -> Any:
    """A field, and what is said of it in docs/status.md."""
    return field(metadata={_DOC: text})


@dataclass(frozen=True, slots=True)
class NeighborView:
    """A Node that we list as our neighbor."""

    key: str = _about("its public key")
    address: str | None = _about("where it is reached, if that is known")
    full: bool = _about("whether it lists us, too: only then is anything carried over it")


@dataclass(frozen=True, slots=True)
class RoutesView:
    available: bool = _about("whether a stream would find a route now")
    hops: int = _about("how many Nodes it is to have")
    why_not: str | None = _about("what is missing, if there is none")
    heard: float | None = _about("since an exit of ours has said something last, if one that we use ever did")
    compromise: str | None = field(default=None, metadata={_DOC: "which rule yields, as there is no other route"})


@dataclass(frozen=True, slots=True)
class ExitView:
    """An exit that our own user's circuits end at."""

    node: str = _about("its public key")
    country: str | None = _about("where it says it is, as two letters")
    circuits: int = _about("how many take new streams")


@dataclass(frozen=True, slots=True)
class ReputationView:
    """What our own circuits have experienced with a Node."""

    score: float = _about("0 to 1; a Node that nothing is known of has 0.5")
    weight: float = _about("how likely it is drawn compared with others, before its price; 0: it is avoided")
    good: float = _about("circuits over it that answered, of late")
    bad: float = _about("its share of circuits that failed, of late")
    round_trip: float | None = _about("seconds, of circuits that it is part of")
    speed: int | None = _about("bytes per second that came over it last, or the best of the slow ways over it")
    avoided: float = _about("seconds that it is still avoided")
    terms: int = _about("how often it was avoided")
    guard: bool = _about("whether it is one of our first hops")
    why: str = _about("where the numbers come from")


@dataclass(frozen=True, slots=True)
class KnownView:
    """A Node that we know, ourselves included."""

    key: str = _about("its public key")
    address: str | None = _about("where it is reached, if that is known")
    country: str | None = _about("where it says it is, as two letters")
    wallet: str = _about("that it is paid at")
    serves: bool = _about("whether it relays and exits")
    rates: tuple[int, ...] = _about(
        "its prices in wei: per byte and per package as relay, per byte and per package as exit"
    )
    neighbors: tuple[int, ...] = _about("those that it lists, as places in `nodes`, from 0")
    reputation: ReputationView | None = _about("as far as we have used it; none of ourselves")


@dataclass(frozen=True, slots=True)
class StreamView:
    """A stream, an exchange of datagrams or a look-up of our own user."""

    id: str = _about("tells it from the others")
    target: str = _about("the server, and its port")
    route: tuple[str, ...] = _about("public keys from this Node to the exit")
    back: tuple[str, ...] = _about("and back")
    sent: int = _about("bytes")
    received: int = _about("bytes")
    age: float = _about("since it was opened")


@dataclass(frozen=True, slots=True)
class AvoidedView:
    """A Node that failed us, and is avoided for a while."""

    node: str = _about("the first characters of its public key")
    reason: str = _about("how it failed")
    age: float = _about("since it did")


@dataclass(frozen=True, slots=True)
class OverbilledView:
    """A Node that asked for more than we counted."""

    node: str = _about("its public key")
    billed: Wei = _about("what it asked for")
    counted: Wei = _about("what we count, and pay")
    age: float = _about("since it asked")


@dataclass(frozen=True, slots=True)
class StatementView:
    """What the other side of an account has signed, beside our own count."""

    node: str | None = _about("the public key of a Node that we owe; none where it is a wallet that owes us")
    wallet: str = _about("the creditor's earning wallet, or the debtor's consuming wallet")
    side: str = _about("`owed` by us, or `earned`")
    theirs: Wei = _about("all that was ever charged, as they have signed")
    ours: Wei = _about("and as we counted then")
    paid: Wei = _about("of that, as they have signed")
    state: str = _about("`agrees`, `counts less`, `counts more`, or `disputed`")
    when: int = _about("unix time of their statement")
    agreed: int | None = _about("unix time of the last one that agreed")
    notes: tuple[str, ...] = _about("what was noticed, and what we did, the latest last")


@dataclass(frozen=True, slots=True)
class UnansweredView:
    """What was sent over 0.9.1 packages to or by a Node and never answered: it is paid all the same (`masq audit`)."""

    wallet: str = _about("the creditor's earning wallet")
    wei: Wei = _about("that it is owed for that, since the start")


@dataclass(frozen=True, slots=True)
class BanView:
    """An address, key or wallet that something is held against."""

    who: str = _about("an IP address, a public key, or a wallet")
    banned: bool = _about("whether it is refused now")
    left: float = _about("seconds of the ban")
    points: float = _about("held against it; 100 are a ban, and half of them are gone after an hour")
    bans: int = _about("how often it was banned")
    reasons: tuple[str, ...] = _about("the latest")


@dataclass(frozen=True, slots=True)
class LinkView:
    """A connection to another Node."""

    peer: str = _about("address and port of its other end")
    speech: str = _about("`secure`, `json`, or how it is being found out")
    outbound: bool = _about("whether we dialled it")
    queued: int = _about("bytes that wait to be written")
    dropped: int = _about("how often something was dropped as too much waited")


@dataclass(frozen=True, slots=True)
class NodeView:
    """The Node."""

    mode: str = _about("what it does for others")
    stage: str = _about("`NotConnected`, `ConnectedToNeighbor`, `RouteFound`, or `ZeroHop`")
    public_key: str = _about("its own")
    record_version: int = _about("of the record that it tells others")
    nodes_known: int = _about("itself included")
    neighbors: tuple[NeighborView, ...] = _about("by key")
    routes: RoutesView = _about("to exits")
    exits: tuple[ExitView, ...] = _about("in use")
    nodes: tuple[KnownView, ...] = _about("all that are known")
    streams: tuple[StreamView, ...] = _about("of our own user")
    serving: int = _about("streams of others that this Node is the exit of")
    circuits: int = _about("circuits of others through or to this Node")
    avoided: tuple[AvoidedView, ...] = _about("Nodes that failed us")
    overbilled: tuple[OverbilledView, ...] = _about("bills that were too high")
    disputed: int = _about("accounts whose other side claims more than we count: `masq audit`")
    links: tuple[LinkView, ...] = _about("connections to other Nodes")
    bans: tuple[BanView, ...] = _about("peers that something is held against")
    overlooked: str | None = field(
        default=None,
        metadata={_DOC: "what to do about Nodes of 0.9.1 that remember its key, and overlook it; none: it isn't so"},
    )


@dataclass(frozen=True, slots=True)
class AccountView:
    """What is owed to or by one wallet."""

    wallet: str = _about("its address")
    wei: Wei = _about("below 0: credit")
    since: int = _about("unix time of the last payment, or of the first charge")


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment under way."""

    wallet: str = _about("the creditor's")
    wei: Wei = _about("the amount")
    hash: str = _about("of its latest transaction")
    made: int = _about("unix time")
    state: str = _about("`signed`, `sent` to a provider, or `mined`, which isn't confirmed yet")


@dataclass(frozen=True, slots=True)
class ScanView:
    """How one kind of regular look at the chain goes."""

    kind: str = _about("`pendingpayables`, `payables` or `receivables`")
    good: float | None = _about("since the last one that went well, if there was one")
    problem: str = _about("why the last one came to nothing; empty if it didn't")


@dataclass(frozen=True, slots=True)
class DearView:
    """A debt that is due, and waits until its gas costs less, or it can't wait any more."""

    wallet: str = _about("the creditor's")
    wei: Wei = _about("of the debt")
    gas_wei: Wei = _about("what its gas would have cost when that was last looked at, in MASQ")


@dataclass(frozen=True, slots=True)
class MoneyView:
    """How it stands with paying and being paid."""

    scans: tuple[ScanView, ...] = _about("of the chain")
    head: int | None = _about("the newest block that the provider has shown")
    head_age: int | None = _about("since that block was made, when it was shown or now")
    tokens: Wei | None = _about("of the consuming wallet, when that was last looked at")
    coins: Wei | None = _about("for gas, likewise")
    lacking: Wei = _about("tokens that were due then, and not there")
    oldest_payment: int | None = _about("since the oldest payment under way was signed")
    owed_wei: Wei = _about("by us, to all")
    owing_wei: Wei = _about("by all, to us")
    accounts: int = _about("in both books")
    gas_share: int = field(default=0, metadata={_DOC: "per cent of a payment that its gas may cost; 0: any"})
    masq_per_coin: Wei | None = field(
        default=None, metadata={_DOC: "what a coin is worth, as its user says; gas-share counts only with it"}
    )
    dear: tuple[DearView, ...] = field(default=(), metadata={_DOC: "debts that wait as their gas costs more than that"})


@dataclass(frozen=True, slots=True)
class WalletView:
    """One of several consuming wallets."""

    wallet: str = _about("its address")
    tokens: Wei | None = _about("that it had when that was last looked at")
    coins: Wei | None = _about("for gas, likewise")
    lacking: Wei = _about("tokens that were due then, and not there")
    owed_wei: Wei = _about("by it, to all")
    paid_wei: Wei = _about("confirmed since the start")
    payments: int = _about("under way")


@dataclass(frozen=True, slots=True)
class RefusalView:
    """A Node that serves a consuming wallet of ours no more until it is paid, as it says itself."""

    node: str = _about("its public key")
    wallet: str = _about("that it is paid at")
    payer: str = _about("the consuming wallet that it doesn't serve")
    theirs: Wei = _about("what it says is owed")
    ours: Wei = _about("what we count")
    since: int = _about("unix time from which the debt's age counts, as it says")
    most: Wei = _about("what it lets be owed at that age")
    release: Wei = _about("it serves again when no more than this is owed")
    age: float = _about("since it said so last")
    advice: str = _about("what will be done, or what to do")


@dataclass(frozen=True, slots=True)
class BooksView:
    """The Accountant's books."""

    payables: tuple[AccountView, ...] = _about("what we owe, by earning wallet; the largest, if there are many")
    receivables: tuple[AccountView, ...] = _about("what we are owed, by consuming wallet, likewise")
    banned: tuple[str, ...] = _about("wallets that are refused service until they pay")
    payments: tuple[PaymentView, ...] = _about("under way")
    paid_wei: Wei = _about("confirmed since the start")
    earned_wei: Wei = _about("credited since the start")
    money: MoneyView = _about("how it stands with the chain")
    spent_hour_wei: Wei = _about("what our own user's traffic has cost in the running hour")
    most_hour_wei: Wei | None = _about("what it may cost, if that is bounded")
    wallets: tuple[WalletView, ...] = field(
        default=(), metadata={_DOC: "those that pay, the default one first, if there are several"}
    )
    refused_by: tuple[RefusalView, ...] = field(
        default=(), metadata={_DOC: "Nodes that serve us no more until they are paid, as they say; the latest first"}
    )


@dataclass(frozen=True, slots=True)
class FailureView:
    """A stream of our own user that came to nothing."""

    target: str = _about("the server, and its port")
    reason: str = _about("what happened, and where")
    cause: str = _about("the same as one word, for programs")
    age: float = _about("since it failed")


@dataclass(frozen=True, slots=True)
class TrafficView:
    """Bytes over links and to servers."""

    received: int = _about("since the start")
    sent: int = _about("since the start")
    month: int = _about("in and out of this calendar month (UTC)")
    most_month: int | None = _about("at which nobody else is served until the next one")


@dataclass(frozen=True, slots=True)
class ProcessView:
    """The process that the Node runs in."""

    descriptor: str = _about("how others join by it")
    chain: str = _about("that pays for everything")
    uptime: float = _about("since its start")
    pid: int = _about("of the process")
    entry: str = _about("where clients connect")
    dns: str | None = _about("where look-ups are answered, if they are")
    consuming_wallet: str | None = _about("that pays for our own user")
    earning_wallet: str = _about("that is paid for what this Node does")
    window: str | None = _about("where a browser sees this Node, which `masq open` opens")
    warnings: tuple[str, ...] = _about("of the settings, and of what goes wrong now")
    failures: tuple[FailureView, ...] = _about("the latest, the newest first")
    version: str = _about("of this program")
    traffic: TrafficView = _about("of links and of servers, for oneself and others")


@dataclass(frozen=True, slots=True)
class VerdictView:
    """Whether this Node works for its user, as `masq status` says it first."""

    works: bool = _about("whether a program that uses the entry would be served now")
    words: str = _about("the same for people, in one line")
    advice: str | None = _about("what to do about it, if there is anything to do")


def as_json(value: object) -> Any:
    """A view as JSON's own types. Wei become decimal text, as most readers of JSON lose their digits."""
    if is_dataclass(value):
        return {each.name: _member(each.type, getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return [as_json(each) for each in value]
    return str(value) if isinstance(value, Enum) else value


def _member(kind: object, value: object) -> Any:
    return str(value) if kind in ("Wei", "Wei | None") and value is not None else as_json(value)


VIEWS: Final = (
    VerdictView,
    ProcessView,
    TrafficView,
    FailureView,
    NodeView,
    NeighborView,
    RoutesView,
    ExitView,
    KnownView,
    ReputationView,
    StreamView,
    AvoidedView,
    OverbilledView,
    StatementView,
    UnansweredView,
    LinkView,
    BanView,
    BooksView,
    WalletView,
    AccountView,
    PaymentView,
    RefusalView,
    DearView,
    MoneyView,
    ScanView,
)


def reference() -> str:
    """docs/status.md."""
    lines = [
        "# The status document",
        "",
        "`masq status --json` prints one JSON object: `verdict`, and what ProcessView, NodeView and BooksView have.",
        "Keys, wallets and hashes are text, times are seconds, amounts are wei as decimal text.",
        "Made by `python -m masq.core.view`.",
    ]
    for view in VIEWS:
        lines += ["", f"## {view.__name__}", "", str(view.__doc__), "", "| member | type | |", "|---|---|---|"]
        lines += [
            f"| `{each.name}` | {str(each.type).replace('|', 'or')} | {each.metadata[_DOC]} |" for each in fields(view)
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
