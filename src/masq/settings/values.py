"""The values of settings: text -> value. Each function raises ValueError, whose text (if any) says what is wrong."""

from __future__ import annotations

import re
from base64 import b64decode
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from masq.core.accountant.thresholds import PaymentThresholds
from masq.core.limits import MAX_WALLETS
from masq.errors import MalformedError
from masq.types import CHAINS, Address, Chain, RatePack, parse_address
from masq.wire.descriptor import MAX_PORT, MIN_PORT, Descriptor, parse_descriptor

MAX_U64 = 2**64 - 1
SLOWEST = 50_000
MOST_FURTHER = MAX_WALLETS - 1
SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141

_DIGITS = re.compile(r"[0-9]{1,20}")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_PRIVATE_KEY = re.compile(r"[0-9A-Fa-f]{64}")
_REAL_USER = re.compile(r"[0-9]*:[0-9]*:.*")
_COUNTRY = re.compile(r"[A-Za-z]{2}")

E = TypeVar("E", bound=StrEnum)


class LogLevel(StrEnum):
    OFF = "off"
    ERROR = "error"
    WARN = "warn"
    INFO = "info"
    DEBUG = "debug"
    TRACE = "trace"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class MappingProtocol(StrEnum):
    """How to ask a router for an open port."""

    PCP = "pcp"
    PMP = "pmp"
    IGDP = "igdp"


class CrashPoint(StrEnum):
    MESSAGE = "message"
    PANIC = "panic"
    ERROR = "error"
    NONE = "none"


class ScanIntervals(NamedTuple):
    """Seconds from the start of one scan to the start of the next of its kind (accounting.md 2.1)."""

    pending_payable: int
    payable: int
    receivable: int


def number(text: str, low: int, high: int) -> int:
    if not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
        raise ValueError
    return int(text)


def port(text: str) -> int:
    """A port that needs no privilege."""
    return number(text, MIN_PORT, MAX_PORT)


def any_port(text: str) -> int:
    return number(text, 0, MAX_PORT)


def port_or_off(text: str) -> int | None:
    """None: off."""
    return None if text == "off" else any_port(text)


def hops(text: str) -> int:
    return number(text, 1, 6)


def percent(text: str) -> int:
    return number(text, 0, 100)


def gas_price(text: str) -> int:
    return number(text, 1, MAX_U64)


def rate(text: str) -> int:
    """MB per second, as text -> bytes."""
    size = volume(text, 10**6)
    if 0 < size < SLOWEST:
        raise ValueError("less than 0.05 MB/s carries nothing")
    return size


def volume(text: str, unit: int = 10**9) -> int:
    """GB, as text -> bytes."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError
    return int(Decimal(text) * unit)


def megabytes(text: str) -> int:
    return number(text, 1, 10_000)


def log_files(text: str) -> int:
    return number(text, 1, 100)


def package_data(text: str) -> int:
    return number(text, 1024, 65536)


def numbers(text: str, count: int) -> tuple[int, ...]:
    """`count` unsigned 64-bit numbers, separated by `|`."""
    parts = text.split("|")
    if len(parts) != count:
        hint = "; the delimiter is |" if len(parts) == 1 else ""
        raise ValueError(f"expected {count} numbers but {len(parts)} supplied{hint}")
    for part in parts:
        if not _DIGITS.fullmatch(part) or int(part) > MAX_U64:
            raise ValueError(f"{part!r} is no whole number from 0 to {MAX_U64}")
    return tuple(int(part) for part in parts)


def rate_pack(text: str) -> RatePack:
    return RatePack(*numbers(text, 4))


def masq(text: str) -> int:
    """Wei, of an amount in MASQ."""
    whole, _, part = text.partition(".")
    if not (
        _DIGITS.fullmatch(whole) and (not part or _DIGITS.fullmatch(part)) and len(part) <= 18 and len(whole) <= 12
    ):
        raise ValueError
    return int(whole) * 10**18 + int(part.ljust(18, "0"))


def scan_intervals(text: str) -> ScanIntervals:
    intervals = ScanIntervals(*numbers(text, 3))
    if 0 in intervals:
        raise ValueError("an interval of 0 seconds would scan in an endless busy loop; `scans off` turns scans off")
    return intervals


def payment_thresholds(text: str) -> PaymentThresholds:
    thresholds = PaymentThresholds(*numbers(text, 6))
    if problem := thresholds.problem():
        raise ValueError(problem)
    return thresholds


def word(kind: type[E], text: str) -> E:
    """A member of `kind`, in any letter case."""
    try:
        return kind(text.lower())
    except ValueError:
        raise ValueError from None


def contract_or_off(text: str) -> Address | None:
    """None: off."""
    return None if text == "off" else parse_address(text)


def on_off(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError
    return text == "on"


def chain(text: str) -> Chain:
    if text not in CHAINS:
        raise ValueError
    return CHAINS[text]


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError from None


def own_ip(text: str) -> str | None:
    """0.0.0.0 means "ask the router", as if no address were given: None."""
    address = _address(text)
    if not isinstance(address, IPv4Address):
        raise ValueError("MASQ Nodes can only be reached by IPv4")
    return None if address.is_unspecified else str(address)


def ip(text: str) -> str:
    return str(_address(text))


def ips(text: str) -> tuple[str, ...]:
    return tuple(ip(part.strip()) for part in text.split(",")) if text else ()


def neighbors(text: str) -> tuple[Descriptor, ...]:
    """Keys may still have any length here: which one is right depends on another setting. Empty text: no neighbors."""
    descriptors: list[Descriptor] = []
    for part in text.split(",") if text else ():
        try:
            descriptor = parse_descriptor(part.strip(), key_length=None)
        except MalformedError as error:
            raise ValueError(str(error)) from None
        if descriptor.address is None:
            raise ValueError(f"{descriptor} has no address; a neighbor must have one")
        if descriptor not in descriptors:
            descriptors.append(descriptor)
    return tuple(descriptors)


def private_key(text: str) -> bytes:
    if not _PRIVATE_KEY.fullmatch(text):
        raise ValueError(f"it has {len(text)} characters" if len(text) != 64 else "")
    if not 0 < int(text, 16) < SECP256K1_ORDER:
        raise ValueError("a private key is above 0 and below the order of secp256k1")
    return bytes.fromhex(text)


def private_keys(text: str) -> tuple[bytes, ...]:
    """Keys of further wallets, each once."""
    if not text:
        return ()
    keys = tuple(private_key(each.strip()) for each in text.split(","))
    if len(keys) > MOST_FURTHER:
        raise ValueError(f"these are {len(keys)} keys, and {MOST_FURTHER} is the most")
    if len(set(keys)) < len(keys):
        raise ValueError("one of the keys is there twice")
    return keys


def password(text: str) -> str:
    """Bytes of the command line that are no UTF-8 arrive as lone surrogates, which no key can be derived from."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not in UTF-8") from None
    return text


def wallet(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError:
        raise ValueError from None


def fake_key(text: str) -> bytes:
    key = b64decode(text, validate=True)
    if not key:
        raise ValueError
    return key


def url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError
    parts.port  # noqa: B018 - a port that is no number shows only when it is asked for
    return text


def urls(text: str) -> str:
    """One, or several with commas in between."""
    return ",".join(url(each.strip()) for each in text.split(","))


def real_user(text: str) -> str:
    if not _REAL_USER.fullmatch(text):
        raise ValueError
    return text


def country(text: str) -> str:
    if not _COUNTRY.fullmatch(text):
        raise ValueError
    return text.upper()


def exit_location(text: str) -> tuple[frozenset[str], ...]:
    """Groups of countries, the first preferred: `DE,AT|CH`. The numbers of 0.9.1 sort them: `CH:2|DE,AT:1`."""
    groups: dict[int, frozenset[str]] = {}
    named: list[str] = []
    for at, part in enumerate(text.split("|") if text else (), 1):
        codes, colon, priority = part.partition(":")
        place = number(priority, 1, 1_000) if colon else at
        countries = [country(code) for code in codes.split(",")]
        groups[place] = groups.get(place, frozenset()).union(countries)
        named += countries
    if len(named) != len(set(named)):
        raise ValueError("a country is named twice")
    return tuple(groups[place] for place in sorted(groups))


def path(text: str) -> Path:
    """A path; a leading `~` is the user's home. Not made absolute: what it is relative to depends on the setting."""
    if "\0" in text:
        raise ValueError
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from None
