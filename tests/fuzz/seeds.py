"""Writes the corpora: `python -m tests.fuzz.seeds`. What is in them beside that, as found by the fuzzer, stays."""

from __future__ import annotations

import json
from collections.abc import Iterable

import dns.message
import msgspec
from tests import recorded
from tests.circuit_ends import WALLET
from tests.fuzz.chain import HASH, QUERY
from tests.fuzz.links import OTHER
from tests.fuzz.local import NAMES
from tests.fuzz.targets import CORPUS, TARGETS
from tests.fuzz.wire import KEYS, SECRET
from tests.secure_ends import DEV, greeting, prefixed

from masq.chain.erc20 import TRANSFER_TOPIC
from masq.crypto import CryptDE
from masq.errors import PeerError
from masq.settings.table import SETTINGS
from masq.types import CHAINS, DEFAULT_RATE_PACK, NodeAddress
from masq.wire import cbor, circuit, message, news, proxy
from masq.wire.descriptor import Descriptor
from masq.wire.frame import mask
from masq.wire.package import Component, Hop, Package, Payer
from masq.wire.secure_link import FrameType, SecureLink

FIRST = SecureLink(OTHER, DEV, 6001, ("circuit1",), lambda size: SECRET[:size]).dial(KEYS.public_key)
"""What a Node says first that dials a secure link."""
PAYER = Payer.sign(WALLET, KEYS.digest)
PACKET = message.SequencedPacket(3, b"GET / HTTP/1.1\r\n\r\n", True)
RECORD = message.NodeRecord.sign(
    KEYS, bytes(20), DEFAULT_RATE_PACK, frozenset((bytes(64), b"\1" * 64)), True, True, 7, "DE", ("link1", "circuit1")
)
PLAIN_RECORD = message.NodeRecord.sign(OTHER, bytes(20), DEFAULT_RATE_PACK, frozenset(), False, False, 0)
MESSAGES: tuple[message.Message, ...] = (
    message.ClientRequest(bytes(20), PACKET, "example.com", 443, "TLS", KEYS.public_key, 65_536),
    message.ClientRequest(bytes(20), PACKET, None, 80, "HTTP", KEYS.public_key),
    message.ClientResponse(bytes(20), PACKET, 1 << 20, "refused"),
    message.ClientResponse(bytes(20), PACKET),
    message.DnsResolveFailed(bytes(20), "no such name"),
    message.DnsResolveFailed(bytes(20)),
    message.Gossip(
        (
            message.GossipRecord(RECORD, NodeAddress("203.0.113.7", (4519, 4520))),
            message.GossipRecord(PLAIN_RECORD, NodeAddress("2001:db8::1", ())),
        )
    ),
    message.Gossip((message.GossipRecord(PLAIN_RECORD, None),)),
    message.GossipFailure.NO_NEIGHBORS,
)
HOPS = (
    Hop(KEYS.public_key, PAYER, Component.HOPPER),
    Hop(b"", None, Component.PROXY_CLIENT),
    Hop(b"", PAYER, Component.PROXY_CLIENT, SECRET, 1_800_000_100),
)
PACKAGES = (
    Package([KEYS.seal(KEYS.public_key, hop.encode()) for hop in HOPS], b"sealed"),
    Package([], b"", (0, 1, 2)),
)


def _cell(*messages: tuple[int, int, bytes]) -> bytes:
    """Its plaintext, with as little padding as can be."""
    return b"".join(
        stream.to_bytes(4, "big") + bytes((command,)) + len(data).to_bytes(4, "big") + data
        for stream, command, data in messages
    )


CELLS = (
    _cell(
        (1, 1, circuit.encode_begin("example.com", 443)),
        (1, 3, b"hello"),
        (1, 4, circuit.encode_end(circuit.StreamEnd.DONE)),
    ),
    _cell((1, 1, circuit.encode_begin("a.test", 53, True)), (1, 8, circuit.encode_datagram("a.test", 53, b"x"))),
    _cell((2, 6, circuit.encode_resolve("a.test")), (2, 5, bytes(4))) + bytes(16),
    _cell((1, 2, cbor.encode({"address": "192.0.2.1"})), (1, 3, b"HTTP"), (1, 5, b"\0\0\1\0"), (1, 4, b"\4why")),
    _cell((1, 7, circuit.encode_resolved(circuit.Resolution((("192.0.2.1", 60),))))),
)
TOLD = tuple(
    map(
        cbor.encode,
        (
            {"failed": "next hop unreachable", "detail": "no link"},
            circuit.encode_ending(circuit.Close.DELINQUENT, "", circuit.Debt(2 * 10**18, 1_800_000_000, 10**18, 0)),
            {"failed": "the consuming wallet owes too much", "debt": {"owed": "-1", "since": 1 << 40, "most": 7}},
            {"bill": {"cells": 1, "bytes": 5, "wei": "53844", "owed": "1"}},
            {"bill": {"cells": 1 << 40, "bytes": 1, "wei": "-1", "owed": ""}, "more": None},
            [],
        ),
    )
)
RESOLVED = (
    circuit.encode_resolved(circuit.Resolution((("192.0.2.1", 60), ("2001:db8::1", 1)))),
    circuit.encode_resolved(circuit.Resolution((), "no such name")),
    cbor.encode({"addresses": [["fe80::1", 4_294_967_295]] * 40}),
)
LOG = {
    "removed": False,
    "blockNumber": "0x10",
    "address": "0x" + QUERY.contract.hex(),
    "data": "0x" + (1 << 70).to_bytes(32, "big").hex(),
    "logIndex": "0x1",
    "transactionHash": "0x" + HASH.hex(),
    "topics": ["0x" + word.hex() for word in (TRANSFER_TOPIC, bytes(32), bytes(12) + QUERY.recipient)],
}
RECEIPT = {"transactionHash": "0x" + HASH.hex(), "blockNumber": "0x5", "status": "0x1"}
REFUSAL = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "block range limit (100)"}}
RESULT = {"jsonrpc": "2.0", "id": 1, "result": "0x1"}
RANGES = (
    "Range of blocks allowed for your plan: 1,000", "query exceeds max block range 10k",
    "should work: [0x1, 0x3e8]", "got invalid response: expected batch, got single.", "block range is too wide",
    "is limited to 0 - 50_000 blocks",
)  # fmt: skip
SETTING_TEXTS = {
    "neighbors": str(Descriptor(CHAINS["dev"], SECRET, NodeAddress("203.0.113.7", (4519,)))),
    "blockchain-service-url": "https://[::1]:8545/key",
    "consuming-private-key": "11" * 32,
    "data-directory": "~/masq",
    "real-user": "1:2:/home/me",
    "fake-public-key": "AQIDBA",
    "dns-servers": "1.1.1.1,2606:4700::1111",
}


def _handshakes() -> Iterable[tuple[str, bytes]]:
    yield "link-accepted", b"\0" + FIRST
    yield "link-accepted", b"\x05MASQ-link1\n" + bytes(70)
    yield "link-dialled", b"\0" + prefixed(bytes(range(200)))
    yield "link-dialled", b"\x07" + prefixed(bytes(48))
    for more in ({}, {"signature": bytes(64), "port": 0}, {"extensions": ..., "key": OTHER.public_key[:63]}):
        said = greeting(OTHER.public_key, **more)
        yield "link-greeting", said
        yield "link-answer", said
    yield "link-proof", bytes((FrameType.HELLO,)) + cbor.encode({"signature": bytes(64)})
    yield "link-proof", bytes((FrameType.PING,)) + bytes(8)
    frames = [bytes((kind,)) + bytes(8) for kind in FrameType]
    yield "link-frames", b"".join(bytes((len(frame),)) + frame for frame in frames)
    content = cbor.encode({"route": PACKAGES[0].hops[:1], "payload": b"sealed"})
    yield "link-frames", bytes((12,)) + b"\x02\x01" + content[:10] + b"\xff\x02\x00" + content[10:]
    yield "link-raw-frames", b"\0" + prefixed(bytes(24)) + prefixed(b"")
    yield "link-package", content
    yield "link-package", cbor.encode({"route": [bytes(4)] * 33, "payload": None})


def _recorded() -> Iterable[tuple[str, bytes]]:
    """One of each length class of what real Nodes said."""
    seen: set[tuple[str, int]] = set()
    for case in recorded.captured()["cases"]:
        for step in case["steps"]:
            if "frame" not in step or "opens_with" not in step or case["cipher"] != "real":
                continue
            try:
                said = recorded.message_of(case, step)
            except (KeyError, PeerError):  # Rubbish, on purpose.
                continue
            kind = said[2 : 2 + said[1] - 0x60].decode(errors="replace"), len(said) // 512
            if kind not in seen and len(said) < 3000:
                seen.add(kind)
                yield "message", said
                if len(step["frame"]) < 1500:
                    yield "frame-body", step["frame"].encode()


def _clients() -> Iterable[bytes]:
    yield b"\0\x05\x01\x00\x05\x01\x00\x03\x0bexample.com\x01\xbbhello"
    yield b"\1\x05\x02\x00\x02\x01\x02me\x02pw\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50"
    yield b"\3\x05\x01\x00\x05\x03\x00\x04" + bytes(16) + b"\x00\x50"
    yield b"\0\x05\x01\x00\x05\xf0\x00\x03\x01a\x00\x00"
    yield b"\0\x04\x01\x00\x50\x01\x02\x03\x04\x00"
    yield b"\0CONNECT [2001:db8::1]:443 HTTP/1.1\r\nProxy-Authorization: Basic bWU6cHc=\r\n\r\n\x16\x03"
    yield b"\7GET http://a.test:81/x?y HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n\r\n"
    yield b"\0GET /x HTTP/1.0\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    yield b"\5POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\na: b\r\n\r\nmore"
    yield b"\5POST http://a.test/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello, more"
    yield b"\0GET http://me@a.test?x#y HTTP/1.1\r\n\r\n"


def _queries() -> Iterable[bytes]:
    for kind in ("A", "AAAA", "HTTPS", "TXT"):
        yield b"\0" + dns.message.make_query("www.example.com", kind, id=7).to_wire()
    yield b"\x80" + dns.message.make_query("localhost", "A", id=7, use_edns=0, payload=1232).to_wire()
    yield b"\0" + dns.message.make_query("a.test", "AAAA", id=7, use_edns=0, payload=512, want_dnssec=True).to_wire()


def seeds() -> Iterable[tuple[str, bytes]]:
    """Names of targets, and inputs for them."""
    for said in MESSAGES:
        kind = type(said).__name__
        name = "".join("-" + letter.lower() if letter.isupper() else letter for letter in kind)[1:]
        yield name, said.inner()
        yield "message", message.encode_message(said)
        yield "cbor", said.inner()
        yield "node-package", b"\0" + message.encode_message(said)
    yield "node-package", b"\3" + message.encode_message(MESSAGES[0])
    yield "node-package", b"\2" + message.encode_message(MESSAGES[2])
    yield from _recorded()
    yield "message", cbor.encode(["GossipFailure", [[1, 2], [0x61, 0x41], None]])
    yield "news", news.News((RECORD, PLAIN_RECORD), (4519, 4520)).encode()
    peers = (RECORD.public_key, NodeAddress("203.0.113.7", (4519,))), (b"short", NodeAddress("2001:db8::1", (80,)))
    yield "news", news.News(offers=((bytes(8), 3), (b"12345678", 1 << 31)), everything=True, peers=peers).encode()
    yield "news", news.News(wanted=(bytes(8), b"12345678")).encode()
    for record in (RECORD, PLAIN_RECORD):
        yield "node-record", record.signature + record.signed_data
    yield "cbor", cbor.encode([1.5, -1, 1 << 63, None, True, {"a": [], 1: b""}, "ä"])
    yield "cbor", b"\xd9\xd9\xf7\x9f\x01\xbf\x61a\x5f\x41b\xff\xff\xf7\xf9\x7e\x00\xff"
    for size in (0, 30, 300, 5_000):
        yield "byte-array", cbor.encode_byte_array(bytes((24 + 7 * at) % 256 for at in range(size)))
    frame = mask(PACKAGES[1].encode())
    for step in (0, 1, 7):
        yield "framer", bytes((step,)) + b' {"a\\"}\'{": {"b": \'}\\\'\'}}' + frame + b'{"bodyText":"x"}' + frame[:9]
    yield "frame-body", frame
    yield "frame-body", b'{"bodyText":"\\u00e4", "other": [{}]}'
    yield "frame-body", b'{"x":1,"bodyData":"AAE"}'
    for package in PACKAGES:
        yield "package", package.encode()
        yield "links", b"\0" + mask(package.encode())
    for hop in HOPS:
        yield "hop", hop.encode()
        yield "sealed-hop", hop.encode()
        yield "sealed-hop", KEYS.seal(KEYS.public_key, hop.encode())
    yield "payer", PAYER.encode()
    yield "payer", cbor.encode([("0x" + "Ab" * 20), [1, list(SECRET), list(SECRET)]])
    yield "descriptor", SETTING_TEXTS["neighbors"].encode()
    yield "descriptor", str(Descriptor(CHAINS["base-mainnet"], SECRET)).encode()
    yield "sealed-box", KEYS.seal(KEYS.public_key, b"x")
    yield "sealed-box", KEYS.public_key + bytes(80)
    for plain in CELLS:
        yield "cell", plain
        for end in ("circuit-exit", "circuit-entry"):
            yield end, len(plain).to_bytes(2, "big") + plain + b"\xff\xff" + CELLS[0]
    for kind in FrameType:
        yield "circuit-relay", bytes((kind, 0)) + bytes(40)
    yield "circuit-relay", bytes((FrameType.OPEN, 1)) + cbor.encode([bytes(180)] * 3)
    yield "circuit-frame", bytes(circuit.circuit_frame(FrameType.CELL, 3, bytes(32)))
    for told in TOLD:
        yield "control", told
        yield "circuit-told", told
    yield "begin", circuit.encode_begin("example.com", 443, True)
    yield "begin", cbor.encode(["h", 1, False])
    yield "end", circuit.encode_end(circuit.StreamEnd.BROKEN, "it broke \0ä")
    yield "datagram", circuit.encode_datagram("example.com", 53, b"data")
    yield "resolve", circuit.encode_resolve("example.com")
    yield "resolve", circuit.encode_resolve("example.com", paid=True)
    for said in RESOLVED:
        yield "resolved", said
        for number in range(4):
            yield "dns-answer", bytes((number,)) + said
    yield from _handshakes()
    for document in (RESULT, REFUSAL, [RESULT, REFUSAL], {"error": "text"}, {"id": True, "result": {}}):
        yield "rpc-answer", msgspec.json.encode(document)
        yield "rpc-batch", msgspec.json.encode(document)
    yield "rpc-batch", msgspec.json.encode([{**RESULT, "id": id} for id in (3, 2, 1, 1, 1.0)])
    for receipt in (RECEIPT, {**RECEIPT, "blockNumber": None}, None):
        yield "receipt", json.dumps(receipt).encode()
    for logs in ([LOG, {**LOG, "logIndex": "0x2", "data": "0x"}], [{**LOG, "blockNumber": None}], []):
        yield "logs", json.dumps(logs).encode()
    for text in ("0x0", "0x" + "f" * 64, "0xABcd", "m/44'/60h/0/2147483647"):
        yield "quantity", text.encode()
    for text in RANGES:
        yield "range-limit", b"\xff\xff" + text.encode()
    for said in _clients():
        yield "client", said
    yield "client", b"\1MASQ"
    yield "http-body", b"\1" + b"a\r\n0123456789\r\n1 ;x\r\n!\r\n0\r\na: b\r\n\r\nmore"
    yield "http-body", b"\0" + b"0\r\n\r\n"
    yield "links", b"\1" + FIRST
    yield "client-datagram", proxy.encode_datagram("example.com", 53, b"data")
    yield "client-datagram", proxy.encode_datagram("192.0.2.1", 53, b"data")
    yield "client-datagram", proxy.encode_datagram("2001:db8::1", 53, b"data")
    for query in _queries():
        yield "dns-query", query
    for line in ("status\n", "scan payables\n", " scan  receivables", "\n"):
        yield "control-line", line.encode()
    for number, name in enumerate(NAMES):
        text = SETTING_TEXTS.get(name) or SETTINGS[name].default or "on"
        yield "setting", bytes((number,)) + text.encode()
    yield "config-file", b'log-level = "info"\nscans = false\nclandestine-port = 4519\nneighborhood-mode = "zero-hop"\n'
    yield (
        "config-file",
        b'chain = "dev"\nrate-pack = "1|2|3|4"\n[a.b]\nc = [1.5, 1979-05-27T07:32:00Z, {d = """x"""}]\n',
    )
    yield "secret-file", b"11" * 32 + b"\n"
    yield "secret-file", b"password"
    yield "stored-keys", CryptDE.to_text(KEYS).encode()


def write() -> None:
    numbers = dict.fromkeys(TARGETS, 0)
    for name in TARGETS:
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
        for old in (CORPUS / name).glob("seed-*"):
            old.unlink()
    for name, content in dict.fromkeys(seeds()):
        numbers[name] += 1
        (CORPUS / name / f"seed-{numbers[name]:02}").write_bytes(content)


if __name__ == "__main__":
    write()
