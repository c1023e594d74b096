"""What a Node can be asked by its window: the words of its control socket, its settings, its log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from masq.gateway.operation import Empty, Operation

Who = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=r"^[!-~]+$", description="An IP address, a public key or a wallet.")
]
Command = Callable[[Sequence[str]], dict[str, Any]]
"""As of the control socket: does what a word asks for, given the words behind it."""


class ScanBody(msgspec.Struct, forbid_unknown_fields=True):
    """What to look through in the books now."""

    scan: Literal["payables", "pendingpayables", "receivables"]


class BanBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to refuse, and for how long."""

    who: Who
    seconds: Annotated[float, Meta(ge=1, le=31_536_000)]


class LiftBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to forgive."""

    who: Who


class StopBody(msgspec.Struct, forbid_unknown_fields=True):
    """Said on purpose."""

    really: Literal[True]


class ValueBody(msgspec.Struct, forbid_unknown_fields=True):
    """A setting, and the text of its value."""

    name: Annotated[str, Meta(max_length=64)]
    value: Annotated[str, Meta(max_length=8192)]


def _told(command: Command, words: Callable[[Any], Sequence[str]]) -> Callable[[Any], Awaitable[Mapping[str, Any]]]:
    async def act(body: Any) -> Mapping[str, Any]:
        return command(words(body))

    return act


def orders(commands: Mapping[str, Command]) -> list[Operation]:
    """What the commands of the control socket do, one operation each."""

    def post(path: str, summary: str, body: type[msgspec.Struct], words: Callable[[Any], Sequence[str]]) -> Operation:
        act = _told(commands[path.split("/")[2]], words)
        return Operation("POST", path, summary, act, body)

    return [
        Operation(
            "GET", "/api/status", "The status document (docs/status.md).", _told(commands["status"], lambda _: ())
        ),
        post("/api/route/new", "Have new streams take new routes.", Empty, lambda _: ("new",)),
        post("/api/reload", "Read the settings again.", Empty, lambda _: ()),
        post("/api/scan", "Look through the books now.", ScanBody, lambda body: (body.scan,)),
        post("/api/ban", "Refuse a peer for a while.", BanBody, lambda body: (body.who, str(int(body.seconds)))),
        post("/api/lift", "Hold nothing against a peer any more.", LiftBody, lambda body: (body.who,)),
        post("/api/stop", "Stop the Node.", StopBody, lambda _: ()),
    ]


def settings(
    rows: Callable[[], Sequence[Mapping[str, Any]]],
    check: Callable[[str, str], None],
    change: Callable[[str, str], Mapping[str, Any]],
) -> list[Operation]:
    """The settings: `rows` are those there are, `check` raises for a value that is wrong, `change` keeps one."""

    async def listed(_: object) -> Mapping[str, Any]:
        return {"settings": rows()}

    async def checked(body: ValueBody) -> Mapping[str, Any]:
        check(body.name, body.value)
        return {"name": body.name, "valid": True}

    async def changed(body: ValueBody) -> Mapping[str, Any]:
        return change(body.name, body.value)

    return [
        Operation("GET", "/api/settings", "All settings, with their help. Secrets aren't shown.", listed),
        Operation("POST", "/api/settings/check", "Whether a value would do.", checked, ValueBody),
        Operation("PATCH", "/api/settings", "Write a setting to the config file, and use it.", changed, ValueBody),
    ]


def log(lines: Callable[[], Sequence[str]]) -> Operation:
    """The latest lines of the log."""

    async def listed(_: object) -> Mapping[str, Any]:
        return {"lines": lines()}

    return Operation("GET", "/api/log", "The latest lines of the log.", listed)
