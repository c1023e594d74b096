"""The Neighborhood against recorded gossip: it answers as the facts say, and survives all that ends a real Node."""

from __future__ import annotations

from typing import Any

import pytest
from tests.recorded import captured, case, identity, keys_of, message_of

from masq.core.effects import Tell
from masq.core.network.contacts import Contact
from masq.core.network.neighborhood import Neighborhood
from masq.core.network.own_record import Profile
from masq.errors import PeerError
from masq.types import DEFAULT_RATE_PACK, Endpoint, NodeAddress
from masq.wire.message import Gossip, GossipFailure, decode_message

REAL = Endpoint("10.9.0.1", 33_333)


def neighborhood(name: str, contacts: list[Contact] | None = None) -> Neighborhood:
    """The Neighborhood of a scripted peer."""
    peer = identity(name)
    address = NodeAddress(peer["ip"], (peer["port"],))
    profile = Profile(
        earning_wallet=bytes(20),
        rates=DEFAULT_RATE_PACK,
        accepts_connections=True,
        routes_data=True,
        country=None,
        address=address,
    )
    return Neighborhood(keys_of(name), profile, contacts or [], 3, 0, 0.0)


def gossip_to(name: str, recording: str) -> list[Gossip]:
    found = []
    for step in case(recording)["steps"]:
        if step.get("by") == "secret" and step.get("opens_with") == name:
            message = decode_message(message_of(case(recording), step))
            if isinstance(message, Gossip):
                found.append(message)
    return found


def tells(effects: list[Any]) -> list[Tell]:
    return [effect for effect in effects if isinstance(effect, Tell)]


def test_the_debut_of_a_real_node_is_answered_and_leads_to_a_link() -> None:
    ours = neighborhood("alpha")
    debut, standard = gossip_to("alpha", "debut-of-real-1")[:2]
    real = debut.records[0].record.public_key
    (answer,) = tells(ours.receive(debut, REAL, 1.0))
    assert answer.key == real
    assert answer.endpoint == Endpoint("10.9.0.1", 5678)
    assert isinstance(answer.message, Gossip)
    (record,) = answer.message.records
    assert record.record.public_key == ours.graph.root_key
    assert record.record.neighbors == {real}
    assert record.address == NodeAddress(identity("alpha")["ip"], (identity("alpha")["port"],))
    ours.receive(standard, REAL, 1.1)
    assert ours.graph.is_full(ours.graph.root_key, real)
    rounds = tells(ours.tick(1.3))
    assert [tell.key for tell in rounds] == [real]
    assert not tells(ours.receive(standard, REAL, 1.4))
    assert not tells(ours.tick(1.6)), "nothing new: silence, or gossip would never end"


def test_a_known_neighbor_that_repeats_itself_is_met_with_silence() -> None:
    ours = neighborhood("alpha")
    for message in gossip_to("alpha", "debut-of-real-1")[:2]:
        ours.receive(message, REAL, 1.0)
    ours.tick(2.0)
    again = gossip_to("alpha", "debut-of-real-1")[1]
    assert ours.receive(again, REAL, 3.0) == []
    assert not tells(ours.tick(4.0))


def test_an_introduction_of_a_real_node_is_followed_if_we_debuted_there() -> None:
    recording = case("introduction-1")
    introductions = [
        (step["opens_with"], message)
        for step in recording["steps"]
        if step.get("by") == "secret" and step["from"].startswith("real")
        for message in [decode_message(message_of(recording, step))]
        if isinstance(message, Gossip) and len(message.records) == 2 and all(item.address for item in message.records)
    ]
    newcomer, introduction = introductions[0]
    address = next(item.address for item in introduction.records if item.address and item.address.ip == REAL.ip)
    assert address
    real = next(item.record.public_key for item in introduction.records if item.address == address)
    ours = neighborhood(newcomer, [Contact(real[:32] + bytes(32), address)])
    assert not tells(ours.receive(introduction, REAL, 0.0)), "unsolicited: ignored"
    assert tells(ours.start(0.1))[0].endpoint == address.endpoint
    (debut,) = tells(ours.receive(introduction, REAL, 0.2))
    introducee = next(item for item in introduction.records if item.record.public_key != real)
    assert introducee.address
    assert (debut.key, debut.endpoint) == (introducee.record.public_key, introducee.address.endpoint)
    assert isinstance(debut.message, Gossip)
    assert debut.message.records[0].record.neighbors == {real}
    assert introducee.record.public_key not in ours.graph


def test_a_gossip_failure_ends_nothing() -> None:
    """L4."""
    for recording in ("gossip-failure-to-joiner-1", "gossip-failure-unsolicited-1", "gossip-failure-1"):
        ours = neighborhood("alpha")
        ours.receive(GossipFailure.NO_SUITABLE_NEIGHBORS, REAL, 1.0)
        assert ours.tick(2.0) == [], recording


HOSTILE = (
    "malformed-gossip",
    "deadly-1",
    "second-introduction-1",
    "pass-after-introduction-1",
    "pass-to-own-address-1",
    "known-key-debut-1",
    "two-connections-1",
    "replay-frames-1",
    "originate-only-1",
    "consume-only-1",
    "standard-unknown-1",
    "join-race-1",
    "loss-same-key-1",
    "loss-same-key-2",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_real_node_was_sent_ours_survives(name: str) -> None:
    """Plays what scripted peers sent to real Nodes to ours, which has the real Node's address."""
    recording = case(name)
    profile = Profile(
        earning_wallet=bytes(20),
        rates=DEFAULT_RATE_PACK,
        accepts_connections=True,
        routes_data=True,
        country=None,
        address=NodeAddress("10.9.0.1", (5678,)),
    )
    ours = Neighborhood(
        keys_of("kappa") if "kappa" in captured()["identities"] else keys_of("alpha"), profile, [], 3, 0, 0.0
    )
    played = 0
    for now, step in enumerate(recording["steps"]):
        if step.get("by") != "ephemeral":
            continue
        source = Endpoint(identity(step["from"])["ip"], 40_000)
        try:
            message = decode_message(message_of(recording, step))
        except (PeerError, KeyError):
            continue
        if isinstance(message, Gossip | GossipFailure):
            ours.receive(message, source, float(now))
            ours.tick(float(now) + 0.5)
            played += 1
    assert ours.graph.root_address == profile.address, "our own address is never erased"
    assert len(ours.graph) >= 1
    assert played or name == "two-connections-1", "the recording holds no gossip that can be opened"


def test_gossip_that_real_nodes_drop_changes_nothing() -> None:
    recording = case("malformed-gossip")
    steps = recording["steps"]
    profile = Profile(
        earning_wallet=bytes(20),
        rates=DEFAULT_RATE_PACK,
        accepts_connections=True,
        routes_data=True,
        country=None,
        address=NodeAddress("10.9.0.1", (5678,)),
    )
    dropped = {
        "signature with one bit changed",
        "signed for another chain's contract",
        "signed without any contract",
        "signature of 63 bytes",
        "empty port list",
        "Debut of an accepting node without address",
        "Debut of a non-accepting node with address",
    }
    checked = set()
    for step in steps:
        if step.get("odd") in dropped:
            ours = Neighborhood(keys_of("alpha"), profile, [], 3, 0, 0.0)
            try:
                message = decode_message(message_of(recording, step))
            except PeerError:
                checked.add(step["odd"])
                continue
            assert isinstance(message, Gossip)
            effects = ours.receive(message, Endpoint(identity(step["from"])["ip"], 40_000), 1.0)
            assert not tells(effects), step["odd"]
            assert len(ours.graph) == 1, step["odd"]
            checked.add(step["odd"])
    assert checked == dropped
