"""Asking who is at an address: who has the key proves it, and nobody else is taken for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from masq.crypto import CryptDE
from masq.errors import PeerError
from masq.gateway.doorbell import listen
from masq.shell import probe
from masq.shell.probe import Greeted, greet
from masq.types import CHAINS, Endpoint
from masq.wire.secure_link import SecureLink

CONTRACT = CHAINS["dev"].contract
KEYS, OTHER = CryptDE(CONTRACT, os.urandom), CryptDE(CONTRACT, os.urandom)
Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As one of ours answers, byte by byte."""
    link = SecureLink(KEYS, CONTRACT, 5000, (), os.urandom)
    with suppress(PeerError):
        while data := await reader.read(100):
            list(link.receive(memoryview(bytearray(data))))
            for byte in link.take_answer():
                writer.write(bytes([byte]))
                await writer.drain()
    writer.close()


async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        writer.write(os.urandom(100_000))
        await reader.read()
    writer.close()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while True:
            writer.write(b"\x00" * 65_536)
            await writer.drain()
    writer.close()


def greeted(server: Server, key: bytes, contract: bytes = CONTRACT) -> Greeted | str:
    async def ask() -> Greeted | str:
        over = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server(reader, writer)
            over.set()

        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        answer = await greet(Endpoint("127.0.0.1", port), key, contract)
        async with asyncio.timeout(10):
            await over.wait()
        listening.close()
        return answer

    return asyncio.run(ask())


def test_a_node_proves_its_key() -> None:
    assert greeted(node, KEYS.fragment()) is Greeted.PROVED


def test_nobody_is_taken_for_a_node_of_another_key_or_chain() -> None:
    assert greeted(node, OTHER.fragment()) is Greeted.SILENT
    assert greeted(node, KEYS.fragment(), CHAINS["base-mainnet"].contract) is Greeted.SILENT


@pytest.mark.parametrize("server", [rubbish, silence, floods])
def test_who_answers_otherwise_holds_nobody_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "GREETING", 0.2)
    assert greeted(server, KEYS.fragment()) is Greeted.SILENT


def test_where_nobody_is_it_says_why() -> None:
    listener = listen(0)
    port = listener.getsockname()[1]
    listener.close()
    assert "refused" in str(asyncio.run(greet(Endpoint("127.0.0.1", port), KEYS.fragment(), CONTRACT))).lower()
