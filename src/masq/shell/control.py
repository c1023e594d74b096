"""The local socket by which this machine's user asks a Node how it is, and tells it to scan."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from masq.core.accountant.effects import Scan
from masq.errors import LocalError

TIMEOUT: Final = 5.0
COMMANDS: Final = "status, scan payables|pendingpayables|receivables [--from BLOCK], ban WHO SECONDS, or lift WHO"
MAX_CONNECTIONS: Final = 8
"""Their descriptors are among those that are kept back (core/limits.py)."""


class ControlSocket:
    """Answers one line with one JSON document: what a Node is asked or told by its user (`COMMANDS`)."""

    def __init__(
        self,
        path: Path,
        status: Callable[[], dict[str, Any]],
        scan: Callable[[Scan], None],
        search_from: Callable[[int], None],
        ban: Callable[[str, float], None],
        lift: Callable[[str], bool],
    ) -> None:
        self._path = path
        self._status = status
        self._scan = scan
        self._search_from = search_from
        self._ban = ban
        self._lift = lift
        self._connections = 0

    async def start(self) -> asyncio.AbstractServer:
        """Listen at the path, for its owner alone."""
        self._path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(self._serve, str(self._path), limit=4096)
        except OSError as error:
            raise LocalError(f"can't listen at {self._path}: {error}; a shorter --data-directory may help") from error
        finally:
            os.umask(mask)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= MAX_CONNECTIONS:
            writer.close()
            return
        self._connections += 1
        try:
            async with asyncio.timeout(TIMEOUT):
                line = (await reader.readline()).decode(errors="replace").split()
                writer.write(msgspec.json.encode(self._answer(line)))
                await writer.drain()
        except (TimeoutError, ValueError, OSError):
            pass
        finally:
            self._connections -= 1
            writer.close()

    def _answer(self, words: list[str]) -> dict[str, Any]:
        match words:
            case ["status"]:
                return self._status()
            case ["scan", "payables" | "pendingpayables" | "receivables" as kind]:
                self._scan(Scan(kind))
                return {}
            case ["scan", "receivables", "--from", block] if block.isdecimal() and len(block) < 16:
                self._search_from(int(block))
                return {}
            case ["ban", who, seconds] if seconds.isdecimal():
                self._ban(who, float(seconds))
                return {}
            case ["lift", who]:
                return {} if self._lift(who) else {"error": f"nothing is held against {who}"}
            case _:
                return {"error": f"say {COMMANDS}"}
