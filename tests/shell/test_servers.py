"""What an exit does for others: connections that turn out to be to itself, and what goes on for nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from masq.core.effects import CloseSocket, WriteSocket
from masq.core.failure import Cause, Failure
from masq.settings.exit_rules import exit_rules
from masq.shell.exit_policy import ExitPolicy
from masq.shell.journal import Journal
from masq.shell.look_ups import LookUps
from masq.shell.own_addresses import OwnAddresses
from masq.shell.resolve import Resolver
from masq.shell.servers import Servers
from masq.shell.streams import Reader, StreamConnection
from masq.shell.turn import Turn
from masq.wire.circuit import Addresses


class Told:
    """Stands for the Node: keeps what it is told, and wants done what is in `answers`."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.answers: dict[str, list[object]] = {}
        self.flush_due = float("inf")

    def __getattr__(self, name: str) -> Any:
        def told(*arguments: object) -> list[object]:
            self.events.append((name, *arguments))
            return self.answers.get(name, [])

        return told

    def next_wake(self, now: float) -> float:
        return now + 10


class Exit:
    """Servers with a Node that only listens."""

    def __init__(self, rules: str = "", private: bool = True) -> None:
        self.node = Told()
        self.turn = Turn(cast(Any, self.node), self._perform, lambda error: None)
        policy = ExitPolicy(exit_rules(rules), OwnAddresses(look=list), private)
        journal = Journal(lambda: self.turn.now)
        self.servers = Servers(Reader(self.turn, 1_000), journal, LookUps(Names()), policy)

    def _perform(self, effect: object) -> None:
        """As the driver does."""
        if isinstance(effect, CloseSocket):
            stream = self.turn.sockets.pop(effect.socket)
            assert isinstance(stream, StreamConnection)
            stream.finish(effect.failure)
            self.servers.close_socket(effect.socket)

    async def heard(self, name: str) -> tuple[Any, ...]:
        async with asyncio.timeout(5):
            while True:
                for event in self.node.events:
                    if event[0] == name:
                        return event
                await asyncio.sleep(0.01)


class Names:
    """Knows two names; a third one is silent."""

    def known(self, host: str) -> Addresses | None:
        return Resolver([]).known(host)

    async def look_up(self, host: str) -> Addresses:
        if host == "silent.example":
            await asyncio.sleep(60)
        return (("127.0.0.1", 60), ("10.0.0.1", 60))


@contextlib.asynccontextmanager
async def greeting() -> AsyncIterator[int]:
    """A server that speaks first: its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"banner")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.parametrize("private", [True, False])
def test_a_connection_that_ends_at_this_machine_is_never_spoken_to(
    private: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        # As if nothing else had noticed: the address looks like one of the Internet.
        monkeypatch.setattr("masq.shell.exit_policy.is_public", lambda ip: True)
        async with greeting() as port:
            exit = Exit(private=private)
            exit.servers.connect(7, "127.0.0.1", port, None)
            if private:
                assert (await exit.heard("connected"))[1:3] == (7, "127.0.0.1")
                assert bytes((await exit.heard("socket_received"))[2]) == b"banner"
            else:
                _, socket, failure, _ = await exit.heard("connect_failed")
                assert (socket, failure.cause) == (7, Cause.POLICY)
                await asyncio.sleep(0.05)
                assert [event[0] for event in exit.node.events] == ["connect_failed"]
                assert exit.turn.sockets == {}
            await exit.turn.stop()
            await asyncio.sleep(0.05)

    asyncio.run(run())


def test_a_node_that_closes_a_connection_when_it_hears_of_it_has_said_its_word() -> None:
    async def run() -> None:
        said: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            said.set_result(await reader.read())
            writer.close()

        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        exit = Exit(private=True)
        exit.node.answers["connected"] = [WriteSocket(7, bytes(4_000_000)), CloseSocket(7)]
        exit.servers.connect(7, "127.0.0.1", server.sockets[0].getsockname()[1], None)
        async with asyncio.timeout(10):
            assert await said == bytes(4_000_000)
        assert exit.turn.sockets == {}
        assert exit.servers._under_way == {}
        await exit.turn.stop()
        server.close()

    asyncio.run(run())


@pytest.mark.parametrize("what", ["connect", "resolve"])
def test_what_nobody_wants_any_more_ends(what: str) -> None:
    async def run() -> None:
        exit = Exit()
        words: tuple[Any, ...] = (80, None) if what == "connect" else (None,)
        getattr(exit.servers, what)(1, "silent.example", *words)
        await asyncio.sleep(0.02)
        assert len(exit.turn._tasks) == 1
        exit.servers.close_socket(1)
        await asyncio.sleep(0.02)
        assert exit.turn._tasks == set()
        assert exit.servers._look_ups._under_way == {}
        assert exit.node.events == []
        await exit.turn.stop()

    asyncio.run(run())


def test_ports_that_are_refused_need_no_look_up_and_the_rule_is_told() -> None:
    async def run() -> None:
        exit = Exit()
        exit.servers.connect(1, "silent.example", 25, None)
        failure = (await exit.heard("connect_failed"))[2]
        assert isinstance(failure, Failure)
        assert (failure.cause, "reject *:25" in str(failure)) == (Cause.POLICY, True)
        assert exit.servers._under_way == {}
        await exit.turn.stop()

    asyncio.run(run())


def test_a_look_up_leaves_out_what_is_not_served() -> None:
    async def run() -> None:
        exit = Exit("reject 10.0.0.0/8:*")
        exit.servers.resolve(1, "some.example", None, paid=True)
        assert (await exit.heard("resolved"))[1:3] == (1, (("127.0.0.1", 60),))
        await exit.turn.stop()

    asyncio.run(run())


def test_a_socket_is_congested_while_its_datagrams_wait_and_only_then() -> None:
    async def run() -> None:
        exit = Exit()
        exit.servers.bind(1, None)
        await exit.heard("connected")
        exit.servers.send_datagram(1, "127.0.0.1", 9, b"x")
        assert [event[0] for event in exit.node.events] == ["connected"]
        exit.servers.send_datagram(1, "some.example", 9, b"x")
        assert list(exit.node.events[-1]) == ["socket_congested", 1]
        await exit.heard("socket_drained")
        exit.servers.send_datagram(1, "some.example", 9, b"x")
        assert str(exit.node.events[-1][0]) == "socket_drained"
        exit.servers.close_socket(1)
        exit.servers.send_datagram(1, "some.example", 9, b"x")
        assert not any(isinstance(event, CloseSocket) for event in exit.node.events)
        await exit.turn.stop()

    asyncio.run(run())
