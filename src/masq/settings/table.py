"""The table of settings: names, types, defaults and help of everything an operator can say to a Node."""

from __future__ import annotations

# ruff: noqa: RUF009 - the calls in the class body are what makes the class the table
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar, cast, overload

from masq.core.accountant.thresholds import PaymentThresholds
from masq.settings import values
from masq.settings.exit_rules import DEFAULT_RULES, ExitRule, exit_rules
from masq.settings.values import (
    CrashPoint,
    LogFormat,
    LogLevel,
    MappingProtocol,
    ScanIntervals,
)
from masq.types import (
    CHAINS,
    DEFAULT_CHAIN,
    DEFAULT_EARNING_WALLET,
    Address,
    Chain,
    LinkPolicy,
    Mode,
    PackagePolicy,
    RatePack,
    VoucherPolicy,
    address_text,
)
from masq.types import DEFAULT_RATE_PACK as RATES
from masq.wire.descriptor import Descriptor

Bare = Literal["ignored", "clears", "refused"]
"""What the option means without a value: as if not given; no value, whatever a config file says; an error."""

Group = Literal["Network", "Chain and money", "Entry and exit", "Files and secrets", "Compatibility"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """One row. `expects` reads after "what was given is not"; `default` is the text of it, None where there is none."""

    name: str
    parse: Callable[[str], object]
    expects: str
    help: str
    group: Group
    default: str | None
    default_help: str
    bare: Bare
    secret: bool
    hidden: bool

    @property
    def attribute(self) -> str:
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "MASQ_" + self.attribute.upper()


@overload
def _setting(
    name: str,
    parse: Callable[[str], T],
    expects: str,
    help: str,
    group: Group,
    *,
    default: str,
    default_help: str = ...,
    bare: Bare = ...,
    secret: bool = ...,
    hidden: bool = ...,
) -> T: ...
@overload
def _setting(
    name: str,
    parse: Callable[[str], T],
    expects: str,
    help: str,
    group: Group,
    *,
    default_help: str = ...,
    bare: Bare = ...,
    secret: bool = ...,
    hidden: bool = ...,
) -> T | None: ...
def _setting(
    name: str,
    parse: Callable[[str], T],
    expects: str,
    help: str,
    group: Group,
    *,
    default: str | None = None,
    default_help: str = "",
    bare: Bare = "ignored",
    secret: bool = False,
    hidden: bool = False,
) -> T | None:
    row = Setting(name, parse, expects, help, group, default, default_help, bare, secret, hidden)
    value = None if default is None else parse(default)
    # What dataclass() is to see is a field; what the type checker is to see is the field's type.
    entry: object = field(default=value, repr=not secret, metadata={"setting": row})
    return cast("T | None", entry)


Words = LogLevel | LogFormat | MappingProtocol | LinkPolicy | PackagePolicy | VoucherPolicy | CrashPoint | Mode


def _words(words: type[Words]) -> str:
    return "one of " + ", ".join(words)


ON_OFF = "on or off"
PORT = "a port from 1025 to 65535"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator decided, valid as a whole when it comes from `load`. A field is a row of the table."""

    chain: Chain = _setting(
        "chain",
        values.chain,
        "one of " + ", ".join(CHAINS),
        "The blockchain that payments travel on. Only Nodes of the same chain talk to each other.",
        "Network",
        default=DEFAULT_CHAIN,
    )
    neighborhood_mode: Mode = _setting(
        "neighborhood-mode",
        partial(values.word, Mode),
        _words(Mode),
        "What this Node does for others. standard: relays, exits and accepts connections; originate-only: relays and "
        "exits over connections that it opened itself; consume-only: nothing; zero-hop: no network at all, traffic "
        "leaves from this machine.",
        "Network",
        default=Mode.STANDARD,
    )
    ip: str | None = _setting(
        "ip",
        values.own_ip,
        "an IPv4 address",
        "The public IP address of this Node. Without it (or with 0.0.0.0) the router is asked.",
        "Network",
        default_help="ask the router",
    )
    clandestine_port: int | None = _setting(
        "clandestine-port",
        values.port,
        PORT,
        "The TCP port for other Nodes, in mode standard.",
        "Network",
        default_help="the port of the last run; at the first run one is chosen",
    )
    neighbors: tuple[Descriptor, ...] = _setting(
        "neighbors",
        values.neighbors,
        "a list of Node descriptors, separated by commas",
        "Descriptors of the Nodes to join the network at: masq://<chain>:<key>@<IP>:<port>[/<port>], separated by "
        "commas. Required in the modes originate-only and consume-only, unless the last run had neighbors.",
        "Network",
        default="",
        default_help="the neighbors of the last run",
    )
    min_hops: int = _setting(
        "min-hops",
        values.hops,
        "a number from 1 to 6",
        "How many Nodes the traffic of this user passes at least; the last one is the exit.",
        "Network",
        default="3",
    )
    mapping_protocol: MappingProtocol | None = _setting(
        "mapping-protocol",
        partial(values.word, MappingProtocol),
        _words(MappingProtocol),
        "The only protocol to ask the router for an open port with; without a value: try them all.",
        "Network",
        default_help="try them all",
        bare="clears",
    )
    link_policy: LinkPolicy = _setting(
        "link-policy",
        partial(values.word, LinkPolicy),
        _words(LinkPolicy),
        "Links to other Nodes. auto: encrypted and authenticated where the other Node can, else those of MASQ Node "
        "0.9.1; secure: only the former; masq: only the latter.",
        "Network",
        default=LinkPolicy.AUTO,
        bare="refused",
    )
    package_policy: PackagePolicy = _setting(
        "package-policy",
        partial(values.word, PackagePolicy),
        _words(PackagePolicy),
        "How this user's streams travel. auto: by circuits where every Node of the route can, else in packages of MASQ "
        "Node 0.9.1; circuits: only the former; masq: only the latter.",
        "Network",
        default=PackagePolicy.AUTO,
        bare="refused",
    )
    package_data: int = _setting(
        "package-data",
        values.package_data,
        "a number from 1024 to 65536",
        "Bytes of data in one package of MASQ Node 0.9.1, between Nodes that take more than that version sends.",
        "Network",
        default="65536",
        bare="refused",
    )
    country: str | None = _setting(
        "country",
        values.country,
        "a country code of two letters",
        "The country that this Node says it is in.",
        "Network",
        default_help="follows from the IP address",
        bare="refused",
    )
    exit_location: tuple[frozenset[str], ...] = _setting(
        "exit-location",
        values.exit_location,
        "country codes of two letters, separated by commas, in groups separated by |",
        "The countries in which the exits of this Node's user are to be, such as DE,AT|CH: the first group that has "
        "one is used. Nodes say themselves where they are. Nothing: anywhere.",
        "Network",
        default="",
        default_help="anywhere",
        bare="refused",
    )
    fallback_routing: bool = _setting(
        "fallback-routing",
        values.on_off,
        ON_OFF,
        "Whether an exit in another country is taken when there is none where exit-location wants it.",
        "Network",
        default="on",
    )
    blockchain_service_url: str | None = _setting(
        "blockchain-service-url",
        values.urls,
        "an http:// or https:// URL, or several with commas in between",
        "The JSON-RPC service of the chain. Required unless the mode is zero-hop. Of several another one is asked when "
        "one fails, and in turns for what came in: what one leaves out, another shows.",
        "Chain and money",
    )
    confirmations: int | None = _setting(
        "confirmations",
        partial(values.number, low=0, high=100_000),
        "a whole number",
        "Blocks that have to follow one before a payment or income in it counts.",
        "Chain and money",
        default_help="the chain's own: 10 on base-mainnet, 32 on polygon-mainnet, 6 on eth-mainnet",
    )
    consuming_private_key: bytes | None = _setting(
        "consuming-private-key",
        values.private_key,
        "64 hex digits",
        "The private key of the wallet that pays for this user's traffic.",
        "Chain and money",
        default_help="none: this Node serves others, and its own user's traffic is refused",
        secret=True,
    )
    consuming_private_key_file: Path | None = _setting(
        "consuming-private-key-file",
        values.path,
        "a path",
        "A file that holds consuming-private-key and nothing else.",
        "Chain and money",
        bare="refused",
    )
    further_private_keys: tuple[bytes, ...] = _setting(
        "further-private-keys",
        values.private_keys,
        "64 hex digits each, with commas in between",
        "Private keys of more wallets that pay. Isolation groups (name and password at the proxy) take the wallets in "
        "turn, so that Nodes that serve two groups can't join them by who pays. Each needs MASQ and coins for gas; "
        "15 at most.",
        "Chain and money",
        default_help="none: one wallet pays for all",
        default="",
        secret=True,
    )
    further_private_keys_file: Path | None = _setting(
        "further-private-keys-file",
        values.path,
        "a path",
        "A file that holds further-private-keys and nothing else.",
        "Chain and money",
        bare="refused",
    )
    earning_wallet: Address = _setting(
        "earning-wallet",
        values.wallet,
        "0x and 40 hex digits",
        "The address that others pay to. Required in the modes standard and originate-only: who serves is paid, and "
        "nobody else in its place.",
        "Chain and money",
        default=address_text(DEFAULT_EARNING_WALLET),
        default_help="where nothing is earned, a wallet of the MASQ project stands in the Node's record",
    )
    gas_price: int = _setting(
        "gas-price",
        values.gas_price,
        f"a number from 1 to {values.MAX_U64}",
        "The gas price, in gwei, to fall back on.",
        "Chain and money",
        default="1",
        bare="refused",
    )
    rate_pack: RatePack = _setting(
        "rate-pack",
        values.rate_pack,
        "4 whole numbers, separated by |",
        "Prices in wei: per byte and per package as relay, per byte and per package as exit. Used in the modes "
        "standard and originate-only.",
        "Chain and money",
        default="|".join(str(rate) for rate in RATES),
    )
    max_rate_pack: RatePack = _setting(
        "max-rate-pack",
        values.rate_pack,
        "4 whole numbers, separated by |",
        "Prices in wei, as in rate-pack, above which another Node is not used: anybody may name any price.",
        "Chain and money",
        default="|".join(str(100 * rate) for rate in RATES),
        bare="refused",
    )
    max_price_per_gb: int = _setting(
        "max-price-per-gb",
        values.masq,
        "an amount of MASQ, such as 0.5",
        "MASQ that a GB may cost over a whole route. Usual prices come to 0.0002 over three hops.",
        "Chain and money",
        default="0.1",
        bare="refused",
    )
    max_spending_per_hour: int = _setting(
        "max-spending-per-hour",
        values.masq,
        "an amount of MASQ, such as 0.5",
        "MASQ that this user's traffic may cost in an hour: then no new connection is made, and a warning comes "
        "before; 0: any amount.",
        "Chain and money",
        default="1",
        bare="refused",
    )
    gas_share: int = _setting(
        "gas-share",
        values.percent,
        "a whole number from 0 to 100",
        "Per cent of a payment that its gas may cost: a debt that is due waits for cheaper gas, but never so long that "
        "its creditor might ban for it; 0: any. It counts where masq-per-coin says what gas costs.",
        "Chain and money",
        default="5",
        bare="refused",
    )
    masq_per_coin: int = _setting(
        "masq-per-coin",
        values.masq,
        "an amount of MASQ, such as 0.5",
        "MASQ that one of the chain's coins (ETH, POL) is worth, roughly, for gas-share: nobody else is asked; 0: not "
        "known.",
        "Chain and money",
        default="0",
        bare="refused",
    )
    pay_many: Address | None = _setting(
        "pay-many",
        values.contract_or_off,
        "an address, or off",
        "Where a contract of contracts/Disperser.sol is, by which several creditors are paid in one transaction, as "
        "far as it may move the wallet's MASQ (`masq wallet allow`).",
        "Chain and money",
        default="off",
        bare="refused",
    )
    vouchers: VoucherPolicy = _setting(
        "vouchers",
        partial(values.word, VoucherPolicy),
        _words(VoucherPolicy),
        "Whether debts are promised with new circuits, by the contract of pay-many. give: to Nodes that take it, which "
        "redeem it instead of being paid; and what others promise is taken. ask: as give, and who promises nothing is "
        "served no more.",
        "Chain and money",
        default=VoucherPolicy.OFF,
        bare="refused",
    )
    payment_thresholds: PaymentThresholds = _setting(
        "payment-thresholds",
        values.payment_thresholds,
        "6 whole numbers, separated by |",
        "When debts are paid and debtors banned: debt threshold (gwei), maturity (s), payment grace period (s), "
        "permanent debt allowed (gwei), threshold interval (s), unban below (gwei).",
        "Chain and money",
        default="1000000000|1200|1200|500000000|21600|500000000",
    )
    scans: bool = _setting(
        "scans",
        values.on_off,
        ON_OFF,
        "Whether debts and payments are looked through at regular times.",
        "Chain and money",
        default="on",
    )
    scan_intervals: ScanIntervals = _setting(
        "scan-intervals",
        values.scan_intervals,
        "3 whole numbers from 1 up, separated by |",
        "Seconds between scans of pending payments, of debts to pay, and of payments received. 0, which MASQ Node "
        "0.9.1 takes and answers with a busy loop, is refused.",
        "Chain and money",
        default="600|600|600",
    )
    max_bandwidth: int = _setting(
        "max-bandwidth",
        values.rate,
        "a number of MB, from 0.05 up, or 0",
        "MB per second that this Node takes in from other Nodes and from servers at most (as much goes out); 0: any "
        "amount.",
        "Network",
        default="0",
        bare="refused",
    )
    max_traffic_per_month: int = _setting(
        "max-traffic-per-month",
        values.volume,
        "a number of GB",
        "GB in and out, of a calendar month, after which this Node serves nobody else until the next one; its own "
        "user's traffic goes on, and counts; 0: any amount.",
        "Network",
        default="0",
        bare="refused",
    )
    entry_ip: str = _setting(
        "entry-ip",
        values.ip,
        "an IP address",
        "The address that browsers reach the entry (SOCKS5 and HTTP proxy) at.",
        "Entry and exit",
        default="127.0.0.1",
        bare="refused",
    )
    entry_port: int = _setting(
        "entry-port",
        values.any_port,
        "a port from 0 to 65535",
        "The TCP port of the entry; 0: any free one.",
        "Entry and exit",
        default="1080",
        bare="refused",
    )
    answer_early: bool = _setting(
        "answer-early",
        values.on_off,
        ON_OFF,
        "Whether a client hears that it is connected before the exit has reached its server, so that its first bytes "
        "travel with the wish: a round trip less. Off: the answer is the server's, and tells what failed.",
        "Entry and exit",
        default="on",
        bare="refused",
    )
    dns_port: int | None = _setting(
        "dns-port",
        values.any_port,
        "a port from 0 to 65535",
        "The port, at the entry's address, of a DNS server for programs that know no proxy; 0: any free one.",
        "Entry and exit",
        default_help="no such server",
        bare="refused",
    )
    dns_allow_private: bool = _setting(
        "dns-allow-private",
        values.on_off,
        ON_OFF,
        "Whether programs that ask for a name, by the DNS server or by SOCKS, are told of private addresses. Off: an "
        "exit, or who owns a name, could have a browser here talk to this machine or its network that way.",
        "Entry and exit",
        default="off",
        bare="refused",
    )
    dns_servers: tuple[str, ...] = _setting(
        "dns-servers",
        values.ips,
        "a list of IP addresses, separated by commas",
        "The DNS servers (port 53) that this Node, as exit, asks. Not allowed in mode consume-only.",
        "Entry and exit",
        default="",
        default_help="those of the system",
    )
    exit_allow_private: bool = _setting(
        "exit-allow-private",
        values.on_off,
        ON_OFF,
        "Whether others may reach this machine and its private network through this Node's exit. For tests.",
        "Entry and exit",
        default="off",
        bare="refused",
    )
    exit_policy: tuple[ExitRule, ...] = _setting(
        "exit-policy",
        exit_rules,
        "a list of rules, separated by commas",
        "Which targets this Node serves as exit, in tor's words: the first of these rules that fits says. An address "
        "is *, *4, *6, private, 192.0.2.1, 192.0.2.0/24 or [2001:db8::]/32, a port *, 80 or 80-90. Unless one is for "
        "*:*, the rules by default follow. `masq exit-policy` prints all that is refused.",
        "Entry and exit",
        default=DEFAULT_RULES,
        bare="refused",
    )
    data_directory: Path = _setting(
        "data-directory",
        values.path,
        "a path",
        "Where this Node keeps its files.",
        "Files and secrets",
        default=".",
        default_help="$XDG_DATA_HOME/MASQ/<chain>, or ~/.local/share/MASQ/<chain>",
    )
    config_file: Path | None = _setting(
        "config-file",
        values.path,
        "a path",
        "A TOML file with settings, of the same names. A name that starts with neither /, ~ nor ./ is looked for in "
        "the data directory, which must then be given too. Not allowed inside a config file.",
        "Files and secrets",
        default_help="config.toml in the data directory, if there is one",
    )
    db_password: str | None = _setting(
        "db-password",
        values.password,
        "text",
        "The password that protects the books and keys of this Node on disk.",
        "Files and secrets",
        secret=True,
    )
    db_password_file: Path | None = _setting(
        "db-password-file",
        values.path,
        "a path",
        "A file that holds db-password in its only line.",
        "Files and secrets",
        bare="refused",
    )
    new_public_key: bool | None = _setting(
        "new-public-key",
        values.on_off,
        ON_OFF,
        "on: take a new identity; off: insist on the stored one, even if nobody takes it back; needs db-password.",
        "Files and secrets",
        default_help="the stored identity if there is one, and a new one if Nodes of 0.9.1 overlook it",
    )
    log_level: LogLevel = _setting(
        "log-level",
        partial(values.word, LogLevel),
        _words(LogLevel),
        "How much is logged.",
        "Files and secrets",
        default=LogLevel.WARN,
    )
    log_format: LogFormat = _setting(
        "log-format",
        partial(values.word, LogFormat),
        _words(LogFormat),
        "How it is logged. text: lines of name='value' pairs; json: an object a line.",
        "Files and secrets",
        default=LogFormat.TEXT,
        bare="refused",
    )
    log_file: Path | None = _setting(
        "log-file",
        values.path,
        "a path",
        "Where it is logged to: a file that only its owner can read, and that is put aside when it is full (log-size, "
        "log-files).",
        "Files and secrets",
        default_help="standard error",
        bare="refused",
    )
    log_size: int = _setting(
        "log-size",
        values.megabytes,
        "a number of MB from 1 to 10000",
        "MB of log-file at which it is put aside for a new one.",
        "Files and secrets",
        default="10",
        bare="refused",
    )
    log_files: int = _setting(
        "log-files",
        values.log_files,
        "a number from 1 to 100",
        "How many of the log files that were put aside are kept.",
        "Files and secrets",
        default="5",
        bare="refused",
    )
    gateway_port: int | None = _setting(
        "gateway-port",
        values.port_or_off,
        "a port from 0 to 65535, or off",
        "The TCP port, on 127.0.0.1, of the pages that show this Node (`masq open`), of its REST interface and of "
        "/metrics; 0: any free one.",
        "Files and secrets",
        default="0",
        bare="refused",
    )
    ui_port: int = _setting(
        "ui-port",
        values.port,
        PORT,
        "The TCP port on 127.0.0.1 for user interfaces.",
        "Files and secrets",
        default="5333",
    )
    real_user: str | None = _setting(
        "real-user",
        values.real_user,
        "<uid>:<gid>:<home directory>",
        "Accepted and not used: this Node needs no privilege, so it has none to give up.",
        "Compatibility",
    )
    crash_point: CrashPoint = _setting(
        "crash-point",
        partial(values.word, CrashPoint),
        _words(CrashPoint),
        "Accepted and not used: a test aid of MASQ Node 0.9.1.",
        "Compatibility",
        default=CrashPoint.NONE,
        hidden=True,
    )
    fake_public_key: bytes | None = _setting(
        "fake-public-key",
        values.fake_key,
        "base64 of at least one byte",
        "For tests: a network without encryption, in which this is the public key of this Node.",
        "Compatibility",
        hidden=True,
    )
    warnings: tuple[str, ...] = ()
    """What works and still deserves a second thought, one line each."""

    @property
    def providers(self) -> tuple[str, ...]:
        """The URLs in `blockchain_service_url`."""
        return tuple(self.blockchain_service_url.split(",")) if self.blockchain_service_url else ()


SETTINGS: dict[str, Setting] = {
    row.name: row for row in (entry.metadata.get("setting") for entry in fields(Settings)) if isinstance(row, Setting)
}
