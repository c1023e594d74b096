"""One Node as a process: from its settings to its end."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from masq import __version__
from masq.chain.erc20 import sign_transfer
from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import Accountant, AccountantConfig, Scan
from masq.core.network.neighborhood import Contact, Profile
from masq.core.node import Node, NodeConfig
from masq.crypto import CryptDE, Keys, NullCryptDE
from masq.errors import CryptoError, LocalError, SettingError
from masq.settings import Settings
from masq.shell.bank import Bank
from masq.shell.control import Control
from masq.shell.driver import Driver
from masq.shell.log import configure, log
from masq.shell.resolve import Resolver
from masq.shell.store import Store
from masq.types import Endpoint, Mode, NodeAddress
from masq.wire.descriptor import Descriptor

if TYPE_CHECKING:
    from masq.shell.dns_server import DnsServer

STOP_TIMEOUT: Final = 1.5
VERSION_EPOCH: Final = 1_577_836_800
"""Unix time from which record versions of a Node that keeps its key are counted: they only ever grow."""


def run_node(settings: Settings) -> int:
    """Run a Node until it is told to stop. Returns the exit status: 0, or 1 after a failure, 2 for a wrong setting."""
    configure(str(settings.log_level))
    try:
        # uvloop where there is one: a third less time for small requests.
        try:
            import uvloop

            runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        except ImportError:
            runner = asyncio.Runner()
        with runner:
            return runner.run(_run(settings))
    except SettingError as error:
        print(f"masq: {error}", file=sys.stderr)
        return 2
    except LocalError as error:
        print(f"masq: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


async def _run(settings: Settings) -> int:
    store = Store.open(settings.data_directory, settings.db_password)
    try:
        return await _run_with(settings, store)
    finally:
        store.close()


async def _run_with(settings: Settings, store: Store) -> int:
    loop = asyncio.get_running_loop()
    started = loop.time()
    stopping = asyncio.Event()
    problem: list[LocalError] = []

    def fail(error: LocalError) -> None:
        problem.append(error)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    keys, alias, first_version = _keys(settings, store)
    wallet = Wallet(settings.consuming_private_key) if settings.consuming_private_key else None
    listens = settings.neighborhood_mode.accepts_connections
    ip = (settings.ip or _own_ip()) if listens else None
    local = ip if ip and _is_local(ip) else None
    listener, port = _listen(settings, store, local) if listens else (None, 0)
    address = NodeAddress(ip, (port,)) if ip else None
    descriptor = str(Descriptor(settings.chain, keys.fragment(), address))
    profile = Profile(
        settings.earning_wallet,
        settings.rate_pack,
        listens,
        settings.neighborhood_mode.routes_data,
        settings.country or (_country(ip) if ip else None),
        address,
    )
    accountant = _accountant(settings, store, wallet, started)
    config = NodeConfig(
        keys,
        alias,
        settings.neighborhood_mode,
        profile,
        wallet,
        settings.min_hops,
        () if settings.neighborhood_mode is Mode.ZERO_HOP else _contacts(settings, store, keys),
        first_version,
        settings.scans,
        settings.chain.contract,
        str(settings.link_policy),
        str(settings.package_policy),
        time.time() - loop.time(),
    )
    node = Node(config, accountant, os.urandom, loop.time())
    bank = Bank(
        accountant,
        store,
        settings.chain,
        settings.blockchain_service_url,
        wallet.address if wallet else None,
        settings.earning_wallet,
    )
    driver = Driver(
        node,
        bank,
        bind_ip=local,
        resolver=Resolver(settings.dns_servers),
        own_addresses=[ip] if ip else [],
        allow_private=settings.exit_allow_private,
        package_data=settings.package_data,
        answer_early=settings.answer_early,
        fail=fail,
    )
    bank.spawn, bank.carry, bank.now = driver.spawn, driver.carry, loop.time

    def status() -> dict[str, Any]:
        return {
            "descriptor": descriptor,
            "chain": settings.chain.name,
            "uptime": loop.time() - started,
            "pid": os.getpid(),
            "entry": str(entry_at),
            **({"dns": str(dns_at)} if dns_at else {}),
            "consuming_wallet": "0x" + wallet.address.hex() if wallet else None,
            "earning_wallet": "0x" + settings.earning_wallet.hex(),
            "warnings": list(settings.warnings),
            **node.status(loop.time()),
            "failures": driver.recent_failures(),
            **accountant.books(),
            "version": __version__,
        }

    def scan(kind: str) -> dict[str, Any]:
        driver.carry(accountant.scan(Scan(kind), loop.time()))
        return {}

    servers: list[asyncio.AbstractServer | DnsServer] = []
    dns_at: Endpoint | None = None
    try:
        entry = await _listen_for_clients(driver, settings)
        servers.append(entry)
        name = entry.sockets[0].getsockname()
        entry_at = Endpoint(name[0], name[1])
        if settings.dns_port is not None:
            names, dns_at = await _serve_dns(driver, settings)
            servers.append(names)
        control = Control(settings.data_directory / "masq.sock", status, scan)
        servers.append(await control.start())
        if listener is not None:
            servers.append(await driver.listen_on(listener))
        print(descriptor, flush=True)
        log.info("started", descriptor=descriptor, entry=str(entry_at))
        driver.start()
        # What is loaded now stays: the collector needn't look at it each time that some thousand effects have come
        # and gone.
        gc.freeze()
        gc.set_threshold(3_000, 10, 10)
        await stopping.wait()
    finally:
        for server in servers:
            server.close()
        if not problem:
            driver.carry(accountant.flush())
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await driver.stop()
                await bank.close()
        except TimeoutError:
            pass
        (settings.data_directory / "masq.sock").unlink(missing_ok=True)
    if problem:
        print(f"masq: the Node stops: {problem[0]}", file=sys.stderr)
        return 1
    return 0


def _keys(settings: Settings, store: Store) -> tuple[Keys, Keys, int]:
    """Main and alias key pair, and the first version of our record (protocol.md 3.6, 3.7)."""
    contract = settings.chain.contract
    if settings.fake_public_key:
        null = NullCryptDE(settings.fake_public_key)
        return null, null.alias(), 0
    alias = CryptDE(contract, os.urandom)
    stored = store.get("cryptde") if settings.db_password else None
    if settings.new_public_key is False and not stored:
        raise SettingError("new-public-key", "off needs a key pair stored earlier, and --db-password to read it")
    if stored and not settings.new_public_key:
        try:
            keys = CryptDE.from_text(contract, os.urandom, stored)
        except CryptoError as error:
            raise LocalError(f"the stored key pair can't be used: {error}; start with --new-public-key on") from error
        return keys, alias, int(time.time()) - VERSION_EPOCH
    keys = CryptDE(contract, os.urandom)
    if settings.db_password:
        store.set("cryptde", keys.to_text())
    return keys, alias, 0


def _contacts(settings: Settings, store: Store, keys: Keys) -> tuple[Contact, ...]:
    if settings.neighbors:
        return tuple(
            Contact(keys.first_contact_key(neighbor.key), neighbor.address)
            for neighbor in settings.neighbors
            if neighbor.address and neighbor.key != keys.fragment()
        )
    contacts = []
    for line in (store.get("past_neighbors") or "").split(","):
        key, _, endpoint = line.partition("@")
        ip, _, port = endpoint.rpartition(":")
        if key and port.isdecimal():
            contacts.append(Contact(bytes.fromhex(key), NodeAddress(ip, (int(port),))))
    return tuple(contacts)


def _accountant(settings: Settings, store: Store, wallet: Wallet | None, started: float) -> Accountant:
    def sign(nonce: int, gas_price: int, recipient: bytes, wei: int) -> SignedTransaction:
        assert wallet
        return sign_transfer(wallet, settings.chain, nonce=nonce, gas_price=gas_price, recipient=recipient, amount=wei)

    intervals = settings.scan_intervals
    config = AccountantConfig(
        settings.earning_wallet,
        wallet.address if wallet else None,
        settings.rate_pack,
        sign if wallet else None,
        settings.payment_thresholds,
        {
            Scan.PENDING_PAYABLES: float(intervals.pending_payable),
            Scan.PAYABLES: float(intervals.payable),
            Scan.RECEIVABLES: float(intervals.receivable),
        },
    )
    return Accountant(config, store.load(), time.time() - started)


def _listen(settings: Settings, store: Store, local: str | None) -> tuple[socket.socket, int]:
    """A bound socket at the clandestine port: the one given, the one remembered, or a free one, then remembered."""
    given = settings.clandestine_port
    remembered = store.get("clandestine_port")
    candidates: Sequence[int]
    if given is not None:
        candidates = [given]
    elif remembered is not None:
        candidates = [int(remembered)]
    else:
        candidates = random.sample(range(1025, 9999), 50)
    problem: OSError | None = None
    for port in candidates:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # Behind NAT the advertised address is the router's: all of ours listen then.
            listener.bind((local or "0.0.0.0", port))
        except OSError as error:
            listener.close()
            problem = error
            continue
        if str(port) != remembered:
            store.set("clandestine_port", str(port))
        return listener, port
    raise SettingError("clandestine-port", f"can't listen at {candidates[0]}: {problem}; choose another one")


async def _listen_for_clients(driver: Driver, settings: Settings) -> asyncio.Server:
    try:
        return await driver.listen_for_clients(settings.entry_ip, settings.entry_port)
    except OSError as error:
        place = Endpoint(settings.entry_ip, settings.entry_port)
        raise SettingError("entry-port", f"can't listen at {place}: {error.strerror}; choose another one") from error


async def _serve_dns(driver: Driver, settings: Settings) -> tuple[DnsServer, Endpoint]:
    # Loaded by those alone who want it.
    from masq.shell.dns_server import serve_dns

    assert settings.dns_port is not None
    try:
        server, port = await serve_dns(driver.look_up, settings.entry_ip, settings.dns_port)
    except OSError as error:
        place = Endpoint(settings.entry_ip, settings.dns_port)
        raise SettingError("dns-port", f"can't listen at {place}: {error.strerror}; choose another one") from error
    return server, Endpoint(settings.entry_ip, port)


def _own_ip() -> str:
    """The address that this machine sends from, if the world can reach it there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # Nothing is sent: the kernel only looks up the way.
            ip = str(probe.getsockname()[0])
        except OSError:
            ip = "0.0.0.0"
    if not ipaddress.ip_address(ip).is_global:
        raise SettingError("ip", f"this machine's address is {ip}, which the world can't reach: give your public one")
    return ip


def _is_local(ip: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((ip, 0))
        except OSError:
            return False
    return True


def _country(ip: str) -> str | None:
    if not ipaddress.ip_address(ip).is_global:
        return None
    import iptocc

    country = iptocc.country_code(ip)
    return str(country) if country else None
