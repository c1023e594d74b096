"""An exit's sockets for datagrams: both families over one, and few that wait for names."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from masq.core.limits import DATAGRAM_BYTES, DATAGRAMS_PER_NAME, NAMES_PER_SOCKET
from masq.shell import datagrams
from masq.shell.datagrams import OVERHEAD, ExitSocket, Lent

Heard = list[tuple[str, int, bytes]]


def never(host: str, port: int) -> str:
    raise AssertionError(host)


def run(work: Callable[[ExitSocket, Heard], Awaitable[None]], lent: Lent | None = None) -> None:
    async def all_of_it() -> None:
        heard: Heard = []
        made = ExitSocket(None, lent or Lent(), lambda *what: heard.append(what))
        await made.open()
        await work(made, heard)
        made.close()
        await asyncio.sleep(0)
        assert made._bytes == 0

    asyncio.run(all_of_it())


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_one_socket_serves_both_families(ip: str) -> None:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server, socket.socket(family, socket.SOCK_DGRAM) as stranger:
        try:
            server.bind((ip, 0))
            stranger.bind(("127.0.0.9" if family == socket.AF_INET else "::1", 0))
        except OSError:
            pytest.skip("no such family here")
        server.settimeout(5)

        async def work(made: ExitSocket, heard: Heard) -> None:
            made.send(ip, server.getsockname()[1], b"question")
            await asyncio.sleep(0.05)
            data, client = server.recvfrom(100)
            assert data == b"question"
            server.sendto(b"answer", client)
            if family == socket.AF_INET:
                stranger.sendto(b"spam", ("127.0.0.1", client[1]))
            await asyncio.sleep(0.1)
            assert heard == [(ip, server.getsockname()[1], b"answer")]

        run(work)


def test_a_handful_waits_for_a_name_and_few_names_are_looked_up() -> None:
    lent = Lent()

    async def work(made: ExitSocket, heard: Heard) -> None:
        assert [made.wait("a", 1, b"x") for _ in range(20)] == [True] + [False] * 19
        assert lent.bytes == DATAGRAMS_PER_NAME * (1 + OVERHEAD)
        assert sum(made.wait(f"n{n}", 1, b"x") for n in range(100)) == NAMES_PER_SOCKET - 1
        judged: list[int] = []
        made.learn("a", lambda host, port: judged.append(port) or "")  # type: ignore[func-returns-value]
        assert judged == [1] * DATAGRAMS_PER_NAME
        assert made.waits
        assert made.wait("a", 1, b"x"), "its look-up is over, so it is looked up again"

    run(work, lent)
    assert lent.bytes == 0


def test_few_bytes_wait_at_a_socket_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    lent = Lent()

    async def work(made: ExitSocket, heard: Heard) -> None:
        assert not made.wait("a", 1, bytes(DATAGRAM_BYTES))
        assert not made.waits
        for n in range(10):
            made.wait(f"n{n}", 1, bytes(60_000))
        assert made._bytes <= DATAGRAM_BYTES
        monkeypatch.setattr(datagrams, "DATAGRAM_BYTES_TOTAL", lent.bytes + 1_000)
        other = ExitSocket(None, lent, lambda *_: None)
        assert not other.wait("a", 1, bytes(1_000))
        assert other.wait("a", 1, bytes(100))
        other.close()

    run(work, lent)
    assert lent.bytes == 0


def test_what_waited_is_sent_where_each_port_may_be_and_targets_are_remembered() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        port = server.getsockname()[1]

        async def work(made: ExitSocket, heard: Heard) -> None:
            for to in (port, 25, port):
                made.wait("a", to, b"%d" % to)
            made.learn("a", lambda host, to: "" if to == 25 else "127.0.0.1")
            await asyncio.sleep(0.05)
            assert [server.recv(100) for _ in range(2)] == [b"%d" % port] * 2
            assert (made.target("a", port), made.target("a", 25)) == ("127.0.0.1", None)
            made.learn("nobody asked", never)

        run(work)


def test_targets_are_forgotten_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "MAX_KNOWN", 2)

    async def work(made: ExitSocket, heard: Heard) -> None:
        for n in range(4):
            made.remember(f"n{n}", 1, "192.0.2.1")
            made.send(f"127.0.0.{n + 1}", 9, b"x")
        assert list(made._targets) == [("n2", 1), ("n3", 1)]
        assert len(made._asked) == 2

    run(work)


def test_a_machine_without_ipv6_has_a_socket_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    def four_only(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError("no such family")
        return real(family, kind)

    monkeypatch.setattr("masq.shell.datagrams.sockets.socket", four_only)
    made, mapped = datagrams._bound()
    made.close()
    assert (made.family, mapped) == (socket.AF_INET, False)
