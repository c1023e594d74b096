"""What a core wants done: frozen values, carried out in order by a driver (the shell or the simulator).

Effects of the Accountant are in `masq.core.accountant.effects`. Those of which each cell makes some are named tuples,
which take a third of the time to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from masq.core.failure import Failure
from masq.core.offence import Offence
from masq.types import Address, Endpoint, PublicKey, RatePack
from masq.wire.circuit import Addresses, Close
from masq.wire.message import Gossip, GossipFailure
from masq.wire.package import Package

Flow = bytes | int
"""What shares a bound and takes turns with others: a circuit's id, or the first element of a package's route."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a Node is paid for: which Node, to which earning wallet, at which rates."""

    key: PublicKey
    wallet: Address
    rates: RatePack


# --- links: TCP connections between Nodes ---


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a link; the outcome is reported by `dialled` or `dial_failed`."""

    link: int
    endpoint: Endpoint


class WriteLink(NamedTuple):
    """`data` may lie in what was given to `link_received`: it has to be written, or copied, before the next input."""

    link: int
    data: bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class CloseLink:
    link: int


@dataclass(frozen=True, slots=True)
class ReadLink:
    """Read at most so many bytes of a link at once; 0: stop reading, until told otherwise."""

    link: int
    most: int


# --- sockets: connections of clients to the entry, and of the exit to servers ---


@dataclass(frozen=True, slots=True)
class Connect:
    """Resolve and connect to a server; reported by `connected` or `connect_failed`.

    `payer`, here and below: whose turn it is at look-ups. None: a zero-hop Node's own user.
    """

    socket: int
    host: str
    port: int
    payer: Address | None


@dataclass(frozen=True, slots=True)
class Bind:
    """Open a socket for datagrams to any server; reported by `connected` or `connect_failed`.

    While its datagrams wait for look-ups it is congested.
    """

    socket: int
    payer: Address | None


@dataclass(frozen=True, slots=True)
class SendDatagram:
    """From the exit to a server, or from the entry to its client, as coming from `host`."""

    socket: int
    host: str
    port: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Resolve:
    """Look up the addresses of a host; reported by `resolved`."""

    socket: int
    host: str
    payer: Address | None
    paid: bool = True
    """Whether the answer itself is paid for: who doesn't pay waits behind those who do."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer to a look-up of our own user."""

    socket: int
    found: Addresses | Failure


@dataclass(frozen=True, slots=True)
class Accepted:
    """The exit has reached the server of a client's connection."""

    socket: int


class WriteSocket(NamedTuple):
    """`data` as in WriteLink."""

    socket: int
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class EndSocket:
    """No more will be written: half-close after what was written before."""

    socket: int


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Close both directions. `failure` is None for an orderly end; else the client is told, where its protocol can."""

    socket: int
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Read from a socket, or stop reading."""

    socket: int
    on: bool


# --- between cores: `node.py` hands these on ---


@dataclass(frozen=True, slots=True)
class Tell:
    """Send gossip to a peer: to its key, at an endpoint."""

    key: PublicKey
    endpoint: Endpoint
    message: Gossip | GossipFailure
    secure: bool | None = None
    """Whether it speaks over secure links, where its record was shown to us; it may not be known yet."""


@dataclass(frozen=True, slots=True)
class Say:
    """Send News to a neighbor, over the secure link to it: if there is none any more, it isn't sent."""

    key: PublicKey
    ip: str
    news: bytes


@dataclass(frozen=True, slots=True)
class Prove:
    """Dial a secure link to a Node that speaks JSON to us, so that it proves its key."""

    key: PublicKey
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Forward:
    """Send a package to a neighbor. Packages of one `flow` share a bound on what may wait for it."""

    key: PublicKey
    package: Package
    flow: bytes


@dataclass(frozen=True, slots=True)
class Hold:
    """Packages of one of our own routes have to wait, or may come again."""

    flow: Flow
    on: bool


class SendFrame(NamedTuple):
    """Send a circuit's frame over a secure link: it is sealed where it lies."""

    link: int
    frame: bytearray | memoryview
    circuit: int


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement of account came: from the creditor with this key, or, without key, from the debtor at `wallet`."""

    key: PublicKey
    wallet: Address
    """The creditor's earning wallet, or the debtor's consuming wallet."""
    statement: bytes
    echo: bytes
    """The last one of ours that the creditor says it has."""
    slack: int
    """Wei that may be under way now."""
    purse: int = 0
    """The number of the consuming wallet that owes the creditor."""


@dataclass(frozen=True, slots=True)
class Overrun:
    """What waited for a circuit at a link was too much, and is lost: the circuit has to end."""

    link: int
    circuit: int


@dataclass(frozen=True, slots=True)
class EndCircuit:
    """End a circuit that ends at this Node, by its link and its id there."""

    link: int
    circuit: int
    reason: Close
    detail: str


# --- the rest ---


@dataclass(frozen=True, slots=True)
class SaveConfig:
    """Remember a value across restarts."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class NewIdentity:
    """Nobody takes us with the key that we have: end as if told to, and begin again with another one."""


@dataclass(frozen=True, slots=True)
class Log:
    """A line for the log. `level` is error, warning, info or debug; equal `event`s may be rate-limited."""

    level: str
    event: str
    detail: str = ""


LinkEffect = Dial | WriteLink | CloseLink | ReadLink
SocketEffect = (
    Connect | Bind | Resolve | Resolved | SendDatagram | Accepted | WriteSocket | EndSocket | CloseSocket | Reading
)
InnerEffect = Tell | Say | Prove | Forward | Hold | SendFrame | Overrun | EndCircuit | Offence | Stated
OuterEffect = LinkEffect | SocketEffect | SaveConfig | NewIdentity | Log
Effect = OuterEffect | InnerEffect
