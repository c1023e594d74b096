"""Whether those that we ask for a place remember our key, and overlook who has it (neighborhood.md 2.11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from masq.core.effects import Log, NewIdentity
from masq.core.network.contacts import Contacts
from masq.core.network.own_record import OwnRecord

OVERLOOKED: Final = 8.0
"""Seconds without an answer to a Debut over a link of JSON, after which there will be none: a Node of 0.9.1 answers the
Debut of a key that it doesn't know at once. With the attempt at a secure link before, that makes 10."""
DOUBLINGS: Final = 6
"""How often that time is doubled at most, once for each identity of this day: to 512 s."""

Standing = Callable[[str], tuple[bool, float] | None]
"""Whether the link to an IP address proves keys, and since when it stands; None: there is none, or how it speaks isn't
known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Where a Node's key pair comes from."""

    remembered: bool = False
    """Whether it had neighbors under this key before it was started."""
    fixed: bool = False
    """Whether its user insists on the key."""
    changes: int = 0
    """How many identities it has given up of late."""


class Recognition:
    """Notices that nobody takes us back, though links stand: then another key helps, and nothing else does.

    Only those count that speak JSON: a Node of ours takes back who proves the key.
    """

    def __init__(self, own: OwnRecord, contacts: Contacts, identity: Identity) -> None:
        self._own = own
        self._contacts = contacts
        self.standing: Standing = lambda ip: None
        self._fixed = identity.fixed
        self._wait = OVERLOOKED * 2 ** min(identity.changes, DOUBLINGS)
        self._remembered = identity.remembered
        self._told = False

    def tick(self, now: float) -> list[NewIdentity | Log]:
        """Asks for another identity, once."""
        self._remembered = self._remembered or self._has_neighbor
        silent = self._silent(now)
        if not silent:
            self._told = False
        if not silent or self._told:
            return []
        self._told = True
        words = f"{', '.join(silent)} took our Debut and said nothing: Nodes of 0.9.1 do so to a key that they remember"
        log = Log("warning", "overlooked", words)
        return [log] if self._fixed else [log, NewIdentity()]

    def advice(self, now: float) -> str | None:
        """What is to be done about it, if we are overlooked."""
        if not self._silent(now):
            return None
        if self._fixed:
            return "give the key up: start without `--new-public-key off`, or with `on`; else wait until they forget it"
        return "nothing: this Node takes a new key"

    def wakes(self) -> list[float]:
        """When `tick` has something to do, if nothing happens before."""
        return [] if self._told else [since + self._wait for since in self._unanswered().values()]

    @property
    def _has_neighbor(self) -> bool:
        """Whether anybody has taken us. One that only dials leads nowhere."""
        graph = self._own.graph
        return any(record.accepts_connections for record in graph.full_neighbors(graph.root_key))

    def _silent(self, now: float) -> list[str]:
        """At which addresses we are overlooked, if nobody else is left."""
        unanswered = self._unanswered()
        return [ip for ip in unanswered if now >= min(unanswered.values()) + self._wait]

    def _unanswered(self) -> dict[str, float]:
        """Who owes us an answer, over a link of JSON that stands, and since when; nobody if we need none."""
        if not self._remembered or self._has_neighbor:
            return {}
        links = {ip: link for ip in self._contacts.asked() if (link := self.standing(ip))}
        if any(proves for proves, _ in links.values()):
            return {}
        owing = self._contacts.unanswered
        return {ip: max(since, owing[ip]) for ip, (_, since) in links.items() if ip in owing}
