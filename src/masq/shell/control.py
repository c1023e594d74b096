"""The local socket by which this machine's user asks a Node how it is, and tells it what to do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from masq.errors import LocalError

TIMEOUT: Final = 5.0
Answer = dict[str, Any]
Command = Callable[[Sequence[str]], Answer]
"""Does what a first word asks for, given the words behind it. LocalError: it can't; ValueError: wrong words."""
MAX_CONNECTIONS: Final = 8
"""Their descriptors are among those that are kept back (core/limits.py)."""


class ControlSocket:
    """Answers one line with one JSON document: what a Node is asked or told by its user (shell/commands.py)."""

    def __init__(self, path: Path, commands: Mapping[str, Command]) -> None:
        self._path = path
        self._commands = commands
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

    def _answer(self, words: list[str]) -> Answer:
        command = self._commands.get(words[0]) if words else None
        if command is None:
            return {"error": f"say one of: {', '.join(self._commands)}"}
        try:
            return command(words[1:])
        except LocalError as error:
            return {"error": str(error)}
        except ValueError as error:
            return {"error": f"{words[0]}: {str(error) or 'other words are expected behind it'}"}
