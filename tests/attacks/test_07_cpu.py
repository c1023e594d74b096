"""Issue 9, 7: a megabyte a second of any garbage from one address leaves honest users what they need."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from tests.attacks.floods import KINDS, Flood
from tests.attacks.victims import Cost, Traffic, alive, calm, cost_to, last_words, served, stream_speed, traffic
from tests.running import Running

Tell = Callable[[str], None]

SHARE = 0.2
"""Of a core, that a flood may take: so much less an honest stream gets at most."""
ON_A_BUSY_MACHINE = 0.5
"""The same where other tests run beside it; without any defence it was 0.86."""
LATENCY = 5
"""How many times as long the p95 of small fetches may be, as without a flood."""
LEAST = 0.05
"""Seconds that are no harm: this machine isn't the test's alone."""
SPEED = 0.6
"""Of the speed of an honest stream. 0.8 is wanted; but the flood itself takes from the same few cores."""

Served = tuple[Running, Running, int]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("cpu"), 161) as there:
        yield there


@pytest.fixture(scope="module")
def idle(nodes: Served) -> Traffic:
    """What an honest user gets without any flood."""
    _, user, web = nodes
    traffic(user, web, 10)
    return traffic(user, web, 100)


@pytest.fixture(scope="module")
def idle_speed(nodes: Served) -> float:
    """MB/s of an honest stream without any flood."""
    victim, user, web = nodes
    calm(victim)
    speed = stream_speed(user, web, 3.0)
    assert speed > 1
    return speed


def flooded(nodes: Served, kind: str, seconds: float, speed: float) -> tuple[Cost, Traffic, dict[str, int]]:
    """What a flood of `seconds` costs by itself, and what an honest user gets beside it."""
    victim, user, web = nodes
    calm(victim)
    # Each kind has an address of its own: bans may last.
    with Flood(kind, victim, f"127.0.9.{list(KINDS).index(kind) + 1}", 60.0) as flood:
        with cost_to(victim) as cost:
            time.sleep(seconds)
        measured = traffic(user, web, 40, speed, seconds, patience=seconds)
        assert alive(victim), last_words(victim)
        return cost, measured, flood.figures()


@pytest.mark.parametrize("kind", ["braces", "pings"])
def test_07_a_flood_takes_little(nodes: Served, idle: Traffic, kind: str, tell: Tell) -> None:
    """What it costs exactly takes a machine that does nothing else: see the long form."""
    cost, measured, figures = flooded(nodes, kind, 1.5, 0.0)
    tell(f"{kind}: {cost.share:.0%} of a core; idle: {idle}; flooded: {measured}; {figures}")
    assert cost.share < ON_A_BUSY_MACHINE
    assert not measured.failed


@pytest.mark.attack_long
@pytest.mark.parametrize("kind", KINDS)
def test_07_a_flood_takes_little_from_an_honest_stream(
    nodes: Served, idle: Traffic, idle_speed: float, kind: str, tell: Tell
) -> None:
    cost, measured, figures = flooded(nodes, kind, 5.0, 3.0)
    tell(f"{kind}: {cost.share:.0%} of a core; idle: {idle}, {idle_speed:.0f} MB/s; flooded: {measured}; {figures}")
    assert cost.share < SHARE
    assert not measured.failed
    assert measured.p95 < max(LATENCY * idle.p95, LEAST)
    assert measured.speed > SPEED * idle_speed
