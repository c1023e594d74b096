"""Whether our own IP address is still the one that we tell: what those say whom we dial (protocol.md 15.2)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final, NamedTuple

from masq.core.limits import MAX_LISTED, prefix
from masq.core.network.contacts import Contacts
from masq.core.network.own_record import OwnRecord
from masq.types import PublicKey

VOICES: Final = 2
"""Nodes of different networks that have to agree; one if there is only one to ask."""


class Sighting(NamedTuple):
    """Where all see us who were asked, which isn't where we say."""

    ip: str
    moved: bool
    """Whether we are there now. If nobody ever saw us at the address that we tell, that one may be wrong instead."""


class Whereabouts:
    """What the Nodes say that we have dialled, and are linked to.

    An address is only left for another one if somebody has seen us there once: behind some routers one comes from
    elsewhere than where one is reached. Who dialled nobody before, as the first Node of a network, leaves it if
    somebody has found it there. And only if no neighbor is left that came to us there: none of ours is, then, who
    doesn't see us at the other one.
    """

    def __init__(self, own: OwnRecord, contacts: Contacts) -> None:
        self._own = own
        self._contacts = contacts
        self._voices: dict[str, tuple[PublicKey, str]] = {}
        """By the address of who speaks: its key, and where it sees us."""
        self._was_here = False
        self._was_found = False
        self._doubted = ""
        """The last place that was told of, and that we aren't at."""

    def told(self, ip: str, key: PublicKey, seen: str) -> Sighting | None:
        """Somebody at `ip` says where it sees us: what follows, if anything does that was not told before."""
        own = self._own.graph.root_address
        if own is None or not self._own.profile.accepts_connections:
            return None
        try:
            place, present = ip_address(seen), ip_address(own.ip)
        except ValueError:
            return None
        if place.version != present.version or place.is_unspecified or place.is_multicast:
            return None
        self._voices.pop(ip, None)
        self._voices[ip] = key, str(place)
        if len(self._voices) > MAX_LISTED:
            del self._voices[next(iter(self._voices))]
        if place == present:
            self._was_here = True
            return None
        if not self._all_say(str(place)):
            return None
        moved = self._was_here or (self._was_found and not self._doubted)
        if not moved:
            before, self._doubted = self._doubted, str(place)
            if before == self._doubted:
                return None
        return Sighting(str(place), moved)

    def found(self) -> None:
        """Somebody has come to us at the address that we tell."""
        self._was_found = True

    def left(self, ip: str) -> None:
        """No link to that address is left."""
        self._voices.pop(ip, None)

    def _all_say(self, place: str) -> bool:
        diverse = self._own.profile.diverse
        voices = {prefix(ip) if diverse else ip for ip in self._voices}
        if len(voices) < min(VOICES, max(1, len(self._contacts.by_ip))):
            return False
        if any(seen != place for _, seen in self._voices.values()):
            return False
        speakers = {key for key, _ in self._voices.values()}
        graph = self._own.graph
        return all(record.public_key in speakers for record in graph.full_neighbors(graph.root_key))
