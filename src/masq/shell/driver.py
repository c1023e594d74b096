"""The asyncio driver: gives a Node sockets, a clock and a bank, and carries out what it wants done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from masq.core.accountant.effects import (
    AskBacking,
    AskBalances,
    AskGone,
    AskReceipts,
    AskTerms,
    AskTransfers,
    AskUse,
    Notice,
    OfPurse,
    Save,
    SendPayments,
)
from masq.core.effects import (
    Accepted,
    Bind,
    CloseLink,
    CloseSocket,
    Connect,
    Dial,
    EndSocket,
    Log,
    NewIdentity,
    Reading,
    ReadLink,
    Resolve,
    Resolved,
    SaveConfig,
    SendDatagram,
    WriteLink,
    WriteSocket,
)
from masq.core.failure import Failure
from masq.core.limits import Limits
from masq.core.node import Node, NodeEffect
from masq.errors import LocalError
from masq.shell.bank import Bank, BankConfig
from masq.shell.clients import Clients
from masq.shell.exit_policy import ExitPolicy
from masq.shell.journal import Journal
from masq.shell.links import NodeLinks
from masq.shell.log import log
from masq.shell.look_ups import LookUps
from masq.shell.quota import NAME as TRAFFIC
from masq.shell.quota import Meter, Quota
from masq.shell.servers import Servers
from masq.shell.store import Store
from masq.shell.streams import Reader, StreamConnection
from masq.shell.turn import Turn
from masq.types import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverConfig:
    """How a Node is driven."""

    bank: BankConfig
    further: tuple[Address, ...] = ()
    """Further consuming wallets, by number from 1."""
    bind_ip: str | None
    """The address of this machine that links are dialled from; None: any."""
    look_ups: LookUps
    exit_policy: ExitPolicy
    package_data: int
    """Bytes of a stream that one package may carry."""
    answer_early: bool
    limits: Limits
    dns_allow_private: bool
    """Whether our own user's look-ups may bring addresses of private networks."""
    max_bandwidth: int = 0
    """Bytes per second that may come in; 0: any number."""
    max_traffic_per_month: int = 0
    """Bytes in and out of a calendar month; 0: any number."""


class Driver:
    """One Node on one event loop."""

    def __init__(
        self,
        node: Node,
        store: Store,
        config: DriverConfig,
        fail: Callable[[LocalError], None],
        renew: Callable[[], None],
    ) -> None:
        """`fail` is called with what makes going on impossible, such as a full disk; `renew` to have another key."""
        self.turn = Turn(node, self._perform, fail)
        self._renew = renew
        self.journal = Journal(lambda: self.turn.now)
        self.links = NodeLinks(self.turn, config.bind_ip)
        reader = Reader(self.turn, config.package_data)
        self.servers = Servers(reader, self.journal, config.look_ups, config.exit_policy)
        self.clients = Clients(reader, self.journal, config.answer_early, config.limits.own, config.dns_allow_private)
        self.bank = Bank(self.turn, store, config.bank)
        self.further = tuple(
            Bank(self.turn, store, replace(config.bank, consuming_wallet=wallet, purse=number))
            for number, wallet in enumerate(config.further, 1)
        )
        """The hands of the further wallets' Accountants."""
        self.turn.traffic.slow_down(config.max_bandwidth)
        quota = Quota(config.max_traffic_per_month, store.get(TRAFFIC), time.time)
        self.meter = Meter(self.turn.traffic, quota, self._serve_others, self.bank.save_config)

    def start(self) -> None:
        self.turn.start()
        self.turn.spawn(self.meter.run())

    def _serve_others(self, on: bool) -> None:
        turn = self.turn
        log.warning("serves_others", detail="again" if on else "no more: the traffic of this month is used up")
        turn.carry(turn.node.serve_others(on, turn.now))

    async def stop(self) -> None:
        """Close everything, and have saved what was gathered: `save` sees that through."""
        turn = self.turn
        self.meter.look()
        self.meter.save()
        turn.carry(turn.node.stop(turn.now))
        self.servers.close()
        self.clients.close()
        await turn.stop()

    async def save(self) -> None:
        """All that waits to be saved is on disk when this returns. StoreError if something of it is lost."""
        banks = (*self.further, self.bank)
        for problem in await asyncio.gather(*(bank.close() for bank in banks), return_exceptions=True):
            if problem is not None:
                raise problem

    @property
    def warnings(self) -> tuple[str, ...]:
        """What its user should know of the books now: each once, as all are in one place."""
        return tuple(dict.fromkeys(text for bank in (self.bank, *self.further) for text in bank.warnings))

    def _perform(self, effect: NodeEffect) -> None:
        match effect:
            case Reading(socket, on):
                if (stream := self._stream(socket)) is not None:
                    stream.set_reading(on)
            case EndSocket(socket):
                if (stream := self._stream(socket)) is not None:
                    stream.end()
            case CloseSocket(socket, failure):
                self._close_socket(socket, failure)
            case Accepted(socket):
                if (stream := self._stream(socket)) is not None:
                    stream.accept()
            case Connect(socket, host, port, payer):
                self.servers.connect(socket, host, port, payer)
            case SendDatagram(socket, host, port, data):
                self.servers.send_datagram(socket, host, port, data)
                self.clients.send_datagram(socket, host, port, data)
            case Bind(socket, payer):
                self.servers.bind(socket, payer)
            case Resolve(socket, host, payer, paid):
                self.servers.resolve(socket, host, payer, paid)
            case Resolved(socket, found):
                self.clients.resolved(socket, found)
            case Dial(link, endpoint):
                self.links.dial(link, endpoint)
            case ReadLink(link, most):
                self.links.read(link, most)
            case CloseLink(link):
                self.links.close(link)
            case SaveConfig(name, value):
                self.bank.save_config(name, value)
            case Log(level, event, detail):
                self.journal.note(level, event, detail)
            case NewIdentity():
                self._renew()
            case WriteLink() | WriteSocket():
                pass  # The turn has gathered them.
            case Save() | AskTerms() | SendPayments() | AskReceipts() | AskTransfers() | AskUse() | AskGone():
                self.bank.perform(effect)
            case AskBacking() | AskBalances() | Notice():
                self.bank.perform(effect)
            case OfPurse():
                self._perform_of(effect)
            case _:
                assert_never(effect)

    def _perform_of(self, effect: OfPurse) -> None:
        """What one of the further wallets' Accountants wants done."""
        bank = self.further[effect.purse - 1]
        match effect.effect:
            case SaveConfig(name, value):
                bank.save_config(name, value)
            case other:
                bank.perform(other)

    def _stream(self, socket: int) -> StreamConnection | None:
        connection = self.turn.sockets.get(socket)
        return connection if isinstance(connection, StreamConnection) else None

    def _close_socket(self, socket: int, failure: Failure | None) -> None:
        stream = self._stream(socket)
        self.turn.sockets.pop(socket, None)
        if stream is not None:
            stream.finish(failure)
        self.servers.close_socket(socket)
        self.clients.close_datagrams(socket)
