"""A real chain of its own for a test: anvil, with the demo's token at its place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from masq.demo.funds import Funds
from masq.demo.token import token_account
from masq.types import CHAINS, Address, Chain

ANVIL = Path(__file__).parents[1] / ".tools" / "node_modules" / ".bin" / "anvil"


@contextmanager
def bare_anvil(chain: Chain, *options: str) -> Iterator[str]:
    """The URL of one without a token, whose first account has coins."""
    if not ANVIL.exists():
        pytest.fail("anvil is missing: run `make tools`")
    command = [str(ANVIL), "--port", "0", "--chain-id", str(chain.id), "--accounts", "1", *options]
    # npm's command starts the real one: a session of their own lets both be ended.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            line = next((each for each in process.stdout if each.startswith("Listening on ")), "")
            if not line:
                pytest.fail("anvil ended before it listened")
            yield "http://" + line.removeprefix("Listening on ").strip()
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def running_anvil(funds: Mapping[Address, Funds], chain: Chain = CHAINS["dev"]) -> Iterator[str]:
    """Its URL. These wallets have coins and tokens; blocks are mined by hand."""
    with bare_anvil(chain, "--no-mining") as url:
        account = token_account(funds)
        token = "0x" + chain.contract.hex()
        _set(url, "anvil_setCode", token, "0x" + account.code.hex())
        for slot, value in account.storage.items():
            _set(url, "anvil_setStorageAt", token, hex(slot), f"0x{value:064x}")
        for wallet, owned in funds.items():
            _set(url, "anvil_setBalance", "0x" + wallet.hex(), hex(owned.native))
        yield url


def _set(url: str, method: str, *params: object) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert "error" not in json.load(answer)
