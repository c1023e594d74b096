"""Who is let in: requests to this very address, from our own pages or from programs, that know the token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from masq.gateway.token import TOKEN_FILE

GUARDED: Final = ("/api/", "/metrics")
"""Paths that need the token. The pages themselves are no secret: they are in the package."""
HEADERS: Final = {
    # Libraries for drawing bring their own few styles; scripts come from here alone.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def error(status: int, words: str) -> web.Response:
    """A refusal: what is wrong, and what to do."""
    return web.json_response({"error": words}, status=status)


class Door:
    """A middleware that judges each request before anything else looks at it."""

    def __init__(self, token: str, port: int) -> None:
        self._token = token.encode()
        # The name in the request has to be ours: another site's, made to lead here, is none (DNS rebinding).
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))

    def refusal(self, request: web.Request) -> web.Response | None:
        """Why a request isn't served, if it isn't."""
        headers = request.headers
        if request.host not in self._hosts:
            return error(421, "this server is only reached as 127.0.0.1 or localhost, with its port; use `masq open`")
        origin = headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return error(403, "requests of other sites' pages are refused; use the page that `masq open` opens")
        if not request.path.startswith(GUARDED):
            return None
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return error(403, "requests of other sites' pages are refused; use the page that `masq open` opens")
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode("utf-8", "replace"), self._token):
            refused = error(401, f"the token is missing or wrong: `masq open` has it, and so has the file {TOKEN_FILE}")
            refused.headers["WWW-Authenticate"] = 'Bearer realm="masq"'
            return refused
        return None

    @property
    def middleware(self) -> Middleware:
        """For aiohttp."""

        @web.middleware
        async def judged(request: web.Request, handler: Handler) -> web.StreamResponse:
            response: web.StreamResponse | None = self.refusal(request)
            if response is None:
                try:
                    response = await handler(request)
                except web.HTTPException as refused:
                    response = error(refused.status, _WORDS.get(refused.status, refused.reason))
                    if "Allow" in refused.headers:
                        response.headers["Allow"] = refused.headers["Allow"]
            if not response.prepared:
                for name, value in HEADERS.items():
                    response.headers.setdefault(name, value)
            return response

        return judged


_WORDS: Final = {
    404: "there is nothing of this name; /openapi.json lists what there is",
    405: "that can't be done with it; /openapi.json lists what can",
    413: "that is too much for one request",
}
