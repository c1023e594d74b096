"""Pages over status documents that a test makes up, for what no network does when it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from tests.gateway.served import TOKEN, served


def quiet_document() -> dict[str, Any]:
    """A Node that does nothing."""
    return {
        "verdict": {"works": True, "words": "works: browsing over 3 hops", "advice": None},
        "pid": 1, "public_key": "00" * 64, "nodes_known": 1, "uptime": 5, "serving": 0, "circuits": 0, "avoided": [],
        "neighbors": [], "bans": [], "exits": [], "traffic": {"received": 0, "sent": 0}, "streams": [], "nodes": [],
        "payables": [], "receivables": [], "paid_wei": "0", "earned_wei": "0", "payments": [], "overbilled": [],
        "banned": [], "warnings": [], "spent_hour_wei": "0", "most_hour_wei": None, "disputed": 0, "wallets": [],
        "consuming_wallet": "0x" + "11" * 20, "earning_wallet": "0x" + "22" * 20, "chain": "dev",
        "money": {"tokens": str(10**18), "coins": None},
    }  # fmt: skip


@contextlib.contextmanager
def pretended(
    document: dict[str, Any], accounts: Sequence[dict[str, Any]] = (), lines: Sequence[str] = ()
) -> Iterator[str]:
    """The URL of a page that shows it. `accounts`: what an audit finds; `lines`: of the log."""
    loop = asyncio.new_event_loop()
    found: list[str] = []
    up, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with served() as (gateway, _):
            gateway.document, gateway.accounts, gateway.lines = document, list(accounts), list(lines)
            found.append(f"{gateway.url}/#token={TOKEN}")
            up.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert up.wait(60)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()
