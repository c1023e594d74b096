"""Strangers at the window: other sites' pages, other names, guessed tokens."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.served import HEADERS, TOKEN, served

from masq.errors import LocalError
from masq.gateway.token import TOKEN_FILE, token_of


def status_of(
    path: str, headers: Mapping[str, str], method: str = "GET", **said: Any
) -> tuple[int, str, list[list[str]]]:
    async def asked() -> tuple[int, str, list[list[str]]]:
        async with served() as (node, session), session.request(method, path, headers=headers, **said) as answer:
            return answer.status, await answer.text(), node.told

    return asyncio.run(asked())


def test_who_has_the_token_is_let_in() -> None:
    assert status_of("/api/status", HEADERS)[0] == 200


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ({"Authorization": f"Bearer {TOKEN}t"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": "Bearer \u00ff\u00fe"}, 401),
        ({**HEADERS, "Host": "evil.example"}, 421),
        ({**HEADERS, "Host": "127.0.0.1"}, 421),
        ({**HEADERS, "Host": "127.0.0.1:1"}, 421),
        ({**HEADERS, "Origin": "https://evil.example"}, 403),
        ({**HEADERS, "Origin": "null"}, 403),
        ({**HEADERS, "Origin": "http://127.0.0.1:1"}, 403),
        ({**HEADERS, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**HEADERS, "Sec-Fetch-Site": "same-site"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/api/status", "/api/events", "/api/none"])
def test_others_are_refused_and_told_why(path: str, given: dict[str, str], status: int) -> None:
    answered, text, told = status_of(path, given)
    assert answered == status
    assert "masq open" in text
    assert told == []


def test_a_form_of_another_site_does_nothing() -> None:
    """Such a form can't set a header; one that could can't say that it is JSON."""
    form = {"data": '{"really": true}', "method": "POST"}
    assert status_of("/api/stop", {"Content-Type": "text/plain"}, **form)[0::2] == (401, [])
    assert status_of("/api/stop", {**HEADERS, "Content-Type": "text/plain"}, **form)[0::2] == (415, [])


def test_the_pages_are_for_this_address_alone_too() -> None:
    assert status_of("/", {})[0] == 200
    assert status_of("/", {"Host": "evil.example"})[0] == 421


@pytest.mark.parametrize(
    "path",
    ["/../door.py", "/..%2fdoor.py", "/%2e%2e/door.py", "/pages/../../door.py", "//etc/passwd", "/index.html%00", "/."],
)
def test_no_path_leads_out_of_the_pages(path: str) -> None:
    import yarl

    async def asked() -> int:
        async with served() as (node, session), session.get(yarl.URL(node.url + path, encoded=True)) as answer:
            return answer.status

    assert asyncio.run(asked()) == 404


def test_each_answer_forbids_what_browsers_can_be_talked_into() -> None:
    async def asked() -> None:
        async with served() as (_, session):
            for path in ("/", "/api/status", "/none", "/openapi.json"):
                async with session.get(path) as answer:
                    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
                    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"].split("style-src")[0]
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
                    assert answer.headers["Cache-Control"] == "no-store"

    asyncio.run(asked())


def test_a_token_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    token = token_of(tmp_path)
    path = tmp_path / TOKEN_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token_of(tmp_path) == token
    assert [each.name for each in tmp_path.iterdir()] == [TOKEN_FILE]


@pytest.mark.parametrize("text", ["", "short", "x" * 44, "x" * 42 + "\u00e4"])
def test_a_token_that_is_none_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / TOKEN_FILE).write_text(text)
    assert len(token_of(tmp_path)) == 43


def test_a_token_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / TOKEN_FILE
    path.write_text(TOKEN)
    path.chmod(0o644)
    assert token_of(tmp_path) != TOKEN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_directory_that_takes_no_token_is_told(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="can't be"):
        token_of(tmp_path / "none" / "such")
    os.mkdir(tmp_path / TOKEN_FILE)
    with pytest.raises(LocalError, match="can't be read"):
        token_of(tmp_path)
