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

    @property
    def look_ups(self) -> int:
        """Names looked up at the same time: a quarter of what is served may be under look-up, with two sockets each."""
        return min(LOOK_UPS, max(2, self.served // 8))

    def pressed(self, served: int) -> bool:
        """Whether so many streams are so near the bound that those without a use have to go."""
        return 4 * served > 3 * self.served


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

# --- look-ups at the exit (protocol.md 15.4) ---

LOOK_UPS: Final = 256
"""Names that are looked up at the same time, each with two sockets; fewer where there are few descriptors."""
LOOK_UPS_EACH: Final = 8
"""Of one payer, of those: as many as a page's first moment has a use for."""
LOOK_UPS_WAITING_EACH: Final = 128
"""Look-ups of one payer that wait for their turn."""
LOOK_UPS_WAITING: Final = 4_096
"""Of all payers. Over it, who has most waiting loses the last of them to who has none."""
LOOK_UPS_PER_MINUTE: Final = 300
"""Names of one payer that DNS servers are asked for; more of them fail. What a name takes its price doesn't tell:
a user who opens ten crowded pages in a minute has that many."""
LOOK_UPS_PER_SECOND: Final = 250
"""Names of all payers that DNS servers are asked for: each takes 1 ms of CPU time, so a quarter of a core."""
LOOK_UP_PATIENCE: Final = 1.0
"""Seconds after which a look-up gives way where others wait for its place. Most names take a tenth of it."""

# --- datagrams at the exit ---

DATAGRAMS_PER_NAME: Final = 8
"""Datagrams that wait for one name's look-up, and of a stream that wait for its socket: the first of a conversation."""
NAMES_PER_SOCKET: Final = 16
"""Names of one socket that are looked up at the same time."""
DATAGRAM_BYTES: Final = 256 * 1024
"""Bytes of one socket's datagrams that wait for look-ups."""
DATAGRAM_BYTES_TOTAL: Final = 16 * MIB
"""Bytes of all sockets' datagrams that do."""

# --- joining (neighborhood.md 2) ---

MAX_BOOK: Final = 256
"""Addresses of Nodes that are remembered, in case neighbors are lost."""
BOOK_PER_NET: Final = 16
"""Of these, in one /16, or /32 of IPv6: who owns a network fills no book."""
MAX_CAME: Final = 256
"""Nodes that came to us, and to whom we may send those that come after them."""
MAX_PASSES: Final = 32
"""Nodes that we are passed on to in a minute: who passes us on without end makes us dial no more."""

# --- streams of which one direction is over ---

QUIET_FOR: Final = 30.0
"""Seconds without a byte after which a stream is over both ways: its client is gone most likely."""
QUIET_UNDER_PRESSURE: Final = 5.0
"""The same, where more than three quarters of what may be served is in use."""
STALLED_FOR: Final = 600.0
"""Seconds that the same stream has if bytes wait, which its reader doesn't take."""

# --- circuits of others (protocol.md 15.3) ---


class Pace(NamedTuple):
    """How often something may be done: so often each second, and as often at once after a rest."""

    each_second: float
    burst: int


class Bucket:
    """Something that may be done so often: at once, and again as time passes."""

    __slots__ = ("_at", "_left", "_pace")

    def __init__(self, pace: Pace, now: float) -> None:
        self._pace = pace
        self._left = float(pace.burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether it may be done once more; then it was."""
        self._fill(now)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def is_full(self, now: float) -> bool:
        self._fill(now)
        return self._left >= self._pace.burst

    def _fill(self, now: float) -> None:
        self._left = min(self._pace.burst, self._left + (now - self._at) * self._pace.each_second)
        self._at = now


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

MAX_WINDOW: Final = 16 * MIB
"""Bytes that may be under way on one circuit, or one stream, in one direction: 12.5 MB/s over a second, or 125 MB/s
over an eighth of it. Only a way that carries as much gets as much."""
WINDOWS: Final = 64 * MIB
"""Bytes that the windows of all streams and circuits of others may be larger than 1 and 4 MiB, in all; as many for
those of our own user. Each may have as much as is left."""

NOTHING_AT_ALL: Final = 64 * 1024
"""Bytes of cells without anything for our user that an exit may send over a circuit, whatever was asked of it: he pays
the relays for them, and they use no credit."""
NOTHING_PER_STREAM: Final = 4 * 1024
"""More of them for each stream: CONNECTED and END in cells of their own take 1,056, the longest RESOLVED 2,576."""
NOTHING_PER_QUESTION: Final = 1_056
"""More of them for each question of ours: its answer, and credit, in cells of their own."""
NOTHING_OF_SENT: Final = 32
"""And one byte more for so many that were sent: an honest exit returns credit in two small cells for 64 KiB."""

# --- packages of 0.9.1 (protocol.md 5, 8) ---

PACKAGES_FOR: Final = 60.0
"""Seconds that a package is remembered at least, so that it isn't booked twice; twice as long at most."""
MAX_PACKAGES: Final = 65_536
"""Packages that are remembered of each of two such times, in 8 bytes each: some 100 MB/s, or 10 MiB of memory. More of
them in less time shorten it: as each has to be paid for, that is dearer than what could be repeated then."""
# --- gossip (neighborhood.md 2.9); bounds of one record are in wire/message.py ---

MAX_MESSAGE: Final = 512 * 1024
"""Bytes of a gossip message of ours: some 300 usual records. Others may be far from their neighbors, or slow."""
MAX_KNOWN: Final = 2_000
"""Records that are kept: what neighbors invent beyond that is not taken in."""
KNOWN_SHARE: Final = 4
"""One of so many records may be known by the word of one neighbor."""
BELIEVED_AT_ONCE: Final = 64
"""New Nodes taken in at once on the word of one neighbor, at a radius of three: it, and two full rings of five around
it, are 31. Twice as many for each step that the radius is longer."""
BELIEVED_PER_SECOND: Final = 1.0
RECORDS_FOR_NEIGHBOR: Final = Pace(32, MAX_KNOWN)
"""Records that a neighbor is sent as it asks for them: all at once when it comes, and then what changes."""
MAX_UNPROVEN: Final = 8
"""Messages over JSON that wait for a secure link to prove who speaks."""
PROVE_WITHIN: Final = 10.0
"""Seconds that such a message waits: what a handshake may take."""

# --- neighbors (neighborhood.md 1.6) ---

MAX_DEGREE: Final = 5
"""Full neighbors that accept connections."""
KEPT_PLACES: Final = 2
"""Of these, places for Nodes that we chose ourselves, while there is somebody to choose: visitors can't have all."""
MAX_VISITORS: Final = 4
"""Nodes that debuted to us and haven't listed us yet."""
FRESH: Final = 10.0
"""Seconds that such a visitor keeps its place when another one wants it. Whoever is honest has listed us by then."""
MAX_LEAVES: Final = 6
"""Neighbors that accept no connections: the network's own tests have six of them at one Node."""
MAX_LISTED: Final = 16
"""Neighbors that we list, confirmed or not."""
ANCHORS: Final = 3
"""Neighbors that no newcomer takes the place of, where five places are taken; else as many as places are kept."""
SPLIT_EVERY: Final = 1.0
"""Seconds from one newcomer that is taken between us and a neighbor to the next."""
SPLIT_WITHIN: Final = 10.0
"""Seconds in which that neighbor has to part from us for it."""
NEIGHBORS_PER_PREFIX: Final = 2
"""Neighbors in one /24 (`prefix`). Who owns a network of 256 addresses gets no more of our places than that."""
NEIGHBORS_PER_WALLET: Final = 1
"""Neighbors with one earning wallet: it is one owner. The wallet that stands where none is set is nobody's."""
SHOWN_PER_HOUR: Final = 6
"""Different Nodes whose addresses are shown to one /24 in an hour, by Passes and Introductions. Who joins needs one or
two; who asks on collects addresses."""
MAX_ASKERS: Final = 1_024
"""Prefixes for which it is remembered what they were shown."""

# --- money (accounting.md 2.9); what strangers may owe follows from the thresholds, in core/accountant/strangers.py ---

MAX_ACCOUNTS: Final = 20_000
"""Debtors that are remembered. Beyond that the smallest debts are forgiven: a wallet costs its owner nothing."""
MAX_WALLETS: Final = 16
"""Consuming wallets of one Node: each is looked after on the chain by itself."""
MAX_PAYERS: Final = 10_000
"""Wallets that are known to have paid."""
MAX_STATEMENTS: Final = 1_024
"""Creditors, and debtors, whose last statement of account is kept: some 600 bytes each."""
MAX_SETTLED: Final = 4_096
"""Accounts of which it is known what was ever paid of them."""
MAX_PROMISES: Final = 1_024
"""Creditors that vouchers are given to: some 100 bytes each."""
MAX_VOUCHERS: Final = 4_096
"""Debtors whose vouchers are kept: some 500 bytes each."""
MAX_REFUSALS: Final = 256
"""Nodes that serve us no more until they are paid, and are remembered: some 300 bytes each."""
STATEMENT_EVERY: Final = 10.0
"""Seconds between two statements of one account that are made, and that are looked at: each takes 0.1 ms."""


def net(ip: str) -> str:
    """What addresses of one provider share most often: the /16 of an IPv4 address, the /32 of an IPv6 address."""
    address = ipaddress.ip_address(ip)
    return str(ipaddress.ip_network((address, 16 if address.version == 4 else 32), strict=False))


def prefix(ip: str) -> str:
    """What addresses of one owner share most often: the /24 of an IPv4 address, the /48 of an IPv6 address."""
    address = ipaddress.ip_address(ip)
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
