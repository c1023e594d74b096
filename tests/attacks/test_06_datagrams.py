"""Issue 9, 6: datagrams for names that are being looked up are held in small number."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.attacks.rogue import Stranger
from tests.attacks.victims import MIB, cost_to, started

from masq.wire.circuit import CIRCUIT_CREDIT, STREAM_CREDIT, Command

SILENT = "127.0.9.54"
SIZE = 60_000
EACH = 60
"""Datagrams for one name."""


@pytest.mark.parametrize("total", [120 * MIB, pytest.param(500 * MIB, marks=pytest.mark.attack_long)])
def test_06_datagrams_under_look_up_are_few(tmp_path: Path, total: int, tell: Callable[[str], None]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        try:
            silent.bind((SILENT, 53))
        except PermissionError:
            pytest.skip("port 53 needs root")
        with (
            started(tmp_path, 151, **{"dns-servers": SILENT}) as victim,
            Stranger().link(victim) as link,
            cost_to(victim) as cost,
        ):
            circuit = link.open()
            circuit.begin([1], "", 0, udp=True)
            assert link.pump(5, lambda: 1 in circuit.answers(Command.CONNECTED))
            circuit.credit = {0: CIRCUIT_CREDIT, 1: STREAM_CREDIT}
            sent = count = 0
            while sent < total:
                if min(circuit.credit.values()) < 2 * SIZE and not link.pump(
                    2, lambda: min(circuit.credit.values()) >= 2 * SIZE
                ):
                    break  # It gives no more.
                sent += circuit.datagram(1, f"n{count // EACH}.silent.test", 9, bytes(SIZE))
                count += 1
        tell(f"{sent / MIB:.0f} of {total / MIB:.0f} MiB were allowed: {cost}")
        assert cost.memory < 64 * MIB
