"""What the gateway can be asked, as data: its routes and its OpenAPI document are made of the same list."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from masq import __version__
from masq.errors import LocalError
from masq.gateway.door import Handler, error

BODY_WITHIN: Final = 5.0
"""Seconds that a request's body may take."""


class Empty(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing is to be said."""


class Refused(msgspec.Struct):
    """Why it was not done."""

    error: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to ask. `act` gets the body: LocalError: it can't be done now; ValueError: it was asked wrongly."""

    method: Literal["GET", "POST", "PATCH"]
    path: str
    summary: str
    act: Callable[[Any], Awaitable[Mapping[str, Any]]]
    body: type[msgspec.Struct] | None = None
    group: str = "Node"


def handler(operation: Operation) -> Handler:
    """What serves it."""

    async def serve(request: web.Request) -> web.StreamResponse:
        said: msgspec.Struct | None = None
        if operation.body is not None:
            # No form of another site's page can say that.
            if request.content_type != "application/json":
                return error(415, "send JSON, and say so: Content-Type: application/json")
            try:
                async with asyncio.timeout(BODY_WITHIN):
                    said = msgspec.json.decode(await request.read() or b"{}", type=operation.body)
            except TimeoutError:
                return error(408, "the request was not sent to its end in time")
            except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
                return error(422, f"that is no such request: {wrong}")
        try:
            answer = await operation.act(said)
        except LocalError as failed:
            return error(409, str(failed))
        except ValueError as wrong:
            return error(422, str(wrong) or "other words are expected")
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    return serve


def openapi(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document that describes them."""
    bodies = [operation.body for operation in operations if operation.body is not None]
    schemas, components = msgspec.json.schema_components([*bodies, Refused], ref_template="#/components/schemas/{name}")
    by_type = dict(zip([*bodies, Refused], schemas, strict=True))
    refusal = {
        "description": "Refused: it says why, and what to do.",
        "content": {"application/json": {"schema": by_type[Refused]}},
    }
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        entry: dict[str, Any] = {
            "summary": operation.summary,
            "operationId": f"{operation.method.lower()}{operation.path.replace('/', '_').replace('-', '_')}",
            "tags": [operation.group],
            "responses": {
                "200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}},
                "401": refusal,
            },
        }
        if operation.body is not None:
            entry["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": by_type[operation.body]}},
            }
            entry["responses"] |= {"409": refusal, "413": refusal, "415": refusal, "422": refusal}
        else:
            entry["responses"]["409"] = refusal
        paths.setdefault(operation.path, {})[operation.method.lower()] = entry
    paths["/api/events"] = {
        "get": {
            "summary": "What changes, as it changes: server-sent events `status` (members of /api/status that are "
            "others now; all of them first) and `log` (a line).",
            "operationId": "get_api_events",
            "tags": ["Node"],
            "responses": {
                "200": {"description": "Events without end.", "content": {"text/event-stream": {}}},
                "401": refusal,
                "503": refusal,
            },
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MASQ Node",
            "version": __version__,
            "description": "What a Node shows to its user, and what it can be told. docs/status.md has the members of "
            "the status document.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": dict(components),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "In the file gateway-token."}
            },
        },
    }
