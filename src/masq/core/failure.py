"""Why something failed: made once where it happens, carried everywhere as a value, put into words last.

Whom we avoid, what a client is told in its own protocol, and whether another way is tried follow from the cause and
the place. The words are for people alone: some of them are a stranger's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from masq.errors import UnavailableError
from masq.types import PublicKey
from masq.wire.circuit import MAX_DETAIL, Close, StreamEnd


class Cause(Enum):
    """What failed."""

    # Before anything leaves this Node.
    NO_WALLET = auto()
    NO_ROUTE = auto()
    BUDGET = auto()
    # At the server, as its exit sees it.
    NO_SUCH_NAME = auto()
    NOT_RESOLVED = auto()
    POLICY = auto()
    REFUSED = auto()
    NOT_CONNECTED = auto()
    BROKEN = auto()
    # At a hop, as it says itself or as we see it.
    SILENT = auto()
    LINK_LOST = auto()
    UNREACHABLE = auto()
    CIRCUIT_REFUSED = auto()
    EXPIRED = auto()
    REPLAYED = auto()
    DELINQUENT = auto()
    OVERLOADED = auto()
    CREDIT = auto()
    TAMPERED = auto()
    PROTOCOL = auto()
    PACKET_LOST = auto()
    OVERBILLED = auto()
    # Ends that somebody wanted.
    CLOSED = auto()
    STOPPED = auto()
    SLOW_READER = auto()
    UNKNOWN = auto()


TEXTS: Final = {
    Cause.NO_WALLET: "there is no consuming wallet",
    Cause.NO_ROUTE: "there is no route",
    Cause.BUDGET: "as much was spent within an hour as may be",
    Cause.NO_SUCH_NAME: "no such name",
    Cause.NOT_RESOLVED: "the host name could not be resolved",
    Cause.POLICY: "its policy does not allow this target",
    Cause.REFUSED: "the server refused the connection",
    Cause.NOT_CONNECTED: "the server could not be reached",
    Cause.BROKEN: "the connection to the server broke",
    Cause.SILENT: "it gave no answer",
    Cause.LINK_LOST: "the link to it was lost",
    Cause.UNREACHABLE: "next hop unreachable",
    Cause.CIRCUIT_REFUSED: "the circuit was refused",
    Cause.EXPIRED: "the circuit's invitation had expired",
    Cause.REPLAYED: "the circuit's invitation was used before",
    Cause.DELINQUENT: "the consuming wallet owes too much",
    Cause.OVERLOADED: "overloaded",
    Cause.CREDIT: "more was sent than allowed",
    Cause.TAMPERED: "a cell was altered on the way",
    Cause.PROTOCOL: "the rules of circuits were broken",
    Cause.PACKET_LOST: "a packet was lost on the way",
    Cause.OVERBILLED: "over-billing",
    Cause.CLOSED: "the stream was closed",
    Cause.STOPPED: "nobody listens any more",
    Cause.SLOW_READER: "the reader is too slow",
    Cause.UNKNOWN: "unknown",
}

CLOSE_CAUSES: Final = {
    Close.DONE: Cause.CLOSED,
    Close.TAMPERED: Cause.TAMPERED,
    Close.REFUSED: Cause.CIRCUIT_REFUSED,
    Close.UNREACHABLE: Cause.UNREACHABLE,
    Close.EXPIRED: Cause.EXPIRED,
    Close.REPLAYED: Cause.REPLAYED,
    Close.DELINQUENT: Cause.DELINQUENT,
    Close.OVERLOADED: Cause.OVERLOADED,
    Close.CREDIT: Cause.CREDIT,
    Close.PROTOCOL: Cause.PROTOCOL,
}
"""What the reason of a circuit's end means (protocol.md 15.3)."""

END_CODES: Final = {
    Cause.CLOSED: StreamEnd.DONE,
    Cause.NO_SUCH_NAME: StreamEnd.NOT_RESOLVED,
    Cause.NOT_RESOLVED: StreamEnd.NOT_RESOLVED,
    Cause.NOT_CONNECTED: StreamEnd.NOT_CONNECTED,
    Cause.POLICY: StreamEnd.POLICY,
    Cause.BROKEN: StreamEnd.BROKEN,
    Cause.OVERLOADED: StreamEnd.OVERLOADED,
    Cause.STOPPED: StreamEnd.STOPPED,
    Cause.REFUSED: StreamEnd.REFUSED,
}
"""How an exit says why a stream ends (protocol.md 15.4)."""

END_CAUSES: Final = {StreamEnd.UNKNOWN: Cause.UNKNOWN} | {code: cause for cause, code in END_CODES.items()}
"""And how that is read."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something failed. `key` is a hop's, if it is known which one it was."""

    role: str
    key: PublicKey = b""

    def __str__(self) -> str:
        return f"{self.role} {name_of(self.key)}" if self.key else self.role


US: Final = Place("this Node")
CLIENT: Final = Place("the client")
SERVER: Final = Place("the server")
SOME_HOP: Final = Place("a Node of the route")


def hop(position: int, hops: int, key: PublicKey) -> Place:
    """The Node at a position, from 0, of a route of so many hops."""
    return Place("exit" if position == hops - 1 else f"relay {position + 1}", key)


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, and where. `detail`: words that say more; of a hop they are its own, so they decide nothing."""

    cause: Cause
    at: Place = US
    detail: str = ""

    def __str__(self) -> str:
        """For people. What failed at a hop begins with the hop."""
        text = TEXTS[self.cause]
        if self.at in (US, CLIENT, SERVER):
            return self.detail or text
        return f"{self.at}: {text} ({self.detail})" if self.detail else f"{self.at}: {text}"


NO_WALLET: Final = Failure(
    Cause.NO_WALLET, detail="no consuming wallet: give --consuming-private-key to pay for what you use"
)

BUDGET: Final = Failure(
    Cause.BUDGET,
    detail="as much was spent in an hour as max-spending-per-hour allows: wait, or raise it if the prices are right",
)


class FailureError(UnavailableError):
    """Something can't be done now, and why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def name_of(key: PublicKey) -> str:
    """How a Node is named to people: the first characters of its key."""
    return key.hex()[:8]


def printable(text: object) -> str:
    """Words of a stranger, short and without what could steer a terminal."""
    return "".join(letter for letter in str(text)[:MAX_DETAIL] if letter.isprintable())
