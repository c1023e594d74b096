"""What holds whatever a Neighborhood is told, in whatever order: `Ours` checks its own laws after each input."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.network_ends import ROOT, Ours, Peer, peers, told_keys

from masq.core.effects import Tell
from masq.core.limits import MAX_LISTED
from masq.types import NodeAddress
from masq.wire.message import Gossip, GossipRecord

CROWD = peers(7)
CONTACTS = CROWD[:2]
somebody = st.sampled_from(CROWD)
anybody = st.sampled_from([ROOT, *CROWD])
places = st.sampled_from([None, *(peer.address for peer in [ROOT, *CROWD]), NodeAddress("127.0.0.1", (6001,))])


@st.composite
def items(draw: st.DrawFn) -> GossipRecord:
    """What somebody may say of anybody, with most often the right address or none."""
    who = draw(anybody)
    listed = [peer.key for peer in draw(st.lists(anybody, max_size=4)) if peer != who]
    record = who.record(*listed, version=draw(st.integers(0, 9)), accepts=draw(st.sampled_from([True, True, False])))
    return GossipRecord(record, draw(st.sampled_from([who.address, who.address, None]) | places))


class AnyGossip(RuleBasedStateMachine):
    """Peers say anything, links are lost, time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = Ours(*(peer.contact() for peer in CONTACTS), version=5)
        self.versions: dict[bytes, int] = {}
        self.ours.starts()

    @rule(speaker=somebody, said=st.lists(items(), max_size=4), proven=st.booleans())
    def gossip(self, speaker: Peer, said: list[GossipRecord], proven: bool) -> None:
        self._told(self.ours.hears(speaker, *said, proven=speaker if proven else None))

    @rule(speaker=somebody)
    def debut(self, speaker: Peer) -> None:
        self._told(self.ours.hears(speaker, speaker.shown()))

    @rule(speaker=somebody, version=st.integers(2, 9))
    def confirm(self, speaker: Peer, version: int) -> None:
        self._told(self.ours.hears(speaker, speaker.shown(ROOT.key, version=version)))

    @rule(speaker=somebody)
    def failure(self, speaker: Peer) -> None:
        self._told(self.ours.hears_failure(speaker))

    @rule(peer=anybody)
    def loss(self, peer: Peer) -> None:
        self._told(self.ours.loses(peer))

    @rule(seconds=st.sampled_from([0.01, 0.1, 3.0, 30.0, 100.0]))
    def time(self, seconds: float) -> None:
        self._told(self.ours.waits(seconds))

    def _told(self, tells: list[Tell]) -> None:
        for tell in tells:
            assert tell.key != ROOT.key
            assert tell.endpoint.ip != ROOT.ip
            if isinstance(tell.message, Gossip):
                keys = told_keys(tell)
                assert len(set(keys)) == len(keys), "no record twice in one message"
                assert tell.key not in keys, "nobody is told of itself"

    @invariant()
    def who_is_at_an_address_is_known_there(self) -> None:
        for peer in CROWD:
            key = self.ours.graph.at(peer.ip)
            address = self.ours.graph.address(key) if key else None
            assert key is None or (address and address.ip == peer.ip)

    @invariant()
    def it_wants_to_be_woken_later(self) -> None:
        assert self.ours.now <= self.ours.core.next_wake(self.ours.now) <= self.ours.now + 10.0

    @invariant()
    def full_neighbors_are_listed(self) -> None:
        assert set(self.ours.full) <= self.ours.record.neighbors
        assert len(self.ours.record.neighbors) <= MAX_LISTED


AnyGossip.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow], deadline=None
)
TestAnyGossip = AnyGossip.TestCase


def test_our_version_begins_where_it_is_told_to() -> None:
    ours = Ours(version=1_000)
    assert ours.record.version == 1_000
    ours.befriends(Peer(1))
    assert ours.record.version == 1_001
