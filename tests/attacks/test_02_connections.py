"""Issue 9, 2: connections that say nothing, or half of something, lock nobody out and hold no memory."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.attacks.rogue import Stranger, push
from tests.attacks.victims import MIB, cost_to, fetch, served, started
from tests.running import wait_for

Tell = Callable[[str], None]

SILENT = 256
GONE_IN = 10.0
SLACK = 6.0


def crowd(stranger: Stranger, ip: str, count: int) -> list[socket.socket]:
    """Connections that say nothing; those that are refused are left out."""
    there = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            there.append(stranger.connect(ip))
    return there


def still_open(connections: list[socket.socket]) -> int:
    count = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            count += bool(connection.recv(1))
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count


def test_02_silent_connections_lock_nobody_out(tmp_path: Path, tell: Tell) -> None:
    with started(tmp_path, 111) as victim:
        silent = crowd(Stranger(), victim.ip, SILENT)
        try:
            begun = time.monotonic()
            with started(tmp_path, 112, victim.descriptor) as honest:
                try:
                    wait_for(lambda: honest.status()["stage"] == "RouteFound", 4)
                finally:
                    stage, took = honest.status()["stage"], time.monotonic() - begun
                    tell(f"{still_open(silent)} silent ones; an honest Node: {stage} after {took:.1f} s")
        finally:
            for connection in silent:
                connection.close()


@pytest.mark.attack_long
def test_02_many_strangers_leave_room_for_neighbors(tmp_path: Path, tell: Tell) -> None:
    """From 250 addresses: no bound per address helps, only room that is kept."""
    with served(tmp_path, 119) as (victim, user, web):
        user.stop()
        silent = [each for at in range(1, 251) for each in crowd(Stranger(f"127.0.9.{at}"), victim.ip, 2)]
        try:
            begun = time.monotonic()
            with started(tmp_path, 120, victim.descriptor) as again:
                wait_for(lambda: again.status()["stage"] == "RouteFound", 6)
                took = time.monotonic() - begun
                tell(f"{still_open(silent)} silent ones; a neighbor that starts again: {took:.1f} s")
                assert fetch(again, web) < 5
        finally:
            for connection in silent:
                connection.close()


@pytest.mark.attack_long
def test_02_who_says_nothing_or_half_of_something_goes(tmp_path: Path, tell: Tell) -> None:
    with started(tmp_path, 113) as victim:
        kinds: dict[str, list[socket.socket]] = {}
        try:
            for number, (name, words) in enumerate(
                {"nothing": b"", "half a greeting": b"MASQ-li", "half a frame": b'{"bodyData":"AAAA'}.items()
            ):
                kinds[name] = crowd(Stranger(f"127.0.9.{number + 1}"), victim.ip, 20)
                for connection in kinds[name]:
                    with contextlib.suppress(OSError):
                        connection.sendall(words)
            time.sleep(GONE_IN + SLACK)
            left = {name: still_open(connections) for name, connections in kinds.items()}
            tell(f"left after {GONE_IN + SLACK:.0f} s: {left}")
            assert not any(left.values())
        finally:
            for connections in kinds.values():
                for connection in connections:
                    connection.close()


@pytest.mark.parametrize("links", [16, pytest.param(60, marks=pytest.mark.attack_long)])
def test_02_half_frames_hold_no_memory(tmp_path: Path, links: int, tell: Tell) -> None:
    with started(tmp_path, 115) as victim:
        # From several addresses: one alone must not have so many links in the first place.
        connections = [each for at in range(links) for each in crowd(Stranger(f"127.0.9.{at % 8 + 1}"), victim.ip, 1)]
        try:
            with cost_to(victim) as cost:
                data = b'{"bodyData":"' + b"A" * (15 * MIB)
                threads = [threading.Thread(target=push, args=(each, data)) for each in connections]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            tell(f"{len(connections)} links: {cost}")
            assert cost.memory < 150 * MIB
        finally:
            for connection in connections:
                connection.close()


def test_02_a_byte_from_a_neighbor_s_address_is_not_the_neighbor(tmp_path: Path, tell: Tell) -> None:
    with served(tmp_path, 117) as (exit, user, web):
        assert fetch(user, web) < 5
        with Stranger(exit.ip).connect(user.ip) as impostor:
            impostor.sendall(b"{")
            time.sleep(0.3)
            try:
                took = fetch(user, web, group="another circuit", timeout=3)
            except OSError:
                tell("no new circuit to the neighbor any more")
                raise
            tell(f"a fetch over a new circuit took {took:.2f} s")
