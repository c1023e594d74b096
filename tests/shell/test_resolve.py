"""Names at the exit: both families with their times, what doesn't exist, and what the system's files say."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from masq.core.failure import Cause, FailureError
from masq.shell import resolve
from masq.shell.resolve import TTL, Resolver

RECORDS = {
    ("two.example.", "A"): (300, ["192.0.2.1"]),
    ("two.example.", "AAAA"): (60, ["2001:db8::1"]),
    ("four.example.", "A"): (30, ["192.0.2.4", "192.0.2.5"]),
    ("zero.example.", "A"): (30, ["0.0.0.0"]),
}


class Nameserver(asyncio.DatagramProtocol):
    """Knows a few names; says nothing about `silent.example`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, client: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        if name == "silent.example.":
            return
        response = dns.message.make_response(query)
        if (name, kind) in RECORDS:
            ttl, addresses = RECORDS[name, kind]
            response.answer.append(dns.rrset.from_text(name, ttl, "IN", kind, *addresses))
        elif not any(known == name for known, _ in RECORDS):
            response.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(response.to_wire(), client)  # type: ignore[attr-defined]


def with_nameserver(work: Callable[[Resolver], Awaitable[None]], timeout: float = 5.0) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Nameserver, local_addr=("127.0.0.1", 0))
        try:
            await work(Resolver(["127.0.0.1"], timeout, transport.get_extra_info("sockname")[1]))
        finally:
            transport.close()

    asyncio.run(run())


def test_both_families_with_their_times_and_ipv4_first() -> None:
    async def work(resolver: Resolver) -> None:
        assert await resolver.look_up("two.example") == (("192.0.2.1", 300), ("2001:db8::1", 60))
        assert await resolver.addresses("two.example") == ["192.0.2.1", "2001:db8::1"]
        assert sorted(await resolver.addresses("four.example")) == ["192.0.2.4", "192.0.2.5"]

    with_nameserver(work)


def test_what_does_not_exist_is_told_from_what_gave_no_answer() -> None:
    async def work(resolver: Resolver) -> None:
        for name, cause in (
            ("missing.example", Cause.NO_SUCH_NAME),
            ("silent.example", Cause.NOT_RESOLVED),
            ("zero.example", Cause.NOT_RESOLVED),
        ):
            with pytest.raises(FailureError, match=name) as caught:
                await resolver.addresses(name)
            assert caught.value.failure.cause is cause

    with_nameserver(work, timeout=0.5)


def test_literals_and_the_system_s_names() -> None:
    async def work() -> None:
        resolver = Resolver([])
        assert await resolver.look_up("192.0.2.9") == (("192.0.2.9", TTL),)
        assert await resolver.addresses("2001:db8::9") == ["2001:db8::9"]
        assert "127.0.0.1" in await resolver.addresses("localhost")

    asyncio.run(work())


def test_names_of_this_machine_are_asked_nobody_for() -> None:
    async def work(resolver: Resolver) -> None:
        for name in ("localhost", "LOCALHOST.", "a.localhost"):
            assert await resolver.addresses(name) == ["127.0.0.1", "::1"]
        assert await resolver.addresses("::ffff:192.0.2.9") == ["192.0.2.9"], "as it will be connected to"

    with_nameserver(work)


@pytest.mark.parametrize("host", ["", "a" * 64, "a." * 130, "a..b", "\udcff", "\0", "x" * 30_000, "é" * 100, "[::1]"])
def test_what_is_no_name_is_refused(host: str) -> None:
    async def work(resolver: Resolver) -> None:
        with pytest.raises(FailureError):
            await resolver.addresses(host)

    with_nameserver(work, timeout=0.5)


def test_the_system_s_servers_are_asked_and_asked_again_where_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, file = tmp_path / "resolv.conf", tmp_path / "hosts"
    settings.write_text("nameserver 127.0.0.1\nsearch example\n")
    file.write_text("192.0.2.7 mine\n")
    monkeypatch.setattr(resolve, "RESOLV_CONF", settings)
    monkeypatch.setattr(resolve, "HOSTS", file)

    async def work(given: Resolver) -> None:
        system = Resolver([], 5.0)
        port = given._port
        # A file can't say which port: what was read from it is told.
        system._system.now().port = port
        assert await system.addresses("two.example") == ["192.0.2.1", "2001:db8::1"]
        with pytest.raises(FailureError):
            await system.addresses("two")  # No domain of the system's is put behind it.
        assert await system.addresses("mine") == ["192.0.2.7"]
        settings.write_text("nameserver 127.0.0.2\n")
        assert system._system.now().nameservers == ["127.0.0.2"]

    with_nameserver(work)


@pytest.mark.parametrize("turns", range(8))
def test_a_look_up_that_is_given_up_leaves_no_socket(turns: int) -> None:
    """Whenever that is: uvloop forgets sockets that are just being made."""
    uvloop = pytest.importorskip("uvloop")

    async def run() -> None:
        resolver = Resolver(["127.0.0.1"], 5.0, 9)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            asking = asyncio.create_task(resolver.look_up("silent.example"))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert len(os.listdir("/proc/self/fd")) <= before

    uvloop.run(run())


def test_a_name_that_nobody_could_be_asked_for_is_not_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(resolver: Resolver) -> None:
        async def scarce(*arguments: object, **options: object) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(asyncio.get_running_loop(), "create_datagram_endpoint", scarce)
        with pytest.raises(FailureError) as error:
            await resolver.look_up("two.example")
        assert error.value.failure.cause is Cause.OVERLOADED

    with_nameserver(work)
