"""Packets as a TUN device with `IFF_VNET_HDR` hands them over: virtio's header, then a packet or a train of them.

The kernel leaves TCP's segmentation to the card, which here is us: a train of up to 64 KiB passes as one piece, so that
a program in Python can carry gigabits. Only where one segment of it is lost the train has to be cut.
"""

from __future__ import annotations

import struct
from typing import Final

VNET_HEADER: Final = 10
"""Bytes before each packet: flags, kind and size of segments, and where the checksum goes (struct virtio_net_hdr)."""
TCP: Final = 6
_VNET: Final = struct.Struct("<BBHHHH")
_TRAIN: Final = 1
"""VIRTIO_NET_HDR_GSO_TCPV4: more than one segment."""
_GSO_MASK: Final = 0x7F
_FIN_PSH: Final = 0x09
_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")


def target(packet: bytes) -> bytes:
    """The IPv4 address that a packet goes to; empty for what is no IPv4."""
    return packet[VNET_HEADER + 16 : VNET_HEADER + 20] if packet[VNET_HEADER] >> 4 == 4 else b""


def segments(packet: bytes) -> int:
    """How many packets there would be on a wire."""
    kind: int
    header: int
    size: int
    _, kind, header, size, _, _ = _VNET.unpack_from(packet)
    if kind & _GSO_MASK != _TRAIN or not size:
        return 1
    return max(1, -(-(len(packet) - VNET_HEADER - header) // size))


def on_the_wire(packet: bytes) -> int:
    """Bytes that a packet, or all of a train, take on a wire of IP."""
    header: int = _VNET.unpack_from(packet)[2]
    return len(packet) - VNET_HEADER + (segments(packet) - 1) * header


def without(packet: bytes, lost: int) -> list[bytes]:
    """What is left of a train whose segment `lost`, counted from 0, is lost: what came before it, and after it."""
    _, _, _, size, _, _ = _VNET.unpack_from(packet)
    count = segments(packet)
    if count == 1:
        return []
    return [_cut(packet, size, first, last) for first, last in ((0, lost), (lost + 1, count)) if first < last]


def _cut(packet: bytes, size: int, first: int, last: int) -> bytes:
    """Some of the segments of a train, as a train of their own."""
    flags, kind, _, _, start, offset = _VNET.unpack_from(packet)
    head = bytearray(packet[VNET_HEADER : VNET_HEADER + start])
    tcp_size = (packet[VNET_HEADER + start + 12] >> 4) * 4
    tcp = bytearray(packet[VNET_HEADER + start : VNET_HEADER + start + tcp_size])
    begin = VNET_HEADER + start + tcp_size
    body = packet[begin + first * size : begin + last * size]
    if begin + last * size < len(packet):
        tcp[13] &= ~_FIN_PSH
    _U32.pack_into(tcp, 4, (_U32.unpack_from(tcp, 4)[0] + first * size) & 0xFFFFFFFF)
    _U16.pack_into(head, 2, start + tcp_size + len(body))
    _U16.pack_into(head, 10, 0)
    _U16.pack_into(head, 10, 0xFFFF ^ _sum(bytes(head)))
    # What the kernel expects where the checksum goes: the sum of the pseudo header, which names the length.
    pseudo = bytes(head[12:20]) + bytes((0, TCP)) + _U16.pack(tcp_size + len(body))
    _U16.pack_into(tcp, offset, _sum(pseudo))
    is_train = len(body) > size
    header = _VNET.pack(flags, kind if is_train else 0, start + tcp_size, size if is_train else 0, start, offset)
    return header + bytes(head) + bytes(tcp) + body


def _sum(data: bytes) -> int:
    """The sum in ones' complement that IP and TCP use (RFC 1071), of an even number of bytes."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total
