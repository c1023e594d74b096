"""Frames of real Nodes open, verify, decode to what is written beside them, and are rebuilt to the byte."""

from __future__ import annotations

from typing import Any

import pytest

from masq.chain.wallet import Wallet
from masq.crypto import NullCryptDE
from masq.errors import CryptoError, PeerError
from masq.types import address_text
from masq.wire import cbor
from masq.wire.frame import Framer, mask, unmask
from masq.wire.message import ClientRequest, ClientResponse, Gossip, decode_message, encode_message
from masq.wire.package import Component, Hop, Package, Payer, open_hop
from recorded import captured, case, identity, keys_of


def frames(by: str = "secret", cipher: str = "real") -> list[Any]:
    return [
        pytest.param(recording, step, id=f"{recording['id']}-{number}")
        for recording in captured()["cases"]
        if recording["cipher"] == cipher
        for number, step in enumerate(recording["steps"])
        if step.get("by") == by and "frame" in step
    ]


@pytest.mark.parametrize(("recording", "step"), frames())
def test_a_frame_of_a_real_node_opens_and_is_rebuilt(recording: dict[str, Any], step: dict[str, Any]) -> None:
    keys = keys_of(step["opens_with"])
    (frame,) = Framer().feed(step["frame"].encode())
    box = unmask(frame)
    assert mask(box) == frame
    plain = keys.open(box)
    if "package" in step:
        assert plain.hex() == step["package"]
    package = Package.decode(plain)
    assert package.encode() == plain
    decoded = step["decoded"]
    assert list(package.version) == decoded["version"]
    assert [len(hop) for hop in package.hops] == [
        hop["sealed_len"] if "sealed_len" in hop else len(package.hops[at]) for at, hop in enumerate(decoded["hops"])
    ]
    first = decoded["hops"][0]
    hop = open_hop(package.hops[0], keys)
    if "plain" in first:
        assert hop.next_key.hex() == first["public_key"]
        assert hop.component == first["component"]
        check_payer(hop, first["payer"], keys.digest)
        raw = keys.open(package.hops[0])
        if hop.payer is None or b"payer\xbf" in raw:
            assert hop.encode() == raw
    check_payload(package, decoded["payload"], step["opens_with"])


def check_payer(hop: Hop, expected: dict[str, Any] | None, digest: bytes) -> None:
    assert (hop.payer is None) == (expected is None)
    if hop.payer and expected:
        assert address_text(hop.payer.address) == expected["address"]
        assert hop.payer.proves(digest) == expected.get("proof_ok", True)


def check_payload(package: Package, expected: dict[str, Any], owner: str) -> None:
    assert len(package.payload) == expected["sealed_len"]
    if expected.get("by") != "secret":
        return
    plain = None
    for alias in (False, True):
        try:
            plain = keys_of(owner, alias).open(package.payload)
            break
        except (CryptoError, KeyError):
            continue
    if plain is None:
        return  # Sealed to another scripted peer: this hop relays it.
    message = decode_message(plain)
    assert encode_message(message) == plain
    assert type(message).__name__ == expected["kind"]
    inner = expected["inner"]
    match message:
        case Gossip(records):
            assert len(records) == len(inner["node_records"])
            for item, record in zip(records, inner["node_records"], strict=True):
                assert item.record.verify(keys_of(owner)) == record["signature_ok"]
                body = record["body"]
                assert item.record.public_key.hex() == body["public_key"]
                assert address_text(item.record.earning_wallet) == body["earning_wallet"]
                assert item.record.rates._asdict() == body["rate_pack"]
                assert item.record.version == body["version"]
                assert item.record.country == body.get("country_code_opt")
                assert len(item.record.neighbors) == len(body["neighbors"])
                address = record["node_addr_opt"]
                assert (item.address is None) == (address is None)
                if item.address and address:
                    assert item.address.ports == tuple(address["ports"])
        case ClientRequest():
            assert message.port == inner["target_port"]
            assert message.hostname == inner["target_hostname"]
            assert message.protocol == inner["protocol"]
        case ClientResponse():
            assert message.stream_key.hex() == inner["stream_key"]


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


@pytest.mark.parametrize(("recording", "step"), frames("secret", "null"))
def test_the_null_cipher_is_read(recording: dict[str, Any], step: dict[str, Any]) -> None:
    keys = NullCryptDE(bytes.fromhex(identity(step["opens_with"])["public_key"]))
    plain = keys.open(unmask(step["frame"].encode()))
    package = Package.decode(plain)
    assert package.encode() == plain
    assert open_hop(package.hops[0], keys).component in list(Component)


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
    "step", [pytest.param(step, id=step["odd"]) for step in case("malformed-frames")["steps"] if "odd" in step]
)
def test_odd_frames_raise_nothing_but_the_modules_error(step: dict[str, Any]) -> None:
    data = bytes.fromhex(step["raw_hex"]) if "raw_hex" in step else step.get("frame", step.get("text", "")).encode()
    for frame in Framer().feed(data):
        try:
            unmask(frame)
        except PeerError:
            continue


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
