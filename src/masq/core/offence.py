"""What a peer did that is held against it: a rule of one table, and who it was proven to be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from masq.types import Address, PublicKey


class Rule(Enum):
    """What is held against a peer; its points, and its words."""

    MALFORMED = (5, "sent what no Node sends")
    FLOOD = (20, "sent far more than it may")
    SILENT = (1, "connected and did not say who it is")
    FORGED_GOSSIP = (50, "sent a record whose signature is not valid")
    DECEPTIVE_GOSSIP = (25, "sent gossip that breaks the rules")
    IMPOSTOR = (50, "spoke for another Node")
    HARVEST = (20, "asked for more introductions than a Node needs")
    OVERBILLED = (50, "billed more than it did")
    SWALLOWED = (10, "took cells and passed nothing on")
    BROKE_CREDIT = (50, "sent more than it was allowed to")

    def __init__(self, points: int, words: str) -> None:
        self.points = points
        self.words = words


@dataclass(frozen=True, slots=True)
class Offence:
    """One breach of a rule. Only what was proven is named, so that nobody can be made to pay for another.

    `ip`: the other end of the TCP connection; `key`: proven by a secure link; `wallet`: proven by its signature for us.
    """

    rule: Rule
    ip: str = ""
    key: PublicKey = b""
    wallet: Address = b""
    detail: str = ""


BAN_AT: Final = 100
"""Points beyond which an address, key or wallet is banned."""
HALF_LIFE: Final = 3_600.0
"""Seconds in which points become half."""
FIRST_BAN: Final = 600.0
"""Seconds of a first ban; each further one is four times as long."""
LONGEST_BAN: Final = 7 * 86_400.0
MAX_SCORED: Final = 4_096
"""Who is remembered; those with the fewest points are forgotten first."""
