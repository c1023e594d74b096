"""Numbers for Prometheus: well-formed, without a word of whom they are about, and those that boards and alerts name."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.core.test_verdict import BOOKS, LINK, MONEY, NODE, PROCESS

from masq.core.view import (
    AccountView,
    AvoidedView,
    BanView,
    ExitView,
    FailureView,
    NeighborView,
    OverbilledView,
    PaymentView,
    RefusalView,
    RoutesView,
    StreamView,
    TrafficView,
)
from masq.shell.metrics import Seen, exposition
from masq.types import Wei

PACKAGING = Path(__file__).parents[2] / "packaging"
SECRET = "secret-of-somebody"

FULL = Seen(
    replace(
        PROCESS,
        descriptor=SECRET,
        consuming_wallet=SECRET,
        earning_wallet=SECRET,
        entry=SECRET,
        dns=SECRET,
        warnings=(f"books: {SECRET}",),
        failures=(FailureView(SECRET, SECRET, "silent", 1.0),),
        traffic=TrafficView(11, 12, 13, 14),
    ),
    replace(
        NODE,
        public_key=SECRET,
        neighbors=(NeighborView(SECRET, SECRET, True), NeighborView(SECRET, None, False)),
        exits=(ExitView(SECRET, "DE", 1),),
        streams=(StreamView(SECRET, SECRET, (SECRET,), (SECRET,), 1, 2, 3.0),),
        avoided=(AvoidedView(SECRET, SECRET, 1.0),),
        overbilled=(OverbilledView(SECRET, Wei(2), Wei(1), 1.0),),
        disputed=0,
        links=(replace(LINK, peer=SECRET, queued=5, dropped=6), replace(LINK, peer=SECRET, speech="json")),
        bans=(BanView(SECRET, True, 1.0, 1.0, 1, (SECRET,)), BanView(SECRET, False, 1.0, 1.0, 1, ())),
        serving=3,
        circuits=4,
    ),
    replace(
        BOOKS,
        payables=(AccountView(SECRET, Wei(15 * 10**17), 1), AccountView(SECRET, Wei(-(10**18)), 1)),
        receivables=(AccountView(SECRET, Wei(25 * 10**17), 1),),
        banned=(SECRET,),
        refused_by=(RefusalView(SECRET, SECRET, SECRET, Wei(2), Wei(1), 7, Wei(0), Wei(0), 1.0, SECRET),),
        payments=(PaymentView(SECRET, Wei(1), SECRET, 900, "sent"),),
        earned_wei=Wei(10**18),
        money=replace(MONEY, tokens=Wei(10**18), coins=Wei(5 * 10**17)),
    ),
    failures={"silent": 7, "refused": 8},
    provider_answers=False,
    disk_free=99,
    unix=1000.0,
)


def samples(seen: Seen) -> dict[str, float]:
    """All samples, by their names with labels."""
    families = text_string_to_metric_families(exposition(seen).decode())
    return {
        sample.name + "".join(f"[{name}={value}]" for name, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_numbers_are_those_of_the_views() -> None:
    found = samples(FULL)
    expected = {
        "masq_works": 1.0,
        "masq_neighbors[state=full]": 1.0,
        "masq_neighbors[state=one_sided]": 1.0,
        "masq_links[speech=secure]": 1.0,
        "masq_links[speech=json]": 1.0,
        "masq_links_queued_bytes": 5.0,
        "masq_traffic_bytes_total[direction=in]": 11.0,
        "masq_traffic_bytes_total[direction=out]": 12.0,
        "masq_traffic_month_bytes": 13.0,
        "masq_traffic_month_bytes_max": 14.0,
        "masq_stream_failures_total[cause=silent]": 7.0,
        "masq_served_streams": 3.0,
        "masq_served_circuits": 4.0,
        "masq_owed_masq": 1.5,
        "masq_owing_masq": 2.5,
        "masq_earned_masq_total": 1.0,
        "masq_banned_peers": 1.0,
        "masq_refusing_nodes": 1.0,
        "masq_payments_pending_oldest_seconds": 100.0,
        "masq_books_unsaved": 1.0,
        "masq_provider_up": 0.0,
        "masq_wallet_masq": 1.0,
        "masq_wallet_coins": 0.5,
        "masq_disk_free_bytes": 99.0,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["masq_process_resident_memory_bytes"] > 10**6


def test_nobody_and_nothing_is_named() -> None:
    text = exposition(FULL).decode()
    assert SECRET not in text
    assert "DE" not in re.findall(r'"([^"]*)"', text)
    labels = set(re.findall(r"[{,]([a-z_]+)=", text))
    assert labels == {"version", "chain", "mode", "state", "speech", "direction", "cause"}


def test_a_node_that_does_nothing_has_numbers_too() -> None:
    nothing = Seen(PROCESS, replace(NODE, routes=RoutesView(False, 3, None, None), neighbors=(), links=()), BOOKS)
    found = samples(nothing)
    assert (found["masq_works"], found["masq_route_available"]) == (0.0, 0.0)
    assert found["masq_payments_pending_oldest_seconds"] == 0.0
    assert "masq_provider_up" not in found
    assert "masq_disk_free_bytes" not in found


@pytest.mark.parametrize("file", ["grafana.json", "alerts.yml"])
def test_boards_and_alerts_ask_for_numbers_that_there_are(file: str) -> None:
    text = (PACKAGING / file).read_text()
    if file.endswith("json"):
        board = json.loads(text)
        expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    else:
        expressions = re.findall(r"^ +expr: (.*)$", text, re.MULTILINE)
        assert len(expressions) == text.count("- alert: ") == text.count("description: ") == text.count("summary: ")
    asked = {name for expression in expressions for name in re.findall(r"masq_[a-z_]+", expression)}
    there = {name.partition("[")[0] for name in samples(FULL)}
    assert asked
    assert asked <= there
