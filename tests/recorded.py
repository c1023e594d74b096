"""What was recorded from real MASQ Nodes 0.9.1, and known answers worked out from the specification."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from nacl import bindings as sodium
from nacl.exceptions import CryptoError as SodiumError

from masq.crypto import CryptDE
from masq.wire.frame import unmask
from masq.wire.package import Package

VECTORS = Path(__file__).parent / "vectors"


@functools.cache
def captured() -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads(gzip.decompress((VECTORS / "captured-v0.9.1.json.gz").read_bytes()))
    return recorded


@functools.cache
def derived() -> dict[str, Any]:
    answers: dict[str, Any] = json.loads((VECTORS / "wire-v0.9.1-derived.json").read_text())
    return answers


@functools.cache
def money() -> dict[str, Any]:
    return {case["id"]: case for case in json.loads((VECTORS / "money-v0.9.1.json").read_text())["cases"]}


def case(name: str) -> dict[str, Any]:
    return next(case for case in captured()["cases"] if case["id"] == name)


def identity(name: str) -> dict[str, Any]:
    found: dict[str, Any] = captured()["identities"][name]
    return found


def keys_of(name: str, alias: bool = False) -> CryptDE:
    """The key pair of a scripted peer."""
    peer = identity(name)
    prefix = "alias_" if alias else ""
    seed = bytes.fromhex(peer[f"{prefix}ed25519_seed"])
    public = bytes.fromhex(peer[f"{prefix}public_key"])
    secret = bytes.fromhex(peer[f"{prefix}x25519_secret"])
    return CryptDE(bytes.fromhex(peer["contract"]), os.urandom, secret, seed + public[32:])


@functools.cache
def _ephemerals(prefix: str, count: int) -> dict[bytes, bytes]:
    secrets = [hashlib.sha256(f"{prefix} {number}".encode()).digest() for number in range(count)]
    return {sodium.crypto_scalarmult_base(secret): secret for secret in secrets}


def open_sent(recording: dict[str, Any], box: bytes, recipient: bytes) -> bytes:
    """What a scripted peer sealed to a real Node, opened with the peer's ephemeral secret. KeyError if it can't be."""
    known = _ephemerals(recording["ephemerals"]["prefix"], recording["ephemerals"]["count"])
    nonce = hashlib.blake2b(box[:32] + recipient[:32], digest_size=24).digest()
    try:
        return sodium.crypto_box_open_easy(box[32:], nonce, recipient[:32], known[box[:32]])
    except SodiumError as error:
        raise KeyError("sealed to somebody else") from error


def message_of(recording: dict[str, Any], step: dict[str, Any]) -> bytes:
    """The message in a recorded frame, whoever sent it: before its envelope is decoded."""
    who = step["opens_with"]
    box = unmask(step["frame"].encode())
    if step["by"] == "secret":
        package = Package.decode(keys_of(who).open(box))
        return keys_of(who).open(package.payload)
    recipient = bytes.fromhex(identity(who)["public_key"])
    package = Package.decode(open_sent(recording, box, recipient))
    return open_sent(recording, package.payload, recipient)
