"""What one peer, one address, one wallet and all together may take of a Node, each bound with its reason.

docs/security.md says what an attacker gets within them. Bounds that follow from how many descriptors the process may
have are in `Limits`; all others are constants.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024

# --- descriptors: each link and each stream has one ---

RESERVED: Final = 64
"""Descriptors for the database and its journal, listeners, the log, the control socket, the provider."""
MAX_LINKS: Final = 256
"""Links at most, however many descriptors there are: a Node has 5 neighbors, and their visitors."""
MAX_SERVED: Final = 32_768
"""Streams at most that an exit serves."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that share out the descriptors of the process."""

    links: int = MAX_LINKS
    served: int = MAX_SERVED
    """Streams, datagram sockets and look-ups that the exit serves for others."""
    own: int = MAX_SERVED
    """Connections of our own user's clients."""

    @classmethod
    def of(cls, descriptors: int) -> Limits:
        """The bounds for a process that may have so many descriptors: a quarter for links, the rest for streams."""
        spare = max(32, descriptors - RESERVED)
        links = min(MAX_LINKS, spare // 4)
        served = min(MAX_SERVED, (spare - links) // 2)
        return cls(links, served, min(MAX_SERVED, spare - links - served))


def has_room(held: int, taken: int, most: int) -> bool:
    """Whether somebody may hold `held` of the `taken` places, of which there are `most`: no more than are left.

    One alone gets a half, two get a third each, and so on: a newcomer finds room, however many came before and whatever
    they wanted. A fixed share would be too little for the only one, or too much of many.
    """
    return held <= most - taken


# --- links (protocol.md 2, 15.2) ---

UNKNOWN_FOR: Final = 10.0
"""Seconds that who connects has to say who it is: by a handshake's proof, or by a JSON package that opens."""
LINKS_PER_ADDRESS: Final = 4
"""Links from one address: a Node has two at most for a while; others share an address behind one router."""
LINKS_PER_PREFIX: Final = 16
"""Links from one /24, or one /48 of IPv6."""
UNKNOWN_SHARE: Final = 4
"""One of so many links may be of somebody who hasn't said who it is. The rest is kept for neighbors and own dials."""
UNKNOWN_FRAME: Final = MIB
"""Bytes of a frame, until its sender is known."""
UNFINISHED_FOR: Final = 30.0
"""Seconds that a frame may take to arrive whole."""
UNFINISHED_TOTAL: Final = 64 * MIB
"""Bytes of unfinished frames of all links. Over it the link that holds most ends."""
MAX_MALFORMED: Final = 64
"""Frames that make no sense, of one link, until it ends; one is forgiven each second. 0.9.1 sends some by accident."""
CONNECTS_PER_SECOND: Final = 1.0
CONNECTS_AT_ONCE: Final = 12
"""Connections from one address: each may cost a handshake, which is 0.6 ms."""
STRANGER_READ: Final = 32 * 1024
"""Bytes read at once of a link to no neighbor: what it can make us do between two looks at others."""
NEIGHBOR_READ: Final = 512 * 1024
STRANGER_WORK: Final = 0.05
"""Of a core that one address may take which is no neighbor's; its links are read no faster."""
STRANGERS_WORK: Final = 0.15
"""And all of them together."""
WORK_SAVED: Final = 0.3
"""Seconds of work that may be taken at once."""
STUCK: Final = 256 * 1024
"""Bytes that wait for a link to no neighbor from which on it isn't read: who doesn't read isn't listened to."""
STUCK_FLOWS: Final = 256
"""And so many queues, each of which costs 800 bytes though it may hold next to nothing."""

# Nominal costs, in seconds of a core.
FRAME_COST: Final = 10e-6
BOX_COST: Final = 250e-6
"""Of opening a sealed box: a JSON package."""
OPEN_COST: Final = 500e-6
"""Of opening the element of an OPEN and checking who pays."""
BYTE_COST: Final = 5e-9


def prefix(ip: str) -> str:
    """What addresses of one owner share most often: the /24 of an IPv4 address, the /48 of an IPv6 address."""
    address = ipaddress.ip_address(ip)
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
