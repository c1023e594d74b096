"""Which link speaks what: detected at one port, dialled by what is known, tried, remembered (protocol.md 15.2)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import pytest
from tests.network_ends import open_door
from tests.recorded import captured
from tests.secure_ends import DEV, Rogue, greeting, heard, keys, link

from masq.core.effects import CloseLink, Dial, ReadLink, WriteLink
from masq.core.limits import UNKNOWN_FOR, Limits
from masq.core.links.links import REMEMBER_JSON, TRY_FOR, LinkArrival, Links, LinkUp, Written
from masq.crypto import CryptDE
from masq.errors import PeerError
from masq.types import Endpoint, LinkPolicy
from masq.wire.frame import unmask
from masq.wire.package import Package
from masq.wire.secure_link import MAGIC

RECORDED: Final = next(step["frame"] for case in captured()["cases"] for step in case["steps"] if "frame" in step)
"""A frame of a real Node."""
JSON: Final = RECORDED.encode()
PEER = Endpoint("10.0.0.2", 6001)
OTHER = Endpoint("10.0.0.3", 6001)
PACKAGE = Package([b"hop"], b"payload")


def links(own: CryptDE, policy: str = "auto") -> Links:
    return Links(own, DEV, 6001, ("circuit1",), LinkPolicy(policy), os.urandom, Limits(), open_door())


def accepted(ours: Links, peer: Endpoint = PEER, now: float = 0.0) -> int:
    id, _ = ours.accept(Endpoint(peer.ip, 40_000), now)
    assert id is not None
    return id


def arrived(ours: Links, id: int, data: bytes, now: float = 0.0) -> tuple[list[LinkArrival], bytes]:
    """What arrives, and what is answered."""
    effects: list[Written] = []
    arrivals = list(ours.received(id, memoryview(bytearray(data)), now, effects))
    known = ours.get(id)
    if known is not None and known.secure is None and arrivals:
        ours.introduce(known)  # As the Node does with a package that opens.
    return arrivals, written(effects, id)


def written(effects: Sequence[Written], id: int) -> bytes:
    """What these effects write to a link. They have to do nothing else, but say how much of it is read at once."""
    others = [effect for effect in effects if not isinstance(effect, ReadLink)]
    assert all(isinstance(effect, WriteLink) and effect.link == id for effect in others)
    return b"".join(effect.data for effect in effects if isinstance(effect, WriteLink))


def sent(ours: Links, peer: CryptDE, known: bool | None, now: float = 0.0, to: Endpoint = PEER) -> int:
    """Send a package where there is no link: the link that is dialled."""
    (dial,) = ours.send(to, peer.public_key, PACKAGE, b"flow", known, now)
    assert isinstance(dial, Dial)
    assert dial.endpoint == to
    return dial.link


def first_words(ours: Links, id: int, now: float = 0.0) -> bytes:
    """How a link that was dialled begins."""
    words = written(ours.dialled(id, now), id)
    assert words.startswith((MAGIC, b'{"bodyData":"'))
    return words[: len(MAGIC)] if words.startswith(MAGIC) else words[:1]


def tried(ours: Links, peer: CryptDE, now: float = 0.0) -> int:
    """The link over which a secure one is tried with somebody who is not known."""
    id = sent(ours, peer, None, now)
    assert first_words(ours, id, now) == MAGIC
    return id


def assert_falls_back(ours: Links, peer: CryptDE, id: int, effects: list[Written], now: float) -> int:
    """The attempt is closed, JSON is dialled instead, and what waited is written: the new link."""
    close, dial = effects
    assert close == CloseLink(id)
    assert isinstance(dial, Dial)
    assert dial.endpoint == PEER
    assert ours.get(id) is None
    frame = written(ours.dialled(dial.link, now), dial.link)
    assert Package.decode(peer.open(unmask(frame))) == PACKAGE
    return dial.link


# --- at one port ---


def test_a_stream_of_json_and_a_secure_link_share_the_port_at_the_same_time() -> None:
    own, visitor = keys(), keys()
    ours, theirs = links(own), link(visitor)
    secure, json = accepted(ours, PEER), accepted(ours, OTHER)
    first = theirs.dial(own.public_key)
    assert arrived(ours, json, JSON[:300]) == ([], b"")
    assert arrived(ours, secure, first[:30]) == ([], b"")
    assert arrived(ours, json, JSON[300:] + JSON[:1]) == ([JSON], b"")
    arrivals, second = arrived(ours, secure, first[30:])
    assert arrivals == []
    heard(theirs, second)
    assert arrived(ours, json, JSON[1:]) == ([JSON], b"")
    assert arrived(ours, secure, theirs.take_answer()) == ([LinkUp(visitor.public_key, 6001, None)], b"")
    for _ in range(2):
        assert arrived(ours, secure, theirs.package(PACKAGE)) == ([PACKAGE], b"")
        assert arrived(ours, json, JSON * 2) == ([JSON, JSON], b"")
        back = written(ours.send(PEER, visitor.public_key, PACKAGE, b"flow", True, 0.0), secure)
        assert heard(theirs, back) == [PACKAGE]
        stranger = keys()
        back = written(ours.send(OTHER, stranger.public_key, PACKAGE, b"flow", False, 0.0), json)
        assert Package.decode(stranger.open(unmask(back))) == PACKAGE


@pytest.mark.parametrize("size", [1, 2, len(MAGIC), len(MAGIC) + 1])
def test_a_secure_link_is_told_by_its_first_byte(size: int) -> None:
    own, theirs = keys(), link(keys())
    ours = links(own)
    id, first = accepted(ours), theirs.dial(own.public_key)
    assert arrived(ours, id, first[:size]) == ([], b"")
    assert heard(theirs, arrived(ours, id, first[size:])[1])


def test_what_only_begins_like_a_secure_link_is_none_and_gets_no_answer() -> None:
    ours = links(keys())
    effects: list[Written] = []
    with pytest.raises(PeerError):
        list(ours.received(accepted(ours), memoryview(bytearray(b"Mozilla")), 0.0, effects))
    assert [effect for effect in effects if not isinstance(effect, ReadLink)] == []


@pytest.mark.parametrize("policy", ["auto", "masq"])
def test_anything_else_is_skipped_up_to_a_frame_of_json(policy: str) -> None:
    ours = links(keys(), policy)
    assert arrived(ours, accepted(ours), b"GET / HTTP/1.1\r\n\r\n" + JSON) == ([JSON], b"")


# --- before the proof ---


def test_nothing_is_written_to_a_visitor_before_its_proof() -> None:
    own, visitor = keys(), keys()
    ours, theirs = links(own), link(visitor)
    id = accepted(ours)
    _, second = arrived(ours, id, theirs.dial(own.public_key))
    assert ours.to(PEER.ip) is None, "until then it may be anybody"
    assert ours.drained(id) == []
    heard(theirs, second)
    (up,), answer = arrived(ours, id, theirs.take_answer())
    assert (up, answer) == (LinkUp(visitor.public_key, 6001, None), b"")
    sent = ours.send(PEER, visitor.public_key, PACKAGE, b"flow", True, 0.0)
    assert heard(theirs, written(sent, id)) == [PACKAGE]


@pytest.mark.parametrize("plain", [b"\x11" + bytes(600), b"\x20" + bytes(8), b"\x02\x00\xa0"])
def test_what_comes_before_the_proof_is_neither_handed_on_nor_answered(plain: bytes) -> None:
    own = keys()
    ours, rogue = links(own), Rogue(keys(), own.public_key)
    id = accepted(ours)
    _, second = arrived(ours, id, rogue.first(greeting(rogue.keys.public_key)))
    rogue.hear_second(second)
    effects: list[Written] = []
    with pytest.raises(PeerError):
        next(ours.received(id, memoryview(bytearray(rogue.frame(plain))), 0.0, effects))
    assert [effect for effect in effects if not isinstance(effect, ReadLink)] == []


def test_a_handshake_that_fails_gets_no_answer_though_its_first_message_was_good() -> None:
    own = keys()
    ours = links(own)
    effects: list[Written] = []
    with pytest.raises(PeerError):
        data = link(keys()).dial(own.public_key) + bytes(20)
        list(ours.received(accepted(ours), memoryview(bytearray(data)), 0.0, effects))
    assert [effect for effect in effects if not isinstance(effect, ReadLink)] == []


@pytest.mark.parametrize("heard_so_far", ["the magic", "the first message"])
def test_a_handshake_has_ten_seconds_from_the_connection_on(heard_so_far: str) -> None:
    assert UNKNOWN_FOR == 10
    own = keys()
    ours = links(own)
    id = accepted(ours)
    arrived(ours, id, MAGIC if heard_so_far == "the magic" else link(keys()).dial(own.public_key), UNKNOWN_FOR - 1)
    assert ours.tick(UNKNOWN_FOR - 0.1) == ([], [])
    assert ours.tick(UNKNOWN_FOR) == ([id], [])


# --- dialling ---


@pytest.mark.parametrize(
    ("policy", "known", "begins"),
    [
        ("auto", True, MAGIC),
        ("auto", None, MAGIC),
        ("auto", False, b"{"),
        ("secure", True, MAGIC),
        ("secure", None, MAGIC),
        ("masq", True, b"{"),
        ("masq", None, b"{"),
        ("masq", False, b"{"),
    ],
)
def test_record_and_policy_tell_how_a_node_is_spoken_to(policy: str, known: bool | None, begins: bytes) -> None:
    ours = links(keys(), policy)
    assert first_words(ours, sent(ours, keys(), known)) == begins


def test_a_record_without_the_mark_is_never_tried_not_even_where_it_was_tried_before() -> None:
    ours, peer = links(keys()), keys()
    ours.closed(sent(ours, peer, None), 0.0)  # Refused before anything could be said.
    for hour in range(4):
        now = hour * REMEMBER_JSON
        id = sent(ours, peer, False, now)
        assert first_words(ours, id, now) == b"{"
        assert ours.tick(now + UNKNOWN_FOR) == ([], [])
        assert ours.closed(id, now + UNKNOWN_FOR) == (PEER.ip, [])


@pytest.mark.parametrize(("policy", "known"), [("auto", True), ("secure", None), ("secure", True)])
def test_who_is_to_speak_securely_is_never_spoken_json_to(policy: str, known: bool | None) -> None:
    ours, peer = links(keys(), policy), keys()
    id = sent(ours, peer, known)
    assert first_words(ours, id) == MAGIC
    assert ours.tick(UNKNOWN_FOR - 0.1) == ([], [])
    assert ours.tick(UNKNOWN_FOR) == ([id], [])
    assert ours.closed(id, UNKNOWN_FOR) == (PEER.ip, []), "nor when the connection ends"
    assert first_words(ours, sent(ours, peer, known, UNKNOWN_FOR)) == MAGIC


def test_with_policy_secure_json_is_refused_without_an_answer() -> None:
    ours = links(keys(), "secure")
    effects: list[Written] = []
    with pytest.raises(PeerError):
        next(ours.received(accepted(ours), memoryview(bytearray(JSON)), 0.0, effects))
    assert [effect for effect in effects if not isinstance(effect, ReadLink)] == []


def test_with_policy_masq_a_secure_handshake_is_not_understood() -> None:
    own = keys()
    ours = links(own, "masq")
    id = accepted(ours)
    arrivals, answer = arrived(ours, id, link(keys()).dial(own.public_key))
    assert answer == b""
    for arrival in arrivals:  # Braces may stand anywhere in it.
        assert isinstance(arrival, bytes)
        with pytest.raises(PeerError):
            unmask(arrival)
    assert ours.tick(UNKNOWN_FOR)[0] in ([], [id]), "nobody who speaks like that is waited for"


# --- trying ---


def test_who_does_not_answer_in_two_seconds_is_spoken_json_to() -> None:
    assert TRY_FOR == 2
    ours, peer = links(keys()), keys()
    id = sent(ours, peer, None, 1.0)
    first_words(ours, id, 5.0)  # The time counts from the connection on.
    assert ours.tick(4.9 + TRY_FOR) == ([], [])
    assert ours.next_wake(6.0) == 5.0 + TRY_FOR
    dead, effects = ours.tick(5.0 + TRY_FOR)
    assert dead == []
    assert_falls_back(ours, peer, id, effects, 7.0)


@pytest.mark.parametrize("heard_first", [b"", JSON[:200], b"\x00\x50half of a second message"])
def test_who_closes_an_attempt_is_spoken_json_to_and_not_taken_for_lost(heard_first: bytes) -> None:
    ours, peer = links(keys()), keys()
    id = tried(ours, peer)
    if heard_first == JSON[:200]:
        with pytest.raises(PeerError):
            arrived(ours, id, heard_first)
    else:
        arrived(ours, id, heard_first)
    lost, effects = ours.closed(id, 0.5)
    assert lost is None
    assert_falls_back(ours, peer, id, effects, 0.6)


def test_an_answer_that_is_not_whole_after_two_seconds_is_none() -> None:
    own, peer = keys(), keys()
    ours, theirs = links(own), link(peer)
    id = sent(ours, peer, None)
    heard(theirs, written(ours.dialled(id, 0.0), id))
    assert arrived(ours, id, theirs.take_answer()[:-1], 1.9) == ([], b"")
    assert_falls_back(ours, peer, id, ours.tick(TRY_FOR)[1], TRY_FOR)


def test_an_answer_in_time_makes_a_secure_link_that_stays_one() -> None:
    own, peer = keys(), keys()
    ours, theirs = links(own), link(peer)
    id = sent(ours, peer, None)
    heard(theirs, written(ours.dialled(id, 0.0), id))
    (up,), rest = arrived(ours, id, theirs.take_answer(), 1.9)
    assert up == LinkUp(peer.public_key, 6001)
    assert heard(theirs, rest)[1:] == [PACKAGE], "what waited follows the proof"
    assert ours.tick(TRY_FOR) == ([], [])
    assert ours.closed(id, 6.0) == (PEER.ip, [])
    tried(ours, peer, 7.0)


def test_that_an_address_speaks_json_is_remembered_for_an_hour() -> None:
    assert REMEMBER_JSON == 3_600
    ours, peer = links(keys()), keys()
    json = assert_falls_back(ours, peer, tried(ours, peer, 10.0), ours.tick(10.0 + TRY_FOR)[1], 12.0)
    assert ours.closed(json, 20.0) == (PEER.ip, []), "this time it is lost"
    for now in (20.0, 12.0 + REMEMBER_JSON - 1):
        json = sent(ours, peer, None, now)
        assert first_words(ours, json, now) == b"{"
        ours.closed(json, now)
    assert first_words(ours, sent(ours, peer, None, 30.0, OTHER), 30.0) == MAGIC, "others have nothing to do with it"
    tried(ours, peer, 12.0 + REMEMBER_JSON)


def test_a_record_with_the_mark_counts_more_than_what_is_remembered() -> None:
    ours, peer = links(keys()), keys()
    json = assert_falls_back(ours, peer, tried(ours, peer), ours.tick(TRY_FOR)[1], 2.0)
    ours.closed(json, 3.0)
    assert first_words(ours, sent(ours, peer, True, 4.0), 4.0) == MAGIC


def test_a_connection_that_was_refused_tells_nothing_about_its_speech() -> None:
    ours, peer = links(keys()), keys()
    assert ours.closed(sent(ours, peer, None), 1.0) == (PEER.ip, [])
    tried(ours, peer, 2.0)


# --- from JSON to secure ---


def test_a_json_peer_with_the_mark_is_dialled_securely_beside_its_link() -> None:
    ours, peer = links(keys()), keys()
    json = accepted(ours)
    arrived(ours, json, JSON)
    (dial,) = ours.upgrade(PEER, peer.public_key, 1.0)
    assert isinstance(dial, Dial)
    assert first_words(ours, dial.link, 1.0) == MAGIC
    assert arrived(ours, json, JSON, 1.5) == ([JSON], b"")
    assert ours.closed(dial.link, 2.0) == (None, []), "the peer is not lost, and no JSON is dialled again"


def test_with_policy_masq_nobody_is_dialled_beside_a_link() -> None:
    ours = links(keys(), "masq")
    arrived(ours, accepted(ours), JSON)
    assert ours.upgrade(PEER, keys().public_key, 1.0) == []


@pytest.mark.parametrize(("policy", "known"), [("secure", None), ("secure", True), ("auto", True)])
def test_a_silent_visitor_is_not_spoken_json_to_where_it_must_not_be(policy: str, known: bool | None) -> None:
    ours = links(keys(), policy)
    id = accepted(ours)
    effects = ours.send(PEER, keys().public_key, PACKAGE, b"flow", known, 0.0)
    assert not [effect for effect in effects if isinstance(effect, WriteLink) and effect.link == id]


def test_until_the_second_link_stands_the_first_one_carries_what_is_sent() -> None:
    ours, peer = links(keys()), keys()
    json = accepted(ours)
    arrived(ours, json, JSON)
    ours.upgrade(PEER, peer.public_key, 1.0)
    assert written(ours.send(PEER, peer.public_key, PACKAGE, b"flow", True, 1.0), json)


def test_a_key_that_is_no_point_closes_the_link_that_was_dialled_for_it() -> None:
    ours = links(keys())
    (dial,) = ours.send(PEER, bytes(64), PACKAGE, b"flow", True, 0.0)
    assert isinstance(dial, Dial)
    assert ours.dialled(dial.link, 0.0)[-1] == CloseLink(dial.link)
    assert ours.get(dial.link) is None
