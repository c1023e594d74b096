"""Commands to a Node that runs: what they change, what they say, and what its clients hear when nothing is left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.running import Running, linked_pair, wait_for

pytestmark = pytest.mark.e2e


def masq(*words: str, status: int = 0, stdout: bool = False) -> str:
    """What it prints, or what it complains of if it is to fail."""
    done = subprocess.run(
        [sys.executable, "-m", "masq", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={name: value for name, value in os.environ.items() if not name.startswith("MASQ_")},
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 or stdout else done.stderr


def answer(user: Running, size: int) -> int:
    """How many bytes of a page of that size a user of a Node gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve_one() -> None:
            with server.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

        thread = threading.Thread(target=serve_one, daemon=True)
        thread.start()
        status, body = curl(user, f"http://localhost:{server.getsockname()[1]}/")
        return len(body) if status == 0 else -1


def page(connection: socket.socket) -> None:
    with connection:
        while not connection.recv(65536).endswith(b"\r\n\r\n"):
            pass
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")


def serve(server: socket.socket) -> None:
    try:
        while True:
            page(server.accept()[0])
    except OSError:
        pass


def curl(node: Running, url: str, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        ["curl", "-s", "--max-time", "30", *words, "--proxy", f"socks5h://{node.ip}:1080", url],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


def test_a_node_is_asked_told_and_stopped(short_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        linked_pair(short_path, 40, **{"log-level": "warn"}) as (exit, user),
    ):
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        url = f"http://localhost:{server.getsockname()[1]}/"
        own = ("--data-directory", str(user.directory))
        assert curl(user, url) == (0, "hi")
        shown = masq("status", *own)
        assert shown.startswith("works: browsing over 1 hop")
        assert exit.status()["public_key"][:8] in shown
        assert user.descriptor in shown.splitlines()[3]
        assert json.loads(masq("status", "--json", *own))["verdict"]["works"]
        assert json.loads(masq("descriptor", "--json", *own)) == {"descriptor": user.descriptor}

        assert masq("status", "--check", *own).startswith("works")

        # A new route, and the next page over it.
        before = user.status()["exits"]
        assert [each["circuits"] for each in before] == [1]
        assert "1 route is left behind" in masq("route", "new", *own)
        assert user.status()["exits"] == []
        assert curl(user, url) == (0, "hi")

        # Settings: some count at once, others don't, wrong ones change nothing.
        config = user.directory / "config.toml"
        assert "Nothing has changed" in masq("reload", *own)
        config.write_text('max-spending-per-hour = "0.000000000000000001"\nlog-level = "info"\ngas-price = 7\n')
        told = masq("reload", *own)
        assert "Changed now: max-spending-per-hour." in told
        assert "Counts after a restart: gas-price." in told
        assert user.status()["most_hour_wei"] == "1"
        status, body = curl(user, url, "-v")
        assert (status, body) == (97, "")
        assert "max-spending-per-hour" in masq("status", *own)
        config.write_text("gas-price = -1\n")
        assert "nothing was changed: gas-price" in masq("reload", *own, status=1)
        assert user.status()["most_hour_wei"] == "1"
        config.write_text("")
        user.process.send_signal(signal.SIGHUP)
        wait_for(lambda: user.status()["most_hour_wei"] != "1")

        # The doctor knows what the Node was started with, and finds the one thing that is wrong: the provider.
        found = json.loads(masq("doctor", "--json", *own, status=1, stdout=True))
        assert {each["about"] for each in found["findings"] if each["state"] == "bad"} == {"provider"}
        assert any(each["words"].endswith(":6001: it answers, and has the key") for each in found["findings"])
        assert "do: see that this machine is online" in masq("doctor", *own, status=1, stdout=True)

        assert masq("bans", "add", "192.0.2.1", *own) == "192.0.2.1 is refused for 24 hours.\n"
        assert "192.0.2.1" in masq("bans", *own)
        assert json.loads(masq("bans", "lift", "192.0.2.1", "--json", *own)) == {"lifted": "192.0.2.1"}
        assert "nothing is held against" in masq("bans", "lift", "192.0.2.1", *own, status=1)

        assert masq("stop", *own) == "The Node has stopped.\n"
        assert user.process.wait(10) == 0
        assert "no Node runs" in masq("stop", *own, status=1)


def test_a_first_request_without_a_route_is_told_why(short_path: Path) -> None:
    """X10."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        linked_pair(short_path, 42) as (exit, user),
    ):
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        url = f"http://localhost:{server.getsockname()[1]}/"
        assert curl(user, url) == (0, "hi")
        os.kill(exit.process.pid, signal.SIGSTOP)
        # The way has answered before, so the client hears at once that it is connected; and then, in a page, why not.
        status, body = curl(user, url, "-w", "%{http_code}")
        assert status == 0, body
        assert body.endswith(("502", "503", "504")), body
        assert any(words in body for words in ("gave no answer", "was lost", "no route")), body
        os.kill(exit.process.pid, signal.SIGKILL)
        exit.process.wait()
        wait_for(lambda: not user.status()["exits"])
        status, _ = curl(user, url)
        assert status == 97, "SOCKS says that there is no way"
        wait_for(lambda: not user.status()["verdict"]["works"])
        assert masq("status", "--check", "--data-directory", str(user.directory), status=1) == ""


def test_a_node_of_few_megabytes_a_second_and_a_month_serves_until_they_are_used_up(short_path: Path) -> None:
    with linked_pair(short_path, 44) as (exit, user):
        config = exit.directory / "config.toml"
        own = ("--data-directory", str(exit.directory))
        config.write_text("max-bandwidth = 2\nmax-traffic-per-month = 0.002\n")
        assert "max-bandwidth, max-traffic-per-month" in masq("reload", *own)
        assert answer(user, 1_500_000) == 1_500_000
        wait_for(lambda: "nobody else is served" in str(exit.status()["warnings"]))
        assert exit.status()["traffic"]["received"] > 1_500_000
        wait_for(lambda: answer(user, 10) == -1)
        config.write_text("max-traffic-per-month = 0\n")
        masq("reload", *own)
        wait_for(lambda: answer(user, 10) == 10)
