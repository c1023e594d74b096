"""Finding neighbors of our own: Passes and Introductions that our Debuts bring (neighborhood.md 2.4, 2.5)."""

from __future__ import annotations

from masq.core.effects import Log, Tell
from masq.core.limits import MAX_PASSES
from masq.core.network.contacts import SOLICITED, Contacts
from masq.core.network.gossip import GossipRefused, introduction, may_be_dialled
from masq.core.network.own_record import OwnRecord
from masq.core.network.places import Places
from masq.types import Endpoint, PublicKey
from masq.wire.message import Gossip, GossipRecord


class Joining:
    """Follows those who answer our Debuts by sending us elsewhere."""

    def __init__(self, own: OwnRecord, contacts: Contacts, places: Places) -> None:
        self._own = own
        self._graph = own.graph
        self._contacts = contacts
        self._places = places
        self._passes: dict[str, float] = {}
        """When we were passed on to an address."""

    def forget(self, now: float) -> None:
        self._passes = {ip: then for ip, then in self._passes.items() if now - then < SOLICITED}

    def passed(self, item: GossipRecord, source: Endpoint, now: float, sender: PublicKey) -> list[Tell | Log]:
        target = item.address
        assert target
        # Over JSON nothing shows who passes us on: that it is where we asked has to do.
        if not self._contacts.solicited(source.ip, now, sender):
            return [Log("info", "pass_unsolicited", f"Pass from {source} ignored: we did not debut there")]
        self._contacts.wait_for_answer(source.ip, now)
        passes = self._passes
        if len(passes) >= MAX_PASSES and sum(now - then <= SOLICITED for then in passes.values()) >= MAX_PASSES:
            return [Log("info", "pass_refused", f"Pass from {source} ignored: there were enough of them")]
        before = passes.get(target.ip)
        passes[target.ip] = now
        if before is not None and now - before <= SOLICITED:
            self._contacts.look_on(now)
            return [Log("debug", "pass_loop", f"Pass from {source} to {target.endpoint} ignored: tried a moment ago")]
        graph = self._graph
        if not may_be_dialled(target, graph.root_address) or item.record.public_key in graph.root.neighbors:
            return [Log("info", "pass_refused", f"Pass from {source} to {target.endpoint} ignored")]
        self._own.verify(item)
        self._contacts.hear_of(item, now)
        return [self._contacts.debut_to(item.record.public_key, target, now, item.record)]

    def introduced(self, gossip: Gossip, source: Endpoint, now: float) -> list[Tell | Log]:
        graph = self._graph
        introducer, introducee = introduction(gossip, source)
        assert introducer
        assert introducee
        assert introducee.address
        key = introducer.record.public_key
        if not self._contacts.solicited(source.ip, now, key):
            text = f"Introduction from {source} ignored: we did not debut there"
            return [Log("info", "introduction_unsolicited", text)]
        self._own.verify(introducee)
        self._contacts.wait_for_answer(source.ip, now)
        held = self._places.held(source.ip, key, source)
        if held or not self._places.has_place(introducer.record, introducer.address, now, True):
            return []
        known = graph.record(key)
        if known is None:
            graph.add(introducer.record, introducer.address, now)
        elif known.version < introducer.record.version:
            refusal = graph.update(introducer.record, introducer.address, now)
            if refusal:
                raise GossipRefused(refusal)
        elif introducer.address and graph.address(key) is None:
            graph.learn_address(key, introducer.address)
        self._own.add_neighbor(key, now, chosen=True)
        # Most often the introducee's answer sets off a round. One that has no room may send us elsewhere without end.
        self._own.untold = now if self._own.untold is None else self._own.untold
        if introducee.record.public_key in graph.root.neighbors:
            self._own.dirty_since = (
                self._own.dirty_since or now
            )  # It is linked already: our round tells the introducer.
            return []
        if not may_be_dialled(introducee.address, graph.root_address):
            return [Log("info", "introduction_refused", f"{introducee.address.endpoint} is not a place to dial")]
        self._contacts.hear_of(introducee, now)
        return [self._contacts.debut_to(introducee.record.public_key, introducee.address, now, introducee.record)]
