"""Fuzz targets: what programs on the user's machine say, and what is in files."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import cast

import dns.message
import msgspec
from tests.fuzz.wire import pieces

from masq.core.failure import Cause, Failure, FailureError, printable
from masq.crypto import CryptDE
from masq.errors import CryptoError, MalformedError, SettingError
from masq.settings import sources
from masq.settings.sources import load, read_config_file
from masq.settings.table import SETTINGS
from masq.shell.control import ControlSocket
from masq.shell.dns_server import LONGEST_UDP, PLAIN_UDP, DnsServer
from masq.types import CHAINS
from masq.wire.circuit import Addresses, Resolution, decode_resolved
from masq.wire.http_request import Chunks, RequestRefused
from masq.wire.proxy import ClientRefused, Greeting, Target, accepted, decode_datagram, encode_datagram

# --- clients ---


def greet(data: list[bytes]) -> tuple[Target | None, bytes, bytes]:
    """What a client wants, all that it is told before it gets it or is refused, and what it said after that."""
    greeting, told = Greeting(), b""
    for number, piece in enumerate(data, 1):
        try:
            target = greeting.feed(piece)
        except ClientRefused as error:
            return None, told + error.answer, b""
        told += greeting.answers
        greeting.answers = b""
        if target is not None:
            return target, told, _rest(target, data[number:])
    return None, told, b""


def _rest(target: Target, data: list[bytes]) -> bytes:
    """What the server is told."""
    if target.request is None:
        return target.rest + b"".join(data)
    with suppress(RequestRefused):
        return target.rest + b"".join(bytes(target.request.part(memoryview(piece))) for piece in data)
    return UNCLEAR


UNCLEAR = b"where the request ends can't be told"


def client(data: bytes) -> None:
    in_pieces, whole = greet(pieces(data)), greet([data[1:]])
    if in_pieces[2] == UNCLEAR:
        assert whole[0] is None, "it was refused at once"
        return
    assert in_pieces[1:] == whole[1:], "what a client is told doesn't hang on the pieces"
    target = whole[0]
    assert (in_pieces[0] and in_pieces[0].place) == (target and target.place)
    if target is not None:
        assert 0 <= target.port < 1 << 16
        assert target.host.isascii()
        assert isinstance(accepted(target.speech), bytes)


def http_body(data: bytes) -> None:
    """What follows a head that announces chunks, in pieces and in one."""
    in_pieces, whole = Chunks(), Chunks()
    found = [0, 0]
    for number, (body, said) in enumerate(((in_pieces, pieces(data)), (whole, [data[1:]]))):
        try:
            for piece in said:
                found[number] += body.part(memoryview(piece))
        except RequestRefused:
            found[number] = -1
    assert found[0] == found[1], "a body ends where it ends, whatever the pieces"


def client_datagram(data: bytes) -> None:
    found = decode_datagram(data)
    if found is not None:
        again = decode_datagram(encode_datagram(*found))
        assert again is not None
        assert again[1:] == found[1:]
        assert decode_datagram(encode_datagram(*again)) == again


# --- the DNS port ---


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _ask(query: bytes, udp: bool, said: Resolution) -> None:
    async def look_up(host: str, group: str) -> Addresses:
        if said.error:
            raise FailureError(Failure(Cause.NOT_RESOLVED, detail=printable(said.error)))
        return said.addresses

    answer = _loop().run_until_complete(DnsServer(look_up, lambda: 0.0).answer(query, "", udp))
    if answer is not None:
        assert answer[:2] == query[:2]
        assert answer[2] & 0x80
        assert len(answer) <= (LONGEST_UDP if udp else 65_535)
        if udp and len(answer) > PLAIN_UDP:
            assert len(answer) <= dns.message.from_wire(query).payload


def dns_query(data: bytes) -> None:
    _ask(data[1:], data[:1] < b"\x80", Resolution((("192.0.2.1", 300), ("2001:db8::1", 60))))


QUERIES = tuple(
    dns.message.make_query("a.test", kind, use_edns=edns).to_wire() for kind in ("A", "AAAA") for edns in (True, False)
)


def dns_answer(data: bytes) -> None:
    """A good question, which the first byte chooses, to which an exit says what it likes."""
    with suppress(MalformedError):
        said = decode_resolved(data[1:])
        _ask(QUERIES[data[0] % len(QUERIES)], True, said)


# --- the control socket ---


class _Writer:
    def __init__(self) -> None:
        self.said = b""

    def write(self, data: bytes) -> None:
        self.said += data

    async def drain(self) -> None:
        pass

    def close(self) -> None:
        pass


def control_line(data: bytes) -> None:
    async def work() -> bytes:
        reader, writer = asyncio.StreamReader(limit=4096), _Writer()
        reader.feed_data(data)
        reader.feed_eof()
        control = ControlSocket(Path("masq.sock"), {"status": lambda words: {"status": 1}, "ban": _refuses})
        await control._serve(reader, cast(asyncio.StreamWriter, writer))
        return writer.said

    said = _loop().run_until_complete(work())
    assert not said or isinstance(msgspec.json.decode(said), dict)


def _refuses(words: Sequence[str]) -> dict[str, object]:
    raise ValueError(*words[:1])


# --- files ---


class InMemory(type(Path())):  # type: ignore[misc]
    """A file that is on no disk: making one takes longer than reading what is in it."""

    content = b""

    def open(self, *_: object, **__: object) -> BytesIO:
        return BytesIO(self.content)


def config_file(data: bytes) -> None:
    path = InMemory("config.toml")
    path.content = data
    with suppress(SettingError):
        entries = read_config_file(path)
        # Said on the command line, its settings mean the same.
        load({"data-directory": "/nowhere", **entries}, {})


def secret_file(data: bytes) -> None:
    path = InMemory("secret")
    path.content = data
    for name in ("consuming-private-key", "db-password"):
        with suppress(SettingError):
            sources._parse(SETTINGS[name], sources._secret_text(name, path), "")


NAMES = sorted(SETTINGS)


def setting(data: bytes) -> None:
    """The first byte says which, the others are its text."""
    if data:
        with suppress(ValueError):
            SETTINGS[NAMES[data[0] % len(NAMES)]].parse(data[1:].decode(errors="surrogateescape"))


def stored_keys(data: bytes) -> None:
    with suppress(CryptoError):
        text = CryptDE.from_text(CHAINS["dev"].contract, bytes, data.decode(errors="surrogateescape")).to_text()
        assert CryptDE.from_text(CHAINS["dev"].contract, bytes, text).to_text() == text


TARGETS: dict[str, Callable[[bytes], None]] = {
    "client": client,
    "http-body": http_body,
    "client-datagram": client_datagram,
    "dns-query": dns_query,
    "dns-answer": dns_answer,
    "control-line": control_line,
    "config-file": config_file,
    "secret-file": secret_file,
    "setting": setting,
    "stored-keys": stored_keys,
}
