"""`masq doctor`: looks at everything that a Node needs, and says of what is wrong which command mends it."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import socket
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from masq.cli.control import NotRunningError, ask, document, tell
from masq.cli.status import Document
from masq.errors import MasqError, SettingError
from masq.settings import Settings, gather
from masq.settings.relations import check
from masq.shell.probe import DIAL, UNPROVEN, Greeted, greet, why_not_free
from masq.types import Endpoint, Mode, amount_text

if TYPE_CHECKING:
    from masq.shell.rpc import RpcClient

LITTLE_DISK: Final = 200 * 10**6
SOME_DISK: Final = 10**9
FEW_DESCRIPTORS: Final = 4_096
OFF_CLOCK: Final = 60.0
"""Seconds that this machine's clock may differ from the chain's: gossip and invitations carry times."""
OLD_HEAD: Final = 300.0
"""Seconds after which a provider's latest block is no news."""
ASK: Final = 10.0

State = Literal["ok", "warning", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `do`: what mends it, a command where there is one."""

    about: str
    state: State
    words: str
    do: str = ""

    def as_json(self) -> dict[str, str]:
        return {name: str(value) for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class Patient:
    """What is known before anything is looked at."""

    settings: Settings
    given: frozenset[str]
    """Names of the settings that aren't defaults."""
    status: Document | None
    """Of the Node, if it runs."""

    @property
    def mode(self) -> Mode:
        return self.settings.neighborhood_mode


def admit(words: Mapping[str, str], environment: Mapping[str, str]) -> tuple[Patient, list[Finding]]:
    """Settings from the words of a command line, as `masq run` takes them, with those of the Node that runs, if one
    does; and what is wrong with them. SettingError: they can't even be read.
    """
    settings, given = gather(words, environment)
    status, findings = None, []
    try:
        status = Document(document(ask(settings.data_directory)))
        findings.append(_verdict(status))
        with suppress(MasqError):
            running = Document(tell(settings.data_directory, "words")).part("given").status
            texts = {name: str(text) for name, text in running.items()}
            # Paths may be relative to where it was started.
            texts["data-directory"] = str(settings.data_directory)
            if not Path(texts.get("config-file", "/")).is_absolute():
                del texts["config-file"]
            settings, given = gather({**texts, **words}, environment)
    except NotRunningError:
        findings.append(Finding("Node", "warning", "none runs here now", "masq run"))
    except MasqError as error:
        findings.append(Finding("Node", "bad", str(error), "masq stop, or end its process; then masq run"))
    try:
        settings = check(settings, given)
        findings.append(Finding("settings", "ok", "they fit together"))
    except SettingError as error:
        findings.append(
            Finding("settings", "bad", str(error), f"mend {error.name}, in config.toml or on the command line")
        )
    findings += [Finding("settings", "warning", warning) for warning in settings.warnings]
    return Patient(settings, given, status), findings


def _verdict(status: Document) -> Finding:
    verdict = status.part("verdict")
    works = verdict.status.get("works") is True
    return Finding("Node", "ok" if works else "bad", verdict.text("words"), verdict.text("advice", ""))


async def examine(patient: Patient, offline: bool = False) -> AsyncIterator[Finding]:
    """All that there is to look at, one after the other."""
    for look in (_directory, _books, _disk, _descriptors, _wallets, _ports, _inbound):
        for finding in look(patient):
            yield finding
    if offline or patient.mode is Mode.ZERO_HOP:
        return
    async for finding in _providers(patient):
        yield finding
    async for finding in _neighbors(patient):
        yield finding


# --- this machine ---


def _directory(patient: Patient) -> Iterator[Finding]:
    path = patient.settings.data_directory
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        parent = next(each for each in path.parents if each.exists())
        if os.access(parent, os.W_OK):
            yield Finding("directory", "ok", f"{path} will be made at the first start")
        else:
            yield Finding("directory", "bad", f"{path} can't be made", "name another one: --data-directory")
        return
    except OSError as error:
        yield Finding("directory", "bad", f"{path}: {error.strerror}", "name another one: --data-directory")
        return
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("directory", "bad", f"{path} can't be written", f"sudo chown -R {os.getuid()} {path}")
    elif mode & 0o077:
        yield Finding("directory", "warning", f"others can look into {path}", f"chmod 700 {path}")
    else:
        yield Finding("directory", "ok", f"{path} is its owner's alone")
    if len(str(path / "masq.sock").encode()) > 107:
        yield Finding("directory", "bad", f"{path} is too long for a socket in it", "a shorter --data-directory")


def _books(patient: Patient) -> Iterator[Finding]:
    """Of a Node that doesn't run: one that does has looked into them."""
    from masq.shell.key_file import KEY_FILE, StoreError
    from masq.shell.ledger import look as look_into_books

    directory = patient.settings.data_directory
    if patient.status is not None or not (directory / KEY_FILE).exists():
        return
    try:
        problems = look_into_books(directory, patient.settings.db_password)["problems"]
    except StoreError as error:
        yield Finding("books", "bad", str(error))
        return
    if problems:
        words = f"they are not those that were written last: {problems[0]}"
        yield Finding("books", "bad", words, "masq ledger verify tells more; masq ledger accept takes them as they are")
    else:
        yield Finding("books", "ok", "they are those that were written last")


def _disk(patient: Patient) -> Iterator[Finding]:
    path = patient.settings.data_directory
    try:
        free = shutil.disk_usage(next(each for each in (path, *path.parents) if each.exists())).free
    except (OSError, StopIteration):
        return
    words = f"{free / 10**6:,.0f} MB are free for the books"
    if free < LITTLE_DISK:
        yield Finding("disk", "bad", f"{words}: a full disk ends the Node", f"make room; df -h {path} shows where")
    else:
        yield Finding("disk", "ok" if free >= SOME_DISK else "warning", words)


def _descriptors(patient: Patient) -> Iterator[Finding]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if patient.status is not None:
        hard = _limit_of(int(patient.status.number("pid"))) or hard
    if hard == resource.RLIM_INFINITY or hard >= FEW_DESCRIPTORS:
        yield Finding("descriptors", "ok", "no limit" if hard == resource.RLIM_INFINITY else f"up to {hard:,}")
    else:
        do = "ulimit -Hn 65536 as root, or LimitNOFILE=65536 in its unit, and start again"
        yield Finding("descriptors", "warning", f"only {hard:,}: browsers and others fill them", do)


def _limit_of(pid: int) -> int | None:
    """The hard limit of a process, where the system tells."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
            if line.startswith("Max open files"):
                return int(line.split()[4])
    return None


def _wallets(patient: Patient) -> Iterator[Finding]:
    settings = patient.settings
    if patient.mode is Mode.ZERO_HOP:
        return
    if settings.consuming_private_key is not None or (patient.status and patient.status.status.get("consuming_wallet")):
        yield Finding("wallet", "ok", "there is a consuming wallet")
    elif patient.mode is Mode.STANDARD:
        do = "masq wallet create --save, if you want to browse"
        yield Finding("wallet", "warning", "no consuming wallet: this Node serves others and not its user", do)
    else:
        words = "there is no consuming wallet: your own traffic is refused"
        yield Finding("wallet", "bad", words, "masq wallet create --save")


def _ports(patient: Patient) -> Iterator[Finding]:
    settings = patient.settings
    entry = Endpoint(settings.entry_ip, settings.entry_port)
    if patient.status is not None:
        place = patient.status.text("entry")
        yield _answers("entry", place)
    elif settings.entry_port:
        yield _is_free("entry", entry, "--entry-port")
    if not patient.mode.accepts_connections:
        return
    if settings.clandestine_port is None:
        if patient.status is None:
            words = "chosen at the first start, and kept; a router has to forward it"
            yield Finding("port", "ok", words)
    elif patient.status is None:
        yield _is_free("port", Endpoint("0.0.0.0", settings.clandestine_port), "--clandestine-port")


def _is_free(about: str, place: Endpoint, option: str) -> Finding:
    if problem := why_not_free(place):
        return Finding(about, "bad", f"{place} can't be used: {problem}", f"another one: {option}")
    return Finding(about, "ok", f"{place} is free")


def _answers(about: str, place: str) -> Finding:
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), DIAL):
            return Finding(about, "ok", f"{place} answers: set it as SOCKS5 or HTTP proxy of your programs")
    except (OSError, ValueError) as error:
        return Finding(about, "bad", f"{place} does not answer: {error}", "masq stop, then masq run")


def _inbound(patient: Patient) -> Iterator[Finding]:
    """Whether others reach us: nobody can see that from here, but who has come has shown it."""
    status = patient.status
    if status is None or not patient.mode.accepts_connections:
        return
    came = sum(link.status.get("outbound") is False for link in status.rows("links"))
    port = status.text("descriptor").rpartition(":")[2]
    if came:
        yield Finding("port", "ok", f"{came} Nodes have connected to port {port}: it is reached from outside")
    elif status.number("uptime") > 300:
        words = f"nobody has connected to port {port} yet: nobody may reach it"
        yield Finding(
            "port", "warning", words, f"forward TCP port {port} in your router, and let it through the firewall"
        )


# --- others ---


async def _providers(patient: Patient) -> AsyncIterator[Finding]:
    if not patient.settings.providers:
        words = "it is not known here which one the Node has" if patient.status else "none is set"
        yield Finding("provider", "warning" if patient.status else "bad", words, "give --blockchain-service-url")
    for url in patient.settings.providers:
        async for finding in _provider(patient, url):
            yield finding


async def _provider(patient: Patient, url: str) -> AsyncIterator[Finding]:
    from masq.shell.rpc import RpcClient

    settings = patient.settings
    try:
        async with RpcClient(url, ASK) as rpc:
            chain = await rpc.chain_id()
            if chain != settings.chain.id:
                words = f"it serves chain {chain}; {settings.chain.name} is chain {settings.chain.id}"
                yield Finding("provider", "bad", words, "another --blockchain-service-url, or another --chain")
                return
            head = await rpc.block_number()
            block = await rpc.call("eth_getBlockByNumber", ("latest", False))
            yield from_head(settings.chain.name, head, block, time.time())
            for finding in [each async for each in _balances(patient, rpc)]:
                yield finding
    except (MasqError, OSError, TimeoutError) as error:
        do = "see that this machine is online, and that URL and key are right; or another --blockchain-service-url"
        yield Finding("provider", "bad", str(error) or type(error).__name__, do)


def from_head(chain: str, head: int, block: object, unix: float) -> Finding:
    """What a provider's latest block says of it, and of our clock."""
    stamp = block.get("timestamp") if isinstance(block, dict) else None
    try:
        age = unix - int(str(stamp), 16)
    except ValueError:
        return Finding("provider", "warning", f"{chain}, block {head:,}, whose time it does not tell")
    words = f"{chain}, block {head:,} of {abs(age):,.0f} s {'ago' if age >= 0 else 'in the future'}"
    if age < -OFF_CLOCK:
        return Finding("clock", "bad", f"the latest block is {words}: this clock is slow", "timedatectl set-ntp true")
    if age > OLD_HEAD and chain != "dev":
        do = "timedatectl shows whether this clock is right; if it is, another --blockchain-service-url"
        return Finding("provider", "bad", f"the latest block is {words}: it lags, or this clock is fast", do)
    return Finding("provider", "ok", f"{words}; `masq chain check` asks more of it")


async def _balances(patient: Patient, rpc: RpcClient) -> AsyncIterator[Finding]:
    from masq.chain.wallet import Wallet
    from masq.types import address_text, parse_address

    settings = patient.settings
    address = Wallet(settings.consuming_private_key).address if settings.consuming_private_key else None
    if address is None and patient.status is not None:
        with suppress(ValueError):
            address = parse_address(patient.status.text("consuming_wallet"))
    if address is None:
        return
    tokens = await rpc.token_balance(settings.chain.contract, address)
    coins = await rpc.balance(address)
    text = address_text(address)
    if not tokens:
        yield Finding("funds", "bad", f"{text} has no MASQ: what you use can't be paid", f"send MASQ to {text}")
    else:
        yield Finding("funds", "ok", f"{text} has {amount_text(tokens)}")
    if not coins:
        words = f"{text} has none of the chain's coins: no payment can be sent"
        yield Finding("gas", "bad", words, f"send it a little of the coin of {settings.chain.name}")
    else:
        yield Finding("gas", "ok", f"{text} has {coins / 10**18:.6g} of the chain's coins")


async def _neighbors(patient: Patient) -> AsyncIterator[Finding]:
    """The Nodes that are named as neighbors: whether they answer at their ports."""
    named = [(each.address.endpoint, each.key) for each in patient.settings.neighbors if each.address]
    if not named:
        if patient.status is None and "neighbors" not in patient.given:
            yield Finding("neighbors", "warning", "none are named; those of the last run are asked", "give --neighbors")
        return
    contract = patient.settings.chain.contract
    answers = await asyncio.gather(*(greet(place, key, contract) for place, key in named))
    for (place, _), answer in zip(named, answers, strict=True):
        if answer is Greeted.PROVED:
            yield Finding("neighbors", "ok", f"{place}: {answer.value}")
        elif isinstance(answer, Greeted):
            yield Finding("neighbors", "warning", f"{place}: {answer.value}", UNPROVEN)
        else:
            yield Finding("neighbors", "bad", f"{place}: {answer}", "name a Node that runs: --neighbors")


def run(words: Mapping[str, str], offline: bool, show: Callable[[Finding], None]) -> list[Finding]:
    """Look at everything; `show` gets each finding when it is there."""
    patient, findings = admit(words, os.environ)
    for finding in findings:
        show(finding)

    async def work() -> None:
        async for finding in examine(patient, offline):
            findings.append(finding)
            show(finding)

    asyncio.run(work())
    return findings
