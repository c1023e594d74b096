"""Issue 9, 3: who doesn't read what he provokes makes a Node keep next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.attacks.rogue import RogueLink, Stranger, bad_opens, pings, push
from tests.attacks.victims import MIB, cost_to, started

UNREAD = 4_096


@pytest.mark.parametrize("size", [3 * MIB, pytest.param(20 * MIB, marks=pytest.mark.attack_long)])
@pytest.mark.parametrize("made", [bad_opens, pings])
def test_03_answers_to_who_doesn_t_read_are_bounded(
    tmp_path: Path, made: Callable[[RogueLink, int], bytes], size: int, tell: Callable[[str], None]
) -> None:
    with started(tmp_path, 121) as victim, Stranger().link(victim, UNREAD) as link:
        data = made(link, size)
        link.socket.settimeout(3)
        with cost_to(victim) as cost:
            taken = push(link.socket, data)
            assert victim.status()["stage"]
        tell(f"{taken / MIB:.1f} of {size / MIB:.0f} MiB were taken: {cost}")
        # The short form is a seventh of what has to be borne: it falls by the same measure.
        assert cost.memory < (50 if size > 10 * MIB else 20) * MIB
