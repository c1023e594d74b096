"""Trying a port: whether somebody answers at it, whether it is free here."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Final

from masq.types import Endpoint

DIAL: Final = 5.0
"""Seconds."""


async def dial(place: Endpoint) -> str:
    """Why nobody answers there; empty: somebody does."""
    try:
        async with asyncio.timeout(DIAL):
            _, writer = await asyncio.open_connection(place.ip, place.port)
    except TimeoutError:
        return f"no answer in {DIAL:.0f} s"
    except OSError as error:
        return error.strerror or str(error)
    writer.close()
    return ""


def why_not_free(place: Endpoint) -> str:
    """Why nothing can listen there; empty: it is free."""
    with socket.socket(socket.AF_INET6 if ":" in place.ip else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.ip, place.port))
        except OSError as error:
            used = f"; `ss -ltnp sport = :{place.port}` shows by whom" if error.errno == errno.EADDRINUSE else ""
            return f"{error.strerror}{used}"
    return ""
