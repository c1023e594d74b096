"""Issue 9, 4: OPENs and circuits of strangers keep no honest circuit from being opened, and have a bound over all."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.attacks.rogue import RogueCircuit, RogueLink, Stranger, push
from tests.attacks.victims import MIB, cost_to, fetch, served, started

Tell = Callable[[str], None]

REMEMBERED = 66_600
"""More OPENs than a Node remembers."""
FEW = 800
"""Circuits that some addresses of one stranger each may have in all: by memory alone the short form can't tell."""


def opens(link: RogueLink, count: int) -> bytes:
    """OPENs of circuits that nobody wants to use, each sound, and none like another."""
    made = bytearray()
    for _ in range(count):
        circuit = RogueCircuit(link)
        wire = circuit.opening().wire
        link.secure.seal(wire)
        made += wire
    return bytes(made)


@pytest.mark.attack_long
@pytest.mark.timeout(240)
def test_04_opens_of_a_stranger_don_t_stop_those_of_others(tmp_path: Path, tell: Tell) -> None:
    with served(tmp_path, 131) as (victim, user, web):
        sent = 0
        with cost_to(victim) as cost:
            link = Stranger().link(victim)
            while sent < REMEMBERED and not link.ended:
                data = opens(link, 600)
                if push(link.socket, data) < len(data):
                    break
                sent += 600
                link.drain()
            link.socket.close()
            time.sleep(1)
        outcomes = []
        for group in range(5):
            try:
                outcomes.append(f"{fetch(user, web, group=f'fresh {group}', timeout=8):.2f} s")
            except OSError as error:
                outcomes.append(str(error))
        tell(f"{sent} OPENs: {cost}; honest fetches over new circuits: {outcomes}")
        assert all(outcome.endswith(" s") for outcome in outcomes)


@pytest.mark.parametrize(("links", "each"), [(4, 250), pytest.param(12, 1_000, marks=pytest.mark.attack_long)])
@pytest.mark.timeout(240)
def test_04_idle_circuits_have_a_bound_over_all(tmp_path: Path, links: int, each: int, tell: Tell) -> None:
    with started(tmp_path, 133) as victim:
        held: list[RogueLink] = []
        try:
            with cost_to(victim) as cost:
                for number in range(links):
                    try:
                        held.append(Stranger(f"127.0.9.{number // 3 + 1}").link(victim))
                    except OSError:
                        continue
                    push(held[-1].socket, opens(held[-1], each))
                for link in held:
                    link.pump(0.3)
            there = victim.status()["circuits"]
            tell(f"{links * each} asked for, {there} there: {cost}")
            assert cost.memory < 60 * MIB
            assert links > 4 or there <= FEW
        finally:
            for link in held:
                link.socket.close()
