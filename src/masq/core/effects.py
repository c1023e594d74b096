"""What a core wants done: frozen values, carried out in order by a driver (the shell or the simulator).

Effects of the Accountant are in `masq.core.accountant.effects`.
"""

from __future__ import annotations

from dataclasses import dataclass

from masq.types import Endpoint, PublicKey
from masq.wire.message import Gossip, GossipFailure

# --- links: TCP connections between Nodes ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a link; the outcome is reported by `dialled` or `dial_failed`."""

    link: int
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class WriteLink:
    link: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CloseLink:
    link: int


# --- sockets: connections of clients to the entry, and of the exit to servers -----------------------------------------


@dataclass(frozen=True, slots=True)
class Connect:
    """Resolve and connect to a server; reported by `connected` or `connect_failed`."""

    socket: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class WriteSocket:
    socket: int
    data: bytes


@dataclass(frozen=True, slots=True)
class EndSocket:
    """No more will be written: half-close after what was written before."""

    socket: int


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Close both directions. `reason` is None for an orderly end; else the client is told, where its protocol can."""

    socket: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Read from a socket, or stop reading."""

    socket: int
    on: bool


# --- between cores: `node.py` hands these on ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tell:
    """Send gossip to a peer: to its key, at an endpoint."""

    key: PublicKey
    endpoint: Endpoint
    message: Gossip | GossipFailure


# --- the rest ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SaveConfig:
    """Remember a value across restarts."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Log:
    """A line for the log. `level` is error, warning, info or debug; equal `event`s may be rate-limited."""

    level: str
    event: str
    detail: str = ""


Effect = Dial | WriteLink | CloseLink | Connect | WriteSocket | EndSocket | CloseSocket | Reading | Tell | SaveConfig | Log
