"""Who speaks: whose key a link has proved, whom an address is taken for, who has to prove more (protocol.md 9.2)."""

from __future__ import annotations

from masq.core.effects import Log, Prove
from masq.core.limits import MAX_UNPROVEN, PROVE_WITHIN
from masq.core.network.gossip import GossipKind, GossipRefused, introduction, may_be_dialled
from masq.core.network.own_record import OwnRecord
from masq.core.offence import Rule
from masq.types import Endpoint, PublicKey
from masq.wire.message import Gossip, GossipRecord


class Speakers:
    """Who a message is from, and what waits until that is known."""

    def __init__(self, own: OwnRecord) -> None:
        self._own = own
        self._graph = own.graph
        self.unproven: dict[tuple[PublicKey, str], tuple[Gossip, Endpoint, float]] = {}
        """What was said over JSON, from an address, for a Node that can prove its key and is asked to."""

    def claim(self, kind: GossipKind, message: Gossip, source: Endpoint) -> GossipRecord | None:
        """The record with which the sender speaks for itself, if any does."""
        if kind is GossipKind.DEBUT:
            return message.records[0]
        if kind is GossipKind.INTRODUCTION:
            return introduction(message, source)[0]
        if kind is GossipKind.PASS:
            return None
        for item in message.records:
            if item.address is not None and item.address.ip == source.ip:
                return item
        return None

    def ask_for_proof(self, message: Gossip, claim: GossipRecord, source: Endpoint, now: float) -> list[Prove | Log]:
        """Keep what came over JSON until a secure link to that address proves the key, or for ever."""
        waiting = self.unproven
        for who in [who for who, (_, _, until) in waiting.items() if now > until]:
            del waiting[who]
        key = claim.record.public_key
        assert claim.address
        if (key, source.ip) not in waiting and len(waiting) >= MAX_UNPROVEN:
            return [Log("info", "gossip_unproven", f"gossip from {source} ignored: it came over JSON")]
        if not may_be_dialled(claim.address, self._graph.root_address):
            return []
        waiting[key, source.ip] = message, source, now + PROVE_WITHIN
        return [Prove(key, claim.address.endpoint)]

    def proven(self, key: PublicKey, ip: str, now: float) -> tuple[Gossip, Endpoint] | None:
        """What was said for a Node that has proved its key now, and from where."""
        waiting = self.unproven.pop((key, ip), None)
        if waiting is None or now > waiting[2]:
            return None
        return waiting[0], waiting[1]

    def speaker(self, gossip: Gossip, source: Endpoint, sender: PublicKey) -> PublicKey | None:
        """Who sent a message, as far as it can be told: the key that the link proved, or who is known at its address.

        Over JSON nobody is taken for a Node that could have proved its key.
        """
        if sender:
            return sender
        known = self._graph.at(source.ip)
        if known is None:
            here = [item.record for item in gossip.records if item.address and item.address.ip == source.ip]
            known = here[0].public_key if here else None
        record = self._graph.record(known) if known else None
        if record is None:
            return known
        return None if self._own.must_prove(record) else known


def check_speaker(kind: GossipKind, claim: GossipRecord, sender: PublicKey) -> None:
    """Who speaks of itself over a secure link has to be who proved its key there.

    In a Standard message it needn't be of itself: behind one router Nodes may share an address.
    """
    if sender and claim.record.public_key != sender and kind is not GossipKind.STANDARD:
        raise GossipRefused("it is not of the Node whose key this link has proved", Rule.IMPOSTOR)
