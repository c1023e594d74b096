"""What changes is told once, to who listens; who doesn't keep up is dropped."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
from tests.gateway.served import HEADERS, TOKEN, served

from masq.gateway import hub as hubs
from masq.gateway.hub import MAX_LISTENERS, WAITING, Hub, event


async def next_event(answer: aiohttp.ClientResponse) -> tuple[str, dict[str, Any]]:
    kind = (await answer.content.readline()).decode().removeprefix("event: ").strip()
    data = (await answer.content.readline()).decode().removeprefix("data: ")
    await answer.content.readline()
    return kind, json.loads(data)


def test_all_members_come_first_and_then_those_that_change() -> None:
    async def listen() -> None:
        async with served() as (node, session), session.get("/api/events", headers=HEADERS) as answer:
            assert answer.content_type == "text/event-stream"
            assert await next_event(answer) == ("status", node.document)
            node.document["uptime"] = 2
            assert await next_event(answer) == ("status", {"uptime": 2})
            del node.document["uptime"]
            assert await next_event(answer) == ("status", {"uptime": None})
            assert node.hub is not None
            node.hub.tell(event("log", b'{"line": 1}'))
            assert await next_event(answer) == ("log", {"line": 1})

    asyncio.run(asyncio.wait_for(listen(), 30))


def test_nobody_looks_when_nobody_listens() -> None:
    async def listen() -> None:
        async with served() as (node, session):
            assert node.opened == 0
            async with session.get("/api/events", headers=HEADERS) as answer:
                await next_event(answer)
            assert node.hub is not None
            while len(node.hub):
                node.document["uptime"] += 1  # Noticed by writing.
                await asyncio.sleep(0.01)
            looks = node.looks
            await asyncio.sleep(0.1)
            assert node.looks == looks
            assert node.opened == 1

    asyncio.run(asyncio.wait_for(listen(), 30))


def test_one_too_many_is_told() -> None:
    async def listen() -> None:
        async with served() as (_, session):
            answers = [await session.get("/api/events", headers=HEADERS) for _ in range(MAX_LISTENERS)]
            async with session.get("/api/events", headers=HEADERS) as answer:
                assert answer.status == 503
                assert "close one" in (await answer.json())["error"]
            for each in answers:
                each.close()

    asyncio.run(asyncio.wait_for(listen(), 30))


def test_who_does_not_read_is_dropped_and_others_hear_on() -> None:
    async def listen() -> None:
        dropped: list[str] = []

        async def source() -> dict[str, Any]:
            return {}

        hub = Hub(source)
        slow, quick = hub.join(lambda: dropped.append("slow")), hub.join(lambda: dropped.append("quick"))
        assert slow is not None
        assert quick is not None
        for number in range(WAITING + 5):
            hub.tell(b"%d" % number)
            assert await quick.get() == b"%d" % number
        assert dropped == ["slow"]
        assert await slow.get() is None
        hub.leave(slow)
        hub.leave(quick)
        assert len(hub) == 0

    asyncio.run(listen())


def test_what_waits_for_one_is_bounded_in_bytes() -> None:
    listener = hubs.Listener()
    piece = bytes(hubs.MAX_WAITING // 4)
    assert [listener.put(piece) for _ in range(5)] == [True] * 4 + [False]


def test_a_reader_that_stops_over_tcp_is_cut_off() -> None:
    async def listen() -> None:
        async with served(0.001) as (node, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", node.port, limit=1024)
            lines = ("GET /api/events HTTP/1.1", f"Host: 127.0.0.1:{node.port}", f"Authorization: Bearer {TOKEN}")
            writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
            await reader.readline()
            assert node.hub is not None
            while len(node.hub):
                node.document["large"] = f"{node.looks:>500000}"
                await asyncio.sleep(0.001)
            writer.transport.abort()

    asyncio.run(asyncio.wait_for(listen(), 60))
