"""Nodes that tell their neighbors of others that don't exist."""

from __future__ import annotations

from typing import Annotated

import msgspec

from masq.core.effects import Tell
from masq.crypto import CryptDE
from masq.sim.faults.fault import Several, told
from masq.sim.host import SimNode
from masq.sim.stage import Stage
from masq.sim.world import CHAIN, PORT
from masq.types import Endpoint, NodeAddress, RatePack
from masq.wire.circuit import EXTENSION
from masq.wire.message import Gossip, GossipRecord, NodeRecord

CHEAP = RatePack(1, 1, 1, 1)
IN_ONE = 50
"""Neighbors that a record lists at most, so that it isn't left out as too large."""


class Lie(Several, tag="lie", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A neighbor tells of Nodes that don't exist, all of it true to the rules."""

    invented: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50
    """Nodes that one message tells of."""

    def begin(self, stage: Stage) -> None:
        liars = self.pick(stage)
        stage.mark("hostile", liars)
        for liar in liars:
            self._tell(stage, liar)
        stage.tell(f"{self.invented} invented Nodes are told of by {told(liars)}", heals=False)

    def _tell(self, stage: Stage, liar: SimNode) -> None:
        node, chance = liar.node, stage.chance
        own = node.neighborhood.graph.root
        keys = [CryptDE(CHAIN.contract, chance.randbytes) for _ in range(self.invented)]
        stage.invented += len(keys)
        groups = [keys[start : start + IN_ONE] for start in range(0, len(keys), IN_ONE)]
        heads = [group[0].public_key for group in groups]
        listed = own.neighbors | (set(heads) if len(groups) > 1 else {each.public_key for each in groups[0]})
        root = NodeRecord.sign(
            node.keys,
            own.earning_wallet,
            own.rates,
            frozenset(listed),
            own.accepts_connections,
            own.routes_data,
            own.version + 1,
            own.country,
            own.extensions,
        )
        records = []
        for group in groups:
            for each in group:
                near = {own.public_key} if each is group[0] or len(groups) == 1 else {group[0].public_key}
                if each is group[0] and len(groups) > 1:
                    near |= {other.public_key for other in group[1:]}
                records.append(_invented(each, frozenset(near), chance.randbytes(20)))
        message = Gossip((GossipRecord(root, NodeAddress(liar.ip, (PORT,))), *records))
        graph = node.neighborhood.graph
        for neighbor in graph.full_neighbors(graph.root_key):
            address = graph.address(neighbor.public_key)
            if address is not None:
                said = Tell(neighbor.public_key, Endpoint(address.ip, address.ports[0]), message)
                liar.carry(node._carry([said], liar.turn.now))  # noqa: SLF001 - what no honest Node would say


def _invented(keys: CryptDE, neighbors: frozenset[bytes], wallet: bytes) -> GossipRecord:
    record = NodeRecord.sign(keys, wallet, CHEAP, neighbors, True, True, 0, None, (EXTENSION,))
    return GossipRecord(record, None)
