"""Routes that tests of circuits give, in the place of those that a Node finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from masq.core.network.routing import Route
from masq.errors import UnavailableError
from masq.types import PublicKey

if TYPE_CHECKING:
    from tests.circuit_ends import Nodes


class FixedRoutes:
    """Routes that a test gives: the first that avoids what is to be avoided is taken."""

    def __init__(self, own: PublicKey, *ways: Nodes) -> None:
        self._own = own
        self.ways = list(ways)

    def stands(self, route: Route) -> bool:
        return True

    def find(self, hops: int, size: int, avoid: Sequence[PublicKey] = (), extension: str | None = None) -> Route:
        for nodes in self.ways:
            services = nodes.services
            over = (self._own, *(service.key for service in services))
            if not set(over) & set(avoid):
                return Route(over, over[::-1], services[-1], tuple(services[:-1]), (), ())
        raise UnavailableError("no route")
