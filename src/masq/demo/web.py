"""The demo's web server: a page, and a file of random bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

PAGE = "<!doctype html><title>MASQ</title><h1>A page over several hops</h1>\n"


class Site(NamedTuple):
    """Where the server is, and what the file's SHA-256 is."""

    port: int
    digest: str


@asynccontextmanager
async def running_site(directory: Path, size: int) -> AsyncIterator[Site]:
    """A server at a port of 127.0.0.1, with a file of `size` bytes."""
    path = directory / "file"
    digest = hashlib.sha256()
    with path.open("wb") as file:
        left = size
        while left:
            block = os.urandom(min(left, 1 << 20))
            digest.update(block)
            file.write(block)
            left -= len(block)

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def download(_: web.Request) -> web.FileResponse:
        return web.FileResponse(path, chunk_size=1 << 18)

    application = web.Application()
    application.add_routes([web.get("/", page), web.get("/file", download)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield Site(runner.addresses[0][1], digest.hexdigest())
    finally:
        await runner.cleanup()
