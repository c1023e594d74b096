"""What a user may ask a running Node, or tell it, by its control socket: one function for each first word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from masq.core.accountant.effects import Scan
from masq.core.node import Node
from masq.core.view import as_json
from masq.errors import LocalError
from masq.shell.control import Answer, Command
from masq.shell.driver import Driver
from masq.shell.jobs import Jobs
from masq.shell.ledger import look_at_running
from masq.shell.redeeming import rows
from masq.shell.reload import Reloading
from masq.shell.status import Status
from masq.shell.store import Store

STOP_AFTER: Final = 0.05
"""Seconds that the answer has to leave before the Node stops."""


def commands(
    driver: Driver, status: Status, reloading: Reloading, store: Store, stop: Callable[[], None]
) -> Mapping[str, Command]:
    """By their words. `stop` ends the Node."""
    jobs = Jobs(driver.turn.loop)
    orders = _Orders(driver, stop)
    return {
        "status": _alone(status.document),
        "scan": orders.scan,
        "ban": orders.ban,
        "lift": orders.lift,
        "route": orders.route,
        "reload": _alone(reloading.again),
        "audit": _alone(lambda: _audited(driver.turn.node)),
        "history": _history(store),
        "vouchers": _alone(lambda: {"vouchers": rows(store, driver.turn.node.accountant.owed_by)}),
        "words": _alone(lambda: {"given": dict(reloading.sources.given)}),
        "stop": _alone(orders.end),
        "snapshot": jobs.command(lambda: {"snapshot": str(store.snapshot())}),
        "ledger": jobs.command(lambda: look_at_running(store)),
        "metrics": _alone(lambda: {"text": status.metrics().decode()}),
    }


def _alone(answer: Callable[[], dict[str, Any]]) -> Command:
    """A command that takes no words."""

    def command(words: Sequence[str]) -> Answer:
        if words:
            raise ValueError("nothing is expected behind it")
        return answer()

    return command


def _audited(node: Node) -> dict[str, Any]:
    return {"accounts": as_json(node.audit()), "unanswered": as_json(node.unanswered())}


def _history(store: Store) -> Command:
    """A page of what the books have seen."""

    def command(words: Sequence[str]) -> Answer:
        if not 1 <= len(words) <= 2:
            raise ValueError("behind it come a kind, and where to go on")
        page = store.history(words[0], words[1] if len(words) == 2 else "")
        return {"rows": page.rows, "after": page.after}

    return command


@dataclass(frozen=True, slots=True)
class _Orders:
    driver: Driver
    stop: Callable[[], None]

    def scan(self, words: Sequence[str]) -> Answer:
        turn = self.driver.turn
        match words:
            case [kind] if kind in list(Scan):
                turn.carry(turn.node.scan(Scan(kind), turn.now))
            case [Scan.RECEIVABLES, "--from", block] if block.isdecimal() and len(block) < 16:
                turn.carry(turn.node.search_from(int(block), turn.now))
            case _:
                raise ValueError(f"behind it comes one of {', '.join(Scan)}; or receivables --from BLOCK")
        return {}

    def ban(self, words: Sequence[str]) -> Answer:
        if len(words) != 2 or not (words[1].isascii() and words[1].isdecimal()):
            raise ValueError("behind it come an address, a key or a wallet, and seconds")
        turn = self.driver.turn
        turn.carry(turn.node.ban(words[0], float(words[1]), turn.now))
        return {}

    def lift(self, words: Sequence[str]) -> Answer:
        if len(words) != 1:
            raise ValueError("behind it comes an address, a key or a wallet")
        turn = self.driver.turn
        if not turn.node.bans.lift(words[0], turn.now):
            raise LocalError(f"nothing is held against {words[0]}")
        return {}

    def route(self, words: Sequence[str]) -> Answer:
        if list(words) != ["new"]:
            raise ValueError("say `route new`")
        return {"left": self.driver.turn.node.renew_routes()}

    def end(self) -> Answer:
        self.driver.turn.loop.call_later(STOP_AFTER, self.stop)
        return {}
