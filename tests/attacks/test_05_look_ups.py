"""Issue 9, 5: names whose server is silent keep nobody else from having his resolved."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from tests.attacks.rogue import RogueCircuit, Stranger
from tests.attacks.victims import cost_to, descriptors, started
from tests.circuit_ends import begin

from masq.core.limits import LOOK_UPS
from masq.wire.circuit import Command, StreamEnd, decode_resolved, encode_end

SERVER = "127.0.9.53"
NAMES = 200


@pytest.fixture
def nameserver() -> Iterator[str]:
    """The address of a DNS server that answers for names with `quick` in them, and for no others."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        server.bind((SERVER, 53))
    except PermissionError:
        server.close()
        pytest.skip("port 53 needs root")
    server.settimeout(0.2)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            try:
                data, client = server.recvfrom(4096)
            except TimeoutError:
                continue
            query = dns.message.from_wire(data)
            name = query.question[0].name
            if "quick" not in name.to_text():
                continue
            response = dns.message.make_response(query)
            if query.question[0].rdtype == dns.rdatatype.A:
                response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "127.0.0.1"))
            server.sendto(response.to_wire(), client)

    thread = threading.Thread(target=serve)
    thread.start()
    yield SERVER
    stopping.set()
    thread.join()
    server.close()


def system_resolver(directory: Path) -> list[str]:
    """A command that gives the one behind it a resolv.conf of its own. Skips where one can't be had."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is missing")
    settings = directory / "resolv.conf"
    settings.write_text(f"nameserver {SERVER}\noptions timeout:5 attempts:2\n")
    script = f'mount --bind {settings} /etc/resolv.conf && exec "$@"'
    return ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"]


def resolved(circuit: RogueCircuit, stream: int) -> bool:
    return stream in circuit.answers(Command.RESOLVED)


@pytest.mark.parametrize("settings", ["system", "dns-servers"])
def test_05_silent_names_of_one_payer_don_t_stop_another_s(
    tmp_path: Path, nameserver: str, settings: str, tell: Callable[[str], None]
) -> None:
    wrapper = system_resolver(tmp_path) if settings == "system" else []
    own = {"dns-servers": nameserver} if settings == "dns-servers" else {}
    with contextlib.ExitStack() as stack:
        victim = stack.enter_context(started(tmp_path, 141, wrapper=wrapper, **own))
        attacker = stack.enter_context(Stranger("127.0.9.1").link(victim)).open()
        honest = stack.enter_context(Stranger("127.0.9.2").link(victim)).open()
        honest.resolve(["quick1.test"])
        assert honest.link.pump(5, lambda: resolved(honest, 1)), "not even without an attack"
        attacker.resolve(f"n{number}.silent.test" for number in range(NAMES))
        time.sleep(0.3)
        begun = time.monotonic()
        honest.resolve(["quick2.test"], 2)
        answered = honest.link.pump(2, lambda: resolved(honest, 2))
        tell(f"{settings}: " + (f"{time.monotonic() - begun:.2f} s" if answered else "no answer in 2 s"))
        assert answered
        assert decode_resolved(honest.answers(Command.RESOLVED)[2]).addresses


def test_05_silent_names_of_many_wallets_don_t_stop_a_quick_one(
    tmp_path: Path, nameserver: str, tell: Callable[[str], None]
) -> None:
    """Each wallet has its turn, so many wallets have many: what is slow gives way."""
    wallets, links = 240, 4
    with contextlib.ExitStack() as stack:
        victim = stack.enter_context(started(tmp_path, 143, **{"dns-servers": nameserver}))
        honest = stack.enter_context(Stranger("127.0.9.2").link(victim)).open()
        honest.resolve(["quick1.test"])
        assert honest.link.pump(5, lambda: resolved(honest, 1)), "not even without an attack"
        circuits = []
        for at in range(links):
            link = stack.enter_context(Stranger(f"127.0.9.{10 + at}").link(victim))
            for _ in range(wallets // links):
                link.stranger.renew_wallet()
                circuits.append(link.open())
        begun = time.monotonic()
        waits = []
        cost = stack.enter_context(cost_to(victim))
        for at, circuit in enumerate(circuits):
            circuit.resolve(f"n{at}-{number}.silent.test" for number in range(8))
        for number in range(2, 8):
            asked = time.monotonic()
            honest.resolve([f"quick{number}.test"], number)
            assert honest.link.pump(10, lambda number=number: resolved(honest, number))  # type: ignore[misc]
            waits.append(time.monotonic() - asked)
            time.sleep(max(0.0, begun + number - time.monotonic()))
        tell(f"{wallets} wallets: at most {max(waits):.2f} s, {descriptors(victim)} descriptors")
        assert max(waits) < 5
        assert descriptors(victim) < 2 * LOOK_UPS + 100
    tell(f"{wallets} wallets: {cost}")


@pytest.mark.parametrize("udp", [False, True])
def test_05_what_is_given_up_at_once_leaves_nothing_under_way(
    tmp_path: Path, nameserver: str, udp: bool, tell: Callable[[str], None]
) -> None:
    """Names, servers that don't answer, and sockets for datagrams, each ended in the cell in which it began."""
    end = encode_end(StreamEnd.STOPPED)
    with (
        started(tmp_path, 144, **{"dns-servers": nameserver}) as victim,
        Stranger().link(victim) as link,
    ):
        circuit = link.open()
        before = descriptors(victim)
        most = 0
        for number in range(40):
            host = "192.0.2.1" if number % 2 else f"n{number}.silent.test"
            streams = range(1 + 100 * number, 101 + 100 * number)
            circuit.say(
                *(said for stream in streams for said in (begin(stream, host, 81, udp), (stream, Command.END, end)))
            )
            most = max(most, descriptors(victim))
        time.sleep(0.5)
        left = descriptors(victim) - before
        tell(f"{4_000} begun and ended{', UDP' if udp else ''}: {most - before} descriptors at most, {left} afterwards")
        assert left <= 2
