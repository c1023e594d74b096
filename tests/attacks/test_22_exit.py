"""Issue 9, 22: an exit serves nobody its own machine, nor what is no host of the Internet, nor the ports of abuse."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.attacks.rogue import RogueLink, Stranger
from tests.attacks.victims import Holder, Network, started

from masq.settings.exit_rules import exit_rules
from masq.shell.exit_policy import ExitPolicy
from masq.shell.own_addresses import OwnAddresses
from masq.types import CHAINS, NodeAddress
from masq.wire.circuit import Command, StreamEnd, end_of
from masq.wire.descriptor import Descriptor

Tell = Callable[[str], None]

FIRST, SECOND, SIX = "5.5.5.5", "6.6.6.6", "2a00:1450::5"
"""The exit's addresses; it advertises the first."""
ATTACKER, OUTSIDE = "7.7.7.7", "8.8.4.4"
SERVICE, ENTRY = 8_080, 1_080


def refused(address: str, port: int = 443) -> bool:
    """Whether an exit with default settings refuses a target."""
    policy = ExitPolicy(exit_rules(""), OwnAddresses([FIRST], look=list), False)
    return policy.refusal(address, port) is not None


NO_HOSTS = [
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    f"::ffff:{FIRST}",
    "::127.0.0.1",
    "::10.0.0.1",
    "::8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    f"64:ff9b::{FIRST}",
    "64:ff9b:1::1",
    "fec0::1",
    "5f00::1",
    "3fff::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "192.0.0.8",
    "192.88.99.1",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "100.64.0.1",
    "169.254.169.254",
    "fe80::1",
    "fd00::1",
]


@pytest.mark.parametrize("address", NO_HOSTS)
def test_22_what_is_no_host_of_the_internet_is_refused(address: str) -> None:
    assert refused(address)


@pytest.mark.parametrize("port", [25, 119, 135, 137, 138, 139, 445, 563, 1214, 4661, 6346, 6699, 6881])
def test_22_ports_of_abuse_are_refused(port: int) -> None:
    """As tor's default policy has them: mail, news, Windows, file sharing."""
    assert refused("8.8.8.8", port)


@pytest.mark.parametrize("port", [22, 53, 80, 110, 143, 443, 465, 587, 993, 995, 5_222, 6_667, 8_080, 8_443])
@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_22_what_people_use_is_served(address: str, port: int) -> None:
    assert not refused(address, port)


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network(FIRST, SECOND, SIX, ATTACKER, OUTSIDE)
    yield made
    made.close()


def reached(link: RogueLink, targets: list[tuple[str, int]]) -> dict[str, str]:
    """What an exit makes of each target."""
    circuit = link.open()
    outcomes = {}
    for stream, (host, port) in enumerate(targets, 1):
        circuit.begin([stream], host, port)
        link.pump(8, lambda stream=stream: any(said[0] == stream for said in circuit.said))  # type: ignore[misc]
        outcome = "nothing"
        for said, command, data in circuit.said:
            if said == stream and command in (Command.CONNECTED, Command.END):
                outcome = "CONNECTED" if command == Command.CONNECTED else StreamEnd(end_of(memoryview(data))[0]).name
                break
        outcomes[f"{host}:{port}"] = outcome
    return outcomes


OWN = [(SECOND, SERVICE), (SECOND, ENTRY), (SIX, SERVICE), (f"::ffff:{SECOND}", SERVICE), (FIRST, SERVICE)]
LOCAL = [("127.0.0.1", ENTRY), ("::1", SERVICE), ("localhost", ENTRY)]


def test_22_the_exit_s_own_machine_is_refused(tmp_path: Path, network: Network, tell: Tell) -> None:
    services = network.run(lambda: [Holder(ip, SERVICE) for ip in (FIRST, SECOND, SIX)])
    settings = {"ip": FIRST, "entry-ip": SECOND, "exit-allow-private": "off"}
    try:
        with started(tmp_path, 221, wrapper=network.wrapper, **settings) as exit:
            with network.run(lambda: Stranger(ATTACKER).link(exit)) as link:
                outcomes = reached(link, OWN + LOCAL)
            tell(str(outcomes))
            assert set(outcomes.values()) == {"POLICY"}
    finally:
        for service in services:
            service.close()


def test_22_no_datagrams_reach_the_exit_s_own_machine(tmp_path: Path, network: Network, tell: Tell) -> None:
    def listener(ip: str) -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((ip, SERVICE))
        made.settimeout(1)
        return made

    services = network.run(lambda: {ip: listener(ip) for ip in (FIRST, SECOND, SIX)})
    heard = []
    try:
        with (
            started(tmp_path, 223, wrapper=network.wrapper, **{"ip": FIRST, "exit-allow-private": "off"}) as exit,
            network.run(lambda: Stranger(ATTACKER).link(exit)) as link,
        ):
            circuit = link.open()
            circuit.begin([1], "", 0, udp=True)
            assert link.pump(5, lambda: 1 in circuit.answers(Command.CONNECTED))
            for ip in services:
                circuit.datagram(1, ip, SERVICE, b"hello")
            for ip, service in services.items():
                with contextlib.suppress(TimeoutError):
                    service.recv(100)
                    heard.append(ip)
        tell(f"datagrams reached {heard}")
        assert not heard
    finally:
        for service in services.values():
            service.close()


def test_22_the_machine_of_an_exit_that_accepts_no_connections_is_refused(
    tmp_path: Path, network: Network, tell: Tell
) -> None:
    services = network.run(lambda: [Holder(ip, SERVICE) for ip in (FIRST, SECOND, SIX)])
    stranger = Stranger(ATTACKER)
    descriptor = Descriptor(CHAINS["dev"], stranger.keys.fragment(), NodeAddress(ATTACKER, (6_001,)))
    listener = network.run(lambda: socket.create_server((ATTACKER, 6_001)))
    listener.settimeout(15)
    settings = {
        "neighborhood-mode": "originate-only",
        "ip": "-",
        "clandestine-port": "-",
        "entry-ip": SECOND,
        "exit-allow-private": "off",
    }
    try:
        with (
            listener,
            started(tmp_path, 222, str(descriptor), wrapper=network.wrapper, **settings),
            stranger.answered(listener.accept()[0]) as link,
        ):
            outcomes = reached(link, OWN)
        tell(str(outcomes))
        assert set(outcomes.values()) == {"POLICY"}
    finally:
        for service in services:
            service.close()
