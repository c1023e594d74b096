"""Connections: what is written at once, what waits, and how they end."""

from __future__ import annotations

import asyncio

import pytest

from masq.core.failure import SERVER, Cause, Failure, Place
from masq.shell import connection as connection_module
from masq.shell.clients import reply_to
from masq.shell.connection import Connection
from masq.wire.proxy import Reply

CHUNK = bytes(range(256)) * 1024


class Plain(Connection):
    def __init__(self) -> None:
        super().__init__()
        self.paused = False
        self.lost = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint: int) -> bytearray:
        return bytearray(65_536)

    def buffer_updated(self, nbytes: int) -> None:
        """Nothing is expected."""

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


def test_what_the_kernel_does_not_take_waits_in_order_and_buffers_can_be_used_again() -> None:
    async def work() -> None:
        ready: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Future()
        server = await asyncio.start_server(lambda *ends: ready.set_result(ends), "127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Plain, *server.sockets[0].getsockname())
        reader, writer = await ready
        sent = 0
        while not connection.paused:
            piece = bytearray(CHUNK)
            connection.gather(memoryview(piece)[:1000])
            connection.gather(memoryview(piece)[1000:])
            connection.flush()
            piece[:] = bytes(len(piece))  # Whoever gave it writes over it now.
            sent += 1
        connection.write([b"last"])
        assert await reader.readexactly(sent * len(CHUNK) + 4) == CHUNK * sent + b"last"
        while connection.paused:
            await asyncio.sleep(0.01)
        connection.close()
        assert await reader.read() == b""
        assert await connection.lost is None
        connection.write([b"too late"])
        writer.close()
        server.close()

    asyncio.run(asyncio.wait_for(work(), 20))


def test_a_peer_that_never_reads_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "LINGER", 0.05)

    async def work() -> None:
        ready: asyncio.Future[asyncio.StreamWriter] = asyncio.Future()
        server = await asyncio.start_server(lambda _, writer: ready.set_result(writer), "127.0.0.1", 0, limit=1024)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Plain, *server.sockets[0].getsockname())
        writer = await ready
        while not connection.paused:
            connection.write([CHUNK])
        connection.close()
        await connection.lost
        writer.close()
        server.close()

    asyncio.run(asyncio.wait_for(work(), 20))


@pytest.mark.parametrize(
    ("failure", "reply"),
    [
        # Each of these was once answered by a word that it holds.
        (Failure(Cause.NO_SUCH_NAME, SERVER, "policy.example.org can't be resolved: no such name"), Reply.UNREACHABLE),
        (Failure(Cause.CIRCUIT_REFUSED, Place("relay 2", b"key")), Reply.UNREACHABLE),
        (Failure(Cause.NOT_CONNECTED, SERVER, "could not connect to no-route.example: refused"), Reply.UNREACHABLE),
        (Failure(Cause.NO_ROUTE, detail="no wallet of any neighbor"), Reply.NO_ROUTE),
        (Failure(Cause.REFUSED, SERVER, "could not connect"), Reply.REFUSED),
        (Failure(Cause.POLICY, SERVER), Reply.NOT_ALLOWED),
        (Failure(Cause.NO_WALLET), Reply.PAYMENT),
        (Failure(Cause.DELINQUENT), Reply.PAYMENT),
    ],
)
def test_a_client_is_told_by_the_cause_and_not_by_the_words(failure: Failure, reply: Reply) -> None:
    assert reply_to(failure) is reply
