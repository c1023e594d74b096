"""The entry's side: clients that speak SOCKS5 or HTTP, their streams, datagrams and look-ups."""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import Sequence
from typing import Final

from masq.core.failure import CLIENT, Cause, Failure, FailureError, printable
from masq.core.limits import MAX_SERVED
from masq.shell.acceptor import Acceptor
from masq.shell.connection import Connection, Piece
from masq.shell.datagrams import Association
from masq.shell.journal import Journal
from masq.shell.process import is_scarcity
from masq.shell.streams import Reader, StreamConnection
from masq.wire.circuit import Addresses
from masq.wire.http_request import OneRequest, RequestRefused
from masq.wire.internet import is_public, judged
from masq.wire.proxy import (
    ClientCommand,
    ClientRefused,
    ClientSpeech,
    Greeting,
    Reply,
    Target,
    accepted,
    refused,
    request_refused,
    socks_reply,
)

GREETING_TIMEOUT: Final = 30.0
"""Seconds that a client has to say where it wants to go."""
REFUSED_AT_ONCE: Final = 8
"""Clients beyond those that there is room for who are heard, and told why they are refused, at the same time."""
REFUSED_TIMEOUT: Final = 2.0
"""Seconds that one of them has to say where it wanted to go."""
METHODS: Final = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ")
LONGEST_METHOD: Final = max(map(len, METHODS))
TOO_MANY: Final = Failure(
    Cause.OVERLOADED,
    detail="the programs of this Node's user have too many connections: close some, or raise its limit",
)

REPLIES: Final = {
    Cause.NO_WALLET: Reply.PAYMENT,
    Cause.DELINQUENT: Reply.PAYMENT,
    Cause.NO_ROUTE: Reply.NO_ROUTE,
    Cause.BUDGET: Reply.NO_ROUTE,
    Cause.POLICY: Reply.NOT_ALLOWED,
    Cause.REFUSED: Reply.REFUSED,
    Cause.OVERLOADED: Reply.OVERLOADED,
}
"""Of whatever else fails a client learns that the server was not reached, and why."""


def reply_to(failure: Failure) -> Reply:
    """How a failure is told in a client's own protocol."""
    return REPLIES.get(failure.cause, Reply.UNREACHABLE)


def _no_socket(error: OSError) -> Failure:
    cause = Cause.OVERLOADED if is_scarcity(error) else Cause.NOT_CONNECTED
    return Failure(cause, detail=f"no socket for datagrams: {error}")


class Clients:
    """All clients of one Node's entry."""

    def __init__(
        self, reader: Reader, journal: Journal, answer_early: bool, most: int = MAX_SERVED, allow_private: bool = False
    ) -> None:
        """`answer_early`: whether clients are told that they are connected before they are.

        `most`: how many there may be. `allow_private`: whether look-ups may bring addresses of private networks.
        """
        self.reader = reader
        self.turn = reader.turn
        self.journal = journal
        self.answer_early = answer_early
        self._most = most
        self._allow_private = allow_private
        self._served = 0
        self._refused = 0
        self._associations: dict[int, Association] = {}
        self._look_ups: dict[int, asyncio.Future[Addresses | Failure]] = {}

    async def listen(self, listener: sockets.socket) -> Acceptor:
        """Serve those who come to a socket that listens. The acceptor closes it."""
        return await Acceptor(self.turn, listener, lambda: ClientConnection(self), self._room).start()

    def _room(self) -> int:
        """How many more may come. One that there is no place for is taken in as well, to be told so."""
        return max(0, self._places) + REFUSED_AT_ONCE - self._refused

    @property
    def _places(self) -> int:
        return self._most - self._served - len(self._associations)

    def enter(self) -> bool:
        """A client is there. Whether it can be served."""
        fits = self._places > 0
        self._served += fits
        self._refused += not fits
        return fits

    def leave(self, fits: bool) -> None:
        self._served -= fits
        self._refused -= not fits

    async def look_up(self, host: str, group: str) -> Addresses:
        """Ask an exit for a host's addresses, without private ones. FailureError: none is left, or nobody answers."""
        found = await self._ask(host, group)
        public = found if self._allow_private else tuple(pair for pair in found if is_public(judged(pair[0])))
        if found and not public:
            words = (
                f"{host} was said to be {printable(found[0][0])}, which is on no public network: this is not passed on"
            )
            raise FailureError(Failure(Cause.POLICY, detail=words))
        return public

    async def _ask(self, host: str, group: str) -> Addresses:
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

        try:
            if self._places <= 0:
                raise FailureError(TOO_MANY)
            transport, association = await turn.loop.create_datagram_endpoint(
                lambda: Association(peer[0], deliver), local_addr=(local[0], 0)
            )
        except (OSError, FailureError) as error:
            failure = error.failure if isinstance(error, FailureError) else _no_socket(error)
            turn.carry([*effects, *turn.node.socket_closed(socket, Failure(Cause.CLOSED, CLIENT), turn.now)])
            raise FailureError(failure) from error
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
        self._fits: bool | None = None
        """Whether there is a place for it; None before it is there."""
        self._greeting: Greeting | None = Greeting()
        self._target: Target | None = None
        self._unaccepted = False
        """Whether the client is still to be told that it is connected."""
        self._unheard = False
        """Whether it was told so before its server was reached, and has said nothing since."""
        self._plain = False
        """Whether what it then said is a request of plain HTTP: such a client can be told in a page what failed."""
        self._association: Association | None = None
        self._request: OneRequest | None = None
        """Of plain HTTP: the request that this connection is for."""
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Connection.connection_made(self, transport)  # It is no stream yet, so it has no id.
        self._fits = self._clients.enter()
        patience = GREETING_TIMEOUT if self._fits else REFUSED_TIMEOUT
        self._late = self._turn.loop.call_later(patience, self.transport.abort)

    def buffer_updated(self, nbytes: int) -> None:
        if self._greeting is not None:
            self._greet(self._greeting, bytes(self._reader.buffer[:nbytes]))
        elif self._request is not None:
            self._go_on(self._request, self._reader.buffer[:nbytes])
        elif self._association is None:  # What comes beside an association means nothing.
            if self._unheard:
                self._unheard = False
                self._plain = bytes(self._reader.buffer[: min(nbytes, LONGEST_METHOD)]).startswith(METHODS)
            super().buffer_updated(nbytes)

    def _go_on(self, request: OneRequest, data: memoryview) -> None:
        """Hand on what the request's server is to hear, and nothing that comes behind it."""
        try:
            part = request.part(data)
        except RequestRefused as error:
            turn = self._turn
            turn.sockets.pop(self.socket, None)
            turn.carry(turn.node.socket_closed(self.socket, Failure(Cause.CLOSED, CLIENT, str(error)), turn.now))
            if self.answered:
                self.transport.abort()
            else:
                self._refuse_talk(request_refused(error))
            return
        if part:
            self._reader.received(self.socket, part)
        self._end_after(request)

    def _end_after(self, request: OneRequest) -> None:
        """A client with more to ask has to do it over another connection: this one ends with its answer.

        Servers that would keep it open are told that nothing more comes, once they have begun to answer: some take that
        for a client who is gone.
        """
        if request.surplus and self.answered and not self._ended and not self.transport.is_closing():
            self._turn.loop.call_soon(self._say_end)

    def _say_end(self) -> None:
        if not self._ended and self._turn.sockets.get(self.socket) is self:
            self._ended = True
            turn = self._turn
            turn.carry(turn.node.socket_ended(self.socket, turn.now))

    def write(self, pieces: Sequence[Piece]) -> None:
        super().write(pieces)
        request = self._request
        if request is not None:
            for piece in pieces:
                request.answered(piece)
            self._end_after(request)

    def _greet(self, greeting: Greeting, data: bytes) -> None:
        try:
            target = greeting.feed(data)
        except ClientRefused as error:
            self._refuse_talk(error)
            return
        if greeting.answers:
            Connection.write(self, [greeting.answers])
            greeting.answers = b""
        if target is None:
            return
        self._greeting, self._target = None, target
        if self._late:
            self._late.cancel()
        if not self._fits:
            self._refuse(target, TOO_MANY)
            return
        peer = self.transport.get_extra_info("peername")
        group = target.group or (str(peer[0]) if peer else "")
        if target.command is ClientCommand.CONNECT:
            self._open(target, group)
        else:
            self.transport.pause_reading()
            self._turn.spawn(self._serve(target, group))

    def _open(self, target: Target, group: str) -> None:
        turn = self._turn
        # Over a way that has never answered, a client that hears "connected" too soon would hear of a failure by an end
        # without a word.
        early = target.speech is ClientSpeech.HTTP or (self._clients.answer_early and turn.node.proven(group, turn.now))
        try:
            self.socket, effects = turn.node.open(target.host, target.port, group, turn.now, not early)
        except FailureError as error:
            self._refuse(target, error.failure)
            return
        turn.sockets[self.socket] = self
        self._request = target.request
        self._unaccepted = True
        if early:
            self.accept()
            self._unheard = target.speech is not ClientSpeech.HTTP
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

    def _refuse_talk(self, refused: ClientRefused) -> None:
        self._clients.journal.note("info", "client_refused", str(refused))
        self._answer_and_close(refused.answer)

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
            if not self.transport.is_closing():
                if self._unaccepted:
                    self._answer_and_close(refused(target.speech, reply_to(failure), str(failure)))
                    return
                if not self.answered and (self._plain or target.speech is ClientSpeech.HTTP):
                    self._answer_and_close(refused(ClientSpeech.HTTP, reply_to(failure), str(failure)))
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
        return self._ended or super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        if self._late:
            self._late.cancel()
        if self._fits is not None:
            self._clients.leave(self._fits)
        if self._association is not None:
            self._clients.close_datagrams(self.socket)
        super().connection_lost(error)
