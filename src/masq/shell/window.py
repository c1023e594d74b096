"""A Node's window: what the gateway shows and does is what the status, the commands and the settings are made of."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from masq.errors import LocalError, SettingError
from masq.gateway.doorbell import HOST, Doorbell, listen
from masq.settings import Settings
from masq.shell.control import Command
from masq.shell.log import recent
from masq.shell.reload import AT_ONCE, Reloading
from masq.shell.status import Status
from masq.types import Endpoint

if TYPE_CHECKING:
    from aiohttp import web

    from masq.gateway.server import Running


def window_socket(settings: Settings) -> socket.socket | None:
    """Where the window is looked through, if there is to be one. SettingError: the port is taken."""
    if settings.gateway_port is None:
        return None
    try:
        return listen(settings.gateway_port)
    except OSError as error:
        place, why = Endpoint(HOST, settings.gateway_port), os.strerror(error.errno or 0)
        raise SettingError("gateway-port", f"can't listen at {place}: {why}; choose another one, or off") from error


def url_of(listener: socket.socket) -> str:
    """Without the token."""
    return f"http://{HOST}:{listener.getsockname()[1]}/"


@dataclass(frozen=True, slots=True)
class Window:
    """What is seen through it."""

    status: Status
    reloading: Reloading
    commands: Mapping[str, Command]
    token: str

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
            *operations.settings(self.rows, self.check, self.change),
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

    def check(self, name: str, text: str) -> None:
        from masq.settings.changing import check_value

        _as_wrong(lambda: check_value(name, text))

    def change(self, name: str, text: str) -> dict[str, Any]:
        """Write it to the config file and use it; if all of the settings are wrong with it, nothing has changed."""
        from masq.settings.changing import change, check_value, put_back

        _as_wrong(lambda: check_value(name, text))
        path = self.config_file
        there = path.exists()
        before = change(path, name, text)
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
        settings = self.reloading.sources.settings
        return settings.config_file or settings.data_directory / "config.toml"


def _as_wrong(check: Any) -> None:
    """What was asked is wrong, and not this machine."""
    try:
        check()
    except SettingError as error:
        raise ValueError(str(error)) from error


def _json(line: str) -> bytes:
    import msgspec

    return msgspec.json.encode(line)
