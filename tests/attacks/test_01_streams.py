"""Issue 9, 1: streams that use up all descriptors of a Node end nothing, and are refused with a reason."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.attacks.rogue import Stranger
from tests.attacks.victims import Holder, Server, alive, cost_to, descriptors, files, last_words, pages, started
from tests.circuit_ends import begin
from tests.running import wait_for

from masq.wire.circuit import Command, StreamEnd, end_of

Tell = Callable[[str], None]

MANY = 1_100
"""More than the usual soft limit."""
OWN = 300
"""Downloads at once of the Node's own user."""


def test_01_two_cells_end_no_node_and_its_books_are_kept(tmp_path: Path, tell: Tell) -> None:
    server = Holder()
    try:
        with started(tmp_path, 101, limits=files(1_024, 4_096)) as victim:
            with Stranger().link(victim) as link, cost_to(victim) as cost:
                circuit = link.open()
                # Something to be booked, and saved.
                circuit.say(begin(1, "127.0.0.1", server.port), (1, Command.DATA, bytes(1_000)))
                link.pump(5, lambda: bool(circuit.answers(Command.CONNECTED)))
                for first in (2, 2 + MANY // 2):
                    circuit.begin(range(first, first + MANY // 2), "127.0.0.1", server.port)
                link.pump(5, lambda: len(circuit.said) > MANY or circuit.closed is not None)
                circuit.say((1, Command.DATA, bytes(1_000)))
                link.pump(2.5, lambda: not alive(victim))
                connected, ended = circuit.answers(Command.CONNECTED), circuit.answers(Command.END)
                tell(f"{len(connected)} connected, {len(ended)} refused, exit status {victim.process.poll()}")
                assert alive(victim), last_words(victim)
                assert len(connected) + len(ended) == MANY + 1
                assert {end_of(memoryview(data))[0] for data in ended.values()} <= {StreamEnd.OVERLOADED}
                booked = victim.status()["receivables"]
                assert booked
            tell(str(cost))
            victim.stop()
        with started(tmp_path, 101) as again:
            assert again.status()["receivables"] == booked
    finally:
        server.close()


@pytest.mark.parametrize("count", [600, pytest.param(2_000, marks=pytest.mark.attack_long)])
def test_01_what_few_descriptors_can_t_serve_is_refused(tmp_path: Path, count: int, tell: Tell) -> None:
    server = Holder()
    try:
        with started(tmp_path, 103, limits=files(256, 256)) as victim, Stranger().link(victim) as link:
            circuit = link.open()
            for first in range(1, count + 1, 500):
                circuit.begin(range(first, min(first + 500, count + 1)), "127.0.0.1", server.port)
            answered = link.pump(20, lambda: len(circuit.said) >= count or circuit.closed is not None)
            connected, ended = circuit.answers(Command.CONNECTED), circuit.answers(Command.END)
            codes = {end_of(memoryview(data))[0] for data in ended.values()}
            tell(
                f"of {count}: {len(connected)} connected, {len(ended)} refused with {codes}, "
                f"circuit {circuit.closed!r}, {descriptors(victim) if alive(victim) else 'no'} descriptors"
            )
            assert alive(victim), last_words(victim)
            assert answered
            assert circuit.closed is None
            assert len(connected) + len(ended) == count
            assert codes == {StreamEnd.OVERLOADED}
            time.sleep(1.5)
            assert victim.status()["stage"]
    finally:
        server.close()


def test_01_parallel_downloads_of_the_own_user_end_nothing(tmp_path: Path, tell: Tell) -> None:
    web = Server(pages)
    size = 200_000

    async def download(ip: str) -> str:
        """`done`, `refused` with a reason, or what else became of it."""
        try:
            async with asyncio.timeout(40):
                reader, writer = await asyncio.open_connection(ip, 1080)
                writer.write(b"GET http://127.0.0.1:%d/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (web.port, size))
                answer = await reader.read(-1)
                writer.close()
        except (OSError, TimeoutError) as error:
            return type(error).__name__
        head, _, body = answer.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 200"):
            return "done" if len(body) == size else "cut off"
        return "refused" if head.startswith(b"HTTP/1.1 50") and b"MASQ Node:" in body else "no answer"

    async def downloads(ip: str) -> list[str]:
        return await asyncio.gather(*(download(ip) for _ in range(OWN)))

    try:
        with started(tmp_path, 105) as exit, started(tmp_path, 106, exit.descriptor, limits=files(256, 256)) as victim:
            wait_for(lambda: victim.status()["stage"] == "RouteFound")
            outcomes = asyncio.run(downloads(victim.ip))
            counts = {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
            tell(f"{counts}, exit status {victim.process.poll()}")
            time.sleep(1.5)
            assert alive(victim), last_words(victim)
            assert set(outcomes) <= {"done", "refused"}
            assert counts.get("done", 0) >= 50
    finally:
        web.close()
