"""A network of a thousand Nodes on one page, and how plainly it is drawn where that takes too long."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.pretended import pretended, quiet_document

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
PATIENCE = 60_000
MANY = 1_000
SLOW, GUARD = 7, 8
"""Places of a Node that is slower than most, and of one that is not."""


def key(number: int) -> str:
    return f"{number:08x}" * 16


def node(number: int, chance: random.Random) -> dict[str, Any]:
    reputation = {
        "score": 0.9, "weight": 0.9, "good": 3.0, "bad": 0.0, "round_trip": 0.05, "speed": None,
        "avoided": 0.0, "terms": 0, "guard": number == GUARD, "why": "3.0 circuits went well",
    }  # fmt: skip
    if 1 <= number < 10:
        reputation["speed"] = 1_000 if number == SLOW else 5_000_000
    return {
        "key": key(number),
        "address": f"10.0.{number // 250}.{number % 250}:6001",
        "country": "DE",
        "wallet": f"0x{number:040x}",
        "serves": True,
        "rates": [1, 2, 3, 4],
        "neighbors": sorted(chance.sample(range(MANY), 5)),
        "reputation": reputation if number else None,
    }


def document() -> dict[str, Any]:
    """What the network's page needs of a status document."""
    chance = random.Random(1)
    route = [key(each) for each in (0, 1, 2, 3)]
    stream = {"id": "1", "target": "a:80", "route": route, "back": route[::-1], "sent": 1, "received": 1, "age": 1}
    return {
        **quiet_document(),
        "public_key": key(0),
        "nodes_known": MANY,
        "neighbors": [{"key": key(1), "full": True}],
        "streams": [stream],
        "nodes": [node(number, chance) for number in range(MANY)],
    }


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with pretended(document()) as there:
        yield there


def test_a_thousand_nodes_are_shown_and_slow_ones_marked(url: str, page: Page) -> None:
    page.goto(url)
    expect(page.locator("canvas")).to_have_count(1, timeout=PATIENCE)
    rows = page.get_by_role("region", name="All Nodes").get_by_role("row")
    expect(rows.filter(has_text="slow")).to_have_count(1, timeout=PATIENCE)
    rows.filter(has_text="slow").get_by_role("button").click()
    details = page.get_by_role("region", name="Node", exact=True)
    expect(details).to_contain_text("slow")
    expect(details).to_contain_text("0.90 of 1: 3.0 circuits went well")
    rows.nth(GUARD + 1).get_by_role("button").click()
    expect(details).to_contain_text("one of your first hops")
    expect(details.locator("h2")).not_to_contain_text("slow")


def test_it_is_drawn_plainly_where_frames_take_too_long_and_says_so(url: str, page: Page) -> None:
    page.add_init_script("let ticks = 0; performance.now = () => (ticks += 60);")
    page.goto(url)
    expect(page.get_by_text("Drawn plainly")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("canvas")).to_have_count(1)


@pytest.mark.parametrize(
    ("gaps", "levels"),
    [
        ([16] * 200, []),
        ([16] * 15 + [900] * 5 + [16] * 200, []),
        ([50] * 30, []),
        ([50] * 41, [1]),
        ([50] * 200, [1, 2]),
        ([5_000] * 200, []),
        ([50] * 41 + [16] * 200, [1]),
    ],
)
def test_the_pace_is_that_of_most_frames_of_a_picture_that_moves(
    url: str, page: Page, gaps: list[int], levels: list[int]
) -> None:
    page.goto(url.partition("#")[0])
    told = page.evaluate(
        """async gaps => {
            const { pace } = await import("/pace.js");
            const levels = [];
            const frame = pace(level => levels.push(level));
            gaps.reduce((now, gap) => { frame(now + gap); return now + gap; }, 10000);
            return levels;
        }""",
        gaps,
    )
    assert told == levels
