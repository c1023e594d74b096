"""The entry's side: clients that speak SOCKS5 or HTTP, their streams, datagrams and look-ups."""

from __future__ import annotations

import asyncio
from typing import Final

from masq.core.failure import CLIENT, Cause, Failure, FailureError
from masq.shell.connection import Connection
from masq.shell.datagrams import Association
from masq.shell.journal import Journal
from masq.shell.streams import Reader, StreamConnection
from masq.wire.circuit import Addresses
from masq.wire.proxy import (
    ClientCommand,
    ClientRefused,
    ClientSpeech,
    Greeting,
    Reply,
    Target,
    accepted,
    refused,
    socks_reply,
)

GREETING_TIMEOUT: Final = 30.0
"""Seconds that a client has to say where it wants to go."""

REPLIES: Final = {
    Cause.NO_WALLET: Reply.NO_WALLET,
    Cause.NO_ROUTE: Reply.NO_ROUTE,
    Cause.BUDGET: Reply.NO_ROUTE,
    Cause.POLICY: Reply.NOT_ALLOWED,
    Cause.REFUSED: Reply.REFUSED,
}
"""Of whatever else fails a client learns that the server was not reached, and why."""


def reply_to(failure: Failure) -> Reply:
    """How a failure is told in a client's own protocol."""
    return REPLIES.get(failure.cause, Reply.UNREACHABLE)


class Clients:
    """All clients of one Node's entry."""

    def __init__(self, reader: Reader, journal: Journal, answer_early: bool) -> None:
        """`answer_early`: whether clients are told that they are connected before they are."""
        self.reader = reader
        self.turn = reader.turn
        self.journal = journal
        self.answer_early = answer_early
        self._associations: dict[int, Association] = {}
        self._look_ups: dict[int, asyncio.Future[Addresses | Failure]] = {}

    async def listen(self, ip: str, port: int) -> asyncio.Server:
        return await self.turn.loop.create_server(lambda: ClientConnection(self), ip, port, backlog=1024)

    async def look_up(self, host: str, group: str) -> Addresses:
        """Ask an exit for a host's addresses. FailureError: there are none, or nobody can be asked."""
        turn = self.turn
        socket, effects = turn.node.resolve(host, group, turn.now)
        asking: asyncio.Future[Addresses | Failure] = turn.loop.create_future()
        self._look_ups[socket] = asking
        turn.carry(effects)
        found = await asking
        if isinstance(found, Failure):
            raise FailureError(found)
        return found

    def resolved(self, socket: int, found: Addresses | Failure) -> None:
        asking = self._look_ups.pop(socket, None)
        if asking is not None and not asking.done():
            asking.set_result(found)

    async def associate(self, client: ClientConnection, group: str) -> None:
        """A client of SOCKS5 wants to exchange datagrams. FailureError says why it can't."""
        turn = self.turn
        socket, effects = turn.node.open_datagrams(group, turn.now)
        peer, local = (client.transport.get_extra_info(name) for name in ("peername", "sockname"))
        if peer is None or local is None:
            turn.carry([*effects, *turn.node.socket_closed(socket, Failure(Cause.CLOSED, CLIENT), turn.now)])
            return

        def deliver(host: str, port: int, data: bytes) -> None:
            turn.carry(turn.node.datagram_received(socket, host, port, data, turn.now))

        transport, association = await turn.loop.create_datagram_endpoint(
            lambda: Association(peer[0], deliver), local_addr=(local[0], 0)
        )
        self._associations[socket] = association
        turn.sockets[socket] = client
        client.associated(socket, association, socks_reply(0, local[0], transport.get_extra_info("sockname")[1]))
        turn.carry(effects)

    def send_datagram(self, socket: int, host: str, port: int, data: bytes) -> None:
        association = self._associations.get(socket)
        if association is not None:
            association.send(host, port, data)

    def close_datagrams(self, socket: int) -> None:
        association = self._associations.pop(socket, None)
        if association is not None:
            association.close()

    def close(self) -> None:
        for association in self._associations.values():
            association.close()


class ClientConnection(StreamConnection):
    """A client of the entry: it says where it wants to go, and is a stream from then on."""

    def __init__(self, clients: Clients) -> None:
        super().__init__(clients.reader, 0)
        self._clients = clients
        self._greeting: Greeting | None = Greeting()
        self._target: Target | None = None
        self._unaccepted = False
        """Whether the client is still to be told that it is connected."""
        self._association: Association | None = None
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Connection.connection_made(self, transport)  # It is no stream yet, so it has no id.
        self._late = self._turn.loop.call_later(GREETING_TIMEOUT, self.transport.abort)

    def buffer_updated(self, nbytes: int) -> None:
        if self._greeting is not None:
            self._greet(self._greeting, bytes(self._reader.buffer[:nbytes]))
        elif self._association is None:  # What comes beside an association means nothing.
            super().buffer_updated(nbytes)

    def _greet(self, greeting: Greeting, data: bytes) -> None:
        try:
            target = greeting.feed(data)
        except ClientRefused as error:
            self._clients.journal.note("info", "client_refused", str(error))
            self._answer_and_close(error.answer)
            return
        if greeting.answers:
            Connection.write(self, [greeting.answers])
            greeting.answers = b""
        if target is None:
            return
        self._greeting, self._target = None, target
        if self._late:
            self._late.cancel()
        peer = self.transport.get_extra_info("peername")
        group = target.group or (str(peer[0]) if peer else "")
        if target.command is ClientCommand.CONNECT:
            self._open(target, group)
        else:
            self.transport.pause_reading()
            self._turn.spawn(self._serve(target, group))

    def _open(self, target: Target, group: str) -> None:
        turn = self._turn
        early = self._clients.answer_early or target.speech is ClientSpeech.HTTP
        try:
            self.socket, effects = turn.node.open(target.host, target.port, group, turn.now, not early)
        except FailureError as error:
            self._refuse(target, error.failure)
            return
        turn.sockets[self.socket] = self
        self._unaccepted = True
        if early:
            self.accept()
        turn.carry(effects)
        if target.rest:
            self._reader.received(self.socket, memoryview(target.rest))

    def accept(self) -> None:
        if self._unaccepted and self._target is not None:
            self._unaccepted = False
            Connection.write(self, [accepted(self._target.speech)])

    async def _serve(self, target: Target, group: str) -> None:
        """What clients of SOCKS5 ask for beside connections: datagrams, and look-ups."""
        try:
            if target.command is ClientCommand.RESOLVE:
                found = await self._clients.look_up(target.host, group)
                self._answer_and_close(socks_reply(0, found[0][0]))
            else:
                await self._clients.associate(self, group)
        except FailureError as error:
            self._refuse(target, error.failure)

    def _refuse(self, target: Target, failure: Failure) -> None:
        self._clients.journal.stream_refused(target.place, failure)
        self._answer_and_close(refused(target.speech, reply_to(failure), str(failure)))

    def associated(self, socket: int, association: Association, answer: bytes) -> None:
        """Datagrams are carried for as long as this connection stands."""
        self.socket, self._association = socket, association
        Connection.write(self, [answer])
        self.transport.resume_reading()

    def finish(self, failure: Failure | None) -> None:
        target = self._target
        if failure is not None and target is not None:
            self._clients.journal.stream_failed(target.place, failure)
            unanswered = self._unaccepted or (target.speech is ClientSpeech.HTTP and not self.answered)
            if unanswered and not self.transport.is_closing():
                self._answer_and_close(refused(target.speech, reply_to(failure), str(failure)))
                return
        super().finish(failure)

    def _answer_and_close(self, answer: bytes) -> None:
        """Say the last word."""
        if self.transport.is_closing():
            return
        self._greeting = self._greeting or Greeting()
        self.transport.pause_reading()
        self.transport.write(answer)
        self.transport.close()

    def eof_received(self) -> bool:
        if not self.socket or self._association is not None:
            return False
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        if self._late:
            self._late.cancel()
        if self._association is not None:
            self._clients.close_datagrams(self.socket)
        super().connection_lost(error)
