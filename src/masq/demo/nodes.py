"""The demo's Nodes: processes of their own, each with its own address, directory, keys, wallets and password."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from masq.chain.wallet import Wallet
from masq.crypto import CryptDE
from masq.errors import UnavailableError
from masq.shell.store import Store
from masq.types import CHAINS, NodeAddress
from masq.wire.descriptor import Descriptor

CHAIN: Final = CHAINS["dev"]
PORT: Final = 6001
ENTRY_PORT: Final = 1080
THRESHOLDS: Final = "2|0|1000000|1|1|1"
"""Debts above 1 gwei are paid after two seconds, and nobody is banned: a demo has no time for real thresholds."""
STOP_TIMEOUT: Final = 4.0
NETWORKS: Final = (1, *range(101, 120))
"""Third parts of the addresses that a demo may have."""
COUNTRIES: Final = ("DE", "US", "JP", "BR", "FR", "AU", "ZA", "IN", "CA", "NO", "KR", "MX")
"""What the Nodes say of themselves in turn, for the map."""


@dataclass(slots=True)
class DemoNode:
    """One Node, and what the demo knows of it."""

    number: int
    directory: Path
    keys: CryptDE
    consuming: Wallet
    earning: Wallet
    network: int = 1
    """The third part of its address."""
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        return f"node-{self.number}"

    @property
    def ip(self) -> str:
        return f"127.0.{self.network}.{self.number}"

    @property
    def descriptor(self) -> str:
        return str(Descriptor(CHAIN, self.keys.fragment(), NodeAddress(self.ip, (PORT,))))

    def prepare(self) -> None:
        """Give the Node its keys beforehand, so that the others can be told of it before it runs."""
        store = Store.open(self.directory, self.password)
        store.set("cryptde", self.keys.to_text())
        store.close()

    async def start(self, chain_url: str, hops: int, neighbors: Sequence[DemoNode]) -> None:
        words = [sys.executable, "-m", "masq.cli.main", "run"]
        settings = {
            "chain": CHAIN.name,
            "ip": self.ip,
            "clandestine-port": str(PORT),
            "entry-ip": self.ip,
            "entry-port": str(ENTRY_PORT),
            "data-directory": str(self.directory),
            "blockchain-service-url": chain_url,
            "earning-wallet": "0x" + self.earning.address.hex(),
            "min-hops": str(hops),
            "country": COUNTRIES[(self.number - 1) % len(COUNTRIES)],
            "exit-allow-private": "on",
            "payment-thresholds": THRESHOLDS,
            "scans": "off",
            "log-level": "info",
        }
        if neighbors:
            settings["neighbors"] = ",".join(neighbor.descriptor for neighbor in neighbors)
        words += [word for name, value in settings.items() for word in (f"--{name}", value)]
        # Secrets go through the environment: a command line can be read by everybody on the machine.
        secret = {"MASQ_CONSUMING_PRIVATE_KEY": self.consuming.secret.hex(), "MASQ_DB_PASSWORD": self.password}
        with (self.directory / "log").open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *words,
                env={**os.environ, **secret},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C is for the demo, which ends its Nodes itself.
            )

    async def ask(self, words: str = "status") -> dict[str, Any]:
        """The Node's answer at its control socket. UnavailableError if it gives none."""
        if self.process is not None and self.process.returncode is not None:
            raise UnavailableError(f"{self.name} has ended, {self.how_it_ended()}")
        try:
            async with asyncio.timeout(5.0):
                reader, writer = await asyncio.open_unix_connection(str(self.directory / "masq.sock"))
                writer.write(words.encode() + b"\n")
                answer = await reader.read()
                writer.close()
            value = json.loads(answer)
        except (OSError, TimeoutError, ValueError) as error:
            raise UnavailableError(f"{self.name} does not answer: {error}") from error
        assert isinstance(value, dict)
        return value

    def last_words(self) -> str:
        lines = (self.directory / "log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    def how_it_ended(self) -> str:
        """For people."""
        status = None if self.process is None else self.process.returncode
        if status == 0:
            return "as it was told to stop"
        if status is not None and status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return f"exit status {status}: {self.last_words()}"

    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def stop(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            process.send_signal(signal.SIGCONT)  # It may have been frozen.
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
        except TimeoutError:
            process.kill()
            await process.wait()


def claim_network() -> tuple[int, socket.socket]:
    """Addresses that no other demo on this machine has, for as long as the socket is open."""
    for network in NETWORKS:
        claim = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            claim.bind((f"127.0.{network}.254", PORT))
            claim.listen(1)
        except OSError:
            claim.close()
        else:
            return network, claim
    raise UnavailableError("too many demos run on this machine: end one")


def new_nodes(count: int, directory: Path, network: int = 1) -> list[DemoNode]:
    """Fresh Nodes, numbered from 1."""
    return [
        DemoNode(
            number,
            directory / f"node-{number}",
            CryptDE(CHAIN.contract, os.urandom),
            Wallet(secrets.token_bytes(32)),
            Wallet(secrets.token_bytes(32)),
            network,
        )
        for number in range(1, count + 1)
    ]
