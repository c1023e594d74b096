"""Real Node processes, used as people use them: through their ports, by their signals, with garbage."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.running import Running, linked_pair, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Running]]:
    """Two linked Nodes; the second one's user browses over the first one's exit."""
    with linked_pair(tmp_path_factory.mktemp("nodes"), 1) as pair:
        yield list(pair)


class Server:
    """A TCP server in a thread; each connection is handed to `talk`."""

    def __init__(self, talk: object) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, args=(talk,), daemon=True).start()

    def _serve(self, talk: object) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self._talk, args=(talk, connection), daemon=True).start()

    def _talk(self, talk: object, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            talk(connection)  # type: ignore[operator]


def socks(node: Running, port: int, host: bytes = b"localhost") -> socket.socket:
    stream = socket.create_connection((node.ip, 1080), timeout=15)
    stream.sendall(b"\x05\x01\x00\x05\x01\x00\x03" + bytes((len(host),)) + host + port.to_bytes(2, "big"))
    answer = b""
    while len(answer) < 12:
        answer += stream.recv(12 - len(answer))
    assert answer[:4] == b"\x05\x00\x05\x00"
    return stream


def read_all(stream: socket.socket) -> bytes:
    data = b""
    while piece := stream.recv(65536):
        data += piece
    return data


def web(connection: socket.socket) -> None:
    request = connection.recv(65536)
    body = b"you asked: " + request.split(b"\r\n")[0]
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize("scheme", ["socks5h", "http"])
def test_curl_fetches_through_it(nodes: list[Running], scheme: str) -> None:
    server = Server(web)
    answer = subprocess.run(
        [
            "curl",
            "-sS",
            "--max-time",
            "15",
            "--proxy",
            f"{scheme}://{nodes[1].ip}:1080",
            f"http://localhost:{server.port}/x",
        ],
        capture_output=True,
        check=True,
    )
    assert answer.stdout == b"you asked: GET /x HTTP/1.1"


def test_curl_tunnels_through_connect(nodes: list[Running]) -> None:
    server = Server(web)
    answer = subprocess.run(
        [
            "curl",
            "-sS",
            "--max-time",
            "15",
            "-p",
            "--proxy",
            f"http://{nodes[1].ip}:1080",
            f"http://localhost:{server.port}/y",
        ],
        capture_output=True,
        check=True,
    )
    assert answer.stdout == b"you asked: GET /y HTTP/1.1"


def test_a_server_may_speak_first_and_half_closing_works(nodes: list[Running]) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"welcome\n")
        heard = read_all(connection)
        connection.sendall(heard[::-1])

    with socks(nodes[1], Server(talk).port) as stream:
        assert stream.recv(100) == b"welcome\n"
        stream.sendall(b"abc")
        stream.shutdown(socket.SHUT_WR)
        assert read_all(stream) == b"cba"


def test_a_client_that_hangs_up_stops_the_server_within_a_second(nodes: list[Running]) -> None:
    stopped = threading.Event()

    def talk(connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(bytes(65536))
        except OSError:
            stopped.set()

    stream = socks(nodes[1], Server(talk).port)
    assert stream.recv(1000)
    stream.close()
    assert stopped.wait(2.0)


def test_a_slow_reader_costs_no_node_memory(nodes: list[Running]) -> None:
    sent = [0]

    def talk(connection: socket.socket) -> None:
        while True:
            connection.sendall(bytes(65536))
            sent[0] += 65536

    before = [node.memory() for node in nodes]
    with socks(nodes[1], Server(talk).port) as stream:
        assert stream.recv(1000)
        time.sleep(2.0)
        reached = sent[0]
        time.sleep(1.0)
        assert sent[0] == reached, "the server is not read any more"
        for node, was in zip(nodes, before, strict=True):
            assert node.memory() - was < 12 * 1024 * 1024


def test_a_target_that_refuses_is_an_error_for_the_client(nodes: list[Running]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        answer = subprocess.run(
            [
                "curl",
                "-s",
                "-w",
                "%{http_code}",
                "--max-time",
                "20",
                "--proxy",
                f"http://{nodes[1].ip}:1080",
                f"http://localhost:{port}/",
            ],
            capture_output=True,
            check=False,
        )
    assert answer.stdout.endswith(b"502"), answer.stdout
    assert b"Connection refused" in answer.stdout


@pytest.mark.parametrize("port", [6001, 1080])
def test_garbage_on_any_port_does_no_harm(nodes: list[Running], port: int) -> None:
    samples = [
        b"\x00" * 1000,
        b"{" * 5000,
        b"MASQ-link1\n" + os.urandom(3000),
        b'{"bodyData":"AAAA"}' * 50,
        os.urandom(9000),
    ]
    for sample in samples:
        with contextlib.suppress(OSError), socket.create_connection((nodes[0].ip, port), timeout=5) as stream:
            stream.sendall(sample)
            stream.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                stream.recv(100)
    assert nodes[0].process.poll() is None
    assert nodes[1].status()["stage"] == "RouteFound"


def test_an_endless_frame_closes_the_link(nodes: list[Running]) -> None:
    before = nodes[0].memory()
    with contextlib.suppress(OSError), socket.create_connection((nodes[0].ip, 6001), timeout=10) as stream:
        for _ in range(400):
            stream.sendall(b'{"bodyData":"' + b"A" * 65536)
    assert nodes[0].process.poll() is None
    assert nodes[0].memory() - before < 60 * 1024 * 1024


def test_the_control_socket_is_its_owner_s_and_survives_nonsense(nodes: list[Running]) -> None:
    path = nodes[0].directory / "masq.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    for words in (b"\n", b"scan everything\n", os.urandom(100) + b"\n", b"x" * 10_000 + b"\n"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as control:
            control.connect(str(path))
            control.sendall(words)
            control.recv(1000)
    assert nodes[0].status()["chain"] == "dev"


def test_a_second_node_in_the_same_directory_is_refused(nodes: list[Running]) -> None:
    words = ["--chain=dev", "--ip=127.0.3.9", "--blockchain-service-url=http://x", "--entry-port=0"]
    words.append("--earning-wallet=0x" + "1" * 40)
    answer = subprocess.run(
        [sys.executable, "-m", "masq.cli.main", "run", *words, f"--data-directory={nodes[0].directory}"],
        env={**os.environ, "MASQ_DB_PASSWORD": "secret"},
        capture_output=True,
        check=False,
    )
    assert answer.returncode == 2
    assert b"another Node" in answer.stderr


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("--neighbors=masq://nowhere:x@1.2.3.4:5", b"neighbors"),
        ("--min-hops=9", b"min-hops"),
        ("--consuming-private-key=xyz", b"consuming-private-key"),
        ("--payment-thresholds=1|2", b"payment-thresholds"),
        ("--ip=somewhere", b"ip"),
    ],
)
def test_a_wrong_setting_is_one_clear_line_and_status_2(tmp_path: Path, word: str, named: bytes) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "masq.cli.main", "run", "--chain=dev", f"--data-directory={tmp_path}", word],
        capture_output=True,
        check=False,
    )
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert line.startswith(b"masq: " + named)
    assert answer.stdout == b""


def test_sigterm_ends_it_in_two_seconds_and_the_books_are_there_again(tmp_path: Path) -> None:
    first = Running(tmp_path, 11)
    second = Running(tmp_path, 12, first.descriptor)
    try:
        wait_for(lambda: second.status()["stage"] == "RouteFound")
        with socks(second, Server(web).port) as stream:
            stream.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"you asked" in read_all(stream)
        wait_for(lambda: bool(second.status()["payables"]))
        time.sleep(1.2)
        owed, earned = second.status()["payables"], first.status()["receivables"]
        assert [line["wei"] for line in owed] == [line["wei"] for line in earned]
        begun = time.monotonic()
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(5) == 0
        assert time.monotonic() - begun < 2.0
        first.process.kill()
        first.process.wait()
        again, killed = Running(tmp_path, 12), Running(tmp_path, 11)
        assert again.status()["payables"] == owed
        assert killed.status()["receivables"] == earned
        assert again.descriptor == second.descriptor, "with a password the key is kept"
        again.stop()
        killed.stop()
    finally:
        first.stop()
        second.stop()


def test_without_a_listener_a_node_is_started_again_from_the_neighbors_it_had(tmp_path: Path) -> None:
    """L13: with the identity that it had."""
    settings = {"neighborhood-mode": "consume-only", "ip": "-", "earning-wallet": "-"}
    first = Running(tmp_path, 13)
    user = Running(tmp_path, 14, first.descriptor, None, (), **settings)
    try:
        wait_for(lambda: user.status()["stage"] == "RouteFound")
        key = user.status()["public_key"]
        user.process.send_signal(signal.SIGTERM)
        assert user.process.wait(5) == 0
        user.stop()
        user = Running(tmp_path, 14, "", None, (), **settings)
        wait_for(lambda: user.status()["stage"] == "RouteFound")
        assert user.status()["public_key"] == key
        with socks(user, Server(web).port) as stream:
            stream.sendall(b"GET /again HTTP/1.0\r\n\r\n")
            assert b"you asked: GET /again" in read_all(stream)
    finally:
        first.stop()
        user.stop()


def test_zero_hop_needs_neither_wallet_nor_chain(tmp_path: Path) -> None:
    settings = {"neighborhood-mode": "zero-hop", "ip": "-", "blockchain-service-url": "-"}
    node = Running(tmp_path, 21, "", None, (), **settings)
    try:
        with socks(node, Server(web).port) as stream:
            stream.sendall(b"GET /zero HTTP/1.0\r\n\r\n")
            assert b"you asked: GET /zero" in read_all(stream)
        assert node.status()["payables"] == []
    finally:
        node.stop()


def test_private_targets_are_refused_unless_allowed(tmp_path: Path) -> None:
    first = Running(tmp_path, 31, "", None, (), **{"exit-allow-private": "off"})
    second = Running(tmp_path, 32, first.descriptor, None, (), **{"exit-allow-private": "off"})
    try:
        wait_for(lambda: second.status()["stage"] == "RouteFound")
        answer = subprocess.run(
            ["curl", "-s", "--max-time", "20", "--proxy", f"http://{second.ip}:1080", "http://127.0.0.1:9/"],
            capture_output=True,
            check=False,
        )
        assert b"policy" in answer.stdout
    finally:
        first.stop()
        second.stop()
