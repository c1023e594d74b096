"""The committed artifact is what the pinned compiler makes of the source, and what the Node looks for on the chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tools.contracts import ARTIFACT, ROOT, SOLC, SOURCE, compiled, text

from masq.chain.disperser import CODE_HASH, UNPAID_TOPIC, disperse_data
from masq.chain.voucher import Deal, Voucher, redeem_data, redeemed_data
from masq.keccak import keccak256
from masq.types import CHAINS


@pytest.fixture
def artifact() -> Mapping[str, Any]:
    made: dict[str, Any] = json.loads(ARTIFACT.read_text())
    return made


def test_the_artifact_is_compiled_from_the_source() -> None:
    """If not: `make contracts`."""
    if not SOLC.exists():
        pytest.fail("the compiler is missing: run `make tools`")
    assert text(compiled()) == ARTIFACT.read_text()


def test_the_artifact_tells_of_its_source_compiler_and_code(artifact: Mapping[str, Any]) -> None:
    assert artifact["source_sha256"] == hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    version = artifact["compiler"].removeprefix("solc ").partition("+")[0]
    assert f"SOLC := solc@{version}\n" in (ROOT / "Makefile").read_text()
    assert f"pragma solidity {version};" in SOURCE.read_text()
    runtime = bytes.fromhex(artifact["runtime"][2:])
    assert keccak256(runtime).hex() == artifact["runtime_keccak256"] == CODE_HASH.hex()
    assert artifact["bytecode"].endswith(artifact["runtime"][2:]), "nothing in it depends on who deploys it, or where"


def test_calls_and_logs_are_those_of_its_interface(artifact: Mapping[str, Any]) -> None:
    entries = {each["name"]: each for each in artifact["abi"]}
    signatures = {
        name: f"{name}({','.join(each['type'] for each in entry['inputs'])})" for name, entry in entries.items()
    }
    assert set(entries) == {"disperse", "redeem", "redeemed", "Unpaid"}
    assert disperse_data(b"t" * 20, []).startswith(keccak256(signatures["disperse"].encode())[:4])
    deal = Deal(CHAINS["dev"], b"d" * 20, b"p" * 20, b"e" * 20)
    assert redeem_data(deal, Voucher(1, bytes(65)), 1).startswith(keccak256(signatures["redeem"].encode())[:4])
    assert redeemed_data(deal).startswith(keccak256(signatures["redeemed"].encode())[:4])
    assert keccak256(signatures["Unpaid"].encode()) == UNPAID_TOPIC
    assert [each["indexed"] for each in entries["Unpaid"]["inputs"]] == [True, True, False]
