"""sing-box on loopback: a client whose streams go through three nested Shadowsocks 2022 servers, each in a process."""

from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import Way, wait_for_stream
from benchmarks.network import Network

MODULE = "github.com/sagernet/sing-box/cmd/sing-box"
MISSING = (
    "sing-box is not installed, so its figures are left out. To get it, with Go: "
    f"go install {MODULE}@latest, and put $(go env GOPATH)/bin on the PATH"
)
METHOD = "2022-blake3-aes-128-gcm"
KEY_SIZE = 16
HOPS = ("127.0.10.1", "127.0.10.2", "127.0.10.3")
PORT = 8388
CLIENT, SOCKS_PORT = "127.0.10.4", 1080
PATIENCE = 30.0
"""Seconds until a chain that carries no stream is given up."""


def installed() -> bool:
    return shutil.which("sing-box") is not None


def version() -> str:
    """Such as 1.14.1; empty if nobody knows. One that `go install` built doesn't know itself, Go does."""
    said = _output("sing-box", "version").split()
    if len(said) > 2 and said[2] != "unknown":
        return said[2]
    found = re.search(
        r"^\s*mod\s+\S+\s+v(\S+)", _output("go", "version", "-m", str(shutil.which("sing-box"))), re.MULTILINE
    )
    return found.group(1) if found else ""


def _output(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True).stdout
    except OSError:
        return ""


def server_settings(ip: str, key: str) -> dict[str, object]:
    """One hop: takes Shadowsocks, and connects to whatever it is asked for."""
    return {
        "log": {"level": "error"},
        "inbounds": [
            {"type": "shadowsocks", "listen": ip, "listen_port": PORT, "method": METHOD, "password": key},
        ],
        "outbounds": [{"type": "direct"}],
    }


def client_settings(keys: Sequence[str]) -> dict[str, object]:
    """SOCKS in; out by the last hop, which is reached by the one before it, and so on."""
    outbounds: list[dict[str, object]] = []
    for number, (ip, key) in enumerate(zip(HOPS, keys, strict=True), 1):
        hop = {"type": "shadowsocks", "tag": f"hop{number}", "server": ip, "server_port": PORT}
        hop |= {"method": METHOD, "password": key}
        outbounds.append(hop | ({"detour": f"hop{number - 1}"} if number > 1 else {}))
    return {
        "log": {"level": "error"},
        "inbounds": [{"type": "socks", "listen": CLIENT, "listen_port": SOCKS_PORT}],
        "outbounds": outbounds,
        "route": {"final": f"hop{len(HOPS)}"},
    }


@contextmanager
def running_sing_box(server_port: int) -> Iterator[Network]:
    """A chain whose client reaches the server at 127.0.0.1; all gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="sing-box-bench-"))
    processes: list[subprocess.Popen[bytes]] = []
    keys = [base64.b64encode(secrets.token_bytes(KEY_SIZE)).decode() for _ in HOPS]
    settings = [*map(server_settings, HOPS, keys), client_settings(keys)]
    begun = time.monotonic()
    try:
        for number, each in enumerate(settings, 1):
            path = directory / f"{number}.json"
            path.write_text(json.dumps(each))
            with (directory / f"{number}.log").open("wb") as log:
                command = ["sing-box", "run", "--config", str(path), "--directory", str(directory)]
                processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        way = Way((CLIENT, SOCKS_PORT), server_port)
        try:
            wait_for_stream(way, begun + PATIENCE)
        except OSError as error:
            said = " / ".join(path.read_text().strip() for path in sorted(directory.glob("*.log")))
            raise SystemExit(f"no stream over sing-box within {PATIENCE:.0f} s: {error}; its words: {said}") from None
        yield Network("sing-box", processes, way, time.monotonic() - begun)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)
