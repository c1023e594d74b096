"""The document and the server agree, whatever is sent: schemathesis makes it up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from tests.gateway.served import HEADERS, Served, operations_of, served

from masq.gateway.operation import openapi

OPERATIONS = openapi(operations_of(Served()))
OPERATIONS["paths"].pop("/api/events")  # It has no end.
# What is too large is refused as such (413), whatever else is wrong with it.
REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
CONFIG = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}})
schema = schemathesis.openapi.from_dict(OPERATIONS, config=CONFIG)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    loop = asyncio.new_event_loop()
    found: list[str] = []
    up, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with served() as (node, _):
            found.append(node.url)
            up.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert up.wait(30)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_each_answer_is_one_that_the_document_has(case: Any, url: str) -> None:
    case.call_and_validate(base_url=url, headers=HEADERS, timeout=10)


def test_events_are_described() -> None:
    assert "/api/events" in openapi(operations_of(Served()))["paths"]
