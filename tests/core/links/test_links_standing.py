"""Links as they come and go: which one carries what, PINGs, dead and spare ones, bounds (protocol.md 15.2)."""

from __future__ import annotations

import pytest
from tests.network_ends import ROOT, Peer, arrive, dialled, frame, links, open_door, peers, visited, written
from tests.recorded import captured
from tests.secure_ends import heard
from tests.secure_ends import link as secure_end

from masq.core.effects import CloseLink, Dial, Log, WriteLink
from masq.core.limits import MAX_LINKS, UNKNOWN_FOR, Limits
from masq.core.links.links import (
    LONGEST_PATIENCE,
    LOOK,
    PATIENCE,
    PING_AFTER,
    PING_SOON,
    SLOWEST,
    SPARE_FOR,
    STALLED,
    TRY_FOR,
    Links,
    LinkUp,
    Written,
)
from masq.crypto import NullCryptDE
from masq.errors import PeerError
from masq.types import Endpoint, LinkPolicy
from masq.wire.frame import unmask
from masq.wire.package import Package
from masq.wire.secure_link import FrameType

JSON = next(step["frame"] for case in captured()["cases"] for step in case["steps"] if "frame" in step).encode()
PACKAGE = Package([b"hop"], b"payload")
ALPHA, BETA = peers(2)
LOWER, HIGHER = sorted(peers(2), key=lambda peer: peer.key)


def at(peer: Peer) -> Endpoint:
    return peer.address.endpoint


def send(ours: Links, peer: Peer, known: bool | None = True, now: float = 0.0) -> list[object]:
    return list(ours.send(at(peer), peer.key, PACKAGE, b"flow", known, now))


def json_visitor(ours: Links, peer: Peer, now: float = 0.0) -> int:
    """A link that a peer made to us and spoke JSON over."""
    id, _ = ours.accept(peer.source, now)
    assert id is not None
    assert arrive(ours, id, JSON, now) == ([JSON], b"")
    return id


def carrier(ours: Links, peer: Peer) -> int:
    """Over which link something to a peer travels now."""
    link = ours.to(peer.ip)
    assert link
    return link.id


# --- one link ---


def test_a_link_is_known_by_its_number_until_it_ends() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    assert [link.id for link in ours] == [end.id]
    assert not ours.is_outbound(end.id)
    assert ours.secure_link(ALPHA.ip, ALPHA.key) == end.id
    assert ours.closed(end.id, 1.0) == (ALPHA.ip, [])
    assert ours.get(end.id) is None
    assert ours.to(ALPHA.ip) is None
    assert ours.secure_link(ALPHA.ip, ALPHA.key) is None


def test_of_a_link_that_is_gone_nothing_comes() -> None:
    ours = links()
    assert arrive(ours, 99, b"anything") == ([], b"")
    assert ours.closed(99, 0.0) == (None, [])
    assert not ours.is_outbound(99)
    assert ours.dialled(99, 0.0) == [CloseLink(99)], "the connection that was made for it is of no use"


def test_a_secure_link_carries_only_what_is_for_its_key() -> None:
    ours = links()
    visited(ours, ALPHA)
    assert ours.secure_link(ALPHA.ip, BETA.key) is None
    json_visitor(ours, BETA)
    assert ours.secure_link(BETA.ip, BETA.key) is None


def test_a_link_that_is_dialled_waits_for_its_proof() -> None:
    ours = links()
    effects = send(ours, ALPHA)
    (dial,) = effects
    assert isinstance(dial, Dial)
    assert ours.is_outbound(dial.link)
    assert ours.secure_link(ALPHA.ip, ALPHA.key) is None
    assert send(ours, ALPHA) == [], "the second package waits with the first"
    end = dialled(ours, effects, ALPHA)
    assert ours.secure_link(ALPHA.ip, ALPHA.key) == end.id
    assert end.reads(send(ours, ALPHA)) == [PACKAGE]


def test_what_is_seen_of_a_link_is_how_it_speaks_and_what_waits() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    ours.congested(end.id)
    ours.send_frame(end.id, frame(1, 0), 1)
    json_visitor(ours, BETA)
    first, second = ours.view()
    assert (first.peer, first.speech, first.outbound, first.queued) == (
        str(ALPHA.source),
        "secure",
        False,
        len(frame(1, 0)),
    )
    assert second.speech == "json"


def test_a_circuits_frame_does_not_travel_over_json() -> None:
    ours = links()
    id = json_visitor(ours, ALPHA)
    assert ours.send_frame(id, frame(1, 0), 1) == []


# --- how many ---


def test_there_are_no_more_links_than_may_be() -> None:
    ours = links()
    for number in range(MAX_LINKS):
        json_visitor(ours, Peer(number + 10))
    assert ours.accept(ALPHA.source, 0.0)[0] is None
    (log,) = send(ours, ALPHA)
    assert isinstance(log, Log)
    assert log.event == "too_many_links"


def test_with_all_links_in_use_nobody_is_dialled_beside_one() -> None:
    ours = links()
    json_visitor(ours, ALPHA)
    for number in range(MAX_LINKS - 1):
        json_visitor(ours, Peer(number + 10))
    assert ours.upgrade(at(ALPHA), ALPHA.key, 0.0) == []


# --- policies ---


def test_with_policy_secure_who_knows_no_secure_links_is_not_dialled() -> None:
    (log,) = send(links(policy=LinkPolicy.SECURE), ALPHA, known=False)
    assert isinstance(log, Log)
    assert log.event == "not_dialled"


def test_keys_without_secure_links_speak_json_alone() -> None:
    ours = Links(NullCryptDE(b"key"), b"", 6001, (), LinkPolicy.AUTO, lambda size: bytes(size), Limits(), open_door())
    (dial,) = ours.send(at(ALPHA), b"other", PACKAGE, b"flow", True, 0.0)
    assert isinstance(dial, Dial)
    (write,) = (each for each in ours.dialled(dial.link, 0.0) if isinstance(each, WriteLink))
    assert Package.decode(NullCryptDE(b"other").open(unmask(bytes(write.data)))) == PACKAGE
    assert ours.upgrade(at(ALPHA), ALPHA.key, 0.0) == []


def test_with_policy_secure_nobody_is_dialled_beside_a_link() -> None:
    ours = links(policy=LinkPolicy.SECURE)
    visited(ours, ALPHA)
    assert ours.upgrade(at(ALPHA), ALPHA.key, 0.0) == []


# --- PINGs and dead links ---


def pings(ours: Links, id: int, now: float) -> bytes:
    """What a tick writes to a link. Nothing may be dead."""
    dead, effects = ours.tick(now)
    assert dead == []
    return written(effects, id)


def test_a_silent_link_is_pinged_and_the_answer_keeps_it() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    assert pings(ours, end.id, PING_AFTER - 0.1) == b""
    (ping,) = ours.tick(PING_AFTER)[1]
    assert end.reads([ping]) == []
    arrive(ours, end.id, end.theirs.take_answer(), 16.0)
    assert pings(ours, end.id, 16.0 + PING_AFTER - 0.1) == b""
    assert pings(ours, end.id, 16.0 + PING_AFTER)


def watched(ours: Links, id: int, since: float, until: float) -> tuple[list[float], float | None]:
    """When a link was pinged, and when it was found dead: looked at each tenth of a second."""
    pinged = []
    for tenth in range(round(since * 10), round(until * 10) + 1):
        dead, effects = ours.tick(tenth / 10)
        if written(effects, id):
            pinged.append(tenth / 10)
        if dead:
            return pinged, tenth / 10
    return pinged, None


def test_an_idle_link_is_dead_within_twenty_seconds() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    assert watched(ours, end.id, 0.0, 30.0) == ([PING_AFTER], PING_AFTER + PATIENCE)


def test_a_link_that_does_not_answer_what_was_sent_is_dead_within_five_seconds() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    send(ours, ALPHA)
    pinged, dead = watched(ours, end.id, 0.0, 10.0)
    assert pinged == [PING_SOON]
    assert dead is not None
    assert dead <= 5.1


def test_who_has_much_to_read_has_longer_to_answer() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    ours.get(end.id).sent = 2 * SLOWEST  # type: ignore[union-attr]
    assert watched(ours, end.id, 0.0, 20.0) == ([PING_SOON], PING_SOON + PATIENCE + 2)
    later = links()
    end = visited(later, ALPHA)
    later.get(end.id).sent = 100 * SLOWEST  # type: ignore[union-attr]
    assert watched(later, end.id, 0.0, 100.0) == ([PING_SOON], PING_SOON + LONGEST_PATIENCE)


def test_anything_that_is_heard_counts_as_life() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    send(ours, ALPHA)
    assert watched(ours, end.id, 0.0, 4.0) == ([PING_SOON], None)
    arrive(ours, end.id, end.theirs.package(PACKAGE), 4.0)
    assert watched(ours, end.id, 4.1, 30.0) == ([4.0 + PING_AFTER], 4.0 + PING_AFTER + PATIENCE)


@pytest.mark.parametrize("away", [STALLED + 0.1, LOOK + 1.0])
def test_after_we_were_away_a_link_is_asked_again_before_it_is_judged(away: float) -> None:
    """A Node that waits for the CPU hears its timers before what has come meanwhile."""
    ours = links()
    end = visited(ours, ALPHA)
    assert watched(ours, end.id, 0.0, PING_AFTER) == ([PING_AFTER], None)
    late = PING_AFTER + PATIENCE + away
    assert watched(ours, end.id, late, late + 10) == ([late], late + PATIENCE)


def test_it_is_known_when_to_look_again() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    ours.tick(0.0)
    assert ours.next_wake(0.0) == LOOK
    send(ours, ALPHA)
    assert ours.next_wake(0.1) == PING_SOON
    assert written(ours.tick(PING_SOON)[1], end.id)
    assert ours.next_wake(PING_SOON) == pytest.approx(PING_SOON + PATIENCE, abs=0.001)


def test_a_ping_is_answered_with_its_eight_bytes() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    arrivals, answer = arrive(ours, end.id, bytes(end.theirs.frame(FrameType.PING, b"12345678")), 1.0)
    assert arrivals == []
    assert end.reads([WriteLink(end.id, answer)]) == []
    assert answer, "the cipher was content with it"


def test_links_of_json_are_not_pinged() -> None:
    ours = links()
    json_visitor(ours, ALPHA)
    assert ours.tick(10 * LONGEST_PATIENCE) == ([], [])


def test_a_connection_that_is_not_made_yet_is_left_to_its_driver() -> None:
    ours = links()
    send(ours, ALPHA)
    assert ours.tick(10 * LONGEST_PATIENCE) == ([], [])


def test_a_handshake_that_was_dialled_has_ten_seconds() -> None:
    ours = links()
    (dial,) = send(ours, ALPHA)
    assert isinstance(dial, Dial)
    ours.dialled(dial.link, 5.0)
    assert ours.tick(5.0 + UNKNOWN_FOR - 0.1) == ([], [])
    assert ours.tick(5.0 + UNKNOWN_FOR) == ([dial.link], [])


def test_it_wants_to_be_woken_when_an_attempt_ends_or_soon() -> None:
    ours = links()
    assert ours.next_wake(0.0) == 5.0
    (dial,) = send(ours, ALPHA, known=None)
    assert isinstance(dial, Dial)
    assert ours.next_wake(0.0) == 5.0, "the driver still dials"
    ours.dialled(dial.link, 1.0)
    assert ours.next_wake(1.0) == 1.0 + TRY_FOR
    assert ours.next_wake(100.0) == 100.0


# --- two links to one address or key ---


def test_of_two_visits_the_later_one_is_written_to_and_the_other_takes_its_place() -> None:
    ours = links()
    first, second = visited(ours, ALPHA), visited(ours, ALPHA, 1.0)
    assert carrier(ours, ALPHA) == second.id
    assert ours.closed(second.id, 2.0) == (None, []), "the peer is not lost"
    assert carrier(ours, ALPHA) == first.id
    assert ours.closed(first.id, 3.0) == (ALPHA.ip, [])


def test_a_visitor_that_has_proved_nothing_takes_nobodys_place() -> None:
    ours = links()
    first = visited(ours, ALPHA)
    silent, _ = ours.accept(ALPHA.source, 1.0)
    assert silent
    assert carrier(ours, ALPHA) == first.id
    assert ours.closed(first.id, 2.0) == (ALPHA.ip, []), "nor keeps it"


@pytest.mark.parametrize("we_are_lower", [True, False])
@pytest.mark.parametrize("visit_first", [True, False])
def test_of_two_links_to_one_key_the_one_that_the_lower_key_dialled_is_written_to(
    we_are_lower: bool, visit_first: bool
) -> None:
    own, peer = (LOWER, HIGHER) if we_are_lower else (HIGHER, LOWER)
    ours = links(own.keys)
    effects = send(ours, peer)  # We dial; and it has dialled us before ours stands, or after.
    if visit_first:
        theirs = visited(ours, peer, own=own.keys)
        dial = dialled(ours, effects, peer)
    else:
        dial = dialled(ours, effects, peer)
        theirs = visited(ours, peer, own=own.keys)
    kept, other = (dial, theirs) if we_are_lower else (theirs, dial)
    assert carrier(ours, peer) == kept.id
    assert kept.reads(send(ours, peer)) == [PACKAGE]
    assert arrive(ours, other.id, other.theirs.package(PACKAGE)) == ([PACKAGE], b""), "the other one is read on"


def test_a_link_beside_the_one_that_is_written_to_is_spare_after_a_minute_of_silence() -> None:
    ours = links()
    first, second = visited(ours, ALPHA), visited(ours, ALPHA)
    assert ours.spare(0.0) == []
    assert ours.spare(SPARE_FOR - 0.1) == []
    assert ours.spare(SPARE_FOR) == [first.id]
    assert carrier(ours, ALPHA) == second.id


@pytest.mark.parametrize("way", ["in", "out"])
def test_what_comes_or_goes_over_it_keeps_a_spare_link(way: str) -> None:
    ours = links()
    first, _ = visited(ours, ALPHA), visited(ours, ALPHA)
    ours.spare(0.0)
    ours.spare(0.1)
    if way == "in":
        arrive(ours, first.id, first.theirs.package(PACKAGE), 50.0)
    else:
        ours.send_frame(first.id, frame(1, 0), 1)
    assert ours.spare(SPARE_FOR) == []
    assert ours.spare(2 * SPARE_FOR - 0.1) == []
    assert ours.spare(2 * SPARE_FOR) == [first.id]


def test_pings_do_not_keep_a_spare_link() -> None:
    ours = links()
    first, _ = visited(ours, ALPHA), visited(ours, ALPHA)
    ours.spare(0.0)
    ours.spare(0.1)
    arrive(ours, first.id, bytes(first.theirs.frame(FrameType.PING, bytes(8))), 50.0)
    assert ours.spare(SPARE_FOR + 0.1) == [first.id]


def test_a_visitor_that_is_no_neighbor_gives_its_place_back_after_a_minute_of_silence() -> None:
    ours = links(close=False)
    visitor = visited(ours, ALPHA)
    ours.spare(0.0)
    arrive(ours, visitor.id, visitor.theirs.package(PACKAGE), 50.0)
    assert ours.spare(SPARE_FOR) == []
    assert ours.spare(2 * SPARE_FOR - 0.1) == []
    assert ours.spare(2 * SPARE_FOR) == [visitor.id]


def test_links_that_we_dialled_stay() -> None:
    ours = links(close=False)
    dialled(ours, send(ours, ALPHA), ALPHA)
    ours.spare(0.0)
    assert ours.spare(10 * SPARE_FOR) == []


def test_links_of_json_are_never_spare() -> None:
    ours = links()
    json_visitor(ours, ALPHA)
    visited(ours, ALPHA)
    ours.spare(0.0)
    assert ours.spare(10 * SPARE_FOR) == []


# --- from JSON to secure ---


def test_once_the_secure_link_beside_it_stands_json_falls_silent() -> None:
    ours = links()
    json = json_visitor(ours, ALPHA)
    end = dialled(ours, ours.upgrade(at(ALPHA), ALPHA.key, 0.0), ALPHA)
    assert carrier(ours, ALPHA) == end.id
    assert end.reads(send(ours, ALPHA)) == [PACKAGE]
    assert ours.closed(end.id, 1.0) == (None, [])
    assert carrier(ours, ALPHA) == json


def test_a_peer_is_dialled_once_beside_its_link() -> None:
    ours = links()
    json_visitor(ours, ALPHA)
    assert ours.upgrade(at(ALPHA), ALPHA.key, 0.0)
    assert ours.upgrade(at(ALPHA), ALPHA.key, 1.0) == []


def test_only_a_link_of_json_is_upgraded() -> None:
    ours = links()
    assert ours.upgrade(at(ALPHA), ALPHA.key, 0.0) == []
    visited(ours, ALPHA)
    assert ours.upgrade(at(ALPHA), ALPHA.key, 0.0) == []


def test_what_waited_for_an_attempt_is_counted_once_after_the_fall_back() -> None:
    ours = links()
    (dial,) = send(ours, ALPHA, known=None)
    assert isinstance(dial, Dial)
    ours.dialled(dial.link, 0.0)
    before = sum(view.queued for view in ours.view())
    _, (_, again) = ours.tick(TRY_FOR)
    assert isinstance(again, Dial)
    assert before == sum(view.queued for view in ours.view()) > 0
    ours.dialled(again.link, TRY_FOR)
    assert sum(view.queued for view in ours.view()) == 0


# --- arrivals ---


def test_frames_packages_and_proofs_come_as_what_they_are() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    both = bytes(end.theirs.frame(FrameType.CELL, b"\0\0\0\1body")) + end.theirs.package(PACKAGE)
    effects: list[Written] = []
    found = []
    for arrival in ours.received(end.id, memoryview(bytearray(both)), 1.0, effects):
        found.append(bytes(arrival.body) if hasattr(arrival, "body") else arrival)
    assert found == [b"\0\0\0\1body", PACKAGE]
    assert effects == []


def test_a_frame_that_was_altered_ends_its_link() -> None:
    ours = links()
    end = visited(ours, ALPHA)
    data = bytearray(end.theirs.package(PACKAGE))
    data[-1] ^= 1
    with pytest.raises(PeerError):
        list(ours.received(end.id, memoryview(data), 1.0, []))


def test_a_proof_tells_the_key_and_where_its_node_listens() -> None:
    ours, theirs = links(), secure_end(ALPHA.keys)
    (dial,) = send(ours, ALPHA)
    assert isinstance(dial, Dial)
    heard(theirs, written(ours.dialled(dial.link, 0.0), dial.link))
    arrivals, _ = arrive(ours, dial.link, theirs.take_answer())
    assert arrivals == [LinkUp(ALPHA.key, 6001)]


def test_what_comes_right_behind_the_proof_arrives_behind_it() -> None:
    ours, theirs = links(), secure_end(ALPHA.keys)
    id, _ = ours.accept(ALPHA.source, 0.0)
    assert id is not None
    heard(theirs, arrive(ours, id, theirs.dial(ROOT.key))[1])
    arrivals, _ = arrive(ours, id, theirs.take_answer() + theirs.package(PACKAGE))
    assert arrivals == [LinkUp(ALPHA.key, 6001, None), PACKAGE]
