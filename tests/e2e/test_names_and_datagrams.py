"""Datagrams and names over circuits of real Nodes: SOCKS5 UDP ASSOCIATE and RESOLVE, and the DNS port."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator

import dns.edns
import dns.message
import dns.query
import dns.rcode
import pytest
from tests.running import Running, linked_pair, wait_for

from masq.wire.proxy import decode_datagram, encode_datagram

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Node whose exit is another one."""
    with linked_pair(tmp_path_factory.mktemp("names"), 11, **{"dns-port": "0", "dns-allow-private": "on"}) as (_, own):
        yield own


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a UDP server at 127.0.0.1 that says what it hears, until it hears `end`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]

        def serve() -> None:
            while True:
                data, client = server.recvfrom(65_536)
                if data == b"end":
                    return
                server.sendto(data, client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", ("127.0.0.1", port))
        thread.join()


def asked(user: Running, command: int, address: bytes) -> tuple[socket.socket, bytes]:
    """A SOCKS5 client that has asked for something, and the answer."""
    client = socket.create_connection((user.ip, 1080), 10)
    client.sendall(b"\x05\x01\x00" + bytes((5, command, 0)) + address)
    answer = b""
    while len(answer) < 12:
        more = client.recv(64)
        assert more, answer
        answer += more
    return client, answer[2:]


def associated(user: Running, echo: int) -> tuple[socket.socket, socket.socket, tuple[str, int]]:
    """Connection, socket and relay of an association over which datagrams go: a circuit may fail while it is made."""
    for last in (False, False, True):
        control, answer = asked(user, 3, b"\x01" + bytes(6))
        assert answer[:4] == b"\x05\x00\x00\x01"
        relay = socket.inet_ntoa(answer[4:8]), struct.unpack(">H", answer[8:10])[0]
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.bind((control.getsockname()[0], 0))
        try:
            echoed(client, relay, "127.0.0.1", echo, b"first", 3)
            return control, client, relay
        except AssertionError:
            control.close()
            client.close()
            print(user.log.read_text()[-5_000:])
            if last:
                raise
    raise AssertionError


def echoed(
    client: socket.socket, relay: tuple[str, int], host: str, port: int, content: bytes, tries: int = 10
) -> None:
    """Send a datagram until it comes back: any of them may be lost, and what comes late is of an earlier one."""
    client.settimeout(3)
    for _ in range(tries):
        client.sendto(encode_datagram(host, port, content), relay)
        with contextlib.suppress(TimeoutError):
            while decode_datagram(client.recv(65_536)) != ("127.0.0.1", port, content):
                pass
            return
    raise AssertionError(f"{len(content)} bytes for {host} did not come back")


def test_datagrams_go_there_and_back_until_the_connection_ends(user: Running, echo: int) -> None:
    control, client, relay = associated(user, echo)
    with control, client:
        for host in ("127.0.0.1", "localhost"):
            for size in (1, 1_400, 60_000):
                echoed(client, relay, host, echo, os.urandom(size))
        client.sendto(b"\0\0\1" + encode_datagram("127.0.0.1", echo, b"fragment")[3:], relay)
        client.sendto(b"garbage", relay)
        echoed(client, relay, "127.0.0.1", echo, b"after")
        assert any(stream["target"].startswith("datagrams") for stream in user.status()["streams"])
        control.close()
        wait_for(lambda: user.status()["streams"] == [])
        client.sendto(encode_datagram("127.0.0.1", echo, b"too late"), relay)
        client.settimeout(0.3)
        with contextlib.suppress(OSError):
            while True:  # What of the last exchange came twice.
                assert decode_datagram(client.recv(65_536)) != ("127.0.0.1", echo, b"too late")


def test_strangers_can_t_use_an_association(user: Running, echo: int) -> None:
    control, answer = asked(user, 3, b"\x01" + bytes(6))
    relay = socket.inet_ntoa(answer[4:8]), struct.unpack(">H", answer[8:10])[0]
    with control, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.9", 0))
        stranger.settimeout(0.3)
        stranger.sendto(encode_datagram("127.0.0.1", echo, b"hello"), relay)
        with pytest.raises(OSError):
            stranger.recv(65_536)


def test_a_name_is_resolved_for_a_socks_client(user: Running) -> None:
    client, answer = asked(user, 0xF0, b"\x03\x09localhost" + bytes(2))
    with client:
        assert answer == b"\x05\x00\x00\x01" + socket.inet_aton("127.0.0.1") + bytes(2)
    client, answer = asked(user, 0xF0, b"\x03\x0fnowhere.invalid" + bytes(2))
    with client:
        assert answer[1] != 0


def test_the_dns_port_answers_with_what_the_exit_found(user: Running) -> None:
    ip, _, port = user.status()["dns"].rpartition(":")
    # A name that is an address needs no server to be resolved.
    question = dns.message.make_query("127.0.0.77.", "A", use_edns=0)
    for ask in (dns.query.udp, dns.query.tcp):
        answer = ask(question, ip, port=int(port), timeout=10)
        assert answer.rcode() == dns.rcode.NOERROR
        assert [record.address for record in answer.answer[0]] == ["127.0.0.77"]
    nothing = dns.query.udp(dns.message.make_query("127.0.0.77.", "AAAA"), ip, port=int(port), timeout=10)
    assert (nothing.rcode(), nothing.answer) == (dns.rcode.NOERROR, [])
    failed = dns.query.udp(dns.message.make_query("nowhere.invalid.", "A", use_edns=0), ip, port=int(port), timeout=20)
    assert failed.rcode() in (dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL)
