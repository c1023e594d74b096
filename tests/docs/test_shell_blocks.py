"""The shell blocks of the documents do what the text around them says: they are run, in order, as a newcomer would.

What stands for something of the reader's own (a provider, a neighbor, an address) is filled in, and the ports are free
ones. A command that can't be run here has its reason in the table below.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.docs.sections import ROOT
from tests.running import Running, wait_for

PAGES = ("README.md", "CONTRIBUTING.md", "docs/operating.md")
NOT_RUN = {
    "masq exec curl https://example.com/": "tests/packaging/test_exec.py runs more than that, in a network of its own",
    "make demo": "tests/e2e/test_demo.py runs it, with a smaller file",
    "curl --proxy socks5h://127.0.1.8:1080 http://localhost:PORT/": "over the demo, which ends by itself there",
    """echo 'pay-many = "0x..."' >> ~/.local/share/MASQ/base-mainnet/config.toml""": "a setting like others",
    """echo 'vouchers = "give"' >> ~/.local/share/MASQ/base-mainnet/config.toml""": "a setting like others",
    "masq wallet allow 20": "tests/shell/test_allowing.py runs it, on a chain",
    "masq wallet redeem": "tests/shell/test_redeeming.py runs it, on a chain",
    "make setup": "the tests run in what it made",
    "make setup-dev": "the tests run in what it made",
    "make tools": "the tests run with what it made",
}
ANSWERS = {
    "masq open": "#token=",
    "wallet create": "consuming wallet",
    "masq run": "masq://base-mainnet:",
    "curl": "a page from beyond the exit",
    "status": "works: browsing over 1 hop",
    "ledger verify": "All is as it was written",
    "audit": "we count",
    "financials --since": "Owed to us",
    "financials --csv": "",
    "route new": "New streams take new routes",
    "metrics": "masq_works 1.0",
    "reload": "Nothing has changed that counts at once",
    "scan payables": "{}",
}
"""What is seen when a command worked that has these words in it."""
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
NEIGHBOR, OWN = 80, 81


def commands(page: str) -> list[str]:
    """The commands of a page's shell blocks: without comments, one line each."""
    found = []
    for block in BLOCK.findall((ROOT / page).read_text()):
        lines = block.replace("\\\n", " ").splitlines()
        found += [" ".join(re.sub(r"(^|\s)# .*", "", line).split()) for line in lines]
    return [command for command in found if command]


class Reader:
    """Somebody with an empty home who does what the documents say, one Node at a time."""

    def __init__(self, home: Path, neighbor: str, page_port: int) -> None:
        self.home = home
        self.sock = home / ".local/share/MASQ/base-mainnet/masq.sock"
        self.node: subprocess.Popen[bytes] | None = None
        entry_port = free_port()
        self.fillings = {
            ".venv/bin/masq": f"{Path(sys.executable).parent}/masq",
            "https://YOUR-PROVIDER/KEY": "http://127.0.0.1:9",
            "masq://base-mainnet:KEY@203.0.113.7:4519": neighbor,
            "YOUR-PUBLIC-IP": f"127.0.3.{OWN}",
            "127.0.0.1:1080": f"127.0.0.1:{entry_port}",
            "https://example.com/": f"http://localhost:{page_port}/",
        }
        others = re.compile("masq_|xdg_|.*_proxy$", re.IGNORECASE)
        kept = {name: value for name, value in os.environ.items() if not others.match(name)}
        own = {"HOME": str(home), "MASQ_ENTRY_PORT": str(entry_port), "MASQ_MIN_HOPS": "1"}
        self.environment = {**kept, **own, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(self, command: str) -> str:
        """What it prints. For a Node: until it has a route, after which it goes on."""
        for placeholder, filling in self.fillings.items():
            command = command.replace(placeholder, filling)
        if "masq run" in command:
            return self.start(command)
        words = ["bash", "-c", command]
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=30, cwd=self.home)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, command: str) -> str:
        self.stop()
        log = self.home / "log"
        with log.open("wb") as output:
            words = ["bash", "-c", f"exec {command}"]
            self.node = subprocess.Popen(words, env=self.environment, stdout=output, stderr=output, cwd=self.home)
        wait_for(lambda: self.ended() or self.status()["stage"] == "RouteFound")
        assert not self.ended(), f"{command}: {log.read_text()}"
        return log.read_text()

    def ended(self) -> bool:
        return self.node is None or self.node.poll() is not None

    def status(self) -> dict[str, object]:
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.sock))
            control.sendall(b"status\n")
            with control.makefile("rb") as answer:
                value = json.load(answer)
        assert isinstance(value, dict)
        return value

    def stop(self) -> None:
        if self.node is not None:
            self.node.terminate()
            self.node.wait(10)
            self.node = None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Page(BaseHTTPRequestHandler):
    """The server that the documents' curl asks."""

    def do_GET(self) -> None:
        body = ANSWERS["curl"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def page_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def reader(page_port: int) -> Iterator[Reader]:
    with contextlib.ExitStack() as stack:
        # A short path: that of a Node's socket may have 107 bytes, and a command puts it deep below the home.
        tmp_path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="m", ignore_cleanup_errors=True)))
        for name in ("home", "neighbor"):
            (tmp_path / name).mkdir()
        neighbor = Running(tmp_path / "neighbor", NEIGHBOR, chain="base-mainnet")
        stack.callback(neighbor.stop)
        reader = Reader(tmp_path / "home", neighbor.descriptor, page_port)
        stack.callback(reader.stop)
        yield reader


@pytest.mark.e2e
def test_the_commands_work_one_after_the_other(reader: Reader) -> None:
    for command in (command for page in PAGES for command in commands(page) if command not in NOT_RUN):
        expected = next((answer for words, answer in ANSWERS.items() if words in command), None)
        assert expected is not None, f"{command}: say in ANSWERS what is seen when it worked, or in NOT_RUN why not"
        printed = reader.run(command)
        assert expected in printed, f"{command}: {printed}"


def test_reasons_are_kept_for_commands_that_there_are() -> None:
    assert set(NOT_RUN) <= {command for page in PAGES for command in commands(page)}


@pytest.mark.parametrize("page", PAGES)
def test_words_of_make_and_masq_in_the_text_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = (ROOT / page).read_text()
    named = [re.findall(r"[a-z-]+", re.sub(r"ARGS=.*", "", words)) for words in re.findall(r"`make ([^`]+)`", text)]
    assert {word for words in named for word in words} <= targets
    for command in set(re.findall(r"`masq ([a-z-]+)", text)):
        words = [sys.executable, "-m", "masq.cli.main", command, "--help"]
        assert subprocess.run(words, capture_output=True, timeout=30).returncode == 0, command
