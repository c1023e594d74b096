"""Issue 9, 20: what a hop sees of an OPEN doesn't tell it its place: all sizes are the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from masq.core.circuits.passage import Leg
from masq.core.effects import Effect
from masq.sim.host import SimNode
from masq.sim.workloads.application import Application
from masq.sim.workloads.browsing import Download
from masq.sim.world import World
from masq.wire import cbor
from masq.wire.circuit import data_of
from masq.wire.secure_link import Frame, FrameType

Seen = list[list[int]]
"""The sizes of the elements of each OPEN."""


def look(host: SimNode, seen: Seen) -> None:
    """Note what a Node sees of each OPEN."""
    circuits = host.node.circuits
    honest = circuits.frame

    def frame(leg: Leg, frame: Frame, now: float) -> Sequence[Effect]:
        if frame.type == FrameType.OPEN:
            seen.append([len(element) for element in cbor.array(cbor.decode(bytes(data_of(frame.wire))), "OPEN")])
        return honest(leg, frame, now)

    circuits.frame = frame  # type: ignore[method-assign, assignment]


def test_20_all_elements_of_all_opens_have_one_size_and_there_are_always_as_many(
    tell: Callable[[str], None],
) -> None:
    world = World(2001)
    world.join(9)
    # Users with routes of all lengths, and with a wallet each.
    users = [world.join(1, hops=hops)[-1] for hops in (1, 2, 3, 4, 6) for _ in range(2)]
    world.run(30)
    world.servers["files.test", 80] = Download
    seen: Seen = []
    for host in world.hosts:
        look(host, seen)
    for user in users:
        for group in ("one", "another"):
            application = Application()
            user.open(application, "files.test", 80, group)
            application.send(b"20\n")
            assert world.run_until(lambda application=application: application.ended, 30)  # type: ignore[misc]
    sizes = {size for sizes in seen for size in sizes}
    counts = {len(sizes) for sizes in seen}
    tell(f"{len(seen)} OPENs: sizes {sorted(sizes)}, elements {sorted(counts)}")
    assert len(seen) >= 2 * 2 * (1 + 2 + 3 + 4 + 6)
    assert len(sizes) == 1
    assert len(counts) == 1
