"""What a Node shows to Prometheus: numbers of the views, as text. No target, key, address or wallet is in it.

Loaded by those alone who ask for it: the library takes 2 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from masq.core.verdict import verdict
from masq.core.view import BooksView, NodeView, ProcessView

MASQ = 10**18
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the numbers are made of. Numbers that no view has are given beside them."""

    process: ProcessView
    node: NodeView
    books: BooksView
    failures: Mapping[str, int] = field(default_factory=dict)
    """Streams of our own user that failed since the start, by cause."""
    provider_answers: bool | None = None
    """Whether the provider of the chain answered when it was asked last; None: it was not asked yet."""
    disk_free: int | None = None
    """Bytes that are free where the books are."""
    unix: float = 0.0


def exposition(seen: Seen, with_process: bool = True) -> bytes:
    """The text that Prometheus reads. `with_process`: with memory, CPU time and descriptors of this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(seen))
    if with_process:
        ProcessCollector(namespace="masq", registry=registry)
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        seen = self._seen
        yield from _process(seen)
        yield from _network(seen.node)
        yield from _streams(seen)
        yield from _money(seen)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"masq_{name}", text, value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"masq_{name}", text, value)


def _by(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"masq_{name}", text, labels=[label])
    for word, value in values:
        family.add_metric([word], value)
    return family


def _process(seen: Seen) -> Iterator[Metric]:
    process, node = seen.process, seen.node
    about = {"version": process.version, "chain": process.chain, "mode": node.mode}
    yield InfoMetricFamily("masq_node", "What this Node is.", value=about)
    works = verdict(process, node, seen.books).works
    yield _gauge("works", "Whether a program that uses the entry would be served now.", works)
    yield _gauge("uptime_seconds", "Since the start.", process.uptime)
    yield _gauge("warnings", "Of the settings, and of what goes wrong now.", len(process.warnings))
    traffic = process.traffic
    family = CounterMetricFamily("masq_traffic_bytes", "Over links and to servers.", labels=["direction"])
    family.add_metric(["in"], traffic.received)
    family.add_metric(["out"], traffic.sent)
    yield family
    yield _gauge("traffic_month_bytes", "In and out of this calendar month.", traffic.month)
    if traffic.most_month:
        yield _gauge("traffic_month_bytes_max", "At which nobody else is served.", traffic.most_month)
    if seen.disk_free is not None:
        yield _gauge("disk_free_bytes", "Where the books are.", seen.disk_free)


def _network(node: NodeView) -> Iterator[Metric]:
    yield _gauge("route_available", "Whether a stream would find a route now.", node.routes.available)
    full = sum(neighbor.full for neighbor in node.neighbors)
    states = (("full", full), ("one_sided", len(node.neighbors) - full))
    yield _by("neighbors", "By whether both list each other.", "state", states)
    yield _gauge("nodes_known", "Itself included.", node.nodes_known)
    speeches = sorted({link.speech for link in node.links})
    links = [(speech, float(sum(link.speech == speech for link in node.links))) for speech in speeches]
    yield _by("links", "Connections to other Nodes, by how they speak.", "speech", links)
    yield _gauge("links_queued_bytes", "That wait to be written.", sum(link.queued for link in node.links))
    dropped = sum(link.dropped for link in node.links)
    yield _gauge("links_dropped", "Things dropped on links that stand, as too much waited.", dropped)
    yield _gauge("exits", "In use by our own user.", len(node.exits))
    yield _gauge("avoided_nodes", "That failed us of late.", len(node.avoided))
    yield _gauge("overbilled_nodes", "That asked for more than we counted.", len(node.overbilled))
    yield _gauge("disputed_accounts", "Whose other side has signed more than we count.", node.disputed)
    yield _gauge("banned_peers", "Addresses, keys and wallets.", sum(ban.banned for ban in node.bans))


def _streams(seen: Seen) -> Iterator[Metric]:
    node = seen.node
    yield _gauge("streams", "Of our own user.", len(node.streams))
    yield _gauge("served_streams", "Of others, that this Node is the exit of.", node.serving)
    yield _gauge("served_circuits", "Of others, through or to this Node.", node.circuits)
    family = CounterMetricFamily("masq_stream_failures", "Of our own user, by cause.", labels=["cause"])
    for cause, count in sorted(seen.failures.items()):
        family.add_metric([cause], count)
    yield family


def _money(seen: Seen) -> Iterator[Metric]:
    books = seen.books
    owed = sum(account.wei for account in books.payables if account.wei > 0)
    owing = sum(account.wei for account in books.receivables if account.wei > 0)
    yield _gauge("owed_masq", "MASQ that we owe to others.", owed / MASQ)
    yield _gauge("owing_masq", "MASQ that others owe us.", owing / MASQ)
    yield _counter("paid_masq", "MASQ, confirmed.", books.paid_wei / MASQ)
    yield _counter("earned_masq", "MASQ, credited.", books.earned_wei / MASQ)
    yield _gauge(
        "spent_hour_masq", "MASQ that our own user's traffic cost in the running hour.", books.spent_hour_wei / MASQ
    )
    for name, text, wei in (
        ("wallet_masq", "MASQ that the consuming wallet had when it was last looked into.", books.money.tokens),
        ("wallet_coins", "The chain's own coins that it had.", books.money.coins),
    ):
        if wei is not None:
            yield _gauge(name, text, wei / MASQ)
    if books.most_hour_wei is not None:
        yield _gauge("spent_hour_masq_max", "MASQ that it may cost.", books.most_hour_wei / MASQ)
    yield _gauge("delinquent_wallets", "That are refused service until they pay.", len(books.banned))
    refusing = len({each.node for each in books.refused_by})
    yield _gauge("refusing_nodes", "That serve us no more until they are paid, as they say.", refusing)
    yield _gauge("payments_pending", "Under way.", len(books.payments))
    oldest = min((payment.made for payment in books.payments), default=None)
    age = max(0.0, seen.unix - oldest) if oldest is not None else 0.0
    yield _gauge("payments_pending_oldest_seconds", "Age of the oldest payment under way.", age)
    unsaved = any(text.startswith("books:") for text in seen.process.warnings)
    yield _gauge("books_unsaved", "Whether the books can't be saved now.", unsaved)
    if seen.provider_answers is not None:
        yield _gauge("provider_up", "Whether the chain's provider answered the last time.", seen.provider_answers)
