"""The DNS port: what it answers, what it doesn't ask for, and what can't bring it down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
from hypothesis import given
from hypothesis import strategies as st

from masq.core.failure import Cause, Failure, FailureError
from masq.shell.dns_server import IDLE, MAX_CONNECTIONS, DnsServer, serve_dns
from masq.wire.circuit import Addresses

FOUND = (("192.0.2.1", 300), ("192.0.2.2", 200), ("2001:db8::1", 100))


class Exit:
    """Stands for the exits: says what it is told to, and counts."""

    def __init__(self, found: Addresses | Failure = FOUND) -> None:
        self.found = found
        self.asked: list[tuple[str, str]] = []
        self.ready = asyncio.Event()
        self.ready.set()

    async def look_up(self, host: str, group: str) -> Addresses:
        self.asked.append((host, group))
        await self.ready.wait()
        if isinstance(self.found, Failure):
            raise FailureError(self.found)
        return self.found


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await work()

    asyncio.run(bounded())


async def reply(server: DnsServer, name: str, kind: str = "A", udp: bool = True, **more: int) -> dns.message.Message:
    query = dns.message.make_query(name, kind, **more)  # type: ignore[arg-type]
    answer = await server.answer(query.to_wire(), "127.0.0.1", udp)
    assert answer is not None
    response = dns.message.from_wire(answer)
    assert query.is_response(response)
    return response


def test_addresses_of_the_family_that_is_asked_for_and_the_shortest_time() -> None:
    async def work() -> None:
        server = DnsServer(Exit().look_up, lambda: 0.0)
        four, six = await reply(server, "example.com."), await reply(server, "Example.COM.", "AAAA")
        assert sorted(record.address for record in four.answer[0]) == ["192.0.2.1", "192.0.2.2"]
        assert [record.address for record in six.answer[0]] == ["2001:db8::1"]
        assert 1 <= six.answer[0].ttl <= four.answer[0].ttl <= 200
        assert four.flags & dns.flags.RA

    run(work)


def test_an_answer_is_remembered_for_its_time_and_for_its_client_alone() -> None:
    clock = [0.0]

    async def work() -> None:
        exit = Exit()
        server = DnsServer(exit.look_up, lambda: clock[0])
        for clock[0] in (0.0, 99.0, 101.0):
            await reply(server, "example.com.")
        assert len(exit.asked) == 2
        query = dns.message.make_query("example.com.", "A").to_wire()
        await server.answer(query, "127.0.0.2", True)
        assert exit.asked[-1] == ("example.com", "127.0.0.2")

    run(work)


def test_the_same_question_is_asked_once_at_a_time() -> None:
    async def work() -> None:
        exit = Exit()
        exit.ready.clear()
        server = DnsServer(exit.look_up, lambda: 0.0)
        waiting = [asyncio.create_task(reply(server, "example.com.", kind)) for kind in ("A", "AAAA", "A")]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        exit.ready.set()
        assert [answer.rcode() for answer in await asyncio.gather(*waiting)] == [dns.rcode.NOERROR] * 3
        assert len(exit.asked) == 1

    run(work)


def test_names_that_are_not_the_internet_s_are_not_asked_for() -> None:
    async def work() -> None:
        exit = Exit()
        server = DnsServer(exit.look_up, lambda: 0.0)
        for name in ("printer.", "nas.local.", "abcdef.onion."):
            assert (await reply(server, name)).rcode() == dns.rcode.NXDOMAIN
        assert [r.address for r in (await reply(server, "localhost.")).answer[0]] == ["127.0.0.1"]
        assert [r.address for r in (await reply(server, "a.localhost.", "AAAA")).answer[0]] == ["::1"]
        assert exit.asked == []

    run(work)


def test_failures_say_why_and_are_asked_again() -> None:
    async def nobody(host: str, group: str) -> Addresses:
        raise FailureError(Failure(Cause.NO_ROUTE, detail="no route over 3 hops"))

    async def work() -> None:
        missing = DnsServer(Exit(Failure(Cause.NO_SUCH_NAME)).look_up, lambda: 0.0)
        assert (await reply(missing, "x.example.")).rcode() == dns.rcode.NXDOMAIN
        for look_up, words in (
            (Exit(Failure(Cause.SILENT, detail="timed out")).look_up, "timed out"),
            (nobody, "no route"),
        ):
            server = DnsServer(look_up, lambda: 0.0)
            failed = await reply(server, "x.example.", use_edns=0)
            assert failed.rcode() == dns.rcode.SERVFAIL
            assert words in failed.options[0].text
        exit = Exit(Failure(Cause.SILENT, detail="timed out"))
        server = DnsServer(exit.look_up, lambda: 0.0)
        for _ in range(2):
            await reply(server, "x.example.")
        assert len(exit.asked) == 2

    run(work)


def test_what_was_filtered_is_no_name_and_the_reason_is_told() -> None:
    async def work() -> None:
        server = DnsServer(Exit(Failure(Cause.POLICY, detail="it is private")).look_up, lambda: 0.0)
        answer = await reply(server, "bank.example", use_edns=0)
        assert answer.rcode() == dns.rcode.NXDOMAIN
        (why,) = answer.options
        assert isinstance(why, dns.edns.EDEOption)
        assert (why.code, why.text) == (dns.edns.EDECode.FILTERED, "it is private")
        assert (await reply(server, "bank.example")).rcode() == dns.rcode.NXDOMAIN

    run(work)


def test_other_questions() -> None:
    async def work() -> None:
        server = DnsServer(Exit().look_up, lambda: 0.0)
        assert (await reply(server, "example.com.", "MX")).rcode() == dns.rcode.NOTIMP
        assert (await reply(server, "1.0.0.127.in-addr.arpa.", "PTR")).rcode() == dns.rcode.NOTIMP
        https = await reply(server, "example.com.", "HTTPS")
        assert (https.rcode(), https.answer) == (dns.rcode.NOERROR, [])
        chaos = await reply(server, "version.bind.", "A", rdclass=dns.rdataclass.CH)
        assert chaos.rcode() == dns.rcode.REFUSED
        notify = dns.message.make_query("example.com.", "A")
        notify.set_opcode(dns.opcode.NOTIFY)
        answer = await server.answer(notify.to_wire(), "127.0.0.1", True)
        assert answer
        assert dns.message.from_wire(answer).rcode() == dns.rcode.NOTIMP
        assert await server.answer(dns.message.make_response(notify).to_wire(), "127.0.0.1", True) is None

    run(work)


def test_an_answer_that_is_too_long_for_a_datagram_is_cut_and_whole_over_tcp() -> None:
    many = tuple((f"2001:db8::{n:x}", 60) for n in range(32))

    async def work() -> None:
        server = DnsServer(Exit(many).look_up, lambda: 0.0)
        cut = await reply(server, "example.com.", "AAAA")
        assert cut.flags & dns.flags.TC
        assert not cut.answer
        assert len((await reply(server, "example.com.", "AAAA", use_edns=0, payload=4096)).answer[0]) == 32
        assert len((await reply(server, "example.com.", "AAAA", udp=False)).answer[0]) == 32

    run(work)


def test_over_sockets_several_on_one_connection_and_not_too_many_connections() -> None:
    async def work() -> None:
        server, port = await serve_dns(Exit().look_up, "127.0.0.1", 0)
        try:
            query = dns.message.make_query("example.com.", "A").to_wire()
            framed = len(query).to_bytes(2, "big") + query
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(framed * 3)
            for _ in range(3):
                size = int.from_bytes(await reader.readexactly(2), "big")
                assert dns.message.from_wire(await reader.readexactly(size)).answer
            others = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS - 1)]
            late, last = await asyncio.open_connection("127.0.0.1", port)
            assert await late.read() == b""
            for _, each in [*others, (late, last), (reader, writer)]:
                each.close()
            assert IDLE > 0
        finally:
            server.close()

    run(work)


@given(st.binary(max_size=600))
def test_any_bytes_are_answered_or_not_and_do_no_harm(data: bytes) -> None:
    async def work() -> None:
        exit = Exit()
        server = DnsServer(exit.look_up, lambda: 0.0)
        answer = await server.answer(data, "127.0.0.1", True)
        assert answer is None or answer[:2] == data[:2]

    run(work)


@given(st.data())
def test_damaged_queries_do_no_harm(choice: st.DataObject) -> None:
    wire = bytearray(dns.message.make_query("example.com.", "A", use_edns=0).to_wire())
    for _ in range(choice.draw(st.integers(1, 4))):
        wire[choice.draw(st.integers(0, len(wire) - 1))] = choice.draw(st.integers(0, 255))
    wire = wire[: choice.draw(st.integers(0, len(wire)))]

    async def work() -> None:
        answer = await DnsServer(Exit().look_up, lambda: 0.0).answer(bytes(wire), "127.0.0.1", True)
        assert answer is None or answer[:2] == wire[:2]

    run(work)
