"""Names at the exit: both families with their times, what doesn't exist, and which addresses are served."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from masq.core.failure import Cause, FailureError
from masq.shell.resolve import TTL, Resolver, refusal

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


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("::1", False),
        ("::ffff:10.0.0.1", False),
        ("224.0.0.1", False),
        ("8.8.4.4", False),
    ],
)
def test_an_exit_serves_the_public_internet_and_not_itself(address: str, allowed: bool) -> None:
    assert (refusal(address, ("8.8.4.4",), False) is None) is allowed
