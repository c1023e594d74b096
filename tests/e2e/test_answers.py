"""What clients hear when the answer is the server's own (`answer-early off`), and where failures can be read."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest
from tests.running import Running, linked_pair

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with linked_pair(tmp_path_factory.mktemp("answers"), 13, **{"answer-early": "off"}) as (_, own):
        yield own


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def asked(user: Running, port: int) -> tuple[socket.socket, int]:
    client = socket.create_connection((user.ip, 1080), 20)
    client.sendall(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
    answer = b""
    while len(answer) < 12:
        more = client.recv(12 - len(answer))
        assert more, answer
        answer += more
    return client, answer[3]


def test_a_client_that_waits_is_connected_when_the_server_is(user: Running, server: socket.socket) -> None:
    client, code = asked(user, server.getsockname()[1])
    assert code == 0
    peer, _ = server.accept()
    with client, peer:
        client.sendall(b"hello")
        assert peer.recv(10) == b"hello"
        peer.sendall(b"you")
        assert client.recv(10) == b"you"


def test_a_server_that_speaks_first_is_heard(user: Running, server: socket.socket) -> None:
    def greet() -> None:
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"220 ready")

    thread = threading.Thread(target=greet)
    thread.start()
    client, code = asked(user, server.getsockname()[1])
    with client:
        assert (code, client.recv(20)) == (0, b"220 ready")
    thread.join()


def test_a_refusal_is_the_answer_and_stands_in_the_status_with_the_node_that_said_so(user: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    client, code = asked(user, port)
    with client:
        assert code == 5
        assert client.recv(1) == b""
    words = ["curl", "-s", "-o", "-", "-w", "%{http_connect}", "--max-time", "20", "-p", "-x", f"http://{user.ip}:1080"]
    answer = subprocess.run([*words, f"http://127.0.0.1:{port}/"], capture_output=True, check=False)
    assert answer.stdout.endswith(b"502"), answer.stdout
    failure = user.status()["failures"][0]
    assert failure["target"] == f"127.0.0.1:{port}"
    assert failure["cause"] == "refused"
    assert failure["reason"].startswith("exit ")
    assert "refused" in failure["reason"]
