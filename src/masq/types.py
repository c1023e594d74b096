"""The nouns that every layer shares: chains, rates, endpoints, wallets. Amounts are wei, as `int`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple, NewType

PublicKey = bytes
"""64 bytes: X25519 public key, then Ed25519 public key (protocol.md 3.1)."""

Address = bytes
"""20 bytes: an Ethereum address."""

Wei = NewType("Wei", int)
"""An amount, where it has to be told from other numbers."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One row of the chain table (protocol.md 4.1)."""

    name: str
    id: int
    contract: Address
    creation_block: int
    gas_limit_base: int
    most_gas_price: int
    """Wei per gas beyond which a provider isn't believed: some ten times what busy hours have seen there."""
    confirmations: int
    """Blocks that follow one before what it holds counts: rarely are more replaced there."""
    mainnet: bool = False


def _chain(
    name: str, id: int, contract: str, block: int, gwei: int, depth: int, gas: int = 70_000, mainnet: bool = False
) -> Chain:
    """`gwei`: the highest gas price; `depth`: the confirmations."""
    return Chain(name, id, bytes.fromhex(contract), block, gas, gwei * 10**9, depth, mainnet)


CHAINS: dict[str, Chain] = {
    chain.name: chain
    for chain in (
        _chain("polygon-mainnet", 137, "ee9a352f6aac4af1a5b9f467f6a93e0ffbe9dd35", 14_863_650, 5_000, 32, mainnet=True),
        _chain("eth-mainnet", 1, "06f3c323f0238c72bf35011071f2b5b7f43a054c", 11_170_708, 500, 6, 55_000, mainnet=True),
        _chain("base-mainnet", 8453, "45d9c101a3870ca5024582fd788f4e1e8f7971c3", 19_711_235, 5, 10, mainnet=True),
        _chain("base-sepolia", 84532, "898e1ce720084a902bc37dd822ed6d6a5f027e10", 14_732_730, 50, 3),
        _chain("polygon-amoy", 80002, "d98c3ebd6b7f9b7cda2449ecac00d1e5f47a8193", 5_323_366, 5_000, 16),
        _chain("eth-ropsten", 3, "384dec25e03f94931767ce4c3556168468ba24c3", 8_688_171, 500, 6, 55_000),
        _chain("dev", 2, "59882e4a8f5d24643d4dda422922a870f1b3e664", 0, 5_000, 0, 55_000),
    )
}
DEFAULT_CHAIN = "base-mainnet"
DEFAULT_EARNING_WALLET: Address = bytes.fromhex("27d9a2ac83b493f88ce9b4532edcf74e95b9788d")


class Mode(StrEnum):
    """What a Node does for others (protocol.md 9.1)."""

    STANDARD = "standard"
    ORIGINATE_ONLY = "originate-only"
    CONSUME_ONLY = "consume-only"
    ZERO_HOP = "zero-hop"

    @property
    def accepts_connections(self) -> bool:
        return self is Mode.STANDARD

    @property
    def routes_data(self) -> bool:
        return self in (Mode.STANDARD, Mode.ORIGINATE_ONLY)


class LinkPolicy(StrEnum):
    """Which links to other Nodes are allowed."""

    AUTO = "auto"
    SECURE = "secure"
    MASQ = "masq"


class PackagePolicy(StrEnum):
    """How streams of this Node's user travel."""

    AUTO = "auto"
    CIRCUITS = "circuits"
    MASQ = "masq"


class VoucherPolicy(StrEnum):
    """How debts to and of other Nodes are promised."""

    OFF = "off"
    GIVE = "give"
    ASK = "ask"


class RatePack(NamedTuple):
    """Prices in wei: per byte and per package, as relay and as exit. Each is an unsigned 64-bit integer."""

    routing_byte_rate: int
    routing_service_rate: int
    exit_byte_rate: int
    exit_service_rate: int

    def routing_charge(self, size: int) -> int:
        """Wei for relaying `size` bytes of sealed payload (protocol.md 8.6)."""
        return self.routing_service_rate + self.routing_byte_rate * size

    def exit_charge(self, size: int) -> int:
        """Wei for carrying `size` bytes of plain data out of or into the network."""
        return self.exit_service_rate + self.exit_byte_rate * size


DEFAULT_RATE_PACK = RatePack(53_844, 53_844, 107_688, 107_688)
NO_RATES = RatePack(0, 0, 0, 0)


class Endpoint(NamedTuple):
    """One TCP or UDP endpoint; `ip` is the textual form, IPv4 or IPv6."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class NodeAddress(NamedTuple):
    """Where a Node listens: an IP and its ports, ascending and unique (protocol.md 7.7)."""

    ip: str
    ports: tuple[int, ...]

    @property
    def endpoint(self) -> Endpoint:
        """The lowest port, which is the one that is dialled."""
        return Endpoint(self.ip, self.ports[0])


def address_text(address: Address) -> str:
    """`0x` and 40 lower-case hex digits."""
    return "0x" + address.hex()


def parse_address(text: str) -> Address:
    """The 20 bytes of `0x` + 40 hex digits of any case; ValueError otherwise."""
    if len(text) != 42 or text[:2] not in ("0x", "0X"):
        raise ValueError("a wallet address is 0x and 40 hex digits")
    return bytes.fromhex(text[2:])


def time_text(seconds: int) -> str:
    """A unix time for people: UTC, to the second."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"second {seconds}"


def amount_text(wei: int) -> str:
    """An amount for people: four digits that count, in MASQ."""
    if not wei:
        return "0 MASQ"
    sign, wei = "-" if wei < 0 else "", abs(wei)
    if wei >= 1000 * 10**18:
        return f"{sign}{wei // 10**18:,} MASQ"
    decimals = max(0, 22 - len(str(wei)))
    step = 10 ** (18 - min(18, decimals))
    whole, rest = divmod((wei + step // 2) // step * step, 10**18)
    return f"{sign}{whole}.{rest:018}".rstrip("0").rstrip(".") + " MASQ"
