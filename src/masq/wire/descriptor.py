"""Node descriptors: `masq://<chain>:<key>@<address>`, how an operator names a Node (protocol.md 4.2)."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from masq.errors import MalformedError
from masq.types import CHAINS, Chain, NodeAddress

PREFIX = "masq://"
KEY_LENGTH = 32
KEY_CHARACTERS = 43
FIRST_CONTACT_KEY_LENGTH = 64
MAX_LENGTH = 4096
MIN_PORT = 1025
MAX_PORT = 65535

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """`key` is the X25519 half of the public key, 32 bytes; `address` is None for a Node without a listener."""

    chain: Chain
    key: bytes
    address: NodeAddress | None = None

    def __str__(self) -> str:
        key = urlsafe_b64encode(self.key).rstrip(b"=").decode()[:KEY_CHARACTERS]
        if self.address is None:
            return f"{PREFIX}{self.chain.name}:{key}@:"
        ports = "/".join(str(port) for port in sorted(set(self.address.ports)))
        return f"{PREFIX}{self.chain.name}:{key}@{self.address.ip}:{ports}"

    @property
    def first_contact_key(self) -> bytes:
        """The key a Debut is sealed to: 64 bytes, the unknown Ed25519 half zero (protocol.md 4.3)."""
        return self.key.ljust(FIRST_CONTACT_KEY_LENGTH, b"\0")


def parse_descriptor(text: str, *, key_length: int | None = KEY_LENGTH) -> Descriptor:
    """The Node that `text` names; MalformedError otherwise. `key_length` None: keys of any length (protocol.md 3.9)."""
    if len(text) > MAX_LENGTH:
        raise MalformedError(f"a descriptor has at most {MAX_LENGTH} characters, this one has {len(text)}")
    if not text.startswith(PREFIX):
        raise _malformed(text, f"it must start with {PREFIX}")
    identity, at, place = text.removeprefix(PREFIX).partition("@")
    if not at:
        raise _malformed(text, "there is no @ between the key and the address")
    chain_name, colon, key_text = identity.partition(":")
    if not colon:
        raise _malformed(text, "there is no colon between the chain and the key")
    chain = CHAINS.get(chain_name)
    if chain is None:
        raise _malformed(text, f"{chain_name!r} is no chain; known are {', '.join(CHAINS)}")
    key = _parse_key(text, key_text, key_length)
    return Descriptor(chain, key, None if place == ":" else _parse_address(text, place))


def _malformed(text: str, problem: str) -> MalformedError:
    shown = text if len(text) <= 120 else text[:117] + "..."
    return MalformedError(f"{shown!r} is no Node descriptor: {problem}")


def _parse_key(text: str, key_text: str, length: int | None) -> bytes:
    if not key_text:
        raise _malformed(text, "the key is empty")
    if not _BASE64URL.fullmatch(key_text):
        raise _malformed(text, "the key may only hold letters, digits, - and _ (URL-safe base64 without padding)")
    if length is not None and len(key_text) != (length * 8 + 5) // 6:
        raise _malformed(text, f"the key must have {(length * 8 + 5) // 6} characters, it has {len(key_text)}")
    if len(key_text) % 4 == 1:
        raise _malformed(text, f"no key is {len(key_text)} characters of base64 long")
    key = urlsafe_b64decode(key_text + "=" * (-len(key_text) % 4))
    if urlsafe_b64encode(key).rstrip(b"=").decode() != key_text:
        raise _malformed(text, f"the last character of the key, {key_text[-1]}, holds bits that belong to no byte")
    return key


def _parse_address(text: str, place: str) -> NodeAddress:
    ip_text, colon, ports_text = place.partition(":")
    if not colon or ":" in ports_text:
        raise _malformed(text, "after @ comes a colon alone, or an IPv4 address, one colon and ports separated by /")
    try:
        ip = IPv4Address(ip_text)
    except AddressValueError:
        raise _malformed(text, f"{ip_text!r} is no IPv4 address (host names are not possible here)") from None
    ports = sorted({_parse_port(text, port) for port in ports_text.split("/")})
    return NodeAddress(str(ip), tuple(ports))


def _parse_port(text: str, port: str) -> int:
    if not _PORT.fullmatch(port) or not MIN_PORT <= int(port) <= MAX_PORT:
        raise _malformed(text, f"{port!r} is no port from {MIN_PORT} to {MAX_PORT}")
    return int(port)
