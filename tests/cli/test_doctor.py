"""`masq doctor`: each thing that can be wrong is found, and comes with what mends it."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import socket
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from masq.cli import doctor
from masq.cli.doctor import Finding, Patient, admit, examine, from_head
from masq.cli.status import Document
from masq.errors import SettingError
from masq.settings import gather
from masq.shell.store import Store, change_password

KEY = "11" * 32
WALLET = "0x" + "ab" * 20
NEIGHBOR = "masq://dev:ZjPLnb9RrgsRM1D9edqH8jx9DkbPZSWqqFqLnmdKhsk@127.0.0.1:{}"


class Provider(BaseHTTPRequestHandler):
    """A JSON-RPC service that answers what a test wants."""

    answers: dict[str, Any] = {}  # noqa: RUF012 - set anew by each test

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        result = self.answers[asked["method"]]
        body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def answers(**changes: Any) -> dict[str, Any]:
    head = {"number": "0x10", "timestamp": hex(int(time.time()))}
    usual = {
        "eth_chainId": "0x2",
        "eth_blockNumber": "0x10",
        "eth_getBlockByNumber": head,
        "eth_call": "0x" + f"{3 * 10**18:064x}",
        "eth_getBalance": hex(10**17),
    }
    return {**usual, **changes}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Provider, "answers", answers())
    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def patient(directory: Path, status: dict[str, Any] | None = None, **words: str) -> Patient:
    line = {"chain": "dev", "data-directory": str(directory), "earning-wallet": WALLET, "entry-port": "0"}
    line |= {name.replace("_", "-"): text for name, text in words.items()}
    return Patient(*gather(line, {}), Document(status) if status is not None else None)


def findings(who: Patient, about: str = "", offline: bool = True) -> list[Finding]:
    async def all_of() -> list[Finding]:
        return [each async for each in examine(who, offline) if about in ("", each.about)]

    return asyncio.run(all_of())


def only(who: Patient, about: str, offline: bool = True) -> Finding:
    (found,) = findings(who, about, offline)
    return found


def test_each_of_several_providers_is_asked(tmp_path: Path, provider: str) -> None:
    who = patient(tmp_path, blockchain_service_url=f"{provider},http://127.0.0.1:9", consuming_private_key=KEY)
    found = [each for each in findings(who, offline=False) if each.about == "provider"]
    assert [each.state for each in found] == ["ok", "bad"]


def test_a_healthy_node_to_be_has_nothing_bad(tmp_path: Path, provider: str) -> None:
    tmp_path.chmod(0o700)
    with socket.create_server(("127.0.0.1", 0)) as neighbor:
        place = NEIGHBOR.format(neighbor.getsockname()[1])
        who = patient(tmp_path, blockchain_service_url=provider, neighbors=place, consuming_private_key=KEY)
        found = findings(who, offline=False)
    assert [each for each in found if each.state == "bad"] == []
    assert {each.about for each in found} >= {"directory", "disk", "descriptors", "wallet", "provider", "funds", "gas"}
    assert any("3 MASQ" in each.words for each in found)
    # It is no Node, and nothing tells it from one of 0.9.1.
    asked = next(each for each in found if each.about == "neighbors")
    assert (asked.state, asked.words.endswith("doesn't prove the key")) == ("warning", True)


def test_the_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert only(patient(tmp_path), "directory") == Finding(
        "directory", "warning", f"others can look into {tmp_path}", f"chmod 700 {tmp_path}"
    )
    assert only(patient(tmp_path / "new"), "directory").state == "ok"
    (tmp_path / "file").touch()
    assert only(patient(tmp_path / "file" / "x"), "directory").state == "bad"
    (tmp_path / ("x" * 100)).mkdir(mode=0o700)
    assert [each.state for each in findings(patient(tmp_path / ("x" * 100)), "directory")] == ["ok", "bad"]


def test_the_books_are_looked_into(tmp_path: Path) -> None:
    assert findings(patient(tmp_path), "books") == []
    Store.open(tmp_path, None).close()
    assert only(patient(tmp_path), "books").state == "ok"
    (tmp_path / "node.head").unlink()
    found = only(patient(tmp_path), "books")
    assert (found.state, "node.head is missing" in found.words) == ("bad", True)
    assert "masq ledger verify" in found.do
    Store.open(tmp_path, None, "by a test").close()
    change_password(tmp_path, None, "a password")
    assert only(patient(tmp_path), "books").state == "bad"
    assert only(patient(tmp_path, db_password="a password"), "books").state == "ok"


@pytest.mark.parametrize(("free", "state"), [(10**8, "bad"), (5 * 10**8, "warning"), (10**10, "ok")])
def test_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(free))
    assert only(patient(tmp_path), "disk").state == state


@pytest.mark.parametrize(("hard", "state"), [(1024, "warning"), (65_536, "ok"), (resource.RLIM_INFINITY, "ok")])
def test_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard: int, state: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, hard))
    assert only(patient(tmp_path), "descriptors").state == state
    # Of a Node that runs, its own limit counts.
    monkeypatch.setattr(doctor, "_limit_of", lambda pid: 100)
    assert only(patient(tmp_path, {"pid": 1, "entry": "127.0.0.1:1"}), "descriptors").state == "warning"


def test_wallets(tmp_path: Path) -> None:
    assert only(patient(tmp_path), "wallet").state == "warning"
    assert only(patient(tmp_path, neighborhood_mode="consume-only"), "wallet").state == "bad"
    assert only(patient(tmp_path, consuming_private_key=KEY), "wallet").state == "ok"
    assert findings(patient(tmp_path, neighborhood_mode="zero-hop"), "wallet") == []


def test_ports_that_are_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = only(patient(tmp_path, entry_port=port), "entry")
        assert (found.state, found.do) == ("bad", "another one: --entry-port")
        assert f"ss -ltnp sport = :{port}" in found.words
        assert only(patient(tmp_path, {"entry": f"127.0.0.1:{port}"}), "entry").state == "ok"
        assert only(patient(tmp_path, clandestine_port=port), "port").state == "bad"
    assert only(patient(tmp_path, entry_port=port), "entry").state == "ok"
    assert only(patient(tmp_path, {"entry": f"127.0.0.1:{port}"}), "entry").state == "bad"


def test_whether_others_reach_it(tmp_path: Path) -> None:
    status: dict[str, Any] = {"entry": "127.0.0.1:9", "descriptor": "masq://dev:K@1.2.3.4:4519", "uptime": 1000}
    found = only(patient(tmp_path, {**status, "links": [{"outbound": True}]}), "port")
    assert (found.state, "forward TCP port 4519" in found.do) == ("warning", True)
    assert only(patient(tmp_path, {**status, "links": [{"outbound": False}]}), "port").state == "ok"
    assert findings(patient(tmp_path, {**status, "uptime": 10}), "port") == []


@pytest.mark.parametrize(
    ("changes", "about", "words", "do"),
    [
        ({"eth_chainId": "0x1"}, "provider", "it serves chain 1", "--chain"),
        ({"eth_blockNumber": "x"}, "provider", "eth_blockNumber", "--blockchain-service-url"),
        ({"eth_getBlockByNumber": {"timestamp": "0xffffffffff"}}, "clock", "this clock is slow", "timedatectl"),
        ({"eth_call": "0x" + "0" * 64}, "funds", "has no MASQ", "send MASQ to 0x"),
        ({"eth_getBalance": "0x0"}, "gas", "none of the chain's coins", "send it a little"),
    ],
)
def test_the_provider_and_the_wallet_on_its_chain(
    tmp_path: Path,
    provider: str,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    about: str,
    words: str,
    do: str,
) -> None:
    monkeypatch.setattr(Provider, "answers", answers(**changes))
    found = only(patient(tmp_path, blockchain_service_url=provider, consuming_private_key=KEY), about, offline=False)
    assert found.state == "bad"
    assert words in found.words
    assert do in found.do


def test_no_provider_and_one_that_is_not_there(tmp_path: Path) -> None:
    assert only(patient(tmp_path), "provider", offline=False).words == "none is set"
    status = {"entry": "127.0.0.1:9"}
    assert only(patient(tmp_path, status), "provider", offline=False).state == "warning"
    found = only(patient(tmp_path, blockchain_service_url="http://127.0.0.1:9"), "provider", offline=False)
    assert "no connection" in found.words


def test_what_the_latest_block_says() -> None:
    now = 1_000_000.0
    assert from_head("base-mainnet", 5, {"timestamp": hex(999_990)}, now).state == "ok"
    late = from_head("base-mainnet", 5, {"timestamp": hex(900_000)}, now)
    assert (late.state, "lags" in late.words) == ("bad", True)
    assert from_head("dev", 5, {"timestamp": hex(900_000)}, now).state == "ok", "a chain of one's own sleeps"
    for block in (None, {}, {"timestamp": "soon"}, {"timestamp": 3.5}):
        assert from_head("dev", 5, block, now).state == "warning"


def test_neighbors_that_do_not_answer(tmp_path: Path, provider: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    who = patient(tmp_path, blockchain_service_url=provider, neighbors=NEIGHBOR.format(max(port, 1025)))
    found = only(who, "neighbors", offline=False)
    assert (found.state, found.do) == ("bad", "name a Node that runs: --neighbors")


def test_settings_that_do_not_fit_are_a_finding_and_wrong_ones_an_error(tmp_path: Path) -> None:
    _, found = admit({"data-directory": str(tmp_path)}, {})
    assert [each.state for each in found if each.about == "settings"] == ["bad"]
    assert [each.do for each in found if each.about == "Node"] == ["masq run"]
    with pytest.raises(SettingError, match="min-hops"):
        admit({"data-directory": str(tmp_path), "min-hops": "99"}, {})
