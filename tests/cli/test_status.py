"""`masq status` as it reads: short, with everything about a Node in one row, whatever the document is."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from masq.cli.control import Json
from masq.cli.status import Document, Look, lines_of, watch

KEYS = [f"{number:x}" * 128 for number in range(1, 6)]
WALLETS = ["0x" + f"{number:x}" * 40 for number in range(1, 6)]


def stream(number: int, received: int = 2_000_000) -> dict[str, Any]:
    return {
        "id": f"1.{number}",
        "target": f"a-rather-long-name-of-a-server-{number}.example.com:443",
        "route": KEYS[:4],
        "back": KEYS[3::-1],
        "sent": 1000,
        "received": received,
        "age": 2.0,
    }


STATUS: dict[str, Any] = {
    "verdict": {"works": False, "words": "does not work: no neighbor answers", "advice": "see `masq doctor`"},
    "descriptor": "masq://dev:ZjPLnb9RrgsRM1D9edqH8jx9DkbPZSWqqFqLnmdKhsk@1.2.3.4:5678",
    "mode": "standard",
    "chain": "dev",
    "uptime": 100.0,
    "entry": "127.0.0.1:1080",
    "dns": "127.0.0.1:5353",
    "public_key": KEYS[0],
    "consuming_wallet": WALLETS[0],
    "earning_wallet": WALLETS[0],
    "spent_hour_wei": "14479261329456",
    "most_hour_wei": "1000000000000000000",
    "paid_wei": "0",
    "earned_wei": "5",
    "nodes_known": 5,
    "serving": 1,
    "circuits": 2,
    "neighbors": [
        {"key": KEYS[1], "address": "10.0.0.1:6001", "full": True},
        {"key": KEYS[2], "address": "10.0.0.2:6001", "full": False},
    ],
    "nodes": [
        {"key": key, "address": None, "country": country, "wallet": wallet, "serves": True}
        for key, country, wallet in zip(KEYS, ["AA", "BB", "CC", "DE", None], WALLETS, strict=True)
    ],
    "links": [
        {"peer": "10.0.0.1:6001", "speech": "secure", "outbound": True, "queued": 0, "dropped": 0},
        {"peer": "10.0.0.2:40000", "speech": "json", "outbound": False, "queued": 0, "dropped": 0},
    ],
    "payables": [
        {"wallet": WALLETS[1], "wei": "1500000000000000000", "since": 1},
        {"wallet": WALLETS[3], "wei": "7", "since": 1},
        {"wallet": "0x" + "f" * 40, "wei": "9", "since": 1},
    ],
    "receivables": [{"wallet": WALLETS[4], "wei": "3", "since": 1_795_646_128}],
    "banned": [WALLETS[4]],
    "payments": [{"wallet": WALLETS[1], "wei": "8", "hash": "0xabc", "made": 1_795_646_128}],
    "streams": [stream(number) for number in range(30)],
    "failures": [
        {"target": "b.example:443", "reason": "it gave no answer", "cause": "silent", "age": 3.0 + at}
        for at in range(12)
    ],
    "avoided": [{"node": "33333333", "reason": "the link to it was lost", "age": 5.0}],
    "overbilled": [{"node": KEYS[2], "billed": "20", "counted": "10", "age": 5.0}],
    "refused_by": [
        {
            "node": KEYS[3],
            "wallet": WALLETS[3],
            "payer": "0x1",
            "theirs": "2000000000000000000",
            "since": 1_795_646_128,
            "ours": "1000000000000000000",
            "most": "5",
            "release": "3",
            "age": 60.0,
            "advice": "send at least 1 MASQ",
        },
    ],
    "bans": [{"who": KEYS[4], "banned": True, "left": 60.0, "points": 120.5, "bans": 1, "reasons": ["malformed"]}],
    "warnings": ["mind the gap " * 20],
}


def test_the_verdict_and_its_advice_come_first() -> None:
    assert lines_of(STATUS, Look(80))[:2] == ["does not work: no neighbor answers", "do: see `masq doctor`"]


def test_everything_fits_80_columns_but_what_is_to_be_copied() -> None:
    lines = lines_of(STATUS, Look(80))
    copied = ("Join by", "Pays with", "Is paid at")
    assert [line for line in lines if len(line) > 80 and not line.startswith(copied)] == []
    assert f"Join by       {STATUS['descriptor']}" in lines
    assert not any("\x1b" in line for line in lines)


def test_a_node_its_address_wallet_and_debt_are_one_row() -> None:
    lines = lines_of(STATUS, Look(None))
    start = lines.index("Neighbors, and Nodes that are owed") + 2
    rows = {line.split()[0]: line.split() for line in lines[start : start + 3]}
    assert rows["22222222"] == ["22222222", "10.0.0.1:6001", "BB", "secure", "1.5", WALLETS[1]]
    assert rows["33333333"][:5] == ["33333333", "10.0.0.2:6001", "CC", "json,", "one-sided"]
    assert rows["44444444"] == ["44444444", "-", "DE", "far", "0.000000000000000007", WALLETS[3]]
    assert any(line.startswith("?") and line.endswith("0x" + "f" * 40) for line in lines)


def test_a_stream_is_one_line_and_many_are_counted_on_a_terminal() -> None:
    shown = [line for line in lines_of(STATUS, Look(80)) if line.startswith("a-rather")]
    assert len(shown) == 20
    assert "... and 10 more: --all" in lines_of(STATUS, Look(80))
    for look in (Look(80, all=True), Look(None)):
        assert len([line for line in lines_of(STATUS, look) if line.startswith("a-rather")]) == 30
    whole = next(line for line in lines_of(STATUS, Look(None)) if line.startswith("a-rather"))
    assert "1.0 kB" in whole
    assert whole.endswith("1.0 MB/s  0:02  44444444 DE  22222222 > 33333333")


def test_speed_is_that_of_the_moment_if_there_is_an_earlier_look() -> None:
    before = {**STATUS, "uptime": 98.0, "streams": [stream(1, 1_000_000)]}
    lines = lines_of({**STATUS, "streams": [stream(1)]}, Look(None), before)
    assert any("500 kB/s" in line for line in lines)


def test_equal_failures_are_counted() -> None:
    lines = lines_of(STATUS, Look(None))
    assert "  b.example:443: it gave no answer (12 times, the last 0:03 ago)" in lines


def test_times_are_no_numbers_of_seconds_and_amounts_no_wei() -> None:
    text = "\n".join(lines_of(STATUS, Look(None)))
    assert "1795646128" not in text
    assert "14479261329456" not in text
    assert "0.00001448 MASQ of at most 1 MASQ" in text


def test_who_does_not_pay_is_marked() -> None:
    assert any("refused until it pays" in line and WALLETS[4] in line for line in lines_of(STATUS, Look(None)))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(STATUS)), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(STATUS)), ANYTHING), st.none() | st.integers(40, 200))
@example({"nodes_known": float("nan")}, None)
@example({"nodes_known": float("-inf")}, None)
@example({"nodes_known": 10**400}, 80)
def test_a_document_of_another_version_is_shown_as_far_as_it_goes(status: dict[str, Json], width: int | None) -> None:
    assert lines_of(status, Look(width))
    assert lines_of({**STATUS, **status}, Look(width), status)


def test_watching_asks_each_time_and_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    documents = [{**STATUS, "uptime": 100.0 + at, "streams": [stream(1, at * 1000)]} for at in range(3)]
    asked = itertools.chain(documents)
    shown: list[list[str]] = []

    def ask() -> dict[str, Json]:
        try:
            return next(asked)
        except StopIteration:
            raise KeyboardInterrupt from None

    look: Callable[[], Look] = lambda: Look(None)  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        watch(ask, shown.append, look)
    assert len(shown) == 3
    assert any("1.0 kB/s" in line for line in shown[2])


def test_members_are_read_with_care() -> None:
    document = Document(json.loads('{"a": null, "b": "x", "c": [1, {"d": 2}], "e": "9x", "f": 3.5, "g": {"h": 1}}'))
    assert (document.text("a"), document.text("b"), document.text("c")) == ("-", "x", "-")
    assert (document.number("f"), document.number("b"), document.wei("e")) == (3.5, 0.0, 0)
    assert [row.number("d") for row in document.rows("c")] == [2.0]
    assert document.part("g").number("h") == 1.0
    assert document.names("b") == []


def test_who_serves_us_no_more_is_shown_with_both_counts_and_what_to_do() -> None:
    text = " ".join(" ".join(lines_of(STATUS, Look(80))).split())
    assert "44444444: it counts 2 MASQ, we 1 MASQ, since 2026-" in text
    assert "at most 0.000000000000000005 MASQ may be owed; it serves again at 0.000000000000000003 MASQ" in text
    assert "do: send at least 1 MASQ" in text


def test_debts_that_wait_for_cheaper_gas_are_listed_and_that_nobody_said_what_gas_costs() -> None:
    dear: list[Json] = [{"wallet": WALLETS[0], "wei": str(10**18), "gas_wei": str(10**17)}]
    money: dict[str, Json] = {"gas_share": 5, "masq_per_coin": str(10**18), "dear": dear}
    text = " ".join(" ".join(lines_of({**STATUS, "money": money}, Look(None))).split())
    assert f"Due, and waits until its gas costs 5 % at most MASQ GAS TO 1 0.1 {WALLETS[0]}" in text
    assert "masq-per-coin" not in text
    unknown = lines_of({**STATUS, "money": {"gas_share": 5, "masq_per_coin": None, "dear": []}}, Look(None))
    assert len([line for line in unknown if "masq-per-coin isn't set" in line]) == 1
    any_share = lines_of({**STATUS, "money": {"gas_share": 0, "masq_per_coin": None, "dear": []}}, Look(None))
    assert not [line for line in any_share if "masq-per-coin" in line]
