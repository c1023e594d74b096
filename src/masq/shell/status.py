"""The status document: what the parts show of themselves, as one JSON object (docs/status.md)."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

from masq import __version__
from masq.core.verdict import verdict
from masq.core.view import BooksView, NodeView, ProcessView, TrafficView, as_json
from masq.shell.driver import Driver
from masq.types import Address, Endpoint, address_text
from masq.wire.descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of the process, and whom to ask for the rest."""

    driver: Driver
    _: KW_ONLY
    started: float
    """On the event loop's clock."""
    chain: str
    descriptor: Descriptor
    """As of the start."""
    entry: Endpoint
    dns: Endpoint | None
    window: str | None
    consuming_wallet: Address | None
    earning_wallet: Address
    warnings: tuple[str, ...]
    directory: Path
    """Where the books are."""

    def view(self) -> ProcessView:
        return ProcessView(
            descriptor=str(self._descriptor()),
            chain=self.chain,
            uptime=self.driver.turn.now - self.started,
            pid=os.getpid(),
            entry=str(self.entry),
            dns=str(self.dns) if self.dns else None,
            consuming_wallet=address_text(self.consuming_wallet) if self.consuming_wallet else None,
            earning_wallet=address_text(self.earning_wallet),
            window=self.window,
            warnings=(*self.warnings, *self.driver.warnings, *self.driver.meter.quota.warnings),
            failures=self.driver.journal.failures(),
            version=__version__,
            traffic=self._traffic(),
        )

    def _descriptor(self) -> Descriptor:
        """The Node may have moved since the start."""
        if self.descriptor.address is None:
            return self.descriptor
        return replace(self.descriptor, address=self.driver.turn.node.neighborhood.graph.root_address)

    def _traffic(self) -> TrafficView:
        traffic, quota = self.driver.turn.traffic, self.driver.meter.quota
        return TrafficView(traffic.received, traffic.sent, quota.used, quota.most or None)

    def document(self) -> dict[str, Any]:
        """The verdict, and the members of the three views side by side."""
        views = self.views()
        members = {name: value for view in views for name, value in as_json(view).items()}
        return {"verdict": as_json(verdict(*views)), **members}

    def metrics(self) -> bytes:
        """What Prometheus reads."""
        # Loaded by those alone who want it.
        from masq.shell.metrics import Seen, exposition

        try:
            free = shutil.disk_usage(self.directory).free
        except OSError:
            free = None
        driver = self.driver
        return exposition(
            Seen(
                *self.views(),
                failures=dict(driver.journal.failed),
                provider_answers=driver.bank.provider_answers,
                disk_free=free,
                unix=time.time(),
            )
        )

    def views(self) -> tuple[ProcessView, NodeView, BooksView]:
        turn = self.driver.turn
        return self.view(), turn.node.view(turn.now), turn.node.books(turn.now)
