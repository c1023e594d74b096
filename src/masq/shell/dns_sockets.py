"""Sockets for questions to DNS servers, none of which is left behind."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dns.asyncbackend


class CleanBackend:
    """What dnspython does its I/O with, and closes a socket that is made when nobody waits for it any more.

    uvloop (0.23) keeps a datagram socket for good if the task that waits for its making is cancelled: look-ups that
    gave way to others would take all descriptors.
    """

    def __init__(self) -> None:
        self._asyncio: Any = dns.asyncbackend.get_backend("asyncio")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asyncio, name)

    async def make_socket(self, *arguments: Any, **options: Any) -> Any:
        making = asyncio.ensure_future(self._asyncio.make_socket(*arguments, **options))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(_close)
            await asyncio.wait({making})  # So that no more sockets are open than tasks are alive.
            raise


_closing: Final[set[asyncio.Future[None]]] = set()
"""What goes on has to be held on to."""


def _close(making: asyncio.Future[Any]) -> None:
    if not making.cancelled() and making.exception() is None:
        _closing.add(closing := asyncio.ensure_future(making.result().close()))
        closing.add_done_callback(_closing.discard)
