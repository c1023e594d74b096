"""What one peer, one address, one wallet and all together may take of a Node, each bound with its reason.

docs/security.md says what an attacker gets within them. Bounds that follow from how many descriptors the process may
have are in `Limits`; all others are constants.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final, NamedTuple

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

# --- circuits of others (protocol.md 15.3) ---


class Pace(NamedTuple):
    """How often something may be done: so often each second, and as often at once after a rest."""

    each_second: float
    burst: int


MAX_CIRCUITS: Final = 8_192
"""Circuits of others in all: 11 kB each while they do nothing, so 90 MiB. Beyond it, who has most loses idle ones."""
CIRCUITS_PER_LINK: Final = 1_024
"""Circuits that a neighbor may have here: those of all users whose next Node we are."""
CIRCUITS_PER_PAYER: Final = 1_024
CIRCUITS_PER_STRANGER: Final = 128
"""Circuits of one address that is no neighbor's. Routes lead over neighbors, so there is none but for a moment."""
CIRCUITS_OF_STRANGERS: Final = 2_048
"""Circuits of all who are no neighbors: a quarter, so that they cost no neighbor any."""
IDLE_ENOUGH: Final = 30.0
"""Seconds without a cell after which a circuit may be ended to make room for another."""
ENDED_AT_ONCE: Final = 32
"""Circuits that are ended together to make room: finding them takes a look at all."""

OPENS_OF_NEIGHBOR: Final = Pace(64, 1_024)
"""OPENs that are looked at of one neighbor: each costs 0.2 ms, so at most 1.3 % of a core; as many at once as it may
have circuits, when it has just started."""
OPENS_OF_STRANGER: Final = Pace(4, 128)
"""OPENs that are looked at of one address that is no neighbor's."""
ONWARD_OPENS: Final = Pace(48, 768)
"""OPENs that are passed on to one Node: fewer than it looks at of us, so that our own always fit, and that nobody can
have us refused there."""
ONWARD_SHARE: Final = Pace(16, 256)
"""Those of them that may have come from one source: a third, so that nobody has them all."""
MAX_REFUSED_OPENS: Final = 256
"""OPENs of one address that is no neighbor's, until its link ends: they came from nobody else."""
REFUSED_OPENS_FORGIVEN: Final = 1.0
"""Refused OPENs that are forgiven each second."""

MAX_SEEN: Final = 65_536
"""OPENs that are remembered until they expire, so that none is accepted twice: 150 bytes each, so 10 MiB."""
SEEN_PER_NEIGHBOR: Final = MAX_SEEN // 8
"""Of one neighbor: 64 a second for the 120 s that they are good for."""
SEEN_PER_STRANGER: Final = MAX_SEEN // 64
SEEN_OF_STRANGERS: Final = MAX_SEEN // 4
"""Of all who are no neighbors."""

# --- our own circuits (protocol.md 15.4) ---

NOTHING_AT_ALL: Final = 64 * 1024
"""Bytes of cells without anything for our user that an exit may send over a circuit, whatever was asked of it: he pays
the relays for them, and they use no credit."""
NOTHING_PER_STREAM: Final = 4 * 1024
"""More of them for each stream: CONNECTED and END in cells of their own take 1,056, the longest RESOLVED 2,576."""
NOTHING_OF_SENT: Final = 64
"""And one byte more for so many that were sent: an honest exit returns credit in two small cells for each MiB."""

# --- packages of 0.9.1 (protocol.md 5, 8) ---

PACKAGES_FOR: Final = 60.0
"""Seconds that a package is remembered at least, so that it isn't booked twice; twice as long at most."""
MAX_PACKAGES: Final = 65_536
"""Packages that are remembered of each of two such times, in 8 bytes each: some 100 MB/s, or 10 MiB of memory. More of
them in less time shorten it: as each has to be paid for, that is dearer than what could be repeated then."""


def prefix(ip: str) -> str:
    """What addresses of one owner share most often: the /24 of an IPv4 address, the /48 of an IPv6 address."""
    address = ipaddress.ip_address(ip)
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
