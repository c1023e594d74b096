"""The status document: what the parts show of themselves, as one JSON object (docs/status.md)."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from typing import Any

from masq import __version__
from masq.core.view import ProcessView, as_json
from masq.shell.driver import Driver
from masq.types import Address, Endpoint, address_text


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of the process, and whom to ask for the rest."""

    driver: Driver
    _: KW_ONLY
    started: float
    """On the event loop's clock."""
    chain: str
    descriptor: str
    entry: Endpoint
    dns: Endpoint | None
    consuming_wallet: Address | None
    earning_wallet: Address
    warnings: tuple[str, ...]

    def view(self) -> ProcessView:
        return ProcessView(
            descriptor=self.descriptor,
            chain=self.chain,
            uptime=self.driver.turn.now - self.started,
            pid=os.getpid(),
            entry=str(self.entry),
            dns=str(self.dns) if self.dns else None,
            consuming_wallet=address_text(self.consuming_wallet) if self.consuming_wallet else None,
            earning_wallet=address_text(self.earning_wallet),
            warnings=(*self.warnings, *self.driver.bank.warnings),
            failures=self.driver.journal.failures(),
            version=__version__,
        )

    def document(self) -> dict[str, Any]:
        """The members of the three views side by side."""
        turn = self.driver.turn
        views = (self.view(), turn.node.view(turn.now), turn.node.accountant.view(turn.now))
        return {name: value for view in views for name, value in as_json(view).items()}
