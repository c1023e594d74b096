"""Nodes of our kind that we know through Nodes of 0.9.1 alone: how we come to be linked (neighborhood.md 2.12)."""

from __future__ import annotations

from typing import Final

from masq.core.effects import Tell
from masq.core.limits import MAX_DEGREE
from masq.core.network.contacts import WANTED_NEIGHBORS, Contacts
from masq.core.network.gossip import may_be_dialled
from masq.core.network.own_record import OwnRecord
from masq.core.network.places import Places
from masq.crypto import Random
from masq.types import PublicKey
from masq.wire.circuit import EXTENSION
from masq.wire.message import Gossip, NodeRecord

LOOK_EVERY: Final = 15.0
"""Seconds from one Node that is listed so to the next."""
AGAIN_AFTER: Final = 900.0
"""Seconds until the same one is, if nothing came of it."""


class Kin:
    """Has neighbors of 0.9.1 show us where Nodes of our kind are.

    They introduce nobody to those whom they know, but show each neighbor where those are that it lists: so we list one
    of them that is their neighbor, too, and debut to it when we are shown it. If it doesn't list us, it goes from our
    list like anybody else.
    """

    def __init__(self, own: OwnRecord, contacts: Contacts, places: Places, random: Random) -> None:
        self._own = own
        self._graph = own.graph
        self._contacts = contacts
        self._places = places
        self._random = random
        self._look_at = 0.0
        self._listed: PublicKey | None = None
        """Whom we have listed to be shown it."""
        self._tried: dict[PublicKey, float] = {}

    def tick(self, now: float) -> None:
        """List one, if there is one and we have few."""
        if now < self._look_at:
            return
        self._look_at, self._listed = now + LOOK_EVERY, None
        self._tried = {key: then for key, then in self._tried.items() if now - then < AGAIN_AFTER}
        if EXTENSION not in self._own.profile.extensions:
            return
        full = self._graph.full_neighbors(self._graph.root_key)
        others = [record for record in full if EXTENSION not in record.extensions]
        if not others or len(full) >= MAX_DEGREE or len(full) - len(others) >= WANTED_NEIGHBORS:
            return
        known = [record for record in self._behind(others) if self._places.has_place(record, None, now, True)]
        chosen = min(known, key=lambda each: self._random(8), default=None)
        if chosen is not None:
            self._listed = chosen.public_key
            self._tried[self._listed] = now
            self._own.add_neighbor(self._listed, now, chosen=True)
            self._own.dirty_since = now if self._own.dirty_since is None else self._own.dirty_since

    def shown(self, gossip: Gossip, now: float) -> list[Tell]:
        """A message may show where the one is that we listed: that it is there it has to prove."""
        for item in gossip.records:
            key, address = item.record.public_key, item.address
            if key != self._listed or address is None:
                continue
            self._listed = None
            record = self._graph.record(key)
            if record is not None and may_be_dialled(address, self._graph.root_address):
                return [self._contacts.debut_to(key, address, now, record)]
        return []

    def _behind(self, others: list[NodeRecord]) -> list[NodeRecord]:
        """Those of our kind that Nodes of 0.9.1 are between us and, and that haven't been tried of late. One of both
        lists the other, the one with the lower key: if both did, they would seem to be linked."""
        graph = self._graph
        found = {key: record for each in others for key in sorted(each.neighbors) if (record := graph.record(key))}
        return [
            record
            for key, record in found.items()
            if EXTENSION in record.extensions and record.accepts_connections
            if key not in graph.root.neighbors and key not in self._tried and key != graph.root_key
            if graph.root_key < key or not graph.root.accepts_connections
            if any(graph.is_full(each.public_key, key) for each in others)
        ]
