"""The server: its routes, its bounds, and events that go on for as long as somebody reads them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from masq.gateway.door import HEADERS, Door, Handler, error
from masq.gateway.files import page
from masq.gateway.hub import Hub
from masq.gateway.operation import Operation, handler, openapi

MAX_CONNECTIONS: Final = 24
"""Their descriptors are among those that are kept back (core/limits.py)."""
FIRST_REQUEST_WITHIN: Final = 5.0
"""Seconds that a connection may take for its first request."""
MAX_BODY: Final = 64 << 10
BEAT: Final = 15.0
"""Seconds after which an event stream without events says that it is still there."""
STOPPED_WITHIN: Final = 0.2


@dataclass(frozen=True, slots=True)
class Raw:
    """A route beside the operations: what answers there makes its own response."""

    path: str
    handler: Handler


@dataclass(frozen=True, slots=True)
class Gateway:
    """What is served."""

    token: str
    hub: Hub
    operations: Sequence[Operation]
    routes: Sequence[Raw] = ()


@dataclass(slots=True)
class Running:
    """A server, to be closed."""

    server: asyncio.AbstractServer
    runner: web.AppRunner
    hub: Hub

    async def close(self) -> None:
        self.hub.close()
        self.server.close()
        await self.runner.cleanup()


async def serve(gateway: Gateway, listener: socket.socket) -> Running:
    """Serve at a socket that is bound, on this machine alone."""
    door = Door(gateway.token, listener.getsockname()[1])
    fresh: set[asyncio.Protocol] = set()
    application = web.Application(middlewares=[_noted(fresh), door.middleware], client_max_size=MAX_BODY)
    document = openapi(gateway.operations)

    async def described(_: web.Request) -> web.StreamResponse:
        return web.json_response(document)

    async def events(request: web.Request) -> web.StreamResponse:
        return await _events(gateway.hub, request)

    router = application.router
    router.add_get("/openapi.json", described)
    router.add_get("/api/events", events)
    for raw in gateway.routes:
        router.add_get(raw.path, raw.handler)
    for operation in gateway.operations:
        router.add_route(operation.method, operation.path, handler(operation))
    router.add_get("/{name:(?!api/).*}", page)
    runner = web.AppRunner(
        application, access_log=None, handle_signals=False, shutdown_timeout=STOPPED_WITHIN, keepalive_timeout=30.0
    )
    await runner.setup()
    server = await asyncio.get_running_loop().create_server(_bounded(runner, fresh), sock=listener, backlog=32)
    return Running(server, runner, gateway.hub)


def _noted(fresh: set[asyncio.Protocol]) -> Middleware:
    @web.middleware
    async def noted(request: web.Request, handler: Handler) -> web.StreamResponse:
        fresh.discard(request.protocol)
        return await handler(request)

    return noted


def _bounded(runner: web.AppRunner, fresh: set[asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
    """Makes the protocol of a connection: at most so many, and each has to ask for something soon.

    `fresh`: those that haven't asked for anything yet.
    """
    server, loop = runner.server, asyncio.get_running_loop()
    assert server is not None
    accepted: set[asyncio.Protocol] = set()

    def judge(protocol: web.RequestHandler) -> None:
        if protocol in fresh and protocol.transport is not None:
            protocol.transport.abort()
        fresh.discard(protocol)

    def connection() -> asyncio.Protocol:
        # Those that were accepted in this turn of the loop aren't among the server's yet.
        if len({*server.connections, *accepted}) >= MAX_CONNECTIONS:
            return _Refused()
        protocol = server()
        accepted.add(protocol)
        fresh.add(protocol)
        loop.call_soon(loop.call_soon, accepted.discard, protocol)
        loop.call_later(FIRST_REQUEST_WITHIN, judge, protocol)
        return protocol

    return connection


class _Refused(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


async def _events(hub: Hub, request: web.Request) -> web.StreamResponse:
    transport = request.transport
    listener = hub.join(lambda: transport.abort() if transport is not None else None)
    if listener is None:
        return error(503, "too many pages look at this Node already; close one")
    response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
    try:
        await response.prepare(request)
        while True:
            try:
                async with asyncio.timeout(BEAT):
                    message = await listener.get()
            except TimeoutError:
                message = b": still here\n\n"
            if message is None:
                break
            await response.write(message)
    except (ConnectionError, OSError):
        pass
    finally:
        hub.leave(listener)
    return response
