"""Trying a port: whether somebody answers at it, and who; whether it is free here."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from enum import Enum
from typing import Final

from masq.crypto import CryptDE
from masq.errors import PeerError
from masq.types import Endpoint
from masq.wire.secure_link import Established, SecureLink

DIAL: Final = 5.0
"""Seconds."""
GREETING: Final = 3.0
"""Seconds that a Node has to prove its key."""
_READ: Final = 4_096
UNPROVEN: Final = "see that the descriptor is of this address, unless its Node is one of 0.9.1, which can't prove it"
"""What to do about who doesn't prove its key."""


class Greeted(Enum):
    """What one says who was asked by a secure link whether it has a key."""

    PROVED = "it answers, and has the key"
    SILENT = "somebody answers, and doesn't prove the key"
    """A Node of 0.9.1 knows no secure links; a Node of another key can't read what it is asked."""


async def greet(place: Endpoint, key: bytes, contract: bytes) -> Greeted | str:
    """Who is there, by its key's first half; as text, why nobody answers."""
    try:
        async with asyncio.timeout(DIAL):
            reader, writer = await asyncio.open_connection(place.ip, place.port)
    except TimeoutError:
        return f"no answer in {DIAL:.0f} s"
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    link = SecureLink(CryptDE(contract, os.urandom), contract, 0, (), os.urandom)
    try:
        async with asyncio.timeout(GREETING):
            writer.write(link.dial(key))
            while data := await reader.read(_READ):
                if any(isinstance(event, Established) for event in link.receive(memoryview(bytearray(data)))):
                    return Greeted.PROVED
    except (TimeoutError, OSError, PeerError):
        pass
    finally:
        writer.close()
    return Greeted.SILENT


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
