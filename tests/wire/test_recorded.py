"""Frames of real Nodes open, verify, decode to what is written beside them, and are rebuilt to the byte."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import pytest
from tests.recorded import captured, case, identity, keys_of, message_of, open_sent

from masq.chain.wallet import Wallet
from masq.crypto import NullCryptDE
from masq.errors import CryptoError, MalformedError, PeerError
from masq.keccak import keccak256
from masq.types import address_text
from masq.wire import cbor
from masq.wire.frame import Framer, mask, unmask
from masq.wire.message import (
    ClientRequest,
    ClientResponse,
    DnsResolveFailed,
    Gossip,
    GossipFailure,
    GossipRecord,
    Message,
    NodeRecord,
    SequencedPacket,
    decode_message,
    encode_message,
)
from masq.wire.package import Component, Hop, Package, Payer, open_hop


def frames(by: str) -> list[Any]:
    """Every frame that is opened in this way, whoever sent it, unless it is odd beyond decoding."""
    return [
        pytest.param(recording, step, id=f"{recording['id']}-{number}")
        for recording in captured()["cases"]
        for number, step in enumerate(recording["steps"])
        if step.get("by") == by and "payload" in step.get("decoded", {})
    ]


def opened(recording: dict[str, Any], box: bytes, who: str, by: str) -> bytes:
    """What is in a box for `who`, a name or `name/alias`."""
    name, _, alias = who.partition("/")
    if by == "ephemeral":
        return open_sent(recording, box, bytes.fromhex(identity(name)["alias_public_key" if alias else "public_key"]))
    if recording["cipher"] == "null":
        keys = NullCryptDE(bytes.fromhex(identity(name)["public_key"]))
        return (keys.alias() if alias else keys).open(box)
    return keys_of(name, bool(alias)).open(box)


def check_frame(recording: dict[str, Any], step: dict[str, Any]) -> None:
    (frame,) = Framer().feed(step["frame"].encode())
    box = unmask(frame)
    assert mask(box) == frame
    plain = opened(recording, box, step["opens_with"], step["by"])
    if "package" in step:
        assert plain.hex() == step["package"]
    if "package_sha256" in step:
        assert hashlib.sha256(plain).hexdigest() == step["package_sha256"]
    package = Package.decode(plain)
    assert package.encode() == plain
    decoded = step["decoded"]
    assert list(package.version) == decoded["version"]
    assert len(package.hops) == len(decoded["hops"])
    for element, expected in zip(package.hops, decoded["hops"], strict=True):
        check_element(recording, element, expected)
    check_payload(recording, package.payload, decoded["payload"], "odd" in step)


@functools.cache
def elements(case_id: str) -> dict[str, dict[str, Any]]:
    """Each element is described once in a case: by the first package that it travels in."""
    found: dict[str, dict[str, Any]] = {}
    for step in case(case_id)["steps"]:
        for element in step.get("decoded", {}).get("hops", ()):
            found.setdefault(element["element"], element)
    return found


def check_element(recording: dict[str, Any], element: bytes, named: dict[str, Any]) -> None:
    assert hashlib.sha256(element).hexdigest()[:12] == named["element"]
    assert len(element) == named["sealed_len"]
    expected = elements(recording["id"])[named["element"]]
    if expected["opens_with"] is None:
        return  # Filler, or for a real Node by a real Node.
    raw = opened(recording, element, expected["opens_with"], expected["by"])
    if "plain" in expected:
        assert raw.hex() == expected["plain"]
    if "rrid" in expected:
        assert cbor.unsigned(cbor.decode(raw), "return route id", 32) == expected["rrid"]
        return
    hop = Hop.decode(raw)
    assert hop.next_key.hex() == expected["public_key"]
    assert hop.component == expected["component"]
    payer = expected["payer"]
    assert (hop.payer is None) == (payer is None)
    if hop.payer and payer:
        assert address_text(hop.payer.address) == payer["address"]
        assert (hop.payer.v, hop.payer.r.hex(), hop.payer.s.hex()) == (payer["v"], payer["r"], payer["s"])
        reader = identity(expected["opens_with"])
        digest = keccak256(bytes.fromhex(reader["public_key"]) + bytes.fromhex(reader["contract"]))
        assert hop.payer.proves(digest) == payer["proof_ok"]
    if hop.payer is None or b"payer\xbf" in raw:  # As real Nodes write it; scripted ones write a definite map.
        assert hop.encode() == raw


def check_payload(recording: dict[str, Any], payload: bytes, expected: dict[str, Any], odd: bool) -> None:
    assert len(payload) == expected["sealed_len"]
    if expected.get("opens_with") is None:
        return  # It only passes through here.
    plain = opened(recording, payload, expected["opens_with"], expected["by"])
    if odd:
        return  # The tests of odd messages judge it.
    message = decode_message(plain)
    assert encode_message(message) == plain
    assert type(message).__name__ == expected["kind"]
    assert list(expected["version"].values()) == [0, 1]
    check_inner(message, expected["inner"])


def check_inner(message: Message, inner: Any) -> None:
    match message:
        case Gossip(records):
            for item, expected in zip(records, inner["node_records"], strict=True):
                check_record(item, expected)
        case GossipFailure():
            assert message == inner
        case DnsResolveFailed(key):
            assert key.hex() == inner["stream_key"]
        case ClientRequest():
            assert message.stream_key.hex() == inner["stream_key"]
            check_packet(message.packet, inner["sequenced_packet"])
            assert message.hostname == inner["target_hostname"]
            assert message.port == inner["target_port"]
            assert message.protocol == inner["protocol"]
            assert message.originator_key.hex() == inner["originator_public_key"]
        case ClientResponse():
            assert message.stream_key.hex() == inner["stream_key"]
            check_packet(message.packet, inner["sequenced_packet"])


def check_packet(packet: SequencedPacket, expected: dict[str, Any]) -> None:
    assert (packet.sequence, packet.last, len(packet.data)) == (expected["seq"], expected["last"], expected["data_len"])
    assert hashlib.sha256(packet.data).hexdigest() == expected["data_sha256"]


def check_record(item: GossipRecord, expected: dict[str, Any]) -> None:
    record, body = item.record, expected["body"]
    assert len(record.signed_data) == expected["signed_data_len"]
    assert record.signature.hex() == expected["signature"]
    assert verifies(record) == expected["signature_ok"]
    assert record.public_key.hex() == body["public_key"]
    assert address_text(record.earning_wallet) == body["earning_wallet"]
    assert record.rates._asdict() == body["rate_pack"]
    assert record.version == body["version"]
    assert record.country == body.get("country_code_opt")
    assert (record.accepts_connections, record.routes_data) == (body["accepts_connections"], body["routes_data"])
    assert record.neighbors == {neighbor_key(name) for name in body["neighbors"]}
    address = expected["node_addr_opt"]
    assert (item.address is None) == (address is None)
    if item.address and address:
        assert item.address.ip == ".".join(map(str, address["ip_addr"]["V4"]))
        assert item.address.ports == tuple(address["ports"])


def neighbor_key(name: str) -> bytes:
    """Neighbors are written as names where they are known."""
    known = captured()["identities"].get(name)
    return bytes.fromhex(known["public_key"] if known else name)


def verifies(record: NodeRecord) -> bool:
    if len(record.public_key) != 64:
        return record.verify(NullCryptDE(record.public_key))
    return record.verify(keys_of("alpha"))


@pytest.mark.parametrize(("recording", "step"), frames("secret"))
def test_a_frame_opens_and_is_rebuilt(recording: dict[str, Any], step: dict[str, Any]) -> None:
    """Of a real Node to a scripted one, and everything that was said in the readable cipher."""
    check_frame(recording, step)


@pytest.mark.parametrize(("recording", "step"), frames("ephemeral"))
def test_a_frame_to_a_real_node_opens_and_is_rebuilt(recording: dict[str, Any], step: dict[str, Any]) -> None:
    """Its sender is scripted, and its boxes open with the sender's own ephemeral secrets."""
    check_frame(recording, step)


def test_payer_proofs_of_real_originators_are_deterministic() -> None:
    count = 0
    for name in ("originator-1-hop", "originator-3-hops"):
        for step in case(name)["steps"]:
            if step.get("by") != "secret" or "frame" not in step:
                continue
            keys = keys_of(step["opens_with"])
            package = Package.decode(keys.open(unmask(step["frame"].encode())))
            hop = open_hop(package.hops[0], keys)
            for peer in captured()["identities"].values():
                if hop.payer and peer.get("address") == address_text(hop.payer.address) and "wallet_secret" in peer:
                    wallet = Wallet(bytes.fromhex(peer["wallet_secret"]))
                    assert Payer.sign(wallet, keys.digest) == hop.payer
                    count += 1
    assert count >= 4


def odd_steps(name: str, member: str, *refusals: str) -> list[Any]:
    """Odd inputs with what the real Node did: whether it took the input for a good one."""
    found = []
    steps = case(name)["steps"]
    for at, step in enumerate(steps):
        if member in step:
            outcome = next(later for later in steps[at:] if later.get("event") == "outcome")
            # A hop to itself is taken there; what is refused is the element after it.
            refused = step["odd"] != "component Hopper to itself" and any(
                text in line for line in outcome["log"] for text in refusals
            )
            found.append(pytest.param(bytes.fromhex(step[member]), not refused, id=step["odd"]))
    return found


@pytest.mark.parametrize(("plain", "accepted"), odd_steps("malformed-packages", "plain_package", "package cannot be"))
def test_odd_packages_are_judged_as_a_real_node_does(plain: bytes, accepted: bool) -> None:
    if accepted:
        assert Package.decode(plain).payload
    else:
        with pytest.raises(PeerError):
            Package.decode(plain)


@pytest.mark.parametrize(
    ("plain", "accepted"), odd_steps("malformed-packages", "first_element_plain", "first route element")
)
def test_odd_elements_are_judged_as_a_real_node_does(plain: bytes, accepted: bool) -> None:
    if accepted:
        assert Hop.decode(plain).component in list(Component)
    else:
        with pytest.raises(PeerError):
            Hop.decode(plain)


@pytest.mark.parametrize(
    ("plain", "accepted"),
    odd_steps("malformed-messages", "plain_message", "cannot be opened", "does not decode", "no migration"),
)
def test_odd_messages_are_judged_as_a_real_node_does(plain: bytes, accepted: bool) -> None:
    if accepted:
        assert isinstance(decode_message(plain), ClientRequest)
    else:
        with pytest.raises(PeerError):
            decode_message(plain)


@pytest.mark.parametrize(
    "step", [pytest.param(step, id=step["odd"]) for step in case("malformed-packages")["steps"] if "text" in step]
)
def test_odd_boxes_open_for_nobody(step: dict[str, Any]) -> None:
    box = unmask(step["text"].encode())
    for name in ("alpha", "lambda"):
        with pytest.raises(CryptoError):
            keys_of(name).open(box)


def test_odd_payers_are_judged_as_a_real_node_does() -> None:
    """The proof is for the real Node's digest, which is its key's and the chain's: no secret is needed to check it."""
    judged = []
    steps = case("malformed-packages")["steps"]
    for at, step in enumerate(steps):
        outcome: dict[str, Any] = next((later for later in steps[at:] if later.get("event") == "outcome"), {})
        if "first_element_plain" not in step or not outcome["log"]:
            continue
        try:
            hop = Hop.decode(bytes.fromhex(step["first_element_plain"]))
        except PeerError:
            continue
        digest = keys_of("lambda").digest_of(bytes.fromhex(identity(step["opens_with"])["public_key"]))
        refused = any("payer proof not valid" in line for line in outcome["log"])
        assert (hop.payer is not None and hop.payer.proves(digest)) == (not refused), step["odd"]
        judged.append(refused)
    assert (judged.count(True), judged.count(False)) == (5, 9)


def writes() -> list[Any]:
    """Who wrote what up to each outcome, and the outcome: what the real Node made of it.

    Left out: what the recording holds as a digest only.
    """
    found, texts, connection = [], [], ""
    for step in case("malformed-frames")["steps"]:
        if "odd" in step:
            connection = step["from"]
            texts.append(bytes.fromhex(step["raw_hex"]) if "raw_hex" in step else step.get("text", "").encode())
        elif step.get("event") == "outcome":
            if texts and all(texts):
                found.append(pytest.param(connection, texts, step, id=step["case"]))
            texts = []
    return found


@pytest.mark.parametrize(("sender", "texts", "outcome"), writes())
def test_odd_frames_are_judged_as_a_real_node_does(sender: str, texts: list[bytes], outcome: dict[str, Any]) -> None:
    recording, victim = case("malformed-frames"), bytes.fromhex(identity("real-victim-1")["public_key"])
    framer, served = Framer(), 0
    for text in texts:
        for frame in framer.feed(text):
            try:
                Package.decode(open_sent(recording, unmask(frame), victim))
            except (PeerError, KeyError):
                continue
            served += 1
    # A real Node lets what follows a bad frame wait for the next bytes; ours goes on.
    waits = outcome["case"].startswith("bad frame, then")
    assert served == len(outcome["answers"]) + waits
    assert (framer.pending > 0) == (sender == "mallory")


WIRE_REFUSALS = {
    "malformed-gossip": {"version 0.0 gossip"},
    "deadly-1": {
        "sequenced_packet of 3 bytes",
        "version 0.2 ClientRequest without target_port",
        "earning wallet of 19 numbers",
        "body without rate_pack",
        "version 0.2 gossip that is no map",
    },
}
"""What is refused before anybody reads its meaning. For the rest of these cases, see the tests of the Neighborhood."""


@pytest.mark.parametrize(
    ("recording", "step"),
    [
        pytest.param(case(name), step, id=f"{name}-{step['odd']}")
        for name in WIRE_REFUSALS
        for step in case(name)["steps"]
        if "odd" in step
    ],
)
def test_odd_gossip_and_what_ends_a_real_node(recording: dict[str, Any], step: dict[str, Any]) -> None:
    plain = message_of(recording, step)
    if step["odd"] in WIRE_REFUSALS[recording["id"]]:
        with pytest.raises(MalformedError):
            decode_message(plain)
        return
    message = decode_message(plain)
    if isinstance(message, Gossip):
        expected = step["decoded"]["payload"]["inner"]["node_records"]
        for item, written in zip(message.records, expected, strict=True):
            assert item.record.signature.hex() == written["signature"]
            assert item.record.verify(keys_of("lambda")) == written["signature_ok"]
    else:
        assert isinstance(message, GossipFailure)


def test_a_record_body_with_unknown_keys_is_kept_verbatim() -> None:
    step = next(s for s in case("standard-extra-key-1")["steps"] if s.get("by") == "secret")
    keys = keys_of(step["opens_with"])
    message = decode_message(keys.open(Package.decode(keys.open(unmask(step["frame"].encode()))).payload))
    assert isinstance(message, Gossip)
    known = {
        "public_key",
        "earning_wallet",
        "rate_pack",
        "neighbors",
        "accepts_connections",
        "routes_data",
        "version",
        "country_code_opt",
    }
    unknown = [set(cbor.decode(item.record.signed_data)) - known for item in message.records]
    assert any(unknown)
