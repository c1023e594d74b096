"""The pages: files of the package, listed once, so that no path leads anywhere else."""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path
from typing import Final

from aiohttp import web

from masq.gateway.door import error

PAGES: Final = Path(__file__).parent / "pages"
_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@lru_cache(1)
def names() -> frozenset[str]:
    """Paths that are served, below the root."""
    return frozenset(
        path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*") if path.is_file() and path.suffix in _KINDS
    )


@lru_cache(64)
def packed(name: str) -> bytes:
    """A page as it goes over the wire."""
    return gzip.compress((PAGES / name).read_bytes(), 9, mtime=0)


async def page(request: web.Request) -> web.StreamResponse:
    """One of them; the first one at the root."""
    name = request.match_info["name"] or "index.html"
    if name not in names():
        return error(404, "there is no such page; begin at /")
    headers = {"Content-Type": _KINDS[Path(name).suffix], "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=packed(name), headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=(PAGES / name).read_bytes(), headers=headers)
