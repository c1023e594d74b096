"""Issue 9, 23: what a user's own side gives away: HTTP proxy, DNS port, streams that nobody ends, secrets."""

from __future__ import annotations

import contextlib
import re
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest
from tests.attacks.victims import Holder, Server, descriptors, socks, started
from tests.running import Running, wait_for

Tell = Callable[[str], None]

COOKIE = b"Cookie: for-another-host"
OVER_AFTER = 30.0
SLACK = 10.0


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Node whose HTTP proxy needs no network."""
    settings = {"neighborhood-mode": "zero-hop", "ip": "-", "blockchain-service-url": "-"}
    core = resource.getrlimit(resource.RLIMIT_CORE)[1]
    directory = tmp_path_factory.mktemp("proxy")
    with started(directory, 231, limits={resource.RLIMIT_CORE: (core, core)}, **settings) as node:
        yield node


class Recorder:
    """A web server that keeps connections open, and all that it hears."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self._server = Server(self._talk)
        self.port = self._server.port

    def _talk(self, connection: socket.socket) -> None:
        while data := connection.recv(65536):
            self.heard += data
            if b"\r\n\r\n" in data:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def one() -> Iterator[Recorder]:
    server = Recorder()
    yield server
    server.close()


@pytest.fixture
def other() -> Iterator[Recorder]:
    server = Recorder()
    yield server
    server.close()


def says(node: Running, *requests: bytes, wait: float = 0.4) -> bytes:
    """What the proxy answers to requests on one connection, each after the answer to the one before."""
    answers = b""
    with socket.create_connection((node.ip, 1080), timeout=5) as connection:
        connection.settimeout(wait)
        for request in requests:
            with contextlib.suppress(OSError):
                connection.sendall(request)
                while data := connection.recv(65536):
                    answers += data
    return answers


def get(server: Recorder, *headers: bytes) -> bytes:
    host = b"127.0.0.1:%d" % server.port
    return b"\r\n".join((b"GET http://%s/x HTTP/1.1" % host, b"Host: " + host, *headers)) + b"\r\n\r\n"


def test_23_upgrade_sends_no_request_to_another_host(proxy: Running, one: Recorder, other: Recorder) -> None:
    says(proxy, get(one, b"Connection: Upgrade", b"Upgrade: websocket"), get(other, COOKIE))
    assert b"GET /x" in one.heard
    assert COOKIE not in one.heard


def test_23_an_upgrade_that_the_server_accepts_goes_on(proxy: Running) -> None:
    def talk(connection: socket.socket) -> None:
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += connection.recv(65536)
        assert b"upgrade: websocket" in heard.lower()
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while data := connection.recv(65536):
            connection.sendall(data[::-1])

    server = Server(talk)
    try:
        host = b"127.0.0.1:%d" % server.port
        wish = b"GET http://%s/ HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" % (
            host,
            host,
        )
        answer = says(proxy, wish, b"hello", b"again")
        assert answer.startswith(b"HTTP/1.1 101")
        assert answer.endswith(b"ollehniaga")
    finally:
        server.close()


def test_23_requests_sent_together_go_to_their_own_hosts_or_nowhere(
    proxy: Running, one: Recorder, other: Recorder
) -> None:
    says(proxy, get(one) + get(other, COOKIE))
    assert COOKIE not in one.heard


def test_23_headers_listed_in_connection_stay_here(proxy: Running, one: Recorder) -> None:
    says(proxy, get(one, b"Connection: close, X-Mine", b"X-Mine: secret", b"X-Yours: hello"))
    assert b"X-Yours: hello" in one.heard
    assert b"secret" not in one.heard


@pytest.mark.parametrize("header", [b"X-A: 1\nX-Smuggled: 1", b"X-A: 1\n", b"X-A: 1\rX-Smuggled: 1", b"X-A: 1\0"])
def test_23_lines_that_end_in_half_are_refused(proxy: Running, one: Recorder, header: bytes) -> None:
    answer = says(proxy, get(one, header))
    assert answer.startswith(b"HTTP/1.1 400")
    assert not one.heard


def test_23_a_request_as_to_a_server_is_not_proxied(proxy: Running, one: Recorder) -> None:
    """A page that has its own name point at this proxy could go through it otherwise."""
    answer = says(proxy, b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % one.port)
    assert answer.startswith(b"HTTP/1.1 400")
    assert not one.heard


def test_23_secrets_are_not_in_the_environment(proxy: Running) -> None:
    environment = Path(f"/proc/{proxy.process.pid}/environ").read_bytes()
    assert f"{232:064x}".encode() not in environment
    assert b"MASQ_DB_PASSWORD=secret" not in environment


def test_23_a_password_on_the_command_line_is_not_shown(tmp_path: Path) -> None:
    settings = {"neighborhood-mode": "zero-hop", "ip": "-", "blockchain-service-url": "-", "db-password": "hush-hush"}
    with started(tmp_path, 237, **settings) as node:
        line = Path(f"/proc/{node.process.pid}/cmdline").read_bytes()
        assert b"hush" not in line
        assert b"--entry-ip=127.0.3.237" in line
        assert any(warning.startswith("db-password: ") for warning in node.status()["warnings"])


def test_23_a_request_in_bad_chunks_ends_and_the_next_one_is_not_heard(
    proxy: Running, one: Recorder, other: Recorder
) -> None:
    host = b"127.0.0.1:%d" % one.port
    head = b"POST http://%s/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" % host
    # Half a line end: some servers would see the end of the body here, and a request behind it.
    answer = says(proxy, head + b"1\r\na\r\n", b"0\n\n" + get(other, COOKIE))
    assert COOKIE not in one.heard
    assert b"400 Bad Request" not in answer.partition(b"HTTP/1.1 200")[2]


def test_23_there_are_no_core_dumps(proxy: Running) -> None:
    limits = Path(f"/proc/{proxy.process.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)


def test_23_the_dns_port_gives_no_private_addresses(tmp_path: Path, tell: Tell) -> None:
    # An exit that is allowed to say so stands for one that lies. A name that is an address needs no server.
    with (
        started(tmp_path, 233) as exit,
        started(tmp_path, 234, exit.descriptor, **{"exit-allow-private": "off", "dns-port": "0"}) as user,
    ):
        wait_for(lambda: user.status()["stage"] == "RouteFound")
        ip, _, port = user.status()["dns"].rpartition(":")
        given = []
        for own in ("127.0.0.77", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.7"):
            question = dns.message.make_query(f"{own}.", "A", use_edns=0)
            if dns.query.udp(question, ip, port=int(port), timeout=10).answer:
                given.append(own)
            with socket.create_connection((user.ip, 1080), timeout=10) as client:
                name = own.encode()
                client.sendall(b"\x05\x01\x00\x05\xf0\x00\x03" + bytes((len(name),)) + name + bytes(2))
                answer = b""
                while data := client.recv(64):
                    answer += data
            if answer[2:4] != b"\x05\x02":
                given.append(f"{own} by SOCKS: {answer.hex()}")
        tell(f"given: {given}")
        assert not given


@pytest.mark.attack_long
def test_23_streams_that_neither_side_has_a_use_for_are_closed(tmp_path: Path, tell: Tell) -> None:
    count = 20
    server = Holder()
    try:
        with started(tmp_path, 235) as exit, started(tmp_path, 236, exit.descriptor) as user:
            wait_for(lambda: user.status()["stage"] == "RouteFound")
            nodes = (exit, user)
            before = [descriptors(node) for node in nodes]
            for _ in range(count):
                with socks(user, "127.0.0.1", server.port) as stream:
                    stream.sendall(b"hello")
            wait_for(lambda: len(server.held) == count, 5)
            time.sleep(0.5)
            held = [descriptors(node) - was for node, was in zip(nodes, before, strict=True)]
            time.sleep(OVER_AFTER + SLACK)
            left = [descriptors(node) - was for node, was in zip(nodes, before, strict=True)]
            tell(f"more descriptors at exit and user: {held} at first, {left} after {OVER_AFTER + SLACK:.0f} s")
            assert all(more <= 2 for more in left)
    finally:
        server.close()
