"""What a Node can be asked by its window: the words of its control socket, its settings, its log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol

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


Text = Annotated[str, Meta(max_length=8192)]
Texts = Annotated[dict[Annotated[str, Meta(max_length=64)], Text], Meta(max_length=64)]


class CheckBody(msgspec.Struct, forbid_unknown_fields=True):
    """A value, and whether others are to be asked whether it does: a provider, the Nodes that are named."""

    name: Annotated[str, Meta(max_length=64)]
    value: Text
    look: bool = False
    chain: Annotated[str, Meta(max_length=64)] = ""


class DraftBody(msgspec.Struct, forbid_unknown_fields=True):
    """Settings that are to count together: texts of their values by name, empty for what is to be taken out."""

    values: Texts
    wallet: bool = False
    """Whether the wallets that were made or recovered here are to be used."""


class CreateBody(msgspec.Struct, forbid_unknown_fields=True):
    """How many words the phrase is to have."""

    words: Literal[12, 15, 18, 21, 24] = 24


class RecoverBody(msgspec.Struct, forbid_unknown_fields=True):
    """The phrase of wallets that there are already."""

    phrase: Annotated[str, Meta(max_length=1024)]
    passphrase: Annotated[str, Meta(max_length=256)] = ""
    language: Annotated[str, Meta(max_length=32)] = "English"


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
        Operation(
            "GET",
            "/api/audit",
            "Accounts as their other sides have signed them, beside our own count (docs/status.md).",
            _told(commands["audit"], lambda _: ()),
        ),
        post("/api/route/new", "Have new streams take new routes.", Empty, lambda _: ("new",)),
        post("/api/reload", "Read the settings again.", Empty, lambda _: ()),
        post("/api/scan", "Look through the books now.", ScanBody, lambda body: (body.scan,)),
        post("/api/ban", "Refuse a peer for a while.", BanBody, lambda body: (body.who, str(int(body.seconds)))),
        post("/api/lift", "Hold nothing against a peer any more.", LiftBody, lambda body: (body.who,)),
        post("/api/stop", "Stop the Node.", StopBody, lambda _: ()),
    ]


class Changeable(Protocol):
    """Settings that are seen and changed. ValueError: they are wrong; LocalError: it can't be done now."""

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Those there are, with their help. Secrets aren't shown."""

    async def check(self, name: str, value: str, look: bool, chain: str) -> Mapping[str, Any]:
        """Whether a value would do."""

    def change(self, name: str, value: str) -> Mapping[str, Any]:
        """Keep one, and use it."""

    def weigh(self, values: Mapping[str, str], wallet: bool) -> Mapping[str, Any]:
        """Whether all together would do."""

    def keep(self, values: Mapping[str, str], wallet: bool) -> Mapping[str, Any]:
        """Keep all of them, and use them."""


def settings(of: Changeable) -> list[Operation]:
    """What is asked and told of settings."""

    async def listed(_: object) -> Mapping[str, Any]:
        return {"settings": of.rows()}

    async def checked(body: CheckBody) -> Mapping[str, Any]:
        return {"name": body.name, "valid": True, **await of.check(body.name, body.value, body.look, body.chain)}

    async def changed(body: ValueBody) -> Mapping[str, Any]:
        return of.change(body.name, body.value)

    async def weighed(body: DraftBody) -> Mapping[str, Any]:
        return of.weigh(body.values, body.wallet)

    async def kept(body: DraftBody) -> Mapping[str, Any]:
        return of.keep(body.values, body.wallet)

    return [
        Operation("GET", "/api/settings", "All settings, with their help. Secrets aren't shown.", listed),
        Operation(
            "POST",
            "/api/settings/check",
            "Whether a value would do; with `look` others are asked, too, which takes up to half a minute.",
            checked,
            CheckBody,
        ),
        Operation("PATCH", "/api/settings", "Write a setting to the config file, and use it.", changed, ValueBody),
        Operation("POST", "/api/draft/check", "Whether settings would do together.", weighed, DraftBody),
        Operation(
            "POST", "/api/draft/keep", "Write settings to the config file together, and use them.", kept, DraftBody
        ),
    ]


def wallets(
    create: Callable[[int], Mapping[str, Any]], recover: Callable[[str, str, str], Mapping[str, Any]]
) -> list[Operation]:
    """Wallets of a Node that is being set up."""

    async def created(body: CreateBody) -> Mapping[str, Any]:
        return create(body.words)

    async def recovered(body: RecoverBody) -> Mapping[str, Any]:
        return recover(body.phrase, body.passphrase, body.language)

    return [
        Operation(
            "POST",
            "/api/wallet/create",
            "Make wallets for the draft. The phrase that brings them back is in the answer, and nowhere else.",
            created,
            CreateBody,
            "Set-up",
        ),
        Operation(
            "POST",
            "/api/wallet/recover",
            "Have the draft use the wallets of a phrase.",
            recovered,
            RecoverBody,
            "Set-up",
        ),
    ]


def log(lines: Callable[[], Sequence[str]]) -> Operation:
    """The latest lines of the log."""

    async def listed(_: object) -> Mapping[str, Any]:
        return {"lines": lines()}

    return Operation("GET", "/api/log", "The latest lines of the log.", listed)
