"""A Node's window: what the gateway shows and does is what the status, the commands and the settings are made of."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from masq.errors import LocalError, SettingError
from masq.gateway.doorbell import HOST, Doorbell, listen
from masq.settings import Settings
from masq.settings.sources import CONFIG_FILE
from masq.shell.control import Command
from masq.shell.log import recent
from masq.shell.reload import AT_ONCE, Reloading
from masq.shell.status import Status
from masq.types import Address, Chain, Endpoint

if TYPE_CHECKING:
    from aiohttp import web

    from masq.gateway.server import Running
    from masq.shell.looks import Looks


T = TypeVar("T")


def window_socket(settings: Settings, there: socket.socket | None = None) -> socket.socket | None:
    """Where the window is looked through, if there is to be one. SettingError: the port is taken.

    `there`: one that listens already, and is used if the settings want no other port.
    """
    if settings.gateway_port is None:
        return None
    if there is not None and settings.gateway_port in (0, there.getsockname()[1]):
        return there.dup()
    try:
        return listen(settings.gateway_port)
    except OSError as error:
        place, why = Endpoint(HOST, settings.gateway_port), os.strerror(error.errno or 0)
        raise SettingError("gateway-port", f"can't listen at {place}: {why}; choose another one, or off") from error


def url_of(listener: socket.socket) -> str:
    """Without the token."""
    return f"http://{HOST}:{listener.getsockname()[1]}/"


class LookedAt:
    """What is found of values, as it goes to the page. What that takes is loaded when something is looked at."""

    def __init__(self) -> None:
        self._looks: Looks | None = None

    async def __call__(
        self, name: str, text: str, chain: Chain, wallet: Address, earning: Address
    ) -> list[dict[str, Any]]:
        """ValueError: it is wrong; LocalError: too much is looked at already."""
        from dataclasses import asdict

        from masq.shell.looks import Looks

        self._looks = self._looks or Looks()
        try:
            return [asdict(each) for each in await self._looks.at(name, text, chain, wallet, earning)]
        except SettingError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Window:
    """What is seen through it."""

    status: Status
    reloading: Reloading
    commands: Mapping[str, Command]
    token: str
    looks: LookedAt = field(default_factory=LookedAt)

    def hang(self, listener: socket.socket) -> Doorbell:
        """Answer there; what that takes is loaded when the first one looks."""
        return Doorbell(listener, self._open)

    async def _open(self, listener: socket.socket) -> Running:
        # Loaded by those alone who are looked at.
        from masq.gateway import operations
        from masq.gateway.hub import Hub, event
        from masq.gateway.server import Gateway, Raw, serve

        async def seen() -> Mapping[str, Any]:
            return self.status.document()

        hub = Hub(seen)
        recent.listeners.append(lambda line: hub.tell(event("log", _json(line))) if len(hub) else None)
        asked = [
            *operations.orders(self.commands),
            *operations.settings(self),
            operations.log(lambda: list(recent.lines)),
        ]
        return await serve(Gateway(self.token, hub, asked, [Raw("/metrics", self._metrics)]), listener)

    async def _metrics(self, _: web.Request) -> web.StreamResponse:
        from aiohttp import web

        from masq.shell.metrics import CONTENT_TYPE

        return web.Response(body=self.status.metrics(), headers={"Content-Type": CONTENT_TYPE})

    def rows(self) -> list[dict[str, Any]]:
        from masq.settings.changing import rows

        return rows(self.reloading.sources.settings, AT_ONCE)

    async def check(self, name: str, value: str, look: bool, chain: str) -> Mapping[str, Any]:
        from masq.settings.changing import check_value

        as_wrong(lambda: check_value(name, value))
        if not look:
            return {}
        of = self.reloading.sources.settings
        wallet = self.status.consuming_wallet or of.earning_wallet
        return {"findings": await self.looks(name, value, of.chain, wallet, of.earning_wallet)}

    def change(self, name: str, value: str) -> Mapping[str, Any]:
        """Write it to the config file and use it; if all of the settings are wrong with it, nothing has changed."""
        from masq.settings.changing import check_value

        as_wrong(lambda: check_value(name, value))
        return self._change({name: value})

    def weigh(self, values: Mapping[str, str], wallet: bool) -> Mapping[str, Any]:
        self._check_each(values, wallet)
        return weighed(lambda: self.reloading.sources.gather(values))

    def keep(self, values: Mapping[str, str], wallet: bool) -> Mapping[str, Any]:
        self._check_each(values, wallet)
        as_wrong(lambda: self.reloading.sources.gather(values))
        return self._change(values)

    def _check_each(self, values: Mapping[str, str], wallet: bool) -> None:
        if wallet:
            raise LocalError("this Node runs: `masq wallet create --save` makes wallets for the next start")
        check_each(values)

    def _change(self, values: Mapping[str, str]) -> dict[str, Any]:
        from masq.settings.changing import change_all, put_back

        path = self.config_file
        there = path.exists()
        before = change_all(path, values)
        try:
            return self.reloading.again()
        except LocalError:
            if there:
                put_back(path, before)
            else:
                path.unlink(missing_ok=True)
            raise

    @property
    def config_file(self) -> Path:
        return config_file_of(self.reloading.sources.settings)


def config_file_of(settings: Settings) -> Path:
    """Where settings are written."""
    return settings.config_file or settings.data_directory / CONFIG_FILE


def weighed(load: Callable[[], Settings]) -> dict[str, Any]:
    """What is answered to whether settings would do together."""
    try:
        settings = load()
    except SettingError as error:
        return {"valid": False, "name": error.name, "problem": error.problem, "warnings": []}
    return {"valid": True, "name": "", "problem": "", "warnings": list(settings.warnings)}


def check_each(values: Mapping[str, str]) -> None:
    """ValueError if one of them is wrong by itself."""
    from masq.settings.changing import check_value

    for name, value in values.items():
        as_wrong(partial(check_value, name, value))


def as_wrong(check: Callable[[], T]) -> T:
    """What is found. What was asked is wrong, and not this machine: ValueError."""
    try:
        return check()
    except SettingError as error:
        raise ValueError(str(error)) from error


def _json(line: str) -> bytes:
    import msgspec

    return msgspec.json.encode(line)
