from __future__ import annotations

import struct

import pytest
from benchmarks.wan.forwarder import LEAST_QUEUE, Lane, Line, Plan
from benchmarks.wan.packets import VNET_HEADER, on_the_wire, segments, target, without

MSS = 1_000
IP, TCP = 20, 32


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def train(body: bytes, sequence: int = 2**32 - 1_500, flags: int = 0x18) -> bytes:
    """What the kernel hands over for a TCP segment that is to be cut into pieces of MSS bytes."""
    kind = 1 if len(body) > MSS else 0
    header = struct.pack("<BBHHHH", 1, kind, IP + TCP, MSS if kind else 0, IP, 16)
    ip = bytearray(
        struct.pack(">BBHHHBBH4s4s", 0x45, 0, IP + TCP + len(body), 7, 0, 64, 6, 0, b"\x0a\1\0\1", b"\x0a\2\0\1")
    )
    ip[10:12] = struct.pack(">H", 0xFFFF ^ checksum(bytes(ip)))
    tcp = struct.pack(">HHIIBBHHH", 1, 2, sequence, 9, (TCP // 4) << 4, flags, 500, 0, 0) + bytes(12)
    return header + bytes(ip) + tcp + body


def parts(packet: bytes) -> tuple[int, int, bytes]:
    """Sequence number, flags and content."""
    tcp = VNET_HEADER + IP
    return (
        int.from_bytes(packet[tcp + 4 : tcp + 8], "big"),
        packet[tcp + 13],
        packet[tcp + TCP :],
    )


def test_a_train_is_counted_by_its_segments_and_their_headers() -> None:
    packet = train(bytes(3 * MSS + 1))
    assert segments(packet) == 4
    assert on_the_wire(packet) == 3 * MSS + 1 + 4 * (IP + TCP)
    assert target(packet) == b"\x0a\2\0\1"
    assert segments(train(bytes(5))) == 1
    assert on_the_wire(train(bytes(5))) == 5 + IP + TCP


@pytest.mark.parametrize("lost", range(4))
def test_what_is_left_of_a_train_is_what_was_around_the_lost_segment(lost: int) -> None:
    body = bytes(number % 251 for number in range(3 * MSS + 7))
    packet = train(body)
    left = without(packet, lost)
    lengths = [MSS, MSS, MSS, 7]
    sizes = [sum(lengths[:lost]), sum(lengths[lost + 1 :])]
    assert [len(parts(piece)[2]) for piece in left] == [size for size in sizes if size]
    for piece in left:
        sequence, flags, content = parts(piece)
        at = (sequence - parts(packet)[0]) % 2**32
        assert content == body[at : at + len(content)]
        assert flags == (0x18 if at + len(content) == len(body) else 0x10)
        ip = piece[VNET_HEADER : VNET_HEADER + IP]
        assert checksum(ip) == 0xFFFF
        assert int.from_bytes(ip[2:4], "big") == IP + TCP + len(content)
        pseudo = ip[12:20] + bytes((0, 6)) + (TCP + len(content)).to_bytes(2, "big")
        assert int.from_bytes(piece[VNET_HEADER + IP + 16 : VNET_HEADER + IP + 18], "big") == checksum(pseudo)
        assert segments(piece) == -(-len(content) // MSS)


def test_nothing_is_left_of_a_single_packet() -> None:
    assert without(train(b"x"), 0) == []


def test_a_lane_takes_its_time_and_has_room_for_its_queue_alone() -> None:
    lane = Lane(1e6, 0.5)
    assert lane.pass_through(100_000, 10.0) == pytest.approx(10.1)
    assert lane.pass_through(100_000, 10.0) == pytest.approx(10.2)
    for _ in range(4):
        assert lane.pass_through(100_000, 10.0)
    assert lane.pass_through(100, 10.0) is None
    assert lane.pass_through(100_000, 20.0) == pytest.approx(20.1)
    slow = Lane(1_000, 0.001)
    assert slow.pass_through(LEAST_QUEUE, 0.0)
    assert slow.pass_through(1, 0.0)


def test_a_plan_survives_its_way_to_the_forwarder() -> None:
    plan = Plan([Line("a", "10.1.0.1", 5.0), Line("b", "10.2.0.1", 6.0)], 0.04, 0.05, 0.001)
    assert Plan.decode(plan.encode()) == plan
