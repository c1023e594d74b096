"""What the server does for those whom it lets in, and how much anybody may take of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.gateway.served import HEADERS, TOKEN, served

from masq.gateway import server
from masq.gateway.server import MAX_BODY, MAX_CONNECTIONS


def asked(method: str, path: str, **said: Any) -> tuple[int, dict[str, Any], list[list[str]]]:
    async def ask() -> tuple[int, dict[str, Any], list[list[str]]]:
        async with served() as (node, session), session.request(method, path, headers=HEADERS, **said) as answer:
            return answer.status, await answer.json(), node.told

    return asyncio.run(ask())


def test_commands_are_handed_on() -> None:
    assert asked("POST", "/api/route/new", json={}) == (200, {}, [["route", "new"]])
    assert asked("POST", "/api/ban", json={"who": "1.2.3.4", "seconds": 60})[2] == [["ban", "1.2.3.4", "60"]]
    assert asked("POST", "/api/scan", json={"scan": "payables"})[2] == [["scan", "payables"]]
    assert asked("POST", "/api/stop", json={"really": True})[2] == [["stop"]]
    assert asked("PATCH", "/api/settings", json={"name": "a", "value": "b"})[2] == [["change", "a", "b"]]
    assert asked("GET", "/api/log")[1] == {"lines": ["a line"]}
    assert asked("GET", "/api/settings")[1] == {"settings": [{"name": "min-hops"}]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/ban", {"who": "1.2.3.4 60 x", "seconds": 60}),
        ("/api/ban", {"who": "", "seconds": 60}),
        ("/api/ban", {"who": "1.2.3.4", "seconds": -1}),
        ("/api/ban", {"who": "1.2.3.4", "seconds": 1e300}),
        ("/api/scan", {"scan": "nothing"}),
        ("/api/stop", {}),
        ("/api/stop", {"really": False}),
        ("/api/reload", {"more": 1}),
        ("/api/reload", []),
        ("/api/settings/check", {"name": "x", "value": "wrong"}),
        ("/api/settings/check", {"name": "x" * 65, "value": ""}),
    ],
)
def test_what_was_asked_wrongly_is_told_and_not_done(path: str, body: Any) -> None:
    status, answer, told = asked("POST", path, json=body)
    assert status == 422
    assert len(answer["error"]) > 10
    assert told == []


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 10_000, b"nul"])
def test_what_is_no_json_is_told(body: bytes) -> None:
    status, _, told = _raw(body)
    assert status == 422
    assert told == []


def _raw(body: bytes) -> tuple[int, str, list[list[str]]]:
    async def ask() -> tuple[int, str, list[list[str]]]:
        async with served() as (node, session):
            headers = {**HEADERS, "Content-Type": "application/json"}
            async with session.post("/api/scan", headers=headers, data=body) as answer:
                return answer.status, await answer.text(), node.told

    return asyncio.run(ask())


def test_a_huge_body_is_refused() -> None:
    status, text, told = _raw(b" " * (MAX_BODY + 1))
    assert (status, told) == (413, [])
    assert "too much" in text


def test_what_cannot_be_done_now_says_why() -> None:
    assert asked("POST", "/api/lift", json={"who": "x"})[:2] == (409, {"error": "nothing is held against x"})
    assert asked("GET", "/api/none")[0] == 404
    status, answer, _ = asked("PUT", "/api/settings", json={})
    assert (status, "openapi.json" in answer["error"]) == (405, True)


def test_so_many_connections_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that ask for nothing are cut off, and then others are let in again."""
    monkeypatch.setattr(server, "FIRST_REQUEST_WITHIN", 0.5)

    async def ask() -> None:
        async with served() as (node, session):
            idle = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(MAX_CONNECTIONS + 30)]
            for reader, writer in idle:
                try:
                    assert await reader.read() == b""
                except ConnectionError:
                    pass
                writer.close()
            async with session.get("/api/status", headers=HEADERS) as answer:
                assert answer.status == 200

    asyncio.run(asyncio.wait_for(ask(), 30))


def test_those_that_have_gone_make_room_at_once() -> None:
    async def ask() -> None:
        async with served() as (_, session):
            for _each in range(3 * MAX_CONNECTIONS):
                async with session.get("/api/log", headers={**HEADERS, "Connection": "close"}) as answer:
                    assert answer.status == 200

    asyncio.run(asyncio.wait_for(ask(), 30))


def test_a_head_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FIRST_REQUEST_WITHIN", 0.2)

    async def ask() -> bytes:
        async with served() as (node, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
            writer.write(b"GET / HTTP/1.1\r\nX: ")
            try:
                return await reader.read()
            except ConnectionError:
                return b""
            finally:
                writer.close()

    assert asyncio.run(asyncio.wait_for(ask(), 30)) == b""


def test_the_document_describes_each_operation() -> None:
    status, document, _ = asked("GET", "/openapi.json")
    assert status == 200
    assert document["openapi"].startswith("3.1")
    assert document["paths"]["/api/ban"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(document["paths"]) >= {"/api/status", "/api/events", "/api/settings", "/api/log", "/api/stop"}
    assert TOKEN not in str(document)
