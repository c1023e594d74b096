"""What was recorded from real MASQ Nodes 0.9.1, and known answers worked out from the specification."""

from __future__ import annotations

import functools
import gzip
import json
import os
from pathlib import Path
from typing import Any

from masq.crypto import CryptDE

VECTORS = Path(__file__).parent / "vectors"


@functools.cache
def captured() -> dict[str, Any]:
    return json.loads(gzip.decompress((VECTORS / "captured-v0.9.1.json.gz").read_bytes()))


@functools.cache
def derived() -> dict[str, Any]:
    return json.loads((VECTORS / "wire-v0.9.1-derived.json").read_text())


@functools.cache
def money() -> dict[str, Any]:
    return {case["id"]: case for case in json.loads((VECTORS / "money-v0.9.1.json").read_text())["cases"]}


def case(name: str) -> dict[str, Any]:
    return next(case for case in captured()["cases"] if case["id"] == name)


def identity(name: str) -> dict[str, Any]:
    return captured()["identities"][name]


def keys_of(name: str, alias: bool = False) -> CryptDE:
    """The key pair of a scripted peer."""
    peer = identity(name)
    prefix = "alias_" if alias else ""
    seed = bytes.fromhex(peer[f"{prefix}ed25519_seed"])
    public = bytes.fromhex(peer[f"{prefix}public_key"])
    secret = bytes.fromhex(peer[f"{prefix}x25519_secret"])
    return CryptDE(bytes.fromhex(peer["contract"]), os.urandom, secret, seed + public[32:])
