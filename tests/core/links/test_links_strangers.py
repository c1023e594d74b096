"""What strangers may do to links: say nothing, say half, say rubbish, not read, pose as neighbors."""

from __future__ import annotations

import os

from tests.network_ends import Peer, arrive, frame, links, visited
from tests.secure_ends import DEV

from masq.core.effects import CloseLink, Dial, ReadLink, WriteLink
from masq.core.limits import (
    MAX_MALFORMED,
    NEIGHBOR_READ,
    STRANGER_READ,
    STUCK,
    STUCK_FLOWS,
    UNFINISHED_FOR,
    UNFINISHED_TOTAL,
    UNKNOWN_FOR,
    UNKNOWN_FRAME,
    WORK_SAVED,
    Limits,
)
from masq.core.links.door import Door
from masq.core.links.links import Links, Written
from masq.errors import PeerError
from masq.types import LinkPolicy
from masq.wire.package import Package
from masq.wire.secure_link import FrameType

ROOT, ALPHA, BETA = Peer(0), Peer(1), Peer(2)


def accepted(ours: Links, peer: Peer, now: float = 0.0) -> int:
    id, _ = ours.accept(peer.source, now)
    assert id is not None
    return id


def hears(ours: Links, id: int, data: bytes, now: float = 0.0) -> list[Written]:
    effects: list[Written] = []
    list(ours.received(id, memoryview(bytearray(data)), now, effects))
    return effects


def test_who_says_nothing_or_half_a_frame_goes_after_ten_seconds() -> None:
    ours = links(close=False)
    silent, half, greeting = (accepted(ours, Peer(number)) for number in (3, 4, 5))
    hears(ours, half, b'{"bodyData":"AAAA')
    hears(ours, greeting, b"MASQ-li")
    assert ours.tick(UNKNOWN_FOR - 0.1)[0] == []
    assert ours.tick(UNKNOWN_FOR)[0] == [silent, half, greeting]


def test_who_has_said_something_that_opens_stays() -> None:
    ours = links(close=False)
    id = accepted(ours, ALPHA)
    known = ours.get(id)
    assert known
    hears(ours, id, b"{}")
    ours.introduce(known)
    assert ours.tick(UNKNOWN_FOR)[0] == []


def test_a_stranger_s_frame_is_at_most_a_mebibyte() -> None:
    ours = links(close=False)
    id = accepted(ours, ALPHA)
    hears(ours, id, b'{"bodyData":"' + b"A" * (UNKNOWN_FRAME - 100))
    try:
        hears(ours, id, b"A" * 200)
    except PeerError:
        return
    raise AssertionError("a longer frame was waited for")


def test_an_unfinished_frame_has_an_age_and_all_of_them_a_bound() -> None:
    ours = links()
    slow = accepted(ours, ALPHA)
    hears(ours, slow, b"{}")
    ours.introduce(ours.get(slow))  # type: ignore[arg-type]
    hears(ours, slow, b'{"bodyData":"' + b"A" * 1_000, 1.0)
    hears(ours, slow, b"A", UNFINISHED_FOR)
    assert ours.tick(UNFINISHED_FOR + 0.9)[0] == []
    assert ours.tick(UNFINISHED_FOR + 1)[0] == [slow], "though it goes on and on"
    ours = links()
    size = UNFINISHED_TOTAL // 5
    ids = [accepted(ours, Peer(number)) for number in range(3, 9)]
    effects = [effect for id in ids for effect in hears(ours, id, b'{"bodyData":"' + b"A" * size)]
    assert {each.link for each in effects if isinstance(each, CloseLink)} == {ids[0]}


def test_a_byte_from_a_neighbor_s_address_takes_nothing_over() -> None:
    ours = links()
    neighbor = visited(ours, ALPHA)
    impostor = accepted(ours, ALPHA)
    hears(ours, impostor, b"{}")
    assert ours.secure_link(ALPHA.ip, ALPHA.key) == neighbor.id
    ours.introduce(ours.get(impostor))  # type: ignore[arg-type]
    assert ours.secure_link(ALPHA.ip, ALPHA.key) == neighbor.id
    visited(ours, BETA, ip=ALPHA.ip)
    assert ours.secure_link(ALPHA.ip, ALPHA.key) == neighbor.id, "nor does another key that is proven there"


def test_rubbish_is_borne_for_a_while_and_forgiven_with_time() -> None:
    ours = links(close=False)
    known = ours.get(accepted(ours, ALPHA))
    assert known
    assert not any(ours.malformed(known, 0.0) for _ in range(MAX_MALFORMED))
    assert ours.malformed(known, 0.0)
    assert not ours.malformed(known, 10.0)


def test_a_stranger_is_read_as_fast_as_its_work_is_allowed_and_a_neighbor_always() -> None:
    for close in (False, True):
        ours = links(close=close)
        id = accepted(ours, ALPHA)
        known = ours.get(id)
        assert known
        known.close = close
        tired = ours.worked(known, WORK_SAVED * 2, 0.0)
        assert tired == ([] if close else [ReadLink(id, 0)])
        assert ours.worked(known, WORK_SAVED, 0.0) == [], "it is said once"
        known.introduced = True
        assert ours.tick(100.0)[1] == ([] if close else [ReadLink(id, STRANGER_READ)])


def test_who_doesn_t_read_isn_t_listened_to() -> None:
    for size, count in ((STUCK // 10, 11), (1, STUCK_FLOWS + 1)):
        ours = links(close=False)
        end = visited(ours, ALPHA)
        ours.congested(end.id)
        sent = [ours.send_frame(end.id, frame(circuit, 0, size), circuit) for circuit in range(count)]
        assert [each for effects in sent for each in effects] == [ReadLink(end.id, 0)]
        assert ours.tick(1.0)[1] == []
        ours.drained(end.id)
        while ours.drained(end.id):
            pass
        assert ReadLink(end.id, STRANGER_READ) in ours.tick(2.0)[1]


def test_a_visitor_that_becomes_a_neighbor_is_read_as_one() -> None:
    neighbors: set[str] = set()
    door = Door(Limits(), lambda ip, key: ip in neighbors, False)
    ours = Links(ROOT.keys, DEV, 6001, ("circuit1",), LinkPolicy.AUTO, bytes, Limits(), door)
    id = accepted(ours, ALPHA)
    assert hears(ours, id, b"{") == []
    neighbors.add(ALPHA.ip)
    assert hears(ours, id, b"}") == [ReadLink(id, NEIGHBOR_READ)]
    neighbors.clear()
    assert hears(ours, id, b"{") == [ReadLink(id, STRANGER_READ)]


def test_a_visitor_that_becomes_a_neighbor_in_the_midst_of_a_frame_stays() -> None:
    neighbors: set[str] = set()
    door = Door(Limits(), lambda ip, key: ip in neighbors, False)
    ours = Links(ROOT.keys, DEV, 6001, ("circuit1",), LinkPolicy.AUTO, os.urandom, Limits(), door)
    end = visited(ours, ALPHA)
    frame = bytes(end.theirs.frame(FrameType.PING, bytes(8)))
    hears(ours, end.id, frame[:5], 1.0)
    neighbors.add(ALPHA.ip)
    hears(ours, end.id, frame[5:], 2.0)
    hears(ours, end.id, bytes(end.theirs.frame(FrameType.PING, bytes(8))), UNFINISHED_FOR)
    assert ours.tick(UNFINISHED_FOR + 1)[0] == []


def test_a_neighbor_that_we_dial_is_read_as_one_from_the_beginning() -> None:
    for close in (False, True):
        ours = links(close=close)
        dial, *_ = ours.send(ALPHA.source, ALPHA.key, Package([b"hop"], b"x"), b"flow", True, 0.0)
        assert isinstance(dial, Dial)
        reads = [each for each in ours.dialled(dial.link, 0.0) if isinstance(each, ReadLink)]
        assert reads == ([ReadLink(dial.link, NEIGHBOR_READ)] if close else [])


def test_few_pings_of_one_read_are_answered_and_none_of_who_does_not_read() -> None:
    ours = links(close=False)
    end = visited(ours, ALPHA)
    pings = b"".join(bytes(end.theirs.frame(FrameType.PING, bytes(8))) for _ in range(100))
    effects = hears(ours, end.id, pings)
    assert 0 < sum(len(each.data) for each in effects if isinstance(each, WriteLink)) < 200
    ours.congested(end.id)
    more = b"".join(bytes(end.theirs.frame(FrameType.PING, bytes(8))) for _ in range(100))
    assert not [each for each in hears(ours, end.id, more) if isinstance(each, WriteLink)]
    assert arrive(ours, end.id, bytes(end.theirs.frame(FrameType.PING, bytes(8))))[1] == b""
