"""What strangers wrote is text to the pages, however it looks; and a thousand of them are drawn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, expect
from tests.gateway.served import TOKEN, Served, served

from masq.gateway.hub import event

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def document(count: int, text: str) -> dict[str, Any]:
    """A status document whose texts are all the same, of so many Nodes in a ring with chords."""
    keys = [f"{number:0128x}" for number in range(1, count + 1)]
    nodes = [
        {
            "key": key,
            "address": f"10.0.{at // 250}.{at % 250}:1{text}",
            "country": text or "DE",
            "wallet": f"0x{at}{text}",
            "serves": True,
            "rates": [1, 2, 3, 4],
            "neighbors": sorted({(at + 1) % count, (at - 1) % count, (at * 7) % count} - {at}),
        }
        for at, key in enumerate(keys)
    ]
    stream = {"id": f"1{text}", "target": f"x{text}:80", "route": keys[:4], "back": keys[3::-1]}
    return {
        "verdict": {"works": False, "words": f"does not work: {text}", "advice": text},
        "pid": 1,
        "chain": text,
        "uptime": 5.0,
        "entry": text,
        "consuming_wallet": text,
        "earning_wallet": text,
        "warnings": [text],
        "failures": [{"target": text, "reason": text, "cause": text, "age": 1.0}],
        "version": text,
        "traffic": {"received": 1, "sent": 1, "month": 1, "most_month": None},
        "mode": text,
        "public_key": keys[0],
        "nodes_known": count,
        "neighbors": [{"key": keys[1], "address": text, "full": True}],
        "routes": {"available": True, "hops": 3, "why_not": text},
        "exits": [{"node": keys[3], "country": text, "circuits": 1}],
        "nodes": nodes,
        "streams": [{**stream, "sent": 1, "received": 2, "age": 3.0}],
        "serving": 0,
        "circuits": 0,
        "avoided": [{"node": keys[2][:8], "reason": text, "age": 1.0}],
        "overbilled": [{"node": keys[2], "billed": "2", "counted": "1", "age": 1.0}],
        "bans": [{"who": keys[2], "banned": True, "left": 1.0, "points": 100.0, "bans": 1, "reasons": [text]}],
        "payables": [{"wallet": f"0x1{text}", "wei": "12345678901234567890", "since": 1}],
        "receivables": [{"wallet": text, "wei": "5", "since": 1}],
        "banned": [text],
        "payments": [{"wallet": text, "wei": "5", "hash": text, "made": 1}],
        "paid_wei": "1",
        "earned_wei": "1",
        "spent_hour_wei": "1",
        "most_hour_wei": None,
    }


@pytest.fixture
def node() -> Iterator[Served]:
    """A gateway in a thread of its own."""
    loop = asyncio.new_event_loop()
    ready: list[Served] = []
    up, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with served(0.2) as (node, _):
            ready.append(node)
            up.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert up.wait(30)
    yield ready[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()


def test_what_strangers_wrote_is_text(node: Served, page: Page) -> None:
    node.document = document(5, EVIL)
    page.goto(f"{node.url}/#token={TOKEN}")
    expect(page.get_by_role("heading", name="Network", exact=True)).to_be_visible()
    page.get_by_role("region", name="All Nodes").get_by_role("button").nth(2).click()
    expect(page.get_by_role("region", name="Node", exact=True)).to_contain_text("onerror")
    assert node.hub is not None
    node.hub.tell(event("log", msgspec.json.encode(EVIL)))
    for name in ("streams", "map", "money", "setup", "log", "settings", "try", ""):
        page.evaluate("name => { location.hash = `#/${name}` }", name)
        expect(page.locator(f'nav a[href="#/{name}"]')).to_have_attribute("aria-current", "page")
        page.wait_for_timeout(200)
        assert "owned" not in page.title()
        assert page.locator("main img, main script").count() == 0


def test_a_thousand_nodes_are_drawn(node: Served, page: Page) -> None:
    node.document = document(1000, "")
    page.goto(f"{node.url}/#token={TOKEN}")
    expect(page.locator("canvas")).to_have_count(1)
    expect(page.locator(".figures").first).to_contain_text("1000")
    page.wait_for_function(
        """() => {
        const canvas = document.querySelector("canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((each) => each).length > 20000;
    }""",
        timeout=60_000,
    )
    node.document = {**node.document, "uptime": 61.0}
    expect(page.locator(".figures").first).to_contain_text("1 min")
