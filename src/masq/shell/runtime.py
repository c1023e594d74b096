"""One Node as a process: from its settings to its end."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Final

from masq.chain.disperser import sign_disperse
from masq.chain.erc20 import sign_nothing, sign_transfer
from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import AccountantConfig
from masq.core.accountant.effects import Scan
from masq.core.accountant.fees import Fee
from masq.core.accountant.promises import Dealing
from masq.core.accountant.signing import Many
from masq.core.accountant.statements import SHARDS
from masq.core.build import FurtherWallet, NodeConfig, build_node
from masq.core.failure import printable
from masq.core.limits import Limits
from masq.core.network.contacts import Contact, remembered
from masq.core.network.own_record import Profile
from masq.core.network.routing import Ceiling, ExitWish
from masq.core.purses import NAME as PURSES
from masq.core.verdict import verdict
from masq.crypto import Keys
from masq.errors import LocalError, SettingError
from masq.gateway.token import token_of
from masq.settings import Settings
from masq.settings.relations import needs_neighbors
from masq.shell.acceptor import listener_at
from masq.shell.bank import BankConfig
from masq.shell.books import open_books
from masq.shell.commands import commands
from masq.shell.control import Command, ControlSocket
from masq.shell.driver import Driver, DriverConfig
from masq.shell.exit_policy import exit_policy
from masq.shell.herald import proclaim
from masq.shell.identity import Identity, another_identity, find_identity
from masq.shell.log import configure, log
from masq.shell.look_ups import LookUps
from masq.shell.places import Place, country_of, find_place
from masq.shell.process import hold_address, raise_descriptors
from masq.shell.reload import Reloading, Sources, gas_share, log_config
from masq.shell.resolve import Resolver
from masq.shell.status import Status
from masq.shell.store import Store, config_name
from masq.shell.window import Window, url_of, window_socket
from masq.types import Address, Endpoint, Mode, VoucherPolicy
from masq.wire.descriptor import Descriptor

STOP_TIMEOUT: Final = 1.5
SAVE_TIMEOUT: Final = 6.0
"""Seconds that a slow disk has for what waits to be saved when the Node is told to end: then it ends by itself, before
`docker stop` (10 s) or systemd (15 s) kills it."""
REST: Final = 1.0
"""Seconds from the end of the links of one identity to the first ones of the next."""


def run_node(sources: Sources) -> int:
    """Run a Node until it is told to stop. Returns the exit status: 0, or 1 after a failure, 2 for a wrong setting."""
    try:
        return live(sources)
    except LocalError as error:
        print(f"masq: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


def live(sources: Sources, window: socket.socket | None = None) -> int:
    """As `run_node`, but what keeps the Node from starting is raised: SettingError, or another LocalError.

    `window`: a socket that listens already, for what is to be seen of the Node.
    """
    configure(log_config(sources.settings))
    # uvloop where there is one: a third less time for small requests.
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        return runner.run(_run(sources, window))


async def _run(sources: Sources, window: socket.socket | None) -> int:
    store = Store.open(sources.settings.data_directory, sources.settings.db_password)
    try:
        return await _run_with(sources, store, window)
    finally:
        store.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _House:
    """What lasts as long as the process, whoever its Node is."""

    store: Store
    entry: socket.socket
    window: socket.socket | None
    limits: Limits
    warnings: tuple[str, ...]
    stop: Callable[[], None]
    fail: Callable[[LocalError], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begin:
    """What a Node begins with: at first, or in place of one that has given up its key pair."""

    sources: Sources
    identity: Identity
    place: Place
    contacts: tuple[Contact, ...]
    dns_port: int | None


async def _run_with(sources: Sources, store: Store, window: socket.socket | None) -> int:
    """Everything up, wait, everything down; all of it again, if the Node takes another key. Returns the exit status."""
    over, stopping = asyncio.Event(), asyncio.Event()
    problem: list[LocalError] = []

    def stop() -> None:
        stopping.set()
        over.set()

    def fail(error: LocalError) -> None:
        problem.append(error)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    async with AsyncExitStack() as doors:
        settings = sources.settings
        identity = find_identity(settings, store)
        place = find_place(settings, store)
        if place.listener is not None:
            doors.callback(place.listener.close)
        house = _House(
            store=store,
            entry=_entry_socket(settings, doors),
            window=_window_socket(settings, window, doors),
            limits=Limits.of(raise_descriptors()),
            warnings=_hold(place, doors),
            stop=stop,
            fail=fail,
        )
        begin = _Begin(
            sources=sources,
            identity=identity,
            place=place,
            contacts=_contacts(settings, identity.keys),
            dns_port=settings.dns_port,
        )
        while not stopping.is_set():
            over.clear()
            async with AsyncExitStack() as services:
                reloading, dns = await _start(house, begin, over.set, services)
                await over.wait()
                if not stopping.is_set():
                    turn = reloading.driver.turn
                    turn.carry(turn.node.serve_others(False, turn.now))
            if not stopping.is_set():
                begin = _as_another(begin, reloading, dns, store)
    if problem:
        print(f"masq: the Node stops: {problem[0]}", file=sys.stderr)
        return 1
    return 0


def _as_another(before: _Begin, reloading: Reloading, dns: Endpoint | None, store: Store) -> _Begin:
    """What a Node goes on with that has ended to take another key: where it is, whom it knew, and its settings stay."""
    gc.unfreeze()
    gc.collect()
    node = reloading.driver.turn.node
    # Whoever has not seen the old links end would take the end of those for that of the new ones (0.9.1 does).
    due = asyncio.get_running_loop().time() + REST
    known = node.neighborhood.contacts.by_ip.values()
    profile = node.neighborhood.own.profile
    return _Begin(
        sources=reloading.sources,
        identity=another_identity(before.identity, reloading.sources.settings, store),
        place=replace(before.place, address=profile.address, country=profile.country),
        contacts=tuple(Contact(each.key, each.address, due=due) for each in known),
        dns_port=dns.port if dns else None,
    )


async def _start(
    house: _House, begin: _Begin, renew: Callable[[], None], services: AsyncExitStack
) -> tuple[Reloading, Endpoint | None]:
    """Start the Node and what serves around it; `services` ends all of it, in the opposite order.

    `renew` is called when it wants another key pair. Returned is what it goes on with then: its settings as they are,
    and where look-ups are answered.
    """
    store, sources, identity, place = house.store, begin.sources, begin.identity, begin.place
    settings = sources.settings
    started = asyncio.get_running_loop().time()
    wallet = Wallet(settings.consuming_private_key) if settings.consuming_private_key else None
    further = tuple(Wallet(key) for key in settings.further_private_keys)
    saved, of_books = open_books(
        store, settings.chain, wallet.address if wallet else None, tuple(each.address for each in further)
    )
    for warning in of_books:
        log.warning("books", detail=warning)
    past_neighbors = _past_neighbors(settings, store)
    config = NodeConfig(
        keys=identity.keys,
        alias=identity.alias,
        mode=settings.neighborhood_mode,
        profile=_profile(settings, place),
        wallet=wallet,
        accountant=_accountant(settings, wallet),
        hops=settings.min_hops,
        contacts=begin.contacts,
        past_neighbors=past_neighbors,
        first_version=identity.first_version,
        identity=identity.seen(bool(remembered(past_neighbors))),
        scans=settings.scans,
        contract=settings.chain.contract,
        link_policy=settings.link_policy,
        package_policy=settings.package_policy,
        epoch=time.time() - started,
        ceiling=Ceiling(settings.max_rate_pack, settings.max_price_per_gb),
        exits=ExitWish(settings.exit_location, settings.fallback_routing),
        bans=store.get("bans"),
        reputation=store.get("reputation"),
        refusals=store.get("refusals"),
        statements=tuple(store.get(name) for name in SHARDS),
        further=tuple(_further(settings, store, each) for each in further),
        purses=store.get(PURSES),
        limits=house.limits,
    )
    driver = Driver(
        build_node(config, saved, os.urandom, started),
        store,
        _driver_config(settings, place, wallet, further, house.limits),
        house.fail,
        renew,
    )
    services.push_async_callback(_stop, driver, house.fail)
    entry = await driver.clients.listen(house.entry.dup())
    services.callback(entry.close)
    dns_at = await _serve_dns(driver, settings.entry_ip, begin.dns_port, services)
    of_identity = (identity.warning,) if identity.warning else ()
    status = Status(
        driver,
        started=started,
        chain=settings.chain.name,
        descriptor=Descriptor(settings.chain, identity.keys.fragment(), place.address),
        entry=Endpoint(*entry.place),
        dns=dns_at,
        window=url_of(house.window) if house.window else None,
        consuming_wallet=wallet.address if wallet else None,
        earning_wallet=settings.earning_wallet,
        warnings=(*settings.warnings, *of_books, *house.warnings, *of_identity),
        directory=settings.data_directory,
    )
    reloading = Reloading(sources, driver, (place.address.ip,) if place.address else ())
    orders = await _take_orders(driver, status, reloading, store, house.stop, services)
    if house.window is not None:
        seen_at = house.window.dup()
        services.push_async_callback(Window(*orders, token_of(settings.data_directory)).hang(seen_at).close)
    if place.listener is not None:
        services.callback((await driver.links.listen(place.listener.dup())).close)
    print(status.descriptor, flush=True)
    log.info("started", descriptor=str(status.descriptor), entry=str(status.entry))
    driver.start()
    if settings.scans and wallet is not None and settings.neighborhood_mode is not Mode.ZERO_HOP:
        for bank in (driver.bank, *driver.further):
            driver.turn.spawn(bank.watch_purse())
    if sys.stderr.isatty():
        _tell_terminal(status)
    # What is loaded now stays: the collector needn't look at it each time that some thousand effects have come
    # and gone.
    gc.freeze()
    gc.set_threshold(3_000, 10, 10)
    return reloading, dns_at


def _hold(place: Place, services: AsyncExitStack) -> tuple[str, ...]:
    """What is wrong with our address, as far as this machine can tell: another Node of it may be there."""
    if place.address is None or ipaddress.ip_address(place.address.ip).is_loopback:
        return ()
    held = hold_address(place.address.ip)
    if held is not None:
        services.callback(held.close)
        return ()
    words = (
        f"another Node on this machine is at {place.address.ip}, too: there is one Node at each public IP address, and "
        "neighbors refuse the second. Stop one of them, or give this one an address of its own (`ip`)"
    )
    log.warning("address_taken", detail=words)
    return (words,)


def _tell_terminal(status: Status) -> None:
    """Who starts a Node by hand sees there what to do with it, and when it works."""

    def say(text: str) -> None:
        print(f"masq: {printable(text)}", file=sys.stderr, flush=True)

    say(f"programs use {status.entry} as SOCKS5 or HTTP proxy; `masq status` shows more, Ctrl-C ends it")
    turn = status.driver.turn
    turn.spawn(proclaim(lambda: verdict(*status.views()), say, lambda: turn.now))


async def _take_orders(
    driver: Driver,
    status: Status,
    reloading: Reloading,
    store: Store,
    stop: Callable[[], None],
    services: AsyncExitStack,
) -> tuple[Status, Reloading, Mapping[str, Command]]:
    """Answer this machine's user, at the control socket and by signals. Returns what a window shows."""
    path = reloading.sources.settings.data_directory / "masq.sock"
    orders = commands(driver, status, reloading, store, stop)
    control = await ControlSocket(path, orders).start()
    services.callback(path.unlink, missing_ok=True)
    services.callback(control.close)

    def reload() -> None:
        try:
            reloading.again()
        except LocalError as error:
            log.error("reloaded", detail=str(error))

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    return status, reloading, orders


async def _stop(driver: Driver, fail: Callable[[LocalError], None]) -> None:
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await driver.stop()
    except TimeoutError:
        pass
    try:
        async with asyncio.timeout(SAVE_TIMEOUT):
            await driver.save()
    except TimeoutError:
        words = f"the disk has not taken what was to be saved within {SAVE_TIMEOUT:.0f} s: what was booked last is lost"
        print(f"masq: the Node stops: {words}", file=sys.stderr, flush=True)
        os._exit(1)  # The thread that saves hangs, and nothing else can end it. All else is closed already.
    except LocalError as error:
        fail(error)


def _profile(settings: Settings, place: Place) -> Profile:
    return Profile(
        earning_wallet=settings.earning_wallet,
        rates=settings.rate_pack,
        accepts_connections=settings.neighborhood_mode.accepts_connections,
        routes_data=settings.neighborhood_mode.routes_data,
        country=settings.country or place.country,
        address=place.address,
        country_of=lambda ip: settings.country or country_of(ip),
    )


def _driver_config(
    settings: Settings, place: Place, wallet: Wallet | None, further: tuple[Wallet, ...], limits: Limits
) -> DriverConfig:
    return DriverConfig(
        bank=BankConfig(
            chain=settings.chain,
            urls=settings.providers,
            consuming_wallet=wallet.address if wallet else None,
            earning_wallet=settings.earning_wallet,
            many=settings.pay_many,
        ),
        further=tuple(each.address for each in further),
        bind_ip=place.local_ip,
        look_ups=LookUps(Resolver(settings.dns_servers), limits.look_ups),
        exit_policy=exit_policy(settings, [place.address.ip] if place.address else []),
        package_data=settings.package_data,
        answer_early=settings.answer_early,
        limits=limits,
        dns_allow_private=settings.dns_allow_private,
        max_bandwidth=settings.max_bandwidth,
        max_traffic_per_month=settings.max_traffic_per_month,
    )


def _past_neighbors(settings: Settings, store: Store) -> str | None:
    """What was saved of the neighbors of before. SettingError if there is nobody to turn to."""
    saved = store.get("past_neighbors")
    if needs_neighbors(settings) and not remembered(saved):
        words = f"required in mode {settings.neighborhood_mode}, as no neighbor of before is known; give a descriptor"
        raise SettingError("neighbors", words)
    return saved


def _contacts(settings: Settings, keys: Keys) -> tuple[Contact, ...]:
    """Those that the user names."""
    return tuple(
        Contact(keys.first_contact_key(neighbor.key), neighbor.address)
        for neighbor in settings.neighbors
        if neighbor.address and neighbor.key != keys.fragment()
    )


def _further(settings: Settings, store: Store, wallet: Wallet) -> FurtherWallet:
    """A further wallet, with the books that it had."""
    return FurtherWallet(
        wallet=wallet,
        accountant=_accountant(settings, wallet),
        saved=store.load(wallet.address),
        statements=tuple(store.get(config_name(wallet.address, name)) for name in SHARDS),
    )


def _accountant(settings: Settings, wallet: Wallet | None) -> AccountantConfig:
    def sign(nonce: int, fee: Fee, recipient: bytes, wei: int) -> SignedTransaction:
        assert wallet
        if recipient == wallet.address:
            return sign_nothing(wallet, settings.chain, nonce=nonce, gas_price=fee.most, tip=fee.tip)
        return sign_transfer(
            wallet, settings.chain, nonce=nonce, gas_price=fee.most, tip=fee.tip, recipient=recipient, amount=wei
        )

    def sign_many(nonce: int, fee: Fee, contract: Address, parts: Sequence[tuple[Address, int]]) -> SignedTransaction:
        assert wallet
        return sign_disperse(
            wallet, settings.chain, contract, nonce=nonce, gas_price=fee.most, tip=fee.tip, parts=parts
        )

    intervals = settings.scan_intervals
    return AccountantConfig(
        earning_wallet=settings.earning_wallet,
        consuming_wallet=wallet.address if wallet else None,
        sign=sign if wallet else None,
        most_gas_price=settings.chain.most_gas_price,
        confirmations=settings.chain.confirmations if settings.confirmations is None else settings.confirmations,
        thresholds=settings.payment_thresholds,
        intervals={
            Scan.PENDING_PAYABLES: float(intervals.pending_payable),
            Scan.PAYABLES: float(intervals.payable),
            Scan.RECEIVABLES: float(intervals.receivable),
        },
        max_spending=settings.max_spending_per_hour or None,
        gas_share=gas_share(settings),
        many=Many(sign_many, settings.pay_many),
        dealing=dealing(settings),
        wallet=wallet,
    )


def dealing(settings: Settings) -> Dealing | None:
    """How debts are promised."""
    if settings.pay_many is None or settings.vouchers is VoucherPolicy.OFF:
        return None
    return Dealing(settings.chain, settings.pay_many, settings.vouchers is VoucherPolicy.ASK)


def _entry_socket(settings: Settings, doors: AsyncExitStack) -> socket.socket:
    """Where clients come. SettingError: the port is taken."""
    try:
        listener = listener_at(settings.entry_ip, settings.entry_port)
    except OSError as error:
        place, why = Endpoint(settings.entry_ip, settings.entry_port), os.strerror(error.errno or 0)
        raise SettingError("entry-port", f"can't listen at {place}: {why}; choose another one") from error
    doors.callback(listener.close)
    return listener


def _window_socket(settings: Settings, there: socket.socket | None, doors: AsyncExitStack) -> socket.socket | None:
    """Where its user looks, if there is a window."""
    listener = window_socket(settings, there)
    if listener is not None:
        doors.callback(listener.close)
    return listener


async def _serve_dns(driver: Driver, ip: str, port: int | None, services: AsyncExitStack) -> Endpoint | None:
    """Answer look-ups, if that is wanted: where."""
    if port is None:
        return None
    # Loaded by those alone who want it.
    from masq.shell.dns_server import serve_dns

    try:
        server, port = await serve_dns(driver.clients.look_up, ip, port)
    except OSError as error:
        place = Endpoint(ip, port)
        raise SettingError("dns-port", f"can't listen at {place}: {error.strerror}; choose another one") from error
    services.callback(server.close)
    return Endpoint(ip, port)
