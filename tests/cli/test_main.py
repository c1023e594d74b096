"""The command line, as real processes: what is said where, and with which exit status."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from masq import __version__
from masq.cli import control
from masq.demo.options import DemoOptions
from masq.errors import LocalError, SettingError
from masq.settings import SETTINGS

STATUS = {
    "version": __version__,
    "descriptor": "masq://dev:ZjPLnb9RrgsRM1D9edqH8jx9DkbPZSWqqFqLnmdKhsk@1.2.3.4:5678",
    "chain": "dev",
    "mode": "standard",
    "stage": "connected",
    "uptime": 3725.4,
    "neighbors": [{"key": "AQID", "address": "1.2.3.4:5678", "full": True}],
    "nodes_known": 7,
    "routes": {"available": True, "hops": 3},
    "streams": [
        {"id": 1, "target": "a.example\x1b[31m:443", "route": ["AA", "BB"], "sent": 1234567, "received": 0, "age": 61}
    ],
    "payables": [{"wallet": "0x" + "ab" * 20, "wei": "1500000000000000001"}],
    "receivables": [{"wallet": "0x" + "cd" * 20, "wei": "-10000000000000000000000"}],
    "banned": ["0x" + "ef" * 20],
    "payments": [],
    "warnings": ["mind the gap"],
    "news": {"of": [1, None]},
}


def masq(
    *words: str, home: Path, stdin: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One run of `masq` for a user whose home directory is `home`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MASQ_", "XDG_"))}
    return subprocess.run(
        [sys.executable, "-m", "masq.cli.main", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=home,
        env={**clean, "HOME": str(home), "COLUMNS": "120", "TERM": "dumb", **(environment or {})},
    )


@contextmanager
def node(directory: Path, *answers: bytes) -> Iterator[list[bytes]]:
    """Something at the Node's socket that gives each caller one answer; yields what they sent."""
    asked: list[bytes] = []

    def serve() -> None:
        for answer in answers:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.recv(100))
                try:
                    connection.sendall(answer)
                except OSError:
                    pass

    directory.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(directory / "masq.sock"))
        server.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join(10)


def test_version_and_help(tmp_path: Path) -> None:
    assert masq("--version", home=tmp_path).stdout == f"masq {__version__}\n"
    overview = masq("--help", home=tmp_path).stdout
    for command in ("run", "status", "descriptor", "wallet", "demo"):
        assert command in overview
    options = masq("run", "--help", home=tmp_path).stdout
    for setting in SETTINGS.values():
        assert (f"  --{setting.name}\n" in options) is not setting.hidden
    assert "[/<port>]" in options
    assert masq("run", "--chain", "dev", "-h", home=tmp_path).stdout == options
    assert max(len(line) for line in options.splitlines()) <= 100


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--chain", "dev", "--min-hops", "9"), "min-hops: '9' is not a number from 1 to 6"),
        (("--gas-price", "--chain", "dev"), "gas-price: it needs a value: a number from 1 to 18446744073709551615"),
        (("--min-hops", "1", "--min-hops=2"), "min-hops: given twice on the command line; give it once"),
        (("--chian", "dev"), "--chian: there is no such option; did you mean --chain?"),
        (("--xyzzy",), "--xyzzy: there is no such option; `masq run --help` lists them"),
        (("dev",), "dev: options start with --"),
        (("--chain", "dev", "dev\n"), "'dev\\n': options start with --"),
        (("",), "'': options start with --"),
        ((), "blockchain-service-url: required unless neighborhood-mode is zero-hop"),
    ],
)
def test_a_bad_setting_is_one_line_and_status_2(tmp_path: Path, words: Sequence[str], error: str) -> None:
    result = masq("run", *words, home=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"masq: {error}")
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_bad_environment_variable(tmp_path: Path) -> None:
    result = masq("run", home=tmp_path, environment={"MASQ_CHAIN": "bitcoin"})
    assert result.returncode == 2
    assert "(in environment variable MASQ_CHAIN)" in result.stderr


def test_an_unknown_command(tmp_path: Path) -> None:
    result = masq("rnu", home=tmp_path)
    assert result.returncode == 2
    assert "rnu" in result.stderr


def test_status_for_humans(tmp_path: Path) -> None:
    with node(tmp_path / "d", json.dumps(STATUS).encode()) as asked:
        result = masq("status", "--data-directory", "d", home=tmp_path)
    assert asked == [b"status\n"]
    assert (result.returncode, result.stderr) == (0, "")
    for text in (
        "this Node is of another version",
        STATUS["descriptor"],
        "1:02:05",
        "Neighbors",
        "1.5",
        "-10,000",
        "1.2 MB",
        "mind the gap",
        "0x" + "ef" * 20,
    ):
        assert str(text) in result.stdout
    assert "\x1b" not in result.stdout
    assert "Payments" not in result.stdout


def test_status_as_json_is_verbatim(tmp_path: Path) -> None:
    text = json.dumps(STATUS, indent=3) + " "
    with node(tmp_path / ".local/share/MASQ/dev", text.encode()):
        result = masq("status", "--json", home=tmp_path, environment={"MASQ_CHAIN": "dev"})
    assert (result.returncode, result.stdout) == (0, text)


def test_descriptor(tmp_path: Path) -> None:
    with node(tmp_path, json.dumps(STATUS).encode(), b'{"descriptor": null}'):
        result = masq("descriptor", "--data-directory", ".", home=tmp_path)
        assert (result.returncode, result.stdout) == (0, f"{STATUS['descriptor']}\n")
        result = masq("descriptor", "--data-directory", ".", home=tmp_path)
    assert result.returncode == 1
    assert "masq: the Node has no descriptor" in result.stderr


def test_status_without_a_node(tmp_path: Path) -> None:
    for directory in ("empty", "x" * 200, "file/x"):
        (tmp_path / "file").touch()
        result = masq("status", "--data-directory", directory, home=tmp_path)
        assert result.returncode == 1
        assert result.stderr.startswith("masq: ")
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("answer", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"{" + b" " * (17 << 20)])
def test_an_answer_that_is_no_status(tmp_path: Path, answer: bytes) -> None:
    with node(tmp_path, answer):
        result = masq("status", "--data-directory", ".", home=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("masq: ")
    assert result.stderr.count("\n") == 1


def test_a_node_that_keeps_talking_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.3)
    ours = tmp_path / "masq.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(ours))
        server.listen()

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                while True:
                    connection.sendall(b" ")
                    time.sleep(0.05)

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(LocalError, match="did not answer within"):
            control.ask(tmp_path)
        thread.join(10)
        assert not thread.is_alive()


def test_demo_options() -> None:
    assert DemoOptions().nodes == 8
    for name, value in (("hops", 0), ("hops", 7), ("nodes", 3), ("nodes", 65), ("size", 0)):
        with pytest.raises(SettingError, match=name):
            DemoOptions(**{name: value})  # type: ignore[arg-type]


def test_bad_demo_options(tmp_path: Path) -> None:
    result = masq("demo", "--nodes", "2", home=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("masq: nodes: 2 is not a number from 4 to 64")


def test_nothing_heavy_is_imported_before_a_node_starts() -> None:
    script = (
        "import sys, masq.cli.main, masq.cli.run\n"
        "print([name for name in ('aiohttp', 'asyncio', 'eth_tester', 'rich', 'coincurve', 'typer')"
        " if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.stdout == "[]\n", result.stderr
