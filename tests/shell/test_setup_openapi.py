"""What a set-up answers is what its document says, whatever is sent: schemathesis makes it up."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from masq.gateway.doorbell import listen
from masq.gateway.operation import openapi
from masq.shell.setup import SetUp

TOKEN = "t" * 43
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
REFUSALS = ["400", "401", "404", "405", "409", "413", "415", "422"]
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "negative_data_rejection": {"expected-statuses": REFUSALS},
            # What is right by its form may be wrong as a setting, or as a phrase.
            "positive_data_acceptance": {"expected-statuses": ["2xx", "409", "422"]},
        }
    }
)


def document() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        described = openapi(SetUp({"data-directory": directory}, {}, TOKEN).operations())
    for path in ("/api/events", "/api/stop"):  # The one has no end, and the other is one.
        described["paths"].pop(path)
    return described


schema = schemathesis.openapi.from_dict(document(), config=CONFIG)


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, Path]]:
    loop = asyncio.new_event_loop()
    listener = listen(0)
    with tempfile.TemporaryDirectory() as directory:
        to_be = SetUp({"data-directory": directory}, {}, TOKEN)
        thread = threading.Thread(target=lambda: loop.run_until_complete(to_be.settle(listener)))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", Path(directory)
        loop.call_soon_threadsafe(to_be.commands["stop"], ())
        thread.join(60)
        listener.close()
        loop.close()


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_each_answer_is_one_that_the_document_has(case: Any, place: tuple[str, Path]) -> None:
    url, directory = place
    # Looks beyond this machine are no matter of a test.
    if isinstance(case.body, dict):
        case.body.pop("look", None)
    case.call_and_validate(base_url=url, headers=HEADERS, timeout=60)
    assert not (directory / "config.toml").exists()


def test_without_the_key_nothing_is_told_or_done(place: tuple[str, Path]) -> None:
    import urllib.error
    import urllib.request

    url, _ = place
    for path, origin in (("/api/status", ""), ("/api/wallet/create", ""), ("/api/draft/keep", "http://evil.example")):
        request = urllib.request.Request(url + path, b"{}" if "status" not in path else None)
        request.add_header("Content-Type", "application/json")
        if origin:
            request.add_header("Origin", origin)
            request.add_header("Authorization", HEADERS["Authorization"])
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        assert refused.value.code == (403 if origin else 401)
        refused.value.close()
