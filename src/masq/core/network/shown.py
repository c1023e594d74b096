"""Whose addresses were shown to whom: who asks for more introductions than a Node needs collects them."""

from __future__ import annotations

from typing import Final

from masq.core.limits import MAX_ASKERS, SHOWN_PER_HOUR, prefix
from masq.types import PublicKey

HOUR: Final = 3_600.0


class Shown:
    """Counts different Nodes, by the prefix of who asked: one that is shown again tells nothing new."""

    def __init__(self) -> None:
        self._by_prefix: dict[str, dict[PublicKey, tuple[str, float]]] = {}

    def may_show(self, ip: str, key: PublicKey, now: float) -> bool:
        """Whether this Node's address may be shown to who asks from `ip`; if so, it counts as shown."""
        shown = self._of(prefix(ip), now)
        if key not in shown and len(shown) >= SHOWN_PER_HOUR:
            return False
        shown.setdefault(key, (ip, now))
        return True

    def greedy(self, ip: str, now: float) -> bool:
        """Whether this very address, and no other one beside it, was shown as many as there are."""
        return sum(asker == ip for asker, _ in self._of(prefix(ip), now).values()) >= SHOWN_PER_HOUR

    def _of(self, asker: str, now: float) -> dict[PublicKey, tuple[str, float]]:
        shown = {key: (ip, then) for key, (ip, then) in self._by_prefix.pop(asker, {}).items() if now - then < HOUR}
        while len(self._by_prefix) >= MAX_ASKERS:
            del self._by_prefix[next(iter(self._by_prefix))]  # The one that asked last longest ago.
        self._by_prefix[asker] = shown
        return shown
