"""Connections are taken in as long as there is room; the others wait, or are told why they can't be served."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from masq.core.accountant.accountant import AccountantConfig, SavedState
from masq.core.build import NodeConfig, build_node
from masq.core.failure import Cause, Failure, FailureError
from masq.core.network.own_record import Profile
from masq.crypto import CryptDE
from masq.errors import LocalError
from masq.shell.acceptor import OPENING, Acceptor, listener_at
from masq.shell.clients import REFUSED_AT_ONCE, Clients
from masq.shell.journal import Journal
from masq.shell.streams import Reader
from masq.shell.turn import Turn
from masq.types import CHAINS, NO_RATES, Mode
from masq.wire.circuit import Addresses

CONTRACT = CHAINS["dev"].contract
SOCKS = b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"
HTTP = b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n"


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await work()

    asyncio.run(bounded())


def raised(error: LocalError) -> None:
    raise error


def turn() -> Turn:
    """Of a Node that connects to nothing: what it wants done is not done."""
    profile = Profile(
        earning_wallet=bytes(20),
        rates=NO_RATES,
        accepts_connections=False,
        routes_data=False,
        country=None,
        address=None,
    )
    config = NodeConfig(
        keys=CryptDE(CONTRACT, os.urandom),
        alias=CryptDE(CONTRACT, os.urandom),
        mode=Mode.ZERO_HOP,
        profile=profile,
        wallet=None,
        accountant=AccountantConfig(earning_wallet=bytes(20), consuming_wallet=None),
        hops=1,
    )
    return Turn(build_node(config, SavedState(), os.urandom, 0.0), lambda effect: None, raised)


class Counting(asyncio.Protocol):
    def __init__(self, there: set[Counting]) -> None:
        self._there = there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._there.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._there.discard(self)


def test_no_more_are_taken_in_than_there_is_room_for() -> None:
    async def work() -> None:
        own, there = turn(), set[Counting]()
        most = 3
        acceptor = await Acceptor(
            own, listener_at("127.0.0.1", 0), lambda: Counting(there), lambda: most - len(there)
        ).start()
        clients = [socket.create_connection(acceptor.place) for _ in range(20)]
        try:
            await asyncio.sleep(0.3)
            assert len(there) <= most + OPENING
            seen = set[Counting]()
            while clients:
                seen |= there
                clients.pop(0).close()
                await asyncio.sleep(0.03)
            assert len(there) == 0
            assert len(seen) > most
        finally:
            acceptor.close()
            acceptor.close()
            await own.stop()
            for client in clients:
                client.close()

    run(work)


def test_where_no_descriptor_is_left_they_wait_in_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        own, there = turn(), set[Counting]()
        acceptor = await Acceptor(own, listener_at("127.0.0.1", 0), lambda: Counting(there), lambda: 100).start()
        accept, tries = socket.socket.accept, []

        def scarce(self: socket.socket) -> Any:
            tries.append(1)
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(socket.socket, "accept", scarce)
        with socket.create_connection(acceptor.place):
            await asyncio.sleep(0.2)
            assert not there
            assert 2 <= len(tries) <= 12, "it is tried again, but not all the time"
            monkeypatch.setattr(socket.socket, "accept", accept)
            await asyncio.sleep(0.2)
            assert len(there) == 1
        acceptor.close()
        await own.stop()

    run(work)


@pytest.mark.parametrize("uvloop", [False, True])
def test_with_plenty_of_room_the_loop_takes_them_and_stops_in_time(
    uvloop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masq.shell.acceptor.BACKLOG", 50)
    monkeypatch.setattr("masq.shell.acceptor.PLENTY", 100)
    monkeypatch.setattr("masq.shell.acceptor.AMPLE", 150)

    async def work() -> None:
        own, there = turn(), set[Counting]()
        most = 150
        acceptor = await Acceptor(
            own, listener_at("127.0.0.1", 0), lambda: Counting(there), lambda: most - len(there)
        ).start()
        clients = []
        try:
            assert acceptor._server is not None
            for _ in range(5):
                clients += [socket.create_connection(acceptor.place) for _ in range(36)]
                await asyncio.sleep(0.1)
                assert len(there) <= most + OPENING
            most = 1_000
            await asyncio.sleep(0.1)
            assert len(there) == len(clients) == 180
            assert acceptor._server is not None
            clients += [socket.create_connection(acceptor.place) for _ in range(36)]
            await asyncio.sleep(0.1)
            assert len(there) == len(clients)
        finally:
            acceptor.close()
            await own.stop()
            for client in clients:
                client.close()

    if uvloop:
        made = pytest.importorskip("uvloop")
        with asyncio.Runner(loop_factory=made.new_event_loop) as runner:
            runner.run(work())
    else:
        run(work)


async def says(place: tuple[str, int], data: bytes) -> bytes:
    """What a client is told until the connection is closed; what it has heard after a second otherwise."""
    reader, writer = await asyncio.open_connection(*place)
    writer.write(data)
    heard = b""
    try:
        async with asyncio.timeout(1.0):
            while piece := await reader.read(1000):
                heard += piece
    except TimeoutError:
        heard += b"..."
    await over(writer)
    return heard


async def over(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.fixture
def clients() -> Callable[[int], Clients]:
    def made(most: int, allow_private: bool = False) -> Clients:
        own = turn()
        return Clients(Reader(own, 65_536), Journal(lambda: own.now), True, most, allow_private)

    return made


def test_a_client_too_many_is_told_why_in_its_own_words(clients: Callable[[int], Clients]) -> None:
    async def work() -> None:
        entry = clients(2)
        acceptor = await entry.listen(listener_at("127.0.0.1", 0))
        held = [await asyncio.open_connection(*acceptor.place) for _ in range(2)]
        await asyncio.sleep(0.1)
        answers = await asyncio.gather(*(says(acceptor.place, data) for data in [SOCKS, HTTP] * 10))
        assert all(answer.startswith(b"\x05\x00\x05\x01\x00\x01") and len(answer) == 12 for answer in answers[::2])
        assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in answers[1::2])
        assert all(b"too many connections" in answer for answer in answers[1::2])
        await over(held.pop()[1])
        await asyncio.sleep(0.1)
        assert await says(acceptor.place, SOCKS) == b"\x05\x00\x05\x00\x00\x01" + bytes(6) + b"..."
        await over(held.pop()[1])
        acceptor.close()
        await entry.turn.stop()

    run(work)


def test_who_says_nothing_does_not_keep_others_from_being_told(
    clients: Callable[[int], Clients], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masq.shell.clients.REFUSED_TIMEOUT", 0.1)

    async def work() -> None:
        entry = clients(0)
        acceptor = await entry.listen(listener_at("127.0.0.1", 0))
        silent = [await asyncio.open_connection(*acceptor.place) for _ in range(3 * REFUSED_AT_ONCE)]
        assert b"503" in await says(acceptor.place, HTTP)
        for _, writer in silent:
            await over(writer)
        acceptor.close()
        await entry.turn.stop()

    run(work)


@pytest.mark.parametrize(
    ("found", "allowed", "left"),
    [
        (["192.168.1.1", "8.8.8.8", "::1", "2606:4700::1"], False, ["8.8.8.8", "2606:4700::1"]),
        (["127.0.0.1"], True, ["127.0.0.1"]),
        (["127.0.0.1", "10.0.0.1"], False, None),
        (["169.254.169.254"], False, None),
        (["100.64.0.1"], False, None),
        (["0.0.0.0"], False, None),
        (["224.0.0.1"], False, None),
        (["255.255.255.255"], False, None),
        (["::"], False, None),
        (["fe80::1"], False, None),
        (["fd00::1"], False, None),
        (["fec0::1"], False, None),
        (["ff02::1"], False, None),
        (["::ffff:127.0.0.1"], False, None),
        (["::7f00:1"], False, None),
        (["64:ff9b::7f00:1"], False, None),
        (["64:ff9b:1::1"], False, None),
        (["2002:7f00:1::"], False, None),
        (["2001:0:1::1"], False, None),
    ],
)
def test_look_ups_bring_no_address_of_a_private_network(
    clients: Callable[..., Clients], found: list[str], allowed: bool, left: list[str] | None
) -> None:
    async def work() -> None:
        entry = clients(2, allowed)

        async def answered(host: str, group: str) -> Addresses:
            return tuple((address, 60) for address in found)

        entry._ask = answered  # type: ignore[method-assign]
        if left is None:
            with pytest.raises(FailureError) as error:
                await entry.look_up("h", "")
            assert error.value.failure.cause is Cause.POLICY
        else:
            assert [address for address, _ in await entry.look_up("h", "")] == left
        await entry.turn.stop()

    run(work)


def test_a_failure_of_the_exit_is_passed_on(clients: Callable[..., Clients]) -> None:
    async def work() -> None:
        entry = clients(2)
        failure = Failure(Cause.NO_SUCH_NAME)

        async def failed(host: str, group: str) -> Addresses:
            raise FailureError(failure)

        entry._ask = failed  # type: ignore[method-assign]
        with pytest.raises(FailureError) as error:
            await entry.look_up("h", "")
        assert error.value.failure == failure
        await entry.turn.stop()

    run(work)
